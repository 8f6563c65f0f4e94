//! What a sidecar refuses to an application that only receives copies.
//!
//! Requests are answered with 403 and the reason, so that whoever looks after the shadow understands it; what is no HTTP is
//! cut off. With transparent capture there is, besides the listeners of destinations, one for each port that is watched, at
//! any address, and one for each address of it that is not:
//!
//! ```text
//! listener `0.0.0.0:PORT` ─┬─ HTTP ─► routes `quarantine` ─┬─► refused: 403
//!                          │                               └─► cluster `passthrough`
//!                          └─ anything else ─► cluster `refused`, which has no endpoints
//! listener `IP:PORT` ─► cluster `passthrough`
//! ```

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use envoy_types::pb::envoy::config::core::v3::DataSource;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_match::{ConnectMatcher, PathSpecifier};
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, Route, RouteMatch, VirtualHost,
};

use super::captured;
use super::condition::{present, regex, such};
use super::names::{OPEN, PASSTHROUGH, QUARANTINE, QUARANTINE_HEADER, REFUSED};
use super::route;
use super::values::{overwrite, seconds};
use crate::model::{Bounds, Quarantine, Strictness};

/// The methods that ask for nothing to be changed (RFC 9110, section 9.2.1). gRPC is not among them: it has no others than
/// POST.
const SAFE: &str = "GET|HEAD|OPTIONS|TRACE";

/// Seconds for which a watched port waits for the first bytes of a connection. What says nothing by then is no HTTP, and
/// cut off.
pub(super) const FIRST_BYTES_SECONDS: i64 = 5;

/// How many rules are named in an answer.
const NAMED: usize = 3;

/// The routes that are to stand before all others.
pub(super) fn refusals(quarantine: &Quarantine) -> Vec<Route> {
    let any = |headers: Vec<HeaderMatcher>| RouteMatch {
        headers,
        ..route::any_request()
    };
    let connect = RouteMatch {
        path_specifier: Some(PathSpecifier::ConnectMatcher(ConnectMatcher {})),
        ..RouteMatch::default()
    };
    let is_addressed = matches!(quarantine.bounds, Bounds::Addresses { .. });
    let unsafe_method = HeaderMatcher {
        invert_match: true,
        ..such(":method", regex(SAFE))
    };
    let matches = match quarantine.strictness {
        Strictness::ReadOnly => vec![any(vec![present("upgrade")]), any(vec![unsafe_method])],
        Strictness::Deny => vec![any(Vec::new())],
    };
    // A forward proxy takes no CONNECT at all.
    let connect = is_addressed.then_some(connect);
    let matches = connect.into_iter().chain(matches);
    matches.map(|each| refusal(quarantine, each)).collect()
}

fn refusal(quarantine: &Quarantine, matching: RouteMatch) -> Route {
    let strictness = quarantine.strictness;
    let mut rules: Vec<_> = quarantine.rules.iter().map(ToString::to_string).collect();
    if rules.len() > NAMED {
        rules.truncate(NAMED);
        rules.push("others".to_owned());
    }
    let passes = match strictness {
        Strictness::ReadOnly => "only GET, HEAD, OPTIONS and TRACE reach live services",
        Strictness::Deny => "nothing reaches live services",
    };
    let body = format!(
        "refused by the sidecar: this workload only receives copies of requests, and is in quarantine ({strictness}) by {}: {passes}\n",
        rules.join(", ")
    );
    Route {
        r#match: Some(matching),
        response_headers_to_add: vec![overwrite(QUARANTINE_HEADER, strictness.as_str())],
        action: Some(Action::DirectResponse(DirectResponseAction {
            status: 403,
            body: Some(DataSource {
                specifier: Some(Specifier::InlineString(body)),
                ..DataSource::default()
            }),
            ..DirectResponseAction::default()
        })),
        ..Route::default()
    }
}

/// The only virtual host of the ports that are watched.
pub(super) fn virtual_host(quarantine: &Quarantine) -> VirtualHost {
    let mut routes = refusals(quarantine);
    routes.push(Route {
        r#match: Some(route::any_request()),
        action: Some(route::to_cluster(PASSTHROUGH, Vec::new())),
        ..Route::default()
    });
    VirtualHost {
        name: QUARANTINE.to_owned(),
        domains: vec!["*".to_owned()],
        routes,
        ..VirtualHost::default()
    }
}

