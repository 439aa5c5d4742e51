//! What is promised to customers.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where the GTR clock starts, as the contract names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GtrStart {
    /// `opened_at` for a detected ticket, `signalled_at` for a signalled one.
    #[default]
    Default,
    /// `detected_at`.
    Detected,
    /// `occurred_at` where it is known, else `detected_at`.
    Occurred,
    /// The earliest of those that are known.
    Earliest,
}

/// A customer's contract. Frozen into each ticket at its opening.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contract {
    /// Unique identifier.
    pub id: String,
    /// Customer's name.
    pub customer: String,
    /// GTR: minutes allowed to restore service, on the contract's clock.
    pub gtr_target_min: u32,
    /// Calendar of the clock. Only `24x7` is known so far.
    pub calendar: String,
    /// Where the clock starts.
    pub gtr_start: GtrStart,
    /// Minutes after which an unconfirmed ticket confirms itself.
    pub confirmation_delay_min: u32,
    /// Minutes without a relapse after which service counts as restored.
    pub stable_min: u32,
    /// Whether service on its backup stops the clock.
    pub backup_stops_clock: bool,
    /// Marche à blanc: everything is computed, nothing reaches the customer; own number series.
    pub observe: bool,
}

/// All contracts, by id. What shares them costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Contract>")]
pub struct Contracts(Arc<[Contract]>);

impl Contracts {
    /// The contract of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Contract> {
        let place = self.0.binary_search_by(|known| known.id.as_str().cmp(id)).ok()?;
        self.0.get(place)
    }
}

impl From<Vec<Contract>> for Contracts {
    fn from(mut contracts: Vec<Contract>) -> Self {
        contracts.sort_by(|one, other| one.id.cmp(&other.id));
        Self(contracts.into())
    }
}

impl FromIterator<Contract> for Contracts {
    fn from_iter<C: IntoIterator<Item = Contract>>(contracts: C) -> Self {
        contracts.into_iter().collect::<Vec<_>>().into()
    }
}

impl Contract {
    /// A contract with the default values of a quality plan and the given GTR target in minutes.
    #[must_use]
    pub fn new(id: &str, customer: &str, gtr_target_min: u32) -> Self {
        Self {
            id: id.to_owned(),
            customer: customer.to_owned(),
            gtr_target_min,
            calendar: "24x7".to_owned(),
            gtr_start: GtrStart::Default,
            confirmation_delay_min: 10,
            stable_min: 3,
            backup_stops_clock: true,
            observe: false,
        }
    }
}
