//! How connections and streams begin and end: rows A16, A18, A21, A22.

use std::net::SocketAddr;
use std::time::Duration;

use mirrorplane::server::Entrance;
use mirrorplane::server::Keepalive;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio::time::timeout;
use tonic::Code;

use crate::client::Connection;
use crate::client::Delta;
use crate::client::Sotw;
use crate::client::connect;
use crate::client::connect_to;
use crate::client::versions;
use crate::world::Cluster;
use crate::world::DEADLINE;
use crate::world::Listener;
use crate::world::Runtime;
use crate::world::Server;
use crate::world::world;

/// Frame types of HTTP/2 (RFC 9113, section 6).
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

/// A client that speaks HTTP/2 frame by frame.
struct Frames {
    socket: TcpStream,
}

impl Frames {
    async fn open(server: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(server).await.expect("a connection");
        let preface = socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        preface.expect("an open socket");
        let mut frames = Self { socket };
        frames.send(SETTINGS, 0, &[]).await;
        frames
    }

    async fn send(&mut self, ty: u8, flags: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len())
            .expect("a small frame")
            .to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], ty, flags, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        let sent = self.socket.write_all(&frame).await;
        sent.expect("an open socket");
    }

    /// Type, flags and payload of the next frame; none if the connection ends.
    async fn next(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let read = async {
            let mut head = [0; 9];
            self.socket.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.socket.read_exact(&mut payload).await.ok()?;
            Some((head[3], head[4], payload))
        };
        timeout(DEADLINE, read).await.expect("a frame in time")
    }
}

/// A way to a server that can be cut: what is sent then goes nowhere, and nobody is told.
struct Wire {
    connection: Connection,
    cut: watch::Sender<bool>,
}

async fn wire(server: &Server) -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (near, far) = (listener.local_addr().expect("an address"), server.address);
    let (cut, mut is_cut) = watch::channel(false);
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a client");
        let mut server = TcpStream::connect(far).await.expect("a server");
        let copied = tokio::io::copy_bidirectional(&mut client, &mut server);
        tokio::select! {
            _ = copied => return,
            Ok(_) = is_cut.wait_for(|cut| *cut) => {}
        }
        // Both sockets stay open until the test ends.
        while is_cut.changed().await.is_ok() {}
    });
    Wire {
        connection: connect_to(near, server).await,
        cut,
    }
}

async fn server_that_asks_every(interval: Duration) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let entrance = Entrance {
        keepalive: Keepalive {
            interval,
            timeout: interval,
        },
        ..Entrance::from(listener)
    };
    Server::publishing(entrance, Some(world(&[(Cluster, "a=1"), (Runtime, "r=1")])))
}

#[tokio::test]
async fn a18_pings_on_an_idle_connection_are_answered_and_never_too_many() {
    let server = Server::of(&[]).await;
    let mut client = Frames::open(server.address).await;
    for n in 0..100_u64 {
        // No stream is open. Some come in bursts, some after a pause.
        client.send(PING, 0, &n.to_be_bytes()).await;
        if n % 10 == 9 {
            sleep(Duration::from_millis(100)).await;
        }
    }
    let mut answered = 0;
    while answered < 100 {
        let (ty, flags, payload) = client.next().await.expect("the connection is open");
        assert_ne!(ty, GOAWAY, "{payload:?}");
        if ty == PING && flags == ACK {
            assert_eq!(payload, u64::to_be_bytes(answered));
            answered += 1;
        }
    }
}

#[tokio::test]
async fn a18_a_peer_that_is_gone_without_a_word_is_dropped() {
    let server = server_that_asks_every(Duration::from_millis(500)).await;
    let mut gone = wire(&server).await;
    let mut sotw = Sotw::over(&mut gone.connection).await;
    sotw.ask(Cluster, "").await;
    sotw.take(Cluster, "a=1", "").await;
    let mut delta = Delta::over(&mut gone.connection).await;
    delta.ask(Runtime, "r", "").await;
    delta.take(Runtime, "r=1").await;
    // A peer that answers stays, however silent.
    let mut alive = Sotw::open(&server).await;
    alive.ask(Cluster, "").await;
    alive.take(Cluster, "a=1", "").await;
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(server.stats.streams_open(), 3);
    gone.cut.send_replace(true);
    server.has_streams(1).await;
    server.publish(&[(Cluster, "a=2")]);
    alive.take(Cluster, "a=2", "").await;
    drop((sotw, delta));
}

#[tokio::test]
async fn a18_the_server_asks_an_idle_connection_for_a_sign_of_life() {
    let server = server_that_asks_every(Duration::from_millis(100)).await;
    let mut client = Frames::open(server.address).await;
    let mut asked = 0;
    while asked < 3 {
        let (ty, flags, payload) = client.next().await.expect("the connection is open");
        if ty == PING && flags != ACK {
            client.send(PING, ACK, &payload).await;
            asked += 1;
        }
    }
    // From now on it says nothing.
    while client.next().await.is_some() {}
}

