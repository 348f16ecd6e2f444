//! Paths of the example programs, for tests.

use std::path::PathBuf;

/// An example program; `cargo test` builds examples before it runs tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(2).unwrap();
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let program = target.join("examples").join(name);
    assert!(
        program.exists(),
        "no {}: cargo build --examples",
        program.display()
    );
    program
}
