//! HTTP beyond loopback: who is answered, through TLS, by curl and by Prometheus; secrets and
//! certificates that change while it runs.

use crate::support::components::program;
use crate::support::daemon::Home;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::ports::free_port;
use crate::support::prometheus::Prometheus;
use crate::support::scratch::Scratch;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Of `correct horse`.
const HASH: &str = "$2y$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";

fn given(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// A second HTTP listener, on every address, with files of its own.
struct Https {
    port: u16,
    folder: Scratch,
}

impl Https {
    fn new() -> Self {
        let https = Self { port: free_port(), folder: Scratch::new("https") };
        https.write("token", TOKEN.as_bytes());
        https.copy("server.pem", "server.pem");
        https.copy("server.key", "server.key");
        https
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path(name), content).expect("a file");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), mode).expect("its mode");
    }

    /// Puts a file of `tests/tls` in the place of one that the configuration names.
    fn copy(&self, from: &str, name: &str) {
        self.write(name, &std::fs::read(given(from)).expect("a certificate of the tests"));
    }

    fn home(&self) -> Home {
        let shown = |name: &str| self.path(name).display().to_string();
        let tls = format!(
            "{{ certificate = \"{}\", key = \"{}\", client_ca = \"{}\" }}",
            shown("server.pem"),
            shown("server.key"),
            given("ca.pem").display()
        );
        let clients = format!(
            "[{{ name = \"prometheus\", token = {{ file = \"{}\" }} }}, \
             {{ name = \"alice\", password = {{ bcrypt = \"{HASH}\" }} }}, \
             {{ name = \"scraper\", certificate = \"metrics.example.org\" }}]",
            shown("token")
        );
        Home::new()
            .with("listeners.https.kind=http")
            .with(&format!("listeners.https.addresses=[\"0.0.0.0:{}\"]", self.port))
            .with("listeners.https.roles=[\"read\"]")
            .with(&format!("listeners.https.tls={tls}"))
            .with(&format!("listeners.https.clients={clients}"))
    }

    /// The status that curl gets, or why it gets none.
    fn status(&self, path: &str, arguments: &[&str]) -> Result<u16, String> {
        let authority = given("ca.pem");
        let output = Command::new(program("curl"))
            .args(["--silent", "--show-error", "--output", "/dev/null", "--max-time", "10"])
            .args(["--write-out", "%{http_code}", "--cacert"])
            .arg(authority)
            .args(arguments)
            .arg(format!("https://127.0.0.1:{}{path}", self.port))
            .output()
            .expect("curl runs");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let status = String::from_utf8_lossy(&output.stdout).parse();
        status.map_err(|error| format!("{error}: {output:?}"))
    }

    fn with_token(&self, token: &str) -> Result<u16, String> {
        self.status("/metrics", &["--header", &format!("Authorization: Bearer {token}")])
    }
}

#[test]
fn curl_is_answered_when_it_says_who_it_is() {
    let https = Https::new();
    let home = https.home();
    let daemon = home.start();
    let key = given("client.key").display().to_string();
    let certificate = given("client.pem").display().to_string();
    for (path, arguments, status) in [
        ("/readyz", vec![], 200),
        ("/metrics", vec![], 401),
        ("/metrics", vec!["--user", "alice:correct horse"], 200),
        ("/api/v1/alarms", vec!["--user", "alice:correct horse"], 200),
        ("/metrics", vec!["--user", "alice:wrong"], 401),
        ("/api/v1/alarms", vec!["--cert", &certificate, "--key", &key], 200),
        ("/metrics", vec!["--tls-max", "1.2", "--cert", &certificate, "--key", &key], 200),
    ] {
        assert_eq!(https.status(path, &arguments), Ok(status), "{path} {arguments:?}");
    }
    assert_eq!(https.with_token(TOKEN), Ok(200));
    assert_eq!(https.with_token("wrong"), Ok(401));
    let metrics = daemon.metrics().expect("metrics of the listener on loopback");
    for (reason, count) in [("no_credentials", 1.0), ("bad_credentials", 2.0), ("role", 0.0)] {
        let labels = [("listener", "https"), ("reason", reason)];
        let refused = metrics.sum("vigie_http_refused_total", &labels);
        assert!((refused - count).abs() < 0.5, "{reason}: {refused}");
    }
}

#[test]
fn prometheus_scrapes_through_tls_with_a_token() {
    let https = Https::new();
    let home = https.home();
    let _daemon = home.start();
    let lines = format!(
        "  scheme: https\n  tls_config: {{ ca_file: \"{}\" }}\n  authorization: {{ \
         credentials_file: \"{}\" }}\n",
        given("ca.pem").display(),
        https.path("token").display()
    );
    let prometheus = Prometheus::scraping_with(https.port, &lines);
    eventually("a scrape", PATIENCE, || {
        let up = prometheus.query("up{job=\"vigie\"}")?;
        if up > 0.5 { Ok(()) } else { Err(up.to_string()) }
    });
}

#[test]
fn a_reload_takes_new_secrets_and_certificates_and_refuses_wrong_ones() {
    let https = Https::new();
    let home = https.home();
    let daemon = home.start();
    assert_eq!(https.with_token(TOKEN), Ok(200));
    https.write("token", b"another token of some length\n");
    daemon.reload("reloaded");
    assert_eq!(https.with_token(TOKEN), Ok(401));
    assert_eq!(https.with_token("another token of some length"), Ok(200));
    // A certificate without its key changes nothing.
    https.write("token", TOKEN.as_bytes());
    https.copy("client.pem", "server.pem");
    daemon.reload("reload refused");
    assert_eq!(https.with_token("another token of some length"), Ok(200));
    // With its key it is taken; that curl does not trust it, as it is no server's, shows it.
    https.copy("client.key", "server.key");
    daemon.reload("reloaded");
    let distrust = https.with_token(TOKEN).expect_err("a certificate of a client");
    assert!(distrust.contains("certificate"), "{distrust}");
    https.copy("server.pem", "server.pem");
    https.copy("server.key", "server.key");
    daemon.reload("reloaded");
    assert_eq!(https.with_token(TOKEN), Ok(200));
}

#[test]
fn credentials_are_checked_where_systemd_hands_them_over() {
    let folder = Scratch::new("credentials");
    let tls = format!(
        "tls = {{ certificate = \"{}\", key = {{ credential = \"tls-key\" }} }}\n",
        given("server.pem").display()
    );
    let client = "clients = [{ name = \"p\", token = { credential = \"token\" } }]\n";
    let listener = "[listeners.http]\nkind = \"http\"\naddresses = [\"127.0.0.1:0\"]\n";
    let config = folder.write("vigie.toml", &format!("{listener}{tls}{client}"));
    let check = |credentials: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
        command.arg("check").arg("--config").arg(&config).env_remove("CREDENTIALS_DIRECTORY");
        if let Some(folder) = credentials {
            command.env("CREDENTIALS_DIRECTORY", folder);
        }
        let output = command.output().expect("vigie runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (fits, said) = check(None);
    assert!(fits && said.matches("CREDENTIALS_DIRECTORY is not set").count() == 2, "{said}");
    folder.write("token", TOKEN);
    let (fits, said) = check(Some(folder.path()));
    assert!(!fits && said.contains("vigie.toml:4:"), "there is no key yet: {said}");
    let key = std::fs::read_to_string(given("server.key")).expect("a key of the tests");
    folder.write("tls-key", &key);
    let (fits, said) = check(Some(folder.path()));
    assert!(fits && !said.contains("the credential"), "{said}");
}
