//! Checks of the claims that need no keys. The verifier's refusals are wrong here, too; so is what relying parties
//! refuse in an ID token although runmint's verifier accepts it: a missing `iat`, a life that ends before it
//! begins, several audiences, a subject of more than 255 bytes.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::check::{Check, Outcome, differ};
use crate::cli::terminal::span::{from_now, span};
use crate::issuer::subject::MAX_SUBJECT_BYTES;
use crate::trust::token::claims::{
    audiences, check_expiry, check_issued_at, check_lifetime, check_not_before, date, expiry,
    subject as subject_of,
};
use crate::trust::token::limits::{DEFAULT_MAX_LIFETIME, LEEWAY};

/// Google refuses tokens issued longer ago, so the rest of a longer life is of no use there.
const LONG_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// When it was issued, from when and until when it is valid, and how long that is.
pub(super) fn times(claims: &Map<String, Value>, now: Timestamp) -> Vec<Check> {
    let (issued_at, expires_at) = (date(claims, "iat"), expiry(claims));
    let lifetime = match (&issued_at, &expires_at) {
        (Ok(issued_at), Ok(expires_at)) => Some(lifetime(issued_at.unwrap_or(now), *expires_at)),
        _ => None,
    };
    let issued = issued_at.map_or_else(
        |error| Check::wrong("issued", error.to_string()),
        |time| time.map_or_else(|| Check::wrong("issued", "`iat` is missing"), |time| issued(time, now)),
    );
    let valid_from = date(claims, "nbf").map_or_else(
        |error| Check::wrong("valid from", error.to_string()),
        |time| match time {
            None => Check::note("valid from", "`nbf` is missing: at once"),
            Some(time) => not_before(time, now),
        },
    );
    let expires =
        expires_at.map_or_else(|error| Check::wrong("expires", error.to_string()), |time| expires(time, now));
    [Some(issued), Some(valid_from), Some(expires), lifetime].into_iter().flatten().collect()
}

/// Whom it is for. Best is one plain text, which every verifier reads alike.
pub(super) fn audience(claims: &Map<String, Value>, expected: Option<&str>) -> Vec<Check> {
    let name = "audience";
    let found = match audiences(claims) {
        Ok(found) if found.is_empty() => return vec![Check::wrong(name, "`aud` is an empty list")],
        Ok(found) => found,
        Err(error) => return vec![Check::wrong(name, error.to_string())],
    };
    let form = match claims.get("aud") {
        Some(Value::Array(several)) => Check::new(
            "one audience",
            if several.len() == 1 { Outcome::Note } else { Outcome::Wrong },
            format!("`aud` is a list of {}, where many verifiers want one plain text", several.len()),
        ),
        _ => Check::right("one audience", "`aud` is one plain text"),
    };
    let shown = found.join(", ");
    let whom = match expected {
        None => Check::note(name, format!("{shown} (--audience checks it)")),
        Some(expected) if !expected.is_empty() && found.iter().any(|one| one == expected) => {
            Check::right(name, format!("{shown}, as expected"))
        }
        Some(expected) => Check::wrong(name, differ(expected, &shown)),
    };
    vec![whom, form]
}

pub(super) fn subject(claims: &Map<String, Value>) -> Check {
    let name = "subject";
    match subject_of(claims) {
        Err(error) => Check::wrong(name, error.to_string()),
        Ok(subject) if subject.len() > MAX_SUBJECT_BYTES => {
            Check::wrong(name, format!("{} bytes; OpenID Connect allows {MAX_SUBJECT_BYTES}", subject.len()))
        }
        Ok(subject) => Check::right(name, format!("{subject} ({} bytes)", subject.len())),
    }
}

fn issued(time: Timestamp, now: Timestamp) -> Check {
    let early = time.duration_since(now).is_positive();
    dated("issued", "in the future", check_issued_at(time, now).is_ok(), early, time, now)
}

fn not_before(time: Timestamp, now: Timestamp) -> Check {
    let early = time.duration_since(now).is_positive();
    dated("valid from", "not valid yet", check_not_before(time, now).is_ok(), early, time, now)
}

fn expires(time: Timestamp, now: Timestamp) -> Check {
    let late = now >= time;
    dated("expires", "expired", check_expiry(time, now).is_ok(), late, time, now)
}

/// `is_off`: the verifier may accept it only because clocks differ.
#[expect(clippy::too_many_arguments, reason = "the name, the fault, the verdict and the times of one check")]
fn dated(
    name: &'static str,
    fault: &str,
    is_accepted: bool,
    is_off: bool,
    time: Timestamp,
    now: Timestamp,
) -> Check {
    let said = format!("{time}, {}", from_now(time, now));
    match (is_accepted, is_off) {
        (false, _) => Check::wrong(name, format!("{fault}: {said}")),
        (true, true) => Check::note(name, within_leeway(&said)),
        (true, false) => Check::right(name, said),
    }
}

fn within_leeway(said: &str) -> String {
    format!("{said}; within the {} that clocks may differ", span(LEEWAY))
}

