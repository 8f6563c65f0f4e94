//! What became of copies over the last while. Pure: counts and time are given.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::Fraction;
use crate::server::Load;

/// Into how many parts a window is cut, about: it may be longer than it says by one of them.
const MOST: u32 = 256;

/// What became of the copies of a rule, over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Those that have come to an end.
    pub ended: u64,
    /// Those of them that failed: answered with 500 or above, refused, reset, or not answered in time.
    pub failed: u64,
    /// Those of them that were answered late, or never; only where somebody asks about that.
    pub slow: u64,
}

impl Outcomes {
    /// Whether so many of them are a larger share than this.
    pub(super) fn exceed(self, copies: u64, most: Fraction) -> bool {
        u128::from(copies) * 1_000_000 > u128::from(self.ended) * u128::from(most.millionths())
    }

    /// With those of others.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ended: self.ended.saturating_add(other.ended),
            failed: self.failed.saturating_add(other.failed),
            slow: self.slow.saturating_add(other.slow),
        }
    }
}

/// Counts as they were, back to the beginning of the window.
#[derive(Clone, Debug, Default)]
pub struct Window(VecDeque<(Instant, Load)>);

impl Window {
    /// Takes in the counts of now, and forgets what is too old to be needed.
    pub fn push(&mut self, now: Instant, load: Load, window: Duration) {
        // Counts that are forgotten, since nobody asked for a while, begin anew; they say nothing against the copies.
        let is_less = |before: &Load| load.ok < before.ok || load.failed < before.failed;
        if self.0.back().is_some_and(|(_, before)| is_less(before)) {
            self.clear();
        }
        // Of a day not every second is kept: the newest is replaced while it is close to the one before.
        let is_close = |at: Instant| now.saturating_duration_since(at) < window / MOST;
        if self.0.len() > 1
            && self
                .0
                .get(self.0.len() - 2)
                .is_some_and(|(at, _)| is_close(*at))
        {
            self.0.pop_back();
        }
        self.0.push_back((now, load));
        let is_old = |at: Instant| now.saturating_duration_since(at) >= window;
        // One from before the window, or of its very beginning, stays: it is what the others are compared with.
        while self.0.get(1).is_some_and(|(at, _)| is_old(*at)) {
            self.0.pop_front();
        }
    }

    /// Begins anew: what was before does not count.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What became of the copies since the beginning of the window.
    ///
    /// A copy without an answer is counted nowhere: it is one that was sent and is not on its way any more. Since counters
    /// are not read at the same instant, that makes sense over the whole window only, not from one report to the next.
    pub fn outcomes(&self) -> Outcomes {
        let (Some((_, first)), Some((_, last))) = (self.0.front(), self.0.back()) else {
            return Outcomes::default();
        };
        let since = |of: fn(&Load) -> i128| of(last) - of(first);
        let ok = since(|load| load.ok.into());
        let over = since(|load| i128::from(load.issued) - i128::from(load.active));
        // Of those that were sent all that did not end well; or of those that were not, for want of a connection, if these
        // are more. Some of those above the limit of copies are counted as failures as well, and are none.
        let unsent = since(|load| i128::from(load.failed) - i128::from(load.dropped));
        let failed = count(unsent.max(over - ok));
        // An answer is timed only where the sidecar has been told to already.
        let answered = since(|load| load.timed.into()).max(ok);
        let slow = since(|load| load.slow.into());
        Outcomes {
            ended: count(ok).saturating_add(failed),
            failed,
            slow: count(slow).saturating_add(count(over - answered)),
        }
    }
}

