//! How long to wait before the next attempt.

use std::time::Duration;

/// After the first failure. An API server that restarts is away for seconds, and a connection it closed is made anew at once.
const FIRST: Duration = Duration::from_millis(100);
/// However long it fails: recovery has to be quick, and a request of each kind in this time is nothing to the server.
const LAST: Duration = Duration::from_secs(3);

/// Waits that double with each failure, and differ between those who wait.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(10)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        jittered(whole)
    }

    /// Something succeeded.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between half of it and all of it.
pub(super) fn jittered(whole: Duration) -> Duration {
    whole.mul_f64(0.5 + 0.5 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use super::FIRST;
    use super::LAST;

    #[test]
    fn waits_grow_to_a_limit_and_start_again_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..100).map(|_| backoff.next()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits[3] >= FIRST * 4 && waits[3] <= FIRST * 8);
        assert!(
            waits[10..]
                .iter()
                .all(|wait| *wait <= LAST && *wait >= LAST / 2)
        );
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
