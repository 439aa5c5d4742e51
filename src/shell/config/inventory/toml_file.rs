//! Inventory in TOML: `[[site]]`, `[[device]]` with `[[device.component]]`, `[[link]]`,
//! `[[service]]`, `[[contract]]`.

use crate::model::contract::{Contract, GtrStart};
use crate::shell::config::document::{self, Node, Table, Value};
use crate::shell::config::fields::Fields;
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::inventory::written::{
    Written, WrittenComponent, WrittenDependency, WrittenDevice, WrittenLink, WrittenService,
    WrittenSite,
};
use std::sync::Arc;

/// Minutes in a year: no promise of a quality plan is longer.
const MINUTES_MAX: u32 = 525_600;

/// Adds what a text says.
pub(super) fn read(whole: Place, text: &Arc<str>, written: &mut Written, findings: &mut Findings) {
    let tree = document::parse(whole, text, findings);
    let mut top = Fields::new("an inventory file", whole, tree, findings);
    let sites = top.tables("site");
    let devices = top.tables("device");
    let links = top.tables("link");
    let services = top.tables("service");
    let contracts = top.tables("contract");
    top.finish();
    for table in sites {
        written.sites.extend(section("[[site]]", table, findings, site));
    }
    for table in devices {
        written.devices.extend(section("[[device]]", table, findings, device));
    }
    for table in links {
        written.links.extend(section("[[link]]", table, findings, link));
    }
    for table in services {
        written.services.extend(section("[[service]]", table, findings, service));
    }
    for table in contracts {
        written.contracts.extend(section("[[contract]]", table, findings, contract));
    }
}

fn section<T>(
    what: &str,
    table: Located<Table>,
    findings: &mut Findings,
    read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Option<T> {
    let mut fields = Fields::new(what, table.place, table.value, findings);
    let value = read(&mut fields);
    fields.finish();
    value
}

fn site(fields: &mut Fields<'_>) -> Option<WrittenSite> {
    let name = fields.required_text("name");
    let title = fields.text("title").map_or_else(String::new, |text| text.value);
    let timezone = filled(fields, "timezone");
    Some(WrittenSite { name: name?, title, timezone })
}

fn device(fields: &mut Fields<'_>) -> Option<WrittenDevice> {
    let name = fields.required_text("name");
    let site = filled(fields, "site");
    let kind = fields.text("kind").map_or_else(String::new, |text| text.value);
    let addresses = fields.texts("addresses").unwrap_or_default();
    let aliases = fields.texts("aliases").unwrap_or_default();
    let relay = fields.boolean("relay").unwrap_or(false);
    let timezone = filled(fields, "timezone");
    let depends_on = dependencies(fields);
    let mut components = Vec::new();
    for table in fields.tables("component") {
        components.extend(section("[[device.component]]", table, fields.findings, component));
    }
    Some(WrittenDevice {
        name: name?,
        site,
        kind,
        addresses,
        aliases,
        relay,
        timezone,
        depends_on,
        components,
    })
}

fn component(fields: &mut Fields<'_>) -> Option<WrittenComponent> {
    let name = fields.required_text("name");
    let if_index = fields.integer("if_index", 1..=2_147_483_647);
    let aliases = fields.texts("aliases").unwrap_or_default();
    let peer = filled(fields, "peer");
    let depends_on = dependencies(fields);
    Some(WrittenComponent { name: name?, if_index, aliases, peer, depends_on })
}

fn link(fields: &mut Fields<'_>) -> Option<WrittenLink> {
    let a = fields.required_text("a");
    let b = fields.required_text("b");
    Some(WrittenLink { a: a?, b: b? })
}

fn service(fields: &mut Fields<'_>) -> Option<WrittenService> {
    let name = fields.required_text("name");
    let contract = filled(fields, "contract");
    let site = filled(fields, "site");
    let depends_on = dependencies(fields);
    Some(WrittenService { name: name?, contract, site, depends_on })
}

fn contract(fields: &mut Fields<'_>) -> Option<Located<Contract>> {
    let id = fields.required_text("id");
    let customer = fields.required_text("customer");
    let has_target = fields.has("gtr_target_min");
    let target = fields.integer("gtr_target_min", 1..=MINUTES_MAX);
    let starts = [
        ("default", GtrStart::Default),
        ("detected", GtrStart::Detected),
        ("occurred", GtrStart::Occurred),
        ("earliest", GtrStart::Earliest),
    ];
    let place = id.as_ref().map_or(fields.place(), |id| id.place);
    let text = |found: &Option<Located<String>>| {
        found.as_ref().map_or_else(String::new, |found| found.value.clone())
    };
    let default = Contract::new(&text(&id), &text(&customer), target.unwrap_or(0));
    let value = Contract {
        calendar: calendar(fields).unwrap_or(default.calendar),
        gtr_start: fields.choice("gtr_start", &starts).unwrap_or(default.gtr_start),
        confirmation_delay_min: fields
            .integer("confirmation_delay_min", 0..=MINUTES_MAX)
            .unwrap_or(default.confirmation_delay_min),
        stable_min: fields.integer("stable_min", 0..=MINUTES_MAX).unwrap_or(default.stable_min),
        backup_stops_clock: fields
            .boolean("backup_stops_clock")
            .unwrap_or(default.backup_stops_clock),
        observe: fields.boolean("observe").unwrap_or(default.observe),
        ..default
    };
    if !has_target {
        fields.missing("gtr_target_min");
    }
    id.map(|_| Located { value, place })
}

fn calendar(fields: &mut Fields<'_>) -> Option<String> {
    let written = fields.text("calendar")?;
    if written.value != "24x7" {
        fields.findings.error(
            written.place,
            format!("calendar {} is not known", quoted(&written.value)),
            "write calendar = \"24x7\", or leave the key out: a clock that stops outside business \
             hours cannot be computed yet, and a wrong one would be worse than none",
        );
    }
    Some(written.value)
}

/// A text that is there and not empty.
fn filled(fields: &mut Fields<'_>, key: &'static str) -> Option<Located<String>> {
    fields.text(key).filter(|text| !text.value.is_empty())
}

/// Each item is a resource, or a group: `{ any_of = ["a", "b"], needed = 1 }`.
fn dependencies(fields: &mut Fields<'_>) -> Vec<WrittenDependency> {
    let items = fields.list("depends_on");
    items.into_iter().filter_map(|item| dependency(item, fields.findings)).collect()
}

fn dependency(item: Node, findings: &mut Findings) -> Option<WrittenDependency> {
    let place = item.place;
    match item.value {
        Value::Text(value) => {
            Some(WrittenDependency { place, any_of: vec![Located { value, place }], needed: 1 })
        }
        Value::Table(value) => {
            section("a group of `depends_on`", Located { value, place }, findings, group)
        }
        other => {
            let message = format!("`depends_on` holds {}", other.kind());
            let remedy = "list resources (\"agg-1\", \"agg-1/GigabitEthernet0/1\") and groups \
                          ({ any_of = [\"agg-1\", \"agg-2\"], needed = 1 })";
            findings.error(place, message, remedy);
            None
        }
    }
}

fn group(fields: &mut Fields<'_>) -> Option<WrittenDependency> {
    let any_of = fields.texts("any_of").unwrap_or_default();
    let needed = fields.integer("needed", 1..=65_535).unwrap_or(1);
    if any_of.is_empty() {
        fields.missing("any_of");
        return None;
    }
    Some(WrittenDependency { place: fields.place(), any_of, needed })
}
