//! Who may do what on an HTTP listener: `roles`, `tls` and `clients` of `[listeners.NAME]`.
//!
//! In: the section. Out: [`HttpAccess`], which names files and credentials and holds no secret but
//! hashes. On loopback everybody may do everything unless something is written; elsewhere a
//! listener says which roles it serves, and whom it answers. Whether files and credentials can be
//! used is found out where they are read.

use crate::shell::config::fields::Fields;
use crate::shell::config::file::Base;
use crate::shell::config::findings::{Located, Place, quoted};
use crate::shell::config::secret::{self, Origin, Secret};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What a client may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// See alarms, incidents, tickets, resources and metrics.
    Read,
    /// Send metrics and alerts.
    Intake,
    /// Command.
    Act,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Read, Self::Intake, Self::Act];

    /// The word of the configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Intake => "intake",
            Self::Act => "act",
        }
    }
}

/// Access to an HTTP listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpAccess {
    /// What is served.
    pub roles: BTreeSet<Role>,
    /// Files of TLS; none is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whom it answers. With none and without client certificates: everybody.
    pub clients: Vec<Client>,
}

impl HttpAccess {
    /// Everybody may do everything.
    #[must_use]
    pub fn open() -> Self {
        Self { roles: Role::ALL.into(), tls: None, clients: Vec::new() }
    }

    /// Whether nobody has to say who he is.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let has_authority = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        self.clients.is_empty() && !has_authority
    }
}

/// The files of TLS, in PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The certificate and those between it and a known authority.
    pub certificate: (PathBuf, Origin),
    /// Its private key.
    pub key: Secret,
    /// The authorities of client certificates; none asks for none.
    pub client_ca: Option<(PathBuf, Origin)>,
}

/// A client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// Its name in logs and histories, and its user name beside a password.
    pub name: String,
    /// How it shows that it is the one.
    pub proof: Proof,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Where it is configured.
    pub origin: Origin,
}

/// How a client shows that it is the one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Proof {
    /// A bearer token with this SHA-256.
    TokenDigest([u8; 32]),
    /// The bearer token that is kept there.
    Token(Secret),
    /// A password with this bcrypt hash.
    PasswordHash(String),
    /// The password that is kept there.
    Password(Secret),
    /// A client certificate with this common name, or with this DNS name.
    Certificate(String),
}

const ROLES: [(&str, Role); 3] =
    [("read", Role::Read), ("intake", Role::Intake), ("act", Role::Act)];

/// Clients of a listener at most: each is compared with at every request.
const CLIENTS_MAX: usize = 256;

/// Costs of bcrypt: below, a stolen hash is soon guessed; above, a request takes seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 8..=14;

/// Reads the keys of a listener of kind `http`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    addresses: &[Located<SocketAddr>],
    base: &Base<'_>,
) -> HttpAccess {
    let roles = served(fields, beyond_loopback(addresses));
    read_serving(roles, fields, addresses, base)
}

/// Reads the keys of a listener where samples come in and nothing else is served.
pub(super) fn read_for_intake(
    fields: &mut Fields<'_>,
    addresses: &[Located<SocketAddr>],
    base: &Base<'_>,
) -> HttpAccess {
    let remedy = "leave it out: nothing but \"intake\" is served by a listener of this kind";
    fields.refuse("roles", remedy);
    read_serving([Role::Intake].into(), fields, addresses, base)
}

fn beyond_loopback(addresses: &[Located<SocketAddr>]) -> Option<&Located<SocketAddr>> {
    addresses.iter().find(|address| !address.value.ip().is_loopback())
}

fn read_serving(
    roles: BTreeSet<Role>,
    fields: &mut Fields<'_>,
    addresses: &[Located<SocketAddr>],
    base: &Base<'_>,
) -> HttpAccess {
    let tls = tls(fields, base);
    let written = fields.tables("clients");
    if let Some(one_more) = written.get(CLIENTS_MAX) {
        let remedy = format!("name at most {CLIENTS_MAX}, and give several machines one token");
        fields.findings.error(one_more.place, "too many clients", remedy);
    }
    let mut clients: Vec<Client> = Vec::new();
    for table in written.into_iter().take(CLIENTS_MAX) {
        let fields = Fields::new("[[clients]]", table.place, table.value, fields.findings);
        if let Some(client) = client(fields, (&clients, &roles, tls.as_ref()), base) {
            clients.push(client);
        }
    }
    let access = HttpAccess { roles, tls, clients };
    if let Some(beyond) = beyond_loopback(addresses) {
        check_beyond_loopback(&access, beyond, fields);
    }
    access
}

