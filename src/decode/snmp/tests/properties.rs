//! Properties over generated traps: they come back as they were sent, and no damage makes the
//! decoder panic or forget a kind whose bytes are whole.

use super::writer::{
    V1Header, element, integer, kind, octets, oid, pdu, sequence, unsigned, uptime, varbind,
};
use super::{Decoded, OwnedTrap, OwnedVarbind, TrapDecoder, trap_of};
use crate::decode::snmp::respond_inform;
use crate::model::fault::Fault;
use crate::model::trap::{TrapVersion, parse_oid, tag};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;

/// What only one of the two forms has.
#[derive(Clone, Debug)]
enum Form {
    V1 { enterprise: String, agent: [u8; 4], generic: i64, specific: i64 },
    V2 { is_inform: bool, request_id: i64, trap_oid: String },
}

/// A trap to be sent.
#[derive(Clone, Debug)]
pub(super) struct SentTrap {
    community: String,
    form: Form,
    uptime_cs: u32,
    varbinds: Vec<(String, Vec<u8>)>,
}

impl SentTrap {
    /// A linkDown without varbinds.
    pub(super) fn simple() -> Self {
        let trap_oid = "1.3.6.1.6.3.1.1.5.3".to_owned();
        Self {
            community: "public".to_owned(),
            form: Form::V2 { is_inform: false, request_id: 1, trap_oid },
            uptime_cs: 1,
            varbinds: Vec::new(),
        }
    }

    pub(super) fn request_id(&self) -> i64 {
        match &self.form {
            Form::V1 { .. } => 0,
            Form::V2 { request_id, .. } => *request_id,
        }
    }

    pub(super) fn datagram(&self) -> Vec<u8> {
        let own: Vec<Vec<u8>> =
            self.varbinds.iter().map(|(name, value)| varbind(name, value)).collect();
        let (version, pdu) = match &self.form {
            Form::V1 { enterprise, agent, generic, specific } => {
                let header = V1Header {
                    agent: element(tag::IP_ADDRESS, agent),
                    stamp: unsigned(tag::TIME_TICKS, u64::from(self.uptime_cs)),
                    ..V1Header::sound(enterprise, *generic, *specific)
                };
                (0, header.pdu(&own))
            }
            Form::V2 { is_inform, request_id, trap_oid } => {
                let tag = if *is_inform { 0xa6 } else { 0xa7 };
                let all = [vec![uptime(self.uptime_cs), kind(trap_oid)], own].concat();
                (1, pdu(tag, &integer(*request_id), &all))
            }
        };
        sequence(&[integer(version), octets(self.community.as_bytes()), pdu])
    }

    fn trap_oid(&self) -> String {
        match &self.form {
            Form::V1 { generic: generic @ 0..=5, .. } => {
                format!("1.3.6.1.6.3.1.1.5.{}", generic + 1)
            }
            Form::V1 { enterprise, specific, .. } => format!("{enterprise}.0.{specific}"),
            Form::V2 { trap_oid, .. } => trap_oid.clone(),
        }
    }

    /// The bytes that carry the kind: name and value of snmpTrapOID, or the run from enterprise to
    /// specific-trap.
    fn kind_range(&self, datagram: &[u8]) -> Range<usize> {
        let needle = match &self.form {
            Form::V1 { enterprise, agent, generic, specific } => [
                oid(enterprise),
                element(tag::IP_ADDRESS, agent),
                integer(*generic),
                integer(*specific),
            ]
            .concat(),
            Form::V2 { trap_oid, .. } => [oid("1.3.6.1.6.3.1.1.4.1.0"), oid(trap_oid)].concat(),
        };
        let mut places = datagram.windows(needle.len());
        let start = places.position(|window| window == needle).expect("the kind was sent");
        start..start + needle.len()
    }

