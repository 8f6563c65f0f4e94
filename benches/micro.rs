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
use mirrorplane::model::Capture;
use mirrorplane::model::Certainty;
use mirrorplane::model::Destination;
use mirrorplane::model::DestinationPort;
use mirrorplane::model::Fraction;
use mirrorplane::model::Group;
use mirrorplane::model::GroupId;
use mirrorplane::model::Mirror;
use mirrorplane::model::Model;
use mirrorplane::model::Protocol;
use mirrorplane::name::Namespaced;
use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Kept;
use mirrorplane::resolve::Settings;
use mirrorplane::resolve::resolve;
use mirrorplane::snapshot::build;
use mirrorplane::snapshot::encode;
use mirrorplane::source::Objects;
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
        subset: Default::default(),
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
                addresses: Vec::new(),
                certainty: Certainty::Said,
                mirrors: vec![Mirror::new(
                    Namespaced::new(format!("shop-{group}"), format!("mirror-{number}")),
                    backend(format!("orders-{number}-next")),
                    if number == 0 { share } else { Fraction::ONE },
                )],
            }],
        }
    };
    Group {
        capture: Capture::Explicit(SocketAddr::from(([127, 0, 0, 1], 15001))),
        destinations: (0..DESTINATIONS).map(destination).collect(),
        quarantine: None,
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
        nodes: Arc::new(
            (0..GROUPS)
                .map(|number| (mesh::node(number), id(number)))
                .collect(),
        ),
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
    let (before, _) = build(before, None);
    for (what, after) in [
        ("nothing", group(0, Fraction::ZERO, 1)),
        ("a share", group(0, Fraction::ONE, 1)),
        ("a route", group(0, Fraction::ZERO, 2)),
    ] {
        let after = model(after);
        criterion.bench_function(&format!("build 500 groups: {what} changed"), |bencher| {
            bencher.iter(|| build(black_box(after.clone()), Some(&before)));
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

/// A step of the whole pipeline, from one state of the world to another and back.
fn stepping(criterion: &mut Criterion) {
    let fanout = mesh::Size {
        streams: 5_000,
        groups: 50,
        rules: 2,
    };
    let large = mesh::Size {
        streams: 10_000,
        groups: 1,
        // Two Services each.
        rules: 500,
    };
    let start = mesh::State::default();
    let share = mesh::State {
        percent: true,
        ..start
    };
    let route = mesh::State {
        route: true,
        ..start
    };
    for (world, size, what, state) in [
        ("50 groups, 5,000 pods", fanout, "nothing", start),
        ("50 groups, 5,000 pods", fanout, "a share", share),
        ("50 groups, 5,000 pods", fanout, "a route", route),
        (
            "500 rules, 2,000 services, 10,000 pods",
            large,
            "nothing",
            start,
        ),
        (
            "500 rules, 2,000 services, 10,000 pods",
            large,
            "a share",
            share,
        ),
        (
            "500 rules, 2,000 services, 10,000 pods",
            large,
            "a route",
            route,
        ),
    ] {
        let objects = |state| {
            let mut objects = mesh::objects(size, state).expect("the objects are valid");
            // As many Services again that no rule names.
            let unused: Vec<_> = objects
                .services
                .iter()
                .map(|(name, service)| {
                    let name = Namespaced::new(&name.namespace, format!("{}-unused", name.name));
                    (name, service.clone())
                })
                .collect();
            objects.services.extend(unused);
            objects
        };
        let states = [objects(state), objects(start)];
        let mut pipeline = Pipeline::new(Settings::default());
        pipeline.step(&states[1]);
        let mut turns = states.iter().cycle();
        criterion.bench_function(&format!("step, {world}: {what} changed"), |bencher| {
            bencher.iter(|| {
                turns
                    .next()
                    .map(|objects| pipeline.step(black_box(objects)))
            });
        });
    }
}

/// One object changes, as a watch tells it: the tables of the state before, less those of one kind, are those of the next.
fn changing(criterion: &mut Criterion) {
    let size = mesh::Size {
        streams: 10_000,
        groups: 1,
        // Two Services each.
        rules: 1_000,
    };
    let mut objects = mesh::objects(size, mesh::State::default()).expect("the objects are valid");
    let rules: Vec<_> = objects.plugin_configs.keys().cloned().collect();
    let kept: Vec<_> = rules.into_iter().take(500).collect();
    objects.plugin_configs.keep(|name| kept.contains(name));
    let (rule, pod) = (kept[7].clone(), mesh::node(7));
    let world = "500 rules, 2,000 services, 10,000 pods";
    let mut pipeline = Pipeline::new(Settings::default());
    pipeline.step(&objects);
    let mut turn = 0_u32;
    for (what, is_rule) in [("a percentage", true), ("a Pod's label", false)] {
        let mut change = |pipeline: &mut Pipeline, objects: &mut Objects| {
            turn += 1;
            // What was published stays with whoever works on it.
            let published = objects.clone();
            if is_rule {
                let config = objects.plugin_configs.get_mut(&rule);
                let config = config.expect("the rule is there");
                config.object.spec.config["percentage"]["value"] =
                    (f64::from(turn % 100) / 100.0).into();
            } else {
                let pod = objects.pods.get_mut(&pod).expect("the Pod is there");
                let labels = &mut pod.object.metadata.labels;
                labels.insert("turn".to_owned(), turn.to_string());
            }
            pipeline.step(black_box(objects));
            published
        };
        criterion.bench_function(&format!("change and step, {world}: {what}"), |bencher| {
            bencher.iter(|| change(&mut pipeline, &mut objects));
        });
    }
}

criterion_group!(benches, stages, resolving, stepping, changing);
criterion_main!(benches);
