//! Traps to verdicts: which rule decides, and what its names stand for in this trap.

use super::classifier::{Scratch, Verdict};
use super::clean;
use super::directory::Directory;
use super::interface::push_long_name;
use super::rules::{Action, Decision, Fill, Key, Object, RuleSet, TrapReference, Values};
use crate::model::event::{Lane, Verb};
use crate::model::inventory::INDEX_PREFIX;
use crate::model::limits::TEXT_BYTES_MAX;
use crate::model::trap::{Trap, Varbind, tag, write_oid};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Decides on a trap and writes its texts to the scratch; `None` when a rule ignores it.
pub(super) fn decide<'r>(
    rules: &'r RuleSet,
    directory: &Directory,
    device: Option<usize>,
    trap: &Trap<'_>,
    scratch: &mut Scratch,
) -> Option<Verdict<'r>> {
    let Scratch { component, alias, qualifier, text, interface, .. } = scratch;
    for buffer in [&mut *component, &mut *alias, &mut *qualifier, &mut *text, &mut *interface] {
        buffer.clear();
    }
    let mut values =
        TrapValues { rules, directory, device, trap, interface, index: None, is_in_service: false };
    for rule in rules.trap.candidates(trap.trap_oid.as_bytes()) {
        let Some((decision, severity)) = rule.action.decide(&mut values) else { continue };
        let Decision::Tell(verb) = decision else { return None };
        let Action { component: component_form, qualifier: qualifier_form, .. } = &rule.action;
        component_form.write(&mut values, component);
        qualifier_form.write(&mut values, qualifier);
        if rule.action.text.is_empty() {
            describe(rules, trap, text);
        } else {
            rule.action.text.write(&mut values, text);
        }
        if let Some(index) = values.index.filter(|_| rule.is_interface)
            && !component.starts_with(INDEX_PREFIX)
        {
            push_index(index, alias);
        }
        let is_in_service = values.is_in_service && rule.is_interface;
        return Some(Verdict {
            verb,
            severity,
            lane: if verb == Verb::Event { Lane::Low } else { rule.action.lane },
            alarm_type: &rule.action.alarm_type,
            rule: &rule.action.rule,
            is_in_service,
        });
    }
    // Each unknown kind of trap is an entry of its own, so that none hides another.
    write_oid(trap.trap_oid.as_bytes(), qualifier);
    describe(rules, trap, text);
    Some(Verdict::UNCLASSIFIED)
}

/// The trap's OID and its first varbinds, readable.
fn describe(rules: &RuleSet, trap: &Trap<'_>, out: &mut String) {
    if trap.trap_oid.as_bytes().is_empty() {
        out.push_str("trap without usable OID");
    } else {
        write_oid(trap.trap_oid.as_bytes(), out);
    }
    for varbind in trap.varbinds().take(VARBINDS_SHOWN) {
        if out.len() >= TEXT_BYTES_MAX {
            return;
        }
        out.push(' ');
        let known = rules.object_of(varbind.oid);
        if let Some((object, instance)) = known {
            out.push_str(&object.name);
            if !instance.is_empty() && instance != [0] {
                out.push('.');
                push_arcs(instance, out);
            }
        } else {
            write_oid(varbind.oid, out);
        }
        out.push('=');
        push_value(&varbind, known.map(|(object, _)| object), out);
    }
}

struct TrapValues<'v> {
    rules: &'v RuleSet,
    directory: &'v Directory,
    device: Option<usize>,
    trap: &'v Trap<'v>,
    /// Name of the interface; empty until it is asked for.
    interface: &'v mut String,
    /// ifIndex, known once the interface was asked for.
    index: Option<i64>,
    /// Whether ifAdminStatus is up, known likewise.
    is_in_service: bool,
}

impl<'v> TrapValues<'v> {
    fn object(&self, place: usize) -> Option<(&'v Object, Varbind<'v>)> {
        let object = self.rules.objects.get(place)?;
        Some((object, self.trap.varbind_under(&object.oid)?))
    }

