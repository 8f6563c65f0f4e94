//! Which condition a diagnostic is about.
//!
//! The reason of a condition is the name of the code, a word that is as stable as the code itself.

use crate::diag::Code;
use crate::diag::Severity;

/// A condition of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// What it says makes sense, and it is in force.
    Accepted,
    /// What it names is there.
    ResolvedRefs,
    /// The sidecars have it.
    Programmed,
}

impl Concern {
    /// The type of the condition.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::Programmed => "Programmed",
        }
    }

    /// The condition that a code belongs to.
    pub(super) fn of(code: Code) -> Self {
        use Code as C;
        match code {
            C::ChainPluginMissing
            | C::NamespaceUnknown
            | C::PluginMissing
            | C::BadDestinationKind
            | C::DestinationMissing
            | C::DestinationNotHttp
            | C::DestinationEmpty
            | C::DestinationUnserved
            | C::TargetMissing
            | C::TargetPortMissing
            | C::TargetEmpty
            | C::TargetNotHttp
            | C::TargetProtocol
            | C::TargetUnlabelled
            | C::TargetTls
            | C::TargetPlain => Self::ResolvedRefs,
            C::RolloutStopped | C::Rejected | C::Stopped | C::BudgetBlown => Self::Programmed,
            _ => Self::Accepted,
        }
    }
}

/// Whether a code makes its condition false: errors do, and warnings that the whole object has no effect.
pub(super) fn denies(code: Code) -> bool {
    code.severity() == Severity::Error
        || matches!(code, Code::UnsupportedPlugin | Code::UnsupportedChain)
}

#[cfg(test)]
mod tests {
    use super::Concern;
    use super::denies;
    use crate::diag::Code;
    use crate::diag::Severity;

    #[test]
    fn a_code_is_about_one_condition_and_its_name_is_a_reason() {
        for (code, concern, is_denied) in [
            (Code::WrongType, Concern::Accepted, true),
            (Code::Conflict, Concern::Accepted, true),
            (Code::FractionAbsent, Concern::Accepted, false),
            (Code::UnsupportedPlugin, Concern::Accepted, true),
            (Code::TargetMissing, Concern::ResolvedRefs, true),
            (Code::TargetEmpty, Concern::ResolvedRefs, false),
            (Code::TargetUnlabelled, Concern::ResolvedRefs, false),
            (Code::TargetTls, Concern::ResolvedRefs, true),
            (Code::ChainPluginMissing, Concern::ResolvedRefs, true),
            (Code::RolloutStopped, Concern::Programmed, true),
            (Code::Stopped, Concern::Programmed, false),
            (Code::BudgetBlown, Concern::Programmed, false),
        ] {
            assert_eq!(
                (Concern::of(code), denies(code)),
                (concern, is_denied),
                "{code}"
            );
        }
        for code in Code::ALL {
            let reason = format!("{code:?}");
            assert!(reason.starts_with(char::is_uppercase), "{reason}");
            assert!(reason.chars().all(char::is_alphanumeric), "{reason}");
            assert!(
                denies(*code) || code.severity() != Severity::Error,
                "{code}"
            );
        }
    }
}
