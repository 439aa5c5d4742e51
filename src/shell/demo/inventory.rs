//! The plan as an operator would write it: TOML, read and checked by the same loader.

use super::plan::{CONTRACTS, Datacenter, Device, Port};
use crate::model::diagnostic::Diagnostic;
use crate::shell::config::Text;
use crate::shell::config::inventory::{Supervised, read};
use std::fmt::Write as _;
use std::sync::Arc;

/// What is supervised.
pub(super) fn supervised(plan: &Datacenter) -> Result<Supervised, Vec<Diagnostic>> {
    let text = Text { file: "demo.toml".to_owned(), text: Arc::from(text(plan)) };
    read(&[text]).into_result()
}

/// The inventory file.
pub(super) fn text(plan: &Datacenter) -> String {
    let mut out = String::from("[[site]]\nname = \"demo\"\ntitle = \"Simulated datacenter\"\n");
    for device in &plan.devices {
        push_device(plan, device, &mut out);
    }
    for service in &plan.services {
        let _ = write!(
            out,
            "\n[[service]]\nname = {:?}\ncontract = {:?}\nsite = \"demo\"\ndepends_on = [{}]\n",
            service.name,
            service.contract,
            group(&service.any_of)
        );
    }
    for (id, customer, gtr_min) in CONTRACTS {
        let _ = write!(
            out,
            "\n[[contract]]\nid = {id:?}\ncustomer = {customer:?}\ngtr_target_min = {gtr_min}\n\
             stable_min = 0\n"
        );
    }
    out
}

fn push_device(plan: &Datacenter, device: &Device, out: &mut String) {
    let needs: Vec<String> = device.needs.iter().map(|any_of| group(any_of)).collect();
    let _ = write!(
        out,
        "\n[[device]]\nname = {:?}\nsite = \"demo\"\nkind = {:?}\naddresses = [\"{}\"]\n\
         depends_on = [{}]\n",
        device.name,
        device.role.kind(),
        device.address,
        needs.join(", ")
    );
    for port in &device.ports {
        push_port(plan, port, out);
    }
}

fn push_port(plan: &Datacenter, port: &Port, out: &mut String) {
    let _ =
        write!(out, "[[device.component]]\nname = {:?}\nif_index = {}\n", port.name, port.if_index);
    if let Some(peer) = port.peer {
        let _ = writeln!(out, "peer = {:?}", plan.port_name(peer));
    }
}

fn group(any_of: &[String]) -> String {
    format!("{{ any_of = {any_of:?}, needed = 1 }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_datacenter_passes_the_checks_of_the_loader() {
        let plan = Datacenter::new();
        let read = read(&[Text { file: "demo.toml".to_owned(), text: text(&plan).into() }]);
        let lines = |found: &[Diagnostic]| -> Vec<String> {
            found.iter().map(ToString::to_string).collect()
        };
        assert_eq!(lines(&read.errors), Vec::<String>::new());
        assert_eq!(lines(&read.warnings), Vec::<String>::new());
        let supervised = read.value.expect("no errors");
        assert_eq!(supervised.inventory.devices.len(), plan.devices.len());
        assert_eq!(supervised.contracts.len(), CONTRACTS.len());
        assert!(supervised.contracts.iter().all(|contract| contract.stable_min == 0));
        assert!(
            supervised
                .inventory
                .devices
                .iter()
                .all(|device| { device.addresses.iter().all(std::net::IpAddr::is_loopback) })
        );
    }
}
