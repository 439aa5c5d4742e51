//! Keeps the house as `src/lib.rs` draws it: who may import whom, what pure folders may not touch,
//! how long things may be, and that no name is used which nobody described.
//!
//! Reads the source as text, so a finding is a line to look at. Each check gathers all of its
//! findings before it fails.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines of a file at most, and of one that holds tests.
const FILE_LINES_MAX: usize = 600;
const FILE_LINES_WITH_TESTS_MAX: usize = 700;
/// Columns of a line at most.
const LINE_COLUMNS_MAX: usize = 100;
/// The one folder that may touch the world.
const SHELL: &str = "shell";

/// What pure folders do not touch, and what they do instead.
const IMPURE: [(&str, &str); 9] = [
    (r"\bstd::(fs|env|process|os)\b", "files and the environment belong to shell"),
    (r"\bstd::thread\b", "threads belong to shell"),
    (r"\bstd::net::(Udp|Tcp)", "sockets belong to shell"),
    (r"\bstd::time::(SystemTime|Instant)\b", "time is a parameter called `at`"),
    (r"\b(Mutex|RwLock|Condvar|Atomic[A-Z]\w*)\b", "what is shared between threads is in shell"),
    (r"\b(OnceLock|LazyLock|OnceCell|LazyCell|thread_local)\b|\bstatic mut\b", "no global state"),
    (r"\basync fn\b|\.await\b", "nothing waits outside of shell"),
    (r"\b(tokio|rdkafka|rusqlite|axum|libc|socket2|crossbeam|dashmap)::", "it does I/O"),
    (r"\b(print|eprint)(ln)?!", "what is said goes through effects"),
];

/// Module names that say nothing.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "helpers", "manager", "common"];

/// A source file.
struct Source {
    /// Path from the package's root.
    path: String,
    text: String,
}

impl Source {
    /// `src/engine/step.rs` and `src/engine.rs` give `engine`; `src/main.rs` gives `main`.
    fn folder(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        Some(inner.split_once('/').map_or_else(|| inner.trim_end_matches(".rs"), |parts| parts.0))
    }

    /// Number of modules between the crate's root and the content of this file.
    fn depth(&self) -> usize {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inner.trim_end_matches("/mod").split('/').count()
    }

    /// Whether the whole file is test code.
    fn is_test(&self) -> bool {
        let is_tests = |part: &str| {
            matches!(part, "tests" | "tests.rs" | "fixtures.rs") || part.ends_with("_tests.rs")
        };
        self.path.split('/').any(is_tests)
    }

    fn holds_tests(&self) -> bool {
        self.is_test() || self.text.contains("#[cfg(test)]")
    }

    /// Lines of code with their numbers: comments out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Lines of code before the tests at the bottom.
    fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        let product = match self.text.find("#[cfg(test)]\nmod tests {") {
            Some(end) => self.text.get(..end).unwrap_or_default(),
            None if self.is_test() => "",
            None => &self.text,
        };
        numbered(product).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file below these folders whose name ends so, in path order.
fn files(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("the folder can be read");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            // Test inputs may be anything; what is ours is UTF-8, or the compiler says so.
            let bytes = std::fs::read(&path).expect("the file can be read");
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let name = path.strip_prefix(root()).expect("below the root").to_string_lossy();
            sources.push(Source { path: name.into_owned(), text });
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn rust_files() -> Vec<Source> {
    files(&["src", "tests", "benches"], &[".rs"])
}

fn assert_none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n{}", findings.join("\n"));
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is valid")
}

/// Who may import whom. Read from the table of the crate's documentation whose second heading
/// speaks of imports:
///
/// ```text
/// //! | folder | may import |
/// //! |---|---|
/// //! | `model` | nothing |
/// //! | `engine` | `model`, `correlate` |
/// //! | `shell` | everything |
/// ```
fn import_table(documentation: &str) -> BTreeMap<String, Imports> {
    let name = regex("`([a-z_]+)`");
    documentation
        .lines()
        .map(|line| line.strip_prefix("//!").unwrap_or_default().trim())
        .skip_while(|line| !is_import_heading(line))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let (folder, imports) = cells(line)?;
            let folder = name.captures(folder)?.get(1)?.as_str().to_owned();
            let imports = if imports.contains("everything") {
                Imports::Everything
            } else {
                let names = name.captures_iter(imports).filter_map(|found| found.get(1));
                Imports::Only(names.map(|found| found.as_str().to_owned()).collect())
            };
            Some((folder, imports))
        })
        .collect()
}

