//! The entry point: reads one input and hands over its parts in order.

use super::walk::Walk;
use super::{PartSink, formats};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// Reads one input and hands its parts to `sink`, the input itself first.
///
/// `name` is the file's name where there is one; it only breaks ties (see
/// [`Format::sniff`](super::Format::sniff)). The parts of a container, such as a mail, follow it,
/// depth first; so do the frames of an animation that show something new. A part that cannot be
/// read is reported to [`PartSink::warning`], and reading goes on; if it has bytes, the sink also
/// gets these as [`Content::Opaque`](super::Content::Opaque), since their digest is still useful.
/// Once the limit on parts or on time is reached, or the budget's [`Deadline`](crate::Deadline) is
/// cancelled, nothing more is read: the parts that were handed over stay, and a warning on the
/// container states the reason.
///
/// # Errors
/// Only if the input itself cannot be read; the sink has received nothing in that case.
/// [`Empty`](ErrorKind::Empty) for zero bytes, [`Unsupported`](ErrorKind::Unsupported) for an
/// unknown format or one that this build does not read, [`Malformed`](ErrorKind::Malformed),
/// [`Limit`](ErrorKind::Limit), [`Cancelled`](ErrorKind::Cancelled),
/// [`Panicked`](ErrorKind::Panicked).
///
/// ```
/// use leakprint::media::{Content, Part, PartPath, PartSink, read};
/// use leakprint::{Budget, Error, Limits};
///
/// /// All text of an upload.
/// #[derive(Default)]
/// struct Texts(Vec<String>, Vec<Error>);
///
/// impl PartSink for Texts {
///     fn part(&mut self, part: Part<'_>) {
///         match part.content {
///             Content::Text(text) => self.0.push(text),
///             Content::Table(table) => self.0.push(table.into_text()),
///             _ => {}
///         }
///     }
///
///     fn warning(&mut self, _: PartPath, error: Error) {
///         self.1.push(error);
///     }
/// }
///
/// let mut texts = Texts::default();
/// let sheet = b"name,mail\nAda,ada@example.org\n";
/// read(sheet, Some("people.csv"), &mut Budget::new(&Limits::default()), &mut texts)?;
/// assert_eq!(texts.0, ["name\tmail\nAda\tada@example.org"]);
/// assert!(texts.1.is_empty());
/// # Ok::<(), leakprint::Error>(())
/// ```
pub fn read(
    bytes: &[u8],
    name: Option<&str>,
    budget: &mut Budget,
    sink: &mut dyn PartSink,
) -> Result<()> {
    budget.check_input(bytes.len() as u64)?;
    if bytes.is_empty() {
        return Err(Error::new(ErrorKind::Empty, "empty input, 0 bytes"));
    }
    budget.bound_inflation(bytes.len() as u64);
    Walk::new(budget, sink, formats::read).root(bytes, name)
}
