//! The shares. They travel apart from the routes, so that a change of a percentage costs a few bytes and no route.

use std::collections::BTreeMap;

use super::names::{RUNTIME, ShareKey};
use crate::model::{Fraction, Group};
use crate::proto::envoy::service::runtime::v3::Runtime;
use crate::proto::google::protobuf::value::Kind;
use crate::proto::google::protobuf::{Struct, Value};

/// The layer of a group; it is sent also when it is empty, since a sidecar waits for it when it starts.
pub(super) fn runtime(group: &Group) -> Runtime {
    let mut shares: BTreeMap<String, Fraction> = BTreeMap::new();
    let ports = group.destinations.iter().flat_map(|each| &each.ports);
    for mirror in ports.flat_map(|port| &port.mirrors) {
        // A rule has one share. Should two be written, the smaller one harms less.
        shares
            .entry(ShareKey(mirror.rule.clone()).to_string())
            .and_modify(|share| *share = mirror.fraction.min(*share))
            .or_insert(mirror.fraction);
    }
    Runtime {
        name: RUNTIME.to_owned(),
        layer: Some(Struct {
            fields: shares
                .into_iter()
                .map(|(key, share)| (key, value(share)))
                .collect(),
        }),
    }
}

/// A structure with both parts: Envoy takes a bare number for a percentage, and anything above 100 for all.
fn value(share: Fraction) -> Value {
    let kind = |kind| Value { kind: Some(kind) };
    kind(Kind::StructValue(Struct {
        fields: BTreeMap::from([
            (
                "numerator".to_owned(),
                kind(Kind::NumberValue(share.millionths().into())),
            ),
            (
                "denominator".to_owned(),
                kind(Kind::StringValue("MILLION".to_owned())),
            ),
        ]),
    }))
}
