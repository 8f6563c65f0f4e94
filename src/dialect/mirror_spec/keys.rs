//! The keys of `spec.config`: which there are.

/// A key of `spec.config`, what it holds, and whether it must be there.
pub(super) struct Key(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) Presence,
);

/// Whether a key must be there.
#[derive(PartialEq)]
pub(super) enum Presence {
    /// It must, unless another stands for it.
    Required,
    /// It need not.
    Optional,
    /// It need not, and is read by itself, with [`Reader::optional`](super::decode::Reader::optional).
    Apart,
}

/// All keys, in the order of the type.
pub(super) const KEYS: [Key; 22] = [
    Key(
        "namespace",
        "the namespace of a Service",
        Presence::Required,
    ),
    Key("service", "the name of a Service", Presence::Required),
    Key("port", "the number or name of a port", Presence::Required),
    Key(
        "subset",
        "labels: `subset: {labels: {version: v2}}`",
        Presence::Apart,
    ),
    Key("tls", "a mapping: `tls: {ca: system}`", Presence::Apart),
    Key(
        "percentage",
        "a mapping with a fraction: `percentage: {value: 0.5}`",
        Presence::Optional,
    ),
    Key("timeout", "a time: `timeout: 5s`", Presence::Apart),
    Key(
        "maxConcurrentRequests",
        "a whole number from 1 to 10000",
        Presence::Apart,
    ),
    Key(
        "maxBodyBytes",
        "a number of bytes: `maxBodyBytes: 64Ki`",
        Presence::Apart,
    ),
    Key(
        "methods",
        "`safe`, or a list of methods: `methods: [GET, POST]`",
        Presence::Apart,
    ),
    Key(
        "match",
        "a mapping of conditions: `match: {path: {prefix: /api}}`",
        Presence::Apart,
    ),
    Key(
        "sticky",
        "a mapping with a header or a cookie: `sticky: {header: x-user}`",
        Presence::Apart,
    ),
    Key(
        "ramp",
        "a mapping with steps: `ramp: {steps: [{percentage: {value: 0.1}, duration: 10m}]}`",
        Presence::Apart,
    ),
    Key("host", "a text: `host: keep`", Presence::Apart),
    Key(
        "headers",
        "a mapping: `headers: {set: {x-shadow: \"1\"}, remove: [cookie]}`",
        Presence::Apart,
    ),
    Key("credentials", "`keep` or `strip`", Presence::Apart),
    Key(
        "path",
        "a mapping: `path: {replaceFull: /shadow}`",
        Presence::Apart,
    ),
    Key("tracing", "`inherit`, `off` or `always`", Presence::Apart),
    Key(
        "budget",
        "how many copies may fail: `budget: {maxFailures: 0.05}`",
        Presence::Apart,
    ),
    Key(
        "maxRequestsPerSecond",
        "a whole number of copies",
        Presence::Apart,
    ),
    Key(
        "quarantine",
        "`read-only`, `deny` or `off`",
        Presence::Apart,
    ),
    Key(
        "external",
        "a mapping: `external: {host: shadow.example, port: 80}`",
        Presence::Apart,
    ),
];
/// The keys of `percentage`.
pub(super) const PERCENTAGE_KEYS: [&str; 1] = ["value"];
/// Optional keys of a target that is a Service.
pub(super) const OF_SERVICES: [&str; 2] = ["subset", "tls"];
/// The key that stands for all that are required.
pub(super) const EXTERNAL: &str = "external";
