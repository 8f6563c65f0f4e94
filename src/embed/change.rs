//! What can be done to a node's resources.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use crate::snapshot::Resource;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;
use crate::snapshot::Version;

/// A resource with the name that clients ask for it by.
///
/// The bytes are sent as they are, and nothing checks that they are a message of the type or hold that name: a test may
/// want to serve what no client can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    ty: ResourceType,
    name: Arc<str>,
    body: Bytes,
}

/// The type URL is none of those that are served, which are [`ResourceType::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resources of type `{0}` are not served")]
pub struct UnknownType(String);

impl Named {
    /// A resource that is encoded already.
    pub fn new(ty: ResourceType, name: impl Into<Arc<str>>, body: impl Into<Bytes>) -> Self {
        let (name, body) = (name.into(), body.into());
        Self { ty, name, body }
    }

    /// Likewise, its type given as on the wire.
    ///
    /// # Errors
    ///
    /// If that type is not served.
    pub fn with_type_url(
        type_url: &str,
        name: impl Into<Arc<str>>,
        body: impl Into<Bytes>,
    ) -> Result<Self, UnknownType> {
        let ty = ResourceType::from_type_url(type_url);
        let ty = ty.ok_or_else(|| UnknownType(type_url.to_owned()))?;
        Ok(Self::new(ty, name, body))
    }

    /// A resource from its message. A message with a `HashMap` does not encode the same way twice; such a resource is
    /// better encoded once and published as bytes, because another encoding is another version.
    pub fn message(ty: ResourceType, name: impl Into<Arc<str>>, message: &impl Message) -> Self {
        Self::new(ty, name, message.encode_to_vec())
    }
}

/// Edits of one node's resources, in order.
#[derive(Clone, Debug)]
pub struct Change {
    pub(super) node: Arc<str>,
    pub(super) leader: Option<Arc<str>>,
    version: Option<Version>,
    edits: Vec<Edit>,
}

#[derive(Clone, Debug)]
enum Edit {
    /// Of one type, or of all.
    Clear(Option<ResourceType>),
    Add(Named),
    Update(Named),
    Remove(ResourceType, Arc<str>),
}

impl Change {
    /// No edits yet, of the node with this `node.id`: any text, compared as it is.
    pub fn of(node: impl Into<Arc<str>>) -> Self {
        Self {
            node: node.into(),
            leader: None,
            version: None,
            edits: Vec::new(),
        }
    }

    /// The node has what another one has, now and after its later changes, until it is changed itself: an edit after this
    /// one, or in a later change, is of what the other has then, and for this node alone. All who share what they have are
    /// one group of a [roll-out](crate::rollout).
    pub fn follow(node: impl Into<Arc<str>>, leader: impl Into<Arc<str>>) -> Self {
        Self {
            leader: Some(leader.into()),
            ..Self::of(node)
        }
    }

    /// Whether it says whom to follow, and nothing else.
    pub(super) fn follows_only(&self) -> bool {
        self.leader.is_some() && self.edits.is_empty()
    }

    /// The version of every type that this change touches, until the next change of the type: `version_info` in the state
    /// of the world, `system_version_info` in the incremental variant. Without it, or if it is empty, a version is a hash
    /// of the content.
    ///
    /// It is a name only. Whether something is sent is still decided by the content, and the versions of single resources
    /// are always hashes of theirs: so the same content at another version is not sent again, and a change of content at
    /// the same version is.
    pub fn version(mut self, version: &str) -> Self {
        self.version = (!version.is_empty()).then(|| Version::chosen(version));
        self
    }

    /// Replaces all resources of all types.
    pub fn set(mut self, resources: impl IntoIterator<Item = Named>) -> Self {
        self.edits.push(Edit::Clear(None));
        self.edits.extend(resources.into_iter().map(Edit::Add));
        self
    }

    /// Replaces all resources of one type by these, given as names and encoded messages.
    pub fn set_type<N: Into<Arc<str>>, B: Into<Bytes>>(
        mut self,
        ty: ResourceType,
        resources: impl IntoIterator<Item = (N, B)>,
    ) -> Self {
        self.edits.push(Edit::Clear(Some(ty)));
        let resources = resources.into_iter();
        let added = resources.map(|(name, body)| Edit::Add(Named::new(ty, name, body)));
        self.edits.extend(added);
        self
    }

