//! Waiting for a time of day.

use std::future::pending;
use std::time::Duration;
use std::time::SystemTime;

use tokio::time::sleep;

/// A clock may be set; so it is looked at now and then.
const LOOK: Duration = Duration::from_secs(30);

/// Completes once it is that time, at once if it was; never without one.
pub(super) async fn at(time: Option<SystemTime>) {
    let Some(time) = time else {
        return pending().await;
    };
    while let Ok(left) = time.duration_since(SystemTime::now()) {
        if left.is_zero() {
            return;
        }
        // A timer may be early by a fraction of a millisecond, and then it would be the same moment again.
        sleep(left.min(LOOK) + Duration::from_millis(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use tokio::time::timeout;

    use super::at;

    #[tokio::test(start_paused = true)]
    async fn what_was_is_at_once_and_what_never_comes_is_waited_for() {
        at(Some(SystemTime::UNIX_EPOCH)).await;
        let now = SystemTime::now();
        at(Some(now + Duration::from_millis(20))).await;
        assert!(SystemTime::now() >= now + Duration::from_millis(20));
        let long = Duration::from_secs(100_000);
        assert!(timeout(long, at(None)).await.is_err());
    }
}
