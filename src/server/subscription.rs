//! Which resources of one type a client wants: every rule about names and the wildcard, for both variants.
//!
//! Section "How the client specifies what resources to return" of the xDS protocol.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::snapshot::ResourceType;

/// The name that stands for all resources of a type.
const WILDCARD: &str = "*";

/// The names of one type that a client is subscribed to.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    /// Whether a client that never gave a name gets everything.
    legacy: bool,
    /// Whether the client ever gave a name (or `*`) on this stream.
    spoken: bool,
    wildcard: bool,
    names: BTreeSet<Arc<str>>,
    /// What `names` take.
    size: usize,
}

/// Bytes that a name takes, with what stands around it.
fn size(name: &str) -> usize {
    name.len() + 64
}

/// What is owed to the client after its subscription changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    /// To be answered even if the client has them, or if they do not exist.
    pub(super) names: BTreeSet<Arc<str>>,
    /// The client wants everything from now on.
    pub(super) everything: bool,
    /// Something that was wanted is not wanted any more. It is not owed: it may be forgotten.
    pub(super) dropped: bool,
}

impl Owed {
    /// Whether there is anything to answer.
    pub(super) fn is_some(&self) -> bool {
        self.everything || !self.names.is_empty()
    }
}

impl Subscription {
    /// Nothing yet.
    pub(super) fn new(ty: ResourceType) -> Self {
        Self {
            // "For historical reasons" only clusters and listeners: an empty list of routes means no routes.
            legacy: ty.is_full_state(),
            spoken: false,
            wildcard: false,
            names: BTreeSet::new(),
            size: 0,
        }
    }

    /// State of the world: each request holds the whole list.
    pub(super) fn replace<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Owed {
        let had_everything = self.wildcard;
        let mut given: Vec<&str> = names.into_iter().collect();
        // An explicit name ends the legacy wildcard for the rest of the stream.
        self.spoken |= !given.is_empty();
        let explicit = given.contains(&WILDCARD);
        // "the client has never explicitly subscribed to any resource names: ... identically to `*`". Once it has,
        // an empty list means that it is "no longer interested in any resource of that type".
        self.wildcard = explicit || (!self.spoken && self.legacy);
        let mut owed = Owed {
            names: BTreeSet::new(),
            everything: self.wildcard && !had_everything,
            dropped: had_everything && !self.wildcard,
        };
        given.retain(|name| *name != WILDCARD);
        given.sort_unstable();
        given.dedup();
        // Most requests are answers, and say the names again.
        if given.iter().copied().eq(self.names.iter().map(|n| &**n)) {
            return owed;
        }
        let next: BTreeSet<Arc<str>> = given.into_iter().map(Arc::from).collect();
        // A name added, be it to a wildcard, is answered although its version did not change; a name asked for again
        // after it was dropped is a name added.
        owed.names = next.difference(&self.names).cloned().collect();
        owed.dropped |= self.names.difference(&next).next().is_some();
        self.size = next.iter().map(|name| size(name)).sum();
        self.names = next;
        owed
    }

