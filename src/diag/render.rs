//! A diagnostic as text, for people, and as JSON, for editors and scripts.

use std::fmt;
use std::fmt::Write;

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeStruct;

use super::Diagnostic;
use super::ObjectRef;
use super::Report;
use super::Severity;

const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const BLUE: &str = "\u{1b}[1;34m";
const CYAN: &str = "\u{1b}[1;36m";
const RESET: &str = "\u{1b}[0m";

/// A diagnostic as text with ANSI colours, for a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Coloured<'a>(&'a Diagnostic);

impl Diagnostic {
    /// The same text as [`Display`](fmt::Display), with ANSI colours.
    pub fn coloured(&self) -> Coloured<'_> {
        Coloured(self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, style: Style) -> fmt::Result {
        let (severity, code) = (self.severity(), self.code);
        let head = match severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
            Severity::Info => CYAN,
        };
        style.paint(f, head, format_args!("{severity}[{code}]"))?;
        style.paint(f, BOLD, format_args!(": {}", Plain(&self.message)))?;
        let what = [
            self.place.as_ref().map(ToString::to_string),
            self.object.as_ref().map(ToString::to_string),
            Some(self.path.to_string()),
        ];
        let what: Vec<_> = what
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        if !what.is_empty() {
            f.write_str("\n ")?;
            style.paint(f, BLUE, format_args!("-->"))?;
            write!(f, " {}", Plain(&what.join("  ")))?;
        }
        for (label, text) in [("note", &self.effect), ("help", &self.help)] {
            if !text.is_empty() {
                f.write_str("\n  ")?;
                style.paint(f, BOLD, format_args!("{label}"))?;
                write!(f, ": {}", Plain(text))?;
            }
        }
        Ok(())
    }
}

/// As `rustc` does it: the message, the place, and what follows from it. No newline at the end, no colours.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Style::Plain)
    }
}

impl fmt::Display for Coloured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, Style::Ansi)
    }
}

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Ansi,
}

impl Style {
    fn paint(
        self,
        f: &mut fmt::Formatter<'_>,
        colour: &str,
        text: fmt::Arguments<'_>,
    ) -> fmt::Result {
        match self {
            Self::Plain => f.write_fmt(text),
            Self::Ansi => write!(f, "{colour}{text}{RESET}"),
        }
    }
}

/// Text of which a part may come from a file: it must neither steer the terminal nor break the line.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// An object with the keys `code`, `severity`, `message`, `effect`, `help`, `object` (`kind`, `namespace`, `name`),
/// `path`, `file`, `line` and `column`. All keys are always there; what is not known is null, or an empty text.
impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = self.place.as_ref();
        let mut out = serializer.serialize_struct("Diagnostic", 10)?;
        out.serialize_field("code", self.code.as_str())?;
        out.serialize_field("severity", self.severity().as_str())?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("effect", &self.effect)?;
        out.serialize_field("help", &self.help)?;
        out.serialize_field("object", &self.object)?;
        out.serialize_field("path", &self.path.to_string())?;
        // A file name need not be text; for JSON it has to be.
        out.serialize_field("file", &place.map(|place| place.file.to_string_lossy()))?;
        out.serialize_field("line", &place.map(|place| place.line))?;
        out.serialize_field("column", &place.map(|place| place.column))?;
        out.end()
    }
}

/// An object with the keys `kind`, `namespace` (null for cluster-scoped objects) and `name`.
impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let namespace = Some(&self.name.namespace).filter(|namespace| !namespace.is_empty());
        let mut out = serializer.serialize_struct("ObjectRef", 3)?;
        out.serialize_field("kind", &self.kind)?;
        out.serialize_field("namespace", &namespace)?;
        out.serialize_field("name", &self.name.name)?;
        out.end()
    }
}

/// A list of diagnostics.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Code;
    use super::super::Diagnostic;
    use super::super::FieldPath;
    use super::super::ObjectRef;
    use super::super::Place;
    use crate::name::Namespaced;

    fn full() -> Diagnostic {
        Diagnostic {
            code: Code::TargetMissing,
            message: "mirror target `pipy/pipy-ok-v2` does not exist".to_owned(),
            effect: "nothing is mirrored".to_owned(),
            help: "create the Service".to_owned(),
            object: Some(ObjectRef {
                kind: "PluginConfig".to_owned(),
                name: Namespaced::new("curl", "traffic-mirror-config"),
            }),
            path: FieldPath::of("spec.config.service"),
            place: Some(Place {
                file: "mesh/pipy.yaml".into(),
                line: 14,
                column: 5,
            }),
        }
    }

    fn bare() -> Diagnostic {
        Diagnostic {
            code: Code::NoMeshConfig,
            message: "no MeshConfig".to_owned(),
            effect: String::new(),
            help: String::new(),
            object: None,
            path: FieldPath::root(),
            place: None,
        }
    }

    #[test]
    fn the_text_names_the_place_the_effect_and_the_help() {
        assert_eq!(
            full().to_string(),
            "error[MP321]: mirror target `pipy/pipy-ok-v2` does not exist\n \
             --> mesh/pipy.yaml:14:5  PluginConfig curl/traffic-mirror-config  spec.config.service\n  \
             note: nothing is mirrored\n  \
             help: create the Service"
        );
        assert_eq!(bare().to_string(), "warning[MP101]: no MeshConfig");
    }

    #[test]
    fn colours_change_nothing_but_the_colours() {
        for diagnostic in [full(), bare()] {
            let coloured = diagnostic.coloured().to_string();
            let mut plain = String::new();
            let mut rest = coloured.as_str();
            while let Some((before, after)) = rest.split_once('\u{1b}') {
                plain.push_str(before);
                rest = after.split_once('m').unwrap().1;
            }
            plain.push_str(rest);
            assert_ne!(plain, coloured);
            assert_eq!(plain, diagnostic.to_string());
        }
    }

    #[test]
    fn text_from_a_file_cannot_steer_the_terminal() {
        let mut diagnostic = bare();
        diagnostic.message = "a\u{1b}[2Jb\nc".to_owned();
        assert_eq!(diagnostic.to_string(), "warning[MP101]: a\\u{1b}[2Jb\\nc");
    }

    #[test]
    fn json_has_all_keys_always() {
        assert_eq!(
            serde_json::to_value([full(), bare()]).unwrap(),
            json!([
                {
                    "code": "MP321",
                    "severity": "error",
                    "message": "mirror target `pipy/pipy-ok-v2` does not exist",
                    "effect": "nothing is mirrored",
                    "help": "create the Service",
                    "object": { "kind": "PluginConfig", "namespace": "curl", "name": "traffic-mirror-config" },
                    "path": "spec.config.service",
                    "file": "mesh/pipy.yaml",
                    "line": 14,
                    "column": 5,
                },
                {
                    "code": "MP101",
                    "severity": "warning",
                    "message": "no MeshConfig",
                    "effect": "",
                    "help": "",
                    "object": null,
                    "path": "",
                    "file": null,
                    "line": null,
                    "column": null,
                },
            ])
        );
    }
}
