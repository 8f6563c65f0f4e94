//! Who tries a change for the others.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use crate::server::Member;
use crate::server::Record;
use crate::snapshot::Instance;

/// Chooses canaries: the same of the same crowd. One of each version of the proxy before a second of any, because what
/// one version takes another may reject; then by the hash of the id, so that it is not always the first by name. Who
/// rejects what it has already cannot say anything about a change and is never chosen; who did so once, or has not
/// answered yet, only if there is nobody else.
///
/// Whoever tries something already goes on to do so: the fewest shall have what nobody has accepted.
pub(super) fn choose(
    members: &[Member],
    trying: &BTreeSet<Instance>,
    count: usize,
) -> Vec<Instance> {
    let able = members.iter().filter(|m| m.record != Record::Rejecting);
    let mut ranked: Vec<_> = able
        .map(|member| {
            let record = match trying.contains(&member.sidecar) {
                true => None,
                false => Some(member.record),
            };
            let hash = xxh3_64(member.sidecar.node.as_bytes());
            (record, hash, member)
        })
        .collect();
    ranked.sort_by_key(|(record, hash, member)| (*record, *hash, &member.sidecar));
    let mut of_version: BTreeMap<_, usize> = BTreeMap::new();
    let mut turns: Vec<_> = ranked
        .into_iter()
        .map(|(record, hash, member)| {
            let turn = of_version.entry(&member.software).or_default();
            *turn += 1;
            (record, *turn, hash, &member.sidecar)
        })
        .collect();
    turns.sort();
    let chosen = turns.into_iter().take(count);
    chosen.map(|(.., sidecar)| sidecar.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::choose;
    use crate::rollout::scene::member;
    use crate::rollout::scene::sidecar;
    use crate::server::Member;
    use crate::server::Record::{self, Busy, Rejecting, Sensitive, Settled};

    fn crowd(list: &[(&str, &str, Record)]) -> Vec<Member> {
        let member = |(id, version, record): &(&str, &str, Record)| Member {
            software: ("envoy".into(), Arc::from(*version)),
            record: *record,
            ..member(id)
        };
        list.iter().map(member).collect()
    }

    fn chosen(list: &[(&str, &str, Record)], count: usize) -> Vec<String> {
        let chosen = choose(&crowd(list), &BTreeSet::new(), count).into_iter();
        chosen.map(|sidecar| sidecar.node.to_string()).collect()
    }

    #[test]
    fn one_of_each_version_comes_before_a_second_of_any() {
        let crowd = ["a", "b", "c", "d", "e"].map(|id| (id, "1.40", Settled));
        let mut crowd = crowd.to_vec();
        crowd.push(("old", "1.36", Settled));
        let two = chosen(&crowd, 2);
        assert!(two.contains(&"old".to_owned()), "{two:?}");
        crowd.reverse();
        assert_eq!(chosen(&crowd, 2), two, "whatever the order");
        assert_eq!(chosen(&crowd, 99).len(), 6);
    }

    #[test]
    fn whose_word_is_worth_little_is_asked_last_or_never() {
        let crowd = [
            ("rejects", "1", Rejecting),
            ("rejected", "2", Sensitive),
            ("busy", "3", Busy),
            ("fine", "1", Settled),
        ];
        assert_eq!(chosen(&crowd, 9), ["fine", "busy", "rejected"]);
        assert_eq!(chosen(&crowd[..1], 9), Vec::<String>::new());
        let trying = [sidecar("busy"), sidecar("rejects")].into();
        let list = super::choose(&self::crowd(&crowd), &trying, 1);
        assert_eq!(
            list,
            [sidecar("busy")],
            "it has unaccepted content as it is"
        );
    }
}
