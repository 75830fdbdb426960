use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A decoded token without any checks: each cloud has its own rules for its contents.
pub(crate) struct Assertion {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    /// Whether a claim occurs twice. `claims` holds the last one.
    pub(crate) repeats_a_claim: bool,
    pub(crate) signed: String,
    pub(crate) signature: Vec<u8>,
}

impl Assertion {
    /// `None` if it is not a JWS of three parts with two JSON objects.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let Members(header, _) = serde_json::from_slice(&decode(header)?).ok()?;
        let Members(claims, repeats_a_claim) = serde_json::from_slice(&decode(claims)?).ok()?;
        let signed = token.rsplit_once('.')?.0.to_owned();
        Some(Self { header, claims, repeats_a_claim, signed, signature: decode(signature)? })
    }

    pub(crate) fn algorithm(&self) -> &str {
        self.header.get("alg").and_then(Value::as_str).unwrap_or_default()
    }

    /// An empty id counts as absent.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str().filter(|id| !id.is_empty())
    }

    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// The claim as whole seconds.
    pub(crate) fn seconds(&self, claim: &str) -> Option<i64> {
        self.claims.get(claim)?.as_i64()
    }

    /// `aud`, whether a string or an array.
    pub(crate) fn audiences(&self) -> Vec<String> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => {
                several.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// An object's members, the last of each name, and whether a name was repeated.
struct Members(Map<String, Value>, bool);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Members(Map::new(), false);
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    members.1 |= members.0.insert(name, value).is_some();
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}
