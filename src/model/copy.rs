//! How a copy differs from the request that it is made of.

use std::collections::{BTreeMap, BTreeSet};

/// What is changed in a copy. The default leaves it as the live service sees the request, under the target's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CopyPolicy {
    /// Its Host.
    pub host: CopyHost,
    /// Whether it proves who the caller is.
    pub credentials: Credentials,
    /// Its other headers.
    pub headers: HeaderEdits,
    /// Its path, where that is another.
    pub path: Option<NewPath>,
    /// What it says of the caller's trace, where that is decided.
    pub tracing: Option<Sampled>,
}

/// Whether a trace is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sampled {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// The Host of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum CopyHost {
    /// The caller's, with the name of the target in the place of the destination's.
    #[default]
    Rename,
    /// The caller's.
    Keep,
    /// The caller's, with `-shadow` after the host and before its port.
    Suffix,
    /// This one.
    Literal(String),
}

/// What becomes of the headers that prove who the caller is: `authorization`, `proxy-authorization` and `cookie`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// The copy carries them.
    #[default]
    Keep,
    /// The copy does not.
    Strip,
}

/// Headers of the copy, in the order in which they are changed. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeaderEdits {
    /// Taken away.
    pub remove: BTreeSet<String>,
    /// In the place of all of their name.
    pub set: BTreeMap<String, String>,
    /// Beside those of their name.
    pub add: BTreeMap<String, String>,
}

/// Another path; the query stays.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NewPath {
    /// Of paths that begin with the segments of `from`, these are replaced. Neither ends with a slash, so that the root is
    /// the empty text; other paths stay.
    Prefix {
        /// What is replaced.
        from: String,
        /// By what.
        to: String,
    },
    /// The same path for all.
    Full(String),
}
