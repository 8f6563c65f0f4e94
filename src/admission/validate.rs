//! An object as it is to be, and the world → what is wrong with it.

use serde_json::Value;

use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::ObjectRef;
use crate::diag::Report;
use crate::diag::Severity;
use crate::resolve::Kept;
use crate::resolve::Settings;
use crate::resolve::resolve;
use crate::source::Objects;
use crate::source::single;

/// What is said about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The object; `None` if it is not of a kind that is read.
    pub object: Option<ObjectRef>,
    /// Why it is refused; it is not, if this is empty.
    pub refused: Vec<Diagnostic>,
    /// What its user should know.
    pub warnings: Vec<Diagnostic>,
}

/// Says what `check` would say about an object if the cluster had it. `world` is what the cluster has, if that is known.
pub fn validate(object: &Value, world: Option<&Objects>, settings: &Settings) -> Verdict {
    let Some(single) = single(object) else {
        return Verdict::default();
    };
    let mut verdict = Verdict {
        object: Some(single.object.clone()),
        ..Verdict::default()
    };
    for diagnostic in &single.report {
        match diagnostic.severity() {
            Severity::Error => verdict.refused.push(diagnostic.clone()),
            _ => verdict.warnings.push(diagnostic.clone()),
        }
    }
    let mut objects = world.cloned().unwrap_or_default();
    if !single.put_into(&mut objects) {
        return verdict;
    }
    let before = world.map(|world| report(world, settings));
    for diagnostic in &report(&objects, settings) {
        let is_its_own = diagnostic.object.as_ref() == Some(&single.object);
        if is_its_own && diagnostic.severity() == Severity::Error && is_its_fault(diagnostic.code) {
            verdict.refused.push(diagnostic.clone());
        } else if let Some(before) = &before {
            // Alone in an empty world, everything would seem to be missing.
            let is_new = is_its_own || !before.iter().any(|known| known == diagnostic);
            if is_new && diagnostic.severity() != Severity::Info {
                verdict.warnings.push(diagnostic.clone());
            }
        }
    }
    let own = &single.object.name.namespace;
    for diagnostic in verdict.refused.iter_mut().chain(&mut verdict.warnings) {
        if names_others(&diagnostic.help, own) {
            diagnostic.help.clear();
        }
    }
    verdict
}

/// Whether a text names an object of a namespace other than `own`. Who asks is not known here, and may not be allowed to
/// know what is there.
fn names_others(text: &str, own: &str) -> bool {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|quoted| quoted.split_once('/'))
        .any(|(namespace, _)| namespace != own)
}

fn report(objects: &Objects, settings: &Settings) -> Report {
    resolve(objects, settings, &Kept::default()).report
}

