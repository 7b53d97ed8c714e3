//! A small blocking HTTP/1.1 client. It shows the bytes on the wire: it follows, decodes and retries nothing.

use super::DEADLINE;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A request.
#[derive(Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new(), chunked: false }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", target) }
    }

    /// A `POST` of a form.
    pub(crate) fn form(target: &str, fields: &str) -> Self {
        Self::post(target, fields).header("content-type", "application/x-www-form-urlencoded")
    }

    /// Adds a header; `host` replaces the address.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks, without a length.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    fn head(&self, address: SocketAddr) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("host: {address}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.chunked {
            head += "transfer-encoding: chunked\r\n";
        } else if !self.body.is_empty() || self.method == "POST" {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        head + "\r\n"
    }
}

/// A response. The body has been read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The informational responses (1xx) before it.
    pub(crate) interim: Vec<(u16, Vec<(String, String)>)>,
}

impl Response {
    /// The value of a header, if there is one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of a header.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }
}

/// A connection, kept open between requests.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        stream.set_nodelay(true).expect("TCP_NODELAY can be set");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout can be set");
        Self { stream: BufReader::new(stream), address }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        self.write(request);
        self.read(request.method == "HEAD")
    }

    /// Sends a request only.
    pub(crate) fn write(&mut self, request: &Request) {
        self.write_raw(request.head(self.address).as_bytes());
        if !request.chunked {
            return self.write_raw(&request.body);
        }
        for piece in request.body.chunks(8000) {
            self.write_raw(format!("{:x}\r\n", piece.len()).as_bytes());
            self.write_raw(piece);
            self.write_raw(b"\r\n");
        }
        self.write_raw(b"0\r\n\r\n");
    }

    /// Sends bytes as they are.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the server takes the request");
    }

    /// Reads an answer; one to `HEAD` has no body.
    pub(crate) fn read(&mut self, is_head: bool) -> Response {
        let mut response = self.read_head();
        let has_body = !is_head && !matches!(response.status, 204 | 304);
        if has_body {
            response.body = self.read_body(&response).unwrap_or_else(|error| panic!("reading a body: {error}"));
        }
        response
    }

    /// Reads the head of an answer, and no byte more of it than that.
    pub(crate) fn read_head(&mut self) -> Response {
        let mut interim = Vec::new();
        loop {
            let status_line = self.read_line().unwrap_or_else(|error| panic!("reading a status line: {error}"));
            let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
            let status = status.unwrap_or_else(|| panic!("no status line: {status_line:?}"));
            let mut headers = Vec::new();
            loop {
                let line = self.read_line().unwrap_or_else(|error| panic!("reading a header: {error}"));
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}"));
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if status >= 200 {
                return Response { status, headers, body: Vec::new(), interim };
            }
            interim.push((status, headers));
        }
    }

    /// Reads the body that belongs to a head.
    ///
    /// # Errors The body is incomplete.
    pub(crate) fn read_body(&mut self, head: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            while let Some(chunk) = self.read_chunk()? {
                body.extend(chunk);
            }
        } else if let Some(length) = head.header("content-length") {
            body.resize(length.parse().map_err(io::Error::other)?, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    /// Reads one chunk of a chunked body; `None` at its end.
    ///
    /// # Errors The body is incomplete.
    pub(crate) fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = usize::from_str_radix(&self.read_line()?, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size];
        self.stream.read_exact(&mut chunk)?;
        if !self.read_line()?.is_empty() {
            return Err(io::Error::other("a chunk is longer than it says"));
        }
        Ok((size > 0).then_some(chunk))
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(io::Error::other)
    }
}
