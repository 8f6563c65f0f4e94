//! The only encoder: messages in, shared bytes and their versions out.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;

use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use prost::Message;

use super::Resource;
use super::ResourceType;
use super::Snapshot;
use super::Version;
use crate::proto::envoy::service::runtime::v3::Runtime;
use crate::translate::Resources;
use crate::translate::Routes;

/// The resources of a type.
pub(super) type Encoded = BTreeMap<Arc<str>, Resource>;

/// Encodes the messages of a group. Equal messages become equal bytes, so that the version of a resource is its content.
pub fn encode(resources: &Resources<'_>) -> Snapshot {
    Snapshot::new(by_type(resources, |_, _| {}))
}

/// All messages of a group, by type. Each virtual host is shown, with the name of its route configuration, before it is
/// gone.
pub(super) fn by_type<'r>(
    resources: &'r Resources<'_>,
    mut show: impl FnMut(&'r str, &VirtualHost),
) -> BTreeMap<ResourceType, Encoded> {
    use ResourceType as Type;
    let routes = resources.routes.iter().map(|routes| {
        let body = route_configuration(routes, |host| show(&routes.name, host));
        (routes.name.as_str().into(), resource(body))
    });
    let routes = routes.collect();
    BTreeMap::from([
        (Type::Cluster, all(&resources.clusters, |each| &each.name)),
        (Type::Endpoint, endpoints(&resources.endpoints)),
        (Type::Listener, all(&resources.listeners, |each| &each.name)),
        (Type::Route, routes),
        (Type::Runtime, runtimes(&resources.runtimes)),
    ])
}

/// Endpoints alone.
pub(super) fn endpoints(messages: &[ClusterLoadAssignment]) -> Encoded {
    all(messages, |each| &each.cluster_name)
}

/// Runtime values alone.
pub(super) fn runtimes(messages: &[Runtime]) -> Encoded {
    all(messages, |each| &each.name)
}

fn all<M: Message>(messages: &[M], name: fn(&M) -> &String) -> Encoded {
    let encoded = messages.iter().map(|message| {
        let name = name(message).as_str().into();
        (name, resource(message.encode_to_vec()))
    });
    encoded.collect()
}

fn resource(body: Vec<u8>) -> Resource {
    Resource {
        version: Version::of(&body),
        body: body.into(),
    }
}

/// The bytes of the whole message, of which there is only one virtual host at a time: its fields are encoded one after
/// the other, and the virtual hosts come after the name and before all else.
fn route_configuration(routes: &Routes<'_>, mut show: impl FnMut(&VirtualHost)) -> Vec<u8> {
    let mut rest = routes.frame();
    let name = RouteConfiguration {
        name: take(&mut rest.name),
        ..RouteConfiguration::default()
    };
    let mut body = name.encode_to_vec();
    let mut append = |part: &RouteConfiguration| {
        body.reserve(part.encoded_len());
        // What it needs was reserved.
        part.encode_raw(&mut body);
    };
    for host in routes.virtual_hosts() {
        show(&host);
        append(&RouteConfiguration {
            virtual_hosts: vec![host],
            ..RouteConfiguration::default()
        });
    }
    append(&rest);
    body.shrink_to_fit();
    body
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::route_configuration;
    use crate::snapshot::tests::group;
    use crate::translate::translate;

    #[test]
    fn a_route_configuration_in_parts_is_the_whole_message() {
        let group = group(1);
        for routes in &translate(&group).routes {
            let mut shown = Vec::new();
            let body = route_configuration(routes, |host| shown.push(host.clone()));
            assert_eq!(body, routes.message().encode_to_vec());
            assert_eq!(shown, routes.message().virtual_hosts);
        }
    }
}
