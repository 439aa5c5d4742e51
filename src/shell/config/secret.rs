//! Secrets: where they are, never what they are.
//!
//! A configuration file is read by many, kept in version control and quoted in tickets. So it says
//! only where a secret is: a credential that systemd hands over (`LoadCredential=`), or a file that
//! not everybody can read. What is read is for whoever asked, and is not kept here.

use crate::model::diagnostic::Diagnostic;
use crate::shell::config::document::Value;
use crate::shell::config::fields::Fields;
use crate::shell::config::file::Base;
use crate::shell::config::findings::{Findings, Located, quoted};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A secret or a certificate, bytes at most; bundles of authorities are the largest.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The variable in which systemd names the folder of credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a value was written, for messages that come after loading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// File as the reader would name it.
    pub file: String,
    /// 1-based line; 0 when the whole file is meant.
    pub line: u32,
    /// 1-based column in characters.
    pub column: u32,
}

impl Origin {
    /// A mistake that shows there.
    #[must_use]
    pub fn diagnostic(&self, message: impl Into<String>, remedy: impl Into<String>) -> Diagnostic {
        let Self { file, line, column } = self.clone();
        Diagnostic { file, line, column, message: message.into(), remedy: remedy.into() }
    }
}

/// Where a secret is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Secret {
    /// Its place.
    pub source: SecretSource,
    /// Where the configuration says so.
    pub origin: Origin,
}

/// The place of a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretSource {
    /// A credential of systemd, by name: a file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file that not everybody can read.
    File(PathBuf),
}

/// Why something that the configuration names cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unready {
    /// What, where and the remedy.
    pub diagnostic: Diagnostic,
    /// Whether it may be right where the daemon runs: credentials exist only in its unit.
    pub is_only_here: bool,
}

impl From<Diagnostic> for Unready {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, is_only_here: false }
    }
}

impl Secret {
    /// The content of the file or credential.
    ///
    /// # Errors
    /// It cannot be read, is too large, or is a file that everybody can read.
    pub fn read_bytes(&self) -> Result<Vec<u8>, Unready> {
        match &self.source {
            SecretSource::File(path) => Ok(read_file(path, &self.origin, Readers::Few)?),
            SecretSource::Credential(name) => {
                let Some(folder) = std::env::var_os(CREDENTIALS_DIRECTORY) else {
                    let message = format!(
                        "the credential {} cannot be read: ${CREDENTIALS_DIRECTORY} is not set",
                        quoted(name)
                    );
                    let remedy = "systemd sets it in the unit of vigie, with \
                                  LoadCredential=NAME:FILE; by hand, name the folder in it";
                    let diagnostic = self.origin.diagnostic(message, remedy);
                    return Err(Unready { diagnostic, is_only_here: true });
                };
                // The folder is systemd's: it sees to it that nobody else reads there.
                let path = Path::new(&folder).join(name);
                Ok(read_file(&path, &self.origin, Readers::Any)?)
            }
        }
    }

    /// The one line that the file or credential holds.
    ///
    /// # Errors
    /// As [`Secret::read_bytes`], and when it is not one line of text.
    pub fn read_line(&self) -> Result<String, Unready> {
        let bytes = self.read_bytes()?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.contains(char::is_control) {
            let message = format!("{} does not hold one line of text", self.name());
            let remedy = "write the secret and nothing else into it";
            return Err(self.origin.diagnostic(message, remedy).into());
        }
        Ok(text.to_owned())
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.source {
            SecretSource::Credential(name) => format!("the credential {}", quoted(name)),
            SecretSource::File(path) => quoted(&path.display().to_string()),
        }
    }
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readers {
    /// Anybody.
    Any,
    /// Not everybody: it is a secret.
    Few,
}

/// Reads a file that the configuration names.
///
/// # Errors
/// It cannot be read, is too large, or is secret and everybody can read it.
pub fn read_file(path: &Path, origin: &Origin, readers: Readers) -> Result<Vec<u8>, Diagnostic> {
    let name = quoted(&path.display().to_string());
    let read = || -> io::Result<(std::fs::Metadata, Vec<u8>)> {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        if metadata.is_file() {
            file.take(FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes)?;
        }
        Ok((metadata, bytes))
    };
    let (metadata, bytes) = read().map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "create the file, or correct the path",
            io::ErrorKind::PermissionDenied => {
                "let the user that vigie runs as read it: its group by chgrp and chmod g+r, or a \
                 credential of systemd"
            }
            _ => "check the path and the disk",
        };
        origin.diagnostic(format!("{name} cannot be read: {error}"), remedy)
    })?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX);
    if !metadata.is_file() || !fits {
        let message = format!("{name} is not a file of at most 1 MiB");
        return Err(origin.diagnostic(message, "name a regular file"));
    }
    if readers == Readers::Few && metadata.mode() & EVERYBODY != 0 {
        let message = format!("{name} is a secret that everybody can read");
        let remedy = format!(
            "run chmod o= {}, and replace the secret if others may have read it",
            path.display()
        );
        return Err(origin.diagnostic(message, remedy));
    }
    Ok(bytes)
}