/// Whether an error follows from the object alone, and will not go away by whatever else is applied.
fn is_its_fault(code: Code) -> bool {
    matches!(
        code,
        Code::BadAnnotation
            | Code::BadSelector
            | Code::UnknownSelectorField
            | Code::BadDestinationKind
            | Code::UnknownConfigKey
            | Code::ConfigKeyMissing
            | Code::BadConfigValue
            | Code::BadFraction
            | Code::SelfMirror
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::Verdict;
    use super::validate;
    use crate::resolve::Settings;
    use crate::source::Objects;
    use crate::source::single;

    fn object(kind: &str, name: &str, spec: Value) -> Value {
        let group = match kind {
            "MeshConfig" => "config.openservicemesh.io/v1alpha2",
            _ => "plugin.flomesh.io/v1alpha1",
        };
        json!({
            "apiVersion": group,
            "kind": kind,
            "metadata": { "name": name, "namespace": "curl" },
            "spec": spec,
        })
    }

    fn plugin() -> Value {
        object(
            "Plugin",
            "traffic-mirror",
            json!({"priority": 115, "pipyscript": "()"}),
        )
    }

    fn config(config: Value) -> Value {
        let destination = json!([{"kind": "Service", "name": "v1", "namespace": "pipy"}]);
        let spec =
            json!({"plugin": "traffic-mirror", "destinationRefs": destination, "config": config});
        object("PluginConfig", "mirror", spec)
    }

    fn good() -> Value {
        json!({"namespace": "pipy", "service": "v2", "port": 8080, "percentage": {"value": 1.0}})
    }

    fn codes(verdict: &Verdict) -> (Vec<&str>, Vec<&str>) {
        let codes = |list: &[crate::diag::Diagnostic]| -> Vec<&'static str> {
            list.iter().map(|one| one.code.as_str()).collect()
        };
        (codes(&verdict.refused), codes(&verdict.warnings))
    }

    #[test]
    fn whatever_the_order_is_every_good_object_is_taken() {
        let chain = json!({
            "chains": [{"name": "outbound-http", "plugins": ["traffic-mirror"]}],
            "selectors": {},
        });
        let all = [
            plugin(),
            object("PluginChain", "chain", chain),
            config(good()),
            object(
                "MeshConfig",
                "osm-mesh-config",
                json!({"featureFlags": {"enablePluginPolicy": true}}),
            ),
        ];
        for first in 0..all.len() {
            let mut world = Objects::default();
            for next in 0..all.len() {
                let object = &all[(first + next) % all.len()];
                let verdict = validate(object, Some(&world), &Settings::default());
                assert_eq!(verdict.refused, [], "{object}");
                assert!(single(object).unwrap().put_into(&mut world));
            }
        }
    }

    #[test]
    fn what_is_wrong_with_the_object_itself_refuses_it() {
        let mut world = Objects::default();
        single(&plugin()).unwrap().put_into(&mut world);
        for (change, refused) in [
            (json!({"port": 0}), "MP313"),
            (json!({"percentage": {"value": "half"}}), "MP316"),
            (json!({"servcie": "v2"}), "MP311"),
            (json!({"service": null}), "MP312"),
            (json!({"subset": {}}), "MP313"),
            (json!({"subset": {"labels": {"v": "a b"}}}), "MP313"),
            (json!({"tls": {"ca": "me"}}), "MP313"),
        ] {
            let mut bad = good();
            for (key, value) in change.as_object().unwrap() {
                bad[key] = value.clone();
            }
            let verdict = validate(&config(bad), Some(&world), &Settings::default());
            assert!(
                codes(&verdict).0.contains(&refused),
                "{change}: {verdict:?}"
            );
        }
        let mut misshapen = config(good());
        misshapen["spec"]["destinationRefs"] = json!("v1");
        let verdict = validate(&misshapen, None, &Settings::default());
        assert_eq!(codes(&verdict), (vec!["MP004"], vec![]));
        assert_eq!(verdict.refused[0].path.to_string(), "spec.destinationRefs");
    }

    #[test]
    fn what_is_missing_is_a_warning() {
        let world = Objects::default();
        let verdict = validate(&config(good()), Some(&world), &Settings::default());
        let (refused, warnings) = codes(&verdict);
        assert_eq!(refused, [""; 0]);
        assert!(
            warnings.contains(&"MP301") && warnings.contains(&"MP304"),
            "{warnings:?}"
        );
        // As long as the world is not known, nothing is known to be missing.
        let verdict = validate(&config(good()), None, &Settings::default());
        assert_eq!(codes(&verdict), (vec![], vec![]));
    }

    #[test]
    fn names_of_other_namespaces_are_kept_back() {
        for (text, expected) in [
            ("did you mean `zzz/secret-billing-api`?", true),
            ("did you mean `curl/billing`?", false),
            ("did you mean `billing`?", false),
            ("write `enabled` or zzz/billing", false),
        ] {
            assert_eq!(super::names_others(text, "curl"), expected, "{text}");
        }
    }

    #[test]
    fn other_kinds_are_nobodys_business() {
        for other in [
            json!(null),
            json!({}),
            json!({"apiVersion": "v1", "kind": "Pod"}),
            json!({"apiVersion": "plugin.flomesh.io/v2", "kind": "Plugin"}),
        ] {
            let verdict = validate(&other, None, &Settings::default());
            assert_eq!(verdict, Verdict::default());
        }
    }
}
