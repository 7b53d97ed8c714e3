//! The program `igor`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    igor_php::cli::main()
}
