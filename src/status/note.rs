//! The object by which a replica tells the leader what its sidecars have: a ConfigMap. A Lease has no room for it.
//!
//! The time in it makes it another one now and then, which shows that its writer is alive; nobody compares that time.

use std::collections::BTreeMap;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::tally::Tally;

/// The label of all of them: key and value.
pub(super) const LABEL: (&str, &str) = ("mirrorplane.io/tells", "sidecar-counts");

/// The key of the counts.
const COUNTS: &str = "counts";

/// The key of the time.
const RENEWED: &str = "renewed";

/// The longest part of an identity that is in a name, in characters. Most often its end is what differs.
const LONGEST: usize = 200;

/// The Pod that a replica runs in: with it goes what it has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Name.
    pub name: String,
    /// Which Pod of that name.
    pub uid: String,
}

/// The name of a replica's object.
pub(super) fn name(identity: &str) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let lower = identity.to_ascii_lowercase();
    let plain: String = lower
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    let skipped = plain.chars().count().saturating_sub(LONGEST);
    let plain: String = plain.chars().skip(skipped).collect();
    let plain = plain.trim_matches('-');
    if plain == identity && !plain.is_empty() {
        return format!("mirrorplane-replica-{identity}");
    }
    // Two identities may not become one.
    let hash = xxhash_rust::xxh3::xxh3_64(identity.as_bytes());
    format!("mirrorplane-replica-{hash:016x}-{plain}")
        .trim_end_matches('-')
        .to_owned()
}

/// The object, whole.
pub(super) fn note(name: &str, owner: Option<&Owner>, tally: &Tally, now: SystemTime) -> ConfigMap {
    let owner = owner.map(|owner| OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        ..OwnerReference::default()
    });
    let (key, value) = LABEL;
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([
            (COUNTS.to_owned(), tally.to_text()),
            (
                RENEWED.to_owned(),
                prost_types::Timestamp::from(now).to_string(),
            ),
        ])),
        ..ConfigMap::default()
    }
}

/// What such an object tells; `None` if it cannot be read.
pub(super) fn told(note: &ConfigMap) -> Option<Tally> {
    Tally::from_text(note.data.as_ref()?.get(COUNTS)?)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::Owner;
    use super::Tally;
    use super::name;
    use super::note;
    use super::told;

    #[test]
    fn a_name_is_one_that_the_api_takes_and_nobody_else_has() {
        let pod = "mirrorplane-7d9c6b5f4-x2x8k";
        assert_eq!(name(pod), format!("mirrorplane-replica-{pod}"));
        let long = "x".repeat(300);
        let longer = "x".repeat(301);
        let strange = [
            "Host_1", "host_1", "host-1", "-host", "é", "", &long, &longer,
        ];
        let names = strange.map(name);
        for name in &names {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.len() <= 253 && name.chars().all(fits), "{name}");
            assert!(!name.ends_with('-'), "{name}");
        }
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }

    #[test]
    fn a_note_is_its_pods_and_says_what_was_counted() {
        let tally = Tally::from_text(r#"{"chains":{"pipy/chain":2}}"#).unwrap();
        let owner = Owner {
            name: "mirrorplane-0".to_owned(),
            uid: "u".to_owned(),
        };
        let of_pod = note("n", Some(&owner), &tally, SystemTime::UNIX_EPOCH);
        assert_eq!(told(&of_pod), Some(tally.clone()));
        let owners = of_pod.metadata.owner_references.clone().unwrap();
        assert_eq!((&*owners[0].kind, &*owners[0].uid), ("Pod", "u"));
        let free = note("n", None, &tally, SystemTime::UNIX_EPOCH);
        assert_eq!(free.metadata.owner_references, None);
        assert_ne!(note("n", None, &tally, SystemTime::now()), free, "renewed");
    }
}
