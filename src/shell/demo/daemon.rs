//! The daemon as the demonstration sees it. The only file here that knows how it is started.

use crate::shell::api::view::SharedView;
use crate::shell::config::inventory::Supervised;
use crate::shell::config::Config;
use crate::shell::observe::counters::ListenerCounters;
use std::net::SocketAddr;
use std::sync::Arc;

/// A daemon that runs.
pub trait Watched {
    /// Where it listens, by the names of its listeners.
    fn addresses(&self) -> Vec<(String, SocketAddr)>;
    /// What its API shows.
    fn view(&self) -> SharedView;
    /// What each listener counted.
    fn ledger(&self) -> Vec<(String, Arc<ListenerCounters>)>;
    /// Pronounces the closure of a ticket, as an operator would.
    fn close_ticket(&self, number: &str, reason: &str);
    /// Ends it in good order.
    fn stop(self: Box<Self>);
}

/// Starts a daemon; gives what went wrong in words otherwise.
pub type Start<'s> = &'s dyn Fn(Config, Supervised) -> Result<Box<dyn Watched>, String>;
