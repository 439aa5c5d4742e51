//! Messages to events, by compiled rules. Stateless: what a message becomes depends on the
//! message, the rules and the directory, on nothing that came before.
//!
//! In: a decoded trap or syslog message and where it came from. Out: an event that borrows its
//! text, or the cause for which the message is none. Nothing is allocated once [`Scratch`] has
//! grown.
//!
//! Reading order: [`classifier`] (the entry), [`origin`] (which device), [`trap`] and [`syslog`]
//! (which rule), [`rules`] (the language), [`directory`] (the inventory as it is looked up here),
//! [`labels`], [`metric`] and [`alert`] (what series and alerts are about), [`interface`] (one name
//! for one interface), [`clean`] (text fit to be shown), [`occurred`]
//! (local times), [`library`] (the rules that come with the program).

mod alert;
mod classifier;
mod clean;
pub mod directory;
mod interface;
pub mod labels;
pub mod library;
mod metric;
mod occurred;
mod origin;
pub mod rules;
mod syslog;
#[cfg(test)]
mod tests;
mod trap;

pub use alert::{AlertOrigin, AlertScratch};
pub use classifier::{Classified, Classifier, IgnoreCause, Origin, Scratch};
pub use directory::Directory;
pub use labels::{LAST_DEVICE_LABEL, LabelMap};
pub use metric::{Hit, News};
pub use rules::{
    BaselineRule, Computation, MetricRule, Quantity, RuleSet, RuleSource, Side, compile,
};
