//! The only encoder: messages in, shared bytes and their versions out.

use std::collections::BTreeMap;
use std::sync::Arc;

use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use prost::Message;

use super::Resource;
use super::ResourceType;
use super::Snapshot;
use super::Version;
use crate::proto::envoy::service::runtime::v3::Runtime;
use crate::translate::Resources;

/// The resources of a type.
pub(super) type Encoded = BTreeMap<Arc<str>, Resource>;

/// Encodes the messages of a group. Equal messages become equal bytes, so that the version of a resource is its content.
pub fn encode(resources: &Resources) -> Snapshot {
    Snapshot::new(by_type(resources))
}

/// All messages of a group, by type.
pub(super) fn by_type(resources: &Resources) -> BTreeMap<ResourceType, Encoded> {
    use ResourceType as Type;
    BTreeMap::from([
        (Type::Cluster, all(&resources.clusters, |each| &each.name)),
        (Type::Endpoint, endpoints(&resources.endpoints)),
        (Type::Listener, all(&resources.listeners, |each| &each.name)),
        (Type::Route, all(&resources.routes, |each| &each.name)),
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
        let body = message.encode_to_vec();
        let version = Version::of(&body);
        let body = body.into();
        (name(message).as_str().into(), Resource { version, body })
    });
    encoded.collect()
}