fn is_import_heading(line: &str) -> bool {
    cells(line).is_some_and(|(_, second)| second.contains("import"))
}

/// The first two cells of a table's line.
fn cells(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix('|')?.split('|');
    Some((cells.next()?, cells.next()?))
}

#[derive(Debug, PartialEq)]
enum Imports {
    Everything,
    Only(BTreeSet<String>),
}

impl Imports {
    fn permit(&self, folder: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(names) => names.contains(folder),
        }
    }
}

/// Every place at which a file names a folder of the house, itself included.
fn arrows<'a>(source: &'a Source, folders: &BTreeSet<&str>) -> Vec<(usize, &'a str)> {
    let absolute = regex(r"\b(?:crate|vigie)::([a-z_]+)");
    let relative = regex(r"\b((?:super::)+)([a-z_]+)");
    let mut arrows = Vec::new();
    for (number, line) in source.code() {
        for found in absolute.captures_iter(line) {
            arrows.extend(found.get(1).map(|target| (number, target.as_str())));
        }
        for found in relative.captures_iter(line) {
            let climbs = found.get(1).map_or(0, |supers| supers.as_str().matches("super").count());
            if climbs >= source.depth() {
                arrows.extend(found.get(2).map(|target| (number, target.as_str())));
            }
        }
    }
    arrows.retain(|(_, target)| folders.contains(target));
    arrows
}

#[test]
fn imports_follow_the_table() {
    let library = std::fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let table = import_table(&library);
    let sources = files(&["src"], &[".rs"]);
    let folders: BTreeSet<&str> =
        sources.iter().filter_map(Source::folder).filter(|folder| *folder != "lib").collect();
    let drawn: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(drawn, folders, "src/lib.rs has one row per folder in its table of imports");
    let mut findings = Vec::new();
    for source in &sources {
        let Some((folder, imports)) = source.folder().and_then(|name| table.get_key_value(name))
        else {
            continue;
        };
        for (number, target) in arrows(source, &folders) {
            if target != folder && !imports.permit(target) {
                findings.push(format!("{}:{number}: {folder} -> {target}", source.path));
            }
        }
    }
    assert_none(&findings, "a new arrow is a design change: src/lib.rs does not permit");
}

#[test]
fn the_table_and_the_arrows_are_read_right() {
    let table = import_table(
        "//! | stage | from | to |\n//! |---|---|---|\n//! | `decode` | bytes | message |\n//!\n\
         //! | folder | may import |\n//! |---|---|\n//! | `model` | nothing |\n\
         //! | `engine` | `model`, `ticket` |\n//! | `shell` | everything |\n//! Text.\n",
    );
    assert_eq!(table.keys().collect::<Vec<_>>(), ["engine", "model", "shell"]);
    assert!(table["engine"].permit("ticket") && !table["engine"].permit("shell"));
    assert!(table["shell"].permit("engine") && !table["model"].permit("engine"));

    let folders = BTreeSet::from(["engine", "model", "ticket"]);
    let text = "//! See [`crate::ticket`].\nuse crate::engine::Input;\nuse super::super::ticket;\n\
                use super::model;\nlet x = vigie::model::X;\n";
    let source = Source { path: "src/decode/snmp.rs".to_owned(), text: text.to_owned() };
    assert_eq!(arrows(&source, &folders), [(2, "engine"), (3, "ticket"), (5, "model")]);
}

