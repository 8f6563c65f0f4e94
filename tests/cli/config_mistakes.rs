//! Mistakes in the optional keys of a mirror's configuration.

use crate::mistakes::{MIRROR, Mistake, SERVICES, mistake};

/// A mistake after the key `port`.
const fn with(code: &'static str, keys: &'static str) -> Mistake {
    mistake(code, MIRROR, "    port: 8080\n", keys)
}

pub(crate) const MISTAKES: &[Mistake] = &[
    with("MP313", "    port: 8080\n    «timeout: 6m\n"),
    with("MP313", "    port: 8080\n    «maxConcurrentRequests: 0\n"),
    with("MP313", "    port: 8080\n    «maxBodyBytes: 1GB\n"),
    with(
        "MP313",
        "    port: 8080\n    «maxBodyBytes: 16Mi\n    maxConcurrentRequests: 1000\n",
    ),
    with("MP313", "    port: 8080\n    «methods: unsafe\n"),
    with("MP313", "    port: 8080\n    «quarantine: readonly\n"),
    with("MP313", "    port: 8080\n    «quarantine: true\n"),
    with("MP353", "    port: 8080\n    «quarantine: deny\n"),
    with("MP313", "    port: 8080\n    methods: [«get]\n"),
    with(
        "MP313",
        "    port: 8080\n    match:\n      path:\n        «prefix: api\n",
    ),
    with(
        "MP313",
        "    port: 8080\n    match:\n      path:\n        «regex: (a\n",
    ),
    with(
        "MP313",
        "    port: 8080\n    match:\n      headers:\n        - «name: :path\n          exact: /a\n",
    ),
    with(
        "MP313",
        "    port: 8080\n    match:\n      headers: [«{name: x}]\n",
    ),
    with("MP311", "    port: 8080\n    match:\n      «header: []\n"),
    with(
        "MP313",
        "    port: 8080\n    sticky:\n      «cookie: a user\n",
    ),
    with("MP313", "    port: 8080\n    «sticky: {}\n"),
    // A Service that speaks TLS.
    with("MP313", "    port: 8080\n    «tls: true\n"),
    with("MP313", "    port: 8080\n    tls: {«ca: here}\n"),
    with("MP313", "    port: 8080\n    tls: {«sni: 10.0.0.1}\n"),
    with("MP311", "    port: 8080\n    tls: {«cas: system}\n"),
    mistake(
        "MP329",
        SERVICES,
        "version: v2\n  ports:\n    - name: pipy\n",
        "version: v2\n  ports:\n    - name: https\n",
    ),
    // Some of the Pods.
    with("MP313", "    port: 8080\n    «subset: {}\n"),
    with("MP313", "    port: 8080\n    «subset: v2\n"),
    with(
        "MP313",
        "    port: 8080\n    subset:\n      labels: {«version: 2}\n",
    ),
    with(
        "MP313",
        "    port: 8080\n    subset:\n      labels: {«version: v2 or v3}\n",
    ),
    with(
        "MP311",
        "    port: 8080\n    subset:\n      «label: {version: v2}\n",
    ),
    with(
        "MP324",
        "    port: 8080\n    «subset: {labels: {version: v2}}\n",
    ),
    with(
        "MP328",
        "    port: 8080\n    «subset: {labels: {version: v2}}\n",
    ),
    mistake(
        "MP325",
        MIRROR,
        "      namespace: pipy\n  config:\n    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n",
        "      namespace: pipy\n  config:\n    namespace: pipy\n    service: pipy-ok-v1\n    port: 8080\n    subset: {labels: {version: v2}}\n",
    ),
    with(
        "MP313",
        "    port: 8080\n    ramp:\n      steps:\n        - percentage: { value: 0.1 }\n          duration: 1m\n          «gate: {}\n",
    ),
    // What is empty would count as absent, and protect nobody.
    with("MP313", "    port: 8080\n    «ramp:\n"),
    with("MP313", "    port: 8080\n    «timeout: ~\n"),
    with("MP313", "    port: 8080\n    «match: {}\n"),
    with(
        "MP313",
        "    port: 8080\n    budget:\n      maxFailures: 0.1\n      «window:\n",
    ),
    with("MP313", "    port: 8080\n    headers: {«remove: []}\n"),
    // What is accepted, but means nothing, or something else.
    with("MP313", "    port: 8080\n    methods: [«safe]\n"),
    with("MP313", "    port: 8080\n    methods: [GET, «CONNECT]\n"),
    with("MP320", "    port: 8080\n    methods: [GET, «POTS]\n"),
    with("MP313", "    port: 8080\n    headers: {remove: [«x-*]}\n"),
    with(
        "MP313",
        "    port: 8080\n    match: {path: {«regex: ^/api}}\n",
    ),
    with(
        "MP320",
        "    port: 8080\n    match:\n      «headers:\n        - {name: x, exact: a}\n        - {name: x, exact: b}\n",
    ),
];
