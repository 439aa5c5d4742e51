//! Configurations as people write them.

use super::*;
use proptest::prelude::*;

fn with(overrides: &[&str]) -> Checked<Config> {
    let overrides: Vec<_> = overrides.iter().map(|each| (*each).to_owned()).collect();
    Config::load(None, &overrides, None)
}

#[test]
fn built_in_defaults_are_those_that_others_rely_on() {
    let checked = Config::load(None, &[], Some(Path::new("/tmp/x")));
    assert_eq!((checked.warnings.len(), checked.errors.len()), (0, 0));
    let config = checked.value.expect("no errors");
    let addresses = |kind| config.addresses(kind).map(|a| a.to_string()).collect::<Vec<_>>();
    assert_eq!(addresses("snmp-trap"), ["127.0.0.1:10162", "[::1]:10162"]);
    assert_eq!(addresses("syslog-udp"), ["127.0.0.1:10514", "[::1]:10514"]);
    assert_eq!(addresses("syslog-tcp"), ["127.0.0.1:10514", "[::1]:10514"]);
    assert_eq!(addresses("http"), ["127.0.0.1:8162"]);
    assert_eq!(config.correlation.hold_off_ms, 2_000);
    assert!(config.tickets.unknown_senders_open && config.rules.builtin);
    assert_eq!(config.store_path, Path::new("/tmp/x/history.db"));
    assert_eq!(config.kafka, None);
}

#[test]
fn packaged_configuration_opens_no_ticket_for_strangers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/vigie.toml");
    let config = Config::load(Some(&path), &[], None).into_result().expect("it loads");
    assert!(!config.tickets.unknown_senders_open);
    assert_eq!(config.state.dir, Path::new("/var/lib/vigie"));
    assert_eq!(config.correlation, CorrelationSettings::default());
    assert_eq!(config.tickets, TicketSettings::default());
    let first = config.inventory.first().expect("patterns");
    assert!(first.is_absolute() && first.ends_with("config/inventory/*.toml"));
}

/// What is commented out in the packaged file is the default that it claims to be.
#[test]
fn packaged_defaults_are_told_truly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let text = std::fs::read_to_string(folder.join("vigie.toml")).expect("readable");
    let read = |text: &str| {
        let mut findings = Findings::default();
        let text: Arc<str> = Arc::from(text);
        let whole = findings.add_source("vigie.toml", Arc::clone(&text));
        let tree = document::parse(whole, &text, &mut findings);
        let written = file::read(whole, tree, &folder, &mut findings);
        let config = check::check(written, whole, &mut findings);
        (config, findings.into_diagnostics().1)
    };
    let is_key = |line: &str| line.starts_with("# ") && line.contains(" = ") && !line.contains('"');
    let spoken: String = text
        .lines()
        .map(|line| if is_key(line) { line.trim_start_matches("# ") } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_ne!(spoken, text);
    let (silent, errors) = read(&text);
    assert_eq!(errors, []);
    assert_eq!(read(&spoken), (silent, vec![]));
}

#[test]
fn kafka_can_be_switched_on_by_flags() {
    let checked = with(&["kafka.brokers=[\"127.0.0.1:9092\"]", "kafka.properties.\"linger.ms\"=5"]);
    let kafka = checked.value.and_then(|config| config.kafka).expect("kafka");
    assert_eq!(kafka.link.brokers, ["127.0.0.1:9092"]);
    assert_eq!(kafka.link.properties, [("linger.ms".to_owned(), "5".to_owned())]);
}

#[test]
fn what_the_build_cannot_do_towards_kafka_is_refused_with_the_remedy() {
    let brokers = "kafka.brokers=[\"127.0.0.1:9092\"]";
    let sasl = |mechanism: &str| {
        let password = "password={ file = \"/p\" }";
        format!("kafka.sasl={{ mechanism=\"{mechanism}\", username=\"vigie\", {password} }}")
    };
    let scram = sasl("SCRAM-SHA-512");
    let suites = "kafka.properties.\"ssl.cipher.suites\"=\"DEFAULT\"";
    for setting in ["kafka.tls={}", &scram, suites] {
        let checked = with(&[brokers, setting]);
        if cfg!(feature = "kafka-tls") {
            assert_eq!(checked.errors, [], "{setting}");
        } else {
            let remedy = checked.errors.first().map(|error| error.remedy.as_str());
            let needed = "build it with --features kafka-tls, or leave this out";
            assert_eq!((checked.errors.len(), remedy), (1, Some(needed)), "{setting}");
        }
    }
    let plain = with(&[brokers, &sasl("PLAIN")]);
    assert_eq!((plain.errors.len(), plain.warnings.len()), (0, 1), "readable on its way");
    let link = plain.value.and_then(|config| config.kafka).expect("kafka").link;
    assert_eq!(link.sasl.map(|sasl| sasl.mechanism), Some(SaslMechanism::Plain));
}

