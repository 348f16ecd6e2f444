//! The fuzz targets. What they run is in the library's tests, so that it is compiled and run with them.

#[path = "../../tests/absurd_numbers/targets/mod.rs"]
mod targets;

/// Runs a target on an input.
///
/// # Panics
/// If the library breaks a promise; or for the name of no target.
pub fn run(name: &str, data: &[u8]) {
    let found = targets::ALL.iter().find(|(known, _)| *known == name);
    let (_, target) = found.expect("the name of a target");
    target(data);
}
