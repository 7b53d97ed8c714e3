//! `igor completion` and `igor manpage`: the command line in the words of shells and of `man`.

use super::arguments::Arguments;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::path::Path;

/// Prints the script by which a shell completes commands and flags.
pub(super) fn completion(shell: Shell) -> Result<(), String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "igor", &mut script);
    print(&script)
}

/// Prints the man page of the program, or writes a page of each command to a directory.
pub(super) fn manpage(directory: Option<&Path>) -> Result<(), String> {
    let command = Arguments::command();
    let Some(directory) = directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(|error| format!("making the man page: {error}"))?;
        return print(&page);
    };
    let write = || {
        std::fs::create_dir_all(directory)?;
        clap_mangen::generate_to(command, directory)
    };
    write().map_err(|error| format!("writing man pages to {}: {error}", directory.display()))
}

/// A reader that has enough closes its end, which is no failure.
fn print(text: &[u8]) -> Result<(), String> {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("printing: {error}")),
        _ => Ok(()),
    }
}
