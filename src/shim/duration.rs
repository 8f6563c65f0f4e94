//! Durations as protobuf and its JSON form have them.

use std::time::Duration;

/// A protobuf duration; `None` if it is negative or out of range.
pub(super) fn from_proto(value: &envoy_types::pb::google::protobuf::Duration) -> Option<Duration> {
    let nanos = u32::try_from(value.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(value.seconds).ok()?, nanos))
}

/// The JSON form, `"1.5s"`, for serde.
pub(super) mod text {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer};

    pub(in crate::shim) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = String::deserialize(input)?;
        text.strip_suffix('s')
            .and_then(|seconds| seconds.parse().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(Some)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration such as `1.5s`")))
    }
}
