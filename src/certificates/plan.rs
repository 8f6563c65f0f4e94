//! What is held, and the time → what is to be done. No clock of its own.

use super::held::Signed;
use super::issue::Authority;
use super::issue::IssueError;
use super::issue::Lives;
use super::issue::names;
use super::issue::validity;

/// How much of its life a certificate to serve with, or a CA, has had when the next one is made. In hundredths.
const RENEW: u64 = 60;
/// How much of its life a CA has had when the next one signs instead. In hundredths.
const SWITCH: u64 = 90;

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next CA is made, and trusted from now on.
    Prepare,
    /// The next CA signs.
    Switch,
    /// A CA that has expired is trusted no more.
    Forget,
    /// A new certificate to serve with is made.
    Renew,
}

/// The first thing that is to be done now, in seconds since 1970; `None` if nothing is.
pub fn due(held: &Signed, wanted: &[String], now: u64) -> Option<Step> {
    let authority = validity(&held.authority.certificate);
    if held.next.is_none() && is_past(authority, RENEW, now) {
        return Some(Step::Prepare);
    }
    if held.next.is_some() && is_past(authority, SWITCH, now) {
        return Some(Step::Switch);
    }
    if held.retired.iter().any(|one| has_expired(one, now)) {
        return Some(Step::Forget);
    }
    let Some(serving) = &held.serving else {
        return Some(Step::Renew);
    };
    let are_there = names(&serving.certificate)
        .is_some_and(|names| wanted.iter().all(|wanted| names.contains(wanted)));
    (!are_there || is_past(validity(&serving.certificate), RENEW, now)).then_some(Step::Renew)
}

/// What is to be held from now on; `None` if that is what is held already.
///
/// # Errors
///
/// If a certificate cannot be made.
pub fn renewed(
    held: Option<Signed>,
    wanted: &[String],
    lives: &Lives,
    now: u64,
) -> Result<Option<Signed>, IssueError> {
    let mut changed = held.is_none();
    let mut held = match held {
        Some(held) => held,
        None => Signed {
            authority: Authority::create(lives, now)?,
            next: None,
            retired: Vec::new(),
            serving: None,
        },
    };
    // Each step happens once at most, or lives are too short to be lived.
    for _ in 0..8 {
        let Some(step) = due(&held, wanted, now) else {
            break;
        };
        changed = true;
        take(&mut held, step, wanted, lives, now)?;
    }
    Ok(changed.then_some(held))
}

fn take(
    held: &mut Signed,
    step: Step,
    wanted: &[String],
    lives: &Lives,
    now: u64,
) -> Result<(), IssueError> {
    match step {
        Step::Prepare => held.next = Some(Authority::create(lives, now)?),
        Step::Switch => {
            if let Some(next) = held.next.take() {
                let last = std::mem::replace(&mut held.authority, next);
                held.retired.push(last.certificate);
                held.serving = None;
            }
        }
        Step::Forget => held.retired.retain(|one| !has_expired(one, now)),
        Step::Renew => held.serving = Some(held.authority.issue(wanted, lives, now)?),
    }
    Ok(())
}

/// Whether a life, from its beginning to its end, is over to so many hundredths. What cannot be read has no life.
fn is_past(life: Option<(u64, u64)>, hundredths: u64, now: u64) -> bool {
    let Some((begin, end)) = life else {
        return true;
    };
    let part = end.saturating_sub(begin).saturating_mul(hundredths) / 100;
    now >= begin.saturating_add(part)
}

fn has_expired(certificate: &str, now: u64) -> bool {
    validity(certificate).is_none_or(|(_, end)| now > end)
}

#[cfg(test)]
mod tests {
    use super::Step;
    use super::due;
    use super::renewed;
    use crate::certificates::Lives;
    use crate::certificates::Signed;

    const DAY: u64 = 86_400;
    const START: u64 = 20_000 * DAY;

    fn wanted() -> Vec<String> {
        vec!["mirrorplane.svc".to_owned(), "10.0.0.1".to_owned()]
    }

    fn fresh() -> Signed {
        let made = renewed(None, &wanted(), &Lives::default(), START);
        made.unwrap().unwrap()
    }

    /// How many CAs are trusted.
    fn trusted(held: &Signed) -> usize {
        held.bundle().matches("BEGIN").count()
    }

    #[test]
    fn each_step_has_its_day() {
        let held = fresh();
        for (day, expected) in [
            (0, None),
            (53, None),
            (55, Some(Step::Renew)),
            (89, Some(Step::Renew)),
            (2_188, Some(Step::Renew)),
            (2_192, Some(Step::Prepare)),
        ] {
            assert_eq!(
                due(&held, &wanted(), START + day * DAY),
                expected,
                "day {day}"
            );
        }
        let mut names = wanted();
        names.push("mesh.example".to_owned());
        assert_eq!(due(&held, &names, START), Some(Step::Renew));
    }

    #[test]
    fn a_ca_is_trusted_long_before_it_signs_and_long_after() {
        let lives = Lives::default();
        let mut held = fresh();
        let (mut changes, mut leaves) = (Vec::new(), 1);
        let first = held.authority.certificate.clone();
        // Replicas look every day, for eleven years.
        for day in 1..11 * 365 {
            let now = START + day * DAY;
            let Some(next) = renewed(Some(held.clone()), &wanted(), &lives, now).unwrap() else {
                continue;
            };
            leaves += usize::from(next.serving != held.serving);
            let said = (trusted(&next), next.authority != held.authority);
            if (trusted(&held), false) != said {
                changes.push((day, said));
                // What verified the server before verifies it after.
                assert!(
                    next.bundle().contains(&held.authority.certificate),
                    "day {day}"
                );
            }
            held = next;
        }
        assert_eq!(
            changes,
            [(2190, (2, false)), (3285, (2, true)), (3651, (1, false))]
        );
        assert!(!held.bundle().contains(&first));
        assert!((70..80).contains(&leaves), "{leaves}");
    }

    #[test]
    fn what_was_off_for_a_century_comes_back_whole() {
        let lives = Lives::default();
        let now = START + 100 * 365 * DAY;
        let held = renewed(Some(fresh()), &wanted(), &lives, now)
            .unwrap()
            .unwrap();
        assert_eq!((trusted(&held), due(&held, &wanted(), now)), (1, None));
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        assert_eq!(due(&fresh(), &wanted(), START - 300 * DAY), None);
    }
}