/// The rights of those who neither own a file nor are in its group.
const EVERYBODY: u32 = 0o007;

/// Reads `{ credential = "…" }` or `{ file = "…" }`; whatever else the table may hold was read
/// before.
pub(super) fn read(fields: &mut Fields<'_>, base: &Base<'_>) -> Option<Secret> {
    let place = fields.place();
    let credential = fields.text("credential");
    let file = fields.text("file");
    let (source, place) = match (credential, file) {
        (Some(name), None) => (credential_source(&name, fields.findings)?, name.place),
        (None, Some(path)) => {
            (SecretSource::File(base.resolve(&path, fields.findings)?), path.place)
        }
        (Some(_), Some(file)) => {
            let remedy = "name either the credential or the file";
            fields.findings.error(file.place, "the secret is in two places", remedy);
            return None;
        }
        (None, None) => {
            let remedy = "write { credential = \"NAME\" } for LoadCredential=NAME:FILE of \
                          systemd, or { file = \"FILE\" }";
            fields.findings.error(place, "nothing says where the secret is", remedy);
            return None;
        }
    };
    Some(Secret { source, origin: fields.findings.origin(place) })
}

/// Reads `key = "FILE"` or `key = { credential = "…" }`: the private key of a certificate.
pub(super) fn private_key(fields: &mut Fields<'_>, base: &Base<'_>) -> Option<Secret> {
    if let Some(text) = fields.text_if_any("key") {
        let path = base.resolve(&text, fields.findings)?;
        let origin = fields.findings.origin(text.place);
        return Some(Secret { source: SecretSource::File(path), origin });
    }
    let mut inner = braces(fields, "key", "credential = \"NAME\", or as \"FILE\"")?;
    let secret = read(&mut inner, base);
    inner.finish();
    secret
}

/// Reads `key = "FILE"`: a file that is no secret.
pub(super) fn named_file(
    key: &'static str,
    fields: &mut Fields<'_>,
    base: &Base<'_>,
) -> Option<(PathBuf, Origin)> {
    let text = fields.text(key)?;
    let path = base.resolve(&text, fields.findings)?;
    Some((path, fields.findings.origin(text.place)))
}

fn credential_source(name: &Located<String>, findings: &mut Findings) -> Option<SecretSource> {
    let fits = (1..=255).contains(&name.value.len())
        && !name.value.starts_with('.')
        && name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !fits {
        let message = format!("{} is no name of a credential", quoted(&name.value));
        let remedy = "use the name of LoadCredential=NAME:FILE: letters, digits, `-`, `_` and `.`";
        findings.error(name.place, message, remedy);
        return None;
    }
    Some(SecretSource::Credential(name.value.clone()))
}

/// Takes `key = { … }`, in which something secret is described. `words` are the keys that may
/// stand between the braces, for the remedy.
pub(super) fn braces<'f>(
    fields: &'f mut Fields<'_>,
    key: &'static str,
    words: &str,
) -> Option<Fields<'f>> {
    let entry = fields.take(key)?;
    let remedy = format!("write {key} = {{ … }} with {words}");
    match entry.node.value {
        Value::Table(table) => {
            Some(Fields::new(&quoted(key), entry.key_place, table, fields.findings))
        }
        Value::Text(_) => {
            let message =
                format!("{} is written here in plain text, where many can read it", quoted(key));
            fields.findings.error(entry.node.place, message, remedy);
            None
        }
        other => {
            let message = format!("{} is {}, not a table", quoted(key), other.kind());
            fields.findings.error(entry.node.place, message, remedy);
            None
        }
    }
}
