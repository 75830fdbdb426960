//! Any input gets an answer.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::foreign_issuer::{encode, signing_input};

static KEY: LazyLock<ForeignKey> = LazyLock::new(|| ForeignKey::es256("k"));
static KEYS: LazyLock<Vec<KeySet>> = LazyLock::new(|| {
    let of = |algorithm| set(&key_set(&[&ForeignKey::new("k", algorithm, 0)]));
    let mut keys: Vec<_> = Algorithm::ALL.map(of).into();
    keys.push(set(&key_set(&[&KEY])));
    keys
});

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,5}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_token_bytes_cause_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        for keys in KEYS.iter() {
            prop_assert!(verify(&text, keys).is_err());
        }
        if let Ok(keys) = KeySet::parse(&bytes) {
            prop_assert!(keys.keys().is_empty());
        }
    }

    #[test]
    fn no_three_parts_cause_a_panic(
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        payload in vec(any::<u8>(), 0..100),
        signature in vec(any::<u8>(), 0..600),
    ) {
        let header = json!({"alg": algorithm.name(), "kid": "k"}).to_string();
        for payload in [payload, claims().to_string().into_bytes()] {
            let token = format!("{}.{}.{}", encode(&header), encode(payload), encode(&signature));
            for keys in KEYS.iter() {
                prop_assert!(verify(&token, keys).is_err());
            }
        }
    }

    #[test]
    fn no_header_or_claim_causes_a_panic(
        header in prop::sample::select(vec!["alg", "kid", "typ", "crit", "enc", "zip", "jwk"]),
        claim in prop::sample::select(vec!["iss", "aud", "exp", "iat", "nbf", "sub", "jti"]),
        value in json_value(),
        now in -377_705_000_000_i64..253_402_000_000,
    ) {
        let mut changed = KEY.header();
        changed[header] = value.clone();
        for (header, payload) in [(changed, claims()), (KEY.header(), with(claim, value))] {
            let token = KEY.signed(&signing_input(&header.to_string(), &payload.to_string()));
            for keys in KEYS.iter() {
                let _ = verify_at(&token, keys, at(now));
            }
        }
    }

    #[test]
    fn no_key_causes_a_panic(
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        name in prop::sample::select(vec!["kty", "crv", "n", "e", "x", "y", "alg", "use", "kid", "key_ops"]),
        value in prop_oneof![json_value(), vec(any::<u8>(), 0..600).prop_map(|bytes| json!(encode(bytes)))],
    ) {
        let key = ForeignKey::new("k", algorithm, 0);
        let mut jwk = key.jwk();
        jwk[name] = value;
        let _ = verify(&key.token(&claims()), &set(&json!({"keys": [jwk]})));
    }

    #[test]
    fn verifies_only_tokens_that_the_issuer_signed(
        claim in "[a-z]{1,8}",
        value in json_value(),
    ) {
        let token = KEY.token(&with(&claim, value.clone()));
        let other = KEY.token(&claims());
        let (input, _) = token.rsplit_once('.').unwrap();
        let (own, signature) = other.rsplit_once('.').unwrap();
        let forged = format!("{input}.{signature}");
        prop_assert!(input == own || verify(&forged, KEYS.last().unwrap()).is_err());
    }
}
