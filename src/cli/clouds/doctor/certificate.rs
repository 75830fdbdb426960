//! The server's certificate. The TLS handshake has already verified its chain.

use jiff::{SignedDuration, Timestamp};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::finding::Finding;

/// Later than every automatic renewal: ACME clients renew when a third of the lifetime, or thirty days, is left.
const RENEWAL_OVERDUE: SignedDuration = SignedDuration::from_hours(24 * 14);
const NEARLY_OVER: SignedDuration = SignedDuration::from_hours(24 * 3);

const RENEW: &str = "Renew it, and find out why automatic renewal failed. A running server reads new files without a restart.";

pub(super) fn examine(der: &[u8], own_authority: bool, now: Timestamp) -> Finding {
    let name = "certificate";
    let Some(until) = not_after(der) else {
        return Finding::warning(name, "could not read its validity", "Examine it with `openssl s_client`.");
    };
    let left = until.duration_since(now);
    let days = left.as_hours() / 24;
    let detail =
        format!("its chain leads to an authority that this machine trusts; {days} days left, until {until}");
    if left < NEARLY_OVER {
        Finding::failure(name, detail, RENEW)
    } else if left < RENEWAL_OVERDUE {
        Finding::warning(name, detail, RENEW)
    } else if own_authority {
        Finding::warning(
            name,
            format!("{detail}; the authority may come from RUNMINT_CA_FILE"),
            "Clouds trust public authorities only: check again without RUNMINT_CA_FILE.",
        )
    } else {
        Finding::ok(name, detail)
    }
}

fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn warns_before_a_certificate_expires() {
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        (parameters.not_before, parameters.not_after) =
            (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 12, 1));
        let certificate = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let outcome = |now: &str| examine(certificate.der(), false, now.parse().unwrap()).outcome;
        assert_eq!(outcome("2026-11-01T00:00:00Z"), Outcome::Ok);
        assert_eq!(outcome("2026-11-20T00:00:00Z"), Outcome::Warning);
        assert_eq!(outcome("2026-11-29T00:00:00Z"), Outcome::Failure);
        assert_eq!(outcome("2027-01-01T00:00:00Z"), Outcome::Failure);
        assert_eq!(
            examine(certificate.der(), true, "2026-11-01T00:00:00Z".parse().unwrap()).outcome,
            Outcome::Warning
        );
        assert_eq!(examine(b"nonsense", false, Timestamp::UNIX_EPOCH).outcome, Outcome::Warning);
    }
}
