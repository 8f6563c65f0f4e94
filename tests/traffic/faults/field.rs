//! One sidecar whose application calls many services, each with a shadow in a trouble of its own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::live::Live;
use super::loads::{Callers, Load};
use super::trouble::{Shadow, Trouble};
use crate::rig::control_plane::ControlPlane;
use crate::rig::eventually;
use crate::rig::sidecar::{Kind, Plane, Sidecar};

/// All parts, started.
#[derive(Debug)]
pub(crate) struct Field {
    // Dropped in this order: the sidecar before the control plane that it would try to reach.
    pub(crate) sidecar: Sidecar,
    control_plane: ControlPlane,
    folder: TempDir,
    /// By trouble, and whether copies come as HTTP/2.
    pub(crate) shadows: BTreeMap<(Trouble, bool), Shadow>,
    _live: Live,
}

impl Field {
    /// The live service takes so long for an answer, and the work of the shadows is done by that runtime. `None` if there
    /// is no Envoy to start.
    pub(crate) async fn start(plane: Plane, work: Duration, shadows_on: &Handle) -> Option<Self> {
        let live = Live::start(work).await;
        let mut shadows = BTreeMap::new();
        for trouble in Trouble::ALL {
            for is_grpc in [false, true] {
                shadows.insert((trouble, is_grpc), Shadow::start(trouble, shadows_on).await);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let mut objects = HEAD.to_owned();
        for trouble in [Trouble::NotMirrored].iter().chain(&Trouble::ALL) {
            add(
                &mut objects,
                *trouble,
                live.address,
                ports(&shadows, *trouble),
            );
        }
        fs::write(folder.path().join("objects.yaml"), objects).unwrap();
        endpoints(&folder, ports(&shadows, Trouble::Flaps));
        let control_plane = ControlPlane::start(folder.path()).await;
        let sidecar = Sidecar::start(plane, &control_plane).await?;
        let this = Self {
            sidecar,
            control_plane,
            folder,
            shadows,
            _live: live,
        };
        for load in [Load::Get, Load::GrpcCall] {
            let host = Self::host(Trouble::Nothing, load);
            let callers = Callers::new(this.sidecar.proxy);
            let accepted = || this.shadows[&(Trouble::Nothing, load.is_grpc())].accepted();
            let before = accepted();
            eventually(format_args!("{plane}: {load:?} works"), || async {
                let outcome = callers.drive(load, &host, 1, Duration::ZERO).await;
                (outcome.failures.is_empty() && accepted() > before).then_some(())
            })
            .await;
        }
        Some(this)
    }

    /// Where requests go whose copies go to the shadow with this trouble.
    pub(crate) fn host(trouble: Trouble, load: Load) -> String {
        format!("{}.pipy:8080", service(trouble, load))
    }

    /// Lets the endpoints of the shadow that flaps come and go, for ever.
    pub(crate) async fn flap(&self) {
        let at = ports(&self.shadows, Trouble::Flaps);
        let gone = ports(&self.shadows, Trouble::Refuses);
        loop {
            for now in [None, at, gone, at] {
                endpoints(&self.folder, now);
                sleep(Duration::from_millis(120)).await;
            }
        }
    }

    /// The copies of such requests that are under way to a shadow, and the memory of the sidecar in KiB; `None` if it is no
    /// more.
    ///
    /// The shim keeps no such number: there it is the connections to the shadow, idle ones included, each of which has
    /// one copy at most.
    pub(crate) async fn measure(&self, trouble: Trouble, load: Load) -> Option<(u64, u64)> {
        let shadow = self.shadows.get(&(trouble, load.is_grpc()));
        let copies = match (shadow, self.sidecar.plane.kind) {
            (None, _) => 0,
            (Some(_), Kind::Envoy) => self.stat(trouble, load, "upstream_rq_active").await,
            (Some(shadow), Kind::Shim) => connections(shadow.address) - shadow.held(),
        };
        let status = fs::read_to_string(format!("/proc/{}/status", self.sidecar.pid())).ok()?;
        let memory = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?
            .trim_end_matches("kB");
        Some((copies, memory.trim().parse().ok()?))
    }

    /// A statistic of the cluster of such copies.
    pub(crate) async fn stat(&self, trouble: Trouble, load: Load, name: &str) -> u64 {
        let service = service(trouble, load);
        let target = trouble.label();
        let port = if load.is_grpc() { 9090 } else { 8080 };
        let cluster = format!("shadow|curl/{service}|pipy/shadow-{target}|{port}");
        self.sidecar.stat_of(&cluster, name).await
    }

    /// No sidecar has rejected anything.
    pub(crate) fn assert_no_nack(&self) {
        let log = self.control_plane.log();
        assert!(!log.contains("MP503"), "a NACK:\n{log}");
    }
}

/// Where a shadow listens for HTTP/1 and for HTTP/2.
fn ports(shadows: &BTreeMap<(Trouble, bool), Shadow>, trouble: Trouble) -> Option<[u16; 2]> {
    let port = |is_grpc| Some(shadows.get(&(trouble, is_grpc))?.address.port());
    Some([port(false)?, port(true)?])
}

/// Connections to a local port, and attempts, as the kernel lists them.
fn connections(to: SocketAddr) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", to.port());
    let is_open = |line: &&str| {
        let mut columns = line.split_whitespace().skip(2);
        let remote = columns.next().is_some_and(|remote| remote.ends_with(&port));
        // Established, or the first packet sent.
        remote
            && columns
                .next()
                .is_some_and(|state| matches!(state, "01" | "02"))
    };
    table.lines().filter(is_open).count() as u64
}

/// Services whose copies go out as HTTP/2 are others than those whose copies go out as HTTP/1.
fn service(trouble: Trouble, load: Load) -> String {
    let kind = if load.is_grpc() { "grpc" } else { "http" };
    format!("live-{}-{kind}", trouble.label())
}

/// The services of a shadow, with the rules that mirror to it.
fn add(objects: &mut String, trouble: Trouble, live: SocketAddr, shadow: Option<[u16; 2]>) {
    let target = format!("shadow-{}", trouble.label());
    for (load, port, protocol) in [(Load::Get, 8080, "http"), (Load::GrpcCall, 9090, "h2c")] {
        let service = service(trouble, load);
        write!(
            objects,
            "---
apiVersion: v1
kind: Service
metadata: {{ name: {service}, namespace: pipy }}
spec: {{ selector: {{ app: live }}, ports: [{{ name: http, port: 8080, appProtocol: {protocol} }}] }}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: {service}, namespace: pipy, labels: {{ kubernetes.io/service-name: {service} }} }}
addressType: IPv4
endpoints: [{{ addresses: [127.0.0.1] }}]
ports: [{{ name: http, port: {} }}]
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginConfig
metadata: {{ name: {service}, namespace: curl }}
spec:
  plugin: traffic-mirror
  destinationRefs: [{{ kind: Service, name: {service}, namespace: pipy }}]
  config: {{ namespace: pipy, service: {target}, port: {port}, percentage: {{ value: 1.0 }} }}
",
            live.port()
        )
        .unwrap();
    }
    // Without a target nothing is mirrored, and the destination is reached as before.
    let Some(shadow) = shadow else { return };
    write!(
        objects,
        "---
apiVersion: v1
kind: Service
metadata: {{ name: {target}, namespace: pipy }}
spec:
  selector: {{ app: shadow }}
  ports: [{{ name: http, port: 8080 }}, {{ name: grpc, port: 9090, appProtocol: h2c }}]
"
    )
    .unwrap();
    if trouble != Trouble::Flaps {
        objects.push_str(&slice(&target, Some(shadow)));
    }
}

