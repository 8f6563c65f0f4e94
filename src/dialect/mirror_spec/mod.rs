//! `spec.config` of a mirror plugin's PluginConfig.

mod budget;
mod copy;
mod decode;
mod empty;
mod external;
mod fraction;
mod headers;
mod keys;
mod limits;
mod methods;
mod pattern;
mod port_ref;
mod quarantine;
mod ramp;
mod selection;
mod sticky;
mod subset;
mod tls;

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::api::core::IntOrString;
use crate::api::target_tls::TargetTls;
use crate::diag::{Code, FieldPath, Origin, Report, Severity};
use crate::model::{
    Budget, Credentials, External, Fraction, Ramp, ServerName, ServerTls, Strictness, Subset, Terms,
};
use crate::name::Namespaced;
use decode::Reader;
pub use port_ref::PortRef;

/// Where requests are mirrored to, and how many: a valid `spec.config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorSpec {
    /// Names the text that it was read from.
    pub text: u64,
    /// What gets the copies.
    pub target: TargetRef,
    /// The share of requests.
    pub fraction: Fraction,
    /// By which steps that is reached, if not at once.
    pub ramp: Option<Arc<Ramp>>,
    /// What becomes of the caller's credentials, where that is said.
    pub credentials: Option<Credentials>,
    /// How many copies there may be in a second, of all sidecars together, if not any number.
    pub rate: Option<NonZeroU32>,
    /// How many copies may fail, if not any number.
    pub budget: Option<Budget>,
    /// What those who receive the copies may ask of others, if not everything.
    pub quarantine: Option<Strictness>,
    /// All else that may be left out.
    pub terms: Arc<Terms>,
}

/// What gets the copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetRef {
    /// A Service; it need not exist.
    Service {
        /// Its name.
        name: Namespaced,
        /// Which of its ports.
        port: PortRef,
        /// Which of its Pods.
        subset: Subset,
        /// How they prove who they are; `None` if they are spoken to without TLS.
        tls: Option<Arc<ServerTls>>,
    },
    /// A host that is no Service.
    External(Arc<External>),
}

impl TargetRef {
    /// The Service that it is, if it is one.
    pub fn service(&self) -> Option<&Namespaced> {
        match self {
            Self::Service { name, .. } => Some(name),
            Self::External(_) => None,
        }
    }
}

/// `NAMESPACE/SERVICE`, or `HOST:PORT`.
impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { name, .. } => name.fmt(f),
            Self::External(external) => external.fmt(f),
        }
    }
}

/// Reads `spec.config`, reporting everything that is wrong with it; `None`, with `if_invalid` as the effect of each
/// error, if anything is.
pub(crate) fn read(
    config: &Value,
    origin: &Origin,
    if_invalid: &str,
    report: &mut Report,
) -> Option<MirrorSpec> {
    let mut reader = Reader {
        origin,
        if_invalid,
        report,
        is_sound: true,
        wrong: BTreeSet::new(),
        apart: Map::new(),
    };
    let hash = xxhash_rust::xxh3::xxh3_64(config.to_string().as_bytes());
    let config = reader.decode(config)?;
    let external = external::read(&mut reader);
    let namespace = text("namespace", config.namespace, &mut reader);
    let service = text("service", config.service, &mut reader);
    let port = port(&config.port, &mut reader);
    let subset = subset::read(&mut reader);
    let tls = tls(namespace.as_deref(), service.as_deref(), &mut reader);
    let share = config.percentage.and_then(|percentage| percentage.value);
    let fraction = fraction(share.as_ref(), &mut reader);
    let ramp = ramp::read(&mut reader, fraction);
    let limits = limits::read(&mut reader);
    let budget = budget::read(&mut reader, limits.duration);
    let rate = budget::rate(&mut reader);
    let terms = Terms {
        limits,
        selection: selection::read(&mut reader),
        sticky: sticky::read(&mut reader),
        copy: copy::read(&mut reader),
        slow_after: budget.and_then(|budget| Some(budget.max_slow?.1)),
    };
    let credentials = copy::credentials(&mut reader);
    let quarantine = quarantine::read(&mut reader);
    if !reader.is_sound {
        return None;
    }
    Some(MirrorSpec {
        text: hash,
        target: match external {
            Some(external) => TargetRef::External(Arc::new(external)),
            None => TargetRef::Service {
                name: Namespaced::new(namespace?, service?),
                port: port?,
                subset,
                tls: tls.map(Arc::new),
            },
        },
        fraction: fraction?,
        ramp,
        credentials,
        budget,
        rate,
        quarantine,
        terms: Arc::new(terms),
    })
}

