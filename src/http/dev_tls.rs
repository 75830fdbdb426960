//! A local certificate authority, for https on the local machine without an external authority.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use serde::{Deserialize, Serialize};

use super::tls::TlsError;

const VALID_FOR: SignedDuration = SignedDuration::from_hours(24 * 365);
/// Renewed this long before its end.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(24 * 30);

pub struct DevTlsFiles {
    /// The certificate that clients trust.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

/// What the files in the folder were made for.
#[derive(PartialEq, Serialize, Deserialize)]
struct Made {
    hosts: Vec<String>,
    renew_at: Timestamp,
}

/// The files in `folder`, made anew when there are none for `host` or they are about to expire.
pub fn ensure(folder: &Path, host: &str, now: Timestamp) -> Result<DevTlsFiles, TlsError> {
    let files = DevTlsFiles {
        authority: folder.join("ca.pem"),
        certificate: folder.join("server.pem"),
        private_key: folder.join("server.key"),
    };
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let host = host.trim_matches(['[', ']']);
    if !hosts.iter().any(|known| known == host) {
        hosts.push(host.to_owned());
    }
    let note = folder.join("made-for.json");
    let made: Option<Made> = fs::read(&note).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let usable = made.is_some_and(|made| made.hosts == hosts && now < made.renew_at);
    if usable && files.certificate.exists() && files.private_key.exists() && files.authority.exists() {
        return Ok(files);
    }
    let made = Made { hosts, renew_at: now + VALID_FOR - RENEW_BEFORE };
    let (authority, certificate, private_key) = issue(&made.hosts, now).map_err(|error| {
        TlsError::Content { path: folder.to_owned(), why: format!("could not create a certificate: {error}") }
    })?;
    let fault = |source| TlsError::File { path: folder.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
    write(&files.private_key, 0o600, private_key.as_bytes()).map_err(fault)?;
    write(&files.certificate, 0o644, certificate.as_bytes()).map_err(fault)?;
    write(&files.authority, 0o644, authority.as_bytes()).map_err(fault)?;
    let made = serde_json::to_vec(&made).map_err(std::io::Error::from).map_err(fault)?;
    write(&note, 0o644, &made).map_err(fault)?;
    Ok(files)
}

/// PEM of the authority, the certificate and its private key. The authority's own key is dropped here:
/// one who trusts this authority trusts this one certificate and no other, ever.
fn issue(hosts: &[String], now: Timestamp) -> Result<(String, String, String), rcgen::Error> {
    let day = |at: Timestamp| {
        let date = at.to_zoned(TimeZone::UTC).date();
        date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let (begin, end) = (day(now - SignedDuration::from_hours(24)), day(now + VALID_FOR));

    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "runmint local development authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (authority.not_before, authority.not_after) = (begin, end);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let mut server = CertificateParams::new(hosts.to_vec())?;
    server.distinguished_name.push(DnType::CommonName, "runmint");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    (server.not_before, server.not_after) = (begin, end);
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    Ok((authority.pem(), certificate.pem(), key.serialize_pem()))
}

fn write(path: &Path, mode: u32, content: &[u8]) -> std::io::Result<()> {
    // Removed first: an existing file would keep its mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(content)
}
