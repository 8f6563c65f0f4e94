//! Many changes at once → one. Pure: the time is given.

use std::time::Duration;

use tokio::time::Instant;

/// How long it has to be quiet. An editor writes, renames and removes within a few milliseconds.
const QUIET: Duration = Duration::from_millis(50);
/// How long a change waits at the most, if it is never quiet.
const LIMIT: Duration = Duration::from_millis(500);

/// Gathers a burst of changes; one for each burst.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    /// The first and the last change of the burst.
    burst: Option<(Instant, Instant)>,
}

impl Debounce {
    /// Something has changed.
    pub(super) fn change(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |(first, _)| first);
        self.burst = Some((first, now));
    }

    /// When the burst is to be taken as over; `None` if nothing has changed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.burst
            .map(|(first, last)| (last + QUIET).min(first + LIMIT))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Debounce;

    /// When the changes at these times (in ms) are dealt with.
    async fn fired(changes: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        let mut changes = changes.iter().map(|ms| start + Duration::from_millis(*ms));
        let mut next = changes.next();
        let mut fired = Vec::new();
        loop {
            match (debounce.deadline(), next) {
                (None, None) => return fired,
                (Some(deadline), change) if change.is_none_or(|change| deadline <= change) => {
                    tokio::time::sleep_until(deadline).await;
                    debounce = Debounce::default();
                    fired.push((Instant::now() - start).as_millis() as u64);
                }
                (_, Some(change)) => {
                    tokio::time::sleep_until(change).await;
                    debounce.change(Instant::now());
                    next = changes.next();
                }
                (Some(_), None) => unreachable!("the arm before takes it"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_fires_once_when_it_is_quiet_and_at_the_latest_at_the_limit() {
        let steady: Vec<u64> = (0..=60).map(|step| step * 20).collect();
        for (changes, expected) in [
            (&[][..], &[][..]),
            (&[7], &[57]),
            (&[0, 10, 49, 90], &[140]),
            (&[0, 100, 1000], &[50, 150, 1050]),
            // Never quiet: every 500 ms, and once more when it ends.
            (&steady, &[500, 1000, 1250]),
        ] {
            assert_eq!(fired(changes).await, expected, "{changes:?}");
        }
    }
}
