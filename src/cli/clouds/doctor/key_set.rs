//! The key set, as the pickiest of its readers sees it.

use serde_json::json;

use super::discovered::{Discovered, PublishedKey, PublishedKeys};
use super::documents::{jwks_uri, served};
use super::finding::Finding;
use crate::cli::api::client::Client;

/// AWS takes 100 RSA and 100 EC keys, Entra the first 100 of all.
const MOST_KEYS: usize = 100;
/// What is of no use to a verifier, or makes one refuse the set: AWS `key_ops`, Google `x5c` and `x5t`.
const REFUSED_MEMBERS: [(&str, &str); 4] =
    [("key_ops", "AWS"), ("x5c", "Google"), ("x5t", "Google"), ("x5t#S256", "Google")];
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];
/// 2,048 bits in base64url without padding.
const SHORTEST_MODULUS: usize = 342;

pub(super) async fn examine(client: &Client, found: &Discovered, findings: &mut Vec<Finding>) {
    let uri = match jwks_uri(found) {
        Ok(uri) => uri,
        Err(finding) => return findings.push(finding),
    };
    let seen = match client.look(&uri).await {
        Ok(seen) if seen.status.is_success() => seen,
        Ok(seen) => {
            let remedy = "Clouds need 200, without a redirect or a login.";
            return findings.push(Finding::failure(
                "key set",
                format!("{uri} answers {}", seen.status),
                remedy,
            ));
        }
        Err(failure) => {
            return findings.push(Finding::failure(
                "key set",
                failure.to_string(),
                "Is the name right, and the certificate of a public authority?",
            ));
        }
    };
    findings.extend(served("key set", &seen));
    match serde_json::from_slice::<PublishedKeys>(&seen.body) {
        Ok(document) => findings.extend(keys(&document)),
        Err(error) => findings.push(Finding::failure(
            "key set",
            format!("it is not JSON: {error}"),
            "Does a login page or a firewall stand in front?",
        )),
    }
}

fn keys(document: &PublishedKeys) -> Vec<Finding> {
    let Some(keys) = &document.keys else {
        return vec![Finding::failure("keys", "the key set has no `keys`", "Is this a key set?")];
    };
    let count_of = |kind: &str| keys.iter().filter(|key| key.kty.as_deref() == Some(kind)).count();
    let (rsa, ec) = (count_of("RSA"), count_of("EC"));
    let detail = format!("{rsa} RSA, {ec} EC");
    let mut findings = vec![if rsa == 0 {
        Finding::failure(
            "keys",
            detail,
            "Entra takes RS256 alone, and every cloud takes it. Is the server initialized?",
        )
    } else if keys.len() > MOST_KEYS {
        Finding::failure("keys", detail, format!("AWS and Entra read {MOST_KEYS}: let old ones leave."))
    } else {
        Finding::ok("keys", detail)
    }];
    let wrong: Vec<String> =
        keys.iter().enumerate().flat_map(|(index, key)| faults(index, key, keys)).collect();
    findings.push(if wrong.is_empty() {
        Finding::ok("members of keys", "kid, use and alg in each, and nothing that a cloud refuses")
    } else {
        Finding::failure(
            "members of keys",
            wrong.join("; "),
            "Does something else than runmint serve the key set?",
        )
    });
    findings
}

fn faults(index: usize, key: &PublishedKey, all: &[PublishedKey]) -> Vec<String> {
    let kid = key.kid.as_deref().unwrap_or_default();
    let named = if kid.is_empty() { format!("keys[{index}]") } else { kid.to_owned() };
    let mut wrong = Vec::new();
    if kid.is_empty() {
        wrong.push(format!("{named} has no kid"));
    } else if all.iter().filter(|other| other.kid == key.kid).count() > 1 {
        wrong.push(format!("{named} is there twice"));
    }
    if key.usage.as_deref() != Some("sig") {
        wrong.push(format!("{named} is not for signatures (use)"));
    }
    let fits = matches!(
        (key.kty.as_deref(), key.alg.as_deref()),
        (Some("RSA"), Some("RS256")) | (Some("EC"), Some("ES256"))
    );
    if !fits {
        wrong.push(format!("{named} is for {} (alg)", json!(key.alg)));
    }
    let is_rsa = key.kty.as_deref() == Some("RSA");
    if is_rsa && key.n.as_ref().is_none_or(|n| n.len() < SHORTEST_MODULUS) {
        wrong.push(format!("{named} has under 2048 bits"));
    }
    let refused = REFUSED_MEMBERS.iter().filter(|(member, _)| key.others.contains_key(*member));
    wrong.extend(refused.map(|(member, by)| format!("{named} has {member}, which {by} refuses")));
    let private = PRIVATE_MEMBERS.iter().filter(|member| key.others.contains_key(**member));
    wrong.extend(private.map(|member| format!("{named} SHOWS ITS PRIVATE HALF ({member}): revoke it now")));
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn whatever_a_cloud_refuses_is_named() {
        let good = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "n": "a".repeat(342), "e": "AQAB"});
        let keys = |document: Value| keys(&serde_json::from_value(document).unwrap());
        let with = |member: &str, value: Value| {
            let mut key = good.clone();
            key[member] = value;
            keys(json!({"keys": [key]}))
        };
        let worst = |findings: Vec<Finding>| findings.into_iter().map(|one| one.outcome).max().unwrap();
        assert_eq!(worst(keys(json!({"keys": [good]}))), Outcome::Ok);
        for (member, value) in [
            ("kid", Value::Null),
            ("use", json!("enc")),
            ("alg", json!("PS256")),
            ("key_ops", json!(["verify"])),
            ("x5c", json!([])),
            ("d", json!("x")),
            ("n", json!("short")),
        ] {
            assert_eq!(worst(with(member, value)), Outcome::Failure, "{member}");
        }
        assert_eq!(worst(keys(json!({"keys": [good, good]}))), Outcome::Failure);
        assert_eq!(worst(keys(json!({"keys": []}))), Outcome::Failure);
        assert_eq!(worst(keys(json!([]))), Outcome::Failure);
        let many: Vec<Value> = (0..101)
            .map(|n| {
                let mut key = good.clone();
                key["kid"] = json!(n.to_string());
                key
            })
            .collect();
        assert_eq!(worst(keys(json!({"keys": many}))), Outcome::Failure);
    }
}
