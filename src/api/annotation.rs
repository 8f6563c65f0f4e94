//! The annotations that are read.

/// What all of them begin with.
pub const PREFIX: &str = "mirrorplane.io/";
/// On a Pod, a workload or its Pod template: `IP:PORT` where the sidecar listens for its application.
pub const LISTEN: &str = "mirrorplane.io/listen";
/// On a Plugin: `traffic-mirror` marks it as a mirror, whatever its name is.
pub const PLUGIN: &str = "mirrorplane.io/plugin";
