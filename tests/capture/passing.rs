//! What is not HTTP, or not mirrored, passes byte for byte.

use std::io::{Read, Write};
use std::thread::sleep;
use std::time::Duration;

use super::rig::caller::{ask, exchange, finish};
use super::rig::eventually;
use super::rig::network::POD;
use super::rig::stage::Stage;

/// A mirrored address, and one that is not.
const BOTH: [&str; 2] = ["10.96.0.10:8080", "10.96.0.20:8080"];

#[test]
fn what_is_not_http_passes_in_both_directions_until_both_ends_are_done() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    for to in BOTH {
        let mut stream = stage.network.pod.connect(to).unwrap();
        exchange(&mut stream, b"\x00\x01 binary", "\0\u{1} BINARY");
        // Longer than anything in between may be idle.
        sleep(Duration::from_secs(3));
        exchange(&mut stream, b"more", "MORE");
        assert_eq!(finish(&mut stream), "BYE", "{to}");

        // The start of a TLS handshake: the caller's own encryption is none of the sidecar's business.
        let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
        let mut stream = stage.network.pod.connect(to).unwrap();
        exchange(&mut stream, hello, std::str::from_utf8(hello).unwrap());
        assert_eq!(finish(&mut stream), "BYE", "{to}");
    }
    assert_eq!(
        stage
            .server
            .seen_at("10.0.0.2")
            .iter()
            .filter(|one| !one.head.contains("/warm-up"))
            .count(),
        0
    );
}

/// Of port 9090 nothing says that it is HTTP, so the sidecar does not wait for its caller for ever.
#[test]
fn a_server_that_speaks_first_is_heard() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    let mut stream = stage.network.pod.connect("10.96.0.10:9090").unwrap();
    let mut greeting = [0; 9];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"GREETING\n");
    exchange(&mut stream, b"thanks", "THANKS");
    assert_eq!(finish(&mut stream), "BYE");
}

/// Port 8080 says that it is HTTP: its caller may take its time.
#[test]
fn a_connection_that_is_opened_long_before_its_first_request_is_copied_from() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    let mut stream = stage.network.pod.connect("10.96.0.10:8080").unwrap();
    sleep(Duration::from_secs(17));
    let answer = ask(&mut stream, "GET /late HTTP/1.1\r\nhost: live.pipy\r\n\r\n").unwrap();
    assert!(answer.ends_with("10.0.0.1:3000"), "{answer}");
    eventually("a copy", || {
        let copies = stage.server.of_path("10.0.0.2", "/late");
        (copies.len() == 1).then_some(())
    });
}

#[test]
fn the_ports_of_the_sidecar_lead_nowhere_else() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    // What is sent to the sidecar as such is neither answered nor sent on to itself.
    for to in ["127.0.0.1:15001", "[::1]:15001"] {
        let mut stream = stage.network.pod.connect(to).unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: loop\r\n\r\n")
            .ok();
        let mut answer = Vec::new();
        // Closed or reset.
        stream.read_to_end(&mut answer).ok();
        assert!(answer.is_empty(), "{to}: {answer:?}");
    }
    // Nobody reaches it from elsewhere, and the Pod not at its own address.
    for from in [&stage.network.pod, &stage.network.cluster] {
        let refused = from.connect(&format!("{POD}:15001"));
        assert!(refused.is_err(), "{refused:?}");
    }
    let connections = stage.admin("/stats?filter=^tcp.nowhere.downstream_cx_total$");
    assert_eq!(connections.trim(), "tcp.nowhere.downstream_cx_total: 2");
}