    fn expected(&self) -> OwnedTrap {
        let is_v1 = matches!(self.form, Form::V1 { .. });
        let agent_address = match &self.form {
            Form::V1 { agent, .. } if *agent != [0; 4] => Some((*agent).into()),
            _ => None,
        };
        let varbinds = self.varbinds.iter().map(|(oid, value)| OwnedVarbind {
            oid: oid.clone(),
            tag: value[0],
            value: content_of(value),
        });
        OwnedTrap {
            version: if is_v1 { TrapVersion::V1 } else { TrapVersion::V2c },
            is_inform: matches!(self.form, Form::V2 { is_inform: true, .. }),
            request_id: self.request_id(),
            community: self.community.clone().into_bytes(),
            trap_oid: self.trap_oid(),
            uptime_cs: Some(self.uptime_cs),
            agent_address,
            faults: Vec::new(),
            varbinds: varbinds.collect(),
        }
    }
}

/// The content of an element whose length the writer wrote.
fn content_of(element: &[u8]) -> Vec<u8> {
    let length_octets = if element[1] < 0x80 { 0 } else { usize::from(element[1] & 0x7f) };
    element[2 + length_octets..].to_vec()
}

fn oids() -> impl Strategy<Value = String> {
    vec(prop_oneof![0..200_u32, any::<u32>()], 1..12).prop_map(|arcs| {
        let arcs: Vec<String> = arcs.iter().map(u32::to_string).collect();
        format!("1.3.6.1.4.1.{}", arcs.join("."))
    })
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i32>().prop_map(|number| integer(i64::from(number))),
        vec(any::<u8>(), 0..300).prop_map(|content| octets(&content)),
        oids().prop_map(|dotted| oid(&dotted)),
        any::<[u8; 4]>().prop_map(|content| element(tag::IP_ADDRESS, &content)),
        any::<u32>().prop_map(|number| unsigned(tag::COUNTER32, u64::from(number))),
        any::<u32>().prop_map(|number| unsigned(tag::GAUGE32, u64::from(number))),
        any::<u32>().prop_map(|number| unsigned(tag::TIME_TICKS, u64::from(number))),
        any::<u64>().prop_map(|number| unsigned(tag::COUNTER64, number)),
        vec(any::<u8>(), 0..20).prop_map(|content| element(tag::OPAQUE, &content)),
        Just(element(tag::NULL, &[])),
    ]
}

fn forms() -> impl Strategy<Value = Form> {
    let v1 = (oids(), any::<[u8; 4]>(), 0..=6_i64, 0..=2_147_483_647_i64).prop_map(
        |(enterprise, agent, generic, specific)| Form::V1 { enterprise, agent, generic, specific },
    );
    let v2 = (any::<bool>(), any::<i32>(), oids()).prop_map(|(is_inform, request_id, trap_oid)| {
        Form::V2 { is_inform, request_id: i64::from(request_id), trap_oid }
    });
    prop_oneof![v1, v2]
}

pub(super) fn sent_traps() -> impl Strategy<Value = SentTrap> {
    let varbinds = vec((oids(), values()), 0..12);
    ("[a-zA-Z0-9é@_-]{0,20}", forms(), any::<u32>(), varbinds).prop_map(
        |(community, form, uptime_cs, varbinds)| SentTrap { community, form, uptime_cs, varbinds },
    )
}

/// Asserts what holds for any bytes at all.
fn assert_total(datagram: &[u8]) {
    let mut decoder = TrapDecoder::default();
    let Decoded::Trap(trap) = decoder.decode(datagram) else { return };
    let is_empty = trap.trap_oid.as_bytes().is_empty();
    assert_eq!(is_empty, trap.faults.has(Fault::TrapOidUnusable));
    let owned = OwnedTrap::of(&trap);
    assert_eq!(owned.varbinds.len(), trap.spans.len());
    for span in trap.spans {
        assert!(span.oid_start <= span.oid_end && span.oid_end <= span.value_start);
        assert!(span.value_start <= span.value_end);
        assert!(usize::try_from(span.value_end).is_ok_and(|end| end <= datagram.len()));
    }
    assert!(trap.spans.windows(2).all(|pair| pair[0].value_end <= pair[1].oid_start));
    if !is_empty {
        assert_eq!(parse_oid(&owned.trap_oid).as_deref(), Some(trap.trap_oid.as_bytes()));
    }
    let mut out = Vec::new();
    if respond_inform(datagram, &mut out) {
        assert!(trap.is_inform && out.len() <= datagram.len());
    }
}

