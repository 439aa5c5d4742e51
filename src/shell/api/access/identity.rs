//! Who is it? From what a request brings to one of the known clients.
//!
//! In: the header `Authorization` (Bearer; Token, as clients of InfluxDB write it; Basic) and the
//! names of a verified client certificate. Out: the client, or why it is none. A header that says
//! something must be right; the certificate counts where there is none. Telegraf without a token
//! sends the scheme alone, which says nothing.

use crate::shell::api::access::Access;
use crate::shell::api::access::password::{Digest, Hashed};
use crate::shell::config::{Client, Proof, Role, Secret, Unready};
use crate::shell::observe::counters::HttpRefusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Who sent a request: an extension of every request that the gate lets through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Name of the client in the configuration, the name in its certificate where no client is
    /// configured for it, or `anonymous` where nobody has to say who he is.
    pub name: Arc<str>,
}

impl Identity {
    /// Somebody who did not have to say.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: Arc::from("anonymous") }
    }
}

/// A client that is known.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its name.
    pub identity: Identity,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// How it shows that it is the one.
    pub shows: Shows,
}

/// How a client shows that it is the one.
#[derive(Clone, Debug)]
pub enum Shows {
    /// A bearer token.
    Token(Digest),
    /// A password of some length.
    Password(Digest),
    /// A password that people may have chosen.
    Hashed(Arc<Hashed>),
    /// A client certificate with this name.
    Certificate(String),
}

impl Known {
    /// Reads its secret.
    ///
    /// # Errors
    /// It cannot be read, or is so short that it can be guessed.
    pub fn load(client: &Client) -> Result<Self, Unready> {
        let shows = match &client.proof {
            Proof::TokenDigest(digest) => Shows::Token(Digest::from_bytes(*digest)),
            Proof::Token(secret) => Shows::Token(digest(secret)?),
            Proof::PasswordHash(hash) => Shows::Hashed(Arc::new(Hashed::new(hash))),
            Proof::Password(secret) => Shows::Password(digest(secret)?),
            Proof::Certificate(name) => Shows::Certificate(name.clone()),
        };
        let identity = Identity { name: Arc::from(client.name.as_str()) };
        Ok(Self { identity, roles: client.roles.clone(), shows })
    }
}

fn digest(secret: &Secret) -> Result<Digest, Unready> {
    let text = secret.read_line()?;
    if text.len() < SECRET_BYTES_MIN {
        let message = format!("{} is short enough to be guessed", secret.name());
        let remedy = "make a new one: openssl rand -hex 32";
        return Err(secret.origin.diagnostic(message, remedy).into());
    }
    Ok(Digest::of(&text))
}

/// What a request brings.
#[derive(Debug)]
pub enum Brought {
    /// Nothing.
    Nothing,
    /// A token.
    Token(Digest),
    /// A name and a password.
    Password(String, String),
}

impl Brought {
    /// Reads the values of the headers `Authorization`.
    ///
    /// # Errors
    /// There are several, or one that cannot be read.
    pub fn read<'a>(mut headers: impl Iterator<Item = &'a [u8]>) -> Result<Self, HttpRefusal> {
        let Some(header) = headers.next() else { return Ok(Self::Nothing) };
        if headers.next().is_some() {
            return Err(HttpRefusal::BadCredentials);
        }
        Self::read_one(header).ok_or(HttpRefusal::BadCredentials)
    }

    fn read_one(header: &[u8]) -> Option<Self> {
        let header = std::str::from_utf8(header).ok()?.trim();
        let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
        let value = value.trim_start();
        if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token") {
            let is_empty = value.is_empty();
            return Some(if is_empty { Self::Nothing } else { Self::Token(Digest::of(value)) });
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
        let (name, password) = decoded.split_once(':')?;
        Some(Self::Password(name.to_owned(), password.to_owned()))
    }
}

