//! HTTP/2 and gRPC as far as one stream on one connection needs them, with next to no work per message.
//!
//! Headers of the server are not decoded: a stream that ends, ends.

use std::io;

use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest frame that any peer takes.
const FRAME: usize = 16_384;
/// So much may be sent to us before we say anything: for ever, as far as a benchmark goes.
const WINDOW: u32 = (1 << 31) - 1;
/// The window that everybody starts with (RFC 9113, 6.9.2).
const INITIAL_WINDOW: i64 = 65_535;
/// Our only stream.
const STREAM: u32 = 1;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// A connection with one open call.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    /// Bytes read that are no whole frame yet.
    inbound: Vec<u8>,
    /// Payload read that is no whole message yet.
    payload: Vec<u8>,
    /// Frames to be written.
    outbound: Vec<u8>,
    /// Payload that the server has not allowed yet.
    held: Vec<u8>,
    connection_window: i64,
    stream_window: i64,
    initial_window: i64,
    /// Bytes read.
    pub(crate) received: u64,
}

impl Wire {
    /// Opens the call.
    pub(crate) fn open(socket: TcpStream, path: &str) -> Self {
        let mut wire = Self {
            socket,
            inbound: Vec::new(),
            payload: Vec::new(),
            outbound: PREFACE.to_vec(),
            held: Vec::new(),
            connection_window: INITIAL_WINDOW,
            stream_window: INITIAL_WINDOW,
            initial_window: INITIAL_WINDOW,
            received: 0,
        };
        let mut settings = vec![0, 4];
        settings.extend(WINDOW.to_be_bytes());
        wire.frame(SETTINGS, 0, 0, &settings);
        let more = WINDOW - INITIAL_WINDOW as u32;
        wire.frame(WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        // HPACK (RFC 7541): POST and http are in the static table, the rest is literal and not indexed.
        let mut headers = vec![0x83, 0x86];
        for (name, value) in [
            (&[0x04][..], path),
            (&[0x01], "ads"),
            (&[0x0f, 0x10], "application/grpc"),
            (b"\0\x02te", "trailers"),
        ] {
            headers.extend_from_slice(name);
            headers.push(u8::try_from(value.len()).unwrap_or_default());
            headers.extend_from_slice(value.as_bytes());
        }
        wire.frame(HEADERS, 0x4, STREAM, &headers);
        wire
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len())
            .unwrap_or_default()
            .to_be_bytes();
        self.outbound.extend_from_slice(&length[1..]);
        self.outbound.extend_from_slice(&[kind, flags]);
        self.outbound.extend_from_slice(&stream.to_be_bytes());
        self.outbound.extend_from_slice(payload);
    }

    /// Queues a message.
    pub(crate) fn send(&mut self, message: &[u8]) {
        self.held.push(0);
        let length = u32::try_from(message.len()).unwrap_or_default();
        self.held.extend(length.to_be_bytes());
        self.held.extend_from_slice(message);
        self.release();
    }

    /// Frames as much as the server allows.
    fn release(&mut self) {
        while !self.held.is_empty() {
            let window = self.connection_window.min(self.stream_window);
            let allowed = usize::try_from(window).unwrap_or_default();
            let size = self.held.len().min(allowed).min(FRAME);
            if size == 0 {
                return;
            }
            let rest = self.held.split_off(size);
            let now = std::mem::replace(&mut self.held, rest);
            self.frame(DATA, 0, STREAM, &now);
            let sent = i64::try_from(size).unwrap_or_default();
            self.connection_window -= sent;
            self.stream_window -= sent;
        }
    }

    /// Writes what is queued.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        let mut from = 0;
        while from < self.outbound.len() {
            match self.socket.try_write(&self.outbound[from..]) {
                Ok(size) => from += size,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.outbound.clear();
        // Most of the time there is nothing to be written, and thousands of these wait.
        self.outbound.shrink_to(256);
        Ok(())
    }

    /// Waits for bytes.
    ///
    /// # Errors
    ///
    /// The connection or the call is over.
    pub(crate) async fn read(&mut self) -> io::Result<()> {
        loop {
            self.socket.readable().await?;
            match self.take() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    fn take(&mut self) -> io::Result<()> {
        let mut buffer = [0; FRAME];
        let size = self.socket.try_read(&mut buffer)?;
        if size == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received += size as u64;
        self.inbound.extend_from_slice(&buffer[..size]);
        let inbound = std::mem::take(&mut self.inbound);
        let mut rest = &inbound[..];
        while let [a, b, c, kind, flags, stream @ ..] = rest
            && let Some((stream, after)) = stream.split_at_checked(4)
        {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((payload, after)) = after.split_at_checked(length) else {
                break;
            };
            self.on_frame(*kind, *flags, stream == [0; 4], payload)?;
            rest = after;
        }
        self.inbound.extend_from_slice(rest);
        Ok(())
    }

    fn on_frame(
        &mut self,
        kind: u8,
        flags: u8,
        connection: bool,
        payload: &[u8],
    ) -> io::Result<()> {
        let number = |bytes: &[u8]| bytes.try_into().map(u32::from_be_bytes).unwrap_or_default();
        let ends = flags & 1 != 0;
        match kind {
            // Padded data is not worth a line: no server here sends any.
            DATA if flags & 8 == 0 => self.payload.extend_from_slice(payload),
            SETTINGS if !ends => {
                for setting in payload.chunks_exact(6) {
                    if setting[..2] == [0, 4] {
                        let window = i64::from(number(&setting[2..]));
                        self.stream_window += window - self.initial_window;
                        self.initial_window = window;
                    }
                }
                self.frame(SETTINGS, 1, 0, &[]);
                self.release();
            }
            PING if !ends => self.frame(PING, 1, 0, payload),
            WINDOW_UPDATE => {
                let window = match connection {
                    true => &mut self.connection_window,
                    false => &mut self.stream_window,
                };
                *window += i64::from(number(payload));
                self.release();
            }
            RST_STREAM | GOAWAY => return Err(io::ErrorKind::ConnectionReset.into()),
            _ => {}
        }
        if ends && matches!(kind, DATA | HEADERS) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// The next whole message.
    pub(crate) fn message(&mut self) -> Option<Vec<u8>> {
        let [0, a, b, c, d, rest @ ..] = &self.payload[..] else {
            return None;
        };
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let message = rest.get(..length)?.to_vec();
        self.payload.drain(..5 + length);
        self.payload.shrink_to(256);
        Some(message)
    }
}
