//! A Pod in quarantine: what is live sees nothing of it, by whatever address it tries.

use std::io::{Read, Write};

use super::rig::caller::{ask, exchange, finish};
use super::rig::eventually;
use super::rig::stage::Stage;

/// Asks with this method: the status and the body of the answer.
fn asks(stage: &Stage, method: &str, to: &str, path: &str) -> (u16, String) {
    let mut stream = stage.network.pod.connect(to).unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: any\r\ncontent-length: 0\r\n\r\n");
    let answer = ask(&mut stream, &request).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// What comes back on a connection, until it is closed, if this is said first.
fn says(stage: &Stage, to: &str, sent: &[u8]) -> String {
    let mut stream = stage.network.pod.connect(to).unwrap();
    stream.write_all(sent).ok();
    let mut answer = Vec::new();
    // Closed or reset.
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A Service, the Pods behind it, a virtual address of a Service, and one of both families.
const LIVE: [&str; 5] = [
    "10.96.0.10:8080",
    "10.0.0.1:3000",
    "10.96.0.20:8080",
    "[fd96::10]:8080",
    // A Pod of which nothing is known, on a port that a live Service has.
    "10.0.0.5:3000",
];

#[test]
fn only_reads_reach_what_is_live() {
    let Some(stage) = Stage::new(true) else {
        return;
    };
    stage.quarantine("read-only");
    for to in LIVE {
        let (status, body) = asks(&stage, "POST", to, "/post");
        assert_eq!(status, 403, "{to}: {body}");
        assert!(body.contains("curl/quarantine"), "{to}: {body}");
        let (status, served_by) = asks(&stage, "GET", to, "/get");
        assert_eq!(status, 200, "{to}: {served_by}");
        // What nobody can tell the meaning of.
        assert_eq!(says(&stage, to, b"\x01 raw\n"), "", "{to}");
        let upgrade =
            "GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        let mut stream = stage.network.pod.connect(to).unwrap();
        let answer = ask(&mut stream, upgrade).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{to}: {answer}");
        let mut stream = stage.network.pod.connect(to).unwrap();
        let answer = ask(&mut stream, "CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n").unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{to}: {answer}");
    }
    // A server that speaks first is not heard.
    assert_eq!(says(&stage, "10.96.0.10:9090", b""), "");
    for ip in ["10.0.0.1", "10.0.0.5", "fd00::1"] {
        let seen = stage.server.seen_at(ip);
        let reads = |head: &str| head.starts_with("GET /get ") || head.contains("/warm-up");
        assert!(seen.iter().all(|one| reads(&one.head)), "{seen:?}");
        assert!(!seen.is_empty(), "{ip}");
    }

    // Who receives nothing but copies, and ports of nobody.
    let (status, served_by) = asks(&stage, "POST", "10.0.0.6:3000", "/own");
    assert_eq!((status, &*served_by), (200, "10.0.0.6:3000"));
    for to in ["10.0.0.6:3000", "10.0.0.5:15021"] {
        let mut stream = stage.network.pod.connect(to).unwrap();
        exchange(&mut stream, b"\x01 raw", "\u{1} RAW");
        assert_eq!(finish(&mut stream), "BYE", "{to}");
    }

    // Counted by the sidecar, and told.
    let counted = stage.admin("/stats?filter=^tcp.quarantine.downstream_cx_total$");
    assert_eq!(counted.trim(), "tcp.quarantine.downstream_cx_total: 5");
    eventually("it is told what was refused", || {
        let log = stage.log();
        let all = ["MP354", "`POST any` (5 or more)", "`TCP 10.0.0.1:3000` (1)"];
        all.iter().all(|what| log.contains(what)).then_some(())
    });
    assert!(!stage.log().contains("MP503"), "{}", stage.log());
}

#[test]
fn nothing_reaches_what_is_live_until_it_is_over() {
    let Some(stage) = Stage::new(true) else {
        return;
    };
    stage.quarantine("deny");
    for to in LIVE {
        assert_eq!(asks(&stage, "GET", to, "/get").0, 403, "{to}");
        assert_eq!(says(&stage, to, b"\x01 raw\n"), "", "{to}");
    }
    let (status, _) = asks(&stage, "POST", "10.0.0.6:3000", "/own");
    assert_eq!(status, 200);
    stage.release();
    for to in LIVE {
        assert_eq!(asks(&stage, "POST", to, "/post").0, 200, "{to}");
        let mut stream = stage.network.pod.connect(to).unwrap();
        exchange(&mut stream, b"\x01 raw", "\u{1} RAW");
        assert_eq!(finish(&mut stream), "BYE", "{to}");
    }
}

/// An application starts when its sidecar is ready.
#[test]
fn not_even_the_first_request_passes() {
    let Some(stage) = Stage::held("deny") else {
        return;
    };
    for to in LIVE {
        assert_eq!(asks(&stage, "GET", to, "/first").0, 403, "{to}");
    }
    for ip in ["10.0.0.1", "10.0.0.5", "fd00::1"] {
        let seen = stage.server.seen_at(ip);
        assert!(seen.is_empty(), "{seen:?}");
    }
}
