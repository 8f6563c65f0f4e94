//! A snapshot to be read by people, and by a proxy that is started from a file.

use serde_json::{Map, Value};

use super::ResourceType;
use super::Snapshot;
use crate::proto;
use crate::proto::DecodeError;

/// A snapshot as an object of five lists: `clusters`, `endpoints`, `listeners`, `routes` and `runtime`, each sorted by
/// name, in the field names of Envoy's own configuration files.
///
/// # Errors
///
/// A resource is not of its type, or holds an `Any` of a type that `proto/` lacks.
pub fn to_json(snapshot: &Snapshot) -> Result<Value, DecodeError> {
    let mut lists = Map::new();
    for ty in ResourceType::ALL {
        let key = match ty {
            ResourceType::Cluster => "clusters",
            ResourceType::Endpoint => "endpoints",
            ResourceType::Listener => "listeners",
            ResourceType::Route => "routes",
            ResourceType::Runtime => "runtime",
        };
        let resources = snapshot.of(ty).values();
        let list: Result<Vec<Value>, DecodeError> = resources
            .map(|resource| proto::to_json(ty.type_url(), &resource.body))
            .collect();
        lists.insert(key.to_owned(), list?.into());
    }
    Ok(Value::Object(lists))
}