/// The listeners beside those of destinations.
pub(super) fn listeners(quarantine: &Quarantine) -> Vec<Listener> {
    match &quarantine.bounds {
        Bounds::Hosts(_) => Vec::new(),
        Bounds::Addresses { watched, open } => {
            let watched = watched.iter().map(|at| watch(*at));
            watched.chain(open.iter().map(|at| pass(*at))).collect()
        }
    }
}

fn watch(at: SocketAddr) -> Listener {
    captured::listener(at, QUARANTINE, FIRST_BYTES_SECONDS, REFUSED, Vec::new())
}

fn pass(at: SocketAddr) -> Listener {
    captured::unlooked(at, OPEN)
}

/// The cluster of what is cut off.
pub(super) fn cluster() -> Cluster {
    Cluster {
        name: REFUSED.to_owned(),
        connect_timeout: seconds(1),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        ..Cluster::default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use envoy_types::pb::envoy::config::route::v3::VirtualHost;
    use envoy_types::pb::envoy::config::route::v3::route::Action;

    use crate::model::{Bounds, Capture, Group, Quarantine, Strictness};
    use crate::name::Namespaced;
    use crate::translate::captured;
    use crate::translate::tests;
    use crate::translate::translate;

    /// The same group, of callers that only receive copies.
    pub(in crate::translate) fn held(group: &Group) -> Group {
        let address = |text: &str| text.parse().unwrap();
        let bounds = match group.capture {
            Capture::Explicit(_) => Bounds::Hosts(Vec::new()),
            Capture::Transparent => Bounds::Addresses {
                watched: vec![address("0.0.0.0:8080"), address("[::]:8080")],
                open: vec![address("10.0.0.9:8080")],
            },
        };
        Group {
            quarantine: Some(Quarantine {
                strictness: Strictness::ReadOnly,
                rules: ["a", "b", "c", "d"]
                    .map(|rule| Namespaced::new("curl", rule))
                    .into(),
                bounds,
            }),
            ..group.clone()
        }
    }

    /// How many routes at the beginning refuse, and whether any other does.
    fn refusals(host: &VirtualHost) -> (usize, bool) {
        let refuses: Vec<_> = host
            .routes
            .iter()
            .map(|route| matches!(&route.action, Some(Action::DirectResponse(it)) if it.status == 403))
            .collect();
        let first = refuses.iter().take_while(|refuses| **refuses).count();
        (first, refuses[first..].contains(&true))
    }

    #[test]
    fn every_host_refuses_before_anything_else() {
        for (group, expected) in [(tests::full(), 2), (captured::tests::full(), 3)] {
            let group = held(&group);
            for routes in tests::messages(&translate(&group)) {
                for mut host in routes.virtual_hosts {
                    // Where requests for the sidecar itself are told first.
                    host.routes.retain(|route| {
                        !matches!(&route.action, Some(Action::DirectResponse(it)) if it.status == 508)
                    });
                    assert_eq!(refusals(&host), (expected, false), "{}", host.name);
                }
            }
        }
    }

    #[test]
    fn a_port_is_watched_at_any_address_but_those_that_are_open() {
        let group = held(&captured::tests::full());
        let resources = translate(&group);
        let names: Vec<_> = resources.listeners.iter().map(|one| &one.name).collect();
        let expected = [
            "0.0.0.0:8080",
            "10.0.0.9:8080",
            "10.96.0.7:8080",
            "10.96.0.7:9090",
            "[::]:8080",
            "[fd00::7]:8080",
        ];
        assert_eq!(names, expected);
        for listener in &resources.listeners {
            let looks = !listener.listener_filters.is_empty();
            assert_eq!(looks, listener.name != "10.0.0.9:8080", "{}", listener.name);
        }
    }

    #[test]
    fn without_a_quarantine_nothing_is_refused_and_nothing_told() {
        for group in [tests::full(), captured::tests::full()] {
            let text = format!("{:?}", translate(&group));
            for word in [
                "403",
                "refused",
                "access_loggers",
                "x-mirrorplane-quarantine",
            ] {
                assert!(!text.contains(word), "{word}");
            }
        }
    }
}
