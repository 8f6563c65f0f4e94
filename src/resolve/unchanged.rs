//! Maps that are made anew only if they differ: those that hold an entry for every node seldom do.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::name::Namespaced;

/// The map of `entries`, which are sorted and of which no name is there twice: the one before if it is equal.
pub(super) fn or_as_before<T: PartialEq>(
    entries: Vec<(&Namespaced, T)>,
    before: &Arc<BTreeMap<Namespaced, T>>,
) -> Arc<BTreeMap<Namespaced, T>> {
    let pairs = || entries.iter().map(|(name, value)| (*name, value));
    if before.len() == entries.len() && before.iter().eq(pairs()) {
        return Arc::clone(before);
    }
    let entries = entries.into_iter();
    Arc::new(entries.map(|(name, value)| (name.clone(), value)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::or_as_before;
    use crate::name::Namespaced;

    #[test]
    fn a_map_is_kept_while_it_is_equal() {
        let [a, b] = ["a", "b"].map(Namespaced::cluster);
        let before = Arc::new(BTreeMap::from([(a.clone(), 1), (b.clone(), 2)]));
        let same = or_as_before(vec![(&a, 1), (&b, 2)], &before);
        assert!(Arc::ptr_eq(&before, &same));
        for entries in [
            vec![(&a, 1), (&b, 3)],
            vec![(&a, 1)],
            vec![(&b, 2)],
            Vec::new(),
        ] {
            let next = or_as_before(entries.clone(), &before);
            let next: Vec<_> = next.iter().map(|(name, value)| (name, *value)).collect();
            assert_eq!(next, entries);
        }
    }
}
