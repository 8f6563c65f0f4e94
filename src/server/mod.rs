//! The ADS server: what each sidecar is sent, and when.
//!
//! ```text
//! World ──► feed ──► letterbox ──┐
//! HTTP/2 ─► routing ─► message ──┼─► exchange (the only I/O) ─► client ─► sotw | delta ─► session
//! timer ─────────────────────────┘       ▲                      one per stream, no I/O
//!                                        └── encode ◄── the next response, asked for when there is room
//! ```
//!
//! | File | Idea |
//! |---|---|
//! | `ads` | the server as a whole: its start, its connections, its end |
//! | `listen` | a socket for sidecars that all come at once |
//! | `entrance`, `gate` | where clients come in; who is let in, and what about whom is told |
//! | `http2` | one connection: its limits, and its end |
//! | `one_task` | a connection and its streams, polled by one task |
//! | `routing` | which method opens which stream: ADS, and the services of single types |
//! | `exchange` | one stream as the body of its response: takes in what happened, yields what there is to send |
//! | `message` | requests, read off the bytes of a stream |
//! | `encode` | responses as bytes, written once for all streams that are sent the same |
//! | `feed` | what each client is to have, and which streams a change concerns |
//! | `letterbox` | where one stream finds its news: the newest alone |
//! | `client` | the client of a stream: who it is, what it asks, what it is sent next |
//! | `stream` | what a client needs to know of a protocol variant |
//! | `sotw`, `delta` | a protocol variant: its requests, its responses |
//! | `session` | what both have in common: which type is next, and what has to wait |
//! | `substream` | one type on one stream: what the client has, was promised, rejected |
//! | `subscription` | which names a client wants: every wildcard rule |
//! | `order` | make before break: what is removed stays until nothing names it any more |
//! | `warming` | the endpoints that a cluster waits for |
//! | `node`, `node_matcher` | who the client is, and which clients are asked about |
//! | `journal` | what a stream says of itself: to `stats`, to `trials` and to the log |
//! | `stats` | what is counted |
//! | `roster` | who is connected, and how each client is, for operators and roll-outs |
//! | `clients`, `csds` | what each client was sent and said of it, resource by resource |
//! | `loads`, `load_reports` | what sidecars report of the requests to clusters, and of which they are asked to |
//! | `refusals`, `access_logs` | what sidecars report to have refused to those in quarantine |
//! | `trials` | what canaries make of what they try |
//! | `operations` | health and reflection |
//!
//! "xDS protocol" in comments is Envoy's document "xDS REST and gRPC protocol". A session *pulls*: it is told of
//! requests and snapshots, and asked for the next response only when the client can take one. So a slow client delays
//! itself alone, and then gets the newest state.

mod access_logs;
mod ads;
mod client;
mod clients;
mod csds;
mod delta;
mod encode;
mod entrance;
mod exchange;
mod feed;
mod gate;
mod http2;
mod journal;
mod letterbox;
mod listen;
mod load_reports;
mod loads;
mod message;
mod node;
mod node_matcher;
mod one_task;
mod operations;
mod order;
mod refusals;
mod roster;
mod routing;
mod session;
mod sotw;
mod stats;
mod stream;
mod subscription;
mod substream;
mod trials;
mod warming;

#[cfg(test)]
mod interleavings;

pub use ads::{Error, serve};
pub use entrance::Entrance;
pub use entrance::Keepalive;
pub use listen::listen;
pub use loads::{Load, Loads, Wanted};
pub use refusals::{Held, Refusals};
pub use roster::{Delivery, Event, Rejection, Sidecar};
pub(crate) use roster::{Member, Record};
pub use stats::Stats;
pub use stream::{Progress, Variant};
pub(crate) use trials::Verdict;
