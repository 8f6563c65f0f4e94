//! Groups of every shape.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use mirrorplane::model::{
    Backend, Capture, Certainty, Destination, DestinationPort, Fraction, Group, Mirror, Protocol,
};
use mirrorplane::name::Namespaced;

/// The groups, each with what is special about it.
pub(crate) fn all() -> Vec<(&'static str, Group)> {
    let v1 = || backend("ok-v1", 80, Protocol::Http1, &["10.0.0.1:8080"]);
    let v2 = || {
        backend(
            "ok-v2",
            80,
            Protocol::Http1,
            &["10.0.0.2:8080", "10.0.0.3:8080"],
        )
    };
    let grpc = || backend("grpc-v2", 9090, Protocol::Http2, &["10.0.0.4:9090"]);
    let one = |backend, mirrors| vec![destination("ok-v1", vec![port(backend, mirrors)])];
    let mut ipv6 = group(one(
        backend("ok-v1", 80, Protocol::Http1, &["[fd00::1]:8080"]),
        vec![mirror("rule", v2(), 1)],
    ));
    ipv6.capture = Capture::Explicit("[::1]:15001".parse().unwrap());
    ipv6.destinations[0].cluster_ips = vec!["fd00::7".parse().unwrap()];
    let mut local = group(one(v1(), vec![mirror("rule", v2(), 500_000)]));
    local.destinations[0].local = true;
    let mut names = ["passthrough", "localhost", "outbound"]
        .map(|name| {
            let here = backend(name, 15001, Protocol::Http1, &[]);
            destination(name, vec![port(here, vec![mirror("rule", v2(), 1)])])
        })
        .to_vec();
    names.iter_mut().for_each(|each| each.local = true);
    let mut no_port = group(Vec::new());
    no_port.capture = Capture::Explicit("127.0.0.1:0".parse().unwrap());
    let mut port_80 = group(Vec::new());
    port_80.capture = Capture::Explicit("127.0.0.1:80".parse().unwrap());
    let mut transparent = group(vec![destination(
        "ok-v1",
        vec![
            port(
                v1(),
                vec![mirror("rule", v2(), 1), mirror("other", grpc(), 1)],
            ),
            port(grpc(), Vec::new()),
        ],
    )]);
    transparent.capture = Capture::Transparent;
    for port in &mut transparent.destinations[0].ports {
        let number = port.backend.port.get();
        let ips = ["10.96.0.7".parse().unwrap(), "fd00::8".parse().unwrap()];
        port.addresses = ips.map(|ip| SocketAddr::new(ip, number)).to_vec();
    }
    transparent.destinations[0].ports[1].certainty = Certainty::Assumed;
    let mut transparent_nothing = group(Vec::new());
    transparent_nothing.capture = Capture::Transparent;
    vec![
        ("nothing", group(Vec::new())),
        (
            "one destination",
            group(one(v1(), vec![mirror("rule", v2(), 250_000)])),
        ),
        ("no mirrors", group(one(v1(), Vec::new()))),
        (
            "two ports",
            group(vec![destination(
                "ok-v1",
                vec![
                    port(v1(), vec![mirror("rule", v2(), 1_000_000)]),
                    port(
                        backend("ok-v1", 8081, Protocol::Http1, &["10.0.0.1:8081"]),
                        vec![mirror("rule", v2(), 1_000_000)],
                    ),
                ],
            )]),
        ),
        (
            "gRPC target",
            group(one(grpc(), vec![mirror("rule", grpc(), 1)])),
        ),
        (
            "two mirrors",
            group(one(
                v1(),
                vec![mirror("a", v2(), 1), mirror("b.c", grpc(), 0)],
            )),
        ),
        ("IPv6", ipv6),
        ("local names", local),
        (
            "zero endpoints",
            group(one(
                backend("ok-v1", 80, Protocol::Http1, &[]),
                vec![mirror(
                    "rule",
                    backend("ok-v2", 80, Protocol::Http1, &[]),
                    0,
                )],
            )),
        ),
        ("names that are ours", group(names)),
        ("any port", no_port),
        ("port 80", port_80),
        ("transparent", transparent),
        ("transparent, nothing", transparent_nothing),
    ]
}

fn group(destinations: Vec<Destination>) -> Group {
    Group {
        capture: Capture::Explicit("127.0.0.1:15001".parse().unwrap()),
        destinations,
        quarantine: None,
    }
}

fn destination(name: &str, ports: Vec<DestinationPort>) -> Destination {
    Destination {
        service: Namespaced::new("pipy", name),
        cluster_ips: vec!["10.96.0.7".parse().unwrap(), "fd00::8".parse().unwrap()],
        local: false,
        default_port: Some(ports[0].backend.port),
        ports,
    }
}

fn port(backend: Arc<Backend>, mirrors: Vec<Mirror>) -> DestinationPort {
    DestinationPort {
        backend,
        addresses: Vec::new(),
        certainty: Certainty::Said,
        mirrors,
    }
}

fn mirror(rule: &str, target: Arc<Backend>, millionths: u32) -> Mirror {
    Mirror::new(
        Namespaced::new("curl", rule),
        target,
        Fraction::from_millionths(millionths).unwrap(),
    )
}

fn backend(name: &str, port: u16, protocol: Protocol, endpoints: &[&str]) -> Arc<Backend> {
    let endpoint = |text: &&str| -> SocketAddr { text.parse().unwrap() };
    Arc::new(Backend {
        service: Namespaced::new("pipy", name),
        port: NonZeroU16::new(port).unwrap(),
        subset: Default::default(),
        protocol,
        endpoints: endpoints.iter().map(endpoint).collect(),
    })
}
