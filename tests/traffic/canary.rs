//! A route that an Envoy does not take reaches one of them, and costs nobody a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::address::Address;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address as AnyAddress, HeaderValue, HeaderValueOption, SocketAddress,
};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::r#type::matcher::v3::RegexMatcher;
use mirrorplane::embed::{Change, Named, Publisher};
use mirrorplane::rollout::{Board, Settings, Stage, run};
use mirrorplane::server::{Stats, serve};
use mirrorplane::sidecar::{Bootstrap, ControlPlane, Delivery};
use mirrorplane::snapshot::ResourceType;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use super::rig::caller::{Caller, Load, load};
use super::rig::echo::Echo;
use super::rig::sidecar::{Kind, Plane, Sidecar};
use super::rig::{DEADLINE, eventually, free_address};

const URL: &str = "http://live.test/";
const IDS: [&str; 4] = ["n0", "n1", "n2", "n3"];
const REJECTED: &str = "http.outbound.rds.outbound.update_rejected";
const ACCEPTED: &str = "http.outbound.rds.outbound.update_success";

/// Answers say which routes they came by.
const MARK: &str = "x-routes";

/// Everything goes to the live service; `path` is a regular expression of paths that do so as well.
fn routes(mark: &str, path: Option<&str>) -> Named {
    let route = |path| Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(path),
            ..RouteMatch::default()
        }),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster("live".to_owned())),
            ..RouteAction::default()
        })),
        ..Route::default()
    };
    let regex = |regex: &str| {
        PathSpecifier::SafeRegex(RegexMatcher {
            regex: regex.to_owned(),
            ..RegexMatcher::default()
        })
    };
    let everything = PathSpecifier::Prefix("/".to_owned());
    let routes = path.map(regex).into_iter().chain([everything]).map(route);
    let routes = RouteConfiguration {
        name: "outbound".to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: "all".to_owned(),
            domains: vec!["*".to_owned()],
            routes: routes.collect(),
            ..VirtualHost::default()
        }],
        response_headers_to_add: vec![HeaderValueOption {
            header: Some(HeaderValue {
                key: MARK.to_owned(),
                value: mark.to_owned(),
                ..HeaderValue::default()
            }),
            append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
            ..HeaderValueOption::default()
        }],
        ..RouteConfiguration::default()
    };
    Named::message(ResourceType::Route, "outbound", &routes)
}

fn cluster(live: &Echo) -> Named {
    let address = SocketAddress {
        address: live.address.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(live.address.port().into())),
        ..SocketAddress::default()
    };
    let endpoint = Endpoint {
        address: Some(AnyAddress {
            address: Some(Address::SocketAddress(address)),
        }),
        ..Endpoint::default()
    };
    let cluster = Cluster {
        name: "live".to_owned(),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: "live".to_owned(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![LbEndpoint {
                    host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
                    ..LbEndpoint::default()
                }],
                ..LocalityLbEndpoints::default()
            }],
            ..ClusterLoadAssignment::default()
        }),
        ..Cluster::default()
    };
    Named::message(ResourceType::Cluster, "live", &cluster)
}

/// The sidecars of a group have the same listener: on one machine each needs its own, and only the routes are shared.
fn listener(port: u16) -> Value {
    json!({
        "name": "outbound",
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "outbound",
                "rds": {
                    "config_source": { "ads": {}, "resource_api_version": "V3" },
                    "route_config_name": "outbound",
                },
                "http_filters": [{
                    "name": "envoy.filters.http.router",
                    "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                }],
            },
        }] }],
    })
}

/// Starts the sidecar of a node; `None` if there is no Envoy to start.
async fn sidecar(plane: Plane, control_plane: &ControlPlane, id: &str) -> Option<Sidecar> {
    let (proxy, admin) = (free_address(), free_address());
    let bootstrap = Bootstrap {
        node_id: id.to_owned(),
        node_cluster: "test".to_owned(),
        control_plane: control_plane.clone(),
        delivery: match plane.delta {
            true => Delivery::Delta,
            false => Delivery::StateOfTheWorld,
        },
        tls: None,
        token: None,
        admin: Some(admin),
        transparent: None,
    };
    let mut bootstrap = bootstrap.to_json();
    bootstrap["static_resources"]["listeners"] = json!([listener(proxy.port())]);
    let sidecar = Sidecar::spawn(plane, proxy, admin, &bootstrap)?;
    routed(&sidecar, "first").await;
    Some(sidecar)
}

