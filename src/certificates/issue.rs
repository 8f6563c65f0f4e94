//! Keys and certificates.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::held::Leaf;

/// How far the clocks of the cluster may differ.
const SKEW: Duration = Duration::from_secs(3_600);

/// For how long certificates are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// A CA.
    pub authority: Duration,
    /// A certificate to serve with.
    pub serving: Duration,
}

impl Default for Lives {
    /// Ten years and ninety days: a sidecar trusts the CAs that were known when its Pod was made, and Pods live long.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            authority: DAY * 3_650,
            serving: DAY * 90,
        }
    }
}

/// A certificate cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate")]
pub struct IssueError(#[from] rcgen::Error);

/// A CA: its certificate and its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// Without the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one.
    pub fn create(lives: &Lives, now: u64) -> Result<Self, IssueError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        let name = format!("mirrorplane CA {now}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = at(now.saturating_sub(SKEW.as_secs()));
        params.not_after = at(now.saturating_add(lives.authority.as_secs()));
        Ok(Self {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A certificate for a server with these names and addresses. It does not outlive the CA.
    pub fn issue(&self, names: &[String], lives: &Lives, now: u64) -> Result<Leaf, IssueError> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "mirrorplane");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let end = now.saturating_add(lives.serving.as_secs());
        let last = validity(&self.certificate).map_or(end, |(_, last)| last);
        params.not_before = at(now.saturating_sub(SKEW.as_secs()));
        params.not_after = at(end.min(last));
        Ok(Leaf {
            certificate: params.signed_by(&key, &issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn at(seconds: u64) -> OffsetDateTime {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    // Later than the year 9999 there is no time.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// From when to when the first certificate of a PEM text is good, in seconds since 1970; `None` if there is none.
pub(super) fn validity(pem: &str) -> Option<(u64, u64)> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let validity = certificate.validity();
    let second = |time: i64| u64::try_from(time).unwrap_or(0);
    Some((
        second(validity.not_before.timestamp()),
        second(validity.not_after.timestamp()),
    ))
}

/// The names and addresses that the first certificate of a PEM text is for.
pub(super) fn names(pem: &str) -> Option<Vec<String>> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let alternatives = certificate.subject_alternative_name().ok()??;
    let names = alternatives.value.general_names.iter();
    Some(names.filter_map(name).collect())
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four: Option<[u8; 4]> = (*bytes).try_into().ok();
            let sixteen: Option<[u8; 16]> = (*bytes).try_into().ok();
            let address = four.map(IpAddr::from).or(sixteen.map(IpAddr::from))?;
            Some(address.to_string())
        }
        _ => None,
    }
}
