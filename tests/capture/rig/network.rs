//! Two network namespaces, joined by a cable: a Pod, and all the rest of a cluster.

use std::fs::File;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::can_make_networks;

/// The Pod's own address.
pub(crate) const POD: &str = "10.77.0.2";
/// The node's.
pub(crate) const NODE: &str = "10.77.0.1";

/// The virtual addresses, translated as kube-proxy does.
const SERVICES: &str = "table inet kube-proxy {
  chain services {
    type nat hook prerouting priority -100
    ip daddr 10.96.0.10 tcp dport 8080 dnat ip to 10.0.0.1:3000
    ip daddr 10.96.0.10 tcp dport 9090 dnat ip to 10.0.0.1:3001
    ip6 daddr fd96::10 tcp dport 8080 dnat ip6 to [fd00::1]:3000
    ip daddr 10.96.0.20 tcp dport 8080 dnat ip to 10.0.0.5:3000
  }
}";

/// A network namespace; it goes away with this.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    fn new(role: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mp-{}-{number}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let file = File::open(format!("/run/netns/{name}")).unwrap();
        let this = Self { name, file };
        this.ip("link set lo up");
        this
    }

    /// Does something in the namespace. Sockets that it opens and processes that it starts stay there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(self.file.as_fd(), network).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    /// Opens a connection from here.
    pub(crate) fn connect(&self, to: &str) -> std::io::Result<TcpStream> {
        let address = to.parse().unwrap();
        let stream = self.inside(|| TcpStream::connect_timeout(&address, super::DEADLINE))?;
        stream.set_read_timeout(Some(super::DEADLINE))?;
        stream.set_write_timeout(Some(super::DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Runs a command here to its end: whether it succeeded, and what it said.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.inside(|| Command::new(program).args(arguments).output().unwrap());
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Runs a command that has to succeed.
    pub(crate) fn must(&self, program: &str, arguments: &[&str]) -> String {
        let (status, said) = self.run(program, arguments);
        assert_eq!(status, Some(0), "{program} {arguments:?}: {said}");
        said
    }

    fn ip(&self, words: &str) {
        let words: Vec<_> = ["-n", &self.name]
            .into_iter()
            .chain(words.split(' '))
            .collect();
        ip(&words);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        Command::new("ip")
            .args(["netns", "del", &self.name])
            .status()
            .ok();
    }
}

fn ip(words: &[&str]) {
    let output = Command::new("ip").args(words).output().unwrap();
    assert!(output.status.success(), "ip {words:?}: {output:?}");
}

/// A Pod at 10.77.0.2 and fd77::2, and a cluster with the addresses 10.0.0.1 to 10.0.0.9 and fd00::1, besides virtual ones.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) pod: Namespace,
    pub(crate) cluster: Namespace,
}

impl Network {
    /// `None` if no namespaces can be made here.
    pub(crate) fn new() -> Option<Self> {
        if !can_make_networks() {
            return None;
        }
        let (pod, cluster) = (Namespace::new("pod"), Namespace::new("cluster"));
        pod.ip(&format!(
            "link add eth0 type veth peer name eth0 netns {}",
            cluster.name
        ));
        for (namespace, number) in [(&cluster, 1), (&pod, 2)] {
            namespace.ip(&format!("addr add 10.77.0.{number}/24 dev eth0"));
            namespace.ip(&format!("addr add fd77::{number}/64 dev eth0 nodad"));
            namespace.ip("link set eth0 up");
        }
        pod.ip(&format!("route add default via {NODE}"));
        pod.ip("-6 route add default via fd77::1");
        for number in 1..=9 {
            cluster.ip(&format!("addr add 10.0.0.{number}/32 dev lo"));
        }
        cluster.ip("addr add fd00::1/128 dev lo nodad");
        cluster.must("nft", &[SERVICES]);
        // IPv6 takes a moment to find its neighbour.
        super::eventually("the namespaces are joined", || {
            let to = "[fd00::1]:1".parse().unwrap();
            let refused = pod.inside(|| TcpStream::connect_timeout(&to, Duration::from_secs(1)));
            let kind = refused.err()?.kind();
            (kind == std::io::ErrorKind::ConnectionRefused).then_some(())
        });
        Some(Self { pod, cluster })
    }
}
