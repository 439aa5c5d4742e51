//! vigie: arguments in, exit status out.

use clap::Parser as _;
use std::process::ExitCode;
use vigie::shell::cli::args::Arguments;
use vigie::shell::cli::commands;

/// What the engine shows is made on one thread and dropped on others, all day long: the system's
/// allocator spends a tenth of the daemon's time on that, and its memory falls to pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` in the header of mimalloc 3.
const PURGE_DELAY: i32 = 15;

/// Memory that a storm took goes back to the system at once: the daemon shares its host.
#[expect(unsafe_code, reason = "the options of the allocator have no safe wrapper")]
fn give_memory_back() {
    // SAFETY: it sets a number, and no other thread exists yet that could read it meanwhile.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) }
}

fn main() -> ExitCode {
    give_memory_back();
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
