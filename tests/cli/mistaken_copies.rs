//! Mistakes in the keys that say how a copy differs, and how many there may be.

use crate::mistakes::{MIRROR, Mistake, mistake};

pub(crate) const COPIES: &[Mistake] = &[
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
];
