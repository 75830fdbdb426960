//! Checks of the claims that need nobody's keys.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::checks::{Check, differ};
use crate::cli::terminal::span::{from_now, span};
use crate::issuer::subject::MAX_SUBJECT_BYTES;
use crate::trust::token::LEEWAY;

/// Google refuses tokens issued longer ago, so the rest of a longer life is of no use there.
const LONG_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// When it was issued, from when and until when it is valid, and how long that is.
pub(super) fn times(claims: &Map<String, Value>, now: Timestamp) -> Vec<Check> {
    let (issued_at, expires_at) = (time(claims, "iat"), time(claims, "exp"));
    let lifetime = match (&issued_at, &expires_at) {
        (Ok(issued_at), Ok(expires_at)) => Some(lifetime(expires_at.duration_since(*issued_at))),
        _ => None,
    };
    [
        Some(issued_at.map_or_else(|why| Check::wrong("issued", why), |time| issued(time, now))),
        Some(not_before(claims, now)),
        Some(expires_at.map_or_else(|why| Check::wrong("expires", why), |time| expires(time, now))),
        lifetime,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whom it is for: one plain text, which every verifier reads alike.
pub(super) fn audience(audience: Option<&Value>, expected: Option<&str>) -> Vec<Check> {
    let name = "audience";
    let (found, form) = match audience {
        Some(Value::String(one)) => (one, Check::right("one audience", "`aud` is one plain text")),
        Some(Value::Array(several)) => {
            let form =
                format!("`aud` is a list of {}, where many verifiers want one plain text", several.len());
            match several.as_slice() {
                [Value::String(one)] => (one, Check::note("one audience", form)),
                _ => return vec![Check::wrong("one audience", form)],
            }
        }
        _ => return vec![Check::wrong(name, "there is no `aud`, or it is no text")],
    };
    let whom = match expected {
        None => Check::note(name, format!("{found} (--audience checks it)")),
        Some(expected) if expected == found => Check::right(name, format!("{found}, as expected")),
        Some(expected) => Check::wrong(name, differ(expected, found)),
    };
    vec![whom, form]
}

pub(super) fn subject(subject: Option<&Value>) -> Check {
    let name = "subject";
    match subject.and_then(Value::as_str) {
        None | Some("") => Check::wrong(name, "there is no `sub`, or it is no text"),
        Some(subject) if subject.len() > MAX_SUBJECT_BYTES => {
            Check::wrong(name, format!("{} bytes; OpenID Connect allows {MAX_SUBJECT_BYTES}", subject.len()))
        }
        Some(subject) => Check::right(name, format!("{subject} ({} bytes)", subject.len())),
    }
}

fn issued(time: Timestamp, now: Timestamp) -> Check {
    let said = format!("{time}, {}", from_now(time, now));
    match time.duration_since(now) {
        early if early > LEEWAY => Check::wrong("issued", format!("in the future: {said}")),
        early if early.is_positive() => Check::note("issued", within_leeway(&said)),
        _ => Check::right("issued", said),
    }
}

fn not_before(claims: &Map<String, Value>, now: Timestamp) -> Check {
    let name = "valid from";
    if !claims.contains_key("nbf") {
        return Check::note(name, "there is no `nbf`: at once");
    }
    match time(claims, "nbf") {
        Err(why) => Check::wrong(name, why),
        Ok(time) => {
            let said = format!("{time}, {}", from_now(time, now));
            match time.duration_since(now) {
                early if early > LEEWAY => Check::wrong(name, format!("not valid yet: {said}")),
                early if early.is_positive() => Check::note(name, within_leeway(&said)),
                _ => Check::right(name, said),
            }
        }
    }
}

fn expires(time: Timestamp, now: Timestamp) -> Check {
    let said = format!("{time}, {}", from_now(time, now));
    match now.duration_since(time) {
        late if late >= LEEWAY => Check::wrong("expires", format!("expired: {said}")),
        late if late >= SignedDuration::ZERO => Check::note("expires", within_leeway(&said)),
        _ => Check::right("expires", said),
    }
}

fn within_leeway(said: &str) -> String {
    format!("{said}; within the {} that clocks may differ", span(LEEWAY))
}

fn lifetime(lifetime: SignedDuration) -> Check {
    let said = span(lifetime);
    if !lifetime.is_positive() {
        Check::wrong("lifetime", "it expires before it is issued")
    } else if lifetime > LONG_LIFE {
        Check::note("lifetime", format!("{said}; clouds refuse tokens that are more than a day old"))
    } else {
        Check::right("lifetime", said)
    }
}

/// A whole number of seconds since 1970, as `NumericDate` is safest written (RFC 7519 §2).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Timestamp, String> {
    let value = claims.get(name).ok_or_else(|| format!("there is no `{name}`"))?;
    let time = value.as_i64().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.ok_or_else(|| format!("`{name}` is {value}, not a whole number of seconds since 1970"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::clouds::inspect::checks::Outcome::{self, Note, Right, Wrong};

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
    fn a_time_is_a_whole_number_or_wrong() {
        for bad in [json!(1.5), json!("1795251600"), json!(null), json!(i64::MAX), json!(u64::MAX), json!([])]
        {
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
        assert_eq!(life(0), Wrong);
    }

    #[test]
    fn an_audience_is_one_text_and_the_right_one() {
        let found = |aud: Value, expected| {
            audience(Some(&aud), expected).iter().map(|check| check.outcome).collect::<Vec<_>>()
        };
        assert_eq!(found(json!("acme"), Some("acme")), [Right, Right]);
        assert_eq!(found(json!("acme"), Some("Acme")), [Wrong, Right]);
        assert_eq!(found(json!("acme"), None), [Note, Right]);
        assert_eq!(found(json!(["acme"]), Some("acme")), [Right, Note]);
        assert_eq!(found(json!(["acme", "b"]), Some("acme")), [Wrong]);
        assert_eq!(found(json!([]), None), [Wrong]);
        assert_eq!(found(json!(7), None), [Wrong]);
        assert_eq!(audience(None, None)[0].outcome, Wrong);
    }

    #[test]
    fn a_subject_has_1_to_255_bytes() {
        assert_eq!(subject(Some(&json!("s".repeat(255)))).outcome, Right);
        assert_eq!(subject(Some(&json!("s".repeat(256)))).outcome, Wrong);
        assert_eq!(subject(Some(&json!(""))).outcome, Wrong);
        assert_eq!(subject(Some(&json!(1))).outcome, Wrong);
        assert_eq!(subject(None).outcome, Wrong);
    }
}
