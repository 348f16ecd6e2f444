//! The members of a tar archive (POSIX ustar, with the long names of GNU and pax).
//!
//! Written here, since nothing has to be unpacked: members are slices of the
//! archive. Links, devices and folders have no bytes and are skipped.

use crate::deadline::{Deadline, Pacer};
use crate::error::{Error, Result};

const BLOCK: usize = 512;

/// The longest path that is read; no system has longer ones.
const MAX_PATH: usize = 64 << 10;

/// A file in the archive.
pub(super) struct Member<'t> {
    pub(super) name: String,
    pub(super) bytes: &'t [u8],
}

/// Walks the headers; ends at an empty block or after the first error.
pub(super) struct Members<'t> {
    rest: &'t [u8],
    /// A name too long for the header of the next member.
    long_name: Option<String>,
    pacer: Pacer,
}

impl<'t> Members<'t> {
    pub(super) fn new(archive: &'t [u8], deadline: &Deadline) -> Self {
        Self {
            rest: archive,
            long_name: None,
            pacer: deadline.pacer(1024),
        }
    }

    /// The header and the content of the next entry.
    fn entry(&mut self) -> Result<Option<(&'t [u8], &'t [u8])>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let Some((header, tail)) = self.rest.split_at_checked(BLOCK) else {
            return Err(Error::malformed("tar: cut inside a header"));
        };
        if header.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        if !is_header(header) {
            return Err(Error::malformed("tar: wrong checksum of a header"));
        }
        let size = number(&header[124..136]).and_then(|size| usize::try_from(size).ok());
        let content = size.and_then(|size| tail.get(..size));
        let content = content.ok_or_else(|| Error::malformed("tar: cut inside a member"))?;
        let padded = content.len().div_ceil(BLOCK).saturating_mul(BLOCK);
        // A cut inside the padding leaves no header, which the next call reports.
        let behind = tail.get(padded..).or_else(|| tail.get(content.len()..));
        self.rest = behind.unwrap_or_default();
        Ok(Some((header, content)))
    }

    fn member(&mut self) -> Result<Option<Member<'t>>> {
        while let Some((header, bytes)) = self.entry()? {
            self.pacer.step()?;
            match header[156] {
                b'L' => self.long_name = Some(text(bytes)),
                b'x' => self.long_name = pax_path(bytes).or(self.long_name.take()),
                b'0' | 0 | b'7' => {
                    let name = self.long_name.take().unwrap_or_else(|| name(header));
                    if !name.ends_with('/') {
                        return Ok(Some(Member { name, bytes }));
                    }
                }
                b'g' => {}
                _ => self.long_name = None,
            }
        }
        Ok(None)
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = Result<Member<'t>>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.member().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.rest = &[];
        }
        next
    }
}

/// Whether a block is a header, that is, whether its checksum is right. The eight bytes of the
/// checksum count as blanks.
pub(super) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else {
        return false;
    };
    let stored = number(&block[148..156]);
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, &byte)| u64::from(if (148..156).contains(&at) { b' ' } else { byte }))
        .sum();
    stored == Some(sum) && sum != 8 * u64::from(b' ')
}

/// A number in octal digits, or in base 256 after a first byte of 0x80.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|&first| first == 0x80) {
        return field[1..].iter().try_fold(0_u64, |value, &byte| {
            value.checked_mul(256)?.checked_add(byte.into())
        });
    }
    let digits = std::str::from_utf8(field).ok()?;
    let digits = digits.trim_matches(|c: char| c == ' ' || c == '\0');
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(digits, 8).ok()
}

fn text(field: &[u8]) -> String {
    let field = field.get(..MAX_PATH).unwrap_or(field);
    let end = field.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&field[..end.unwrap_or(field.len())]).into_owned()
}

fn name(header: &[u8]) -> String {
    let name = text(&header[..100]);
    let prefix = text(&header[345..500]);
    if header[257..262] == *b"ustar" && header[262] == 0 && !prefix.is_empty() {
        format!("{prefix}/{name}")
    } else {
        name
    }
}

/// The path in the records of pax, "LENGTH path=VALUE\n" each.
fn pax_path(records: &[u8]) -> Option<String> {
    let records = records.get(..2 * MAX_PATH).unwrap_or(records);
    let at = records.windows(6).position(|w| w == b" path=")?;
    let value = records.get(at + 6..)?;
    Some(text(value.split(|&b| b == b'\n').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An archive of members with a type each.
    fn archive(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, kind, bytes) in members {
            let mut header = [0_u8; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
            header[156] = *kind;
            header[257..263].copy_from_slice(b"ustar\0");
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            tar.extend(header);
            tar.extend(*bytes);
            tar.resize(tar.len().next_multiple_of(BLOCK), 0);
        }
        tar.extend([0; 2 * BLOCK]);
        tar
    }

    fn names(tar: &[u8]) -> Vec<(String, usize)> {
        let members = Members::new(tar, &Deadline::never()).map(|member| member.unwrap());
        members
            .map(|member| (member.name, member.bytes.len()))
            .collect()
    }

    #[test]
    fn files_with_their_long_names() {
        let tar = archive(&[
            ("a.txt", b'0', b"hello"),
            ("folder/", b'5', b""),
            ("long", b'L', b"a/very/long/name.txt\0"),
            ("cut", b'0', &[b'x'; 513]),
            ("pax", b'x', b"30 mtime=1\n27 path=other/name.txt\n"),
            ("cut", 0, b"y"),
            ("link", b'2', b""),
        ]);
        assert!(is_header(&tar));
        assert_eq!(
            names(&tar),
            [
                ("a.txt".to_owned(), 5),
                ("a/very/long/name.txt".to_owned(), 513),
                ("other/name.txt".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn damage_ends_the_walk_with_an_error() {
        let tar = archive(&[("a", b'0', b"one"), ("b", b'0', b"two")]);
        for cut in [514, 1024 + 100, 1024 + 514] {
            let last = Members::new(&tar[..cut], &Deadline::never())
                .last()
                .unwrap();
            assert!(last.is_err(), "{cut}");
        }
        let mut broken = tar.clone();
        broken[1024] ^= 1;
        assert!(
            Members::new(&broken, &Deadline::never())
                .nth(1)
                .unwrap()
                .is_err()
        );
        assert!(!is_header(&[0; BLOCK]) && !is_header(b"short"));
    }

    #[test]
    fn a_long_name_is_as_long_as_paths_are() {
        let long = vec![b'x'; 3 * MAX_PATH];
        let tar = archive(&[("l", b'L', &long), ("a", b'0', b"hello")]);
        assert_eq!(names(&tar)[0].0.len(), MAX_PATH);
    }

    #[test]
    fn entries_without_files_are_passed_over_until_the_deadline() {
        let links = vec![("l", b'2', &b""[..]); 3000];
        let tar = archive(&links);
        let over = Deadline::after(std::time::Duration::ZERO);
        assert!(Members::new(&tar, &over).next().unwrap().is_err());
        assert!(Members::new(&tar, &Deadline::never()).next().is_none());
    }

    proptest! {
        #[test]
        fn sizes_that_lie_are_errors(field in prop::array::uniform12(any::<u8>())) {
            let mut tar = archive(&[("a", b'0', b"one")]);
            tar[124..136].copy_from_slice(&field);
            tar[148..156].fill(b' ');
            let sum: u32 = tar[..BLOCK].iter().map(|&byte| u32::from(byte)).sum();
            tar[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            let _ = Members::new(&tar, &Deadline::never()).count();
        }
    }
}
