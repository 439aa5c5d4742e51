//! vigie: the program.

fn main() {}
