//! The HTTP listeners of the daemon, those of gRPC among them: what each answers by, read at the
//! start and again at reload, and their service on sockets.

use crate::model::diagnostic::Diagnostic;
use crate::shell::api::access::Access;
use crate::shell::api::access::gate::Gate;
use crate::shell::api::connection::Patience;
use crate::shell::api::{ApiState, serve};
use crate::shell::config::{Config, HttpAccess, Listener, Transport};
use crate::shell::intake::grpc;
use crate::shell::observe::counters::HttpCounters;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Every HTTP listener with its gate, in the order of the configuration.
pub struct HttpListeners {
    listeners: Vec<HttpListener>,
}

struct HttpListener {
    /// Its number among all listeners.
    index: u16,
    speaks_grpc: bool,
    idle_timeout: Duration,
    gate: Arc<Gate>,
}

impl HttpListeners {
    /// Reads the certificates, tokens and passwords that the configuration names.
    ///
    /// # Errors
    /// Each that cannot be used.
    pub fn load(config: &Config) -> Result<Self, Vec<Diagnostic>> {
        let loaded = load_all(config)?;
        let listeners = http(config).zip(loaded).map(|((index, listener, wanted), access)| {
            let (idle_timeout, roles) = (wanted.0, wanted.1.roles.clone());
            let gate = Arc::new(Gate::new(&listener.name, roles, access));
            HttpListener { index, speaks_grpc: speaks_grpc(listener), idle_timeout, gate }
        });
        Ok(Self { listeners: listeners.collect() })
    }

    /// Reads them again; nothing changes yet.
    ///
    /// # Errors
    /// Each that cannot be used.
    pub fn read_again(config: &Config) -> Result<Vec<Access>, Vec<Diagnostic>> {
        load_all(config)
    }

    /// Puts into force what [`HttpListeners::read_again`] gave.
    pub fn exchange(&self, access: Vec<Access>) {
        for (listener, access) in self.listeners.iter().zip(access) {
            listener.gate.exchange(access);
        }
    }

    /// Refusals by listener.
    #[must_use]
    pub fn counters(&self) -> Vec<(String, Arc<HttpCounters>)> {
        let gates = self.listeners.iter().map(|listener| &listener.gate);
        gates.map(|gate| (gate.listener().to_owned(), gate.counters())).collect()
    }

    /// Serves on sockets, each of the listener with that number, until `stop` becomes true.
    ///
    /// # Errors
    /// A socket cannot be used, or systemd handed over one that is not on loopback for a listener
    /// that answers everybody.
    pub fn serve(
        &self,
        runtime: &Runtime,
        sockets: Vec<(u16, TcpListener)>,
        state: &ApiState,
        stop: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        for (index, socket) in sockets {
            let found = self.listeners.iter().find(|listener| listener.index == index);
            let Some(listener) = found else { continue };
            let address = socket.local_addr()?;
            if listener.gate.access().is_open && !address.ip().is_loopback() {
                return Err(io::Error::other(format!(
                    "[listeners.{}] would answer everybody at {address}: name clients, or change \
                     the address in its .socket unit",
                    listener.gate.listener()
                )));
            }
            socket.set_nonblocking(true)?;
            let socket = {
                let _inside = runtime.enter();
                tokio::net::TcpListener::from_std(socket)?
            };
            let patience = Patience { idle: listener.idle_timeout, ..Patience::default() };
            let (state, gate) = (state.clone(), Arc::clone(&listener.gate));
            let stop = stop.clone();
            if listener.speaks_grpc {
                let door = state.samples().cloned().ok_or_else(no_samples)?;
                runtime.spawn(grpc::serve(socket, (door, gate), stop, patience));
                continue;
            }
            runtime.spawn(async move {
                if let Err(error) = serve(socket, (state, gate), stop, patience).await {
                    tracing::error!(%error, "HTTP ended");
                }
            });
        }
        Ok(())
    }
}

fn load_all(config: &Config) -> Result<Vec<Access>, Vec<Diagnostic>> {
    let (mut loaded, mut mistakes) = (Vec::new(), Vec::new());
    for (_, listener, (_, wanted)) in http(config) {
        match Access::load_here(wanted) {
            Ok(access) if speaks_grpc(listener) => loaded.push(access.over_http2()),
            Ok(access) => loaded.push(access),
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() { Ok(loaded) } else { Err(mistakes) }
}

/// The HTTP listeners of a configuration, with their numbers among all.
fn http(config: &Config) -> impl Iterator<Item = (u16, &Listener, (Duration, &HttpAccess))> {
    (0_u16..).zip(&config.listeners).filter_map(|(index, listener)| match &listener.transport {
        Transport::Http { idle_timeout, access } | Transport::OtlpGrpc { idle_timeout, access } => {
            Some((index, listener, (*idle_timeout, &**access)))
        }
        Transport::SnmpTrap { .. }
        | Transport::SyslogUdp { .. }
        | Transport::SyslogTcp { .. }
        | Transport::InfluxUdp { .. } => None,
    })
}

fn speaks_grpc(listener: &Listener) -> bool {
    matches!(listener.transport, Transport::OtlpGrpc { .. })
}

fn no_samples() -> io::Error {
    io::Error::other("there is nowhere for samples to go")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::api::view::{ViewBounds, ViewWriter};
    use crate::shell::readiness::Readiness;

    #[test]
    fn a_socket_of_systemd_beyond_loopback_is_not_answered_without_clients() {
        let config = Config::embedded().into_result().expect("defaults");
        let listeners = HttpListeners::load(&config).expect("nothing to read");
        let index = listeners.listeners.first().expect("one").index;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let view = ViewWriter::new(ViewBounds::default()).shared();
        let state = ApiState::new(view, Arc::new(Readiness::default()), Arc::new(String::new));
        let (_stop, stopped) = watch::channel(false);
        let serve = |address| {
            let socket = TcpListener::bind(address).expect("bound");
            listeners.serve(&runtime, vec![(index, socket)], &state, &stopped)
        };
        serve("127.0.0.1:0").expect("loopback");
        let refused = serve("0.0.0.0:0").expect_err("every address");
        assert!(refused.to_string().contains("name clients"), "{refused}");
    }
}
