//! The source files of the project, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// The files below a folder with this extension, without those of unit tests, in order.
pub(crate) fn sources(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    gather(folder, extension, &mut found);
    found.sort();
    assert!(!found.is_empty(), "{} has no .{extension} files", folder.display());
    found
}

fn gather(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            gather(&path, extension, into);
        } else if path.extension().is_some_and(|other| other == extension) {
            into.push(path);
        }
    }
}
