//! Which requests are copied by which mirrors: a list of cases, each a route.
//!
//! The first route that a request meets counts, and its policies are all that become of the request. Several mirrors of one
//! destination may be for different requests, so each form of a request is divided further by which of the selections it
//! meets: all of them first, none of them last.

use envoy_types::pb::envoy::config::route::v3::RouteMatch;

use super::body;
use super::body::Form;
use super::route::any_request;
use super::selection;
use crate::model::{Mirror, Selection};

/// Requests that are treated alike: those that meet the conditions, and none of the cases before.
pub(super) struct Case<'m> {
    /// Which they are.
    pub(super) matching: RouteMatch,
    /// Who copies them.
    pub(super) mirrors: Vec<&'m Mirror>,
    /// The statistics in which they are counted, as not every mirror that is for them copies them.
    pub(super) spared: Option<&'static str>,
}

/// The cases, of which the first that a request meets counts; the last is met by all.
pub(super) fn cases<'m>(mirrors: &[&'m Mirror]) -> Vec<Case<'m>> {
    if mirrors.is_empty() {
        return vec![Case {
            matching: any_request(),
            mirrors: Vec::new(),
            spared: None,
        }];
    }
    let subsets = subsets(mirrors);
    let limits = mirrors.iter().map(|mirror| mirror.terms.limits.body);
    let forms = body::forms(&limits.collect());
    let cases = forms.iter().map(|form| of_form(form, mirrors, &subsets));
    cases.flatten().collect()
}

/// Some of the selections, and the requests that all of them are for.
struct Subset<'m> {
    selections: Vec<&'m Selection>,
    matching: RouteMatch,
}

impl Subset<'_> {
    fn contains(&self, selection: &Selection) -> bool {
        selection.is_everything() || self.selections.contains(&selection)
    }

    fn is_within(&self, other: &Self) -> bool {
        self.selections.iter().all(|each| other.contains(each))
    }
}

/// All subsets of the selections that a request can meet, none of them first, all of them last.
fn subsets<'m>(mirrors: &[&'m Mirror]) -> Vec<Subset<'m>> {
    let mut selections: Vec<&Selection> = Vec::new();
    for mirror in mirrors {
        let selection = &mirror.terms.selection;
        if !selection.is_everything() && !selections.contains(&selection) {
            selections.push(selection);
        }
    }
    let mut all: Vec<Vec<&Selection>> = vec![Vec::new()];
    for selection in selections {
        let with = all
            .iter()
            .map(|subset| [subset.as_slice(), &[selection]].concat());
        let with: Vec<_> = with.collect();
        all.extend(with);
    }
    all.sort_by_key(Vec::len);
    let possible = all.into_iter().filter_map(|selections| {
        Some(Subset {
            matching: selection::matching(&selections)?,
            selections,
        })
    });
    possible.collect()
}

/// The cases of the requests of one form. A subset needs none of its own if what becomes of its requests is what the case
/// says that they meet without it.
fn of_form<'m>(form: &Form, mirrors: &[&'m Mirror], subsets: &[Subset<'m>]) -> Vec<Case<'m>> {
    let mut cases: Vec<(&Subset<'m>, Case<'m>)> = Vec::new();
    for subset in subsets {
        let is_for = |mirror: &&&Mirror| subset.contains(&mirror.terms.selection);
        let fits = |mirror: &&Mirror| form.fits.is_some_and(|of| mirror.terms.limits.body >= of);
        let meant: Vec<_> = mirrors.iter().filter(is_for).copied().collect();
        let copied: Vec<_> = meant.iter().copied().filter(fits).collect();
        let spared = form.spared.filter(|_| copied.len() < meant.len());
        let otherwise = cases
            .iter()
            .rev()
            .find(|(other, _)| other.is_within(subset));
        if otherwise.is_some_and(|(_, case)| case.mirrors == copied && case.spared == spared) {
            continue;
        }
        let mut matching = subset.matching.clone();
        matching.headers.splice(0..0, form.headers.iter().cloned());
        cases.push((
            subset,
            Case {
                matching,
                mirrors: copied,
                spared,
            },
        ));
    }
    cases.into_iter().rev().map(|(_, case)| case).collect()
}

#[cfg(test)]
#[path = "cases_tests.rs"]
mod tests;