fn served(fields: &mut Fields<'_>, beyond: Option<&Located<SocketAddr>>) -> BTreeSet<Role> {
    match (roles(fields), beyond) {
        (Some(roles), _) => roles,
        (None, None) => Role::ALL.into(),
        (None, Some(beyond)) => {
            let message = format!("{} is not loopback, and no roles are named", beyond.value);
            let remedy = "add roles = [\"read\"], or those of \"read\", \"intake\" and \"act\" \
                          that it is to serve";
            fields.findings.error(beyond.place, message, remedy);
            Role::ALL.into()
        }
    }
}

fn roles(fields: &mut Fields<'_>) -> Option<BTreeSet<Role>> {
    let written = fields.texts("roles")?;
    let mut roles = BTreeSet::new();
    for word in &written {
        if let Some((_, role)) = ROLES.iter().find(|(known, _)| *known == word.value) {
            roles.insert(*role);
        } else {
            let message = format!("{} is no role", quoted(&word.value));
            let remedy = "roles are \"read\", \"intake\" and \"act\"";
            fields.findings.error(word.place, message, remedy);
        }
    }
    if written.is_empty() {
        let place = fields.place_of(&["roles"]);
        let remedy = "name some of \"read\", \"intake\" and \"act\", or leave it out";
        fields.findings.error(place, "`roles` is empty", remedy);
    }
    Some(roles)
}

fn tls(fields: &mut Fields<'_>, base: &Base<'_>) -> Option<TlsFiles> {
    let words = "certificate = \"FILE\" and key = \"FILE\"";
    let mut fields = secret::braces(fields, "tls", words)?;
    let certificate = secret::named_file("certificate", &mut fields, base);
    let key = secret::private_key(&mut fields, base);
    let client_ca = secret::named_file("client_ca", &mut fields, base);
    for key in ["certificate", "key"] {
        if !fields.was_read(key) {
            fields.missing(key);
        }
    }
    fields.finish();
    Some(TlsFiles { certificate: certificate?, key: key?, client_ca })
}

/// What is known of the listener when one of its clients is read.
type Around<'a> = (&'a [Client], &'a BTreeSet<Role>, Option<&'a TlsFiles>);

fn client(
    mut fields: Fields<'_>,
    (before, served, tls): Around<'_>,
    base: &Base<'_>,
) -> Option<Client> {
    let place = fields.place();
    let name = fields.required_text("name");
    if let Some(name) = &name {
        check_name(name, before, &mut fields);
    }
    let roles = roles(&mut fields);
    for role in roles.iter().flatten().filter(|role| !served.contains(role)) {
        let message = format!("the listener does not serve \"{}\"", role.as_str());
        let remedy = "add it to the roles of the listener, or leave it out here";
        fields.findings.error(fields.place_of(&["roles"]), message, remedy);
    }
    let proofs: Vec<_> =
        ["token", "password", "certificate"].into_iter().filter(|key| fields.has(key)).collect();
    if proofs.len() != 1 {
        let remedy = "give each client one of token = { … }, password = { … } and certificate = \
                      \"NAME\"";
        let message = match proofs.len() {
            0 => "nothing tells this client from others",
            _ => "this client is told from others in several ways",
        };
        fields.findings.error(place, message, remedy);
    }
    let token = token(&mut fields, base);
    let password = password(&mut fields, base);
    let certificate = fields.text("certificate");
    if let Some(certificate) = &certificate
        && tls.is_none_or(|tls| tls.client_ca.is_none())
    {
        let remedy = "add client_ca = \"FILE\" to tls = { … } of the listener";
        let message = "no authority of client certificates is named";
        fields.findings.error(certificate.place, message, remedy);
    }
    let origin = fields.findings.origin(place);
    fields.finish();
    let certificate = certificate.map(|name| Proof::Certificate(name.value));
    Some(Client {
        name: name?.value,
        proof: token.or(password).or(certificate)?,
        roles: roles.unwrap_or_else(|| served.clone()),
        origin,
    })
}

