//! That what is kept from the world before is what would be made anew.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::ResourceType;
use super::ResourceType::Cluster;
use super::ResourceType::Endpoint;
use super::ResourceType::Listener;
use super::ResourceType::Route;
use super::ResourceType::Runtime;
use super::build;
use super::tests::backend;
use super::tests::group;
use super::tests::model;
use super::tests::snapshot;
use crate::model::Backend;
use crate::model::Capture;
use crate::model::Certainty;
use crate::model::Changes;
use crate::model::Destination;
use crate::model::DestinationPort;
use crate::model::Fraction;
use crate::model::Group;
use crate::model::Mirror;
use crate::model::Protocol;
use crate::model::ServerName;
use crate::model::ServerTls;
use crate::model::Target;
use crate::model::Trust;
use crate::name::Namespaced;

fn port(group: &mut Group) -> &mut DestinationPort {
    &mut group.destinations[0].ports[0]
}

fn live(group: &mut Group) -> &mut Backend {
    Arc::make_mut(&mut port(group).backend)
}

fn mirror(group: &mut Group) -> &mut Mirror {
    &mut port(group).mirrors[0]
}

fn shadow(group: &mut Group) -> &mut Backend {
    match &mut mirror(group).target {
        Target::Service { backend, .. } => Arc::make_mut(backend),
        Target::External(_) => panic!("the target is a Service"),
    }
}

/// A change, and the types whose resources it changes.
type Case = (fn(&mut Group), &'static [ResourceType]);

/// One for each field of a group, and some more.
const CASES: &[Case] = &[
    (|_| {}, &[]),
    (|g| mirror(g).fraction = Fraction::ONE, &[Runtime]),
    (|g| live(g).endpoints.clear(), &[Endpoint]),
    (|g| shadow(g).endpoints.clear(), &[Endpoint]),
    (
        |g| {
            shadow(g).endpoints.clear();
            mirror(g).fraction = Fraction::ZERO;
        },
        &[Endpoint, Runtime],
    ),
    // Of no concern to a forward proxy.
    (
        |g| port(g).addresses = vec![([10, 96, 0, 1], 80).into()],
        &[],
    ),
    (|g| port(g).certainty = Certainty::Assumed, &[]),
    (
        |g| {
            g.capture = Capture::Transparent;
            port(g).addresses = vec![([10, 96, 0, 1], 80).into()];
        },
        &[Cluster, Endpoint, Listener, Route],
    ),
    (
        |g| g.capture = Capture::Explicit(([127, 0, 0, 1], 1).into()),
        &[Listener, Route],
    ),
    (
        |g| g.destinations.clear(),
        &[Cluster, Endpoint, Route, Runtime],
    ),
    (
        |g| g.destinations[0].service = Namespaced::new("a", "b"),
        &[Route],
    ),
    (
        |g| g.destinations[0].cluster_ips = vec![[10, 0, 0, 9].into()],
        &[Route],
    ),
    (|g| g.destinations[0].local = true, &[Route]),
    (|g| g.destinations[0].default_port = None, &[Route]),
    (
        |g| g.destinations[0].ports.clear(),
        &[Cluster, Endpoint, Route, Runtime],
    ),
    (
        |g| live(g).service = Namespaced::new("a", "b"),
        &[Cluster, Endpoint, Route],
    ),
    (
        |g| live(g).port = NonZeroU16::MIN,
        &[Cluster, Endpoint, Route],
    ),
    (|g| shadow(g).protocol = Protocol::Http2, &[Cluster]),
    (
        |g| shadow(g).service = Namespaced::new("a", "b"),
        &[Cluster, Endpoint, Route],
    ),
    (
        |g| drop(shadow(g).subset.0.insert("v".to_owned(), "2".to_owned())),
        &[Cluster, Endpoint, Route],
    ),
    (
        |g| {
            if let Target::Service { tls, .. } = &mut mirror(g).target {
                let name = ServerName::Dns("a".to_owned());
                let trust = Trust::System;
                *tls = Some(Arc::new(ServerTls { name, trust }));
            }
        },
        &[Cluster],
    ),
    (
        |g| mirror(g).rule = Namespaced::new("a", "b"),
        &[Cluster, Route, Runtime],
    ),
    (
        |g| port(g).mirrors.clear(),
        &[Cluster, Endpoint, Route, Runtime],
    ),
    (
        |g| {
            let mut second = mirror(g).clone();
            second.rule = Namespaced::new("a", "b");
            port(g).mirrors.push(second);
        },
        &[Cluster, Route, Runtime],
    ),
    (
        |g| {
            g.destinations.push(Destination {
                service: Namespaced::new("a", "b"),
                ports: vec![DestinationPort {
                    backend: backend("b"),
                    addresses: Vec::new(),
                    certainty: Certainty::Said,
                    mirrors: Vec::new(),
                }],
                ..g.destinations[0].clone()
            });
        },
        &[Cluster, Endpoint, Route],
    ),
];

#[test]
fn a_world_after_another_is_the_world_made_anew_and_shares_what_did_not_change() {
    for (number, (change, types)) in CASES.iter().enumerate() {
        let mut changed = group(250_000);
        change(&mut changed);
        for (before, after) in [(group(250_000), changed.clone()), (changed, group(250_000))] {
            let is_change = before != after;
            assert_eq!(
                Changes::between(&before, &after).any(),
                is_change,
                "{number}"
            );
            let (before, faults) = build(model(&[("g", before), ("other", group(7))]), None);
            assert_eq!(faults, []);
            let after = model(&[("g", after), ("other", group(7))]);
            let (anew, _) = build(after.clone(), None);
            let (after, faults) = build(after, Some(&before));
            assert_eq!(faults, []);
            assert_eq!(after.world.groups, anew.world.groups, "{number}");
            let [old, new] = [&before, &after].map(|built| snapshot(built, "g"));
            let differ = |ty: &ResourceType| !new.shares(old, *ty);
            let differing: Vec<_> = ResourceType::ALL.into_iter().filter(differ).collect();
            assert_eq!(differing, *types, "{number}");
        }
    }
}
