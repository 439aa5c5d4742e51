//! The only impure folder: clocks, sockets, files, threads.

pub mod api;
pub mod batch;
pub mod cli;
pub mod clock;
pub mod config;
pub mod intake;
pub mod journal;
pub mod lanes;
pub mod observe;
pub mod publish;
pub mod store;
