//! A traffic-mirroring control plane.
//!
//! # Map of the code
//!
//! Data flows one way. Every arrow is a value; the stages in the middle are pure functions, only the ends do I/O.
//!
//! ```text
//! files,  ─► source ─► resolve (+ dialect) ─► brake ─► translate ─► snapshot ─► rollout ─► server ─► Envoy / shim
//! cluster    Objects        │           Model    Model               World      World       ADS
//!                           └─► diag::Report
//! ```
//!
//! | Module | Is given | Yields |
//! |---|---|---|
//! | [`api`] | | the types of the objects that are read |
//! | [`crd`] | those types | their definitions for a Kubernetes API server |
//! | [`diag`] | | what is said to the user: code, place, effect, help |
//! | [`source`] | a folder, or the Kubernetes API | `Objects`: one consistent state of the world |
//! | [`dialect`] | plugin objects | rules in our own words |
//! | [`resolve`] | `Objects` | `(Model, Report)`; total: a bad object rejects itself only |
//! | [`model`] | | what is mirrored, for whom, where to |
//! | [`brake`] | a model, and what holds shares down | the model with lower shares |
//! | [`translate`] | a group of the model | Envoy messages |
//! | [`snapshot`] | Envoy messages | encoded, versioned resources, shared by all streams |
//! | [`transport`] | a socket, PEM files | connections, plain or TLS |
//! | [`access`] | what a client shows | the nodes that it may speak for |
//! | [`reload`] | paths | what the files hold, again at each change |
//! | [`certificates`] | a Secret, the time | the CA and the certificate of the control plane, kept in order |
//! | [`server`] | snapshots | ADS, state of the world and incremental |
//! | [`rollout`] | snapshots, and what canaries make of them | snapshots that a few have before all others |
//! | [`observe`] | what sidecars report of copies, and of calls that they refused | which budgets are exceeded, which shares fit a rate, what was refused |
//! | [`admission`] | an object that is to be kept, and the world | what is wrong with it; a sidecar for a Pod |
//! | [`admin`] | what the server and the pipeline counted | metrics, health, and which sidecar has what, over HTTP |
//! | [`embed`] | resources of any program, by node id | snapshots, served without the stages before |
//! | [`sidecar`] | a Pod | what a sidecar starts with, the rules that lead to it, and the Pod with both |
//! | [`status`] | what is said of the objects, and what sidecars accepted | their `status` in the Kubernetes API |
//! | [`shim`] | a bootstrap | a minimal data plane, an ADS client that sees only the wire |
//! | [`pipeline`] | `Objects`, again and again | the pure stages as one step |
//! | [`app`] | settings | the wiring of `serve` |
//! | [`cli`] | the command line | the commands, one file each |
//! | [`proto`], [`name`] | | the wire format; `namespace/name` |
//! | `throttle` | a flood of events | a few lines of the log |
//!
//! # Invariants
//!
//! * A stage reads only the stage before it; `tests/tidy` checks the imports.
//! * A version is content: a client that says it has it is not sent it again, not even after a restart (but for what it
//!   needs again: the endpoints of a changed cluster, the routes of a changed listener). A version that [`embed`] lets a
//!   program choose is a name beside it.
//! * The last good state stays until a better one is there; one that canaries reject is not better.
//! * The shadow never hurts the primary.

pub mod access;
pub mod admin;
pub mod admission;
pub mod api;
pub mod app;
pub mod brake;
pub mod certificates;
pub mod cli;
pub mod crd;
pub mod diag;
pub mod dialect;
pub mod embed;
pub mod model;
pub mod name;
pub mod observe;
pub mod pipeline;
pub mod proto;
pub mod reload;
pub mod resolve;
pub mod rollout;
pub mod server;
pub mod shim;
pub mod sidecar;
pub mod snapshot;
pub mod source;
pub mod status;
mod throttle;
pub mod translate;
pub mod transport;
