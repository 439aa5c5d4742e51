//! What publishing to Kafka and reading from it share: from the configured link to properties of
//! librdkafka, and its words without secrets.

use crate::shell::config::{Config, KafkaLink, KafkaSasl, KafkaTls, Readers, Unready, read_file};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

/// Whether librdkafka was built with OpenSSL, which TLS and SCRAM need.
pub const HAS_TLS: bool = cfg!(feature = "kafka-tls");

/// Properties of librdkafka, secrets among them: not to be shown.
pub type Properties = Vec<(String, String)>;

/// Asks librdkafka whether it takes a property that is no secret.
///
/// # Errors
/// Why not, in its words.
pub fn check_property(name: &str, value: &str) -> Result<(), String> {
    let mut config = ClientConfig::new();
    config.set(name, value);
    config.create_native_config().map(drop).map_err(|error| words(&error))
}

/// The properties by which each is reached.
#[derive(Default)]
pub struct Links {
    /// Where decisions go; none without a section `[kafka]`.
    pub sink: Option<Properties>,
    /// What samples are fetched from, in the order of the configuration.
    pub sources: Vec<Properties>,
}

impl Links {
    /// Reads the files and credentials that the configuration names.
    ///
    /// # Errors
    /// Each that cannot be used.
    pub fn load(config: &Config) -> Result<Self, Vec<Unready>> {
        let (mut links, mut unready) = (Self::default(), Vec::new());
        let mut add = |link, to: &mut dyn FnMut(Properties)| match properties(link) {
            Ok(properties) => to(properties),
            Err(more) => unready.extend(more),
        };
        if let Some(sink) = &config.kafka {
            add(&sink.link, &mut |properties| links.sink = Some(properties));
        }
        for source in &config.sources {
            add(&source.link, &mut |properties| links.sources.push(properties));
        }
        if unready.is_empty() { Ok(links) } else { Err(unready) }
    }
}

/// What an error says, without the value that it is about: that may be a secret.
#[must_use]
pub fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, _, _) => reason.clone(),
        other => other.to_string(),
    }
}

/// The properties by which the brokers are reached, read from files and credentials.
///
/// # Errors
/// Each file and credential that cannot be used.
pub fn properties(link: &KafkaLink) -> Result<Properties, Vec<Unready>> {
    let mut properties = vec![("bootstrap.servers", link.brokers.join(","))];
    let mut unready = Vec::new();
    let protocol = match (&link.tls, &link.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    properties.push(("security.protocol", protocol.to_owned()));
    if let Some(tls) = &link.tls {
        add_tls(tls, &mut properties, &mut unready);
    }
    if let Some(sasl) = &link.sasl {
        add_sasl(sasl, &mut properties, &mut unready);
    }
    if !unready.is_empty() {
        return Err(unready);
    }
    Ok(properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

type Read = Vec<(&'static str, String)>;

fn add_tls(tls: &KafkaTls, properties: &mut Read, unready: &mut Vec<Unready>) {
    let identity = tls.identity.as_ref();
    let files = [
        ("ssl.ca.location", tls.authority.as_ref()),
        ("ssl.certificate.location", identity.map(|(certificate, _)| certificate)),
    ];
    for (name, file) in files {
        let Some((path, origin)) = file else { continue };
        // librdkafka reads it itself; here it is only seen to.
        match read_file(path, origin, Readers::Any) {
            Ok(_) => properties.push((name, path.display().to_string())),
            Err(diagnostic) => unready.push(diagnostic.into()),
        }
    }
    let Some((_, key)) = identity else { return };
    match key.read_bytes().map(String::from_utf8) {
        Ok(Ok(pem)) if pem.contains("PRIVATE KEY") && !pem.contains('\0') => {
            properties.push(("ssl.key.pem", pem));
        }
        Ok(_) => {
            let message = format!("{} holds no private key", key.name());
            let remedy = "write it as PEM, without a passphrase: BEGIN PRIVATE KEY";
            unready.push(key.origin.diagnostic(message, remedy).into());
        }
        Err(why) => unready.push(why),
    }
}

fn add_sasl(sasl: &KafkaSasl, properties: &mut Read, unready: &mut Vec<Unready>) {
    match sasl.password.read_line() {
        Ok(password) => {
            properties.push(("sasl.mechanism", sasl.mechanism.as_str().to_owned()));
            properties.push(("sasl.username", sasl.username.clone()));
            properties.push(("sasl.password", password));
        }
        Err(why) => unready.push(why),
    }
}

/// Whether a line of librdkafka's log is worth the operator's attention.
#[must_use]
pub fn is_warning(level: RDKafkaLogLevel) -> bool {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => true,
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::config::{Origin, SaslMechanism, Secret, SecretSource};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn secret(path: &Path) -> Secret {
        let origin = Origin { file: "vigie.toml".to_owned(), line: 3, column: 5 };
        Secret { source: SecretSource::File(path.to_owned()), origin }
    }

    fn link(path: &Path) -> KafkaLink {
        let password = secret(path);
        let (mechanism, username) = (SaslMechanism::Plain, "vigie".to_owned());
        KafkaLink {
            brokers: vec!["a:1".to_owned(), "b:2".to_owned()],
            tls: None,
            sasl: Some(KafkaSasl { mechanism, username, password }),
            properties: Vec::new(),
        }
    }

    #[test]
    fn a_password_is_read_from_its_file_and_a_file_that_everybody_reads_is_refused() {
        let path = std::env::temp_dir().join(format!("vigie-kafka-link-{}", std::process::id()));
        std::fs::write(&path, "horse battery\n").expect("written");
        let allow = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("a mode");
        };
        allow(0o600);
        let mut read = properties(&link(&path)).expect("it can be read");
        read.sort();
        let mut config = ClientConfig::new();
        config.extend(read.clone());
        assert!(!format!("{config:?}").contains("horse"), "never shown");
        let read: Vec<_> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected = [
            ("bootstrap.servers", "a:1,b:2"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.password", "horse battery"),
            ("sasl.username", "vigie"),
            ("security.protocol", "sasl_plaintext"),
        ];
        assert_eq!(read, expected);
        allow(0o604);
        let refused = properties(&link(&path)).expect_err("everybody reads it");
        let said = refused.first().map(|why| why.diagnostic.to_string()).unwrap_or_default();
        assert!(said.starts_with("vigie.toml:3:5: ") && said.contains("everybody"), "{said}");
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn an_error_about_a_property_does_not_show_its_value() {
        let mut config = ClientConfig::new();
        config.set("ssl.key.pem.of.nobody", "horse");
        let error = config.create_native_config().map(drop).expect_err("no such property");
        assert!(!words(&error).contains("horse"), "{error}");
        assert!(check_property("linger.ms", "5").is_ok());
        let unknown = check_property("linger.mss", "5").expect_err("unknown");
        assert!(unknown.contains("linger.mss"), "{unknown}");
    }
}
