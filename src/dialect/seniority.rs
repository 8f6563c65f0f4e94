//! Who wins among objects that cannot all be in force.

use crate::api::meta::ObjectMeta;
use crate::name::Namespaced;

/// Orders objects by age, the one that wins first: the oldest, then by namespace and name. An object without a creation
/// time, as files have it, counts as newest, so that it never takes over from one that is already in force.
///
/// Creation times are compared as text: the API server writes all of them in UTC with the same precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seniority<'a> {
    undated: bool,
    created: &'a str,
    name: &'a Namespaced,
}

impl<'a> Seniority<'a> {
    /// The seniority of an object.
    pub(crate) fn of(name: &'a Namespaced, meta: &'a ObjectMeta) -> Self {
        let created = meta.creation_timestamp.as_deref().unwrap_or_default();
        Self {
            undated: created.is_empty(),
            created,
            name,
        }
    }
}

impl Seniority<'_> {
    /// Why this one wins over another, which is junior to it.
    pub(crate) fn reason(&self, junior: &Self) -> &'static str {
        if (self.undated, self.created) == (junior.undated, junior.created) {
            "it is the first by name"
        } else {
            "it is older"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seniority;
    use crate::api::meta::ObjectMeta;
    use crate::name::Namespaced;

    #[test]
    fn older_then_dated_then_by_name() {
        let meta = |created: Option<&str>| ObjectMeta {
            creation_timestamp: created.map(str::to_owned),
            ..ObjectMeta::default()
        };
        let (a, b) = (Namespaced::new("n", "a"), Namespaced::new("n", "b"));
        let (old, new, never) = (
            meta(Some("2023-01-01T00:00:00Z")),
            meta(Some("2024-01-01T00:00:00Z")),
            meta(None),
        );
        assert!(Seniority::of(&b, &old) < Seniority::of(&a, &new));
        assert!(Seniority::of(&b, &new) < Seniority::of(&a, &never));
        assert!(Seniority::of(&a, &never) < Seniority::of(&b, &never));
        assert!(Seniority::of(&a, &old) < Seniority::of(&b, &old));
        let why = |senior: &ObjectMeta, junior: &ObjectMeta| {
            Seniority::of(&a, senior).reason(&Seniority::of(&b, junior))
        };
        assert_eq!(why(&old, &new), "it is older");
        assert_eq!(why(&new, &never), "it is older");
        assert_eq!(why(&never, &never), "it is the first by name");
    }
}
