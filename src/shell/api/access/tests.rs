//! Gates before real connections on loopback, with the certificates of `tests/tls`.

use super::*;
use crate::shell::api::access::gate::Gate;
use crate::shell::api::access::identity::Identity;
use crate::shell::api::access::password::{Digest, Hashed};
use crate::shell::api::channel;
use crate::shell::api::connection::{GuardedListener, Patience, Peer};
use crate::shell::api::routes::{behind, method_not_allowed, not_found};
use crate::shell::api::tests::Server;
use crate::shell::config::{Client, Origin, Proof, Role, Secret, SecretSource, TlsFiles};
use crate::shell::observe::counters::HttpRefusal;
use axum::routing::{get, post};
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::future::IntoFuture as _;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "correct horse";
/// Of [`PASSWORD`], by libxcrypt.
const HASH: &str = "$2y$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";

fn origin() -> Origin {
    Origin { file: "vigie.toml".to_owned(), line: 7, column: 9 }
}

/// A folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vigie-access-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
        path
    }

    fn secret(&self, name: &str, content: &[u8], mode: u32) -> Secret {
        let source = SecretSource::File(self.write(name, content, mode));
        Secret { source, origin: origin() }
    }

    fn tls(&self, client_ca: Option<&str>) -> TlsFiles {
        TlsFiles {
            certificate: (file("server.pem"), origin()),
            key: self.secret("server.key", &pem("server.key"), 0o600),
            client_ca: client_ca.map(|name| (file(name), origin())),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).expect("a certificate of the tests")
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&pem(name)).expect("a certificate")
}

fn client(name: &str, proof: Proof, roles: &[Role]) -> Client {
    let roles = roles.iter().copied().collect();
    Client { name: name.to_owned(), proof, roles, origin: origin() }
}

fn token(name: &str, token: &str, roles: &[Role]) -> Client {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(token.as_bytes());
    client(name, Proof::TokenDigest(digest.into()), roles)
}

fn gate(roles: &[Role], clients: Vec<Client>, tls: Option<TlsFiles>) -> Arc<Gate> {
    let roles: BTreeSet<Role> = roles.iter().copied().collect();
    let wanted = HttpAccess { roles: roles.clone(), tls, clients };
    Arc::new(Gate::new("http", roles, Access::load(&wanted).expect("it loads")))
}

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: v\r\n{headers}connection: close\r\n\r\n")
}

fn basic(name: &str, password: &str) -> String {
    format!("authorization: basic {}\r\n", STANDARD.encode(format!("{name}:{password}")))
}

fn refused(gate: &Gate, reason: HttpRefusal) -> u64 {
    gate.counters().refused().find(|(known, _)| *known == reason).map_or(0, |(_, count)| count)
}

#[tokio::test]
async fn only_health_is_for_everybody() {
    let clients = vec![
        token("prometheus", TOKEN, &[Role::Read]),
        token("telegraf", "another token", &[Role::Intake]),
        client("alice", Proof::PasswordHash(HASH.to_owned()), &[Role::Read]),
    ];
    let gate = gate(&Role::ALL, clients, None);
    let server = Server::start_behind(Arc::clone(&gate), Patience::default()).await;
    for (path, status) in [("/healthz", 200), ("/readyz", 503), ("/", 200), ("/nothing", 404)] {
        assert_eq!(server.raw(&request(path, "")).await.0, status, "{path}");
    }
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    for (headers, status) in [
        (bearer.clone(), 200),
        (format!("authorization: Token {TOKEN}\r\n"), 200),
        (basic("alice", PASSWORD), 200),
        (basic("alice", PASSWORD), 200),
        (basic("alice", "correct horsf"), 401),
        (basic("bob", PASSWORD), 401),
        (basic("prometheus", TOKEN), 401),
        ("authorization: Bearer another token\r\n".to_owned(), 403),
        ("authorization: Bearer \r\n".to_owned(), 401),
        ("authorization: Token\r\n".to_owned(), 401),
        (format!("authorization: Bearer {TOKEN}x\r\n"), 401),
        (format!("authorization: Digest {TOKEN}\r\n"), 401),
        ("authorization: Basic !!!\r\n".to_owned(), 401),
        (format!("{bearer}{bearer}"), 401),
        (String::new(), 401),
    ] {
        for path in ["/metrics", "/api/v1/alarms", "/api/v1/tickets/NOC-1"] {
            let (mut found, head, body) = server.raw(&request(path, &headers)).await;
            if path.ends_with("NOC-1") && found == 404 {
                found = 200;
            }
            assert_eq!(found, status, "{path} {headers} {body}");
            let challenged = head.to_ascii_lowercase().matches("www-authenticate: ").count();
            assert_eq!(challenged, if status == 401 { 2 } else { 0 }, "{head}");
        }
    }
    assert_eq!(refused(&gate, HttpRefusal::NoCredentials), 9);
    assert_eq!(refused(&gate, HttpRefusal::BadCredentials), 21);
    assert_eq!(refused(&gate, HttpRefusal::Role), 3);
    server.stop().await;
}

