//! Every file under `config/` loads, and every file under `tests/config/rejected/` is refused with
//! the words in the `.expected` file beside it (`UPDATE_EXPECT=1` rewrites those).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vigie::classify::{RuleSource, compile, library};
use vigie::model::diagnostic::Diagnostic;
use vigie::shell::config::inventory::read_bytes;
use vigie::shell::config::{Checked, Config};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|it| it != "expected"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{} is empty", folder.display());
    found
}

fn in_lines(level: &str, diagnostics: &[Diagnostic]) -> String {
    let mut lines = String::new();
    for each in diagnostics {
        writeln!(lines, "{level}: {each}").expect("a string takes all");
    }
    lines
}

fn said<T>(checked: &Checked<T>, folder: &Path) -> String {
    let text = in_lines("warning", &checked.warnings) + &in_lines("error", &checked.errors);
    text.replace(&format!("{}/", folder.display()), "")
}

fn compare(path: &Path, said: &str) {
    let mut expected = path.as_os_str().to_owned();
    expected.push(".expected");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&expected, said).expect("the expected text can be written");
    }
    let wanted = std::fs::read_to_string(&expected)
        .unwrap_or_else(|error| panic!("{}: {error}", Path::new(&expected).display()));
    assert_eq!(said, wanted, "{}", path.display());
}

#[test]
fn shipped_configurations_load_without_a_warning() {
    for path in files("config") {
        let checked = Config::load(Some(&path), &[], None);
        assert_eq!(said(&checked, root()), "", "{}", path.display());
    }
}

#[test]
fn shipped_inventory_loads_as_a_whole() {
    let overrides = ["inventory.files=[\"config/inventory/*.toml\", \"config/inventory/*.csv\"]"];
    let overrides =
        overrides.map(|each| each.replace("config/", &format!("{}/config/", root().display())));
    let config = Config::load(None, &overrides, None).into_result().expect("defaults load");
    let checked = config.load_inventory();
    assert_eq!(said(&checked, root()), "");
    let supervised = checked.value.expect("no errors");
    assert!(!supervised.inventory.services.is_empty() && !supervised.contracts.is_empty());
}

#[test]
fn rejected_configurations_say_why() {
    for path in files("tests/config/rejected/config") {
        let checked = Config::load(Some(&path), &[], None);
        assert!(checked.value.is_none(), "{} loads", path.display());
        compare(&path, &said(&checked, path.parent().expect("a folder")));
    }
}

#[test]
fn rejected_inventories_say_why() {
    for path in files("tests/config/rejected/inventory") {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let checked = read_bytes(name, &std::fs::read(&path).expect("readable"));
        assert!(checked.value.is_none(), "{} loads", path.display());
        compare(&path, &said(&checked, root()));
    }
}

#[test]
fn rejected_rules_say_why() {
    for path in files("tests/config/rejected/rules") {
        let text = std::fs::read_to_string(&path).expect("it is readable");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let mut sources: Vec<RuleSource<'_>> = library::sources().collect();
        sources.push(RuleSource { file: &name, text: &text });
        let mistakes = compile(&sources).expect_err("it is refused");
        compare(&path, &in_lines("error", &mistakes));
    }
}
