//! Answers to informs.

use super::writer::{
    LINK_DOWN, element, int_varbind, integer, kind, long_element, message, octets, pdu, sequence,
    uptime, v2_trap,
};
use crate::decode::snmp::respond_inform;
use crate::model::trap::tag;

fn inform(tag: u8, request_id: &[u8]) -> Vec<u8> {
    let varbinds = [uptime(1), kind(LINK_DOWN), int_varbind("1.3.6.1.2.1.2.2.1.1.9", 9)];
    message(1, &pdu(tag, request_id, &varbinds))
}

fn answer(datagram: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"what was there before".to_vec();
    let is_built = respond_inform(datagram, &mut out);
    assert!(is_built || out.is_empty());
    is_built.then_some(out)
}

#[test]
fn the_answer_is_the_same_message_as_a_response() {
    for request_id in [integer(77), integer(-77), element(tag::INTEGER, &[0xff, 0xff, 0, 0, 0])] {
        let request = inform(0xa6, &request_id);
        assert_eq!(answer(&request), Some(inform(0xa2, &request_id)));
    }
}

#[test]
fn errors_in_the_request_are_not_echoed() {
    let fields = [integer(9), integer(5), integer(-300), sequence(&[kind(LINK_DOWN)])];
    let request = message(1, &element(0xa6, &fields.concat()));
    let answered = answer(&request).expect("an answer");
    let fields =
        [integer(9), integer(0), element(tag::INTEGER, &[0, 0]), sequence(&[kind(LINK_DOWN)])];
    assert_eq!(answered, message(1, &element(0xa2, &fields.concat())));
}

#[test]
fn bytes_behind_the_request_are_not_echoed() {
    let padded = [inform(0xa6, &integer(4)), vec![0; 9]].concat();
    assert_eq!(answer(&padded), Some(inform(0xa2, &integer(4))));
}

#[test]
fn faulty_values_and_long_lengths_are_answered() {
    let strange = sequence(&[element(tag::OID, &[0x2b, 6]), element(tag::COUNTER32, &[0xff; 4])]);
    let build = |tag: u8| {
        let fields = [integer(1), integer(0), integer(0), sequence(std::slice::from_ref(&strange))];
        let parts = [integer(1), octets(b"\xe9"), long_element(tag, 3, &fields.concat())].concat();
        long_element(0x30, 4, &parts)
    };
    assert_eq!(answer(&build(0xa6)), Some(build(0xa2)));
}

#[test]
fn what_is_no_sound_inform_gets_no_answer() {
    let sound = inform(0xa6, &integer(4));
    for length in 0..sound.len() {
        assert_eq!(answer(&sound[..length]), None, "{length}");
    }
    assert_eq!(answer(&v2_trap(&[])), None);
    assert_eq!(answer(&inform(0xa2, &integer(4))), None);
    assert_eq!(answer(&inform(0xa6, &octets(b"4"))), None);
    assert_eq!(answer(&inform(0xa6, &element(tag::INTEGER, &[]))), None);
    for version in [0, 2, 3] {
        assert_eq!(answer(&message(version, &pdu(0xa6, &integer(4), &[]))), None);
    }
    let fields = [integer(1), integer(0), integer(0)].concat();
    assert_eq!(answer(&message(1, &element(0xa6, &fields))), None);
    let surplus = [fields, sequence(&[]), vec![5, 0]].concat();
    assert_eq!(answer(&message(1, &element(0xa6, &surplus))), None);
}
