//! The SHA-256 thumbprint of a certificate.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use thiserror::Error;

/// The SHA-256 of the DER of a server's leaf certificate; written in hexadecimal without colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

#[derive(Debug, Error, PartialEq, Eq)]
#[error("a thumbprint is a SHA-256 in 64 hexadecimal digits, without colons")]
pub struct NotAThumbprint;

impl Thumbprint {
    pub fn of(certificate_der: &[u8]) -> Self {
        Self(digest(&SHA256, certificate_der).as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Thumbprint {
    type Err = NotAThumbprint;

    fn from_str(text: &str) -> Result<Self, NotAThumbprint> {
        let bytes = hex::decode(text).map_err(|_| NotAThumbprint)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAThumbprint)?))
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_is_read() {
        let thumbprint = Thumbprint::of(b"certificate");
        let text = thumbprint.to_string();
        assert_eq!(text.parse(), Ok(thumbprint));
        assert_eq!(text.to_uppercase().parse(), Ok(thumbprint));
        for wrong in
            ["", &text[2..], &text[1..], &format!("{text}00"), &format!("{}:{}", &text[..2], &text[2..])]
        {
            assert_eq!(wrong.parse::<Thumbprint>(), Err(NotAThumbprint), "{wrong}");
        }
    }
}
