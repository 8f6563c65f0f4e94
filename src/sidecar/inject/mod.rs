//! A Pod, or the template of Pods, and what the operator and its namespace say → the same with a sidecar. Pure: the
//! webhook and `mirrorplane inject` share it.
//!
//! | File | Idea |
//! |---|---|
//! | `choice` | whether |
//! | `exclusions`, `resources` | what the Pod's annotations ask for |
//! | `containers` | what is added |
//! | `start` | what the proxy starts with |
//! | `patch` | how it is added |
//!
//! What the application brought along, its containers, their probes and their security, is not touched.

mod choice;
mod containers;
mod exclusions;
#[cfg(test)]
mod fixture;
mod obstacle;
mod patch;
mod resources;
mod settings;
mod start;

use std::collections::BTreeMap;

use json_patch::Patch;
use serde_json::Value;
use serde_json::json;

use self::choice::Asked;
use self::choice::Choice;
use self::choice::PodMetadata;
use self::choice::Unclear;
use self::choice::choose;
use self::containers::USER;
use self::patch::Additions;
use crate::api::annotation::INJECTED;
use crate::api::annotation::TOKEN_SDS;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::Origin;

pub use choice::{Home, HomeMetadata, Reason};
pub use resources::{NotAQuantity, Quantity, Resources};
pub use settings::{Placement, Settings};

/// The Pod, or the template of Pods, within an object.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The whole object.
    pub object: &'a Value,
    /// Where the Pod stands in it: empty for a Pod, `spec`, `template` for a Deployment.
    pub at: &'a [&'a str],
    /// Where the object comes from.
    pub origin: &'a Origin,
}

/// What becomes of a Pod.
#[derive(Debug)]
pub enum Outcome {
    /// It gets a sidecar, by this patch of the whole object.
    Injected(Patch),
    /// It stays as it is.
    Left(Reason),
}

/// What becomes of a Pod, and what there is to say about it.
#[derive(Debug)]
pub struct Injection {
    /// What becomes of it.
    pub outcome: Outcome,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Adds a sidecar to a Pod, if it is to have one.
///
/// # Errors
///
/// If annotations say what cannot be understood: guessing could redirect what must not be.
pub fn inject(
    target: &Target<'_>,
    home: &Home,
    settings: &Settings,
) -> Result<Injection, Vec<Diagnostic>> {
    let pod = target
        .at
        .iter()
        .try_fold(target.object, |value, key| value.get(key));
    let pod = pod.unwrap_or(&Value::Null);
    let nothing = Value::Null;
    let spec = pod.get("spec").unwrap_or(&nothing);
    let annotations = texts(pod.pointer("/metadata/annotations"));
    let metadata = PodMetadata {
        labels: &texts(pod.pointer("/metadata/labels")),
        annotations: &annotations,
    };
    let choice = choose(
        &metadata,
        spec,
        home,
        &settings.mesh_name,
        &settings.system_namespace,
    )
    .map_err(|unclear| target.unclear(unclear, home))?;
    if let Choice::Leave(reason, asked) = choice {
        let refused = reason.is_inability() && asked == Asked::Yes;
        return Ok(Injection {
            outcome: Outcome::Left(reason),
            warnings: refused.then(|| target.unable(reason)).into_iter().collect(),
        });
    }
    let annotated = |name: &str| annotations.get(&format!("mirrorplane.io/{name}")).cloned();
    let resources = settings.resources.annotated(annotated);
    let exclusions = exclusions::flags(&annotations);
    match (resources, exclusions) {
        (Ok(resources), Ok(exclusions)) => Ok(Injection {
            outcome: Outcome::Injected(additions(target, pod, settings, &resources, &exclusions)),
            warnings: target.doubts(spec, settings.placement),
        }),
        (resources, exclusions) => {
            let resources = resources.err().unwrap_or_default();
            let resources = resources
                .into_iter()
                .map(|(name, wrong)| (format!("mirrorplane.io/{name}"), wrong));
            let wrong = resources.chain(exclusions.err().unwrap_or_default());
            Err(wrong.map(|(key, wrong)| target.bad(&key, wrong)).collect())
        }
    }
}

fn additions(
    target: &Target<'_>,
    pod: &Value,
    settings: &Settings,
    resources: &Resources,
    exclusions: &[String],
) -> Patch {
    let init = containers::init(settings, resources, exclusions);
    let sidecar = containers::sidecar(settings, resources, start::argument(settings));
    let mut additions = Additions::new(pod, target.at);
    let version = json!(env!("CARGO_PKG_VERSION"));
    additions.key(&["metadata", "annotations"], INJECTED, version);
    match settings.placement {
        // Before all others, so that their connections are served too.
        Placement::Native => additions.first(&["spec", "initContainers"], vec![init, sidecar]),
        // The others run while the proxy does not: their connections must not be redirected yet.
        Placement::Ordinary => {
            additions.last(&["spec", "initContainers"], init);
            additions.last(&["spec", "containers"], sidecar);
        }
    }
    if let Some(sds) = start::sds(settings) {
        additions.key(&["metadata", "annotations"], TOKEN_SDS, json!(sds));
        additions.last(&["spec", "volumes"], containers::volume(settings));
    }
    additions.done()
}

impl Target<'_> {
    fn path(&self) -> FieldPath {
        let keys = self.at.iter();
        keys.fold(FieldPath::root(), |path, key| path.key(*key))
    }

