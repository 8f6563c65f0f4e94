//! Regular expressions: read in the syntax of the `regex` crate, written anew in what RE2 understands as well.
//!
//! Envoy refuses a whole route configuration for one expression that RE2 cannot read or that is too large, so nothing is
//! passed on that has not been taken apart here. The whole of a text has to match, so it does not matter what is greedy.

use std::fmt::Write;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

/// Characters of an expression.
const LONGEST: usize = 256;
/// What an expression may come to, as [`Writer::write`] estimates it. Envoy's bound is an RE2 program of 100 instructions,
/// of which it takes some for itself, and a path some for the query.
const LARGEST: u32 = 80;
/// What is repeated more often is too large in any case.
const MOST_REPEATS: u32 = 100;
const NOT_ASCII: &str = "only ASCII characters can be in it";

/// Writes an expression anew. `without` is a character that what it has to match never contains: the expression then
/// matches no text that contains it. An error says what is wrong.
pub(super) fn portable(text: &str, without: Option<u8>) -> Result<String, String> {
    if text.is_empty() || text.len() > LONGEST {
        return Err(format!("it must have 1 to {LONGEST} characters"));
    }
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err("only printable ASCII characters can be in it".to_owned());
    }
    // The whole has to match in any case.
    let inner = text.strip_prefix('^').unwrap_or(text);
    let inner = match inner.strip_suffix('$') {
        Some(inner) if !is_escaping(inner) => inner,
        _ => inner,
    };
    // Without these, somebody takes one anchor for the whole meaning: `^/api` would be `/api` and nothing else.
    let begins = text.starts_with('^');
    let ends = text.ends_with('$') && !inner.ends_with('$');
    if begins && !ends && !inner.ends_with(".*") {
        return Err(format!(
            "the whole text has to match, so an anchor says nothing: write `{inner}.*` or `{inner}`"
        ));
    }
    if ends && !begins && !inner.starts_with(".*") {
        return Err(format!(
            "the whole text has to match, so an anchor says nothing: write `.*{inner}` or `{inner}`"
        ));
    }
    let mut parser = ParserBuilder::new();
    let parsed = parser
        .unicode(false)
        .utf8(false)
        .nest_limit(20)
        .build()
        .parse(inner);
    let hir = parsed.map_err(|error| match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "it is not a regular expression".to_owned(),
    })?;
    let mut writer = Writer {
        without,
        text: String::new(),
    };
    let size = writer.write(&hir)?;
    if size > LARGEST {
        return Err(
            "it is too large; use fewer alternatives and repetitions, or a prefix".to_owned(),
        );
    }
    Ok(writer.text)
}

