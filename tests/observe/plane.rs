//! A control plane in this process on the example of the README, and the pages of its admin address.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mirrorplane::app;
use mirrorplane::resolve::Settings;
use mirrorplane::server::Stats;
use mirrorplane::source::Source;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The longest that anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The example that the README uses.
const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/deploy/examples/traffic-mirror"
);

/// A copy of the example.
pub(crate) fn example() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(EXAMPLE).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

/// Writes other text in the place of some in a file, as an editor does: the new file replaces the old one.
pub(crate) fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is in {file}");
    let draft = folder.join(".draft");
    fs::write(&draft, text.replace(from, to)).unwrap();
    fs::rename(draft, path).unwrap();
}

/// A running control plane; dropping it ends it.
pub(crate) struct Plane {
    pub(crate) ads: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Plane {
    /// Starts it, and waits until it is ready.
    pub(crate) async fn start() -> Self {
        let folder = example();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ads, admin_address) = (listener.local_addr().unwrap(), admin.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let config = app::Config {
            webhook: None,
            source: Source::Folder(folder.path().to_owned()),
            entrance: listener.into(),
            settings: Settings::default(),
            rollout: Default::default(),
            stats: Arc::new(Stats::default()),
            admin: Some(admin),
        };
        let task = tokio::spawn(async {
            let shutdown = async {
                stopped.await.ok();
            };
            app::run(config, shutdown).await.unwrap();
        });
        let plane = Self {
            ads,
            admin: admin_address,
            folder,
            stop: Some(stop),
            task,
        };
        until(|| async { plane.get("/readyz").await.0 == 200 }).await;
        plane
    }

    /// Status and body of a page.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        get(self.admin, path).await
    }

    /// The value of a series: name and labels as the page has them.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        metric(self.admin, series).await
    }

    /// The nodes that are connected.
    pub(crate) async fn nodes(&self) -> Vec<Value> {
        let (status, text) = self.get("/nodes").await;
        assert_eq!(status, 200);
        let page: Value = serde_json::from_str(&text).unwrap();
        page["nodes"].as_array().unwrap().clone()
    }

    /// Asks it to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(&mut self) {
        timeout(DEADLINE, &mut self.task).await.unwrap().unwrap();
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The value of a series at an admin address.
pub(crate) async fn metric(server: SocketAddr, series: &str) -> f64 {
    let (status, text) = get(server, "/metrics").await;
    assert_eq!(status, 200);
    let mut values = text.lines().filter_map(|line| line.rsplit_once(' '));
    let found = values.find(|(name, _)| *name == series);
    let (_, value) = found.unwrap_or_else(|| panic!("{series} is in\n{text}"));
    value.parse().unwrap()
}

/// Status and body of a page.
pub(crate) async fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let exchange = async {
        let mut socket = TcpStream::connect(server).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(DEADLINE, exchange).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(mut is: impl FnMut() -> F) {
    let wait = async {
        while !is().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, wait)
        .await
        .expect("it comes true in time");
}