    /// Finds the interface that the varbinds name: by ifDescr, ifName, or ifIndex.
    fn find_interface(&mut self) {
        let mut name: &[u8] = &[];
        let mut by_instance = None;
        for varbind in self.trap.varbinds() {
            let (column, instance) = match varbind.oid {
                [0x2b, 6, 1, 2, 1, 2, 2, 1, column, instance @ ..] => (*column, instance),
                [0x2b, 6, 1, 2, 1, 31, 1, 1, 1, IF_NAME, instance @ ..] => (IF_NAME_MARK, instance),
                _ => continue,
            };
            by_instance = by_instance.or_else(|| first_arc(instance).map(i64::from));
            match column {
                IF_ADMIN_STATUS => self.is_in_service = varbind.as_i64() == Some(ADMIN_UP),
                IF_INDEX => self.index = self.index.or_else(|| varbind.as_i64()),
                IF_DESCR | IF_NAME_MARK => {
                    let octets = clean::trim_padding(varbind.as_octets().unwrap_or(&[]));
                    if !octets.is_empty() && (name.is_empty() || column == IF_DESCR) {
                        name = octets;
                    }
                }
                _ => {}
            }
        }
        self.index = self.index.or(by_instance).filter(|index| *index > 0);
        match std::str::from_utf8(name) {
            Ok(text) if !text.is_empty() && !text.contains(char::is_control) => {
                push_long_name(text, self.interface);
            }
            _ if !name.is_empty() => clean::push(name, self.interface),
            _ => self.interface_by_index(),
        }
    }

    fn interface_by_index(&mut self) {
        let Some(index) = self.index else { return };
        push_index(index, self.interface);
        let listed =
            self.device.and_then(|device| self.directory.component(device, self.interface));
        if let Some(listed) = listed {
            self.interface.clear();
            self.interface.push_str(listed);
        }
    }
}

impl Fill<TrapReference> for TrapValues<'_> {
    fn fill(&mut self, reference: &TrapReference, out: &mut String) {
        match *reference {
            TrapReference::Interface => {
                if self.interface.is_empty() {
                    self.find_interface();
                }
                out.push_str(self.interface);
            }
            TrapReference::Oid => write_oid(self.trap.trap_oid.as_bytes(), out),
            TrapReference::Object(place) => {
                if let Some((object, varbind)) = self.object(place) {
                    push_value(&varbind, Some(object), out);
                }
            }
            TrapReference::Index(place) => {
                if let Some((object, varbind)) = self.object(place) {
                    push_arcs(varbind.oid.strip_prefix(&*object.oid).unwrap_or(&[]), out);
                }
            }
            TrapReference::Address(place) => {
                if let Some((object, varbind)) = self.object(place) {
                    push_address(varbind.oid.strip_prefix(&*object.oid).unwrap_or(&[]), out);
                }
            }
        }
    }
}

impl Values<TrapReference> for TrapValues<'_> {
    fn is(&mut self, reference: &TrapReference, key: &Key) -> bool {
        if let TrapReference::Object(place) = *reference {
            let Some((_, varbind)) = self.object(place) else { return false };
            return match key {
                Key::Present => !varbind.value.is_empty(),
                Key::Number(number) => varbind.as_i64() == Some(*number),
                Key::Oid(oid) => varbind.tag == tag::OID && varbind.value == oid.as_slice(),
                Key::Text(text) => varbind.as_octets().is_some_and(|octets| {
                    clean::trim_padding(octets).eq_ignore_ascii_case(text.as_bytes())
                }),
            };
        }
        let mut shown = String::new();
        self.fill(reference, &mut shown);
        match key {
            Key::Present => !shown.is_empty(),
            Key::Number(number) => shown.parse() == Ok(*number),
            Key::Text(text) => shown.eq_ignore_ascii_case(text),
            Key::Oid(oid) => self.trap.trap_oid.as_bytes() == oid.as_slice(),
        }
    }
}

/// Appends what a component is called of which only the ifIndex is known.
fn push_index(index: i64, out: &mut String) {
    out.push_str(INDEX_PREFIX);
    clean::push_number(index, out);
}

