//! The objects that are read, with the fields that are used and no others; one file per API group.
//!
//! A field that is not listed here is ignored by serde; the sources report unknown fields of the plugin kinds, whose
//! types list every field of osm-edge's and fsm's schemas for that reason.

pub mod annotation;
pub mod copy_config;
pub mod core;
pub mod duration;
pub mod external;
pub mod mesh;
pub mod mesh_config;
pub mod meta;
pub mod mirror_config;
pub mod plugin;
pub mod quantity;
pub mod request_match;
pub mod status;
pub mod subset;
pub mod target_tls;