    /// Adds a resource of a name that is not there.
    #[expect(
        clippy::should_implement_trait,
        reason = "set, add, update, remove, clear are the words for this"
    )]
    pub fn add(mut self, resource: Named) -> Self {
        self.edits.push(Edit::Add(resource));
        self
    }

    /// Replaces a resource that is there.
    pub fn update(mut self, resource: Named) -> Self {
        self.edits.push(Edit::Update(resource));
        self
    }

    /// Removes a resource that is there.
    pub fn remove(mut self, ty: ResourceType, name: impl Into<Arc<str>>) -> Self {
        self.edits.push(Edit::Remove(ty, name.into()));
        self
    }

    /// Removes all resources of all types.
    pub fn clear(mut self) -> Self {
        self.edits.push(Edit::Clear(None));
        self
    }
}

/// A change that does not fit what is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A resource was to be added under a name that is taken.
    #[error("`{node}` already has a {ty:?} `{name}`")]
    Exists {
        /// The node id.
        node: Arc<str>,
        /// The type.
        ty: ResourceType,
        /// The name.
        name: Arc<str>,
    },
    /// A resource was to be updated or removed that is not there.
    #[error("`{node}` has no {ty:?} `{name}`")]
    Missing {
        /// The node id.
        node: Arc<str>,
        /// The type.
        ty: ResourceType,
        /// The name.
        name: Arc<str>,
    },
}

/// A snapshot after a change.
pub(super) fn edited(snapshot: &Snapshot, change: Change) -> Result<Snapshot, Error> {
    let Change {
        node,
        leader: _,
        version,
        edits,
    } = change;
    let of_type = |ty| (ty, snapshot.of(ty).clone());
    let mut resources: BTreeMap<_, _> = ResourceType::ALL.map(of_type).into();
    let mut versions = snapshot.versions().clone();
    for edit in edits {
        let touched = match edit {
            Edit::Clear(ty) => ty,
            Edit::Add(Named { ty, .. }) | Edit::Update(Named { ty, .. }) | Edit::Remove(ty, _) => {
                Some(ty)
            }
        };
        for ty in ResourceType::ALL {
            if touched.is_none_or(|touched| touched == ty) {
                match &version {
                    Some(version) => versions.insert(ty, version.clone()),
                    None => versions.remove(&ty),
                };
            }
        }
        apply(edit, &node, &mut resources)?;
    }
    resources.retain(|_, of_type| !of_type.is_empty());
    Ok(Snapshot::new(resources).with_versions(versions))
}

fn apply(
    edit: Edit,
    node: &Arc<str>,
    resources: &mut BTreeMap<ResourceType, BTreeMap<Arc<str>, Resource>>,
) -> Result<(), Error> {
    let node = || Arc::clone(node);
    match edit {
        Edit::Clear(None) => resources.clear(),
        Edit::Clear(Some(ty)) => drop(resources.remove(&ty)),
        Edit::Add(Named { ty, name, body }) => {
            let of_type = resources.entry(ty).or_default();
            if of_type.contains_key(&name) {
                let node = node();
                return Err(Error::Exists { node, ty, name });
            }
            of_type.insert(name, resource(body));
        }
        Edit::Update(Named { ty, name, body }) => {
            match resources.get_mut(&ty).and_then(|of| of.get_mut(&name)) {
                Some(there) => *there = resource(body),
                None => {
                    let node = node();
                    return Err(Error::Missing { node, ty, name });
                }
            }
        }
        Edit::Remove(ty, name) => {
            let removed = resources.get_mut(&ty).and_then(|of| of.remove(&name));
            if removed.is_none() {
                let node = node();
                return Err(Error::Missing { node, ty, name });
            }
        }
    }
    Ok(())
}

fn resource(body: Bytes) -> Resource {
    Resource {
        version: Version::of(&body),
        body,
    }
}