/// Waits until answers come by routes with this mark.
async fn routed(sidecar: &Sidecar, mark: &str) {
    eventually(
        format_args!("{} has the routes `{mark}`", sidecar.plane),
        || async {
            let stream = tokio::net::TcpStream::connect(sidecar.proxy).await.ok()?;
            drop(stream);
            let mut caller = Caller::connect(sidecar.proxy).await;
            let answer = caller.call("GET", URL, b"").await.ok()?;
            (answer.status() == 200 && answer.headers().get(MARK)? == mark).then_some(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_envoy_rejects_reaches_one_envoy_only() {
    for plane in Plane::ALL
        .into_iter()
        .filter(|plane| plane.kind == Kind::Envoy)
    {
        let live = Echo::start("v1").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control_plane = ControlPlane::Address(listener.local_addr().unwrap());
        let (mut publisher, targets) = Publisher::new();
        let (worlds, world) = watch::channel(None);
        let (stats, board) = (Arc::new(Stats::default()), Arc::new(Board::default()));
        let settings = Settings {
            threshold: 2,
            canaries: 1,
            timeout: Duration::from_secs(600),
        };
        let rollout = run(
            settings,
            targets,
            worlds,
            Arc::clone(&stats),
            Arc::clone(&board),
        );
        let rollout = tokio::spawn(rollout);
        let server = tokio::spawn(serve(listener, world, stats, std::future::pending()));
        let change = || Change::of("fleet");
        let first = change().set([cluster(&live), routes("first", None)]);
        let follow = IDS.map(|id| Change::follow(id, "fleet"));
        publisher
            .publish(std::iter::once(first).chain(follow))
            .unwrap();

        let mut sidecars = Vec::new();
        for id in IDS {
            sidecars.extend(sidecar(plane, &control_plane, id).await);
        }
        if sidecars.is_empty() {
            return;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let callers = sidecars.iter().map(|sidecar| {
            let (proxy, stopped) = (sidecar.proxy, Arc::clone(&stop));
            tokio::spawn(async move {
                let mut total = Load::default();
                while !stopped.load(Ordering::Relaxed) {
                    let part = load(proxy, URL, 50, 1, "v1").await;
                    total.latencies.extend(part.latencies);
                    total.failures.extend(part.failures);
                }
                total
            })
        });
        let callers: Vec<_> = callers.collect();

        let bad = change().update(routes("bad", Some("(")));
        publisher.publish([bad]).unwrap();
        let mut standing = board.subscribe();
        let stopped =
            standing.wait_for(|now| now.rollouts.iter().any(|one| one.stage != Stage::Trying));
        let status = timeout(DEADLINE, stopped).await.unwrap().unwrap().rollouts[0].clone();
        let Stage::Rejected(rejections) = &status.stage else {
            panic!("{plane}: {status:?}");
        };
        assert_eq!((rejections.len(), status.sidecars), (1, 4), "{plane}");
        eprintln!("{plane}: stopped by `{}`", rejections[0].message);
        for (id, sidecar) in IDS.iter().zip(&sidecars) {
            let is_canary = **id == *rejections[0].sidecar.node;
            let rejected = sidecar.stat(REJECTED).await;
            assert_eq!(rejected, u64::from(is_canary), "{plane}, {id}");
            if !is_canary {
                assert_eq!(
                    sidecar.stat(ACCEPTED).await,
                    1,
                    "{plane}, {id} was sent nothing"
                );
            }
            routed(sidecar, "first").await;
        }

        let good = change().update(routes("good", Some("/.*")));
        publisher.publish([good]).unwrap();
        for sidecar in &sidecars {
            routed(sidecar, "good").await;
        }
        let over = standing.wait_for(|now| now.rollouts.is_empty());
        timeout(DEADLINE, over).await.unwrap().unwrap();

        stop.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for caller in callers {
            let total = caller.await.unwrap();
            assert_eq!(total.failures.first(), None, "{plane}");
            answered += total.latencies.len();
        }
        eprintln!("{plane}: {answered} requests meanwhile, all answered");
        rollout.abort();
        server.abort();
    }
}