/// Asserts that damage outside of the kind's bytes leaves the kind known, unless it made another
/// PDU of the trap.
fn assert_named(datagram: &[u8], trap_oid: &str) {
    if let Decoded::Trap(trap) = TrapDecoder::default().decode(datagram) {
        assert_eq!(OwnedTrap::of(&trap).trap_oid, trap_oid, "{datagram:x?}");
    }
}

proptest! {
    #[test]
    fn traps_come_back_as_they_were_sent(sent in sent_traps()) {
        prop_assert_eq!(trap_of(&sent.datagram()), sent.expected());
    }

    #[test]
    fn any_bytes_are_decoded(datagram in vec(any::<u8>(), 0..600)) {
        assert_total(&datagram);
    }

    #[test]
    fn bytes_that_look_like_ber_are_decoded(
        datagram in vec(
            prop_oneof![
                Just(0x30_u8), Just(2), Just(4), Just(6), Just(0xa7), Just(0xa4), Just(0x40),
                Just(0x80), Just(0x84), 0..20_u8, any::<u8>(),
            ],
            0..300,
        ),
    ) {
        assert_total(&datagram);
        assert_total(&[&[0x30, 0x7f, 2, 1, 1, 4, 0, 0xa7, 0x70][..], &datagram].concat());
        assert_total(&[&[0x30, 0x7f, 2, 1, 0, 4, 0, 0xa4, 0x70][..], &datagram].concat());
    }

    #[test]
    fn one_spoilt_byte_leaves_the_kind(
        sent in sent_traps(),
        place in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut datagram = sent.datagram();
        let kind_range = sent.kind_range(&datagram);
        let at = place.index(datagram.len());
        datagram[at] = octet;
        assert_total(&datagram);
        if !kind_range.contains(&at) {
            assert_named(&datagram, &sent.trap_oid());
        }
    }

    #[test]
    fn any_truncation_behind_the_kind_leaves_it(
        sent in sent_traps(),
        place in any::<prop::sample::Index>(),
    ) {
        let mut datagram = sent.datagram();
        let kind_range = sent.kind_range(&datagram);
        datagram.truncate(place.index(datagram.len()));
        assert_total(&datagram);
        if datagram.len() >= kind_range.end {
            assert_named(&datagram, &sent.trap_oid());
        }
    }

    #[test]
    fn several_spoilt_bytes_are_survived(
        sent in sent_traps(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 2..12),
    ) {
        let mut datagram = sent.datagram();
        for (place, octet) in damage {
            let at = place.index(datagram.len());
            datagram[at] = octet;
        }
        assert_total(&datagram);
    }
}

/// Every byte of some traps, every value: what chance would take long to meet.
#[test]
fn every_spoilt_byte_of_a_trap_leaves_the_kind() {
    let mut v1 = SentTrap::simple();
    let value = (String::from("1.3.6.1.2.1.2.2.1.1.7"), integer(7));
    v1.varbinds = vec![value; 3];
    let v2 = v1.clone();
    let enterprise = "1.3.6.1.4.1.2636".to_owned();
    v1.form = Form::V1 { enterprise, agent: [192, 0, 2, 1], generic: 6, specific: 300 };
    for sent in [v1, v2] {
        let datagram = sent.datagram();
        let kind_range = sent.kind_range(&datagram);
        for at in (0..datagram.len()).filter(|at| !kind_range.contains(at)) {
            for octet in 0..=u8::MAX {
                let mut spoilt = datagram.clone();
                spoilt[at] = octet;
                assert_total(&spoilt);
                assert_named(&spoilt, &sent.trap_oid());
            }
        }
    }
}
