//! What an error of the client means to a feed.

use super::news::Trouble;

/// Nobody listens any more.
pub(super) struct Closed;

/// Why a feed could not go on.
pub(super) enum Fault {
    /// Nobody listens any more.
    Closed,
    /// What the server has told is too old: it has to be asked for everything again.
    Expired,
    /// The server does not have what was asked for.
    Missing,
    /// It failed in another way.
    Failed(Trouble),
}

impl From<Closed> for Fault {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<kube::Error> for Fault {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                404 => Self::Missing,
                410 => Self::Expired,
                403 => Self::Failed(Trouble::Refused(status.message.clone())),
                code => Self::Failed(Trouble::Lost(format!("{code}: {}", status.message))),
            },
            other => Self::Failed(Trouble::Lost(chain(&other))),
        }
    }
}

impl From<tokio::time::error::Elapsed> for Fault {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Failed(Trouble::Lost("no answer in time".to_owned()))
    }
}

/// An error with its causes, none of which is said twice.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::Fault;
    use crate::source::kubernetes::news::Trouble;

    fn fault(code: u16) -> Fault {
        let status = Status::failure("why", "").with_code(code);
        Fault::from(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn the_status_says_what_to_do() {
        assert!(matches!(fault(404), Fault::Missing));
        assert!(matches!(fault(410), Fault::Expired));
        assert!(matches!(fault(403), Fault::Failed(Trouble::Refused(why)) if why == "why"));
        for code in [401, 429, 500, 503] {
            let text = format!("{code}: why");
            assert!(matches!(fault(code), Fault::Failed(Trouble::Lost(why)) if why == text));
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = std::io::Error::other("connection refused");
        let error = kube::Error::Service(Box::new(cause));
        let Fault::Failed(Trouble::Lost(why)) = Fault::from(error) else {
            panic!("it is lost");
        };
        assert_eq!(why.matches("connection refused").count(), 1);
    }
}
