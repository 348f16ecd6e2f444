//! The program `tesseract` as a recogniser: one child process per picture, with limits on its time
//! and its output.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer};

use super::recognise::{GreyPicture, TextFromImage, Word};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};

/// The height of stems that the program reads best, in pixels.
const BEST_STEMS: f32 = 26.0;

/// Pictures are scaled up to at most this many pixels.
const MAX_PIXELS: f64 = 12_000_000.0;

/// Bytes of output that are read.
const MAX_OUTPUT: u64 = 8 << 20;

/// The interval between checks for cancellation.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Words of one picture.
const MAX_WORDS: usize = 50_000;

/// The least confidence in percent; words below it are noise.
const MIN_CONFIDENCE: f32 = 20.0;

/// Recognises text with the program `tesseract`, which has to be installed.
///
/// Takes 0.3 to 2 seconds per screenshot on one core. Small letters are scaled up
/// first, light ones on dark ground inverted.
///
/// ```
/// use std::time::Duration;
///
/// use leakprint::ErrorKind;
/// use leakprint::media::Tesseract;
///
/// let recogniser = Tesseract::default()
///     .with_languages("eng+deu")
///     .with_time_limit(Duration::from_secs(5))
///     .with_program("/no/such/tesseract");
/// assert_eq!(recogniser.check().unwrap_err().kind(), ErrorKind::Io);
/// ```
#[derive(Clone, Debug)]
pub struct Tesseract {
    program: PathBuf,
    languages: String,
    time_limit: Duration,
}

impl Default for Tesseract {
    fn default() -> Self {
        Self {
            program: PathBuf::from("tesseract"),
            languages: "eng".to_owned(),
            time_limit: Duration::from_secs(20),
        }
    }
}

impl Tesseract {
    /// Sets the program to run, in place of the `tesseract` on the path.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Sets the languages to read, as for the program's option `-l`; default `eng`.
    #[must_use]
    pub fn with_languages(mut self, languages: impl Into<String>) -> Self {
        self.languages = languages.into();
        self
    }

    /// Sets the time that one picture may take; default 20 seconds. The process is killed then, or at the
    /// deadline of the call if that comes first.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Checks that the program is installed, by running it once.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if it cannot be started, [`Unsupported`](ErrorKind::Unsupported)
    /// if it lacks a language.
    pub fn check(&self) -> Result<()> {
        let blank = GreyPicture::new(64, 64, vec![255; 64 * 64]);
        blank.map_or(Ok(()), |blank| self.words(&blank).map(drop))
    }

    fn start(&self) -> Result<Child> {
        Command::new(&self.program)
            .args([
                "stdin",
                "stdout",
                "-l",
                &self.languages,
                "--psm",
                "3",
                "tsv",
            ])
            // Pictures are read in parallel already.
            .env("OMP_THREAD_LIMIT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| {
                Error::io("cannot start tesseract, which has to be installed", e)
                    .with_path(&self.program)
            })
    }

    /// Writes `input` to a child process and reads its output, both within the limits.
    fn run(&self, input: Vec<u8>, until: &Deadline) -> Result<String> {
        until.check()?;
        let mut child = self.start()?;
        let deadline = Instant::now().checked_add(self.time_limit);
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        // Separate threads that are not joined: a process that inherited the pipes may keep them open.
        std::thread::spawn(move || {
            // A child that exits early closes its end; its exit status says why.
            stdin.map(|mut stdin| stdin.write_all(&input))
        });
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                // Beyond the limit the pipe is closed, so that the child ends too.
                let _ = stdout.take(MAX_OUTPUT).read_to_end(&mut output);
            }
            sender.send(output)
        });
        let check = || {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let limit = self.time_limit.as_millis();
                return Err(Error::limit("time_ms of tesseract", limit, "more"));
            }
            until.check()
        };
        let ended = loop {
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok(output) => break Ok(output),
                Err(RecvTimeoutError::Timeout) => {}
                // The thread that reads has ended without a word.
                Err(RecvTimeoutError::Disconnected) => break Ok(Vec::new()),
            }
            if let Err(e) = check() {
                break Err(e);
            }
        };
        let ended = ended.and_then(|output| {
            loop {
                match child.try_wait() {
                    Ok(Some(status)) => return Ok((status, output)),
                    Ok(None) => {
                        check()?;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Err(e) => return Err(Error::io("cannot wait for tesseract", e)),
                }
            }
        });
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let (status, output) = ended?;
        if !status.success() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "tesseract failed, it may lack the language: `tesseract --list-langs` names what it has",
            ));
        }
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}

impl TextFromImage for Tesseract {
    fn words(&self, picture: &GreyPicture) -> Result<Vec<Word>> {
        self.words_until(picture, &Deadline::never())
    }

    fn words_until(&self, picture: &GreyPicture, deadline: &Deadline) -> Result<Vec<Word>> {
        let scale = scale(picture);
        let prepared = prepare(picture, scale);
        let mut input =
            format!("P5\n{} {}\n255\n", prepared.width(), prepared.height()).into_bytes();
        input.extend_from_slice(prepared.as_raw());
        let table = self.run(input, deadline)?;
        Ok(words(&table, scale, (picture.width(), picture.height())))
    }
}

