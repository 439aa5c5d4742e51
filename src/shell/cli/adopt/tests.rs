//! Round trips between what was heard and what the loader reads.

use super::*;
use crate::model::inventory::Device;
use crate::shell::config::inventory::read_bytes;
use proptest::prelude::*;

fn sender(addresses: &[&str], names: &[&str], interfaces: &[(&str, u32)]) -> HeardSender {
    HeardSender {
        addresses: addresses.iter().map(|text| text.parse().expect("an address")).collect(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        interfaces: interfaces
            .iter()
            .map(|(name, index)| HeardInterface {
                name: (*name).to_owned(),
                if_index: (*index > 0).then_some(*index),
            })
            .collect(),
    }
}

fn load(csv: &str) -> Vec<Device> {
    let checked = read_bytes("adopted.csv", csv.as_bytes());
    assert_eq!(checked.errors, [], "in\n{csv}");
    checked.value.expect("no errors").inventory.devices
}

#[test]
fn what_was_heard_comes_back_from_the_file() {
    let adopted = adopt(&[
        sender(
            &["192.0.2.1", "2001:db8::1"],
            &["core-1", "core-1.example.net"],
            &[("GigabitEthernet0/1", 3), ("Port 2", 0), ("veth@7", 0)],
        ),
        sender(&["192.0.2.2"], &[], &[("1/1/1", 0)]),
    ]);
    assert_eq!(adopted.left_out, Vec::<String>::new());
    assert_eq!(
        adopted.csv,
        "name,site,kind,addresses,aliases,interfaces,depends_on\n\
         core-1,,,\"192.0.2.1;2001:db8::1\",core-1.example.net,\
         \"GigabitEthernet0/1@3;Port 2;veth@7@0\",\n\
         192.0.2.2,,,192.0.2.2,,\"1/1/1;\",\n"
    );
    let devices = load(&adopted.csv);
    let [first, second] = devices.as_slice() else { panic!("{devices:?}") };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("192.0.2.2", "core-1"));
    assert_eq!(second.addresses.len(), 2);
    assert_eq!(second.aliases, ["core-1.example.net"]);
    let parts: Vec<_> =
        second.components.iter().map(|part| (part.name.as_str(), part.if_index)).collect();
    assert_eq!(parts, [("GigabitEthernet0/1", Some(3)), ("Port 2", None), ("veth@7", None)]);
}

#[test]
fn formulas_are_shielded_and_shared_names_are_left_out() {
    let adopted = adopt(&[
        sender(&["192.0.2.1"], &["=cmd(\"x\",1)", "a"], &[]),
        sender(&["192.0.2.1", "192.0.2.2"], &["a", "b\u{1b}[2J", "x/y"], &[("e;f", 0)]),
    ]);
    assert!(adopted.csv.contains("\"'=cmd"), "{}", adopted.csv);
    assert_eq!(adopted.left_out.len(), 5, "{:#?}", adopted.left_out);
    assert!(adopted.left_out.iter().all(|line| !line.contains('\u{1b}')));
    let names: Vec<_> = load(&adopted.csv).into_iter().map(|device| device.name).collect();
    assert_eq!(names, ["192.0.2.2", "=cmd(\"x\",1)"]);
}

fn heard() -> impl Strategy<Value = HeardSender> {
    let text = prop_oneof!["\\PC{0,12}", ".{0,12}", "[a-c'=@0-9; ,\"|*/#-]{1,6}"];
    let interface = (text.clone(), proptest::option::of(0_u32..5))
        .prop_map(|(name, if_index)| HeardInterface { name, if_index });
    let address = (any::<bool>(), 0_u8..6).prop_map(|(is_v4, last)| {
        if is_v4 {
            IpAddr::from([192, 0, 2, last])
        } else {
            IpAddr::from([0, 0, 0, 0, 0, 0, 0, u16::from(last)])
        }
    });
    (
        proptest::collection::vec(address, 0..3),
        proptest::collection::vec(text, 0..3),
        proptest::collection::vec(interface, 0..4),
    )
        .prop_map(|(addresses, names, interfaces)| HeardSender {
            addresses,
            names,
            interfaces,
        })
}

proptest! {
    #[test]
    fn whatever_was_heard_the_file_loads(senders in proptest::collection::vec(heard(), 0..6)) {
        let adopted = adopt(&senders);
        let devices = load(&adopted.csv);
        prop_assert!(devices.len() <= senders.len());
        let parts: usize = devices.iter().map(|device| device.components.len()).sum();
        let heard: usize = senders.iter().map(|sender| sender.interfaces.len()).sum();
        prop_assert!(parts <= heard);
        for device in &devices {
            let is_heard = senders.iter().any(|sender| {
                sender.names.contains(&device.name)
                    || sender.addresses.iter().any(|a| a.to_canonical().to_string() == device.name)
            });
            prop_assert!(is_heard, "{}", device.name);
        }
    }
}
