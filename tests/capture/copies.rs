//! What is copied, and what the services see.

use std::collections::BTreeSet;

use super::rig::caller::ask;
use super::rig::eventually;
use super::rig::server::Seen;
use super::rig::stage::Stage;

const SHADOW: &str = "10.0.0.2";

/// The only copy of a request with this path.
fn copy(stage: &Stage, path: &str) -> Seen {
    eventually(format_args!("a copy of {path}"), || {
        let copies = stage.server.of_path(SHADOW, path);
        assert!(copies.len() < 2, "{copies:?}");
        copies.into_iter().next()
    })
}

#[test]
fn requests_to_every_address_of_a_mirrored_service_are_copied_and_no_others() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    for (number, (to, host, served_by, copied_as)) in [
        (
            "10.96.0.10:8080",
            "live.pipy:8080",
            "10.0.0.1:3000",
            Some("shadow.pipy:8080"),
        ),
        (
            "10.96.0.10:8080",
            "live.pipy",
            "10.0.0.1:3000",
            Some("shadow.pipy"),
        ),
        (
            "10.96.0.10:8080",
            "live.pipy.svc.cluster.local",
            "10.0.0.1:3000",
            Some("shadow.pipy.svc.cluster.local"),
        ),
        // Whatever the caller calls it.
        (
            "10.96.0.10:8080",
            "example.org",
            "10.0.0.1:3000",
            Some("example.org"),
        ),
        (
            "10.96.0.10:8080",
            "10.96.0.10:8080",
            "10.0.0.1:3000",
            Some("10.96.0.10:8080"),
        ),
        (
            "[fd96::10]:8080",
            "live.pipy",
            "[fd00::1]:3000",
            Some("shadow.pipy"),
        ),
        (
            "10.96.0.10:9090",
            "live.pipy:9090",
            "10.0.0.1:3001",
            Some("shadow.pipy:9090"),
        ),
        // Headless: at the endpoints, ready or not, on their own port.
        (
            "10.0.0.3:3000",
            "headless.pipy",
            "10.0.0.3:3000",
            Some("shadow.pipy"),
        ),
        (
            "10.0.0.4:3000",
            "headless-0.headless.pipy",
            "10.0.0.4:3000",
            Some("headless-0.headless.pipy"),
        ),
        // A Service that no rule names, a Pod behind one that is named, and a node.
        ("10.96.0.20:8080", "other.pipy", "10.0.0.5:3000", None),
        ("10.0.0.1:3000", "live.pipy", "10.0.0.1:3000", None),
        ("10.77.0.1:3000", "live.pipy", "10.77.0.1:3000", None),
        // The sidecar has a listener on this port for itself.
        ("10.0.0.5:15021", "other.pipy", "10.0.0.5:15021", None),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        let answer = stage.get(to, host, &path);
        assert!(
            answer.ends_with(&format!("\r\n\r\n{served_by}")),
            "{to}: {answer}"
        );
        match copied_as {
            Some(host) => {
                let copy = copy(&stage, &path);
                assert_eq!(copy.header("host"), Some(host), "{to}");
                assert_eq!(copy.header("x-mirror-shadow"), Some("curl/mirror"), "{to}");
            }
            None => {
                // Long enough for a copy: that of a later request has come.
                stage.get("10.96.0.10:8080", "live.pipy", &format!("/after{path}"));
                copy(&stage, &format!("/after{path}"));
                assert!(stage.server.of_path(SHADOW, &path).is_empty(), "{to}");
            }
        }
    }
    assert!(!stage.log().contains("MP503"), "{}", stage.log());
}

#[test]
fn what_could_stall_an_upload_is_not_copied() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    let small = "x".repeat(1000);
    let large = "x".repeat(1024 * 1024 + 1);
    for (path, head, body, copied) in [
        (
            "/small",
            "content-length: 1000".to_owned(),
            small.clone(),
            true,
        ),
        (
            "/large",
            format!("content-length: {}", large.len()),
            large,
            false,
        ),
        (
            "/chunked",
            "transfer-encoding: chunked".to_owned(),
            "4\r\nbody\r\n0\r\n\r\n".to_owned(),
            false,
        ),
        (
            "/copy",
            "x-mirror-shadow: a/b\r\ncontent-length: 0".to_owned(),
            String::new(),
            false,
        ),
        (
            "/none",
            "x-mirrorplane-framing: HTTP/1.1;chunked".to_owned(),
            String::new(),
            true,
        ),
    ] {
        let mut stream = stage.network.pod.connect("10.96.0.10:8080").unwrap();
        let request = format!("POST {path} HTTP/1.1\r\nhost: live\r\n{head}\r\n\r\n{body}");
        let answer = ask(&mut stream, &request).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        let live = stage.server.of_path("10.0.0.1", path);
        assert_eq!(live.len(), 1, "{path}");
        assert_eq!(live[0].header("x-mirrorplane-framing"), None, "{path}");
        if copied {
            assert_eq!(copy(&stage, path).body, live[0].body, "{path}");
        } else {
            stage.get("10.96.0.10:8080", "live.pipy", &format!("/after{path}"));
            copy(&stage, &format!("/after{path}"));
            assert!(stage.server.of_path(SHADOW, path).is_empty(), "{path}");
        }
    }
}

/// What a server ties to a connection, such as who has logged in, must not pass to another caller.
#[test]
fn a_connection_of_a_caller_has_one_of_its_own_to_the_server() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    // More than the sidecar has threads: those on different ones have nothing in common anyhow.
    let connect = |_| stage.network.pod.connect("10.96.0.10:8080").unwrap();
    let mut callers: Vec<_> = (0..6).map(connect).collect();
    for turn in 0..3 {
        for (number, caller) in callers.iter_mut().enumerate() {
            let request = format!("GET /{number} HTTP/1.1\r\nhost: live.pipy\r\n\r\n");
            let answer = ask(caller, &request).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 Fine"), "{turn}: {answer}");
            assert!(answer.contains("X-Case: Kept"), "{turn}: {answer}");
        }
    }
    let mut used = BTreeSet::new();
    for number in 0..callers.len() {
        let seen = stage.server.of_path("10.0.0.1", &format!("/{number}"));
        let connections: BTreeSet<_> = seen.iter().map(|one| one.connection).collect();
        assert_eq!((seen.len(), connections.len()), (3, 1), "{seen:?}");
        used.extend(connections);
    }
    assert_eq!(used.len(), callers.len());
}

#[test]
fn old_and_odd_requests_are_answered_as_without_a_sidecar() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    let connect = || stage.network.pod.connect("10.96.0.10:8080").unwrap();
    let answer = ask(&mut connect(), "GET /old HTTP/1.0\r\n\r\n").unwrap();
    assert!(answer.ends_with("10.0.0.1:3000"), "{answer}");
    copy(&stage, "/old");
    for upgrade in ["websocket", "SPDY/3.1"] {
        let request = format!(
            "GET /upgrade HTTP/1.1\r\nhost: live\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\n\r\n"
        );
        let mut stream = connect();
        let answer = ask(&mut stream, &request).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        super::rig::caller::exchange(&mut stream, b"ping", "PING");
    }
    stage.get("10.96.0.10:8080", "live.pipy", "/after");
    copy(&stage, "/after");
    assert!(stage.server.of_path(SHADOW, "/upgrade").is_empty());
}
