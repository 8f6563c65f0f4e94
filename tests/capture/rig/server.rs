//! All services of the cluster: one server at every address, which remembers what came to which.
//!
//! What begins like HTTP is answered as HTTP, with the address that served it; an upgraded connection, and everything else,
//! is sent back in upper case until the client has nothing more to say, and then `BYE`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::network::Namespace;

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: SocketAddr,
    /// Counts the connections to the server.
    pub(crate) connection: usize,
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.head, name)
    }
}

fn value_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut found = headers.filter(|(given, _)| given.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

/// The server. Its threads end with the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Serves on these ports; on 3001, to a client that says nothing for a while, the server speaks first.
    pub(crate) fn start(cluster: &Namespace) -> Self {
        let this = Self::default();
        for port in [3000, 3001, 15021] {
            let everywhere = SocketAddr::from(([0_u16; 8], port));
            let listener = cluster.inside(|| TcpListener::bind(everywhere).unwrap());
            let server = this.clone();
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let server = server.clone();
                    // A client that goes away in the middle is none of the server's business.
                    thread::spawn(move || server.serve(stream, port == 3001).ok());
                }
            });
        }
        this
    }

    /// The requests so far that came to this address.
    pub(crate) fn seen_at(&self, ip: &str) -> Vec<Seen> {
        let ip: IpAddr = ip.parse().unwrap();
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|one| one.at.ip() == ip)
            .cloned()
            .collect()
    }

    /// The requests with this path, as they came to this address.
    pub(crate) fn of_path(&self, ip: &str, path: &str) -> Vec<Seen> {
        let mut seen = self.seen_at(ip);
        seen.retain(|one| one.head.split(' ').nth(1) == Some(path));
        seen
    }

    fn serve(&self, stream: TcpStream, is_eager: bool) -> std::io::Result<()> {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let at = stream.local_addr()?;
        let at = SocketAddr::new(at.ip().to_canonical(), at.port());
        let mut write = stream.try_clone()?;
        if is_eager {
            stream.set_read_timeout(Some(Duration::from_millis(300)))?;
            if stream.peek(&mut [0]).is_err() {
                write.write_all(b"GREETING\n")?;
            }
            stream.set_read_timeout(None)?;
        }
        let mut read = BufReader::new(stream);
        loop {
            let first = read.fill_buf()?.first().copied();
            match first {
                None => return Ok(()),
                Some(byte) if !byte.is_ascii_uppercase() => return echo(read, write),
                Some(_) => {}
            }
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if read.read_line(&mut head)? == 0 {
                    return Ok(());
                }
            }
            let body = body(&head, &mut read)?;
            let upgrades = head.starts_with("CONNECT ") || value_of(&head, "upgrade").is_some();
            self.seen.lock().unwrap().push(Seen {
                at,
                connection,
                head,
                body,
            });
            if upgrades {
                write.write_all(
                    b"HTTP/1.1 101 Fine\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
                )?;
                return echo(read, write);
            }
            let body = at.to_string();
            write!(
                write,
                "HTTP/1.1 200 Fine\r\nX-Case: Kept\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?;
        }
    }
}

fn body(head: &str, read: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if value_of(head, "transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            read.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
            read.by_ref().take(size).read_to_end(&mut body)?;
            read.read_line(&mut line)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let length = value_of(head, "content-length").and_then(|text| text.parse().ok());
    read.take(length.unwrap_or(0)).read_to_end(&mut body)?;
    Ok(body)
}

fn echo(mut read: impl Read, mut write: impl Write) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match read.read(&mut buffer)? {
            0 => return write.write_all(b"BYE"),
            count => write.write_all(&buffer[..count].to_ascii_uppercase())?,
        }
    }
}
