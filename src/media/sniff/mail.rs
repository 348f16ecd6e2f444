//! Texts that are a mail or a mailbox, by the fields of their header.

use super::Format;

/// Whether a text starts like a mail or a mailbox.
pub(super) fn mail(start: &[u8], extension: &str) -> Option<Format> {
    if let Some(rest) = start.strip_prefix(b"From ") {
        let mut lines = rest.splitn(2, |&b| b == b'\n');
        // "From jo@example.org Mon Jan  1 12:00:00 2001": prose seldom has a time of day there.
        let envelope = lines.next().unwrap_or_default();
        let timed = envelope
            .windows(3)
            .any(|w| w[1] == b':' && w[0].is_ascii_digit() && w[2].is_ascii_digit());
        if timed
            && lines
                .next()
                .is_some_and(|rest| Headers::of(rest).is_mail("mbox"))
        {
            return Some(Format::Mbox);
        }
    }
    Headers::of(start)
        .is_mail(extension)
        .then_some(Format::Mail)
}

/// The lines at the start of a text that look like header fields.
#[derive(Default)]
struct Headers {
    /// Fields in all.
    fields: usize,
    /// Fields that people also write by hand, such as `Subject`.
    written: usize,
    /// Fields that only programs write.
    machine: usize,
    /// Whether the first line is a field that mail knows.
    first: bool,
    /// Whether the block ends with an empty line or with the text.
    closed: bool,
}

impl Headers {
    fn of(head: &[u8]) -> Self {
        let mut headers = Self::default();
        for line in head.split(|&b| b == b'\n').take(200) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if matches!(line.first(), Some(b' ' | b'\t')) && headers.fields > 0 {
                continue;
            }
            let Some(name) = field_name(line) else {
                headers.closed = line.is_empty();
                return headers;
            };
            let is = |names: &[&str]| {
                names
                    .iter()
                    .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
            };
            let known = if is(&MACHINE_FIELDS) {
                headers.machine += 1;
                true
            } else if is(&WRITTEN_FIELDS) {
                headers.written += 1;
                true
            } else {
                false
            };
            headers.first |= headers.fields == 0 && known;
            headers.fields += 1;
        }
        headers.closed = true;
        headers
    }

    /// Whether the block is the header of a mail.
    ///
    /// A memorandum starts with "To:", "From:" and "Subject:" just as a saved
    /// mail without transport fields does; only the file name distinguishes them.
    fn is_mail(&self, extension: &str) -> bool {
        let known = self.machine + self.written;
        match extension {
            "eml" | "mbox" | "mht" | "mhtml" => known >= 1,
            "txt" | "text" | "md" | "log" | "csv" => self.first && self.machine >= 1 && known >= 3,
            _ => self.first && self.closed && known >= 2 && (self.machine >= 1 || known >= 3),
        }
    }
}

/// The name of the header field that a line starts.
pub(in crate::media) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let name = line
        .split(|&b| b == b':')
        .next()
        .filter(|name| name.len() < line.len())?;
    let name = name.trim_ascii_end();
    (!name.is_empty()
        && name
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
    .then_some(name)
}

const WRITTEN_FIELDS: [&str; 7] = ["From", "To", "Cc", "Bcc", "Subject", "Date", "Sender"];

const MACHINE_FIELDS: [&str; 15] = [
    "Received",
    "Return-Path",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Delivered-To",
    "Envelope-To",
    "DKIM-Signature",
    "In-Reply-To",
    "References",
    "Reply-To",
    "X-Mailer",
    "User-Agent",
    "List-Id",
];
