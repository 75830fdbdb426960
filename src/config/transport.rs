//! How clients reach the server: plain HTTP or TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::{ConfigError, value_error};
use super::raw::Raw;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP: on loopback, or to a proxy that terminates TLS and is trusted to state the caller's
    /// address.
    Plain {
        behind_proxy: bool,
    },
    Tls {
        certificate: PathBuf,
        private_key: PathBuf,
    },
    /// A local certificate authority, created at the first start.
    DevTls {
        folder: PathBuf,
    },
}

pub(super) fn check(raw: &Raw, listen: SocketAddr) -> Result<Transport, ConfigError> {
    let files = (raw.tls_certificate_file.clone(), raw.tls_private_key_file.clone());
    match (files, raw.dev_tls, raw.behind_tls_proxy) {
        ((Some(certificate), Some(private_key)), false, false) => {
            Ok(Transport::Tls { certificate, private_key })
        }
        ((None, None), true, false) => Ok(Transport::DevTls { folder: raw.dev_tls_dir.clone() }),
        ((None, None), false, true) => Ok(Transport::Plain { behind_proxy: true }),
        ((None, None), false, false) if listen.ip().is_loopback() => {
            Ok(Transport::Plain { behind_proxy: false })
        }
        ((None, None), false, false) => Err(value_error(
            "listen",
            "is not loopback, so tokens would travel unencrypted: set tls_certificate_file and tls_private_key_file, or behind_tls_proxy if a proxy terminates TLS",
        )),
        ((Some(_), None) | (None, Some(_)), ..) => Err(value_error(
            "tls_certificate_file",
            "must be set together with tls_private_key_file: set both or neither",
        )),
        _ => Err(value_error(
            "tls_certificate_file, dev_tls and behind_tls_proxy",
            "set only one of them; they cannot be combined",
        )),
    }
}
