//! A verifier that shares no code with ours: jsonwebtoken checks signature and issuer, this file the times.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

pub const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// The claims of a token that was signed by a key of `keys`, comes from `issuer` and is valid at `now`; or why it
/// is refused. The audience is not checked.
pub fn verify(
    token: &str,
    keys: &JwkSet,
    issuer: &str,
    now: Timestamp,
) -> Result<Map<String, Value>, String> {
    let header = decode_header(token).map_err(|error| error.to_string())?;
    let kid = header.kid.ok_or("no kid")?;
    let jwk = keys.find(&kid).ok_or_else(|| format!("no key {kid}"))?;
    let named = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string());
    if named != Some(format!("{:?}", header.alg)) {
        return Err(format!("the key is for {named:?}, the token has {:?}", header.alg));
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["iss"]);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let claims =
        decode::<Map<String, Value>>(token, &key, &validation).map_err(|error| error.to_string())?.claims;
    let time = |name: &str| {
        let seconds = claims.get(name).and_then(Value::as_i64).ok_or_else(|| format!("no {name}"))?;
        Timestamp::from_second(seconds).map_err(|error| error.to_string())
    };
    let starts = if claims.contains_key("nbf") { time("nbf")? } else { time("iat")? };
    if now - LEEWAY >= time("exp")? || now + LEEWAY < starts || now + LEEWAY < time("iat")? {
        return Err(format!("not valid at {now}: {claims:?}"));
    }
    Ok(claims)
}
