//! Limits of relying parties on the contents of a token, so that a caller learns before a run starts what would fail.

use runmint_issuer::audience::MAX_AUDIENCE_BYTES;
use runmint_issuer::subject::MAX_SUBJECT_BYTES;
use runmint_issuer::url::IssuerUrl;

/// One limit of one relying party, and whether a token keeps it.
#[derive(Debug, PartialEq, Eq)]
pub struct LimitCheck {
    /// One or more, separated by commas.
    pub relying_party: &'static str,
    /// The measure and its unit.
    pub what: &'static str,
    /// `None` if the limit is not a number.
    pub limit: Option<usize>,
    /// The token's value in the same unit.
    pub actual: Option<usize>,
    /// Whether the limit is kept.
    pub ok: bool,
    /// The remedy if the limit is broken.
    pub advice: &'static str,
}

/// Checks a token of `issuer` with this subject and these audiences against every limit.
pub fn check(issuer: &IssuerUrl, subject: &str, audiences: &[String]) -> Vec<LimitCheck> {
    let bytes = subject.len();
    let longest_audience = audiences.iter().map(String::len).max().unwrap_or_default();
    let numeric = |relying_party, what, limit, actual, advice| LimitCheck {
        relying_party,
        what,
        limit: Some(limit),
        actual: Some(actual),
        ok: actual <= limit,
        advice,
    };
    vec![
        numeric(
            "runmint",
            "subject, bytes",
            MAX_SUBJECT_BYTES,
            bytes,
            "The server refuses the run: OpenID Connect allows 255 characters. Use shorter names.",
        ),
        numeric(
            "google",
            "google.subject, bytes",
            127,
            bytes,
            "Map a shorter value, e.g. google.subject = assertion.run_id, and compare the other claims in an attribute condition.",
        ),
        numeric(
            "aws",
            "subject, characters",
            255,
            bytes,
            "AWS accepts 6 to 255 characters as the subject of a web identity token.",
        ),
        numeric(
            "azure",
            "subject of a federated identity credential, characters",
            600,
            bytes,
            "Azure compares the whole subject by case and without wildcards: one credential per subject, 20 per application.",
        ),
        numeric(
            "google",
            "audience, characters",
            MAX_AUDIENCE_BYTES,
            longest_audience,
            "Google accepts audiences of at most 256 characters.",
        ),
        LimitCheck {
            relying_party: "aws, azure, google",
            what: "issuer is https",
            limit: None,
            actual: None,
            ok: issuer.is_https(),
            advice: "Clouds fetch the discovery document over https from outside. Use an http issuer on loopback for trials only.",
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(subject_bytes: usize, issuer: &str) -> Vec<&'static str> {
        let issuer = IssuerUrl::parse(issuer).unwrap();
        check(&issuer, &"s".repeat(subject_bytes), &["acme".into()])
            .into_iter()
            .filter(|check| !check.ok)
            .map(|check| check.what)
            .collect()
    }

    #[test]
    fn each_limit_holds_up_to_its_last_byte() {
        let https = "https://id.example.com/oidc";
        assert_eq!(failing(127, https), [""; 0]);
        assert_eq!(failing(128, https), ["google.subject, bytes"]);
        assert_eq!(failing(255, https), ["google.subject, bytes"]);
        assert_eq!(failing(256, https), ["subject, bytes", "google.subject, bytes", "subject, characters"]);
        assert_eq!(failing(601, https).len(), 4);
        assert_eq!(failing(9, "http://127.0.0.1:8080/oidc"), ["issuer is https"]);
    }
}
