//! vigie: arguments in, exit status out.

use clap::Parser as _;
use std::process::ExitCode;
use vigie::shell::cli::args::Arguments;
use vigie::shell::cli::commands;

/// What the engine shows is made on one thread and dropped on others, all day long: the system's
/// allocator spends a tenth of the daemon's time on that, and its memory falls to pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