#[tokio::test]
async fn a16_streams_of_both_variants_leave_nothing_however_they_end() {
    const CYCLES: u64 = 500;
    let server = Server::of(&[(Cluster, "a=1"), (Runtime, "r=1")]).await;
    let mut connection = connect(&server).await;
    for round in 0..CYCLES {
        let mut own = match round % 4 {
            // A connection of its own, so that its end is the connection's.
            3 => Some(connect(&server).await),
            _ => None,
        };
        let connection = own.as_mut().unwrap_or(&mut connection);
        let mut sotw = Sotw::over(connection).await;
        let mut delta = Delta::over(connection).await;
        sotw.ask(Cluster, "").await;
        delta.ask(Runtime, "r", "").await;
        sotw.get(Cluster, "a=1").await;
        delta.get(Runtime, "r=1").await;
        match round % 4 {
            0 => {
                sotw.half_close().await.expect("a clean end");
                delta.half_close().await.expect("a clean end");
            }
            // The responses are dropped: a reset.
            1 => drop((sotw, delta)),
            // In the middle of something.
            2 => {
                sotw.ask(Listener, "").await;
                delta.ask(Listener, "*", "").await;
                drop((sotw, delta));
            }
            _ => drop((own, sotw, delta)),
        }
    }
    server.has_streams(0).await;
    assert_eq!(server.stats.streams_total(), 2 * CYCLES);
    assert!(server.stats.sidecars().is_empty());
}

#[tokio::test]
async fn a16_a_connection_that_breaks_ends_its_streams() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut relayed = wire(&server).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Sotw::over(&mut relayed.connection).await;
        client.ask(Cluster, "").await;
        client.take(Cluster, "a=1", "").await;
        clients.push(client);
    }
    server.has_streams(10).await;
    // The relay goes, and both sockets with it, in the middle of streams that are open at both ends.
    relayed.cut.send_replace(true);
    drop(relayed.cut);
    server.has_streams(0).await;
}

#[tokio::test]
async fn a21_a_stop_comes_after_a_response_and_clients_resume_where_they_were() {
    let parts = [(Cluster, "a=1 b=1")];
    let mut server = Server::of(&parts).await;
    let address = server.address;
    let mut raw = Frames::open(address).await;
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    sotw.ask(Cluster, "").await;
    let version = sotw.take(Cluster, "a=1 b=1", "").await.version_info;
    delta.ask(Cluster, "", "").await;
    let has = versions(&delta.take(Cluster, "a=1 b=1").await);
    // Nothing ends by itself: there is no greatest age.
    sotw.quiet().await;
    delta.quiet().await;
    server.stop();
    assert_eq!(
        sotw.end().await.expect_err("an error").code(),
        Code::Unavailable
    );
    assert_eq!(
        delta.end().await.expect_err("an error").code(),
        Code::Unavailable
    );
    // The connection is told as well, before it ends.
    while raw.next().await.expect("a word before the end").0 != GOAWAY {}
    drop(raw);
    drop((sotw, delta));
    server.stopped().await;

    let listener = TcpListener::bind(address).await.expect("the same port");
    let server = Server::publishing(listener.into(), Some(world(&parts)));
    let (mut sotw, mut delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    let mut request = Sotw::request(Cluster, "");
    request.version_info = version;
    sotw.send(request).await;
    delta.resume(Cluster, "", has).await;
    sotw.quiet().await;
    delta.quiet().await;
    server.publish(&[(Cluster, "a=1 b=2")]);
    sotw.take(Cluster, "a=1 b=2", "").await;
    delta.take(Cluster, "b=2").await;
}

#[tokio::test]
async fn a22_what_is_no_http2_ends_its_connection_only() {
    let server = Server::of(&[(Cluster, "a=1")]).await;
    let mut bystander = Sotw::open(&server).await;
    bystander.ask(Cluster, "").await;
    bystander.take(Cluster, "a=1", "").await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], &[0; 64]] {
        let mut socket = TcpStream::connect(server.address)
            .await
            .expect("a connection");
        // The server may hang up before it has read all of it.
        drop(socket.write_all(garbage).await);
        let mut answer = Vec::new();
        let end = timeout(DEADLINE, socket.read_to_end(&mut answer)).await;
        drop(end.expect("the connection ends"));
    }
    // Frames that belong nowhere: a reset of a stream that never was.
    let mut client = Frames::open(server.address).await;
    client.send(3, 0, &[0; 4]).await;
    while client.next().await.is_some() {}
    server.publish(&[(Cluster, "a=2")]);
    bystander.take(Cluster, "a=2", "").await;
}
