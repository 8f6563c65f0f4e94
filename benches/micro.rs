//! What the pure stages cost, one by one.

#[expect(dead_code, reason = "the fan-out benchmark needs more of it")]
#[path = "fanout/mesh.rs"]
mod mesh;

use std::hint::black_box;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;
use mirrorplane::model::Backend;
use mirrorplane::model::Destination;
use mirrorplane::model::DestinationPort;
use mirrorplane::model::Fraction;
use mirrorplane::model::Group;
use mirrorplane::model::GroupId;
use mirrorplane::model::Mirror;
use mirrorplane::model::Model;
use mirrorplane::model::Protocol;
use mirrorplane::name::Namespaced;
use mirrorplane::resolve::Kept;
use mirrorplane::resolve::Settings;
use mirrorplane::resolve::resolve;
use mirrorplane::snapshot::build;
use mirrorplane::snapshot::encode;
use mirrorplane::translate::translate;

/// Destinations of a group.
const DESTINATIONS: usize = 10;

/// Groups of the world.
const GROUPS: usize = 500;

fn backend(name: String, group: usize) -> Arc<Backend> {
    let endpoint = |host| SocketAddr::from(([10, 0, 0, host], 8080));
    Arc::new(Backend {
        service: Namespaced::new(format!("shop-{group}"), name),
        port: NonZeroU16::MIN,
        protocol: Protocol::Http1,
        endpoints: (1..=3).map(endpoint).collect(),
    })
}

/// A group that mirrors its own destinations; `share` is the first one's, `hosts` how many addresses it has.
fn group(group: usize, share: Fraction, hosts: u8) -> Group {
    let destination = |number: usize| {
        let backend = |name: String| backend(name, group);
        let addresses = if number == 0 { hosts } else { 1 };
        Destination {
            service: Namespaced::new(format!("shop-{group}"), format!("orders-{number}")),
            cluster_ips: (1..=addresses)
                .map(|host| [10, 96, 0, host].into())
                .collect(),
            local: false,
            default_port: Some(NonZeroU16::MIN),
            ports: vec![DestinationPort {
                backend: backend(format!("orders-{number}")),
                mirrors: vec![Mirror {
                    rule: Namespaced::new(format!("shop-{group}"), format!("mirror-{number}")),
                    target: backend(format!("orders-{number}-next")),
                    fraction: if number == 0 { share } else { Fraction::ONE },
                }],
            }],
        }
    };
    Group {
        listen: SocketAddr::from(([127, 0, 0, 1], 15001)),
        destinations: (0..DESTINATIONS).map(destination).collect(),
    }
}

/// All groups as ever, but for the first.
fn model(first: Group) -> Model {
    let id = |number: usize| GroupId::new(format!("{number:04}"));
    let mut groups: Vec<_> = (0..GROUPS)
        .map(|number| (id(number), Arc::new(group(number, Fraction::ZERO, 1))))
        .collect();
    groups[0].1 = Arc::new(first);
    Model {
        nodes: (0..GROUPS)
            .map(|number| (mesh::node(number), id(number)))
            .collect(),
        groups: groups.into_iter().collect(),
        fallback: id(0),
    }
}

fn stages(criterion: &mut Criterion) {
    let one = group(0, Fraction::ONE, 1);
    criterion.bench_function("translate a group of 10 destinations", |bencher| {
        bencher.iter(|| translate(black_box(&one)));
    });
    let resources = translate(&one);
    criterion.bench_function("encode a group of 10 destinations", |bencher| {
        bencher.iter(|| encode(black_box(&resources)));
    });

    let before = model(group(0, Fraction::ZERO, 1));
    let (world, _) = build(&before, None);
    for (what, after) in [
        ("nothing", group(0, Fraction::ZERO, 1)),
        ("a share", group(0, Fraction::ONE, 1)),
        ("a route", group(0, Fraction::ZERO, 2)),
    ] {
        let after = model(after);
        criterion.bench_function(&format!("build 500 groups: {what} changed"), |bencher| {
            bencher.iter(|| build(black_box(&after), Some((&before, &world))));
        });
    }
}

fn resolving(criterion: &mut Criterion) {
    let size = mesh::Size {
        streams: 1_000,
        groups: 10,
        // Two Services each.
        rules: 1_000,
    };
    let objects = mesh::objects(size, mesh::State::default()).expect("the objects are valid");
    criterion.bench_function("resolve 2,000 services", |bencher| {
        bencher.iter(|| resolve(black_box(&objects), &Settings::default(), &Kept::default()));
    });
}

criterion_group!(benches, stages, resolving);
criterion_main!(benches);
