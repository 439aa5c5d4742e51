//! The rules that come with the program, as texts inside of it: what `vigie` uses where an
//! installation has no rule files of its own, and what it writes out for an operator to adapt.

use super::rules::RuleSource;

/// Every file of `config/rules`: name and text, in the order in which they are compiled.
pub const FILES: &[(&str, &str)] = &[
    ("alarm-types.toml", include_str!("../../config/rules/alarm-types.toml")),
    ("metrics-collectors.toml", include_str!("../../config/rules/metrics-collectors.toml")),
    ("metrics-hosts.toml", include_str!("../../config/rules/metrics-hosts.toml")),
    ("metrics-network.toml", include_str!("../../config/rules/metrics-network.toml")),
    ("metrics-opentelemetry.toml", include_str!("../../config/rules/metrics-opentelemetry.toml")),
    ("metrics-routers.toml", include_str!("../../config/rules/metrics-routers.toml")),
    ("metrics-telegraf.toml", include_str!("../../config/rules/metrics-telegraf.toml")),
    ("snmp-cisco.toml", include_str!("../../config/rules/snmp-cisco.toml")),
    ("snmp-juniper.toml", include_str!("../../config/rules/snmp-juniper.toml")),
    ("snmp-standard.toml", include_str!("../../config/rules/snmp-standard.toml")),
    ("snmp-ups.toml", include_str!("../../config/rules/snmp-ups.toml")),
    ("syslog-access.toml", include_str!("../../config/rules/syslog-access.toml")),
    ("syslog-apc.toml", include_str!("../../config/rules/syslog-apc.toml")),
    ("syslog-cisco.toml", include_str!("../../config/rules/syslog-cisco.toml")),
    ("syslog-juniper.toml", include_str!("../../config/rules/syslog-juniper.toml")),
    ("syslog-linux.toml", include_str!("../../config/rules/syslog-linux.toml")),
    ("syslog-more.toml", include_str!("../../config/rules/syslog-more.toml")),
    ("syslog-switches.toml", include_str!("../../config/rules/syslog-switches.toml")),
    ("syslog-vmware.toml", include_str!("../../config/rules/syslog-vmware.toml")),
];

/// The files as sources for [`super::compile`].
pub fn sources() -> impl Iterator<Item = RuleSource<'static>> {
    FILES.iter().map(|(file, text)| RuleSource { file, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::rules::compile;

    #[test]
    fn every_rule_file_is_in_the_program_and_compiles() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rules");
        let mut on_disk: Vec<String> = std::fs::read_dir(folder)
            .expect("config/rules is part of the project")
            .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into())
            .collect();
        on_disk.sort();
        let mut inside: Vec<&str> = FILES.iter().map(|(file, _)| *file).collect();
        inside.sort_unstable();
        assert_eq!(inside, on_disk);
        let sources: Vec<RuleSource<'_>> = sources().collect();
        if let Err(found) = compile(&sources) {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"));
        }
    }
}
