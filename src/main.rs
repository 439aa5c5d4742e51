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
/// `mi_option_generic_collect` there, and what it is before it is set.
const GENERIC_COLLECT: i32 = 34;
const GENERIC_COLLECT_DEFAULT: std::ffi::c_long = 10_000;

/// Memory that a storm took goes back to the system at once: the daemon shares its host. And what
/// other threads freed is collected five times as often as usual: the engine stands still for as
/// long as that takes, and what is used again soon is still in the caches.
#[expect(unsafe_code, reason = "the options of the allocator have no safe wrapper")]
fn set_up_allocator() {
    // SAFETY: it reads and sets numbers, and no other thread exists yet that could read them
    // meanwhile.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
        // Another release of the allocator may have another option at that place.
        if libmimalloc_sys::mi_option_get(GENERIC_COLLECT) == GENERIC_COLLECT_DEFAULT {
            libmimalloc_sys::mi_option_set(GENERIC_COLLECT, GENERIC_COLLECT_DEFAULT / 5);
        }
    }
}

fn main() -> ExitCode {
    set_up_allocator();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "the options of the allocator have no safe wrapper")]
    fn the_allocators_options_are_where_they_are_looked_for() {
        set_up_allocator();
        // SAFETY: it reads two numbers that nobody sets meanwhile.
        let options =
            unsafe { [PURGE_DELAY, GENERIC_COLLECT].map(|at| libmimalloc_sys::mi_option_get(at)) };
        assert_eq!(options, [0, GENERIC_COLLECT_DEFAULT / 5]);
    }
}
