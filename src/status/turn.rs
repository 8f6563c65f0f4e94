//! Whose turn it is: every object gets its own, also when some of them are refused and when there is more to write than a
//! look has room for. Pure.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use tokio::time::Instant;

use super::wanted::Key;

/// How long an object waits after its first refusal. Twice as long after each further one.
const FIRST: Duration = Duration::from_secs(2);

/// The longest wait of an object that is refused: nobody else may suffer from many of them.
const LONGEST_REFUSED: Duration = Duration::from_secs(300);

/// The longest wait of an object whose write got no answer, which is seldom its fault.
const LONGEST_UNANSWERED: Duration = Duration::from_secs(60);

/// All entries, beginning with the one after `last`.
pub(super) fn after<'a, K: Ord, V>(
    all: &'a BTreeMap<K, V>,
    last: Option<&K>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    let from = last.map_or(Bound::Unbounded, Bound::Excluded);
    let rest = all.range((from, Bound::Unbounded));
    let before = last.map(|last| all.range(..=last));
    rest.chain(before.into_iter().flatten())
}

/// The objects whose status could not be written, each with a wait of its own.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    waits: BTreeMap<Key, Wait>,
    news: Option<News>,
}

#[derive(Debug)]
struct Wait {
    until: Instant,
    length: Duration,
    told: bool,
}

/// What has not been told of yet.
#[derive(Debug, PartialEq)]
pub(super) struct News {
    /// The first that was refused.
    pub(super) key: Key,
    /// What the API server said about it.
    pub(super) error: String,
    /// How many others were refused since.
    pub(super) others: usize,
}

impl Refusals {
    /// The API server does not take the status of this object.
    pub(super) fn refused(&mut self, key: &Key, error: String, now: Instant) {
        let wait = self.wait(key, LONGEST_REFUSED, now);
        if std::mem::replace(&mut wait.told, true) {
            return;
        }
        match &mut self.news {
            Some(news) => news.others = news.others.saturating_add(1),
            None => {
                self.news = Some(News {
                    key: key.clone(),
                    error,
                    others: 0,
                });
            }
        }
    }

    /// Something else went wrong: the others first, in case that it is about this object.
    pub(super) fn unanswered(&mut self, key: &Key, now: Instant) {
        self.wait(key, LONGEST_UNANSWERED, now);
    }

    fn wait(&mut self, key: &Key, longest: Duration, now: Instant) -> &mut Wait {
        let wait = self.waits.entry(key.clone()).or_insert(Wait {
            until: now,
            length: FIRST / 2,
            told: false,
        });
        wait.length = (wait.length * 2).min(longest);
        wait.until = now + wait.length;
        wait
    }

    /// Whether an object is not to be tried yet.
    pub(super) fn waits(&self, key: &Key, now: Instant) -> bool {
        self.waits.get(key).is_some_and(|wait| now < wait.until)
    }

    /// Whether any object has waited long enough.
    pub(super) fn any_due(&self, now: Instant) -> bool {
        self.waits.values().any(|wait| wait.until <= now)
    }

    /// It is written, or there is nothing to write any more.
    pub(super) fn settle(&mut self, key: &Key) {
        self.waits.remove(key);
    }

    /// Forgets the objects that are not among these.
    pub(super) fn retain<V>(&mut self, all: &BTreeMap<Key, V>) {
        self.waits.retain(|key, _| all.contains_key(key));
    }

    /// The objects that are refused since this was asked last: each is told once, until it is settled.
    pub(super) fn news(&mut self) -> Option<News> {
        self.news.take()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Refusals;
    use super::after;
    use crate::name::Namespaced;
    use crate::status::kind::Kind;
    use crate::status::wanted::Key;

    fn key(name: &str) -> Key {
        (Kind::PluginConfig, Namespaced::new("curl", name))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_look_begins_after_the_last_one_and_leaves_nobody_out() {
        let all = BTreeMap::from([(1, ()), (2, ()), (4, ())]);
        let order = |last: Option<i32>| -> Vec<i32> {
            after(&all, last.as_ref()).map(|(key, ())| *key).collect()
        };
        assert_eq!(order(None), [1, 2, 4]);
        assert_eq!(order(Some(1)), [2, 4, 1]);
        assert_eq!(order(Some(3)), [4, 1, 2], "it may be gone");
        assert_eq!(order(Some(4)), [1, 2, 4]);
        assert_eq!(order(Some(0)), [1, 2, 4]);
        assert_eq!(order(Some(9)), [1, 2, 4]);
    }

    #[test]
    fn who_is_refused_waits_alone_and_ever_longer() {
        let (mut refusals, mut now) = (Refusals::default(), Instant::now());
        for wait in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            refusals.refused(&key("a"), "too large".to_owned(), now);
            assert!(!refusals.waits(&key("b"), now));
            assert!(refusals.waits(&key("a"), now + seconds(wait - 1)));
            assert!(!refusals.any_due(now + seconds(wait - 1)));
            now += seconds(wait);
            assert!(!refusals.waits(&key("a"), now) && refusals.any_due(now));
        }
        refusals.settle(&key("a"));
        assert!(!refusals.any_due(now));
        refusals.refused(&key("a"), "too large".to_owned(), now);
        assert!(!refusals.waits(&key("a"), now + seconds(2)));
        refusals.retain(&BTreeMap::from([(key("b"), ())]));
        assert!(!refusals.any_due(now + seconds(2)));
        for _ in 0..9 {
            refusals.unanswered(&key("c"), now);
        }
        assert!(!refusals.waits(&key("c"), now + seconds(60)));
    }

    #[test]
    fn a_refusal_is_told_once() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        refusals.unanswered(&key("a"), now);
        assert_eq!(refusals.news(), None);
        for name in ["a", "b", "a", "c"] {
            refusals.refused(&key(name), format!("not {name}"), now);
        }
        let news = refusals.news().unwrap();
        assert_eq!(
            (news.key, &*news.error, news.others),
            (key("a"), "not a", 2)
        );
        refusals.refused(&key("b"), "not b".to_owned(), now);
        assert_eq!(refusals.news(), None);
        refusals.settle(&key("b"));
        refusals.refused(&key("b"), "again".to_owned(), now);
        assert_eq!(refusals.news().unwrap().error, "again");
    }
}
