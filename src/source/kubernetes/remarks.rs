//! What there is to say about a cluster as a whole, and about its kinds.

use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Origin;
use crate::name::Namespaced;
use crate::source::kind::Row;

/// The server does not answer, and why.
pub(super) fn lost(why: &str) -> Diagnostic {
    let message = format!("the Kubernetes API does not answer as it should: {why}");
    about_cluster(Code::ClusterLost, message)
        .effect("what was read last stays in force; changes take effect once it answers again")
        .help("look at the API server, and at the network between it and the control plane")
}

/// A kind may not be read, and what the server says.
pub(super) fn refused(row: &Row, why: &str) -> Diagnostic {
    let Row {
        name: kind, group, ..
    } = row;
    let message = format!("the cluster does not let us read any {kind}: {why}");
    let verbs = "`get`, `list` and `watch`";
    about_cluster(Code::KindRefused, message)
        .effect("what was read last stays in force; a control plane that has read none yet is not ready until it may")
        .help(format!(
            "allow {verbs} of the kind {kind} of the group `{group}` in all namespaces to the control plane's account"
        ))
}

/// The cluster does not have a kind.
pub(super) fn absent(row: &Row) -> Diagnostic {
    let Row {
        name: kind, group, ..
    } = row;
    let message = format!("the cluster has no kind {kind} of the group `{group}`");
    about_cluster(Code::KindNotServed, message)
        .effect("it is as if there were none; they are read as soon as the cluster has the kind")
        .help("add its CustomResourceDefinition")
}

/// Two groups have an object of this name, and only one counts.
pub(super) fn duplicate(row: &Row, name: &Namespaced) -> Diagnostic {
    let message = format!(
        "there is a {} {name} of another group already, and this one is of the group `{}`",
        row.name, row.group
    );
    about_cluster(Code::Duplicate, message)
        .effect("the other one is used, this one has no effect")
        .help("remove one of them, or rename it")
}

fn about_cluster(code: Code, message: String) -> Diagnostic {
    let nowhere = Origin {
        object: None,
        document: None,
        within: Vec::new(),
    };
    Diagnostic::new(code, &nowhere, FieldPath::root(), message)
}
