//! Inventories as people and spreadsheets write them.

use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;

fn load(files: &[(&str, &str)]) -> Checked<Supervised> {
    let texts: Vec<_> = files
        .iter()
        .map(|(file, text)| Text { file: (*file).to_owned(), text: Arc::from(*text) })
        .collect();
    read(&texts)
}

fn loaded(files: &[(&str, &str)]) -> Supervised {
    let checked = load(files);
    assert_eq!(checked.errors, []);
    checked.value.expect("no errors")
}

#[test]
fn one_inventory_is_read_from_several_files() {
    let supervised = loaded(&[
        (
            "a.toml",
            "[[site]]\nname = \"s1\"\ntimezone = \"UTC\"\n[[device]]\nname = \"agg-1\"\naliases = \
             [\"A1\"]\n[[contract]]\nid = \"C-1\"\ncustomer = \"X\"\ngtr_target_min = 240\n",
        ),
        (
            "devices.csv",
            "\u{feff}sep=;\r\nName;Site;Addresses;Interfaces;Depends_on;Relay;#note\r\n\
             acc-1;s1;192.0.2.1 2001:db8::1;\"Gi0/1@3;Port 2\";1*A1|agg-2;VRAI;x;\r\n\
             ;;;;;;;\r\n# a comment;;;\r\nagg-2;;;;;;\r\n",
        ),
        ("links.csv", "a,b\nacc-1/Gi0/1,agg-1/Te1/1\nagg-1/Te1/1,acc-1/Gi0/1\n"),
        ("services.csv", "name,contract,site,depends_on\nweb,C-1,s1,acc-1\n"),
    ]
    .map(|(file, text)| (file, text.trim_start_matches('\u{feff}'))));
    let inventory = &supervised.inventory;
    let names: Vec<_> = inventory.devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["acc-1", "agg-1", "agg-2"]);
    let access = inventory.devices.first().expect("acc-1");
    assert!(access.relay);
    assert_eq!(access.addresses.len(), 2);
    let group = access.depends_on.first().expect("a group");
    assert_eq!((group.any_of.join(" "), group.needed), ("agg-1 agg-2".to_owned(), 1));
    let parts: Vec<_> = access
        .components
        .iter()
        .map(|part| (part.name.as_str(), part.if_index, part.peer.as_deref()))
        .collect();
    assert_eq!(parts, [("Gi0/1", Some(3), Some("agg-1/Te1/1")), ("Port 2", None, None)]);
    assert_eq!(supervised.contracts.first().map(|c| c.gtr_target_min), Some(240));
    assert_eq!(inventory.services.first().map(|s| s.contract.as_str()), Some("C-1"));
}

#[test]
fn a_device_may_need_its_own_parts_and_a_chain_may_be_long() {
    let parts = "[[device]]\nname = \"r\"\ndepends_on = [{ any_of = [\"r/p1\", \"r/p2\"] }]\n\
                 [[device.component]]\nname = \"p1\"\n[[device.component]]\nname = \"p2\"\n";
    assert_eq!(loaded(&[("a.toml", parts)]).inventory.devices.len(), 1);
    let mut chain = "name,kind,depends_on\nd0,x,\n".to_owned();
    for number in 1..20_000 {
        writeln!(chain, "d{number},x,d{}", number - 1).expect("a string takes all");
    }
    let checked = load(&[("chain.csv", &chain)]);
    assert!(checked.value.is_some());
    let warning = checked.warnings.first().map(ToString::to_string).unwrap_or_default();
    assert!(
        warning.starts_with("chain.csv:20001:1: `d19999` stands above 19999 levels"),
        "{warning}"
    );
}

#[test]
fn idle_services_and_contracts_are_doubtful_and_load() {
    let text = "[[service]]\nname = \"s\"\n[[contract]]\nid = \"C\"\ncustomer = \"X\"\n\
                gtr_target_min = 1\n";
    let checked = load(&[("a.toml", text)]);
    assert!(checked.value.is_some());
    let shown: Vec<_> = checked.warnings.iter().map(|each| each.message.as_str()).collect();
    assert_eq!(shown, ["service `s` depends on nothing", "contract `C` has no service"]);
}

#[test]
fn a_hundred_thousand_devices_load_and_as_many_mistakes_are_bounded() {
    let mut good = "name,site,kind,addresses,interfaces,depends_on\n".to_owned();
    for number in 0..100_000_u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0001 + number);
        let upstream = if number < 100 { String::new() } else { format!("dev-{}", number % 100) };
        writeln!(good, "dev-{number},,switch,{address},Gi0/1@1;Gi0/2@2,{upstream}")
            .expect("a string takes all");
    }
    assert_eq!(loaded(&[("devices.csv", &good)]).inventory.devices.len(), 100_000);
    let bad = good.replace("dev-", "dev/");
    let checked = load(&[("devices.csv", &bad)]);
    assert_eq!(checked.errors.len(), crate::shell::config::FINDINGS_MAX + 1);
    let last = checked.errors.last().map(|each| each.message.clone()).unwrap_or_default();
    assert!(last.starts_with("and "), "{last}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for file in ["a.toml", "a.csv", "a"] {
            let checked = read_bytes(file, &bytes);
            prop_assert_eq!(checked.value.is_none(), !checked.errors.is_empty());
        }
    }

    #[test]
    fn arbitrary_rows_never_panic(body in "[a-c/0-9;,|*@'\"= \r\n\t#.:-]{0,200}", header in 0..4) {
        let header = match header {
            0 => "name,kind,addresses,interfaces,depends_on",
            1 => "name;contract;depends_on",
            2 => "a,b",
            _ => "name,title,timezone",
        };
        let checked = read_bytes("a.csv", format!("{header}\n{body}").as_bytes());
        prop_assert_eq!(checked.value.is_none(), !checked.errors.is_empty());
    }
}
