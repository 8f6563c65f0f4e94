//! What is known of the cluster. Pure: the news are given.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::news::News;
use super::news::Trouble;
use super::read::Reading;
use super::remarks;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::Report;
use crate::name::Namespaced;
use crate::source::checked::NO_EFFECT;
use crate::source::checked::STAYS;
use crate::source::kind::Kind;
use crate::source::kind::ROWS;
use crate::source::kind::Row;
use crate::source::objects::Objects;
use crate::source::objects::State;

/// The kinds that are followed, each with its feed. Nodes are Pods here: the workloads that make them are not read.
pub(super) fn followed() -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
        .filter(|row| !matches!(row.kind, Kind::Workload(_)))
}

/// Everything that the feeds have told.
#[derive(Debug)]
pub(super) struct Cluster {
    feeds: Vec<Told>,
    /// What the server failed with first, while it fails for any of the kinds.
    lost: Option<String>,
}

/// What one feed has told.
#[derive(Debug)]
struct Told {
    row: &'static Row,
    /// Objects of this kind only.
    objects: Objects,
    /// What there is to say about the objects, of those with anything to say.
    remarks: BTreeMap<Namespaced, Vec<Diagnostic>>,
    /// What a list has told so far.
    listing: Option<BTreeSet<Namespaced>>,
    /// Whether it is known what there is.
    is_known: bool,
    is_absent: bool,
    trouble: Option<Trouble>,
}

impl Cluster {
    /// A cluster of which nothing is known.
    pub(super) fn new() -> Self {
        Self {
            feeds: followed().map(Told::new).collect(),
            lost: None,
        }
    }

    /// Takes note of what a feed tells; says whether anything is different now.
    pub(super) fn hear(&mut self, feed: usize, news: News) -> bool {
        let Some(told) = self.feeds.get_mut(feed) else {
            return false;
        };
        let changed = told.hear(news);
        let failures = self.feeds.iter().filter_map(|told| match &told.trouble {
            Some(Trouble::Lost(why)) => Some(why),
            _ => None,
        });
        match failures.min() {
            None => self.lost = None,
            Some(why) => {
                self.lost.get_or_insert_with(|| why.clone());
            }
        }
        changed
    }

    /// Whether it is known of each kind what there is: a first list was completed, or the cluster does not have it. What we
    /// may not read could be anything, and whoever took it for nothing would take away what others serve.
    pub(super) fn is_complete(&self) -> bool {
        self.feeds.iter().all(|told| told.is_known)
    }

    /// Whether there is nothing to wait for but a permission.
    pub(super) fn is_settled(&self) -> bool {
        let refused = |told: &Told| matches!(told.trouble, Some(Trouble::Refused(_)));
        let mut feeds = self.feeds.iter();
        feeds.all(|told| told.is_known || refused(told))
    }

    /// Why the server does not answer, if it has not for a while.
    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Of each feed: the kind, whether the server answers about it, and how many objects there are.
    pub(super) fn feeds(&self) -> impl Iterator<Item = (&'static Row, bool, usize)> {
        let feeds = self.feeds.iter();
        feeds.map(|told| {
            let answers = told.is_known && told.trouble.is_none();
            (told.row, answers, told.objects.len())
        })
    }

    /// What there is to publish.
    pub(super) fn state(&self) -> State {
        let mut objects = Objects::default();
        let mut report = Report::default();
        report.extend(self.troubles());
        for told in &self.feeds {
            report.extend(told.remarks.values().flatten().cloned());
            for name in objects.adopt(&told.objects) {
                report.push(remarks::duplicate(told.row, &name));
            }
        }
        State { objects, report }
    }

    /// Why it is not known of each kind what there is, if that is not just a matter of time.
    pub(super) fn hindrances(&self) -> Vec<Diagnostic> {
        let mut hindrances = self.troubles();
        hindrances.retain(|one| matches!(one.code, Code::ClusterLost | Code::KindRefused));
        hindrances
    }

