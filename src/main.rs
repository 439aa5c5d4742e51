//! vigie: arguments in, exit status out.

use clap::Parser as _;
use std::process::ExitCode;
use vigie::shell::cli::args::Arguments;
use vigie::shell::cli::commands;

fn main() -> ExitCode {
    match commands::execute(Arguments::parse()) {
        Ok(status) => status,
        Err(error) => {
            use std::io::Write as _;
            // Without standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "vigie: {error:#}");
            ExitCode::FAILURE
        }
    }
}
