//! Tells the leader what the sidecars of this replica have: writes its note when it differs, and now and then to show that
//! somebody is there. Who has no sidecars writes nothing.

use std::time::Duration;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::Patch;
use kube::api::PatchParams;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;
use tokio::time::timeout;

use super::heard::COUNTS;
use super::note::Owner;
use super::note::note;
use super::tally::Tally;

/// Between two writes of different content.
const PACE: Duration = Duration::from_secs(2);

/// Between two writes of the same: two may be lost before what was told is forgotten.
const RENEW: Duration = Duration::from_secs(5);

const _: () = assert!(RENEW.as_secs() * 3 <= COUNTS.as_secs());

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// The longest time between two tries while the API server refuses.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Writes the note of this replica.
pub(super) struct Teller {
    notes: Api<ConfigMap>,
    name: String,
    owner: Option<Owner>,
    writes: Counter,
    /// What the note says, and since when; `None` if that is not known.
    said: Option<(Tally, Instant)>,
    /// Whether there may be a note.
    there: bool,
    /// After a failure: not before this, and how long it was waited for.
    retry: Option<(Instant, Duration)>,
}

/// What to do about the note.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Leave,
    Write,
    Remove,
}

fn step(there: bool, said: Option<&(Tally, Instant)>, tally: &Tally, now: Instant) -> Step {
    if tally.is_empty() {
        return if there { Step::Remove } else { Step::Leave };
    }
    let due = said.is_none_or(|(said, since)| {
        let wait = if said == tally { RENEW } else { PACE };
        now.saturating_duration_since(*since) >= wait
    });
    if due { Step::Write } else { Step::Leave }
}

impl Teller {
    pub(super) fn new(
        notes: Api<ConfigMap>,
        name: String,
        owner: Option<Owner>,
        writes: Counter,
    ) -> Self {
        Self {
            notes,
            name,
            owner,
            writes,
            said: None,
            there: false,
            retry: None,
        }
    }

    /// Has the note say this, if it is time to.
    pub(super) async fn tell(&mut self, tally: &Tally) {
        let now = Instant::now();
        if self.retry.is_some_and(|(until, _)| now < until) {
            return;
        }
        let done = match step(self.there, self.said.as_ref(), tally, now) {
            Step::Leave => return,
            Step::Write => self.write(tally, now).await,
            Step::Remove => self.remove().await,
        };
        let Err(error) = done else {
            self.retry = None;
            return;
        };
        let pause = match self.retry {
            Some((_, pause)) => (pause * 2).min(LONGEST_PAUSE),
            None => {
                tracing::warn!(
                    code = "MP506",
                    error,
                    "the leader cannot be told what the sidecars of this replica have: statuses are without them"
                );
                PACE
            }
        };
        self.retry = Some((now + pause, pause));
    }

    /// Takes back what was told: this replica is about to stop, or leads and counts its sidecars itself.
    pub(super) async fn withdraw(&mut self) {
        if self.there
            && let Err(error) = self.remove().await
        {
            tracing::debug!(error, "what was told was not taken back");
        }
    }

    async fn write(&mut self, tally: &Tally, now: Instant) -> Result<(), String> {
        let note = note(&self.name, self.owner.as_ref(), tally, SystemTime::now());
        // Whatever becomes of the request.
        self.there = true;
        self.said = None;
        let params = PatchParams::apply("mirrorplane").force();
        let patch = Patch::Apply(&note);
        match timeout(PATIENCE, self.notes.patch(&self.name, &params, &patch)).await {
            Ok(Ok(_)) => {
                self.writes.inc();
                self.said = Some((tally.clone(), now));
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    async fn remove(&mut self) -> Result<(), String> {
        self.said = None;
        let params = DeleteParams::default();
        match timeout(PATIENCE, self.notes.delete(&self.name, &params)).await {
            Ok(Ok(_)) => self.there = false,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => self.there = false,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("no answer".to_owned()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::PACE;
    use super::RENEW;
    use super::Step;
    use super::Tally;
    use super::step;

    fn tally(sidecars: usize) -> Tally {
        let text = format!("{{\"chains\":{{\"pipy/chain\":{sidecars}}}}}");
        Tally::from_text(&text).unwrap()
    }

    #[test]
    fn a_note_is_written_when_it_differs_and_now_and_then() {
        let (none, two, three) = (Tally::default(), tally(2), tally(3));
        let start = Instant::now();
        let said = (two.clone(), start);
        let short = Duration::from_millis(1);
        for (there, said, tally, after, expected) in [
            (false, None, &none, Duration::ZERO, Step::Leave),
            (false, None, &two, Duration::ZERO, Step::Write),
            // Whether it was written is not known.
            (true, None, &two, Duration::ZERO, Step::Write),
            (true, None, &none, Duration::ZERO, Step::Remove),
            (true, Some(&said), &two, RENEW - short, Step::Leave),
            (true, Some(&said), &two, RENEW, Step::Write),
            (true, Some(&said), &three, PACE - short, Step::Leave),
            (true, Some(&said), &three, PACE, Step::Write),
            (true, Some(&said), &none, Duration::ZERO, Step::Remove),
        ] {
            let found = step(there, said, tally, start + after);
            assert_eq!(found, expected, "{there} {said:?} {tally:?} {after:?}");
        }
    }
}