    /// Incremental: each request holds changes.
    pub(super) fn update<'a>(
        &mut self,
        subscribe: impl IntoIterator<Item = &'a str>,
        unsubscribe: impl IntoIterator<Item = &'a str>,
    ) -> Owed {
        let had_everything = self.wildcard;
        let mut ends_wildcard = false;
        let mut dropped = BTreeSet::new();
        // A name in both lists ends subscribed: the name is dropped first, then taken.
        for name in unsubscribe {
            if name == WILDCARD {
                self.spoken = true;
                ends_wildcard = true;
            } else if let Some(name) = self.names.take(name) {
                self.size -= size(&name);
                dropped.insert(name);
            }
            // "unsubscribe from a name it is not subscribed to": ignored.
        }
        let mut owed = Owed::default();
        for name in subscribe {
            self.spoken = true;
            if name == WILDCARD {
                self.wildcard = true;
            } else {
                // "the server must still provide the resource", be it subscribed already and unchanged.
                let name: Arc<str> = Arc::from(name);
                if self.names.insert(Arc::clone(&name)) {
                    self.size += size(&name);
                }
                owed.names.insert(name);
            }
        }
        // `*` in both lists of a first request is how a client says that it will ask on demand.
        self.wildcard = !ends_wildcard && (self.wildcard || (!self.spoken && self.legacy));
        // "If a client is subscribed to both `*` and a name, and unsubscribes from the name, the server must send the
        // resource if it is in the wildcard, or its removal": the client cannot know which.
        owed.dropped = !dropped.is_empty() || had_everything && !self.wildcard;
        if self.wildcard {
            owed.names.extend(dropped);
        }
        owed.everything = self.wildcard && !had_everything;
        owed
    }

    /// Whether a resource of this name is wanted.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// Whether everything is wanted.
    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Bytes that the names take.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The names that were given, without `*`.
    pub(super) fn names(&self) -> &BTreeSet<Arc<str>> {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Subscription;
    use crate::snapshot::ResourceType;

    /// What is wanted, `*` first; what is owed, `*` first.
    fn lists(subscription: &Subscription, owed: &super::Owed) -> (String, String) {
        fn text<'a>(all: bool, names: impl Iterator<Item = &'a str>) -> String {
            let star = all.then_some("*");
            star.into_iter().chain(names).collect::<Vec<_>>().join(",")
        }
        let wanted = text(
            subscription.is_wildcard(),
            subscription.names().iter().map(|n| &**n),
        );
        (
            wanted,
            text(owed.everything, owed.names.iter().map(|n| &**n)),
        )
    }

    fn split(list: &str) -> impl Iterator<Item = &str> {
        list.split(',').filter(|name| !name.is_empty())
    }

    #[test]
    fn state_of_the_world_lists_mean_what_the_protocol_says() {
        // (type, [(request, wanted afterwards, owed)])
        type Steps = &'static [(&'static str, &'static str, &'static str)];
        let cases: [(ResourceType, Steps); 8] = [
            // The sequence in the protocol's text.
            (
                ResourceType::Cluster,
                &[
                    ("", "*", "*"),
                    ("*,A", "*,A", "A"),
                    ("A", "A", ""),
                    ("", "", ""),
                ],
            ),
            // Explicit first: an empty list is nothing, not everything.
            (ResourceType::Listener, &[("A", "A", "A"), ("", "", "")]),
            // Legacy wildcard lasts.
            (ResourceType::Listener, &[("", "*", "*"), ("", "*", "")]),
            // Dropped and taken again.
            (
                ResourceType::Route,
                &[("A,B", "A,B", "A,B"), ("A", "A", ""), ("A,B", "A,B", "B")],
            ),
            // No legacy wildcard for what is named by something else.
            (ResourceType::Endpoint, &[("", "", ""), ("A", "A", "A")]),
            (ResourceType::Runtime, &[("*", "*", "*")]),
            // A name given twice is one name.
            (ResourceType::Cluster, &[("A,A,*,*", "*,A", "*,A")]),
            // And does not stand for another, which is dropped.
            (
                ResourceType::Route,
                &[("A,B", "A,B", "A,B"), ("B,B", "B", "")],
            ),
        ];
        for (ty, steps) in cases {
            let mut subscription = Subscription::new(ty);
            for (request, wanted, owed) in steps {
                let answer = subscription.replace(split(request));
                assert_eq!(
                    lists(&subscription, &answer),
                    ((*wanted).to_owned(), (*owed).to_owned()),
                    "{ty:?} {steps:?} at {request:?}"
                );
            }
        }
    }

    #[test]
    fn incremental_changes_mean_what_the_protocol_says() {
        // (type, [(subscribe, unsubscribe, wanted afterwards, owed)])
        type Steps = &'static [(&'static str, &'static str, &'static str, &'static str)];
        let cases: [(ResourceType, Steps); 9] = [
            // Legacy wildcard, and it outlives a subscription by name.
            (
                ResourceType::Cluster,
                &[("", "", "*", "*"), ("A", "", "*,A", "A")],
            ),
            // Explicit first: an acknowledgement does not turn it into a wildcard.
            (
                ResourceType::Cluster,
                &[("A", "", "A", "A"), ("", "", "A", "")],
            ),
            // Subscribed already: still owed.
            (
                ResourceType::Route,
                &[("A", "", "A", "A"), ("A", "", "A", "A")],
            ),
            // Never subscribed.
            (
                ResourceType::Route,
                &[("A", "", "A", "A"), ("", "B", "A", "")],
            ),
            // Both at once.
            (
                ResourceType::Route,
                &[("A", "", "A", "A"), ("A", "A", "A", "A")],
            ),
            // Out of the name, still in the wildcard.
            (
                ResourceType::Cluster,
                &[("*,A", "", "*,A", "*,A"), ("", "A", "*", "A")],
            ),
            // Out of the wildcard, then out of the name: nothing is left, and nothing comes back.
            (
                ResourceType::Cluster,
                &[
                    ("*,A", "", "*,A", "*,A"),
                    ("", "*", "A", ""),
                    ("", "A", "", ""),
                    ("", "", "", ""),
                ],
            ),
            // On demand.
            (
                ResourceType::Cluster,
                &[("*", "*", "", ""), ("", "", "", ""), ("A", "", "A", "A")],
            ),
            (
                ResourceType::Endpoint,
                &[("", "", "", ""), ("A", "", "A", "A")],
            ),
        ];
        for (ty, steps) in cases {
            let mut subscription = Subscription::new(ty);
            for (subscribe, unsubscribe, wanted, owed) in steps {
                let answer = subscription.update(split(subscribe), split(unsubscribe));
                assert_eq!(
                    lists(&subscription, &answer),
                    ((*wanted).to_owned(), (*owed).to_owned()),
                    "{ty:?} {steps:?} at +{subscribe:?} -{unsubscribe:?}"
                );
            }
        }
    }

    #[test]
    fn names_are_opaque() {
        let odd = ["", "A/b:c", "ü", "a"];
        let mut subscription = Subscription::new(ResourceType::Cluster);
        subscription.replace(odd);
        for name in odd {
            assert!(subscription.covers(name));
        }
        assert!(!subscription.covers("A") && !subscription.covers("A/b"));
        assert_eq!(
            subscription.names().len(),
            BTreeSet::from(odd).len(),
            "an empty name is a name"
        );
    }
}
