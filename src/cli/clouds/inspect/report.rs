//! The outcome of an inspection, for people and for scripts.

use serde_json::{Value, json};

use super::check::{Check, Outcome};
use super::checks::{self, Evidence};
use crate::api::runs::Limit;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::limits;
use crate::cli::terminal::output::{Colour, paint, pretty, safe};
use crate::clouds;
use crate::issuer::url::IssuerUrl;

pub(super) struct Report {
    header: Value,
    claims: Value,
    checks: Vec<Check>,
    limits: Vec<Limit>,
    /// Why the issuer could not be asked, though it should have been.
    failure: Option<String>,
}

impl Report {
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let claims = evidence.claims.clone().map_or(Value::Null, Value::Object);
        Self {
            header: evidence.header.clone().map_or(Value::Null, Value::Object),
            checks: checks::all(evidence),
            limits: cloud_limits(&claims),
            claims,
            failure: evidence.published.failure().map(str::to_owned),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let check = |check: &Check| {
            let ok = match check.outcome {
                Outcome::Right => Some(true),
                Outcome::Wrong => Some(false),
                Outcome::Note | Outcome::Unknown => None,
            };
            json!({"check": check.name, "ok": ok, "detail": check.detail})
        };
        json!({
            "valid": self.valid(),
            "header": self.header,
            "claims": self.claims,
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "limits": self.limits,
        })
    }

    pub(super) fn to_text(&self) -> String {
        let decoded = [("header", &self.header), ("claims", &self.claims)]
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| format!("{name}\n{}\n\n", pretty(value)));
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        let checks = self.checks.iter().map(|check| {
            let (name, detail) = (check.name, safe(&check.detail));
            format!("  {}  {name:width$}  {detail}\n", mark(check.outcome))
        });
        let limits = match self.limits.as_slice() {
            [] => String::new(),
            limits => format!("\nlimits of relying parties\n{}", limits::lines(limits)),
        };
        let (decoded, checks): (String, String) = (decoded.collect(), checks.collect());
        format!("{decoded}checks\n{checks}{limits}\n{}\n", self.conclusion())
    }

    /// How the command ends: a token that is wrong is wrong, whether or not the issuer answered.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        match (self.valid(), &self.failure) {
            (Some(true), _) | (None, None) => Ok(()),
            (Some(false), _) => Err(Failure::token_not_valid(format!(
                "the token is not valid: {}",
                self.named(Outcome::Wrong)
            ))),
            (None, Some(why)) => Err(Failure::unreachable(format!("the token could not be verified: {why}"))),
        }
    }

    /// `None` where nothing is wrong and not everything could be checked.
    fn valid(&self) -> Option<bool> {
        let any = |outcome| self.checks.iter().any(|check| check.outcome == outcome);
        if any(Outcome::Wrong) {
            Some(false)
        } else if any(Outcome::Unknown) {
            None
        } else {
            Some(true)
        }
    }

    fn named(&self, outcome: Outcome) -> String {
        let checks = self.checks.iter().filter(|check| check.outcome == outcome);
        checks.map(|check| check.name).collect::<Vec<_>>().join(", ")
    }

    fn conclusion(&self) -> String {
        match self.valid() {
            Some(true) => paint(Colour::Green, "Valid."),
            Some(false) => paint(Colour::Red, &format!("Not valid: {}.", self.named(Outcome::Wrong))),
            None => {
                let open = self.named(Outcome::Unknown);
                paint(
                    Colour::Yellow,
                    &format!("Not verified: nothing is wrong, but these were not checked: {open}."),
                )
            }
        }
    }
}

fn mark(outcome: Outcome) -> String {
    match outcome {
        Outcome::Right => paint(Colour::Green, "ok   "),
        Outcome::Wrong => paint(Colour::Red, "wrong"),
        Outcome::Note => paint(Colour::Yellow, "note "),
        Outcome::Unknown => paint(Colour::Yellow, "?    "),
    }
}

