//! Where the programs are that nobody here wrote. A test that needs one fails when it is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Version of the Kafka broker that the tests run against; `tests/run` installs the same one.
const KAFKA_VERSION: &str = "4.1.0";
/// Version of the OpenTelemetry SDK, likewise.
const OPENTELEMETRY_VERSION: &str = "1.45.2";

/// The path of an installed program.
///
/// # Panics
/// When it is missing; the message names the remedy.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("missing {name}: run tests/run, which installs it"))
}

/// The folder with the jars of the Kafka broker.
///
/// # Panics
/// When it is missing; the message names the remedy.
pub(crate) fn kafka_jars() -> PathBuf {
    let jars = cache().join(format!("kafka-{KAFKA_VERSION}/lib"));
    assert!(
        jars.join(format!("kafka_2.13-{KAFKA_VERSION}.jar")).is_file(),
        "missing the Kafka broker in {}: run tests/run, which installs it",
        jars.display()
    );
    jars
}

/// A Python that has the OpenTelemetry SDK and its exporters.
///
/// # Panics
/// When it is missing; the message names the remedy.
pub(crate) fn opentelemetry_python() -> PathBuf {
    let folder = cache().join(format!("opentelemetry-{OPENTELEMETRY_VERSION}"));
    assert!(
        folder.join("list").is_file(),
        "missing the OpenTelemetry SDK in {}: run tests/run, which installs it",
        folder.display()
    );
    folder.join("bin/python")
}

/// The program that sends remote write 2.0 with the client of the Prometheus project.
///
/// # Panics
/// When it is missing; the message names the remedy.
pub(crate) fn remote_write_2() -> PathBuf {
    let path = cache().join("remote-write-2");
    assert!(path.is_file(), "missing {}: run tests/run, which builds it", path.display());
    path
}

/// Where `tests/run` puts what no package holds.
fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
        PathBuf::from,
    );
    cache.join("vigie-tests")
}

/// Runs an installed program to its end and asserts that it succeeded.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program(name))
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
    assert!(
        output.status.success(),
        "{name} {}: {}\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
