//! A small HTTP/1.1 client on one connection: what a load program and tests need, and bodies that are not
//! what they should be.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Bytes of one answer, at most.
const LONGEST: usize = 256 << 20;

/// One connection, which is opened anew when the service has closed it.
pub(crate) struct Client {
    address: String,
    timeout: Duration,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Without the colon and the space.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl Client {
    /// `address` is a host and a port.
    pub(crate) fn new(address: &str, timeout: Duration) -> Self {
        Self {
            address: address.to_owned(),
            timeout,
            stream: None,
        }
    }

    /// Asks, and waits for the answer. A connection that the service has closed in between is opened
    /// anew, once.
    pub(crate) fn ask(&mut self, ask: &Ask<'_>) -> io::Result<Answer> {
        let is_used = self.stream.is_some();
        match self.ask_once(ask) {
            Err(_) if is_used => {
                self.stream = None;
                self.ask_once(ask)
            }
            result => result,
        }
    }

    fn ask_once(&mut self, ask: &Ask<'_>) -> io::Result<Answer> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n",
            ask.method, ask.path, self.address
        );
        for (name, value) in ask.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", ask.body.len());
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.address, self.timeout)?,
        };
        // Short requests in one packet.
        let mut bytes = head.into_bytes();
        let whole = ask.body.len() <= 16 << 10;
        if whole {
            bytes.extend_from_slice(ask.body);
        }
        stream.get_mut().write_all(&bytes)?;
        if !whole && let Err(e) = stream.get_mut().write_all(ask.body) {
            // A refusal may be there although the body was not taken.
            let answer = read(&mut stream);
            return answer.map(|(answer, _)| answer).map_err(|_| e);
        }
        let (answer, goes_on) = read(&mut stream)?;
        if goes_on {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

/// Opens a connection.
pub(crate) fn connect(address: &str, timeout: Duration) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(BufReader::new(stream))
}

/// Reads an answer; tells whether the connection goes on.
pub(crate) fn read(stream: &mut impl BufRead) -> io::Result<(Answer, bool)> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer");
    let first = line(stream)?;
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let mut answer = Answer {
        status: status.ok_or_else(bad)?,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let header = (name.to_ascii_lowercase(), value.trim().to_owned());
        answer.headers.push(header);
    }
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(line(stream)?.trim(), 16).map_err(|_| bad())?;
            take(stream, size, &mut answer.body)?;
            line(stream)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(len) = answer.header("content-length") {
        let len = len.parse().map_err(|_| bad())?;
        take(stream, len, &mut answer.body)?;
    }
    let goes_on = answer.header("connection") != Some("close");
    Ok((answer, goes_on))
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.take(64 << 10).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn take(stream: &mut impl BufRead, len: usize, body: &mut Vec<u8>) -> io::Result<()> {
    if len > LONGEST - body.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too long"));
    }
    let before = body.len();
    stream.take(len as u64).read_to_end(body)?;
    match body.len() - before == len {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
