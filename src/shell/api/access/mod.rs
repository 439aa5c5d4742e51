//! Who is answered on an HTTP listener: identities, TLS, and the gate before each route.
//!
//! In: [`HttpAccess`] of the configuration, the header `Authorization`, client certificates. Out: a
//! request that goes on with the [`Identity`] of its sender, or 401 and 403, counted by reason and
//! told in the log now and then. Secrets are held as digests only. What each role may reach is for
//! the routes.
//!
//! Reading order: `certificate` (names in a client certificate), `tls` (files to a TLS
//! configuration), `identity` (who is it?), `gate` (may he?).

pub mod certificate;
pub mod gate;
pub mod identity;
pub mod password;
pub mod tls;

use crate::model::diagnostic::Diagnostic;
use crate::shell::api::access::identity::Known;
use crate::shell::config::{HttpAccess, Unready};
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;

/// What a listener answers by, as read from files and credentials; exchanged as a whole at reload.
#[derive(Debug)]
pub struct Access {
    /// Whether nobody has to say who he is.
    pub is_open: bool,
    /// Those who are known.
    pub clients: Vec<Known>,
    /// TLS; none is plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Access {
    /// Everybody may do everything.
    #[must_use]
    pub fn open() -> Self {
        Self { is_open: true, clients: Vec::new(), tls: None }
    }

    /// The same where nothing but HTTP/2 is spoken: TLS agrees on that (ALPN).
    #[must_use]
    pub fn over_http2(mut self) -> Self {
        if let Some(tls) = &mut self.tls {
            Arc::make_mut(tls).alpn_protocols = vec![b"h2".to_vec()];
        }
        self
    }

    /// Reads what the configuration names.
    ///
    /// # Errors
    /// Every file and credential that cannot be used, where it is named, with the remedy.
    pub fn load(wanted: &HttpAccess) -> Result<Self, Vec<Unready>> {
        let mut unready = Vec::new();
        let mut clients = Vec::new();
        for client in &wanted.clients {
            match Known::load(client) {
                Ok(known) => clients.push(known),
                Err(reason) => unready.push(reason),
            }
        }
        let tls = wanted.tls.as_ref().map(tls::server_config).transpose();
        match tls {
            Ok(tls) if unready.is_empty() => {
                Ok(Self { is_open: wanted.is_open(), clients, tls: tls.map(Arc::new) })
            }
            Ok(_) => Err(unready),
            Err(reason) => {
                unready.push(reason);
                Err(unready)
            }
        }
    }

    /// [`Access::load`] for the daemon itself, to which every reason counts.
    ///
    /// # Errors
    /// As [`Access::load`].
    pub fn load_here(wanted: &HttpAccess) -> Result<Self, Vec<Diagnostic>> {
        let told = |unready: Vec<Unready>| unready.into_iter().map(|one| one.diagnostic).collect();
        Self::load(wanted).map_err(told)
    }
}

#[cfg(test)]
mod tests;