/// What clouds would make of the claims, once they are verified.
fn cloud_limits(claims: &Value) -> Vec<Limit> {
    let issuer = claims["iss"].as_str().and_then(|text| IssuerUrl::parse(text).ok());
    let audience = match &claims["aud"] {
        Value::Array(several) => several.first().and_then(Value::as_str),
        one => one.as_str(),
    };
    match (issuer, claims["sub"].as_str(), audience) {
        (Some(issuer), Some(subject), Some(audience)) => {
            limits::of_checks(&clouds::limits::check(&issuer, subject, &[audience.to_owned()]))
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::Timestamp;

    use super::*;
    use crate::cli::api::foreign_token::part;
    use crate::cli::clouds::inspect::published::{Answer, Published};
    use crate::entropy::SystemEntropy;
    use crate::signing::algorithm::SigningAlgorithm;
    use crate::signing::generate::{RsaBits, private_key};
    use crate::signing::signing_key::SigningKey;
    use crate::trust::token::limits::DEFAULT_MAX_LIFETIME;
    use crate::trust::token::{Expectations, KeySet, UnverifiedToken};

    const NOW: i64 = 1_795_251_600;
    const ISSUER: &str = "https://id.example.com/oidc";

    static KEY: LazyLock<SigningKey> = LazyLock::new(new_key);

    fn new_key() -> SigningKey {
        SigningKey::from_der(
            &private_key(SigningAlgorithm::Rs256, RsaBits::default(), &SystemEntropy::new()).unwrap(),
            SigningAlgorithm::Rs256,
        )
        .unwrap()
    }

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "aud": "acme", "sub": "runmint:deploy:org:acme:project:website",
            "iat": NOW - 100, "nbf": NOW - 400, "exp": NOW + 3_500,
        })
    }

    fn signed(claims: &Value) -> String {
        KEY.sign(KEY.signing_input(claims).unwrap()).unwrap()
    }

    fn published(issuer: &str, key: &SigningKey) -> Published {
        Published {
            discovery: Answer::Got(
                json!({"issuer": issuer, "id_token_signing_alg_values_supported": ["RS256"]}),
            ),
            keys: Answer::Got(
                KeySet::parse(json!({"keys": [key.public_jwk()]}).to_string().as_bytes()).unwrap(),
            ),
        }
    }

    struct Inspection {
        published: Published,
        audience: Option<&'static str>,
        issuer: Option<&'static str>,
    }

    impl Inspection {
        fn new() -> Self {
            Self { published: published(ISSUER, &KEY), audience: Some("acme"), issuer: Some(ISSUER) }
        }

        fn of(&self, token: &str) -> Value {
            let evidence = Evidence {
                text: token,
                header: part(token, 0),
                claims: part(token, 1),
                published: &self.published,
                audience: self.audience,
                issuer: self.issuer,
                now: Timestamp::from_second(NOW).unwrap(),
            };
            Report::of(&evidence).to_json()
        }
    }

    /// The names of the checks that came out as `ok`.
    fn named(report: &Value, ok: &Value) -> Vec<String> {
        let checks = report["checks"].as_array().unwrap();
        let found = checks.iter().filter(|check| check["ok"] == *ok);
        found.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
    }

    fn wrong(report: &Value) -> Vec<String> {
        assert_eq!(report["valid"], false, "{report:#}");
        named(report, &json!(false))
    }

    #[test]
    fn everything_is_right_with_a_good_token() {
        let report = Inspection::new().of(&signed(&claims()));
        assert_eq!(report["valid"], true, "{report:#}");
        assert_eq!(report["claims"], claims());
        assert_eq!(report["header"], json!({"typ": "JWT", "alg": "RS256", "kid": KEY.kid()}));
        let names = [
            "form",
            "algorithm",
            "issuer",
            "expected issuer",
            "discovery",
            "key",
            "signature",
            "issued",
            "valid from",
            "expires",
            "lifetime",
            "audience",
            "one audience",
            "subject",
        ];
        assert_eq!(named(&report, &json!(true)), names);
        assert_eq!(report["limits"].as_array().unwrap().len(), 6);
    }

    #[test]
    fn each_mistake_has_its_own_line() {
        let mut inspection = Inspection::new();
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            signed(&claims)
        };
        assert_eq!(wrong(&inspection.of(&with("exp", json!(NOW - 60)))), ["expires"]);
        assert_eq!(wrong(&inspection.of(&with("nbf", json!(NOW + 61)))), ["valid from"]);
        assert_eq!(wrong(&inspection.of(&with("iat", json!(NOW + 61)))), ["issued"]);
        assert_eq!(wrong(&inspection.of(&with("iat", json!("1.5")))), ["issued"]);
        assert_eq!(wrong(&inspection.of(&with("iat", json!(1.5)))), ["lifetime"]);
        assert_eq!(wrong(&inspection.of(&with("jti", json!(7)))), ["claims"]);
        assert_eq!(wrong(&inspection.of(&with("aud", json!("other")))), ["audience"]);
        assert_eq!(wrong(&inspection.of(&with("sub", Value::Null))), ["subject"]);
        let another = "https://id.example.com/other";
        assert_eq!(wrong(&inspection.of(&with("iss", json!(another)))), ["expected issuer", "discovery"]);
        inspection.issuer = None;
        inspection.published = published("https://id.example.com/oidc/", &KEY);
        let report = inspection.of(&signed(&claims()));
        assert_eq!(wrong(&report), ["discovery"]);
        assert!(report.to_string().contains("they differ in a slash at the end"), "{report:#}");
    }

    #[test]
    fn a_changed_token_and_an_unknown_key_are_told_apart() {
        let mut inspection = Inspection::new();
        let token = signed(&claims());
        let (start, signature) = token.rsplit_once('.').unwrap();
        let changed = signed(&json!({"iss": ISSUER}));
        let (changed, _) = changed.rsplit_once('.').unwrap();
        assert!(wrong(&inspection.of(&format!("{changed}.{signature}"))).contains(&"signature".to_owned()));
        assert_eq!(
            wrong(&inspection.of(&format!("{start}.{}", signature.replace(['A', 'B'], "C")))),
            ["signature"]
        );
        inspection.published = published(ISSUER, &new_key());
        let report = inspection.of(&token);
        assert_eq!(wrong(&report), ["key"]);
        assert_eq!(named(&report, &Value::Null), ["signature"]);
    }

    #[test]
    fn without_the_issuer_nothing_is_known_to_be_valid() {
        let mut inspection = Inspection::new();
        inspection.published = Published::not_asked("--offline");
        let report = inspection.of(&signed(&claims()));
        assert_eq!(report["valid"], Value::Null);
        assert_eq!(named(&report, &Value::Null), ["discovery", "key", "signature"]);
        inspection.audience = Some("other");
        assert_eq!(wrong(&inspection.of(&signed(&claims()))), ["audience"]);
    }

    #[test]
    fn what_no_key_can_vouch_for_is_refused_by_name() {
        let inspection = Inspection::new();
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let with = |header: Value| format!("{}.{}.AAAA", encoded(&header), encoded(&claims()));
        let wrong_with = |header| wrong(&inspection.of(&with(header)));
        assert_eq!(wrong_with(json!({"alg": "none"})), ["algorithm"]);
        assert_eq!(wrong_with(json!({"alg": "HS256", "kid": KEY.kid()})), ["algorithm"]);
        assert_eq!(wrong_with(json!({"kid": KEY.kid()})), ["form", "algorithm"]);
        assert_eq!(wrong_with(json!({"alg": "ES256", "kid": KEY.kid()})), ["algorithm", "key"]);
        assert_eq!(wrong_with(json!({"alg": "RS256"})), ["signature"]);
        assert_eq!(wrong_with(json!({"alg": "RS256", "typ": "at+jwt"})), ["form"]);
        assert_eq!(wrong_with(json!({"alg": "RS256", "kid": KEY.kid(), "crit": ["b64"]})), ["form"]);
    }

    #[test]
    fn text_that_is_not_a_token_is_called_that() {
        let inspection = Inspection::new();
        let too_long = "a".repeat(20_000);
        for text in ["", "x", "a.b", "..", "é.é.é", "e30.e30.e30.e30", too_long.as_str()] {
            assert!(wrong(&inspection.of(text)).contains(&"form".to_owned()), "{text}");
        }
    }

    /// Whatever the server's verifier refuses is wrong here, and beyond that only these are.
    #[test]
    fn judges_as_the_server_judges() {
        const STRICTER: [(&str, &str); 4] =
            [("iat", "issued"), ("iat", "lifetime"), ("aud", "one audience"), ("sub", "subject")];
        let mut inspection = Inspection::new();
        (inspection.issuer, inspection.audience) = (None, Some("acme"));
        let Answer::Got(keys) = &inspection.published.keys else { panic!() };
        let now = Timestamp::from_second(NOW).unwrap();
        let expected = Expectations { issuer: ISSUER, max_lifetime: DEFAULT_MAX_LIFETIME, now };
        let (mut accepted, mut refused, mut stricter) = (0, 0, 0);
        let mut compare = |name: &str, token: &str| {
            let verified = UnverifiedToken::parse(token)
                .and_then(|token| token.verify(keys, &expected))
                .and_then(|claims| claims.for_one_of(&["acme".to_owned()]));
            let report = inspection.of(token);
            match (&verified, report["valid"] == true) {
                (Ok(_), true) => accepted += 1,
                (Err(_), false) => refused += 1,
                (Ok(_), false) => {
                    assert!(
                        wrong(&report).iter().all(|check| STRICTER.contains(&(name, check))),
                        "{report:#}"
                    );
                    stricter += 1;
                }
                (Err(error), true) => panic!("{error}, but {report:#}"),
            }
        };
        for (name, values) in [
            ("iat", vec![json!(NOW), json!(NOW + 60), json!(NOW + 61), json!(NOW - 90_000), json!("x")]),
            ("nbf", vec![json!(NOW + 60), json!(1_795_251_660.5), json!(NOW + 61), Value::Null, json!([])]),
            ("exp", vec![json!(NOW - 59), json!(NOW - 60), json!(NOW + 90_000), json!(1_795_341_500.5)]),
            ("exp", vec![json!(NOW + 89_900), json!(NOW + 89_901), json!(i64::MAX), json!(true)]),
            ("aud", vec![json!(["acme"]), json!(["acme", "b"]), json!(["b"]), json!([]), json!(["acme", 1])]),
            ("sub", vec![json!(""), json!("s".repeat(256)), json!("s".repeat(1_025)), json!(1)]),
            ("jti", vec![json!("j"), json!(""), json!(1), json!("j".repeat(1_025))]),
        ] {
            for value in values {
                let mut claims = claims();
                claims[name] = value.clone();
                let token = signed(&claims);
                compare(name, &token);
                compare("no signature", &token[..token.len() - 4]);
            }
            let mut without = claims();
            without.as_object_mut().unwrap().remove(name);
            compare(name, &signed(&without));
        }
        let mut instant = claims();
        (instant["iat"], instant["exp"]) = (json!(NOW + 20), json!(NOW + 10));
        compare("iat", &signed(&instant));
        assert!(accepted == 9 && refused == 57 && stricter == 4, "{accepted} {refused} {stricter}");
    }
}
