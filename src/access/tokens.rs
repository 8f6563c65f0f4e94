//! The file of bearer tokens: a line `TOKEN NAMESPACE/NAME` for each.

use std::fmt;

use subtle::Choice;
use subtle::ConstantTimeEq;

use super::claim::Claim;
use crate::reload::File;
use crate::reload::FileError;

/// Shorter tokens can be guessed.
const SHORTEST: usize = 16;

/// Bearer tokens, and what they stand for.
#[derive(Default)]
pub struct Tokens(Vec<(String, Claim)>);

impl Tokens {
    /// Reads a file of lines `TOKEN NAMESPACE/NAME` or `TOKEN NAMESPACE/*`. Empty lines and lines that begin with `#` are
    /// skipped; a token on several lines stands for all it is given.
    ///
    /// # Errors
    ///
    /// If a line has another form, or there is no token at all.
    pub fn read(file: &File) -> Result<Self, FileError> {
        let text = std::str::from_utf8(&file.content).map_err(|_| file.fault("not UTF-8"))?;
        let mut tokens = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault = |reason: &str| file.fault(format_args!("line {}: {reason}", number + 1));
            let mut words = line.split_whitespace();
            let (Some(token), Some(claim), None) = (words.next(), words.next(), words.next())
            else {
                return Err(fault("not of the form TOKEN NAMESPACE/NAME"));
            };
            if !is_token(token) {
                return Err(fault(
                    "a token has 16 characters or more, of A-Z a-z 0-9 - . _ ~ + / and ends in any number of =",
                ));
            }
            let claim = claim.parse().map_err(|_| {
                fault("after the token stands neither NAMESPACE/NAME nor NAMESPACE/*")
            })?;
            tokens.push((token.to_owned(), claim));
        }
        if tokens.is_empty() {
            return Err(file.fault("no token: nobody could connect"));
        }
        Ok(Self(tokens))
    }

    /// What a token stands for; nothing, if it is not known.
    ///
    /// The time it takes tells nothing of the tokens but how many there are and how long they are.
    pub fn claims(&self, shown: &str) -> Vec<Claim> {
        let compared: Vec<Choice> = self
            .0
            .iter()
            .map(|(token, _)| token.as_bytes().ct_eq(shown.as_bytes()))
            .collect();
        let known = self.0.iter().zip(compared);
        known
            .filter(|(_, equal)| bool::from(*equal))
            .map(|((_, claim), _)| claim.clone())
            .collect()
    }
}

/// Without the tokens.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokens").field(&self.0.len()).finish()
    }
}

/// RFC 6750, section 2.1: `b64token`.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len() >= SHORTEST
        && !body.is_empty()
        && body
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"-._~+/".contains(&c))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Tokens;
    use crate::reload::File;

    fn read(text: &str) -> Result<Tokens, String> {
        let file = File {
            path: PathBuf::from("tokens"),
            content: text.as_bytes().to_vec(),
        };
        Tokens::read(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_stands_for_what_its_lines_say() {
        let text = "# sidecars\n\n  0123456789abcdef== curl/curl\r\n0123456789abcdeg curl/*\n0123456789abcdeg pipy/a\n";
        let tokens = read(text).unwrap();
        for (shown, expected) in [
            ("0123456789abcdef==", "curl/curl"),
            ("0123456789abcdeg", "curl/*,pipy/a"),
            ("0123456789abcdef", ""),
            ("0123456789abcdef=", ""),
            ("", ""),
            ("#", ""),
        ] {
            let claims: Vec<String> = tokens
                .claims(shown)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(claims.join(","), expected, "{shown}");
        }
        assert_eq!(format!("{tokens:?}"), "Tokens(3)");
    }

    #[test]
    fn a_mistake_is_placed_and_gives_no_token_away() {
        for (text, says) in [
            ("", "no token"),
            ("# nothing\n", "no token"),
            ("0123456789abcdef", "line 1"),
            ("\n0123456789abcdef curl", "line 2"),
            ("0123456789abcdef curl/curl x", "line 1"),
            ("0123456789abcd curl/curl", "16 characters"),
            ("0123456789abcdef% curl/curl", "16 characters"),
            ("================ curl/curl", "16 characters"),
        ] {
            let said = read(text).unwrap_err();
            assert!(
                said.starts_with("tokens: ") && said.contains(says),
                "{said}"
            );
            assert!(!said.contains("abcd"), "{said}");
        }
    }
}
