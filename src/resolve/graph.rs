//! Mirrors that lead on from one another: what callers of several plugins may be told at once.
//!
//! A mirror is an edge from a destination to its target, and what a caller's plugins come to is a graph of them. A copy
//! leaves the caller's sidecar for the target's endpoints straight away: it never passes the routes of that sidecar, and
//! any other sidecar knows it by its mark and does not copy it. So a caller's own graph copies each request once for each
//! mirror of its destination, whatever else is in it. What can happen nevertheless, and what is done:
//!
//! | Mirrors of the same callers | What would happen | |
//! |---|---|---|
//! | p ⇒ s and p ⇒ s again for the same requests, or s by another name | s gets each request twice | the junior one is cut |
//! | p ⇒ s and s ⇒ p, or further round | live Pods get copies: of each two on a circle one is a shadow of the other. Where Pods on it call on without the mark, copies would bring forth calls, and these copies | the most junior mirror of each circle is cut |
//! | p ⇒ s and s ⇒ t | t gets copies of what callers ask of s itself, not of the copies | told |
//! | p ⇒ s and p ⇒ t, p ⇒ s and q ⇒ s | what is asked for | |
//! | p ⇒ some of the Pods of s and s ⇒ t, or s ⇒ p | as if all Pods of s got copies: they answer for s as well | |
//! | p ⇒ p, p ⇒ p by another name, p ⇒ some of its Pods | live Pods get each request twice | cut for all callers: see [disguise](super::disguise) |
//!
//! A mirror is cut as a whole, with all ports of its destination, and only for callers that have the others as well.
//! Whatever order objects come in, the same is cut: mirrors are taken up by the priority of their plugins, highest first,
//! then by the age of their rules, and one that would close a circle with those before it is left out. Neither shares
//! nor endpoints decide anything here, but for Services without a selector: see [places](super::places).
//!
//! A copy that makes a shadow call others is a matter of the shadow's own sidecar, if it has one: these calls bear no mark,
//! and are mirrored if some chain selects the shadow's Pods, though never to itself: see [behind](super::behind). No object
//! says what a Pod calls, so no more of it can be seen.
//!
//! All is linear in the number of mirrors, except among those that are on circles, or lead to one.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Write;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::claims::Claim;
use super::places::Place;
use crate::diag::{Code, Diagnostic, Report};
use crate::model::{Backend, Mirror};
use crate::name::Namespaced;

/// A mirror that callers have.
#[derive(Clone, Copy)]
pub(super) struct Edge<'a> {
    /// Whose requests are copied.
    pub(super) destination: &'a Namespaced,
    /// Who asks for it.
    pub(super) claim: &'a Claim<'a>,
    /// Where to.
    pub(super) mirror: &'a Mirror,
    /// That of the plugin.
    pub(super) priority: f64,
    /// Where the requests end up.
    pub(super) from: &'a [(NonZeroU16, Place)],
    /// Where the copies do.
    pub(super) to: Place,
    /// The same, but where they go to a subset: the place of all Pods of its Service, which these are some of.
    pub(super) around: Place,
}

impl Edge<'_> {
    fn leaves(&self) -> impl Iterator<Item = Place> {
        self.from.iter().map(|(_, place)| *place)
    }

    /// Where others may lead on from it.
    fn arrives(&self) -> impl Iterator<Item = Place> {
        let around = (self.around != self.to).then_some(self.around);
        std::iter::once(self.to).chain(around)
    }
}

impl<'a> Edge<'a> {
    /// The Service that gets the copies. From a host that is no Service nothing leads on, and it is no edge.
    fn target(&self) -> Option<&'a Namespaced> {
        self.mirror.target.backend().map(|backend| &backend.service)
    }

    /// What gets the copies, without a port if it is a Service.
    fn name(&self) -> String {
        let target = &self.mirror.target;
        let named = |backend: &Arc<Backend>| format!("{}{}", backend.service, backend.subset);
        target.backend().map_or_else(|| target.to_string(), named)
    }
}

/// The mirrors that some callers do not get, by destination and rule.
pub(super) type Cuts<'a> = BTreeSet<(&'a Namespaced, &'a Namespaced)>;

/// What is said, none twice however many callers it concerns.
#[derive(Default)]
pub(super) struct Findings<'a>(BTreeMap<(&'a Namespaced, &'a Namespaced, String), Diagnostic>);