fn count(number: i128) -> u64 {
    u64::try_from(number.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::Window;
    use crate::server::Load;

    fn load(ok: u64, failed: u64, issued: u64, active: u64) -> Load {
        Load {
            ok,
            failed,
            issued,
            active,
            ..Load::default()
        }
    }

    #[test]
    fn what_an_envoy_reports_is_what_happened() {
        // As measured, ten copies each: what came before is nothing.
        for (what, reports, failed) in [
            ("200", vec![load(10, 0, 10, 0)], 0),
            ("500", vec![load(0, 10, 10, 0)], 10),
            ("refused", vec![load(0, 10, 0, 0)], 10),
            ("slow", vec![load(0, 0, 10, 10), load(0, 0, 10, 0)], 10),
            // Counters that are not read at the same instant.
            ("404", vec![load(8, 0, 10, 6), load(10, 0, 10, 0)], 0),
            ("on their way", vec![load(0, 0, 10, 10)], 0),
        ] {
            let mut window = Window::default();
            let start = Instant::now();
            window.push(start, Load::default(), Duration::from_secs(30));
            for (second, load) in (1..).zip(reports) {
                let now = start + Duration::from_secs(second);
                window.push(now, load, Duration::from_secs(30));
            }
            let outcomes = window.outcomes();
            let ended = if what == "on their way" { 0 } else { 10 };
            assert_eq!((outcomes.ended, outcomes.failed), (ended, failed), "{what}");
        }
    }

    #[test]
    fn copies_above_the_cap_are_no_failures_and_those_without_an_answer_are_slow() {
        let second = Duration::from_secs(1);
        for (what, load, expected) in [
            (
                "ten well, and many above the cap, some of them as errors",
                Load {
                    dropped: 90,
                    timed: 10,
                    ..load(10, 50, 10, 0)
                },
                (10, 0, 0),
            ),
            (
                "four of ten fail, beside them",
                Load {
                    dropped: 90,
                    timed: 10,
                    ..load(6, 54, 10, 0)
                },
                (10, 4, 0),
            ),
            (
                "three of ten are late, one late and with a failure, two never come",
                Load {
                    timed: 8,
                    slow: 3,
                    ..load(7, 1, 12, 2)
                },
                (10, 3, 5),
            ),
            (
                "before the sidecar takes the time",
                load(10, 0, 10, 0),
                (10, 0, 0),
            ),
        ] {
            let (mut window, start) = (Window::default(), Instant::now());
            window.push(start, Load::default(), second * 30);
            window.push(start + second, load, second * 30);
            let found = window.outcomes();
            assert_eq!((found.ended, found.failed, found.slow), expected, "{what}");
        }
    }

    #[test]
    fn counts_that_are_forgotten_are_no_failures() {
        let (mut window, start) = (Window::default(), Instant::now());
        // Many were refused long ago, of which Envoy says that they failed and were never sent.
        for (second, load) in [(0, load(90, 50, 90, 0)), (1, load(0, 0, 0, 0))] {
            let now = start + Duration::from_secs(second);
            window.push(now, load, Duration::from_secs(30));
            assert_eq!(window.outcomes().failed, 0);
        }
    }

    #[test]
    fn a_long_window_takes_no_more_room_than_a_short_one() {
        let (mut window, start) = (Window::default(), Instant::now());
        let day = 86_400;
        for second in 0..2 * day {
            let now = start + Duration::from_secs(second);
            window.push(now, load(second, 0, second, 0), Duration::from_secs(day));
        }
        assert!(window.0.len() < 300, "{}", window.0.len());
        let ended = window.outcomes().ended;
        assert!((day..day + day / 200).contains(&ended), "{ended}");
    }

    proptest! {
        #[test]
        fn whatever_the_reports_are_cut_into_the_window_says_what_happened_in_it(
            copies in prop::collection::vec((0..5u64, 0..3u64), 1..60),
            seconds in 1..20u64,
        ) {
            // Each second some end well and some never end; a second later they are not on their way any more.
            let (mut window, start) = (Window::default(), Instant::now());
            let (mut load, mut before) = (Load::default(), 0);
            window.push(start, load, Duration::from_secs(seconds));
            for (second, (ok, lost)) in (1..).zip(&copies) {
                load.ok += ok;
                load.issued += ok + lost;
                load.active = *lost;
                window.push(start + Duration::from_secs(second), load, Duration::from_secs(seconds));
                before = *lost;
            }
            let from = copies.len().saturating_sub(seconds as usize);
            let ok: u64 = copies[from..].iter().map(|one| one.0).sum();
            // Those of the last second are on their way, those of the second before the window ended in it.
            let lost: u64 = copies[from..].iter().map(|one| one.1).sum();
            let entering = from.checked_sub(1).map_or(0, |at| copies[at].1);
            let failed = lost + entering - before;
            let found = window.outcomes();
            prop_assert_eq!((found.ended, found.failed), (ok + failed, failed));
        }
    }
}
