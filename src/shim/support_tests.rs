use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::route::v3 as route;
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use super::{ROUTES, SUPPORTED, check};
use crate::proto;

fn refused<M: Message + Name>(message: &M) -> String {
    check(&M::type_url(), &message.encode_to_vec())
        .unwrap_err()
        .to_string()
}

fn with_route(change: impl FnOnce(&mut route::Route)) -> route::RouteConfiguration {
    let mut inner = route::Route::default();
    change(&mut inner);
    route::RouteConfiguration {
        virtual_hosts: vec![route::VirtualHost {
            routes: vec![route::Route::default(), inner],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn every_field_of_the_table_exists() {
    for (message, fields) in SUPPORTED.iter().chain(ROUTES) {
        let descriptor = proto::descriptor(message).unwrap();
        for field in *fields {
            assert!(
                descriptor.get_field_by_name(field).is_some(),
                "{message}.{field}"
            );
        }
    }
}

#[test]
fn an_unsupported_field_is_named_with_its_whole_path() {
    let config = with_route(|route| {
        route.action = Some(route::route::Action::Route(route::RouteAction {
            retry_policy: Some(route::RetryPolicy::default()),
            ..Default::default()
        }));
    });
    assert_eq!(
        refused(&config),
        "virtual_hosts[0].routes[1].route.retry_policy is not supported by the shim"
    );
    let config = with_route(|route| {
        route
            .typed_per_filter_config
            .insert("x".into(), Any::default());
    });
    assert_eq!(
        refused(&config),
        "virtual_hosts[0].routes[1].typed_per_filter_config is not supported by the shim"
    );
}

#[test]
fn a_nested_message_of_another_type_is_refused() {
    let mut cluster = Cluster::default();
    cluster.typed_extension_protocol_options.insert(
        "a".into(),
        Any {
            type_url: "type.googleapis.com/made.Up".into(),
            value: Vec::new(),
        },
    );
    assert_eq!(
        refused(&cluster),
        "typed_extension_protocol_options[\"a\"] has the type `type.googleapis.com/made.Up`, which is not supported \
         by the shim"
    );
    // Known to the wire, but not a thing that may stand there.
    cluster
        .typed_extension_protocol_options
        .get_mut("a")
        .unwrap()
        .type_url = "type.googleapis.com/envoy.service.discovery.v3.DiscoveryRequest".into();
    assert!(refused(&cluster).contains("DiscoveryRequest"));
}

#[test]
fn a_field_that_is_newer_than_the_shim_is_named_by_number() {
    // Field 1000 with a varint of 1.
    let text = check(&Cluster::type_url(), &[0xc0, 0x3e, 0x01])
        .unwrap_err()
        .to_string();
    assert_eq!(text, "field 1000 is not supported by the shim");
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let text = check(&Cluster::type_url(), &[0xff])
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("not a valid envoy.config.cluster.v3.Cluster"),
        "{text}"
    );
}
