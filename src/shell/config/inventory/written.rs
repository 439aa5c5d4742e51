//! What inventory files say, before anything is checked: texts with their places.

use crate::model::contract::Contract;
use crate::shell::config::findings::{Located, Place};

/// The content of every file together.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) sites: Vec<WrittenSite>,
    pub(super) devices: Vec<WrittenDevice>,
    pub(super) links: Vec<WrittenLink>,
    pub(super) services: Vec<WrittenService>,
    pub(super) contracts: Vec<Located<Contract>>,
}

/// `[[site]]`
#[derive(Debug)]
pub(super) struct WrittenSite {
    pub(super) name: Located<String>,
    pub(super) title: String,
    pub(super) timezone: Option<Located<String>>,
}

/// `[[device]]`
#[derive(Debug)]
pub(super) struct WrittenDevice {
    pub(super) name: Located<String>,
    pub(super) site: Option<Located<String>>,
    pub(super) kind: String,
    pub(super) addresses: Vec<Located<String>>,
    pub(super) aliases: Vec<Located<String>>,
    pub(super) relay: bool,
    pub(super) timezone: Option<Located<String>>,
    pub(super) depends_on: Vec<WrittenDependency>,
    pub(super) components: Vec<WrittenComponent>,
}

/// `[[device.component]]`, or an item of the column `interfaces`
#[derive(Debug)]
pub(super) struct WrittenComponent {
    pub(super) name: Located<String>,
    pub(super) if_index: Option<u32>,
    pub(super) aliases: Vec<Located<String>>,
    pub(super) peer: Option<Located<String>>,
    pub(super) depends_on: Vec<WrittenDependency>,
}

/// `[[link]]`
#[derive(Debug)]
pub(super) struct WrittenLink {
    pub(super) a: Located<String>,
    pub(super) b: Located<String>,
}

/// `[[service]]`
#[derive(Debug)]
pub(super) struct WrittenService {
    pub(super) name: Located<String>,
    pub(super) contract: Option<Located<String>>,
    pub(super) site: Option<Located<String>>,
    pub(super) depends_on: Vec<WrittenDependency>,
}

/// A group of resources, some number of which must work.
#[derive(Debug)]
pub(super) struct WrittenDependency {
    pub(super) place: Place,
    pub(super) any_of: Vec<Located<String>>,
    pub(super) needed: u32,
}