/// Whether a text ends with an odd number of backslashes.
fn is_escaping(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

struct Writer {
    without: Option<u8>,
    text: String,
}

impl Writer {
    /// Writes an expression, and yields about how many instructions it is, rather more than less.
    fn write(&mut self, hir: &Hir) -> Result<u32, String> {
        match hir.kind() {
            HirKind::Empty => Ok(1),
            HirKind::Literal(literal) => {
                for byte in &literal.0 {
                    if Some(*byte) == self.without {
                        return Err(format!("there is never a `{}`", char::from(*byte)));
                    }
                    if !byte.is_ascii() {
                        return Err(NOT_ASCII.to_owned());
                    }
                    self.byte(*byte);
                }
                Ok(u32::try_from(literal.0.len()).unwrap_or(u32::MAX))
            }
            HirKind::Class(Class::Bytes(class)) => self.class(class),
            HirKind::Class(Class::Unicode(class)) => match class.to_byte_class() {
                Some(class) => self.class(&class),
                None => Err(NOT_ASCII.to_owned()),
            },
            HirKind::Look(_) => Err(
                "anchors and word boundaries are not supported; the whole has to match".to_owned(),
            ),
            HirKind::Repetition(repetition) => self.repetition(repetition),
            HirKind::Capture(capture) => self.group(&capture.sub),
            HirKind::Concat(parts) => {
                let mut size: u32 = 0;
                for part in parts {
                    size = size.saturating_add(match part.kind() {
                        HirKind::Alternation(_) => self.group(part)?,
                        _ => self.write(part)?,
                    });
                }
                Ok(size)
            }
            HirKind::Alternation(parts) => {
                let mut size: u32 = 0;
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        self.text.push('|');
                    }
                    size = size.saturating_add(self.write(part)?.saturating_add(1));
                }
                Ok(size)
            }
        }
    }

    fn group(&mut self, hir: &Hir) -> Result<u32, String> {
        self.text.push_str("(?:");
        let size = self.write(hir)?;
        self.text.push(')');
        Ok(size)
    }

    fn repetition(&mut self, repetition: &Repetition) -> Result<u32, String> {
        let (min, max) = (repetition.min, repetition.max);
        if max.unwrap_or(min) > MOST_REPEATS {
            return Err(format!(
                "nothing can be repeated more than {MOST_REPEATS} times"
            ));
        }
        let size = self.group(&repetition.sub)?;
        match (min, max) {
            (0, None) => self.text.push('*'),
            (1, None) => self.text.push('+'),
            (0, Some(1)) => self.text.push('?'),
            (min, None) => self.put(format_args!("{{{min},}}")),
            (min, Some(max)) => self.put(format_args!("{{{min},{max}}}")),
        }
        // A copy for each time, and a choice for each that may be left out.
        let copies = max.unwrap_or(min.saturating_add(1));
        let choice = u32::from(max != Some(min));
        Ok(size.saturating_add(choice).saturating_mul(copies))
    }

    fn class(&mut self, class: &ClassBytes) -> Result<u32, String> {
        let mut class = class.clone();
        if let Some(without) = self.without {
            class.difference(&ClassBytes::new([ClassBytesRange::new(without, without)]));
        }
        let beyond = ClassBytes::new([ClassBytesRange::new(0x80, 0xff)]);
        let mut high = class.clone();
        high.intersect(&beyond);
        let size = u32::try_from(class.ranges().len()).unwrap_or(u32::MAX);
        if class.ranges().is_empty() {
            return Err("a part of it never matches".to_owned());
        }
        if high.ranges().is_empty() {
            self.text.push('[');
            self.ranges(&class);
            self.text.push(']');
            return Ok(size);
        }
        if high != beyond {
            return Err(NOT_ASCII.to_owned());
        }
        // All that is not ASCII is in it: named by what is not, it reads the same whatever a character is.
        class.negate();
        if class.ranges().is_empty() {
            self.text.push_str("(?s:.)");
        } else {
            self.text.push_str("[^");
            self.ranges(&class);
            self.text.push(']');
        }
        Ok(size.saturating_add(4))
    }

    fn ranges(&mut self, class: &ClassBytes) {
        for range in class.ranges() {
            self.byte(range.start());
            if range.end() > range.start() {
                self.text.push('-');
                self.byte(range.end());
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        match byte {
            // Others must not be: `\<` is a word boundary to some.
            _ if br"\.+*?()|[]{}^$#&-~".contains(&byte) => {
                self.text.push('\\');
                self.text.push(char::from(byte));
            }
            b' '..=b'~' => self.text.push(char::from(byte)),
            _ => self.put(format_args!("\\x{byte:02x}")),
        }
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        self.text
            .write_fmt(what)
            .expect("writing to a string does not fail");
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::portable;

    #[test]
    fn an_expression_is_written_in_what_all_engines_share() {
        for (text, expected) in [
            ("/api/v1", "/api/v1"),
            ("^/a$", "/a"),
            ("^/a.*", r"/a(?:[^\x0a])*"),
            (r"a\$", r"a\$"),
            (r"^a\\$", r"a\\"),
            (r"/items/\d+", "/items/(?:[0-9])+"),
            ("(?P<name>a|bc)d", "(?:a|bc)d"),
            ("(?i)ab", "[Aa][Bb]"),
            (".*?", r"(?:[^\x0a])*"),
            ("a{2,3}b{4}c{5,}", "(?:a){2,3}(?:b){4,4}(?:c){5,}"),
            ("(?s).", "(?s:.)"),
            ("[^a]", "[^a]"),
            (r"a\.b-c", r"a\.b\-c"),
        ] {
            let written = portable(text, None);
            assert_eq!(written.as_deref(), Ok(expected), "{text}");
            Regex::new(expected).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for text in [
            "",
            "(",
            "a**b{",
            "*",
            "[",
            r"\",
            "(?=a)",
            r"(a)\1",
            r"\bword",
            "a^b",
            "^/a",
            "a$",
            "a$b",
            r"\Aa",
            "é",
            "a\n",
            r"[^\x80]",
            r"\xff",
            "a{1001}",
            "(a{50}){50}",
            "[a&&b]",
            "a{90}",
            "(ab){41}",
        ] {
            assert!(portable(text, None).is_err(), "{text}");
        }
        assert!(portable(&"a".repeat(257), None).is_err());
    }

    #[test]
    fn what_a_text_never_contains_is_not_matched() {
        for text in [".*", "[^a]*", r"\S*", r"\W*", "(?s:.)*", "[!-~]*"] {
            let written = portable(text, Some(b'?')).unwrap();
            let regex = Regex::new(&format!("^(?:{written})$")).unwrap();
            assert!(!regex.is_match("?"), "{text}: {written}");
            let without = Regex::new(&format!("^(?:{text})$")).unwrap();
            for character in ["/", "-", "b", " ", "~"] {
                assert_eq!(
                    regex.is_match(character),
                    without.is_match(character),
                    "{text}"
                );
            }
        }
        assert!(portable(r"/a\?b", Some(b'?')).is_err());
        assert!(portable("/a[?]b", Some(b'?')).is_err());
    }
}
