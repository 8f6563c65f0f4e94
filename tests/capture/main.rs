//! Transparent capture with real parts: a Pod and a cluster as network namespaces, rules of the kernel, a real Envoy under
//! its own user, and `mirrorplane serve`, `bootstrap` and `redirect`.
//!
//! Needs root, `ip`, `nft` and `iptables`; without them, and without an Envoy, the tests are skipped loudly, and fail in CI.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stderr,
    reason = "the logs of what failed, and what is skipped"
)]

mod changes;
mod copies;
mod passing;
mod quarantine;
mod rig;
mod rules;
mod terms;
