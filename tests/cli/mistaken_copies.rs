//! Mistakes in the keys that say how a copy differs, how many there may be, and where they go if not to a Service.

use crate::mistakes::{MIRROR, Mistake, mistake};

pub(crate) const COPIES: &[Mistake] = &[
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    «tracing: never\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    timeout: 2s\n    budget: {maxSlow: 0.1, «slowAfter: 2s}\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    budget: {«maxSlow: 10, slowAfter: 1s}\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    «host: two words\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    «credentials: drop\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    headers: {set: {«Host: v2.test}}\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    headers: {remove: [x-debug, «x-mirror-shadow]}\n    percentage:\n",
    ),
    mistake(
        "MP311",
        MIRROR,
        "    percentage:\n",
        "    headers: {«delete: [x-debug]}\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    path: {replacePrefix: {«from: api, to: /shadow}}\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    «path: {}\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    budget: {«maxFailures: 5}\n    percentage:\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    percentage:\n",
        "    «maxRequestsPerSecond: 0\n    percentage:\n",
    ),
    // A target outside.
    mistake(
        "MP313",
        MIRROR,
        "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n",
        "    external: {«host: http://shadow.example, port: 80}\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n",
        "    external: {host: shadow.example, port: 443, tls: {«ca: here}}\n",
    ),
    mistake(
        "MP311",
        MIRROR,
        "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n",
        "    external: {host: shadow.example, port: 443, «tsl: {}}\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n",
        "    «service: pipy-ok-v2\n    external: {host: shadow.example, port: 80}\n",
    ),
    mistake(
        "MP325",
        MIRROR,
        "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n",
        "    external: {host: pipy-ok-v1.pipy.svc, port: 8080}\n",
    ),
    mistake(
        "MP313",
        MIRROR,
        "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n",
        "    external:\n      host: shadow.example\n      port: 443\n      «tls:\n",
    ),
    mistake(
        "MP319",
        MIRROR,
        "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n",
        "    external: {host: shadow.example, «port: 443}\n",
    ),
];
