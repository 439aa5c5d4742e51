//! A sender of numbered link traps: each number is a device of its own, with a loopback source
//! address of its own, so that what came of it can be found by its resource.

use std::net::{Ipv4Addr, UdpSocket};

const UPTIME: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 3, 0];
const TRAP_OID: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];
const LINK_DOWN: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 5, 3];
const LINK_UP: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 5, 4];
const IF_INDEX: &[u8] = &[0x2b, 6, 1, 2, 1, 2, 2, 1, 1, 1];
const IF_ADMIN_STATUS: &[u8] = &[0x2b, 6, 1, 2, 1, 2, 2, 1, 7, 1];
const IF_OPER_STATUS: &[u8] = &[0x2b, 6, 1, 2, 1, 2, 2, 1, 8, 1];

/// The address of the device with that number: 127.20.0.0 and up.
pub(crate) fn device(number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 20, high, low)
}

/// Device `number` says that its interface 1 went down.
pub(crate) fn link_down(port: u16, number: u16) {
    send(port, number, LINK_DOWN, 2);
}

/// Device `number` says that its interface 1 is up again.
pub(crate) fn link_up(port: u16, number: u16) {
    send(port, number, LINK_UP, 1);
}

fn send(port: u16, number: u16, trap: &[u8], status: u8) {
    let socket = UdpSocket::bind((device(number), 0)).expect("a loopback address can be bound");
    let message = message(trap, status);
    let sent = socket.send_to(&message, (Ipv4Addr::LOCALHOST, port));
    assert_eq!(sent.expect("loopback takes a datagram"), message.len());
}

/// An SNMPv2c trap with community `public`.
fn message(trap: &[u8], status: u8) -> Vec<u8> {
    let varbinds = [
        varbind(UPTIME, &field(0x43, &[1, 2, 3])),
        varbind(TRAP_OID, &field(0x06, trap)),
        varbind(IF_INDEX, &field(0x02, &[1])),
        varbind(IF_ADMIN_STATUS, &field(0x02, &[1])),
        varbind(IF_OPER_STATUS, &field(0x02, &[status])),
    ]
    .concat();
    let zero = field(0x02, &[0]);
    let body = [field(0x02, &[7]), zero.clone(), zero, field(0x30, &varbinds)].concat();
    let version = field(0x02, &[1]);
    field(0x30, &[version, field(0x04, b"public"), field(0xa7, &body)].concat())
}

fn varbind(name: &[u8], value: &[u8]) -> Vec<u8> {
    field(0x30, &[&field(0x06, name), value].concat())
}

/// Tag, length and content; lengths up to 255 are all that is needed here.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("these messages are short");
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head, content].concat()
}

#[test]
fn the_message_is_what_a_strict_parser_accepts() {
    let message = message(LINK_DOWN, 2);
    let (rest, parsed) = snmp_parser::parse_snmp_v2c(&message).unwrap();
    assert!(rest.is_empty());
    assert_eq!(parsed.community, "public");
    assert_eq!(parsed.pdu.vars_iter().count(), 5);
}
