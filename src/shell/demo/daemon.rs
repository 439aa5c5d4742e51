//! The daemon of the play: the real one, given its inventory in memory.

use crate::engine::input::Action;
use crate::shell::api::view::SharedView;
use crate::shell::config::{Config, Supervised};
use crate::shell::control::{self, Request};
use crate::shell::daemon::{Daemon, StartError};
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::series::{Protocol, Shown};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// A daemon that runs, and where its operators reach it.
pub(super) struct House {
    daemon: Daemon,
    state_dir: PathBuf,
}

impl House {
    /// Starts it; returns when it listens.
    pub(super) fn open(config: Config, supervised: Supervised) -> Result<Self, StartError> {
        let state_dir = config.state.dir.clone();
        let daemon = Daemon::start(config, Some(supervised), BTreeMap::new())?;
        Ok(Self { daemon, state_dir })
    }

    /// Where it listens, by the names of its listeners.
    pub(super) fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.daemon.addresses()
    }

    /// What its API shows.
    pub(super) fn view(&self) -> SharedView {
        self.daemon.view()
    }

    /// What each listener counted.
    pub(super) fn ledger(&self) -> Vec<(String, Arc<ListenerCounters>)> {
        self.daemon.ledger()
    }

    /// What each protocol of samples brought.
    pub(super) fn samples(&self) -> Vec<(Protocol, Shown)> {
        self.daemon.samples()
    }

    /// Closes a ticket the way `vigie ticket close` does.
    pub(super) fn close_ticket(&self, number: &str) -> io::Result<bool> {
        let action = Action::CloseTicket {
            number: number.to_owned(),
            reason: "the customer agrees (demonstration)".to_owned(),
        };
        let request = Request { author: "demo".to_owned(), action };
        Ok(control::ask(&self.state_dir, &request)?.accepted)
    }

    /// Ends it in good order: what was received is journaled.
    pub(super) fn close(self) {
        let _ = self.daemon.stop();
    }
}