#[test]
fn pure_folders_do_not_touch_the_world() {
    let impure: Vec<(Regex, &str)> =
        IMPURE.iter().map(|(pattern, instead)| (regex(pattern), *instead)).collect();
    let mut findings = Vec::new();
    for source in files(&["src"], &[".rs"]) {
        if matches!(source.folder(), Some(SHELL | "main" | "lib")) {
            continue;
        }
        for (number, line) in source.product_code() {
            for (pattern, instead) in &impure {
                if pattern.is_match(line) {
                    findings.push(format!("{}:{number}: {instead}: {line}", source.path));
                }
            }
        }
    }
    assert_none(&findings, "only src/shell is impure");
}

#[test]
fn files_and_lines_keep_to_their_budget() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let lines = source.text.lines().count();
        let most = if source.holds_tests() { FILE_LINES_WITH_TESTS_MAX } else { FILE_LINES_MAX };
        if lines > most {
            findings.push(format!("{}: {lines} lines, at most {most}", source.path));
        }
        for (number, line) in numbered(&source.text) {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX {
                findings.push(format!("{}:{number}: {columns} columns", source.path));
            }
        }
    }
    assert_none(&findings, "one idea per file, and lines that fit beside another");
}

#[test]
fn every_file_says_what_it_is_for() {
    let findings: Vec<String> = rust_files()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert_none(&findings, "the first line is `//! …`");
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let findings: Vec<String> = rust_files()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| path.split(['/', '.']).any(|part| EMPTY_NAMES.contains(&part)))
        .collect();
    assert_none(&findings, "modules are nouns for things and verbs for stages");
}

#[test]
fn each_use_names_one_parent() {
    let grouped = regex(r"^\s*(pub(\(\w+\))? )?use crate::\{");
    let mut findings = Vec::new();
    for source in rust_files() {
        for (number, _) in source.code().filter(|(_, line)| grouped.is_match(line)) {
            findings.push(format!("{}:{number}", source.path));
        }
    }
    assert_none(&findings, "one `use` per parent module, never `use crate::{…}`");
}

#[test]
fn nothing_is_left_to_be_done() {
    // In pieces, so that this file does not find itself.
    let markers =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|pieces| pieces.concat());
    let calls = ["dbg", "unimplemented", "todo"].map(|name| format!("{name}!("));
    let words = regex(&format!(r"\b({})\b", markers.join("|")));
    let folders = ["src", "benches", "config", "systemd", "tests", "README.md", "Cargo.toml"];
    let endings = [".rs", ".toml", ".md", ".csv", ".service", ".socket", "/run"];
    let present: Vec<&str> =
        folders.into_iter().filter(|name| root().join(name).exists()).collect();
    let mut findings = Vec::new();
    for source in files(&present, &endings) {
        for (number, line) in numbered(&source.text) {
            let is_call = calls.iter().any(|call| line.contains(call.as_str()));
            if words.is_match(line) || is_call {
                findings.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(&findings, "what is not done is an issue, not a remark");
}

#[test]
fn every_metric_is_described() {
    let name = regex(r#""[^"]*?\b(vigie_[a-z0-9_]+)"#);
    let registry = "src/shell/observe/metrics.rs";
    let described = std::fs::read_to_string(root().join(registry)).unwrap_or_default();
    let mut findings = Vec::new();
    for source in rust_files() {
        if source.path == registry || source.path == "tests/architecture.rs" {
            continue;
        }
        let is_product = source.folder().is_some();
        let lines: Vec<_> =
            if is_product { source.product_code().collect() } else { source.code().collect() };
        for (number, line) in lines {
            for metric in name.captures_iter(line).filter_map(|found| found.get(1)) {
                let metric = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| metric.as_str().strip_suffix(suffix))
                    .unwrap_or(metric.as_str());
                if !described.contains(&format!("\"{metric}\"")) {
                    findings.push(format!("{}:{number}: {metric}", source.path));
                }
            }
        }
    }
    assert_none(&findings, &format!("every metric is described in {registry}"));
}
