//! Mirrors of one destination that are for different requests, or for the requests of some users. Each kind of request, and
//! each mirror that chooses users, doubles the routes of the destination; so there is a bound, and the mirrors that come first
//! have it.

use super::claims::Claim;
use super::graph::{Cuts, Findings};
use crate::diag::{Code, Diagnostic};
use crate::model::Selection;
use crate::name::Namespaced;

/// How many kinds of request the mirrors of one destination can be for, those that choose users counted as well.
const MOST: usize = 4;

/// Cuts those of the claims on a destination, which are in the order of the mirrors, that there is no room for.
pub(super) fn cut<'a>(
    destination: &'a Namespaced,
    claims: &[&'a Claim<'a>],
    cuts: &mut Cuts<'a>,
    findings: &mut Findings<'a>,
) {
    let mut kinds: Vec<&Selection> = Vec::new();
    let mut choosing = 0;
    for claim in claims {
        let Some(mirror) = &claim.mirror else {
            continue;
        };
        let selection = &mirror.terms.selection;
        if cuts.contains(&(destination, claim.rule)) {
            continue;
        }
        let is_new = !selection.is_everything() && !kinds.contains(&selection);
        let is_choosing = mirror.terms.sticky.is_some();
        let after = kinds.len() + choosing + usize::from(is_new) + usize::from(is_choosing);
        let is_free = !is_new && !is_choosing;
        if is_free || after <= MOST {
            kinds.extend(is_new.then_some(selection));
            choosing += usize::from(is_choosing);
        } else {
            cuts.insert((destination, claim.rule));
            findings.tell(destination, claim, diagnostic(destination, claim));
        }
    }
}

fn diagnostic(destination: &Namespaced, claim: &Claim<'_>) -> Diagnostic {
    let message = format!(
        "`{destination}` is mirrored for {MOST} different kinds of request already, by mirrors that come first"
    );
    Diagnostic::new(Code::TooManySelections, claim.origin, claim.path.clone(), message)
        .effect("callers that have all of them do not make these copies; primary traffic is not affected")
        .help("give several mirrors the same `methods` and `match`, or raise the `priority` of the Plugin")
}
