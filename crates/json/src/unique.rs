//! Maps that refuse a duplicate member, for `#[serde(deserialize_with = "runmint_json::unique")]`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A collection of the members of an object.
pub trait Members: Default {
    /// What an error message says was expected.
    const EXPECTED: &'static str = "an object";
    type Value;

    fn has(&self, name: &str) -> bool;

    /// Adds a member that [`Members::has`] does not have.
    fn add(&mut self, name: String, value: Self::Value);
}

/// Reads an object from any format.
///
/// Fails if it is not an object, or has a duplicate member.
pub fn unique<'de, D, M>(deserializer: D) -> Result<M, D::Error>
where
    D: Deserializer<'de>,
    M: Members,
    M::Value: Deserialize<'de>,
{
    deserializer.deserialize_map(MembersVisitor(PhantomData))
}

pub(crate) fn members<'de, A, M>(mut access: A) -> Result<M, A::Error>
where
    A: MapAccess<'de>,
    M: Members,
    M::Value: Deserialize<'de>,
{
    let mut members = M::default();
    while let Some((name, value)) = access.next_entry::<String, M::Value>()? {
        if members.has(&name) {
            return Err(A::Error::custom(format_args!("`{name}` appears twice")));
        }
        members.add(name, value);
    }
    Ok(members)
}

struct MembersVisitor<M>(PhantomData<M>);

impl<'de, M: Members<Value: Deserialize<'de>>> Visitor<'de> for MembersVisitor<M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(M::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<M, A::Error> {
        members(access)
    }
}

impl Members for BTreeMap<String, String> {
    const EXPECTED: &'static str = "an object of strings";
    type Value = String;

    fn has(&self, name: &str) -> bool {
        self.contains_key(name)
    }

    fn add(&mut self, name: String, value: String) {
        self.insert(name, value);
    }
}

impl<V> Members for IndexMap<String, V> {
    type Value = V;

    fn has(&self, name: &str) -> bool {
        self.contains_key(name)
    }

    fn add(&mut self, name: String, value: V) {
        self.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_refuse_a_duplicate_member() {
        let strings = |json: &str| {
            let mut json = serde_json::Deserializer::from_str(json);
            unique::<_, BTreeMap<String, String>>(&mut json)
        };
        assert_eq!(strings(r#"{"b":"1","a":"2"}"#).unwrap().len(), 2);
        for (json, why) in [
            (r#"{"a":"1","a":"1"}"#, "`a` appears twice"),
            (r#"{"a":1}"#, "expected a string"),
            (r#"["a"]"#, "expected an object of strings"),
        ] {
            let error = strings(json).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let mut json = serde_json::Deserializer::from_str(r#"{"b":1,"a":2,"b":3}"#);
        unique::<_, IndexMap<String, u8>>(&mut json).unwrap_err();
    }
}
