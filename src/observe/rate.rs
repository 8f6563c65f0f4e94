//! How large a share may be so that not too many copies are sent in a second. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::Fraction;
use crate::server::Load;

/// How often a share is changed for this: as long as it takes to see what the last change did.
pub const PACE: Duration = Duration::from_secs(5);

/// The next share, after so many copies a second (`rate`) at `share`; `limit` is how many there may be, and `most` what the
/// share would be without it.
///
/// Above the limit it is lowered at once to what fits the requests that there are. Well below it is raised, but never more
/// than doubled: how many requests there are may change, too. In between it is left as it is, so that it does not swing.
pub fn next(limit: u64, rate: f64, share: Fraction, most: Fraction) -> Fraction {
    let now = f64::from(share.millionths());
    let limit = limit as f64;
    // A share that keeps a tenth in reserve.
    let fits = if rate > 0.0 {
        now * 0.9 * limit / rate
    } else {
        f64::INFINITY
    };
    let next = if rate > limit {
        fits
    } else if rate < 0.7 * limit {
        fits.min(now * 2.0).max(now)
    } else {
        now
    };
    let bound = f64::from(most.millionths());
    // Between one and a million; nothing would never show that there is room again.
    let next = next.min(bound).max(1.0).floor() as u32;
    let next = Fraction::from_millionths(next.min(Fraction::ONE.millionths()));
    next.unwrap_or(Fraction::SMALLEST).min(most)
}

/// How many copies a second were sent since it was last asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    last: Option<(Instant, u64)>,
}

impl Meter {
    /// The rate since the last time, if that is long enough ago to tell; then it begins anew.
    pub(super) fn read(&mut self, now: Instant, load: &Load) -> Option<f64> {
        // What was refused a connection was to be sent as well, and may have been counted as issued before.
        let sent = load.issued.max(load.ok.saturating_add(load.failed));
        let Some((since, before)) = self.last else {
            self.last = Some((now, sent));
            return None;
        };
        let passed = now.saturating_duration_since(since);
        if passed < PACE {
            return None;
        }
        self.last = Some((now, sent));
        Some(sent.saturating_sub(before) as f64 / passed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::Meter;
    use super::PACE;
    use super::next;
    use crate::model::Fraction;
    use crate::server::Load;

    fn share(millionths: u32) -> Fraction {
        Fraction::from_millionths(millionths).unwrap()
    }

    proptest! {
        #[test]
        fn whatever_the_load_is_it_soon_fits_and_then_stays(
            limit in 1..10_000u64,
            first in 0.0..100_000.0f64,
            then in 0.0..100_000.0f64,
            most in 1..=1_000_000u32,
        ) {
            let most = share(most);
            let mut now = most;
            for offered in [first, then] {
                let rate = |now: Fraction| offered * f64::from(now.millionths()) / 1e6;
                // A share of one millionth is the least there is.
                let fits = |now: Fraction| rate(now) <= limit as f64 || now == Fraction::SMALLEST;
                now = next(limit, rate(now), now, most);
                prop_assert!(fits(now), "one step is enough to be below: {now}");
                for _ in 0..40 {
                    let after = next(limit, rate(now), now, most);
                    prop_assert!(fits(after) && after <= most && after >= now, "{now} {after}");
                    now = after;
                }
                let settled = next(limit, rate(now), now, most);
                prop_assert_eq!(settled, now, "it does not swing");
                // Of what may be sent, more than half is.
                let room = rate(now) >= 0.5 * limit as f64 || now == most;
                prop_assert!(room || now.millionths() < 10, "{now} at {offered}");
            }
        }
    }

    #[test]
    fn a_meter_needs_some_time() {
        let mut meter = Meter::default();
        let start = Instant::now();
        let load = |issued| Load {
            issued,
            ..Load::default()
        };
        assert_eq!(meter.read(start, &load(100)), None);
        assert_eq!(meter.read(start + Duration::from_secs(1), &load(150)), None);
        assert_eq!(meter.read(start + PACE, &load(200)), Some(20.0));
        assert_eq!(meter.read(start + PACE, &load(300)), None);
        assert_eq!(meter.read(start + 3 * PACE, &load(400)), Some(20.0));
    }
}