    fn troubles(&self) -> Vec<Diagnostic> {
        let mut troubles = Vec::new();
        if let Some(why) = &self.lost {
            troubles.push(remarks::lost(why));
        }
        for told in &self.feeds {
            if let Some(Trouble::Refused(why)) = &told.trouble {
                troubles.push(remarks::refused(told.row, why));
            }
            let elsewhere = |other: &Told| other.row.kind == told.row.kind && !other.is_absent;
            if told.is_absent && !self.feeds.iter().any(elsewhere) && told.is_first_of_kind() {
                troubles.push(remarks::absent(told.row));
            }
        }
        troubles
    }
}

impl Told {
    fn new(row: &'static Row) -> Self {
        Self {
            row,
            objects: Objects::default(),
            remarks: BTreeMap::new(),
            listing: None,
            is_known: false,
            is_absent: false,
            trouble: None,
        }
    }

    fn hear(&mut self, news: News) -> bool {
        match news {
            News::Listing => {
                self.listing = Some(BTreeSet::new());
                false
            }
            News::Object(reading) => self.object(*reading),
            News::Deleted(name) => {
                let was_remarked = self.remarks.remove(&name).is_some();
                self.objects.take(self.row.kind, &name) || was_remarked
            }
            News::Listed => {
                let listed = self.listing.take().unwrap_or_default();
                let changed = self.only(&listed) | !self.is_known | self.is_absent;
                (self.is_known, self.is_absent) = (true, false);
                changed
            }
            News::Absent => {
                self.listing = None;
                let changed = self.only(&BTreeSet::new()) | !self.is_known | !self.is_absent;
                (self.is_known, self.is_absent) = (true, true);
                changed
            }
            News::Well => self.trouble.take().is_some(),
            News::Trouble(trouble) => {
                let changed = self.trouble.as_ref() != Some(&trouble);
                self.trouble = Some(trouble);
                changed
            }
        }
    }

    /// Keeps what a complete list has told, and nothing else.
    fn only(&mut self, listed: &BTreeSet<Namespaced>) -> bool {
        let remarks = self.remarks.len();
        self.remarks.retain(|name, _| listed.contains(name));
        let gone = self.objects.keep(self.row.kind, listed);
        gone || remarks != self.remarks.len()
    }

    fn object(&mut self, reading: Reading) -> bool {
        let Reading {
            name,
            uid,
            origin,
            object,
            warnings,
            stop,
        } = reading;
        if let Some(listing) = &mut self.listing {
            listing.insert(name.clone());
        }
        let mut remarks = warnings;
        let changed = match object {
            Ok(object) => self.objects.put(name.clone(), object, origin),
            Err(errors) => {
                // What was there may have been another object of this name.
                let replaced = self.objects.uid(self.row.kind, &name) != Some(uid.as_deref())
                    && self.objects.take(self.row.kind, &name);
                let stays = self.objects.uid(self.row.kind, &name).is_some();
                let effect = if stays { STAYS } else { NO_EFFECT };
                let errors = errors.into_iter();
                remarks.extend(errors.map(|error| error.effect(effect)));
                replaced | self.objects.carry_over(self.row.kind, &name, stop)
            }
        };
        let remarked = if remarks.is_empty() {
            self.remarks.remove(&name).is_some()
        } else {
            self.remarks.get(&name) != Some(&remarks) && {
                self.remarks.insert(name, remarks);
                true
            }
        };
        changed || remarked
    }

