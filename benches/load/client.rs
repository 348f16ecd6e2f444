//! A small HTTP/1.1 client with one connection, for the load program and the tests; it can also send
//! malformed requests.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Maximum length of a response, in bytes.
const MAX_RESPONSE_BYTES: usize = 256 << 20;

/// One connection, reopened if the service has closed it.
pub(crate) struct Client {
    address: String,
    timeout: Duration,
    stream: Option<BufReader<TcpStream>>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Names and values.
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

    /// Sends a request, and waits for the response. Reopens the connection once if the service has
    /// closed it.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let is_used = self.stream.is_some();
        match self.send_once(request) {
            Err(_) if is_used => {
                self.stream = None;
                self.send_once(request)
            }
            result => result,
        }
    }

    fn send_once(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n",
            request.method, request.path, self.address
        );
        for (name, value) in request.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", request.body.len());
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.address, self.timeout)?,
        };
        // Short requests in one packet.
        let mut bytes = head.into_bytes();
        let whole = request.body.len() <= 16 << 10;
        if whole {
            bytes.extend_from_slice(request.body);
        }
        stream.get_mut().write_all(&bytes)?;
        if !whole && let Err(e) = stream.get_mut().write_all(request.body) {
            // The service may have responded without reading the body.
            let response = read(&mut stream);
            return response.map(|(response, _)| response).map_err(|_| e);
        }
        let (response, keeps_alive) = read(&mut stream)?;
        if keeps_alive {
            self.stream = Some(stream);
        }
        Ok(response)
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

/// Reads a response; returns it and whether the connection stays open.
pub(crate) fn read(stream: &mut impl BufRead) -> io::Result<(Response, bool)> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "not an HTTP response");
    let first = line(stream)?;
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let mut response = Response {
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
        response.headers.push(header);
    }
    if response.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(line(stream)?.trim(), 16).map_err(|_| bad())?;
            take(stream, size, &mut response.body)?;
            line(stream)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(len) = response.header("content-length") {
        let len = len.parse().map_err(|_| bad())?;
        take(stream, len, &mut response.body)?;
    }
    let keeps_alive = response.header("connection") != Some("close");
    Ok((response, keeps_alive))
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
    if len > MAX_RESPONSE_BYTES - body.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too long"));
    }
    let before = body.len();
    stream.take(len as u64).read_to_end(body)?;
    match body.len() - before == len {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
