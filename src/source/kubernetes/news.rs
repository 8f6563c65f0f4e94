//! What is heard of the objects of a kind.

use super::read::Reading;
use crate::name::Namespaced;

/// What a feed tells.
#[derive(Debug)]
pub(super) enum News {
    /// A list begins: what is not told until it has ended is gone.
    Listing,
    /// An object is there, or has changed.
    Object(Box<Reading>),
    /// An object was deleted.
    Deleted(Namespaced),
    /// A list has ended.
    Listed,
    /// The cluster does not have the kind.
    Absent,
    /// What there is of the kind can be asked again.
    Well,
    /// It cannot be asked, and has not been for a while.
    Trouble(Trouble),
}

/// Why the objects of a kind cannot be asked. What was read last stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// We may not read them; what the server says.
    Refused(String),
    /// The server does not answer, or not as it should.
    Lost(String),
}

impl Trouble {
    /// Whether both are of the same sort.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Refused(_), Self::Refused(_)) | (Self::Lost(_), Self::Lost(_))
        )
    }
}
