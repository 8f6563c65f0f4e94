//! What the leader has heard of the other replicas, and who has fallen silent. Pure.
//!
//! Silence is measured by the clock of this process, from when a version of a note was first seen; as for a Lease, no times
//! of two machines are compared. While nothing can be read, nothing falls silent.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::tally::Tally;

/// What a replica has told counts for that long. It says it again within a third of it.
pub(super) const COUNTS: Duration = Duration::from_secs(15);

/// What nobody has renewed for that long is to be deleted: its replica is gone for good.
const GONE: Duration = Duration::from_secs(60);

/// A replica's note, as it was read.
#[derive(Clone, Debug)]
pub(super) struct Note {
    /// Of the object.
    pub(super) name: String,
    /// Changes whenever it is written.
    pub(super) version: String,
    /// What it says; `None` if that cannot be read.
    pub(super) tally: Option<Tally>,
}

/// All notes, and since when they are as they are.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// By the name of the object.
    notes: BTreeMap<String, (Note, Instant)>,
}

/// What the notes come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// What counts, in the order of the replicas' names.
    pub(super) tallies: Vec<Tally>,
    /// Notes that cannot be read.
    pub(super) unreadable: Vec<String>,
    /// Notes that are to be deleted, and which version of them.
    pub(super) gone: Vec<(String, String)>,
}

impl Heard {
    /// Takes in all notes that there are now. That of `own` is not counted: the leader knows more.
    pub(super) fn hear(&mut self, found: Vec<Note>, own: &str, now: Instant) -> Others {
        let mut before = std::mem::take(&mut self.notes);
        let mut others = Others::default();
        for note in found {
            let since = match before.remove(&note.name) {
                Some((known, since)) if known.version == note.version => since,
                _ => now,
            };
            let silent = now.saturating_duration_since(since);
            if silent >= GONE {
                let gone = (note.name.clone(), note.version.clone());
                others.gone.push(gone);
            } else if silent < COUNTS && note.name != own {
                match &note.tally {
                    Some(tally) => others.tallies.push(tally.clone()),
                    None => others.unreadable.push(note.name.clone()),
                }
            }
            self.notes.insert(note.name.clone(), (note, since));
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::COUNTS;
    use super::GONE;
    use super::Heard;
    use super::Note;
    use super::Others;
    use super::Tally;

    fn note(name: &str, version: &str, sidecars: usize) -> Note {
        Note {
            name: name.to_owned(),
            version: version.to_owned(),
            tally: Some(tally(sidecars)),
        }
    }

    fn tally(sidecars: usize) -> Tally {
        let text = format!("{{\"chains\":{{\"pipy/chain\":{sidecars}}}}}");
        Tally::from_text(&text).unwrap()
    }

    fn counted(others: &Others) -> Vec<Tally> {
        assert_eq!(others.unreadable, [""; 0]);
        others.tallies.clone()
    }

    #[test]
    fn who_is_silent_is_forgotten_and_at_last_removed() {
        let (mut heard, start) = (Heard::default(), Instant::now());
        let mut at = |notes: &[Note], after| heard.hear(notes.to_vec(), "me", start + after);
        let second = std::time::Duration::from_secs(1);
        let (a, b) = (note("a", "1", 2), note("b", "2", 3));
        let both = at(&[a.clone(), b.clone()], std::time::Duration::ZERO);
        assert_eq!(counted(&both), [tally(2), tally(3)]);
        // One renews it, the other does not.
        let renewed = note("b", "3", 3);
        let both = at(&[a.clone(), renewed.clone()], COUNTS - second);
        assert_eq!(counted(&both), [tally(2), tally(3)]);
        let one = at(&[a.clone(), renewed.clone()], COUNTS);
        assert_eq!(counted(&one), [tally(3)]);
        assert_eq!(one.gone, []);
        let none = at(std::slice::from_ref(&a), GONE);
        assert_eq!(counted(&none), []);
        assert_eq!(none.gone, [("a".to_owned(), "1".to_owned())]);
        // It was only slow.
        let back = at(&[note("a", "4", 7)], GONE + second);
        assert_eq!((counted(&back), back.gone), (vec![tally(7)], vec![]));
    }

    #[test]
    fn ours_is_not_counted_twice_but_removed_if_it_is_old() {
        let (mut heard, start) = (Heard::default(), Instant::now());
        let ours = vec![note("me", "1", 2)];
        let others = heard.hear(ours.clone(), "me", start);
        assert_eq!(others, Others::default());
        let others = heard.hear(ours, "me", start + GONE);
        assert_eq!(others.gone.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_not_counted() {
        let mut heard = Heard::default();
        let mut strange = note("a", "1", 2);
        strange.tally = None;
        let others = heard.hear(vec![strange], "me", Instant::now());
        assert_eq!((others.tallies.len(), others.unreadable.len()), (0, 1));
    }
}
