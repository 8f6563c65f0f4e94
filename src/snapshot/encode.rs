//! The only encoder: messages in, shared bytes and their versions out.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;

use super::Resource;
use super::ResourceType;
use super::Snapshot;
use super::Version;
use crate::translate::Resources;

/// Encodes the messages of a group. Equal messages become equal bytes, so that the version of a resource is its content.
pub fn encode(resources: &Resources) -> Snapshot {
    use ResourceType as Type;
    Snapshot::new(BTreeMap::from([
        (Type::Cluster, all(&resources.clusters, |each| &each.name)),
        (
            Type::Endpoint,
            all(&resources.endpoints, |each| &each.cluster_name),
        ),
        (Type::Listener, all(&resources.listeners, |each| &each.name)),
        (Type::Route, all(&resources.routes, |each| &each.name)),
        (Type::Runtime, all(&resources.runtimes, |each| &each.name)),
    ]))
}

fn all<M: Message>(messages: &[M], name: fn(&M) -> &String) -> BTreeMap<Arc<str>, Resource> {
    let encoded = messages.iter().map(|message| {
        let body = message.encode_to_vec();
        let version = Version::of(&body);
        let body = body.into();
        (name(message).as_str().into(), Resource { version, body })
    });
    encoded.collect()
}
