//! What the Secret holds.

use std::collections::BTreeMap;
use std::fmt;

use super::issue::Authority;
use super::issue::validity;

/// The keys of the Secret.
const BUNDLE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const NEXT_CERTIFICATE: &str = "next-ca.crt";
const NEXT_KEY: &str = "next-ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// A certificate and its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The certificate, then intermediate ones.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// Without the key.
impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").finish_non_exhaustive()
    }
}

/// What the control plane has made for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The CA that signs.
    pub authority: Authority,
    /// The one that will, and is trusted already.
    pub next: Option<Authority>,
    /// Certificates of those that did, and are trusted still.
    pub retired: Vec<String>,
    /// What it serves with.
    pub serving: Option<Leaf>,
}

/// What somebody else provides: there is no key of the CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    /// Certificates of the CAs.
    pub bundle: String,
    /// What it serves with.
    pub serving: Leaf,
}

/// What the Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// What the control plane has made for itself.
    Signed(Box<Signed>),
    /// What somebody else keeps in order.
    Provided(Provided),
}

/// The Secret holds something that cannot be used. It is left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` of the Secret is missing or not in PEM form; repair it, or delete the Secret to have a new CA made"
)]
pub struct Broken(&'static str);

/// Reads the data of the Secret.
///
/// # Errors
///
/// If a key is missing or cannot be read.
pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Result<Held, Broken> {
    let text = |key: &'static str| {
        let bytes = data.get(key).filter(|bytes| !bytes.is_empty())?;
        Some(String::from_utf8(bytes.clone()).map_err(|_| Broken(key)))
    };
    let certificates = |key| match text(key) {
        Some(text) => divide(&text?).ok_or(Broken(key)).map(Some),
        None => Ok(None),
    };
    if data.values().all(Vec::is_empty) {
        return Ok(Held::Nothing);
    }
    let bundle = certificates(BUNDLE)?.ok_or(Broken(BUNDLE))?;
    let serving = match (text(CERTIFICATE), text(KEY)) {
        (Some(certificate), Some(key)) => {
            let certificate = certificate?;
            divide(&certificate).ok_or(Broken(CERTIFICATE))?;
            Some(Leaf {
                certificate,
                key: key?,
            })
        }
        _ => None,
    };
    let Some(key) = text(CA_KEY) else {
        let serving = serving.ok_or(Broken(KEY))?;
        let bundle = bundle.concat();
        return Ok(Held::Provided(Provided { bundle, serving }));
    };
    let next = match (certificates(NEXT_CERTIFICATE)?, text(NEXT_KEY)) {
        (Some(mut certificates), Some(key)) => Some(Authority {
            certificate: certificates.swap_remove(0),
            key: key?,
        }),
        _ => None,
    };
    let mut trusted = bundle.into_iter();
    let first = trusted.next().ok_or(Broken(BUNDLE))?;
    let is_next = |one: &String| next.as_ref().is_some_and(|next| next.certificate == *one);
    let retired = trusted.filter(|one| !is_next(one)).collect();
    Ok(Held::Signed(Box::new(Signed {
        authority: Authority {
            certificate: first,
            key: key?,
        },
        next,
        retired,
        serving,
    })))
}

impl Signed {
    /// The certificates of all CAs that are trusted, the one that signs first.
    pub fn bundle(&self) -> String {
        let next = self.next.iter().map(|next| next.certificate.as_str());
        let retired = self.retired.iter().map(String::as_str);
        let first = self.authority.certificate.as_str();
        std::iter::once(first).chain(next).chain(retired).collect()
    }

    /// As the data of the Secret.
    pub fn data(&self) -> BTreeMap<String, Vec<u8>> {
        let next = self.next.iter().flat_map(|next| {
            [
                (NEXT_CERTIFICATE, next.certificate.clone()),
                (NEXT_KEY, next.key.clone()),
            ]
        });
        let serving = self.serving.iter().flat_map(|leaf| {
            [
                (CERTIFICATE, leaf.certificate.clone()),
                (KEY, leaf.key.clone()),
            ]
        });
        let own = [
            (BUNDLE, self.bundle()),
            (CA_KEY, self.authority.key.clone()),
        ];
        let all = own.into_iter().chain(next).chain(serving);
        all.map(|(key, text)| (key.to_owned(), text.into_bytes()))
            .collect()
    }
}

/// The certificates of a PEM text, one by one; `None` if one of them cannot be read, or there is none.
fn divide(text: &str) -> Option<Vec<String>> {
    const END: &str = "-----END CERTIFICATE-----";
    let found: Vec<String> = text
        .split_inclusive(END)
        .filter_map(|part| {
            let begin = part.find("-----BEGIN CERTIFICATE-----")?;
            Some(format!("{}\n", part.get(begin..)?))
        })
        .collect();
    let readable = found.iter().all(|one| validity(one).is_some());
    (readable && !found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Held;
    use super::Signed;
    use super::read;
    use crate::certificates::Authority;
    use crate::certificates::Lives;

    fn signed() -> Signed {
        let lives = Lives::default();
        let make = |now| Authority::create(&lives, now).unwrap();
        let authority = make(1_000_000);
        let serving = authority
            .issue(&["a.svc".to_owned()], &lives, 1_000_000)
            .unwrap();
        Signed {
            authority,
            next: Some(make(2_000_000)),
            retired: vec![make(500_000).certificate],
            serving: Some(serving),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut held = signed();
        for _ in 0..3 {
            let expected = Held::Signed(Box::new(held.clone()));
            assert_eq!(read(&held.data()), Ok(expected));
            if held.next.take().is_none() {
                held.serving = None;
            }
        }
        assert_eq!(read(&BTreeMap::new()), Ok(Held::Nothing));
    }

    #[test]
    fn without_the_key_of_the_ca_somebody_else_provides_it() {
        let mut data = signed().data();
        data.remove("ca.key");
        assert!(matches!(read(&data), Ok(Held::Provided(_))));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (key, content, expected) in [
            ("ca.crt", None, "`ca.crt` of"),
            ("ca.crt", Some("nonsense"), "`ca.crt` of"),
            (
                "tls.crt",
                Some("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"),
                "`tls.crt` of",
            ),
            ("next-ca.crt", Some("x"), "`next-ca.crt` of"),
        ] {
            let mut data = signed().data();
            match content {
                Some(content) => data.insert(key.to_owned(), content.as_bytes().to_vec()),
                None => data.remove(key),
            };
            let error = read(&data).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{key}: {error}");
        }
    }
}
