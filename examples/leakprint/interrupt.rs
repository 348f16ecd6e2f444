//! What Ctrl-C leaves behind, said before the program ends.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use crate::Failure;
use crate::output::complain;

/// The exit code of a program that SIGINT ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// How long buffers may take to be written: whoever reads a pipe may have stopped reading.
const PATIENCE: Duration = Duration::from_secs(2);

type Buffer = Mutex<dyn Write + Send>;

/// Buffers that are written before the program ends.
static BUFFERS: Mutex<Vec<Weak<Buffer>>> = Mutex::new(Vec::new());

/// Writes what is in a buffer before an interrupt ends the program.
pub(crate) fn flush_at_end<W: Write + Send + 'static>(buffer: &Arc<Mutex<W>>) {
    let buffer: Weak<Mutex<W>> = Arc::downgrade(buffer);
    let mut buffers = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
    buffers.push(buffer);
}

fn flush() {
    let buffers = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
    for buffer in buffers.iter().filter_map(Weak::upgrade) {
        let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = buffer.flush();
    }
}

/// Says `kept` and ends the program when the user interrupts it.
///
/// Nothing needs to be tidied up: outputs are replaced whole or appended line by line, a journal and
/// a collection survive being cut off anywhere.
pub(crate) fn on_interrupt(kept: String) -> Result<(), Failure> {
    ctrlc::set_handler(move || {
        let (done, wait) = mpsc::channel();
        std::thread::spawn(move || {
            flush();
            let _ = done.send(());
        });
        let _ = wait.recv_timeout(PATIENCE);
        // Behind the terminal's ^C.
        complain("");
        complain(&format!("leakprint: interrupted: {kept}"));
        std::process::exit(INTERRUPTED);
    })
    .map_err(|e| format!("cannot handle Ctrl-C: {e}").into())
}
