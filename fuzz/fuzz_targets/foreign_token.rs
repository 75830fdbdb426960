#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use runmint_trust::token::{Expectations, UnverifiedToken};
use runmint_trust::token::KeySet;

/// One key of each kind. Their private halves are gone, so nothing may be verified.
static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::parse(include_bytes!("../seeds/key_set/every_kind.json")).unwrap());

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        verify(text);
    }
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    if let (Some(header), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next()) {
        let [header, claims, signature] =
            [header, claims, signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        verify(&format!("{header}.{claims}.{signature}"));
    }
});

fn verify(text: &str) {
    let Ok(token) = UnverifiedToken::parse(text) else { return };
    let expected = Expectations {
        issuer: token.claimed_issuer(),
        max_lifetime: SignedDuration::from_hours(1),
        now: Timestamp::from_second(1_800_000_000).unwrap(),
    };
    let refusal = token.verify(&KEYS, &expected).expect_err("nobody has the private keys");
    let _ = (refusal.to_string(), refusal.class());
}
