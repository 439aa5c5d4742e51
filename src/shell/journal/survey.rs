//! Reads one segment to its end and says what is in it.

use crate::model::time::At;
use crate::shell::journal::chain::{Root, Tree};
use crate::shell::journal::disk::{DiskFile, read_range_into};
use crate::shell::journal::segment::{FOOTER_BYTES, Footer, Header};
use crate::shell::journal::walk::{Hole, Step, Walk};
use std::io;

/// What is in a segment, up to the end of its last whole commit.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    /// Last position; first − 1 when there is none.
    pub(super) last: u64,
    /// Instant of the last record that could be read.
    pub(super) last_at: Option<At>,
    pub(super) records: u64,
    pub(super) commits: u64,
    /// Where the last whole commit ends.
    pub(super) end: u64,
    /// Root over what is there, if it was asked for.
    pub(super) root: Option<Root>,
    pub(super) footer: Option<Footer>,
    pub(super) holes: Vec<Hole>,
    /// Bytes after the end that are neither footer nor zeros claimed ahead.
    pub(super) torn_bytes: u64,
}

impl Survey {
    /// Whether its last bytes look like a footer that is damaged.
    pub(super) fn has_lost_its_footer(&self) -> bool {
        let footer = u64::try_from(FOOTER_BYTES).unwrap_or(u64::MAX);
        self.footer.is_none() && (footer.saturating_sub(4)..=footer).contains(&self.torn_bytes)
    }
}

/// Whether the root is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hashing {
    Yes,
    No,
}

/// Reads from where the walk is to the end of the segment.
pub(super) fn survey(mut walk: Walk, hashing: Hashing) -> io::Result<Survey> {
    let header = *walk.header();
    let mut hasher = CommitHasher::new(&header, walk.offset());
    let mut seen = Survey {
        last: walk.expected().saturating_sub(1),
        last_at: None,
        records: 0,
        commits: 0,
        end: walk.offset(),
        root: None,
        footer: None,
        holes: Vec::new(),
        torn_bytes: 0,
    };
    let mut pending = (0_u64, None);
    loop {
        match walk.step()? {
            Step::Record(head, _) => {
                pending = (pending.0.saturating_add(1), Some(head.at));
                if head.is_commit_end {
                    seen.last = head.position;
                    seen.last_at = pending.1.or(seen.last_at);
                    seen.records = seen.records.saturating_add(pending.0);
                    seen.commits = seen.commits.saturating_add(1);
                    seen.end = walk.offset();
                    pending = (0, None);
                    if hashing == Hashing::Yes {
                        hasher.add_until(&**walk.file(), &[seen.end])?;
                    }
                }
            }
            Step::Hole(hole) => {
                // What was durable before the hole stays, although its commit has lost its end.
                seen.records = seen.records.saturating_add(pending.0);
                seen.last_at = pending.1.or(seen.last_at);
                pending = (0, None);
                seen.last = walk.expected().saturating_sub(1);
                seen.end = walk.offset();
                seen.holes.push(hole);
            }
            Step::Footer(footer) => {
                seen.records = seen.records.saturating_add(pending.0);
                seen.last = footer.last;
                seen.end = footer.offset;
                seen.footer = Some(footer);
                break;
            }
            Step::End => break,
        }
    }
    if seen.footer.is_none() {
        seen.torn_bytes = bytes_before_zeros(&**walk.file(), seen.end)?;
    }
    seen.root = (hashing == Hashing::Yes).then(|| hasher.root());
    Ok(seen)
}

/// Bytes from an offset to the last one in the file that is not zero.
fn bytes_before_zeros(file: &dyn DiskFile, from: u64) -> io::Result<u64> {
    let mut rest = Vec::new();
    read_range_into(file, from..u64::MAX, &mut rest)?;
    let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    Ok(u64::try_from(used).unwrap_or(u64::MAX))
}

/// Reads commits back from the file and adds them to the tree.
#[derive(Debug)]
pub(super) struct CommitHasher {
    header: Header,
    tree: Tree,
    end: u64,
    bytes: Vec<u8>,
}

impl CommitHasher {
    /// Nothing hashed yet; the first commit begins at an offset.
    pub(super) fn new(header: &Header, start: u64) -> Self {
        Self { header: *header, tree: Tree::default(), end: start, bytes: Vec::new() }
    }

    /// Adds the commits that end at these offsets, ascending.
    pub(super) fn add_until(&mut self, file: &dyn DiskFile, ends: &[u64]) -> io::Result<()> {
        let Some(last) = ends.last() else { return Ok(()) };
        let start = self.end;
        read_range_into(file, start..*last, &mut self.bytes)?;
        for end in ends {
            let range = index_of(self.end, start)..index_of(*end, start);
            let commit = self.bytes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
            self.tree.add(commit);
            self.end = *end;
        }
        Ok(())
    }

    /// Number of commits.
    pub(super) const fn commits(&self) -> u64 {
        self.tree.leaves()
    }

    /// Root, were the segment to end now.
    pub(super) fn root(&self) -> Root {
        self.tree.root(&self.header.encode())
    }
}

fn index_of(offset: u64, start: u64) -> usize {
    usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX)
}
