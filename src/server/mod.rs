//! The ADS server: what each sidecar is sent, and when.
//!
//! ```text
//! watch<Option<Arc<World>>> ──┐
//! requests of a stream ───────┼─► connection (the only I/O) ─► sotw | delta ─► session ─► responses
//! shutdown, timer ────────────┘                                one per stream, no I/O, no clock
//! ```
//!
//! | File | Idea |
//! |---|---|
//! | `ads` | the server as a whole, and how streams are opened |
//! | `connection` | one loop per stream: feed the session, send what it yields while the client reads |
//! | `listen` | a socket for sidecars that all come at once |
//! | `operations` | health and reflection |
//! | `per_type` | the services of single types, on the same loop |
//! | `sotw`, `delta` | a protocol variant: its requests, its responses |
//! | `session` | what both have in common: which type is next, and what has to wait |
//! | `substream` | one type on one stream: what the client has, was promised, rejected |
//! | `stream` | the two variants, as the loop sees them |
//! | `subscription` | which names a client wants: every wildcard rule |
//! | `order` | make before break: what is removed stays until nothing names it any more |
//! | `warming` | the endpoints that a cluster waits for |
//! | `node`, `node_matcher` | who the client is, and which clients are asked about |
//! | `entrance`, `gate` | where clients come in; who is let in, and what about whom is told |
//! | `throttle` | a flood of refusals is not a flood of log lines |
//! | `journal` | what a stream says of itself, to the next two and to the log |
//! | `clients`, `csds` | what each client was sent and said of it, asked of the streams when someone wants to know |
//! | `stats` | what is counted |
//! | `roster` | who is connected, and what each client has |
//! | `trials` | what canaries make of what they try |
//!
//! "xDS protocol" in comments is Envoy's document "xDS REST and gRPC protocol". A session *pulls*: it is told of
//! requests and snapshots, and asked for the next response only when the client can take one. So a slow client delays
//! itself alone, and then gets the newest state.

mod ads;
mod client;
mod clients;
mod connection;
mod csds;
mod delta;
mod encode;
mod entrance;
mod feed;
mod gate;
mod http2;
mod journal;
mod letterbox;
mod listen;
mod message;
mod node;
mod node_matcher;
mod one_task;
mod operations;
mod order;
mod roster;
mod routing;
mod session;
mod sotw;
mod stats;
mod stream;
mod subscription;
mod substream;
mod throttle;
mod trials;
mod warming;

#[cfg(test)]
mod interleavings;

pub use ads::{Error, serve};
pub use entrance::Entrance;
pub use entrance::Keepalive;
pub use listen::listen;
pub use roster::{Delivery, Event, Rejection, Sidecar};
pub(crate) use roster::{Member, Record};
pub use stats::Stats;
pub use stream::{Progress, Variant};
pub(crate) use trials::Verdict;
