//! As much of HTTP/1.1 as relying parties need (RFC 9112): one request a connection, bounded in size, time and number.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The longest request line and header lines together.
const MAX_HEAD: usize = 16 * 1024;
/// The longest body: one octet more than the largest OCSP request, so that whoever reads it sees that it is too large.
const MAX_BODY: usize = pca_core::x509::MAX_OCSP_REQUEST + 1;
/// How long a connection may take to ask, and to be answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many connections are served at once.
const MOST: usize = 64;

/// A request.
pub struct Request {
    pub method: String,
    /// The path, as it was sent, without a query.
    pub path: String,
    pub body: Vec<u8>,
}

/// A response.
pub struct Response {
    pub status: (u16, &'static str),
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Something that was found.
    pub fn found(content_type: &str, body: Vec<u8>) -> Self {
        Self { status: (200, "OK"), headers: vec![("Content-Type", content_type.to_owned())], body }
    }

    /// That there is nothing, and why, for people.
    pub fn without(status: (u16, &'static str), why: &str) -> Self {
        let headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        Self { status, headers, body: format!("{why}\n").into_bytes() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Answers for ever, one thread a connection.
pub fn serve(listener: &TcpListener, answer: impl Fn(&Request) -> Response + Send + Sync + 'static) {
    let (answer, busy) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    for stream in listener.incoming().flatten() {
        let (answer, busy) = (Arc::clone(&answer), Arc::clone(&busy));
        if busy.fetch_add(1, Ordering::SeqCst) >= MOST {
            busy.fetch_sub(1, Ordering::SeqCst);
            let _ = send(&stream, &Response::without((503, "Service Unavailable"), "too busy"), false);
            continue;
        }
        std::thread::spawn(move || {
            let _ = converse(&stream, &*answer);
            busy.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn converse(stream: &TcpStream, answer: &dyn Fn(&Request) -> Response) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let begun = Instant::now();
    match read(stream, begun) {
        Ok(request) => send(stream, &answer(&request), request.method == "HEAD"),
        Err(Some(refusal)) => {
            send(stream, &refusal, false)?;
            linger(stream)
        }
        Err(None) => Ok(()),
    }
}

/// Takes what still comes, for a moment and within bounds: a connection that is closed with octets unread is reset, and the
/// refusal lost with it.
fn linger(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let (mut octets, mut left) = ([0; 4096], 16 * MAX_HEAD);
    while left > 0 {
        match stream.read(&mut octets)? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

/// Reads a request; nothing if the connection fails.
fn read(stream: &TcpStream, begun: Instant) -> Result<Request, Option<Response>> {
    let bad = |why: &str| Some(Response::without((400, "Bad Request"), why));
    let mut reader = BufReader::new(stream);
    let mut room = MAX_HEAD;
    let mut line = |reader: &mut BufReader<&TcpStream>| -> Result<String, Option<Response>> {
        let mut octets = Vec::new();
        let most = u64::try_from(room).unwrap_or(u64::MAX);
        reader.by_ref().take(most).read_until(b'\n', &mut octets).map_err(|_| None)?;
        if begun.elapsed() > PATIENCE {
            return Err(Some(Response::without((408, "Request Timeout"), "too slow")));
        }
        if octets.is_empty() && room > 0 {
            return Err(None);
        }
        room -= octets.len();
        let whole = octets.strip_suffix(b"\n");
        let Some(whole) = whole else {
            return Err(Some(Response::without((431, "Request Header Fields Too Large"), "the head is too long")));
        };
        let whole = whole.strip_suffix(b"\r").unwrap_or(whole);
        String::from_utf8(whole.to_vec()).map_err(|_| bad("the head is no text"))
    };
    let first = line(&mut reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("the first line is none of HTTP/1.1"));
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut length = None;
    let mut waits = false;
    loop {
        let header = line(&mut reader)?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { return Err(bad("a header has no name")) };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => {
                let told: usize = value.parse().map_err(|_| bad("Content-Length is no number"))?;
                if length.replace(told).is_some_and(|before| before != told) {
                    return Err(bad("Content-Length says two things"));
                }
            }
            ("transfer-encoding", _) => {
                return Err(Some(Response::without((411, "Length Required"), "a Content-Length is needed")));
            }
            ("expect", value) => waits = value.eq_ignore_ascii_case("100-continue"),
            _ => {}
        }
    }
    let length = length.unwrap_or_default();
    if length > MAX_BODY {
        return Err(Some(Response::without((413, "Content Too Large"), "an OCSP request has at most 16 KiB")));
    }
    if waits {
        let _ = (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).map_err(|_| None)?;
    // Some send the whole URL; what stands before the path is of no matter here.
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |at| rest.split_at(at).1),
        None => target.as_str(),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().to_owned();
    Ok(Request { method, path, body })
}

fn send(mut stream: &TcpStream, response: &Response, head_only: bool) -> std::io::Result<()> {
    let (code, phrase) = response.status;
    let mut head = format!("HTTP/1.1 {code} {phrase}\r\n");
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let now = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    let length = response.body.len();
    head.push_str(&format!("Date: {now}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"));
    let mut octets = head.into_bytes();
    if !head_only {
        octets.extend_from_slice(&response.body);
    }
    stream.write_all(&octets)?;
    stream.flush()
}
