//! Objects of one kind by name, shared between states of the world.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;
use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::Arc;

use super::objects::Sourced;
use crate::name::Namespaced;

/// The objects of a kind, by name.
///
/// A clone is the same map until one of the two is changed, and then still the same objects: a state of the world that
/// differs in one object costs the names of its kind, and nothing for the other kinds.
pub struct Table<T, K = Namespaced>(Arc<BTreeMap<K, Arc<Sourced<T>>>>);

impl<T, K: Ord + Clone> Table<T, K> {
    /// Adds or replaces an object; yields the one before.
    pub fn insert(
        &mut self,
        name: K,
        object: impl Into<Arc<Sourced<T>>>,
    ) -> Option<Arc<Sourced<T>>> {
        Arc::make_mut(&mut self.0).insert(name, object.into())
    }

    /// Whether the two are one: then they are equal, and else they may be.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Adds an object, or puts it in the place of one that differs. Tells whether that changed anything.
    pub fn put(&mut self, name: K, object: Sourced<T>) -> bool
    where
        T: PartialEq,
    {
        if self.0.get(&name).is_some_and(|before| **before == object) {
            return false;
        }
        self.insert(name, object);
        true
    }

    /// Takes an object out, if it is there. Tells whether it was.
    pub fn take(&mut self, name: &K) -> bool {
        self.0.contains_key(name) && Arc::make_mut(&mut self.0).remove(name).is_some()
    }

    /// Takes out what is not to be kept. Tells whether there was any.
    pub fn keep(&mut self, mut keep: impl FnMut(&K) -> bool) -> bool {
        if self.0.keys().all(&mut keep) {
            return false;
        }
        Arc::make_mut(&mut self.0).retain(|name, _| keep(name));
        true
    }

    /// Adds the objects of another table, but for names that are here already. Yields those.
    pub fn adopt(&mut self, other: &Self) -> Vec<K> {
        if self.0.is_empty() {
            *self = other.clone();
            return Vec::new();
        }
        let (mut new, mut taken) = (Vec::new(), Vec::new());
        for (name, object) in other {
            match self.0.contains_key(name) {
                true => taken.push(name.clone()),
                false => new.push((name.clone(), Arc::clone(object))),
            }
        }
        if !new.is_empty() {
            Arc::make_mut(&mut self.0).extend(new);
        }
        taken
    }

    /// An object, to be changed.
    pub fn get_mut(&mut self, name: &K) -> Option<&mut Sourced<T>>
    where
        T: Clone,
    {
        Arc::make_mut(&mut self.0).get_mut(name).map(Arc::make_mut)
    }

    /// All objects, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Sourced<T>>
    where
        T: Clone,
    {
        Arc::make_mut(&mut self.0).values_mut().map(Arc::make_mut)
    }
}

impl<T, K> Clone for Table<T, K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, K> Default for Table<T, K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T, K> Deref for Table<T, K> {
    type Target = BTreeMap<K, Arc<Sourced<T>>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T, K: Clone> DerefMut for Table<T, K> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

/// What is shared is equal, without a look at it.
impl<T: PartialEq, K: PartialEq> PartialEq for Table<T, K> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Arc<Sourced<T>>, &Arc<Sourced<T>>)| Arc::ptr_eq(a, b) || a == b;
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.len() == other.0.len()
                && self.0.keys().eq(other.0.keys())
                && self.0.values().zip(other.0.values()).all(same))
    }
}

impl<T: fmt::Debug, K: fmt::Debug> fmt::Debug for Table<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a, T, K> IntoIterator for &'a Table<T, K> {
    type Item = (&'a K, &'a Arc<Sourced<T>>);
    type IntoIter = btree_map::Iter<'a, K, Arc<Sourced<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T, K: Ord> FromIterator<(K, Sourced<T>)> for Table<T, K> {
    fn from_iter<I: IntoIterator<Item = (K, Sourced<T>)>>(objects: I) -> Self {
        let objects = objects.into_iter();
        Self(Arc::new(
            objects
                .map(|(name, object)| (name, Arc::new(object)))
                .collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Table;
    use crate::diag::Origin;
    use crate::source::Sourced;

    fn sourced(object: u32) -> Sourced<u32> {
        let origin = Origin {
            object: None,
            document: None,
            within: Vec::new(),
        };
        Sourced { object, origin }
    }

    fn table(objects: &[(&'static str, u32)]) -> Table<u32, &'static str> {
        let objects = objects.iter();
        objects.map(|(name, one)| (*name, sourced(*one))).collect()
    }

    fn objects(table: &Table<u32, &'static str>) -> Vec<(&'static str, u32)> {
        let objects = table.iter();
        objects.map(|(name, one)| (*name, one.object)).collect()
    }

    #[test]
    fn a_change_of_a_clone_leaves_the_rest_shared_and_the_original_as_it_was() {
        let before = table(&[("a", 1), ("b", 2)]);
        let mut after = before.clone();
        assert!(after.put("b", sourced(3)));
        assert_eq!(objects(&before), [("a", 1), ("b", 2)]);
        assert_eq!(objects(&after), [("a", 1), ("b", 3)]);
        assert!(Arc::ptr_eq(&before["a"], &after["a"]));
        assert_ne!(before, after);
    }

    #[test]
    fn what_changes_nothing_is_told_and_copies_nothing() {
        let before = table(&[("a", 1)]);
        let mut after = before.clone();
        assert!(!after.put("a", sourced(1)));
        assert!(!after.take(&"b"));
        assert!(!after.keep(|_| true));
        assert!(Arc::ptr_eq(&before.0, &after.0));
        assert!(after.take(&"a"));
        assert!(after.put("a", sourced(1)));
        assert!(after.keep(|_| false));
        assert!(after.is_empty());
    }

    #[test]
    fn of_two_tables_the_first_has_the_name() {
        let mut first = table(&[("a", 1), ("b", 2)]);
        let taken = first.adopt(&table(&[("b", 3), ("c", 4)]));
        assert_eq!(taken, ["b"]);
        assert_eq!(objects(&first), [("a", 1), ("b", 2), ("c", 4)]);
        let mut none = table(&[]);
        assert!(none.adopt(&first).is_empty());
        assert!(Arc::ptr_eq(&none.0, &first.0));
    }
}
