//! Network namespaces: one of the node, which every Pod is linked to, and one of each Pod.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpListener, TcpStream};

/// The addresses of Services.
const SERVICES: &str = "10.0.0.0/16";
/// The addresses that Pods have according to the cluster.
const PODS: &str = "10.200.0.0/16";
/// Where a Pod's default route leads.
const GATEWAY: &str = "169.254.1.1";

/// A network namespace; it goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Network {
    name: String,
    file: File,
}

impl Network {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mp-{}-{count}", std::process::id());
        ip(&["netns", "add", &name]);
        let file = File::open(format!("/run/netns/{name}")).unwrap();
        let this = Self { name, file };
        this.ip(&["link", "set", "lo", "up"]);
        this
    }

    fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }

    /// Runs a program in it, with mounts of its own.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Does something in it. What is opened there stays there.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(self.file.as_fd(), kind).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    /// A socket that listens in it.
    pub(crate) fn listen(&self, address: SocketAddr) -> TcpListener {
        let listener = self.inside(|| std::net::TcpListener::bind(address));
        let listener = listener.unwrap_or_else(|error| panic!("{address}: {error}"));
        listener.set_nonblocking(true).unwrap();
        TcpListener::from_std(listener).unwrap()
    }

    /// A connection from it.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let limit = Duration::from_secs(5);
        let stream = self.inside(|| std::net::TcpStream::connect_timeout(&address, limit))?;
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let deleted = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        assert!(deleted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// The node: every address of a Service, and of a Pod according to the cluster, is one of its own.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) network: Network,
    next: AtomicU8,
}

impl Node {
    /// `None` if this machine does not let us: in CI that is a failure, elsewhere it is said loudly.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(
                std::env::var_os("CI").is_none(),
                "network namespaces need root"
            );
            eprintln!("SKIPPED: network namespaces need root");
            return None;
        }
        let network = Network::new();
        for range in [SERVICES, PODS] {
            network.ip(&["route", "add", "local", range, "dev", "lo"]);
        }
        Some(Self {
            network,
            next: AtomicU8::new(1),
        })
    }

    /// A network for a Pod that connects to others.
    pub(crate) fn pod(&self) -> Network {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::new(10, 201, 0, number);
        let pod = Network::new();
        let (link, route) = (format!("pod{number}"), format!("{address}/32"));
        let node = &self.network;
        node.ip(&[
            "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &pod.name,
        ]);
        node.ip(&["address", "add", &format!("{GATEWAY}/32"), "dev", &link]);
        node.ip(&["link", "set", &link, "up"]);
        node.ip(&["route", "add", &route, "dev", &link]);
        pod.ip(&["address", "add", &route, "dev", "eth0"]);
        pod.ip(&["link", "set", "eth0", "up"]);
        pod.ip(&[
            "route", "add", "default", "via", GATEWAY, "dev", "eth0", "onlink",
        ]);
        pod
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output();
    let output = output.expect("`ip` is there: install iproute2");
    assert!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