fn lifetime(from: Timestamp, expires_at: Timestamp) -> Check {
    let lifetime = expires_at.duration_since(from);
    let said = span(lifetime);
    if check_lifetime(from, expires_at, DEFAULT_MAX_LIFETIME).is_err() {
        let most = span(DEFAULT_MAX_LIFETIME);
        Check::wrong("lifetime", format!("{said}; tokens may live for at most {most}"))
    } else if !lifetime.is_positive() {
        Check::wrong("lifetime", "it expires before it is issued")
    } else if lifetime > LONG_LIFE {
        Check::note("lifetime", format!("{said}; clouds refuse tokens that are more than a day old"))
    } else {
        Check::right("lifetime", said)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::clouds::inspect::check::Outcome::{Note, Right, Wrong};

    const NOW: i64 = 1_795_251_600;

    fn outcomes(claims: &Value) -> Vec<(&'static str, Outcome)> {
        let now = Timestamp::from_second(NOW).unwrap();
        let claims = claims.as_object().unwrap();
        times(claims, now).iter().map(|check| (check.name, check.outcome)).collect()
    }

    fn outcome(claims: &Value, name: &str) -> Outcome {
        outcomes(claims).iter().find(|(one, _)| *one == name).unwrap().1
    }

    #[test]
    fn a_fresh_token_has_nothing_wrong_with_its_times() {
        let claims = json!({"iat": NOW - 5, "nbf": NOW - 305, "exp": NOW + 3_595});
        let right = ["issued", "valid from", "expires", "lifetime"].map(|name| (name, Right));
        assert_eq!(outcomes(&claims), right);
    }

    #[test]
    fn each_bound_is_where_the_verifier_has_it() {
        let base = |name: &str, value: i64| {
            let mut claims = json!({"iat": NOW - 5_000, "nbf": NOW - 5_000, "exp": NOW + 3_600});
            claims[name] = value.into();
            outcome(
                &claims,
                match name {
                    "iat" => "issued",
                    "nbf" => "valid from",
                    _ => "expires",
                },
            )
        };
        for name in ["iat", "nbf"] {
            assert_eq!(base(name, NOW), Right);
            assert_eq!(base(name, NOW + 60), Note);
            assert_eq!(base(name, NOW + 61), Wrong);
        }
        assert_eq!(base("exp", NOW + 1), Right);
        assert_eq!(base("exp", NOW), Note);
        assert_eq!(base("exp", NOW - 59), Note);
        assert_eq!(base("exp", NOW - 60), Wrong);
    }

    #[test]
    fn a_time_is_a_number_or_wrong() {
        for bad in [json!("1795251600"), json!(null), json!(i64::MAX), json!(u64::MAX), json!([])] {
            let claims = json!({"iat": bad, "nbf": bad, "exp": bad});
            assert_eq!(outcomes(&claims), ["issued", "valid from", "expires"].map(|name| (name, Wrong)));
        }
        assert_eq!(outcomes(&json!({})), [("issued", Wrong), ("valid from", Note), ("expires", Wrong)]);
    }

    #[test]
    fn a_life_is_positive_and_better_not_longer_than_a_day() {
        let life = |seconds: i64| outcome(&json!({"iat": NOW, "exp": NOW + seconds}), "lifetime");
        assert_eq!(life(86_400), Right);
        assert_eq!(life(86_401), Note);
        assert_eq!(life(90_000), Note);
        assert_eq!(life(90_001), Wrong);
        assert_eq!(life(0), Wrong);
    }

    #[test]
    fn an_audience_is_one_text_and_the_right_one() {
        let found = |aud: Value, expected| {
            let claims = json!({"aud": aud});
            let checks = audience(claims.as_object().unwrap(), expected);
            checks.iter().map(|check| check.outcome).collect::<Vec<_>>()
        };
        assert_eq!(found(json!("acme"), Some("acme")), [Right, Right]);
        assert_eq!(found(json!("acme"), Some("Acme")), [Wrong, Right]);
        assert_eq!(found(json!("acme"), None), [Note, Right]);
        assert_eq!(found(json!(["acme"]), Some("acme")), [Right, Note]);
        assert_eq!(found(json!(["acme", "b"]), Some("acme")), [Right, Wrong]);
        for wrong in [json!([]), json!(7), json!(["acme", 7]), Value::Null] {
            assert_eq!(found(wrong, None), [Wrong]);
        }
        assert_eq!(audience(&Map::new(), None)[0].outcome, Wrong);
    }

    #[test]
    fn a_subject_has_1_to_255_bytes() {
        let found = |sub: Value| subject(json!({"sub": sub}).as_object().unwrap()).outcome;
        assert_eq!(found(json!("s".repeat(255))), Right);
        for wrong in [json!("s".repeat(256)), json!(""), json!(1)] {
            assert_eq!(found(wrong), Wrong);
        }
        assert_eq!(subject(&Map::new()).outcome, Wrong);
    }
}
