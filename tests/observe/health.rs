//! `/livez` and `/readyz`.

use std::sync::Arc;

use mirrorplane::admin;
use mirrorplane::admin::Pages;
use mirrorplane::model::GroupId;
use mirrorplane::snapshot::World;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::plane::{Plane, get, until};

#[tokio::test]
async fn ready_is_from_the_first_world_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (worlds, world) = watch::channel(None);
    let (_stop, stopping) = watch::channel(false);
    let pages = Pages::new(
        Arc::default(),
        Arc::default(),
        Arc::default(),
        world,
        stopping,
    );
    let serving = tokio::spawn(admin::serve(listener, pages));
    assert_eq!(get(address, "/livez").await.0, 200);
    let (status, why) = get(address, "/readyz").await;
    assert_eq!((status, &*why), (503, "the sources are not read yet\n"));
    worlds.send_replace(Some(Arc::new(World {
        groups: Default::default(),
        nodes: Default::default(),
        fallback: GroupId::new("fallback"),
        exceptions: Default::default(),
    })));
    assert_eq!(get(address, "/readyz").await.0, 200);
    serving.abort();
}

#[tokio::test]
async fn a_stopping_control_plane_is_live_and_not_ready() {
    let mut plane = Plane::start().await;
    // A client that starts HTTP/2 and then says nothing more: the server waits for it for a while before it stops.
    let mut silent = TcpStream::connect(plane.ads).await.unwrap();
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    silent.write_all(hello).await.unwrap();
    // The server has taken it up when it says something itself.
    silent.readable().await.unwrap();
    assert_eq!(plane.get("/readyz").await.0, 200);
    plane.stop();
    until(|| async { plane.get("/readyz").await == (503, "stopping\n".to_owned()) }).await;
    assert_eq!(plane.get("/livez").await.0, 200);
    plane.stopped().await;
}

#[tokio::test]
async fn there_is_a_list_of_the_pages_and_nothing_else() {
    let plane = Plane::start().await;
    let (status, index) = plane.get("/").await;
    assert_eq!(status, 200);
    for path in index.lines().filter(|line| line.starts_with('/')) {
        assert_eq!(plane.get(path).await.0, 200, "{path}");
    }
    assert_eq!(plane.get("/config_dump").await.0, 404);
}