impl<'a> Findings<'a> {
    /// Adds what is said of the claim of a destination.
    pub(super) fn add(
        &mut self,
        (destination, claim): (&'a Namespaced, &'a Claim<'a>),
        code: Code,
        message: String,
        effect: String,
        help: &str,
    ) {
        let key = (claim.rule, destination, message.clone());
        let diagnostic = Diagnostic::new(code, claim.origin, claim.path.clone(), message);
        self.0.insert(key, diagnostic.effect(effect).help(help));
    }

    /// Says this of a claim on a destination.
    pub(super) fn tell(
        &mut self,
        destination: &'a Namespaced,
        claim: &Claim<'a>,
        diagnostic: Diagnostic,
    ) {
        let key = (claim.rule, destination, diagnostic.message.clone());
        self.0.insert(key, diagnostic);
    }

    /// Says all of it.
    pub(super) fn report(self, report: &mut Report) {
        report.extend(self.0.into_values());
    }
}

/// Which of the mirrors that callers have at once are cut.
pub(super) fn cut<'a>(mut edges: Vec<Edge<'a>>, findings: &mut Findings<'a>) -> Cuts<'a> {
    if are_apart(&edges) {
        return Cuts::new();
    }
    edges.sort_by(|a, b| {
        let by_priority = b.priority.total_cmp(&a.priority);
        let of = |edge: &Edge<'a>| (edge.claim.seniority, edge.destination);
        by_priority.then_with(|| of(a).cmp(&of(b)))
    });
    let mut cuts = Cuts::new();
    let edges = distinct(edges, &mut cuts, findings);
    let suspects = Graph::new(&edges).on_circles(&edges);
    let mut graph = Graph::default();
    let mut kept = Vec::with_capacity(edges.len());
    for (edge, is_suspect) in edges.iter().zip(suspects) {
        let circle = match is_suspect {
            true => graph.way(&kept, edge),
            false => None,
        };
        match circle {
            Some(way) => {
                cuts.insert((edge.destination, edge.claim.rule));
                circular(edge, &way, findings);
            }
            None => {
                graph.add(kept.len(), edge);
                kept.push(*edge);
            }
        }
    }
    for edge in &kept {
        let on = graph.on(&kept, edge);
        if !on.is_empty() {
            cascade(edge, &on, findings);
        }
    }
    cuts
}

/// Whether none of them leads on from another, and no two are the same: nearly always.
fn are_apart(edges: &[Edge<'_>]) -> bool {
    let mut from: Vec<Place> = edges.iter().flat_map(Edge::leaves).collect();
    from.sort_unstable();
    let leads_on = |edge: &Edge<'_>| {
        edge.arrives()
            .any(|place| from.binary_search(&place).is_ok())
    };
    let mut pairs: Vec<_> = edges
        .iter()
        .map(|edge| (edge.to, edge.destination))
        .collect();
    pairs.sort_unstable();
    !edges.iter().any(leads_on) && pairs.is_sorted_by(|one, next| one < next)
}

/// Those of whose requests not all are copied by a senior one to the same place.
fn distinct<'a>(
    edges: Vec<Edge<'a>>,
    cuts: &mut Cuts<'a>,
    findings: &mut Findings<'a>,
) -> Vec<Edge<'a>> {
    let mut seniors: HashMap<_, Vec<Edge<'_>>> = HashMap::with_capacity(edges.len());
    let mut distinct = Vec::with_capacity(edges.len());
    for edge in edges {
        let seniors = seniors.entry((edge.destination, edge.to)).or_default();
        let own = &edge.mirror.terms.selection;
        let covers = |senior: &&Edge<'_>| {
            let selection = &senior.mirror.terms.selection;
            selection.is_everything() || selection == own
        };
        match seniors.iter().find(covers) {
            Some(senior) => {
                cuts.insert((edge.destination, edge.claim.rule));
                double(&edge, senior, findings);
            }
            None => {
                seniors.push(edge);
                distinct.push(edge);
            }
        }
    }
    distinct
}

/// Which mirrors lead on from where, by their indices, the senior ones first.
#[derive(Default)]
struct Graph(HashMap<Place, Vec<usize>>);