    /// Whether no feed before it is of the same kind.
    fn is_first_of_kind(&self) -> bool {
        let first = followed().find(|row| row.kind == self.row.kind);
        first.is_some_and(|row| row.group == self.row.group)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Cluster;
    use super::followed;
    use crate::source::kubernetes::news::News;
    use crate::source::kubernetes::news::Trouble;
    use crate::source::kubernetes::read::read;

    /// A cluster in which every kind but those of these groups is there, without objects.
    fn without(groups: &[&str]) -> Cluster {
        let mut cluster = Cluster::new();
        for (feed, row) in followed().enumerate() {
            assert!(!cluster.is_complete());
            cluster.hear(feed, News::Listing);
            let news = if groups.contains(&row.group) {
                News::Absent
            } else {
                News::Listed
            };
            cluster.hear(feed, news);
        }
        assert!(cluster.is_complete());
        cluster
    }

    fn codes(cluster: &Cluster) -> Vec<&'static str> {
        let report = cluster.state().report;
        report.iter().map(|one| one.code.as_str()).collect()
    }

    fn feed(group: &str, kind: &str) -> usize {
        let mut rows = followed();
        let found = rows.position(|row| (row.group, row.name) == (group, kind));
        found.unwrap()
    }

    #[test]
    fn a_kind_of_two_groups_is_missed_only_if_neither_is_there() {
        let [osm, fsm] = ["config.openservicemesh.io", "config.flomesh.io"];
        for (absent, expected) in [
            (vec![], vec![]),
            (vec![fsm], vec![]),
            (vec![osm], vec![]),
            (vec![osm, fsm], vec!["MP015"]),
            (vec!["plugin.flomesh.io"], vec!["MP015"; 3]),
        ] {
            assert_eq!(codes(&without(&absent)), expected, "{absent:?}");
        }
    }

    #[test]
    fn of_two_objects_of_a_name_in_two_groups_the_first_is_used() {
        let mut cluster = without(&[]);
        for (group, on) in [
            ("config.openservicemesh.io", true),
            ("config.flomesh.io", false),
        ] {
            let feed = feed(group, "MeshConfig");
            let object = json!({
                "metadata": {"name": "mesh", "namespace": "m"},
                "spec": {"featureFlags": {"enablePluginPolicy": on}},
            });
            let kind = followed().nth(feed).unwrap().kind;
            let reading = Box::new(read(kind, object).unwrap());
            assert!(cluster.hear(feed, News::Object(reading)));
        }
        assert_eq!(codes(&cluster), ["MP006"]);
        let state = cluster.state();
        let config = state.objects.mesh_configs.values().next().unwrap();
        assert!(config.object.spec.feature_flags.enable_plugin_policy);
    }

    #[test]
    fn a_kind_that_may_not_be_read_is_waited_for_unless_it_was_read_before() {
        let refused = || News::Trouble(Trouble::Refused("forbidden".to_owned()));
        let mut known = without(&[]);
        assert!(known.hear(0, refused()));
        assert!(known.is_complete());
        assert_eq!(codes(&known), ["MP016"]);

        let mut cluster = Cluster::new();
        for feed in 1..followed().count() {
            cluster.hear(feed, News::Listed);
        }
        assert!(!cluster.is_settled());
        assert!(cluster.hear(0, refused()));
        assert!(cluster.is_settled() && !cluster.is_complete());
        assert_eq!(cluster.hindrances().len(), 1);
        cluster.hear(0, News::Listed);
        cluster.hear(0, News::Well);
        assert!(cluster.is_complete());
        assert_eq!(cluster.hindrances(), []);
    }

    #[test]
    fn what_the_server_failed_with_first_is_told_until_it_answers_about_everything() {
        let mut cluster = without(&[]);
        let lost = |why: &str| News::Trouble(Trouble::Lost(why.to_owned()));
        assert!(cluster.hear(3, lost("connection refused")));
        assert!(cluster.hear(1, lost("a timeout")));
        assert_eq!(codes(&cluster), ["MP017"]);
        assert_eq!(cluster.lost(), Some("connection refused"));
        assert!(cluster.hear(3, News::Well));
        assert_eq!(cluster.lost(), Some("connection refused"));
        assert!(cluster.hear(1, News::Well));
        assert_eq!(cluster.lost(), None);
        assert!(!cluster.hear(1, News::Well));
    }
}
