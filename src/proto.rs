//! The wire: generated code of the services, and descriptors of every message that travels in it.
//!
//! Payloads (clusters, routes, ...) are `envoy-types` messages while they are built, and bytes afterwards; the
//! descriptors turn those bytes into proto3 JSON and give a name to each field.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/mod.rs"));
}

pub use generated::{envoy, google};

/// Every message and service of `proto/`, as an encoded `FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTORS).expect("build.rs wrote a valid descriptor set")
});

/// The bytes are not what their type URL says, or the type is not one of `proto/`.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The type URL names no message of `proto/`.
    #[error("unknown type `{0}`")]
    UnknownType(String),
    /// The bytes are no such message.
    #[error("not a valid {type_name}")]
    Malformed {
        /// Full name of the message type.
        type_name: String,
        /// What the decoder said.
        source: prost::DecodeError,
    },
    /// The message has no JSON form, as with a nested `Any` of an unknown type.
    #[error("{0} has no JSON form")]
    Json(String, #[source] serde_json::Error),
}

/// The descriptor of the message type that a type URL (`type.googleapis.com/NAME`) names.
pub fn descriptor(type_url: &str) -> Result<MessageDescriptor, DecodeError> {
    let name = type_url.rsplit('/').next().unwrap_or(type_url);
    POOL.get_message_by_name(name)
        .ok_or_else(|| DecodeError::UnknownType(type_url.to_owned()))
}

/// Decodes bytes as the message that `type_url` names, with a descriptor for every field.
pub fn decode(type_url: &str, body: &[u8]) -> Result<DynamicMessage, DecodeError> {
    let descriptor = descriptor(type_url)?;
    let type_name = descriptor.full_name().to_owned();
    DynamicMessage::decode(descriptor, body)
        .map_err(|source| DecodeError::Malformed { type_name, source })
}

/// Proto3 JSON with the field names as in the API (`snake_case`, as Envoy's own configuration files have them).
pub fn to_json(type_url: &str, body: &[u8]) -> Result<serde_json::Value, DecodeError> {
    let options = SerializeOptions::new().use_proto_field_name(true);
    decode(type_url, body)?
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| DecodeError::Json(type_url.to_owned(), error))
}