#[tokio::test]
async fn a_scheme_without_a_token_says_nothing() {
    let open = Gate::new("http", Role::ALL.into(), Access::open());
    let server = Server::start_behind(Arc::new(open), Patience::default()).await;
    for headers in ["authorization: Token \r\n", "authorization: bearer\r\n", ""] {
        assert_eq!(server.raw(&request("/metrics", headers)).await.0, 200, "{headers}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_listener_has_the_routes_of_its_roles_only() {
    let open = Gate::new("http", [Role::Intake].into(), Access::open());
    let server = Server::start_behind(Arc::new(open), Patience::default()).await;
    for path in ["/metrics", "/api/v1/alarms"] {
        assert_eq!(server.raw(&request(path, "")).await.0, 404, "{path}");
    }
    assert_eq!(server.raw(&request("/healthz", "")).await.0, 200);
    assert!(!server.raw(&request("/", "")).await.2.contains("/api/v1/alarms"));
    server.stop().await;
}

#[tokio::test]
async fn secrets_are_exchanged_while_it_serves() {
    let gate = gate(&Role::ALL, vec![token("p", TOKEN, &[Role::Read])], None);
    let server = Server::start_behind(Arc::clone(&gate), Patience::default()).await;
    let asked = request("/metrics", &format!("authorization: bearer {TOKEN}\r\n"));
    assert_eq!(server.raw(&asked).await.0, 200);
    let clients = vec![token("p", "the next token", &[Role::Read])];
    let wanted = HttpAccess { clients, ..HttpAccess::open() };
    gate.exchange(Access::load(&wanted).expect("it loads"));
    assert_eq!(server.raw(&asked).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn one_path_has_another_role_for_each_method() {
    let clients = vec![
        token("reader", TOKEN, &[Role::Read]),
        token("sender", "the token of a sender", &[Role::Intake, Role::Act]),
    ];
    let gate = gate(&Role::ALL, clients, None);
    let told = |Extension(identity): Extension<Identity>| async move { identity.name.to_string() };
    let router = Router::new()
        .merge(behind(&gate, Role::Read, Router::new().route("/alerts", get(told))))
        .merge(behind(&gate, Role::Intake, Router::new().route("/alerts", post(told))))
        .merge(behind(&gate, Role::Act, Router::new()))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let guarded = GuardedListener::new(listener, Arc::clone(&gate), Patience::default());
    let served = axum::serve(guarded, router.into_make_service_with_connect_info::<Peer>());
    let served = tokio::spawn(served.into_future());
    let reader = format!("authorization: Bearer {TOKEN}\r\n");
    let sender = "authorization: Bearer the token of a sender\r\n";
    let own = format!("{sender}origin: http://V\r\n");
    let foreign = format!("{sender}origin: https://evil.example\r\n");
    let nowhere = format!("{sender}origin: null\r\n");
    for (method, headers, status, body) in [
        ("GET", reader.as_str(), 200, "reader"),
        ("POST", &reader, 403, "role"),
        ("POST", sender, 200, "sender"),
        ("POST", &own, 200, "sender"),
        ("POST", &foreign, 403, "another site"),
        ("POST", &nowhere, 403, "another site"),
        ("GET", sender, 403, "role"),
        ("DELETE", sender, 405, "see Allow"),
    ] {
        let asked = request("/alerts", headers).replacen("GET", method, 1);
        let stream = TcpStream::connect(address).await.expect("connects");
        let (found, head, said) = Server::exchange(stream, &asked).await.expect("an answer");
        assert_eq!(found, status, "{method} {headers} {said}");
        assert!(said.contains(body), "{said}");
        let allowed = head.to_ascii_lowercase().contains("allow: get,head,post");
        assert_eq!(allowed, status == 405, "{head}");
    }
    served.abort();
}

/// Connects through TLS; with a client certificate if one is named.
async fn connect(server: &Server, shown: Option<&str>) -> io::Result<TlsStream<TcpStream>> {
    connect_to(server.address, shown).await
}

async fn connect_to(address: SocketAddr, shown: Option<&str>) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_slice(&pem(&format!("{name}.key"))).expect("a key");
            let key = ring::sign::any_supported_type(&key).expect("a key of a known kind");
            let chain = vec![certificate(&format!("{name}.pem"))];
            // Not checked on this side: the server is to say what is wrong with it.
            let shown = CertifiedKey::new(chain, key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn status(server: &Server, shown: Option<&str>, path: &str, headers: &str) -> u16 {
    let stream = connect(server, shown).await.expect("TLS");
    Server::exchange(stream, &request(path, headers)).await.expect("an answer").0
}

#[tokio::test]
async fn through_tls_tokens_and_certificates_tell_who_it_is() {
    let folder = Folder::new();
    let clients = vec![
        token("telegraf", TOKEN, &[Role::Intake]),
        client("p1", Proof::Certificate("metrics.example.org".to_owned()), &[Role::Read]),
    ];
    let gate = gate(&Role::ALL, clients, Some(folder.tls(Some("ca.pem"))));
    let server = Server::start_behind(Arc::clone(&gate), Patience::default()).await;
    assert_eq!(status(&server, None, "/healthz", "").await, 200);
    assert_eq!(status(&server, None, "/metrics", "").await, 401);
    assert_eq!(status(&server, Some("client"), "/metrics", "").await, 200);
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(status(&server, Some("client"), "/metrics", &bearer).await, 403);
    assert_eq!(status(&server, Some("client"), "/metrics", "authorization: x y\r\n").await, 401);
    // One of another authority, though with the same name, does not even get an answer.
    let outcome = async {
        let stream = connect(&server, Some("stranger")).await?;
        Server::exchange(stream, &request("/metrics", "")).await
    };
    assert!(outcome.await.is_err());
    assert_eq!(refused(&gate, HttpRefusal::Tls), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_of_version_1_is_refused_and_the_cause_is_told() {
    let folder = Folder::new();
    let gate = gate(&[Role::Read], Vec::new(), Some(folder.tls(Some("ca.pem"))));
    let server = Server::start_behind(Arc::clone(&gate), Patience::default()).await;
    let outcome = async {
        let stream = connect(&server, Some("version-1")).await?;
        Server::exchange(stream, &request("/metrics", "")).await
    };
    assert!(outcome.await.is_err());
    assert_eq!(refused(&gate, HttpRefusal::Tls), 1);
    let verifier = gate.access().tls.clone().expect("TLS");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let client = tokio::spawn(async move { connect_to(address, Some("version-1")).await });
    let (stream, _) = listener.accept().await.expect("a client");
    let refusal = TlsAcceptor::from(verifier).accept(stream).await.expect_err("refused");
    let cause = channel::cause(&refusal);
    assert!(cause.contains("X.509 version 1"), "{cause}");
    drop(client.await);
    server.stop().await;
}

#[tokio::test]
async fn without_clients_each_certificate_of_the_authority_is_one() {
    let folder = Folder::new();
    let gate = gate(&[Role::Read], Vec::new(), Some(folder.tls(Some("ca.pem"))));
    let server = Server::start_behind(gate, Patience::default()).await;
    assert_eq!(status(&server, Some("client"), "/metrics", "").await, 200);
    assert_eq!(status(&server, None, "/metrics", "").await, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_large_answer_passes_and_a_plain_request_is_refused() {
    let folder = Folder::new();
    let gate = gate(&[Role::Read], Vec::new(), Some(folder.tls(None)));
    assert!(gate.access().is_open, "TLS alone asks nobody");
    let server = Server::start_behind(Arc::clone(&gate), Patience::default()).await;
    let stream = connect(&server, None).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let long = "x".repeat(200_000);
    let asked = request(&format!("/{long}"), "");
    let (status, ..) = Server::exchange(stream, &asked).await.expect("an answer");
    assert!(status == 404 || status == 414 || status == 431, "{status}");
    let mut plain = TcpStream::connect(server.address).await.expect("connects");
    plain.write_all(request("/metrics", "").as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(refused(&gate, HttpRefusal::Tls), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_is_cut_and_holds_up_nobody() {
    let folder = Folder::new();
    let gate = gate(&[Role::Read], Vec::new(), Some(folder.tls(None)));
    let patience = Patience { request: Duration::from_millis(300), ..Patience::default() };
    let server = Server::start_behind(gate, patience).await;
    let mut silent = TcpStream::connect(server.address).await.expect("connects");
    assert_eq!(status(&server, None, "/healthz", "").await, 200, "meanwhile");
    let mut answer = Vec::new();
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut answer).await;
    assert!(ended.is_err() || answer.is_empty(), "cut without a word");
    server.stop().await;
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_remedy() {
    let folder = Folder::new();
    let said = |wanted: HttpAccess| {
        let reasons = Access::load(&wanted).expect_err("it does not load");
        reasons.iter().map(|one| one.diagnostic.to_string()).collect::<Vec<_>>().join("\n")
    };
    let with_token = |secret: Secret| HttpAccess {
        clients: vec![client("p", Proof::Token(secret), &[Role::Read])],
        ..HttpAccess::open()
    };
    let with_tls = |tls: TlsFiles| HttpAccess { tls: Some(tls), ..HttpAccess::open() };
    let good = TOKEN.as_bytes();
    for (wanted, words) in [
        (with_token(folder.secret("open", good, 0o644)), "everybody can read"),
        (with_token(folder.secret("short", b"letmein\n", 0o600)), "openssl rand -hex 32"),
        (with_token(folder.secret("empty", b"\n", 0o600)), "one line of text"),
        (with_token(folder.secret("two", b"first line\nsecond line\n", 0o600)), "one line"),
        (
            with_tls(TlsFiles {
                certificate: (folder.write("not.pem", b"hello", 0o644), origin()),
                ..folder.tls(None)
            }),
            "no certificate in it",
        ),
        (
            with_tls(TlsFiles { certificate: (file("absent.pem"), origin()), ..folder.tls(None) }),
            "create the file",
        ),
        (
            with_tls(TlsFiles {
                key: folder.secret("other.key", &pem("client.key"), 0o640),
                ..folder.tls(None)
            }),
            "do not fit together",
        ),
        (
            with_tls(TlsFiles {
                key: folder.secret("key.pem", &pem("server.pem"), 0o600),
                ..folder.tls(None)
            }),
            "holds no private key",
        ),
    ] {
        let said = said(wanted);
        assert!(said.starts_with("vigie.toml:7:9: ") && said.contains(words), "{said}");
    }
    let source = SecretSource::Credential("token".to_owned());
    let secret = Secret { source, origin: origin() };
    let reasons = Access::load(&with_token(secret)).expect_err("there is no unit");
    assert!(reasons.iter().all(|one| one.is_only_here), "{reasons:?}");
    let fits = with_token(folder.secret("good", format!("{TOKEN}\r\n").as_bytes(), 0o640));
    assert!(Access::load(&fits).is_ok());
}

#[test]
fn a_password_that_fitted_is_known_again_and_a_longer_one_never_fits() {
    let hashed = Hashed::new(HASH);
    assert!(!hashed.has_fitted(&Digest::of(PASSWORD)));
    assert!(!hashed.fits("incorrect horse") && hashed.fits(PASSWORD));
    assert!(hashed.has_fitted(&Digest::of(PASSWORD)));
    assert!(!hashed.has_fitted(&Digest::of("incorrect horse")));
    let long = Hashed::new(&bcrypt::hash("y".repeat(71), 4).expect("a hash"));
    assert!(long.fits(&"y".repeat(71)) && !long.fits(&"y".repeat(80)));
    assert!(!Hashed::new("$2y$08$short").fits(PASSWORD), "no hash fits nothing");
    assert!(!format!("{hashed:?}{:?}", Digest::of(PASSWORD)).contains("2y"));
}

#[test]
fn names_of_a_certificate_are_the_common_name_and_the_dns_names() {
    let names = certificate::names(&certificate("client.pem"));
    assert_eq!(names, ["prometheus-1", "prometheus-1.example.org", "metrics.example.org"]);
    assert_eq!(certificate::names(&certificate("ca.pem")), ["tests of vigie"]);
    let der = certificate("client.pem");
    for end in 0..der.len() {
        assert!(certificate::names(&der[..end]).is_empty(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn damaged_certificates_never_panic(place in 0_usize..600, value in any::<u8>()) {
        let mut der = certificate("client.pem").to_vec();
        let place = place % der.len();
        der[place] = value;
        let names = certificate::names(&der);
        prop_assert!(names.len() <= 8);
    }
}