fn check_name(name: &Located<String>, before: &[Client], fields: &mut Fields<'_>) {
    if before.iter().any(|client| client.name == name.value) {
        let message = format!("two clients are called {}", quoted(&name.value));
        let remedy = "give each a name of its own: logs and histories tell them by it";
        fields.findings.error(name.place, message, remedy);
    }
    if name.value.len() > 255 || name.value.contains(|c: char| c.is_control() || c == ':') {
        let message = format!("{} is no name of a client", quoted(&name.value));
        let remedy = "use up to 255 bytes without `:` and control characters";
        fields.findings.error(name.place, message, remedy);
    }
}

fn token(fields: &mut Fields<'_>, base: &Base<'_>) -> Option<Proof> {
    let words = "credential = \"NAME\", file = \"FILE\" or sha256 = \"HEX\"";
    let mut inner = secret::braces(fields, "token", words)?;
    let proof = match inner.text("sha256") {
        None => secret::read(&mut inner, base).map(Proof::Token),
        Some(digest) => {
            let found = from_hex(&digest.value).map(Proof::TokenDigest);
            if found.is_none() {
                let message = format!("{} is no SHA-256", quoted(&digest.value));
                let remedy = "write the 64 digits of: printf %s TOKEN | sha256sum";
                inner.findings.error(digest.place, message, remedy);
            }
            found
        }
    };
    inner.finish();
    proof
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        let pair = digits.get(index * 2..index * 2 + 2)?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

fn password(fields: &mut Fields<'_>, base: &Base<'_>) -> Option<Proof> {
    let words = "credential = \"NAME\", file = \"FILE\" or bcrypt = \"HASH\"";
    let mut inner = secret::braces(fields, "password", words)?;
    let proof = match inner.text("bcrypt") {
        None => secret::read(&mut inner, base).map(Proof::Password),
        Some(hash) => {
            check_bcrypt(&hash, &mut inner);
            Some(Proof::PasswordHash(hash.value))
        }
    };
    inner.finish();
    proof
}

fn check_bcrypt(hash: &Located<String>, fields: &mut Fields<'_>) {
    let is_current = ["$2y$", "$2b$", "$2a$"].iter().any(|start| hash.value.starts_with(start));
    let parts = hash.value.parse::<bcrypt::HashParts>().ok().filter(|_| is_current);
    let remedy = "write what follows the colon of: htpasswd -nBC 10 NAME";
    match parts {
        None => fields.findings.error(hash.place, "this is no bcrypt hash", remedy),
        Some(parts) if !BCRYPT_COSTS.contains(&parts.get_cost()) => {
            let (least, most) = (BCRYPT_COSTS.start(), BCRYPT_COSTS.end());
            let message = format!("the cost of this hash is not {least} to {most}");
            fields.findings.error(hash.place, message, remedy);
        }
        Some(_) => (),
    }
}

/// Beyond loopback nobody is answered who does not say who he is.
fn check_beyond_loopback(
    access: &HttpAccess,
    beyond: &Located<SocketAddr>,
    fields: &mut Fields<'_>,
) {
    let has_mistakes_of_its_own = fields.was_read("clients") || fields.was_read("tls");
    if access.is_open() && !(has_mistakes_of_its_own && fields.findings.has_errors()) {
        let message = format!("{} is not loopback, and everybody would be answered", beyond.value);
        let remedy = "name clients, for example clients = [{ name = \"prometheus\", token = { file \
                      = \"FILE\" } }], or tls with client_ca; or bind it to 127.0.0.1";
        fields.findings.error(beyond.place, message, remedy);
    }
    let place: Place = beyond.place;
    let is_readable = access.tls.is_none()
        && !fields.was_read("tls")
        && access.clients.iter().any(|client| !matches!(client.proof, Proof::Certificate(_)));
    if is_readable {
        let message = format!("tokens and passwords travel readable to {}", beyond.value);
        let remedy = "add tls = { certificate = \"FILE\", key = \"FILE\" }, or keep it on a \
                      network that nobody listens to";
        fields.findings.warning(place, message, remedy);
    }
}
