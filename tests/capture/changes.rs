//! What changes while connections are open, and a control plane that is not there.

use std::io::Write;

use super::rig::caller::{answer, ask, exchange, finish};
use super::rig::stage::Stage;

#[test]
fn a_mirror_comes_and_goes_without_disturbing_what_is_open() {
    let Some(stage) = Stage::new(true) else {
        return;
    };
    let connect = |to| stage.network.pod.connect(to).unwrap();
    let half = |path: &str| {
        let mut stream = connect("10.96.0.10:8080");
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: live.pipy\r\ncontent-length: 8\r\n\r\nhalf");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut raw = connect("10.96.0.10:8080");
    exchange(&mut raw, b"\x01 before", "\u{1} BEFORE");
    let mut elsewhere = connect("10.96.0.20:8080");
    exchange(&mut elsewhere, b"\x01 before", "\u{1} BEFORE");
    let mut request = half("/before");

    stage.mirror();
    exchange(&mut raw, b"between", "BETWEEN");
    exchange(&mut elsewhere, b"between", "BETWEEN");
    request.write_all(b"half").unwrap();
    assert!(answer(&mut request).unwrap().ends_with("10.0.0.1:3000"));
    let mut captured = connect("10.96.0.10:8080");
    exchange(&mut captured, b"\x01 between", "\u{1} BETWEEN");
    let mut request = half("/between");

    stage.unmirror();
    request.write_all(b"half").unwrap();
    assert!(answer(&mut request).unwrap().ends_with("10.0.0.1:3000"));
    exchange(&mut captured, b"after", "AFTER");
    for mut stream in [raw, elsewhere, captured] {
        assert_eq!(finish(&mut stream), "BYE");
    }
    let passed = stage.get("10.96.0.10:8080", "live.pipy", "/after");
    assert!(passed.ends_with("10.0.0.1:3000"), "{passed}");
    assert!(stage.server.of_path("10.0.0.2", "/after").is_empty());
    assert!(stage.server.of_path("10.0.0.2", "/before").is_empty());
}

#[test]
fn without_a_control_plane_everything_passes() {
    let Some(stage) = Stage::new(false) else {
        return;
    };
    for (to, served_by) in [
        ("10.96.0.10:8080", "10.0.0.1:3000"),
        ("[fd96::10]:8080", "[fd00::1]:3000"),
        ("10.0.0.3:3000", "10.0.0.3:3000"),
    ] {
        let mut stream = stage.network.pod.connect(to).unwrap();
        let answer = ask(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert!(answer.ends_with(served_by), "{to}: {answer}");
        let mut stream = stage.network.pod.connect(to).unwrap();
        exchange(&mut stream, b"\x01 raw", "\u{1} RAW");
        assert_eq!(finish(&mut stream), "BYE", "{to}");
    }
    let mut stream = stage.network.pod.connect("10.96.0.10:9090").unwrap();
    exchange(&mut stream, b"", "GREETING\n");
    let redirected = stage.admin("/stats?filter=^tcp.original-destination.downstream_cx_total$");
    assert_eq!(
        redirected.trim(),
        "tcp.original-destination.downstream_cx_total: 7"
    );
}