/// By how much a picture is enlarged.
fn scale(picture: &GreyPicture) -> f32 {
    let stems = picture.stems().map_or(BEST_STEMS, |stems| stems as f32);
    let area = f64::from(picture.width()) * f64::from(picture.height());
    let most = (MAX_PIXELS / area).sqrt().max(1.0) as f32;
    (BEST_STEMS / stems).clamp(1.0, 4.0).min(most)
}

/// The picture, enlarged, dark on light.
fn prepare(picture: &GreyPicture, scale: f32) -> GrayImage {
    let sum: u64 = picture.pixels().iter().map(|&luma| u64::from(luma)).sum();
    let is_dark = sum / (picture.pixels().len() as u64).max(1) < 110;
    let mask = if is_dark { 0xFF } else { 0 };
    let pixels = picture.pixels().iter().map(|luma| luma ^ mask).collect();
    let (width, height) = (picture.width(), picture.height());
    let image: GrayImage = ImageBuffer::from_raw(width, height, pixels).unwrap_or_default();
    if scale < 1.05 {
        return image;
    }
    let side = |length: u32| ((length as f32 * scale) as u32).max(1);
    imageops::resize(&image, side(width), side(height), FilterType::CatmullRom)
}

/// The words of a table in the program's TSV, in pixels of the picture before it was scaled. Lines
/// of another form are skipped.
fn words(table: &str, scale: f32, (width, height): (u32, u32)) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut line = None;
    for row in table.lines() {
        let fields: Vec<&str> = row.splitn(12, '\t').collect();
        let [
            level,
            page,
            block,
            paragraph,
            in_block,
            _,
            left,
            top,
            wide,
            high,
            confidence,
            text,
        ] = fields[..]
        else {
            continue;
        };
        let sure = confidence.parse::<f32>().is_ok_and(|c| c >= MIN_CONFIDENCE);
        let text = text.trim();
        if level != "5" || !sure || text.is_empty() || text.len() > 512 || words.len() >= MAX_WORDS
        {
            continue;
        }
        let place = |field: &str, most: u32| {
            let pixels = field.parse::<u32>().ok()?;
            Some(((pixels as f32 / scale) as u32).min(most))
        };
        let region = || {
            let (left, top) = (place(left, width - 1)?, place(top, height - 1)?);
            let (wide, high) = (place(wide, width)?, place(high, height)?);
            Some([
                left,
                top,
                wide.clamp(1, width - left),
                high.clamp(1, height - top),
            ])
        };
        let Some(region) = region() else { continue };
        let own = Some([page, block, paragraph, in_block]);
        if own != line
            && let Some(last) = words.last_mut()
        {
            last.ends_line = true;
        }
        line = own;
        words.push(Word {
            text: text.to_owned(),
            region,
            ends_line: false,
        });
    }
    if let Some(last) = words.last_mut() {
        last.ends_line = true;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
        1\t1\t0\t0\t0\t0\t0\t0\t800\t600\t-1\t\n\
        5\t1\t1\t1\t1\t1\t20\t40\t60\t24\t96.5\tHello\n\
        5\t1\t1\t1\t1\t2\t90\t40\t4000\t24\t91\tthere,\n\
        5\t1\t1\t1\t2\t1\t20\t80\t60\t24\t3\tnoise\n\
        5\t1\t1\t1\t2\t2\t20\t80\t60\t24\t80\tMax\n";

    #[test]
    fn a_table_gives_words_in_pixels_of_the_picture() {
        let words = words(TABLE, 2.0, (400, 300));
        let found: Vec<_> = words
            .iter()
            .map(|w| (w.text.as_str(), w.region, w.ends_line))
            .collect();
        assert_eq!(
            found,
            [
                ("Hello", [10, 20, 30, 12], false),
                ("there,", [45, 20, 355, 12], true),
                ("Max", [10, 40, 30, 12], true),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_output_is_read(table in "([0-9]{1,9}\t|5\t|-1\t|[a-z]{0,3}\t|\n|\\PC){0,80}", scale in 1.0_f32..4.0) {
            for word in words(&table, scale, (40, 30)) {
                let [left, top, width, height] = word.region;
                prop_assert!(left + width <= 40 && top + height <= 30 && width > 0 && height > 0);
            }
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let absent = Tesseract::default().with_program("/nonexistent/tesseract");
        assert_eq!(absent.check().unwrap_err().kind(), ErrorKind::Io);
    }

    /// A program that never ends, one that floods, one that fails.
    #[test]
    #[cfg(unix)]
    fn a_program_that_misbehaves_is_stopped() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let picture = GreyPicture::new(600, 400, vec![200; 240_000]).unwrap();
        let script = |body: &str| {
            let path = folder.path().join(format!("{}.sh", body.len()));
            std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
            Tesseract::default()
                .with_program(path)
                .with_time_limit(Duration::from_millis(300))
        };
        let started = Instant::now();
        let error = script("exec sleep 60").words(&picture).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        let flood = script("cat >/dev/null; exec yes '5\t1\t1\t1\t1\t1\t1\t1\t1\t1\t99\tx'");
        assert!(flood.words(&picture).is_err());
        assert!(script("exit 3").words(&picture).is_err());
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
