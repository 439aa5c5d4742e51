//! Files that a person wrote: found by path or pattern, read with a bound, refused with a reason.

use crate::shell::config::findings::Findings;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration file, bytes at most.
pub(super) const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// A rule file, bytes at most.
pub(super) const RULES_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// An inventory file, bytes at most: some millions of devices.
pub(super) const INVENTORY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A text and the name that messages give it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// File as the reader would name it.
    pub file: String,
    /// Its content, without byte order mark.
    pub text: Arc<str>,
}

/// Reads every file that the patterns name: each once, in name order within a pattern.
pub(super) fn read_all(patterns: &[PathBuf], bytes_max: u64, findings: &mut Findings) -> Vec<Text> {
    let mut seen = BTreeSet::new();
    let mut texts = Vec::new();
    for pattern in patterns {
        for path in matches(pattern, findings) {
            if seen.insert(path.clone())
                && let Some(text) = read(&path, bytes_max, findings)
            {
                texts.push(Text { file: path.display().to_string(), text });
            }
        }
    }
    texts
}

/// Reads one file, or reports why it cannot be read.
pub(super) fn read(path: &Path, bytes_max: u64, findings: &mut Findings) -> Option<Arc<str>> {
    let name = path.display().to_string();
    let report = |findings: &mut Findings, message: String, remedy: &str| {
        let whole = findings.add_source(&name, Arc::from(""));
        findings.error(whole, message, remedy);
    };
    let bytes = match read_bytes(path, bytes_max) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let message = format!("not a file of at most {} MiB", bytes_max / (1024 * 1024));
            report(findings, message, "name a regular file, and split a larger one");
            return None;
        }
        Err(error) => {
            let remedy = match error.kind() {
                std::io::ErrorKind::NotFound => "create the file, or correct the path",
                std::io::ErrorKind::PermissionDenied => {
                    "let the user that vigie runs as read it (chown, chmod)"
                }
                _ => "check the path and the disk",
            };
            report(findings, format!("cannot be read: {error}"), remedy);
            return None;
        }
    };
    decode(&name, &bytes, findings)
}

fn read_bytes(path: &Path, bytes_max: u64) -> std::io::Result<Option<Vec<u8>>> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let limit = bytes_max.saturating_add(1);
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max);
    Ok(fits.then_some(bytes))
}

/// UTF-8, with or without byte order mark. Spreadsheets also write UTF-16 and Windows-1252, which
/// are refused rather than guessed: a name with a wrong accent would match nothing.
pub(super) fn decode(name: &str, bytes: &[u8], findings: &mut Findings) -> Option<Arc<str>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(Arc::from(text)),
        Err(error) => {
            let shown: Arc<str> = Arc::from(String::from_utf8_lossy(bytes));
            let whole = findings.add_source(name, shown);
            // The lossy text is the same up to the first bad byte.
            findings.error(
                whole.at(error.valid_up_to()),
                "not UTF-8",
                "save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")",
            );
            None
        }
    }
}

/// The files of a pattern in name order. A path without `*` and `?` stands for itself.
fn matches(pattern: &Path, findings: &mut Findings) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or("");
    if !name.contains(['*', '?']) {
        return vec![pattern.to_owned()];
    }
    let folder = match pattern.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut found = Vec::new();
    let listing = std::fs::read_dir(folder).and_then(|entries| {
        for entry in entries {
            let entry = entry?;
            let file = entry.file_name();
            if file.to_str().is_some_and(|file| !file.starts_with('.') && is_match(name, file)) {
                found.push(entry.path());
            }
        }
        Ok(())
    });
    let whole = findings.add_source(&pattern.display().to_string(), Arc::from(""));
    if let Err(error) = listing {
        let message = format!("its folder cannot be read: {error}");
        findings.error(whole, message, "create the folder, or correct the pattern");
    } else if found.is_empty() {
        findings.warning(whole, "no file matches", "add one, or remove the pattern");
    }
    found.sort();
    found
}

/// Whether a name fits a pattern in which `*` is any text and `?` any one character.
fn is_match(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut place) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at, place));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || name.get(place) == Some(wanted) => {
                at += 1;
                place += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    at = star + 1;
                    place = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|each| *each == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.tom", false),
            ("a?c*", "abcd", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("**", "", true),
        ] {
            assert_eq!(is_match(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn folders_devices_and_large_files_are_refused() {
        let mut findings = Findings::default();
        assert!(read(Path::new("/dev/zero"), 10, &mut findings).is_none());
        assert!(read(Path::new("/"), 10, &mut findings).is_none());
        assert!(read(Path::new(env!("CARGO_MANIFEST_DIR")), 10, &mut findings).is_none());
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(read(Path::new(manifest), 10, &mut findings).is_none());
        let (_, errors) = findings.into_diagnostics();
        assert_eq!(errors.len(), 4);
    }

    #[test]
    fn the_place_of_a_bad_byte_is_told() {
        let mut findings = Findings::default();
        assert!(decode("a.csv", b"\xef\xbb\xbfname\nL\xe9on\n", &mut findings).is_none());
        let (_, errors) = findings.into_diagnostics();
        assert!(errors.first().is_some_and(|e| e.to_string().starts_with("a.csv:2:2: not UTF-8")));
    }
}
