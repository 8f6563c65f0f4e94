//! The annotations that are read.

/// What all of them begin with.
pub const PREFIX: &str = "mirrorplane.io/";
/// On a Pod, a workload or its Pod template: `IP:PORT` where the sidecar listens for its application.
pub const LISTEN: &str = "mirrorplane.io/listen";
/// On a Plugin: `traffic-mirror` marks it as a mirror, whatever its name is.
pub const PLUGIN: &str = "mirrorplane.io/plugin";
/// On a Namespace, a Pod or a Pod template: whether Pods get a sidecar.
pub const SIDECAR_INJECTION: &str = "mirrorplane.io/sidecar-injection";
/// On an injected Pod or Pod template: the version of the program that added the sidecar.
pub const INJECTED: &str = "mirrorplane.io/injected";
/// On an injected Pod or Pod template: how its Envoy follows the token, which becomes a file.
pub const TOKEN_SDS: &str = "mirrorplane.io/token-sds";
/// On a PluginConfig, a Namespace or a MeshConfig: stops mirrors at once; the value says why.
pub const STOP: &str = "mirrorplane.io/stop";
/// On a PluginConfig: when somebody said that its mirror is to go on though its budget was blown, in RFC 3339.
pub const RESUMED: &str = "mirrorplane.io/resumed";
/// What may stand on a Pod or a Pod template.
pub const OF_PODS: &[&str] = &[
    LISTEN,
    SIDECAR_INJECTION,
    INJECTED,
    TOKEN_SDS,
    "mirrorplane.io/outbound-port-exclusion-list",
    "mirrorplane.io/outbound-ip-range-exclusion-list",
    "mirrorplane.io/outbound-ip-range-inclusion-list",
    "mirrorplane.io/sidecar-cpu-request",
    "mirrorplane.io/sidecar-cpu-limit",
    "mirrorplane.io/sidecar-memory-request",
    "mirrorplane.io/sidecar-memory-limit",
];
