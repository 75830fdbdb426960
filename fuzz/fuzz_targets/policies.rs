#![no_main]

use libfuzzer_sys::fuzz_target;
use runmint_trust::lint::lint;
use runmint_trust::policy::audience::PoliciesInForce;
use runmint_trust::policy::evaluation::{Asked, Verdict};
use runmint_trust::policy::{PolicyDocument, parse_policies};
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(policies), Some(claims)) = (lines.next(), lines.next()) else { return };
    let Ok(documents) = serde_json::from_slice::<Vec<PolicyDocument>>(policies) else { return };
    let Ok(policies) = parse_policies(documents) else { return };
    let _ = lint(&policies, "https://issuer.example.com");
    let Ok(compiled) = PoliciesInForce::compile(policies.clone()) else { return };
    let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(claims) else { return };
    let speaking = compiled.speaking_to(&claims, "acme");
    for admin in [false, true] {
        let asked = Asked::Organization { admin };
        let verdict = speaking.decide(&asked);
        // Nothing is allowed where every policy that could allow it is taken away.
        if let Verdict::Allowed { policy } = verdict {
            assert!(policies[policy].allows());
        }
        assert_eq!(speaking.evaluate(&asked).decision, verdict);
    }
    // What was saved reads back as what it was.
    let again = serde_json::to_vec(&policies).unwrap();
    let again: Vec<PolicyDocument> = serde_json::from_slice(&again).unwrap();
    assert_eq!(parse_policies(again).unwrap(), policies);
});
