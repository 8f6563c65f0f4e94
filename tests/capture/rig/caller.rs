//! What an application does with a connection.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

/// Sends something, and reads as much as is expected.
pub(crate) fn exchange(stream: &mut TcpStream, sent: &[u8], expected: &str) {
    stream.write_all(sent).unwrap();
    let mut read = vec![0; expected.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(String::from_utf8_lossy(&read), expected);
}

/// Has nothing more to say, and reads to the end.
pub(crate) fn finish(stream: &mut TcpStream) -> String {
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    rest
}

/// Sends the text of a request, and reads the answer, head and body.
pub(crate) fn ask(stream: &mut TcpStream, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    answer(stream)
}

/// Reads an answer whose body has a `content-length`, or none.
pub(crate) fn answer(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).map_or(0, |rest| {
        rest.split("\r\n").next().unwrap().parse().unwrap()
    });
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    answer.extend(body);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
