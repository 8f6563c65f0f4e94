//! The caller sees what it would see without a sidecar.

use bytes::Bytes;
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use hyper::{Request, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::rig::caller::{Caller, call_http2};
use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

#[tokio::test(flavor = "multi_thread")]
async fn status_headers_and_body_are_those_of_the_live_service() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let direct = format!("http://{}/x?y=1", stage.live.address);
        let expected = Caller::connect(stage.live.address)
            .await
            .call("PUT", &direct, b"body")
            .await
            .unwrap();
        let seen = stage
            .caller()
            .await
            .call("PUT", &format!("{URL}x?y=1"), b"body")
            .await
            .unwrap();
        assert_eq!(seen.status(), expected.status(), "{stage}");
        assert_eq!(seen.body(), expected.body(), "{stage}");
        let mut headers = seen.headers().clone();
        let mut wanted = expected.headers().clone();
        // The time may differ by a second.
        headers.remove("date");
        wanted.remove("date");
        assert_eq!(headers, wanted, "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_carried_and_copied() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let body = Bytes::from(vec![b'x'; 100_000]);
        let request = Request::post(format!("{URL}h2"))
            .header("content-length", body.len())
            .body(Full::new(body.clone()))
            .unwrap();
        let answer = call_http2(stage.sidecar.proxy, request).await;
        assert_eq!(
            (answer.status().as_u16(), answer.body()),
            (200, &body),
            "{stage}"
        );
        let copy = eventually(format_args!("{stage}: a copy"), || async {
            stage.shadow.seen().pop()
        })
        .await;
        assert_eq!(
            (copy.host.as_str(), &copy.body),
            ("pipy-ok-v2.pipy:8080", &body),
            "{stage}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_stream_of_unknown_length_is_copied_frame_by_frame() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        // The name of a port says what it speaks.
        for file in ["services.yaml", "endpoints.yaml"] {
            stage
                .mesh
                .edit(file, "- name: pipy\n", "- name: grpc-pipy\n");
        }
        let copy = eventually(format_args!("{stage}: a copy over HTTP/2"), || async {
            stage.shadow.forget();
            let frames = ["one", "two"].map(|text| Ok(Frame::data(Bytes::from(text))));
            let request = Request::post(format!("{URL}pkg.Service/Method"))
                .version(Version::HTTP_2)
                .header("content-type", "application/grpc")
                .body(StreamBody::new(tokio_stream::iter(frames)))
                .unwrap();
            let answer = call_http2(stage.sidecar.proxy, request).await;
            stage.shadow.settled().await;
            let copy = stage.shadow.seen().pop()?;
            (answer.status() == 200 && copy.version == Version::HTTP_2).then_some(copy)
        })
        .await;
        assert_eq!(&copy.body[..], b"onetwo", "{stage}");
        assert!(!copy.headers.contains_key("content-length"), "{stage}");
        stage.assert_no_nack();
    }
}

/// A service that speaks its own protocol after an upgrade: it sends back what it is sent.
async fn upgrading_service() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_connection_passes_and_is_not_copied() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let service = upgrading_service().await;
        let old = format!("port: {}", stage.live.address.port());
        stage.mesh.edit(
            "endpoints.yaml",
            &old,
            &format!("port: {}", service.local_addr().unwrap().port()),
        );
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = service.accept().await {
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
                    stream.write_all(answer.as_bytes()).await?;
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        let echoed = eventually(format_args!("{stage}: an upgraded connection"), || async {
            let mut stream = TcpStream::connect(stage.sidecar.proxy).await.ok()?;
            let head = format!(
                "GET {URL}ws HTTP/1.1\r\nhost: pipy-ok-v1.pipy:8080\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                answer.push(stream.read_u8().await.ok()?);
            }
            if !answer.starts_with(b"HTTP/1.1 101") {
                return None;
            }
            stream.write_all(b"ping").await.ok()?;
            let mut echoed = [0; 4];
            stream.read_exact(&mut echoed).await.ok()?;
            Some(echoed)
        })
        .await;
        assert_eq!(&echoed, b"ping", "{stage}");
        stage.shadow.settled().await;
        let copies = stage
            .shadow
            .seen()
            .into_iter()
            .filter(|copy| copy.path == "/ws")
            .count();
        assert_eq!(copies, 0, "{stage}: an upgrade is never copied");
    }
}
