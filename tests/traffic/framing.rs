//! Which requests are copied goes by how their bodies are delimited, which only the wire shows: these callers write bytes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::rig::DEADLINE;
use super::rig::caller::call_http2;
use super::rig::echo::Manner;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

/// Far more than the buffers between a caller and a shadow hold.
const UPLOAD: usize = 20 * 1024 * 1024;
/// Well below the 5 s after which a copy that holds up its caller is ended.
const AT_ONCE: Duration = Duration::from_secs(3);
const NOTE: &str = "x-mirrorplane-framing";

/// The head of a request in absolute form, as to a proxy.
fn head(method: &str, url: &str, fields: &[&str]) -> Vec<u8> {
    let authority = url.parse::<hyper::Uri>().unwrap();
    let mut text = format!(
        "{method} {url} HTTP/1.1\r\nhost: {}\r\n",
        authority.authority().unwrap()
    );
    for field in fields {
        write!(text, "{field}\r\n").unwrap();
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// A body in chunks of 64 KiB.
fn chunks(mut left: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(left + left / 1024);
    while left > 0 {
        let size = left.min(64 * 1024);
        bytes.extend(format!("{size:x}\r\n").into_bytes());
        bytes.resize(bytes.len() + size, b'x');
        bytes.extend(b"\r\n");
        left -= size;
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Sends the bytes of a request on a connection of its own, and yields the status of the answer.
async fn exchange(proxy: SocketAddr, request: &[u8]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8_lossy(&answer);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    timeout(DEADLINE, exchange).await.expect("an answer")
}

/// Sends a chunked request, and checks that the live service got it whole.
async fn upload(stage: &Stage, method: &str, size: usize, fields: &[&str]) {
    let fields = [&["transfer-encoding: chunked"], fields].concat();
    let request = [head(method, URL, &fields), chunks(size)].concat();
    stage.live.forget();
    assert_eq!(
        exchange(stage.sidecar.proxy, &request).await,
        "200",
        "{stage}: {method}"
    );
    let seen = stage.live.seen().pop().unwrap();
    assert_eq!(
        (seen.method.as_str(), seen.body.len()),
        (method, size),
        "{stage}"
    );
}

fn assert_unmarked(stage: &Stage) {
    for seen in [stage.live.seen(), stage.shadow.seen()].concat() {
        assert!(!seen.headers.contains_key(NOTE), "{stage}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_waits_for_no_shadow_whatever_the_method() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::with_shadow(plane, Manner::Hangs).await else {
            continue;
        };
        for method in ["GET", "OPTIONS", "DELETE", "POST"] {
            let start = Instant::now();
            upload(&stage, method, UPLOAD, &[]).await;
            let elapsed = start.elapsed();
            eprintln!(
                "{stage}: a chunked {method} of 20 MiB, the shadow does not read: {elapsed:?}"
            );
            assert!(elapsed < AT_ONCE, "{stage}: {method} took {elapsed:?}");
        }
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_is_not_copied() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let forged = format!("X-Mirrorplane-Framing: HTTP/1.1;\r\n{NOTE}: HTTP/1.1;");
        for method in ["GET", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"] {
            upload(&stage, method, 100_000, &[]).await;
            assert_unmarked(&stage);
            // A caller cannot say of its own body that there is none.
            upload(&stage, method, 100_000, &[&forged]).await;
            assert_unmarked(&stage);
        }
        assert_eq!(stage.shadow.settled().await, 0, "{stage}");
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_body_is_copied_whatever_the_method() {
    let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        // A caller cannot say that there is a body either.
        let forged = format!("{NOTE}: HTTP/1.1;chunked");
        for fields in [&[][..], &["connection: close"], &[&*forged]] {
            stage.shadow.forget();
            for method in methods {
                let request = head(method, URL, fields);
                assert_eq!(exchange(stage.sidecar.proxy, &request).await, "200");
            }
            stage.shadow.settled().await;
            let mut copied: Vec<_> = stage
                .shadow
                .seen()
                .into_iter()
                .map(|copy| copy.method)
                .collect();
            copied.sort_by_key(|copy| methods.iter().position(|method| method == copy));
            assert_eq!(copied, methods, "{stage}: {fields:?}");
            assert_unmarked(&stage);
        }
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_what_reads_is_copied_and_what_may_upload_is_not() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        for (method, copied) in [("GET", true), ("HEAD", true), ("DELETE", false)] {
            stage.shadow.forget();
            let request = Request::builder()
                .method(method)
                .uri(URL)
                .version(Version::HTTP_2)
                .body(Full::<Bytes>::default())
                .unwrap();
            assert_eq!(call_http2(stage.sidecar.proxy, request).await.status(), 200);
            let copies = usize::from(copied);
            assert_eq!(stage.shadow.settled().await, copies, "{stage}: {method}");
            assert_unmarked(&stage);
        }
        stage.shadow.forget();
        let frames = ["one", "two"].map(|text| Ok(Frame::data(Bytes::from(text))));
        let request = Request::post(URL)
            .version(Version::HTTP_2)
            .body(StreamBody::new(tokio_stream::iter(frames)))
            .unwrap();
        let answer = call_http2(stage.sidecar.proxy, request).await;
        assert_eq!(&answer.body()[..], b"onetwo", "{stage}");
        assert_eq!(stage.shadow.settled().await, 0, "{stage}");
        assert_unmarked(&stage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_over_http2_with_a_large_body_is_answered_although_it_may_wait() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::with_shadow(plane, Manner::Hangs).await else {
            continue;
        };
        let piece = Bytes::from(vec![b'x'; 64 * 1024]);
        let frames = vec![piece; UPLOAD / (64 * 1024)];
        let frames = frames.into_iter().map(|piece| Ok(Frame::data(piece)));
        let request = Request::get(URL)
            .version(Version::HTTP_2)
            .body(StreamBody::new(tokio_stream::iter(frames)))
            .unwrap();
        let start = Instant::now();
        let answer = call_http2(stage.sidecar.proxy, request).await;
        eprintln!(
            "{stage}: a GET of 20 MiB over HTTP/2, the shadow does not read: {:?}",
            start.elapsed()
        );
        assert_eq!(
            (answer.status().as_u16(), answer.body().len()),
            (200, UPLOAD)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_the_framing_leaves_no_sidecar() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let passed = format!("http://{}/passed", stage.live.address);
        let forged = format!("{NOTE}: forged");
        let upgrade = ["connection: upgrade", "upgrade: websocket", &*forged];
        for (url, fields) in [
            (URL, &[&*forged][..]),
            (URL, &upgrade),
            (&passed, &[&*forged]),
            (&passed, &upgrade),
        ] {
            stage.live.forget();
            let request = head("GET", url, fields);
            assert_eq!(exchange(stage.sidecar.proxy, &request).await, "200");
            assert_eq!(stage.live.count(), 1, "{stage}: {url} {fields:?}");
            assert_unmarked(&stage);
        }
        assert_eq!(stage.shadow.settled().await, 1, "{stage}: the first alone");
        assert_unmarked(&stage);
    }
}
