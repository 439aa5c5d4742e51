//! The daemon as the demonstration sees it. The only file here that knows how it is started.

use crate::engine::input::Action;
use crate::shell::api::view::SharedView;
use crate::shell::config::Config;
use crate::shell::config::inventory::Supervised;
use crate::shell::daemon::Daemon;
use crate::shell::observe::counters::ListenerCounters;
use std::collections::BTreeMap;
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

impl Watched for Daemon {
    fn addresses(&self) -> Vec<(String, SocketAddr)> {
        Self::addresses(self)
    }

    fn view(&self) -> SharedView {
        Self::view(self)
    }

    fn ledger(&self) -> Vec<(String, Arc<ListenerCounters>)> {
        Self::ledger(self)
    }

    fn close_ticket(&self, number: &str, reason: &str) {
        let action = Action::CloseTicket { number: number.to_owned(), reason: reason.to_owned() };
        self.command("demo", action);
    }

    fn stop(self: Box<Self>) {
        let _ = Self::stop(*self);
    }
}

/// Starts the real daemon.
///
/// # Errors
/// What kept it from starting, in words.
pub fn start(config: Config, supervised: Supervised) -> Result<Box<dyn Watched>, String> {
    let daemon = Daemon::start(config, Some(supervised), BTreeMap::new());
    Ok(Box::new(daemon.map_err(|error| error.to_string())?))
}

/// Starts a daemon; gives what went wrong in words otherwise.
pub type Start<'s> = &'s dyn Fn(Config, Supervised) -> Result<Box<dyn Watched>, String>;
