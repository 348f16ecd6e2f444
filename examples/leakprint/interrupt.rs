//! Ctrl-C: reports what is kept, then ends the program.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use crate::Failure;
use crate::output::complain;

/// The exit code that shells give a program ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// How long writing the buffers may take: the reader of a pipe may have stopped reading.
const PATIENCE: Duration = Duration::from_secs(2);

type Buffer = Mutex<dyn Write + Send>;

/// Buffers to write before the program ends.
static BUFFERS: Mutex<Vec<Weak<Buffer>>> = Mutex::new(Vec::new());

/// Registers a buffer to be written before an interrupt ends the program.
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

/// Prints `kept` and ends the program when the user interrupts it.
///
/// No clean-up is needed: outputs are replaced whole or appended line by line, and a journal and a
/// collection survive an interruption at any point.
pub(crate) fn on_interrupt(kept: String) -> Result<(), Failure> {
    ctrlc::set_handler(move || {
        let (done, wait) = mpsc::channel();
        std::thread::spawn(move || {
            flush();
            let _ = done.send(());
        });
        let _ = wait.recv_timeout(PATIENCE);
        // A new line after the ^C of the terminal.
        complain("");
        complain(&format!("leakprint: interrupted: {kept}"));
        std::process::exit(INTERRUPTED);
    })
    .map_err(|e| format!("cannot handle Ctrl-C: {e}").into())
}