/// Appends a value as people read it.
fn push_value(varbind: &Varbind<'_>, object: Option<&Object>, out: &mut String) {
    if let Some(number) = varbind.as_i64() {
        match object.and_then(|object| object.value_name(number)) {
            Some(name) => out.push_str(name),
            None => clean::push_number(number, out),
        }
    } else if let Some(octets) = varbind.as_octets() {
        push_octets(octets, out);
    } else if let Some(address) = varbind.as_ipv4() {
        let _ = write!(out, "{address}");
    } else if varbind.tag == tag::OID {
        write_oid(varbind.value, out);
    } else if varbind.tag != tag::NULL {
        clean::push(varbind.value.get(..OCTETS_SHOWN).unwrap_or(varbind.value), out);
    }
}

fn push_octets(octets: &[u8], out: &mut String) {
    clean::push_octets(octets.get(..TEXT_BYTES_MAX).unwrap_or(octets), out);
}

/// Arcs of BER content bytes, without the joining of the first two that a whole OID has.
fn arcs(content: &[u8]) -> impl Iterator<Item = u32> {
    let mut arc = 0_u32;
    content.iter().filter_map(move |byte| {
        arc = (arc << 7) | u32::from(byte & 0x7f);
        let whole = (byte & 0x80 == 0).then_some(arc);
        if whole.is_some() {
            arc = 0;
        }
        whole
    })
}

fn first_arc(content: &[u8]) -> Option<u32> {
    arcs(content).next()
}

fn push_arcs(content: &[u8], out: &mut String) {
    for (place, arc) in arcs(content).enumerate() {
        if place > 0 {
            out.push('.');
        }
        clean::push_number(arc, out);
    }
}

/// The address that an instance begins with. RFC 4001: type (1 IPv4, 2 IPv6), length, octets; old
/// tables have four bare octets.
fn push_address(content: &[u8], out: &mut String) {
    let count = arcs(content).count();
    let mut octets = [0_u8; 16];
    let skipped = match (arcs(content).next(), arcs(content).nth(1)) {
        (Some(1 | 3), Some(4)) if count >= 6 => 2,
        (Some(2 | 4), Some(16)) if count >= 18 => 2,
        _ => 0,
    };
    for (octet, arc) in octets.iter_mut().zip(arcs(content).skip(skipped)) {
        let Ok(byte) = u8::try_from(arc) else { return push_arcs(content, out) };
        *octet = byte;
    }
    let is_v6 = skipped == 2 && arcs(content).nth(1) == Some(16);
    let address = match octets {
        _ if is_v6 => IpAddr::V6(Ipv6Addr::from(octets)),
        [a, b, c, d, ..] if count >= 4 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => return push_arcs(content, out),
    };
    let _ = write!(out, "{address}");
}

/// Varbinds shown in the text of a trap that has no template.
const VARBINDS_SHOWN: usize = 6;
/// Octets shown of a value of unknown type.
const OCTETS_SHOWN: usize = 64;

/// Columns of ifTable, 1.3.6.1.2.1.2.2.1, of which every instance is the ifIndex.
const IF_INDEX: u8 = 1;
const IF_DESCR: u8 = 2;
const IF_ADMIN_STATUS: u8 = 7;
/// Value of ifAdminStatus.
const ADMIN_UP: i64 = 1;
/// Column of ifXTable, 1.3.6.1.2.1.31.1.1.1.
const IF_NAME: u8 = 1;
/// Stands for that column where those of ifTable are meant too.
const IF_NAME_MARK: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(content: &[u8]) -> String {
        let mut out = String::new();
        push_address(content, &mut out);
        out
    }

    #[test]
    fn addresses_are_read_from_instances_of_old_and_new_tables() {
        assert_eq!(address(&[10, 0, 0, 1]), "10.0.0.1");
        assert_eq!(address(&[1, 4, 10, 0, 0, 0x81, 0x7f]), "10.0.0.255");
        let mut v6 = vec![2, 16];
        v6.extend([0; 15]);
        v6.push(1);
        assert_eq!(address(&v6), "::1");
        assert_eq!(address(&[1, 2]), "1.2");
        assert_eq!(address(&[0x8f, 0x7f, 1, 1, 1]), "2047.1.1.1");
        assert_eq!(address(&[]), "");
    }
}
