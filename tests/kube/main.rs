//! Everything that needs a Kubernetes API, against a real one: etcd, kube-apiserver and kube-controller-manager.
//!
//! `KUBEBUILDER_ASSETS` names the folder with their binaries and kubectl; `tests/run` builds them. There is no kubelet:
//! the tests say themselves what Pods are doing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "what is skipped is said")]

mod chart;
mod columns;
mod definitions;
#[allow(
    dead_code,
    reason = "the services of other tests can do more than is needed here"
)]
#[path = "../traffic/rig/echo.rs"]
mod echo;
mod faults;
mod identity;
mod install;
mod installed;
mod mesh;
#[allow(
    dead_code,
    reason = "the rig has whole sentences, also where no test says the second half"
)]
mod node;
mod outage;
mod readme;
#[allow(
    dead_code,
    reason = "the rig has whole sentences, also where no test says the second half"
)]
mod rig;
mod serve;
mod sidecar;
mod smoke;
mod source;
mod status;
mod subset;
mod walkthrough;
mod webhook;