/// The endpoints of the shadow that flaps.
fn endpoints(folder: &TempDir, at: Option<[u16; 2]>) {
    let beside = folder.path().join(".flaps.swp");
    let target = format!("shadow-{}", Trouble::Flaps.label());
    fs::write(&beside, slice(&target, at)).unwrap();
    fs::rename(beside, folder.path().join("flaps.yaml")).unwrap();
}

fn slice(service: &str, at: Option<[u16; 2]>) -> String {
    let endpoints = at.map_or("[]", |_| "[{ addresses: [127.0.0.1] }]");
    let [http, grpc] = at.unwrap_or([1, 1]);
    format!(
        "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: {service}, namespace: pipy, labels: {{ kubernetes.io/service-name: {service} }} }}
addressType: IPv4
endpoints: {endpoints}
ports: [{{ name: http, port: {http} }}, {{ name: grpc, port: {grpc} }}]
"
    )
}

/// The caller, and the switch and the plugin of all rules.
const HEAD: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: curl, labels: { openservicemesh.io/monitored-by: osm } }
---
apiVersion: v1
kind: Namespace
metadata: { name: pipy, labels: { openservicemesh.io/monitored-by: osm } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: curl, namespace: curl }
spec: { selector: { matchLabels: { app: curl } }, template: { metadata: { labels: { app: curl } } } }
---
apiVersion: config.openservicemesh.io/v1alpha2
kind: MeshConfig
metadata: { name: osm-mesh-config, namespace: osm-system }
spec: { featureFlags: { enablePluginPolicy: true } }
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: Plugin
metadata: { name: traffic-mirror }
spec: { priority: 115, pipyscript: placeholder }
---
apiVersion: plugin.flomesh.io/v1alpha1
kind: PluginChain
metadata: { name: traffic-mirror-chain, namespace: pipy }
spec:
  chains: [{ name: outbound-http, plugins: [traffic-mirror] }]
  selectors: { podSelector: { matchLabels: { app: curl } } }
";
