//! Why a resource is not accepted.

use std::fmt;

/// A field and what is wrong with it. It becomes the text of a NACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shim) struct Rejection {
    path: String,
    message: String,
}

impl Rejection {
    /// The value of a field is not supported.
    pub(in crate::shim) fn value(path: &str, value: impl fmt::Display) -> Self {
        Self::new(path, format!("{value} is not supported by the shim"))
    }

    /// `message` follows the path, as in `is not supported by the shim`.
    pub(in crate::shim) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{} {}", self.path, self.message)
        }
    }
}

/// Lets callers say where the part stands that they had converted.
pub(in crate::shim) trait Within {
    /// Puts the path of the enclosing field in front.
    fn within(self, outer: impl fmt::Display) -> Self;
}

impl<T> Within for Result<T, Rejection> {
    fn within(self, outer: impl fmt::Display) -> Self {
        self.map_err(|mut rejection| {
            rejection.path = match rejection.path.as_str() {
                "" => outer.to_string(),
                inner => format!("{outer}.{inner}"),
            };
            rejection
        })
    }
}

/// Refuses a value that is not the only one the shim can do.
pub(super) fn only(accepted: bool, path: &str, rule: &str) -> Result<(), Rejection> {
    if accepted {
        Ok(())
    } else {
        Err(Rejection::new(
            path,
            format!("{rule}: the shim supports nothing else"),
        ))
    }
}
