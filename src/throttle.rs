//! Keeps a flood of events out of the log.

use std::time::Duration;

use tokio::time::Instant;

/// So many lines may be written in a window.
const LINES: u32 = 20;

/// The length of a window.
const WINDOW: Duration = Duration::from_secs(10);

/// Counts the lines of the current window.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    opened: Option<Instant>,
    lines: u32,
    held_back: u64,
}

impl Throttle {
    /// Whether an event is to be written, and if so, how many were held back since the last one that was.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.opened.is_none_or(|opened| now - opened >= WINDOW) {
            self.opened = Some(now);
            self.lines = 0;
        }
        if self.lines == LINES {
            self.held_back += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::LINES;
    use super::Throttle;
    use super::WINDOW;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..LINES {
            assert_eq!(throttle.admit(start), Some(0));
        }
        for _ in 0..500 {
            assert_eq!(throttle.admit(start + WINDOW / 2), None);
        }
        assert_eq!(throttle.admit(start + WINDOW), Some(500));
        assert_eq!(throttle.admit(start + WINDOW), Some(0));
    }
}
