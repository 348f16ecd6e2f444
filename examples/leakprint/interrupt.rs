//! What Ctrl-C leaves behind, said before the program ends.

use crate::Failure;
use crate::output::complain;

/// The exit code of a program that SIGINT ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// Says `kept` and ends the program when the user interrupts it.
///
/// Nothing needs to be tidied up: outputs are replaced whole or appended line by line, a journal and
/// a collection survive being cut off anywhere.
pub(crate) fn on_interrupt(kept: String) -> Result<(), Failure> {
    ctrlc::set_handler(move || {
        complain(&format!("\nleakprint: interrupted: {kept}"));
        std::process::exit(INTERRUPTED);
    })
    .map_err(|e| format!("cannot handle Ctrl-C: {e}").into())
}
