//! The configuration as the proxy uses it: plain values with everything computed beforehand.
//!
//! One file per resource type: the value, and how it comes from the accepted message. Which fields a message may have at
//! all is decided before, by [`support`](super::support); here the values are looked at.

mod choice;
mod cluster;
mod cookie;
mod endpoint;
mod filters;
mod framing;
mod header_match;
mod host;
mod listener;
mod mirror;
mod mutation;
mod query_match;
mod rejection;
mod route;
mod unaltered;

pub(super) use choice::{Choice, Hashed, Sampled};
pub(super) use cluster::{Cluster, Discovery, Protocol, SLOW_METRIC};
pub(super) use cookie::Cookies;
pub(super) use endpoint::{Endpoints, endpoints};
pub(super) use filters::Filters;
pub(super) use header_match::{HeaderMatch, Subject, Test};
pub(super) use listener::Listener;
pub(super) use mirror::{HostRewrite, Mirror, Share};
pub(super) use mutation::{Mutation, Text};
pub(super) use query_match::QueryMatch;
pub(super) use rejection::{Rejection, Within};
pub(super) use route::{Action, Path, Route, RouteTable};
pub(super) use unaltered::{MAX_HEADERS, MAX_HEADERS_KIB};
