//! Reads a whole journal and says whether it is what was written.

use crate::shell::journal::chain::Root;
use crate::shell::journal::disk::{Disk, DiskFile, read_range};
use crate::shell::journal::error::{JournalError, lost_words};
use crate::shell::journal::folder::{Folder, failed};
use crate::shell::journal::retire::RETIRED;
use crate::shell::journal::segment::{
    DATA_START, FOOTER_BYTES, Footer, Header, HeaderFault, file_name, read_header,
};
use crate::shell::journal::survey::{Hashing, Survey, survey};
use crate::shell::journal::walk::Walk;
use std::path::PathBuf;
use std::sync::Arc;

/// What a journal holds and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Segments of which only header and root are left.
    pub retired: u64,
    /// Segments with their records.
    pub segments: u64,
    /// Records that can be read.
    pub records: u64,
    /// First position that can be read; 0 when there is none.
    pub first: u64,
    /// Last position of a whole commit; 0 when there is none.
    pub last: u64,
    /// Root over everything, the newest segment included as far as it goes.
    pub root: Root,
    /// Bytes after the last whole commit: a write under way, or one that a crash cut short.
    pub torn_bytes: u64,
    /// What is wrong, oldest first.
    pub problems: Vec<Problem>,
}

/// Something that is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file, relative to the journal's folder.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// What.
    pub what: String,
}

/// Reads every segment of a folder, recomputes the chain and compares. Takes no lock, writes
/// nothing; on a running journal the newest segment is read as far as it goes.
///
/// # Errors
/// The folder or a file cannot be read. What is in them is never an error.
pub fn verify(dir: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Result<Report, JournalError> {
    let folder = Folder { dir: dir.into(), disk };
    let mut check = Check { report: Report::default(), before: None };
    let retired = folder.inside(RETIRED);
    let firsts = folder.segments()?;
    for first in retired.segments()?.into_iter().filter(|first| !firsts.contains(first)) {
        let file = retired.open(&file_name(first))?;
        check.retired(first, &*file).map_err(|source| failed("read", &retired.dir, source))?;
    }
    for (index, first) in firsts.iter().enumerate() {
        let name = file_name(*first);
        let file = folder.open(&name)?;
        let successor = firsts.get(index.saturating_add(1)).copied();
        check
            .segment(*first, &file, successor)
            .map_err(|source| failed("read", &folder.path(&name), source))?;
    }
    if let Some(before) = check.before {
        check.report.root = before.root;
    }
    Ok(check.report)
}

struct Check {
    report: Report,
    before: Option<Before>,
}

/// The segment before.
#[derive(Clone, Copy)]
struct Before {
    header: Header,
    last: u64,
    root: Root,
    /// Whether a header that names another root is a problem of that header.
    is_sure: bool,
}

impl Check {
    fn problem(&mut self, file: &str, offset: u64, what: impl Into<String>) {
        self.report.problems.push(Problem { file: file.to_owned(), offset, what: what.into() });
    }

    fn header(
        &mut self,
        name: &str,
        first: u64,
        file: &dyn DiskFile,
    ) -> std::io::Result<Option<Header>> {
        let found = read_header(file)?;
        if let Some(offset) = found.damaged_copy {
            self.problem(name, offset, "one of the two headers is damaged");
        }
        let header = match found.header {
            Ok(header) => header,
            Err(HeaderFault::Damaged) => {
                self.problem(name, 0, "both headers are damaged: nothing in it can be read");
                return Ok(None);
            }
            Err(HeaderFault::Version(version)) => {
                self.problem(name, 8, format!("format version {version} is not known here"));
                return Ok(None);
            }
        };
        if header.first != first {
            let what = format!("the header says that it begins at {}", header.first);
            self.problem(name, 48, what);
        }
        if let Some(before) = self.before {
            if before.header.journal != header.journal {
                self.problem(name, 32, "belongs to another journal than the segment before");
            }
            if header.first != before.last.saturating_add(1) {
                let to = header.first.saturating_sub(1);
                self.problem(name, 48, lost_words(before.last.saturating_add(1), to));
            }
            if before.is_sure && header.previous_root != before.root {
                self.problem(name, 72, "does not name the root of the segment before");
            }
        } else if first == 1 && header.previous_root != Root::default() {
            self.problem(name, 72, "names a root although it is the first");
        }
        Ok(Some(header))
    }

    fn retired(&mut self, first: u64, file: &dyn DiskFile) -> std::io::Result<()> {
        let name = format!("{RETIRED}/{}", file_name(first));
        self.report.retired = self.report.retired.saturating_add(1);
        let Some(header) = self.header(&name, first, file)? else {
            self.before = None;
            return Ok(());
        };
        let end = DATA_START.saturating_add(u64::try_from(FOOTER_BYTES).unwrap_or(u64::MAX));
        let footer = Footer::decode(&read_range(file, DATA_START, end)?);
        let Some(footer) = footer.filter(|footer| footer.segment == header.segment) else {
            self.problem(&name, DATA_START, "the footer is damaged");
            self.before = None;
            return Ok(());
        };
        self.before = Some(Before { header, last: footer.last, root: footer.root, is_sure: true });
        Ok(())
    }

    fn segment(
        &mut self,
        first: u64,
        file: &Arc<dyn DiskFile>,
        successor: Option<u64>,
    ) -> std::io::Result<()> {
        let name = file_name(first);
        self.report.segments = self.report.segments.saturating_add(1);
        let Some(header) = self.header(&name, first, &**file)? else {
            self.before = None;
            return Ok(());
        };
        let seen = survey(Walk::new(Arc::clone(file), &header, successor), Hashing::Yes)?;
        for hole in &seen.holes {
            let lost = lost_words(hole.lost_from, hole.lost_to);
            self.problem(&name, hole.offset, format!("{} bytes are damaged: {lost}", hole.bytes));
        }
        let computed = seen.root.unwrap_or_default();
        self.footer(&name, file, &seen, successor.is_none())?;
        self.report.records = self.report.records.saturating_add(seen.records);
        if seen.records > 0 {
            self.report.last = seen.last;
            if self.report.first == 0 {
                self.report.first = first;
            }
        }
        self.before = Some(Before {
            header,
            last: seen.last,
            root: seen.footer.map_or(computed, |footer| footer.root),
            is_sure: seen.footer.is_some() || seen.holes.is_empty(),
        });
        Ok(())
    }

    fn footer(
        &mut self,
        name: &str,
        file: &Arc<dyn DiskFile>,
        seen: &Survey,
        is_newest: bool,
    ) -> std::io::Result<()> {
        let Some(footer) = seen.footer else {
            if !is_newest && seen.has_lost_its_footer() {
                self.problem(name, seen.end, "the footer is damaged");
            } else {
                self.report.torn_bytes = self.report.torn_bytes.saturating_add(seen.torn_bytes);
            }
            return Ok(());
        };
        let records = (footer.records, footer.commits);
        if seen.holes.is_empty() && records != (seen.records, seen.commits) {
            let what = format!(
                "the footer counts {} records in {} commits, there are {} in {}",
                footer.records, footer.commits, seen.records, seen.commits
            );
            self.problem(name, footer.offset, what);
        }
        if Some(footer.root) != seen.root {
            self.problem(name, footer.offset, "the root is not that of header and records");
        }
        let end = footer.offset.saturating_add(u64::try_from(FOOTER_BYTES).unwrap_or(u64::MAX));
        if file.length()? > end {
            self.problem(name, end, "bytes after the footer");
        }
        Ok(())
    }
}