/// What is known of the sender so far.
#[derive(Debug)]
pub enum Judged {
    /// It is this one.
    Is(Identity, BTreeSet<Role>),
    /// It is this one if its password fits, or nobody; to be found out beside the runtime.
    Asks {
        /// Who it is then; none if nobody has that name and a hash.
        client: Option<Known>,
        /// What the password must fit.
        hashed: Arc<Hashed>,
        /// The password.
        password: String,
    },
    /// Nobody.
    Refused(HttpRefusal),
}

impl Access {
    /// Who it is that brings this, and shows a certificate with these names.
    #[must_use]
    pub fn judge(
        &self,
        brought: Brought,
        certificate: &[String],
        served: &BTreeSet<Role>,
    ) -> Judged {
        if self.is_open {
            return Judged::Is(Identity::anonymous(), served.clone());
        }
        let is = |known: &Known| Judged::Is(known.identity.clone(), known.roles.clone());
        match brought {
            Brought::Nothing => self.by_certificate(certificate, served),
            Brought::Token(token) => {
                // Every client is looked at, whichever it is.
                let mut found = None;
                for client in &self.clients {
                    if let Shows::Token(digest) = &client.shows
                        && digest.is(&token)
                    {
                        found = Some(client);
                    }
                }
                found.map_or(Judged::Refused(HttpRefusal::BadCredentials), is)
            }
            Brought::Password(name, password) => self.by_password(&name, password),
        }
    }

    fn by_password(&self, name: &str, password: String) -> Judged {
        let digest = Digest::of(&password);
        let mut asked = None;
        for client in self.clients.iter().filter(|client| &*client.identity.name == name) {
            let is_it = match &client.shows {
                Shows::Password(wanted) => wanted.is(&digest),
                Shows::Hashed(hashed) => {
                    asked = Some((client, Arc::clone(hashed)));
                    hashed.has_fitted(&digest)
                }
                Shows::Token(_) | Shows::Certificate(_) => false,
            };
            if is_it {
                return Judged::Is(client.identity.clone(), client.roles.clone());
            }
        }
        if let Some((client, hashed)) = asked {
            return Judged::Asks { client: Some(client.clone()), hashed, password };
        }
        // Another one's hash is compared with, so that time does not tell which names there are.
        let any_hash = self.clients.iter().find_map(|client| match &client.shows {
            Shows::Hashed(hashed) => Some(Arc::clone(hashed)),
            Shows::Token(_) | Shows::Password(_) | Shows::Certificate(_) => None,
        });
        match any_hash {
            Some(hashed) => Judged::Asks { client: None, hashed, password },
            None => Judged::Refused(HttpRefusal::BadCredentials),
        }
    }

    fn by_certificate(&self, names: &[String], served: &BTreeSet<Role>) -> Judged {
        let Some(first) = names.first() else {
            return Judged::Refused(HttpRefusal::NoCredentials);
        };
        let mut has_named = false;
        for client in &self.clients {
            if let Shows::Certificate(wanted) = &client.shows {
                has_named = true;
                if names.contains(wanted) {
                    return Judged::Is(client.identity.clone(), client.roles.clone());
                }
            }
        }
        if has_named {
            return Judged::Refused(HttpRefusal::BadCredentials);
        }
        // Without clients by certificate, each certificate of the authority is one.
        Judged::Is(Identity { name: Arc::from(first.as_str()) }, served.clone())
    }

    /// The values of `WWW-Authenticate`: the ways in which a client can say who it is.
    pub fn challenges(&self) -> impl Iterator<Item = &'static str> {
        let is_any = |is: fn(&Shows) -> bool| self.clients.iter().any(|known| is(&known.shows));
        let has_tokens = is_any(|shows| matches!(shows, Shows::Token(_)));
        let has_passwords = is_any(|shows| matches!(shows, Shows::Password(_) | Shows::Hashed(_)));
        let basic = has_passwords.then_some("Basic realm=\"vigie\", charset=\"UTF-8\"");
        // A certificate has no scheme of its own, and 401 must name one.
        let bearer = (has_tokens || !has_passwords).then_some("Bearer realm=\"vigie\"");
        bearer.into_iter().chain(basic)
    }
}

/// Shorter secrets can be guessed by trying.
const SECRET_BYTES_MIN: usize = 12;
