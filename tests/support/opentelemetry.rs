//! A program that measures with the real OpenTelemetry SDK and exports when it is told to.

use crate::support::components::opentelemetry_python;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The running program. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Sdk {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Sdk {
    /// Exports over `http` or `grpc`, as these variables of the SDK say; those that are not given
    /// have their defaults.
    pub(crate) fn exporting(protocol: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(opentelemetry_python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/measuring_program.py"));
        command.arg(protocol).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Nothing on the way to loopback.
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "grpc_proxy"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        let mut child = command.spawn().expect("the SDK's Python runs");
        let input = child.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        Self { child, input, output }
    }

    /// Measures these degrees, failures and seconds, exports, and says what came of it: `SUCCESS`
    /// or `FAILURE`.
    pub(crate) fn export(&mut self, measured: [u32; 3]) -> String {
        let [degrees, failures, seconds] = measured;
        writeln!(self.input, "{degrees} {failures} {seconds}").expect("the program reads");
        let mut outcome = String::new();
        self.output.read_line(&mut outcome).expect("the program answers");
        outcome.trim().to_owned()
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
