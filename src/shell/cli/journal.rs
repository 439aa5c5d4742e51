//! The journal that a command reads; a typing error is no empty journal.

use crate::shell::recover;
use anyhow::bail;
use std::path::{Path, PathBuf};

/// The journal's folder in a state folder.
///
/// # Errors
/// When there is none, with the remedy that the command has, or when it may not be looked at.
pub(super) fn existing(state_dir: &Path, remedy: &str) -> anyhow::Result<PathBuf> {
    let journal = recover::journal_dir(state_dir);
    if let Err(error) = std::fs::metadata(&journal)
        && error.kind() == std::io::ErrorKind::PermissionDenied
    {
        bail!("{}: {error}; run it as the daemon's user, or as root", journal.display());
    }
    if !journal.is_dir() {
        bail!("{} holds no journal; {remedy}", state_dir.display());
    }
    Ok(journal)
}
