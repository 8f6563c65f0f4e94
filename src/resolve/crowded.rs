//! Mirrors of one destination that are for different requests, for bodies of different sizes, or for the requests of some
//! users. Each kind of request, and each mirror that chooses users, doubles the routes of the destination, each further size
//! adds some to all of them, and each mirror is named in all of its own. A sidecar has to hold them all and to look through
//! them; so there are bounds, and the mirrors that come first have the room.

use super::claims::Claim;
use super::graph::{Cuts, Findings};
use crate::diag::{Code, Diagnostic};
use crate::model::{Selection, Terms};
use crate::name::Namespaced;

/// How many kinds of request the mirrors of one destination can be for: those with `methods` or `match`, those that choose
/// users, and each largest body but one.
const KINDS: usize = 4;
/// How many mirrors one destination can have.
const MIRRORS: usize = 16;

/// Cuts those of the claims on a destination, which are in the order of the mirrors, that there is no room for.
pub(super) fn cut<'a>(
    destination: &'a Namespaced,
    claims: &[&'a Claim<'a>],
    cuts: &mut Cuts<'a>,
    findings: &mut Findings<'a>,
) {
    let mut selections: Vec<&Selection> = Vec::new();
    let mut bodies: Vec<u32> = Vec::new();
    let (mut choosing, mut mirrors) = (0, 0);
    for claim in claims {
        let Some(mirror) = &claim.mirror else {
            continue;
        };
        if cuts.contains(&(destination, claim.rule)) {
            continue;
        }
        let Terms {
            selection,
            limits,
            sticky,
            ..
        } = &*mirror.terms;
        let is_new = !selection.is_everything() && !selections.contains(&selection);
        let is_other = !bodies.contains(&limits.body);
        let sizes = (bodies.len() + usize::from(is_other)).saturating_sub(1);
        let added = usize::from(is_new) + usize::from(sticky.is_some());
        let kinds = selections.len() + choosing + added + sizes;
        let is_more = is_new || sticky.is_some() || (is_other && sizes > 0);
        let what = match () {
            () if mirrors == MIRRORS => format!("{MIRRORS} times"),
            () if is_more && kinds > KINDS => format!("for {KINDS} different kinds of request"),
            () => {
                selections.extend(is_new.then_some(selection));
                bodies.extend(is_other.then_some(limits.body));
                choosing += usize::from(sticky.is_some());
                mirrors += 1;
                continue;
            }
        };
        cuts.insert((destination, claim.rule));
        findings.tell(destination, claim, diagnostic(destination, claim, &what));
    }
}

fn diagnostic(destination: &Namespaced, claim: &Claim<'_>, what: &str) -> Diagnostic {
    let message = format!("`{destination}` is mirrored {what} already, by mirrors that come first");
    Diagnostic::new(Code::TooManySelections, claim.origin, claim.path.clone(), message)
        .effect("callers that have all of them do not make these copies; primary traffic is not affected")
        .help("give several mirrors the same `methods`, `match` and `maxBodyBytes`, or raise the `priority` of the Plugin")
}
