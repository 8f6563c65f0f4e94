//! Mirrors of one destination that are for different requests. Each kind of request doubles the routes of the destination,
//! so there is a bound; the mirrors that come first have it.

use super::claims::Claim;
use super::graph::{Cuts, Findings};
use crate::diag::{Code, Diagnostic};
use crate::model::Selection;
use crate::name::Namespaced;

/// How many kinds of request the mirrors of one destination can be for.
const MOST: usize = 4;

/// Cuts those of the claims on a destination, which are in the order of the mirrors, that there is no room for.
pub(super) fn cut<'a>(
    destination: &'a Namespaced,
    claims: &[&'a Claim<'a>],
    cuts: &mut Cuts<'a>,
    findings: &mut Findings<'a>,
) {
    let mut kinds: Vec<&Selection> = Vec::new();
    for claim in claims {
        let Some(mirror) = &claim.mirror else {
            continue;
        };
        let selection = &mirror.terms.selection;
        let is_known = selection.is_everything() || kinds.contains(&selection);
        if is_known || cuts.contains(&(destination, claim.rule)) {
            continue;
        }
        if kinds.len() < MOST {
            kinds.push(selection);
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