    fn annotation(&self, key: &str) -> FieldPath {
        self.path().key("metadata").key("annotations").key(key)
    }

    fn bad(&self, key: &str, wrong: String) -> Diagnostic {
        let message = format!("the annotation `{key}` means nothing: {wrong}");
        Diagnostic::new(
            Code::BadSidecarAnnotation,
            self.origin,
            self.annotation(key),
            message,
        )
        .effect("no sidecar is added")
        .help("correct it, or remove it")
    }

    fn unclear(&self, unclear: Unclear, home: &Home) -> Vec<Diagnostic> {
        let said = |whose: &str, key: &str, value: &str| {
            format!("the annotation `{key}` of {whose} says neither yes nor no: `{value}`")
        };
        let help = "write `enabled` or `disabled`";
        let of_pod = unclear
            .pod
            .map(|(key, value)| (self.annotation(&key), said("the Pod", &key, &value)));
        let of_namespace = unclear.namespace.map(|(key, value)| {
            let whose = format!("the namespace `{}`", home.name);
            (self.path(), said(&whose, &key, &value))
        });
        let both = of_pod.into_iter().chain(of_namespace);
        both.map(|(path, message)| {
            Diagnostic::new(Code::BadInjection, self.origin, path, message)
                .effect("no sidecar is added")
                .help(help)
        })
        .collect()
    }

    fn unable(&self, reason: Reason) -> Diagnostic {
        let message = format!("the Pod asks for a sidecar and cannot have one: {reason}");
        Diagnostic::new(
            Code::NoSidecar,
            self.origin,
            self.path().key("spec"),
            message,
        )
        .effect("its requests are not mirrored")
        .help("remove the annotation `sidecar-injection`")
    }

    /// What will not work as expected.
    fn doubts(&self, spec: &Value, placement: Placement) -> Vec<Diagnostic> {
        let mut doubts = Vec::new();
        let user = |of: &Value| {
            of.pointer("/securityContext/runAsUser")
                .and_then(Value::as_u64)
        };
        let containers = spec.get("containers").and_then(Value::as_array);
        let same = containers
            .into_iter()
            .flatten()
            .enumerate()
            .find(|(_, container)| user(container).or_else(|| user(spec)) == Some(u64::from(USER)));
        if let Some((index, _)) = same {
            let path = self.path().key("spec").key("containers").index(index);
            let message = format!("a container runs as user {USER}, as the sidecar does");
            doubts.push(
                Diagnostic::new(Code::UserOfSidecar, self.origin, path, message)
                    .effect("its connections are not redirected, and its requests not mirrored")
                    .help("let it run as another user"),
            );
        }
        let ends = spec.get("restartPolicy").and_then(Value::as_str);
        if placement == Placement::Ordinary && ends.is_some_and(|policy| policy != "Always") {
            let path = self.path().key("spec").key("restartPolicy");
            let message = "the Pod is meant to end, and an ordinary sidecar does not";
            doubts.push(
                Diagnostic::new(Code::SidecarStays, self.origin, path, message)
                    .effect("the Pod goes on when the application is done")
                    .help("use native sidecars, which need Kubernetes 1.29, or leave this Pod out"),
            );
        }
        doubts
    }
}

fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
