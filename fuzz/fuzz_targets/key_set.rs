#![no_main]

use libfuzzer_sys::fuzz_target;
use runmint_trust::token::Algorithm;
use runmint_trust::token::KeySet;
use runmint_trust::token::limits::MAX_KEYS;

fuzz_target!(|bytes: &[u8]| {
    let Ok(set) = KeySet::parse(bytes) else { return };
    assert!(set.keys().len() + set.unusable().len() <= MAX_KEYS);
    for key in set.keys() {
        for algorithm in Algorithm::ALL {
            let _ = key.verifies(algorithm, b"message", &[0; 64]);
            let _ = set.key_for(key.key_id(), algorithm);
        }
    }
});
