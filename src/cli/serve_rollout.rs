//! Flags of `serve` that say how careful to be with changes.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use crate::api::duration;
use crate::rollout::Settings;

/// A changed listener, route or cluster goes to a few sidecars of a group first.
#[derive(Debug, clap::Args)]
pub(super) struct Rollout {
    /// Try a change on a few sidecars first if it reaches more sidecars of a group than this; 0: never
    #[arg(
        long,
        env = "MIRRORPLANE_CANARY_THRESHOLD",
        value_name = "N",
        default_value_t = Settings::default().threshold
    )]
    canary_threshold: usize,
    /// How many sidecars try it
    #[arg(
        long,
        env = "MIRRORPLANE_CANARY_SIDECARS",
        value_name = "N",
        default_value = "2"
    )]
    canary_sidecars: NonZeroUsize,
    /// How long to wait for their word before the change goes on to the others: 5s, 500ms, 1m
    #[arg(
        long,
        env = "MIRRORPLANE_CANARY_TIMEOUT",
        value_name = "DURATION",
        default_value = "5s"
    )]
    canary_timeout: Wait,
}

impl Rollout {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            threshold: self.canary_threshold,
            canaries: self.canary_sidecars.get(),
            timeout: self.canary_timeout.0,
        }
    }
}

/// A time to wait: a number and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait(Duration);

/// A change that waits longer would look lost.
const LONGEST: Duration = Duration::from_secs(3_600);

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match duration::parse(text).filter(|wait| !wait.is_zero() && *wait <= LONGEST) {
            Some(wait) => Ok(Self(wait)),
            None => {
                Err("wanted a whole number of ms, s, m or h, more than 0, at most 1h".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Wait;

    #[test]
    fn a_wait_is_bounded() {
        for (text, milliseconds) in [
            ("500ms", Some(500)),
            ("1h", Some(3_600_000)),
            ("61m", None),
            ("0s", None),
            ("5", None),
        ] {
            let expected = milliseconds.map(|ms| Wait(Duration::from_millis(ms)));
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
