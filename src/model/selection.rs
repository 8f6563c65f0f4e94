//! Which requests a mirror is for.

/// Conditions on a request, all of which must hold; without any it is for all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selection {
    /// The methods, sorted; empty for all.
    pub methods: Vec<String>,
    /// The path, without the query.
    pub path: Option<Text>,
    /// Headers.
    pub headers: Vec<Field>,
    /// Query parameters, as they stand in the request: not decoded.
    pub query: Vec<Field>,
}

/// A condition on a header or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    /// Its name; that of a header is in lower case.
    pub name: String,
    /// What it must be; `None` if it must be there, whatever it is.
    pub value: Option<Text>,
    /// Whether the opposite must hold. The value of a field that is not there is the empty text then.
    pub invert: bool,
}

/// A condition on a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Text {
    /// It is this.
    Exact(String),
    /// It begins so.
    Prefix(String),
    /// The whole of it matches, in the syntax that RE2 and the `regex` crate share.
    Regex(String),
}

impl Selection {
    /// Whether it is for all requests.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}