/// That what was given is none of these, or that none was.
fn is_not(given: Option<String>, what: &str) -> String {
    match given {
        Some(given) => format!("{given} is not {what}"),
        None => format!("{what} is missing"),
    }
}

fn text(key: &str, text: String, reader: &mut Reader<'_>) -> Option<String> {
    if text.is_empty() {
        let help = "name the Service that gets the copies".to_owned();
        let path = FieldPath::root().key(key);
        reader.error(
            Code::BadConfigValue,
            path,
            format!("`{key}` is empty"),
            help,
        );
        return None;
    }
    Some(text)
}

/// TLS to a Service, which is known by the name that the cluster itself knows it by.
fn tls(
    namespace: Option<&str>,
    service: Option<&str>,
    reader: &mut Reader<'_>,
) -> Option<ServerTls> {
    let keys: TargetTls = reader.optional("tls")?;
    let name = format!("{}.{}.svc", service?, namespace?).to_ascii_lowercase();
    let here = FieldPath::root().key("tls");
    tls::read(keys, Some(ServerName::Dns(name)), here, reader)
}

fn port(port: &IntOrString, reader: &mut Reader<'_>) -> Option<PortRef> {
    if reader.wrong.contains("port") {
        return None;
    }
    let named = PortRef::read(port);
    if named.is_none() {
        let given = match port {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(text) => format!("{text:?}"),
        };
        reader.error(
            Code::BadConfigValue,
            FieldPath::root().key("port"),
            format!("{given} is not a port"),
            "give the number of a port, 1 to 65535, or its name".to_owned(),
        );
    }
    named
}

fn fraction(share: Option<&Value>, reader: &mut Reader<'_>) -> Option<Fraction> {
    if reader.wrong.contains("percentage") {
        return None;
    }
    let mut said = Report::default();
    let fraction = fraction::read(share, reader.origin, reader.if_invalid, &mut said);
    // What a share does is not said of a configuration that is not in force.
    let kept = said
        .iter()
        .filter(|diagnostic| reader.is_sound || diagnostic.severity() == Severity::Error);
    for diagnostic in kept {
        reader.report.push(diagnostic.clone());
    }
    fraction
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::{MirrorSpec, read};
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};

    fn config(config: &Value) -> (Option<MirrorSpec>, Vec<String>, Report) {
        let mut report = Report::default();
        let spec = read(config, &nowhere(), "otherwise", &mut report);
        (spec, found(&report), report)
    }

    #[test]
    fn a_port_that_means_nothing_is_reported_once() {
        for port in [
            json!(0),
            json!(65536),
            json!(u64::MAX),
            json!(80.5),
            json!(true),
            json!({}),
            json!("0"),
        ] {
            let whole =
                json!({"namespace": "n", "service": "s", "port": port, "percentage": {"value": 1}});
            let (spec, found, _) = config(&whole);
            assert_eq!(
                (spec, found),
                (None, vec!["BadConfigValue spec.config.port".to_owned()])
            );
        }
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let (spec, found, report) = config(&json!({
            "namespace": 7,
            "port": [1],
            "percent": 1,
            "percentage": {"value": "50%", "unit": "percent"},
        }));
        assert_eq!(spec, None);
        assert_eq!(
            found,
            [
                "ConfigKeyMissing spec.config.service",
                "BadConfigValue spec.config.namespace",
                "BadConfigValue spec.config.port",
                "UnknownConfigKey spec.config.percent",
                "UnknownConfigKey spec.config.percentage.unit",
                "BadFraction spec.config.percentage.value",
            ]
        );
        let unknown = report.iter().nth(3).unwrap();
        assert_eq!(unknown.help, "did you mean `percentage`?");
        assert!(
            report
                .iter()
                .all(|diagnostic| diagnostic.effect == "otherwise")
        );
    }

    #[test]
    fn what_is_no_mapping_is_a_mistake() {
        for (whole, found) in [
            (json!("mirror"), "BadConfigValue spec.config"),
            (json!([]), "BadConfigValue spec.config"),
            (
                json!({"namespace": "n", "service": "s", "port": 1, "percentage": 0.5}),
                "BadConfigValue spec.config.percentage",
            ),
            (
                json!({"namespace": "n", "service": "s", "port": 1, "percentage": [0.5]}),
                "BadConfigValue spec.config.percentage",
            ),
            (
                json!({"namespace": "", "service": "s", "port": 1, "percentage": {"value": 0}}),
                "BadConfigValue spec.config.namespace",
            ),
        ] {
            let (spec, all, _) = config(&whole);
            assert_eq!((spec, all), (None, vec![found.to_owned()]));
        }
    }
}