impl Graph {
    fn new(edges: &[Edge<'_>]) -> Self {
        let mut graph = Self::default();
        for (index, edge) in edges.iter().enumerate() {
            graph.add(index, edge);
        }
        graph
    }

    fn add(&mut self, index: usize, edge: &Edge<'_>) {
        for place in edge.leaves() {
            self.0.entry(place).or_default().push(index);
        }
    }

    /// Which of all edges are on circles or lead to one: what is left when those are taken away, again and again, from
    /// whose target none leads on.
    fn on_circles(&self, edges: &[Edge<'_>]) -> Vec<bool> {
        let mut ahead: HashMap<Place, usize> = HashMap::with_capacity(self.0.len());
        ahead.extend(self.0.iter().map(|(place, after)| (*place, after.len())));
        let mut into: HashMap<Place, Vec<usize>> = HashMap::with_capacity(edges.len());
        let mut ends = Vec::new();
        // From how many of its places others lead on.
        let mut open = vec![0_usize; edges.len()];
        for ((index, edge), open) in edges.iter().enumerate().zip(&mut open) {
            for place in edge.arrives().filter(|place| ahead.contains_key(place)) {
                into.entry(place).or_default().push(index);
                *open += 1;
            }
            if *open == 0 {
                ends.push(index);
            }
        }
        let mut left = vec![true; edges.len()];
        while let Some(end) = ends.pop() {
            let (Some(edge), Some(left)) = (edges.get(end), left.get_mut(end)) else {
                continue;
            };
            *left = false;
            for place in edge.leaves() {
                if let Some(ahead) = ahead.get_mut(&place) {
                    *ahead -= 1;
                    if *ahead == 0 {
                        let done = |index: &usize| {
                            open.get_mut(*index).is_some_and(|open| {
                                *open -= 1;
                                *open == 0
                            })
                        };
                        let into = into.remove(&place).into_iter().flatten();
                        ends.extend(into.filter(done));
                    }
                }
            }
        }
        left
    }

    /// The shortest way that leads from the target of `edge` back to its destination, if there is one.
    fn way<'a>(&self, edges: &[Edge<'a>], edge: &Edge<'a>) -> Option<Vec<Edge<'a>>> {
        let home: BTreeSet<Place> = edge.leaves().collect();
        // By which edge, and from where, a place was reached.
        let mut reached: HashMap<Place, Option<(usize, Place)>> =
            edge.arrives().map(|place| (place, None)).collect();
        let mut open: VecDeque<Place> = edge.arrives().collect();
        while let Some(place) = open.pop_front() {
            for index in self.0.get(&place).into_iter().flatten() {
                let step = edges.get(*index)?;
                if step.arrives().any(|next| home.contains(&next)) {
                    let last = Some((*index, place));
                    let back = std::iter::successors(last, |(_, from)| *reached.get(from)?);
                    let mut way: Vec<_> = back
                        .filter_map(|(index, _)| edges.get(index).copied())
                        .collect();
                    way.reverse();
                    return Some(way);
                }
                for next in step.arrives() {
                    reached.entry(next).or_insert_with(|| {
                        open.push_back(next);
                        Some((*index, place))
                    });
                }
            }
        }
        None
    }

    /// The mirrors that lead on from a target, each time the senior one, as far as is shown.
    fn on<'a>(&self, edges: &[Edge<'a>], edge: &Edge<'a>) -> Vec<Edge<'a>> {
        let next = |edge: &Edge<'a>| {
            let next = edge
                .arrives()
                .filter_map(|place| self.0.get(&place)?.first());
            edges.get(*next.min()?).copied()
        };
        std::iter::successors(next(edge), next)
            .take(SHOWN)
            .collect()
    }
}

/// How many mirrors are named of a chain of them, where it is not cut. Each of them tells of the next as well.
const SHOWN: usize = 4;

/// `p` -> `s` (rule) -> `t` (rule), with the other name where one leads on by another.
fn path(edges: &[Edge<'_>]) -> String {
    let mut text = String::new();
    let mut at: Option<&Namespaced> = None;
    for edge in edges {
        let destination = edge.destination;
        let link = match at {
            None => format!("`{destination}`"),
            Some(at) if at == destination => String::new(),
            Some(_) => format!(" = `{destination}`"),
        };
        let target = edge.name();
        let rule = edge.claim.rule;
        write!(text, "{link} -> `{target}` ({rule})").expect("writing to a string does not fail");
        at = edge.target();
    }
    text
}

fn double<'a>(edge: &Edge<'a>, senior: &Edge<'a>, findings: &mut Findings<'a>) {
    let (target, other) = (&edge.mirror.target, &senior.mirror.target);
    let same = match edge.target() == senior.target() {
        true => String::new(),
        false => format!(", the same place as `{target}`,"),
    };
    let holder = senior.claim.rule;
    let message = format!(
        "`{}` is mirrored to `{other}`{same} by the PluginConfig `{holder}` already",
        edge.destination
    );
    let reason = match senior.priority > edge.priority {
        true => "its plugin has the higher priority",
        false => senior.claim.seniority.reason(&edge.claim.seniority),
    };
    findings.add(
        (edge.destination, edge.claim),
        Code::SameMirror,
        message,
        format!("callers that have both send one copy, at the share of `{holder}`: {reason}; primary traffic is not affected"),
        "take the destination out of one of them, or name another target",
    );
}

fn circular<'a>(edge: &Edge<'a>, way: &[Edge<'a>], findings: &mut Findings<'a>) {
    let circle = [&[*edge], way].concat();
    let end = match circle.last() {
        Some(last) if last.target() != Some(edge.destination) => {
            format!(" = `{}`", edge.destination)
        }
        _ => String::new(),
    };
    findings.add(
        (edge.destination, edge.claim),
        Code::MirrorCircle,
        format!("mirrors lead in a circle: {}{end}", path(&circle)),
        format!(
            "callers that have all of them do not copy requests for `{}` to `{}`; primary traffic is not affected",
            edge.destination, edge.name()
        ),
        "delete one of them: by itself, the one of the lowest plugin priority is cut, or else the youngest",
    );
}

fn cascade<'a>(edge: &Edge<'a>, on: &[Edge<'a>], findings: &mut Findings<'a>) {
    let whole = [&[*edge], on].concat();
    let further = on.last().map_or(edge, |last| last);
    findings.add(
        (edge.destination, edge.claim),
        Code::MirrorCascade,
        format!(
            "requests to the target `{}` are mirrored as well: {}",
            edge.name(),
            path(&whole)
        ),
        format!(
            "copies go no further: `{}` gets copies of what callers ask of `{}` itself",
            further.name(),
            further.destination
        ),
        "",
    );
}
