//! Reads JSON without duplicate members. Parsers differ in which of two members of one name they take (RFC 8259 §4),
//! so an attacker could have one of them checked and the other one used.

mod unique;

pub use self::unique::{Members, unique};

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Parses a JSON object, as RFC 7515 §4 and RFC 7519 §4 require of headers and claims.
///
/// Fails if `json` is not an object, or has a duplicate member at any depth.
pub fn object_of(json: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let UniqueObject(Object(members)) = serde_json::from_slice(json)?;
    Ok(members)
}

/// Parses any JSON value.
///
/// Fails if `json` is not JSON, or has a duplicate member at any depth.
pub fn value_of(json: &[u8]) -> Result<Value, serde_json::Error> {
    let UniqueValue(value) = serde_json::from_slice(json)?;
    Ok(value)
}

struct UniqueObject(Object);

impl<'de> Deserialize<'de> for UniqueObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unique(deserializer).map(Self)
    }
}

#[derive(Default)]
struct Object(Map<String, Value>);

impl Members for Object {
    const EXPECTED: &'static str = "a JSON object";
    type Value = UniqueValue;

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn add(&mut self, name: String, UniqueValue(value): UniqueValue) {
        self.0.insert(name, value);
    }
}

struct UniqueValue(Value);

impl<'de> Deserialize<'de> for UniqueValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(UniqueValue(element)) = access.next_element()? {
            elements.push(element);
        }
        Ok(elements.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let Object(members) = unique::members(access)?;
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_member_is_refused_at_every_depth() {
        let json = r#"{"a":[null,true,-1,1,1.5,"x",{"a":{}}],"b":{"a":1,"c":[]}}"#;
        assert_eq!(Value::Object(object_of(json.as_bytes()).unwrap()).to_string(), json);
        assert_eq!(value_of(json.as_bytes()).unwrap().to_string(), json);
        for duplicate in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[0,[{"b":1,"c":0,"b":1}]]}"#,
        ] {
            for error in [
                object_of(duplicate.as_bytes()).unwrap_err(),
                value_of(duplicate.as_bytes()).unwrap_err(),
                value_of(format!("[{duplicate}]").as_bytes()).unwrap_err(),
            ] {
                assert!(error.to_string().contains("appears twice"), "{duplicate}: {error}");
            }
        }
    }

    #[test]
    fn an_object_is_not_another_value() {
        for other in ["[]", "1", "null", "\"{}\"", "{}{}", ""] {
            object_of(other.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_does_not_exhaust_the_stack() {
        let deep = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        object_of(deep(100).as_bytes()).unwrap();
        object_of(deep(8_000).as_bytes()).unwrap_err();
    }
}
