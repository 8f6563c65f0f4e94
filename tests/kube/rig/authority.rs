//! The certificates and keys of a cluster, and its kubeconfig.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

/// The files of a cluster.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) ca: PathBuf,
    pub(crate) server_certificate: PathBuf,
    pub(crate) server_key: PathBuf,
    /// Signs the tokens of service accounts. An elliptic curve will do for the API server, as RSA would.
    pub(crate) accounts_key: PathBuf,
    pub(crate) accounts_public_key: PathBuf,
    /// An administrator's.
    pub(crate) kubeconfig: PathBuf,
}

/// Makes everything that the programs of a cluster identify themselves with.
pub(crate) fn prepare(folder: &Path, server: &str) -> Files {
    let put = |name: &str, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "the CA of a test cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);

    let mut params = CertificateParams::default();
    for address in ["127.0.0.1", "10.0.0.1"] {
        let address: IpAddr = address.parse().unwrap();
        params.subject_alt_names.push(SanType::IpAddress(address));
    }
    for name in [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
    ] {
        let name = name.try_into().unwrap();
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (server_certificate, server_key) = sign(params, &issuer);

    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    params.distinguished_name.push(DnType::CommonName, "admin");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (admin, admin_key) = sign(params, &issuer);

    let accounts = KeyPair::generate().unwrap();
    Files {
        ca: put("ca.crt", &ca),
        server_certificate: put("server.crt", &server_certificate),
        server_key: put("server.key", &server_key),
        accounts_key: put("accounts.key", &accounts.serialize_pem()),
        accounts_public_key: put("accounts.pub", &accounts.public_key_pem()),
        kubeconfig: put("kubeconfig", &kubeconfig(server, &ca, &admin, &admin_key)),
    }
}

fn sign(params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn kubeconfig(server: &str, ca: &str, certificate: &str, key: &str) -> String {
    let base64 = |text: &str| BASE64_STANDARD.encode(text);
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": server,
            "certificate-authority-data": base64(ca),
        }}],
        "users": [{"name": "admin", "user": {
            "client-certificate-data": base64(certificate),
            "client-key-data": base64(key),
        }}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    })
    .to_string()
}