#[test]
fn a_source_has_defaults_that_lose_nothing() {
    let source = |name: &str, value: &str| format!("sources.noc.{name}={value}");
    let [kind, encoding] = [("kind", "kafka"), ("encoding", "remote-write")];
    let checked = with(&[
        &source(kind.0, kind.1),
        &source(encoding.0, encoding.1),
        &source("brokers", "[\"127.0.0.1:9092\"]"),
        &source("topics", "[\"prom-rw\"]"),
    ]);
    let config = checked.into_result().expect("it loads");
    let source = config.sources.first().expect("one");
    assert_eq!((source.name.as_str(), source.group.as_str()), ("noc", "vigie"));
    assert_eq!((source.encoding, source.begin), (Encoding::RemoteWrite, Begin::Earliest));
    assert_eq!((&source.topics[..], &source.sender_header), (&["prom-rw".to_owned()][..], &None));
}

#[test]
fn http_beyond_loopback_names_its_roles_and_its_clients() {
    let open = "listeners.http.addresses=[\"0.0.0.0:0\"]";
    let read = "listeners.http.roles=[\"read\"]";
    let token = "listeners.http.clients=[{ name = \"p\", token = { file = \"/t\" } }]";
    assert_eq!(with(&[open]).errors.len(), 2, "neither roles nor clients");
    assert_eq!(with(&[open, read]).errors.len(), 1, "everybody would be answered");
    assert_eq!(with(&[open, token]).errors.len(), 1, "no roles");
    let checked = with(&[open, read, token]);
    assert_eq!(checked.warnings.len(), 1, "the token travels readable");
    let config = checked.value.expect("a warning is no error");
    assert_eq!(config.addresses("http").map(|a| a.port()).collect::<Vec<_>>(), [0]);
    let files = "certificate = \"/c\", key = \"/k\"";
    let tls = format!("listeners.http.tls={{ {files} }}");
    assert_eq!(with(&[open, read, &tls]).errors.len(), 1, "secret, and to everybody");
    assert_eq!(with(&[open, read, token, &tls]).warnings.len(), 0);
    let authority = format!("listeners.http.tls={{ {files}, client_ca = \"/a\" }}");
    let checked = with(&[open, read, &authority]);
    assert_eq!((checked.warnings.len(), checked.errors.len()), (0, 0));
}

#[test]
fn clients_have_the_roles_of_their_listener_unless_they_have_fewer() {
    let digest = "ab".repeat(32);
    let clients = format!(
        "listeners.http.clients=[\
         {{ name = \"p\", token = {{ sha256 = \"{digest}\" }}, roles = [\"read\"] }}, \
         {{ name = \"q\", password = {{ credential = \"q\" }} }}]"
    );
    let config = with(&[&clients]).value.expect("it loads");
    let http = config.listeners.iter().find_map(|listener| match &listener.transport {
        Transport::Http { access, .. } => Some(access),
        _ => None,
    });
    let http = http.expect("an HTTP listener");
    let roles: Vec<_> = http.clients.iter().map(|client| client.roles.len()).collect();
    assert_eq!(roles, [1, 3]);
    assert_eq!(http.clients.first().map(|c| &c.proof), Some(&Proof::TokenDigest([0xab; 32])));
    let SecretSource::Credential(name) = (match &http.clients.last().expect("two").proof {
        Proof::Password(secret) => secret.source.clone(),
        other => panic!("{other:?}"),
    }) else {
        panic!("a credential")
    };
    assert_eq!(name, "q");
}

#[test]
fn state_folder_follows_systemd_then_xdg_then_home() {
    let from = |known: &[(&str, &str)]| {
        state_dir_from(|name| {
            known.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value))
        })
    };
    let home = ("HOME", "/home/a");
    assert_eq!(from(&[("STATE_DIRECTORY", "/var/lib/vigie"), home]), Path::new("/var/lib/vigie"));
    assert_eq!(from(&[("XDG_STATE_HOME", "/s"), home]), Path::new("/s/vigie"));
    assert_eq!(from(&[("XDG_STATE_HOME", "s"), home]), Path::new("/home/a/.local/state/vigie"));
    assert_eq!(from(&[]), Path::new("vigie-state"));
}

#[test]
fn a_file_that_is_not_there_is_one_clear_mistake() {
    let checked = Config::load(Some(Path::new("/nowhere/vigie.toml")), &[], None);
    let errors: Vec<_> = checked.errors.iter().map(ToString::to_string).collect();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.starts_with("/nowhere/vigie.toml: cannot be read"), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_overrides_never_panic(argument in ".{0,80}") {
        let checked = with(&[&argument]);
        prop_assert_eq!(checked.value.is_none(), !checked.errors.is_empty());
    }

    #[test]
    fn arbitrary_configurations_never_panic(
        text in concat!(
            "(\\[(listeners\\.[a-c]|state|journal|tickets|kafka|log)\\]\n",
            "|(kind|dir|addresses|level|brokers) = ",
            "(\"[a-z:0-9]{0,9}\"|[0-9]{1,20}|\\[\"[a-z:0-9]{0,5}\"\\]|true)\n){0,12}",
        )
    ) {
        let mut findings = Findings::default();
        let text: Arc<str> = Arc::from(text);
        let whole = findings.add_source("a.toml", Arc::clone(&text));
        let tree = document::parse(whole, &text, &mut findings);
        let written = file::read(whole, tree, Path::new(""), &mut findings);
        check::check(written, whole, &mut findings);
        findings.into_diagnostics();
    }
}
