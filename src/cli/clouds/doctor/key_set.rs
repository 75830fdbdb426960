//! The key set, checked against the strictest of its readers.

use serde_json::json;

use super::discovered::{Discovered, PublishedKey, PublishedKeys};
use super::documents::{jwks_uri, served};
use super::finding::Finding;
use crate::cli::api::client::Client;

/// AWS accepts 100 RSA and 100 EC keys, Entra reads the first 100.
const MOST_KEYS: usize = 100;
/// Members for which a verifier refuses the whole set.
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
            let remedy = "Clouds need the status 200, without a redirect or a login.";
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
                "Is the host name right, and the certificate from a public authority?",
            ));
        }
    };
    findings.extend(served("key set", &seen));
    match serde_json::from_slice::<PublishedKeys>(&seen.body) {
        Ok(document) => findings.extend(keys(&document)),
        Err(error) => findings.push(Finding::failure(
            "key set",
            format!("not JSON: {error}"),
            "Does a login page or a firewall answer instead of the server?",
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
            "Entra accepts RS256 only, and every cloud accepts it. Is the server initialized?",
        )
    } else if keys.len() > MOST_KEYS {
        Finding::failure("keys", detail, format!("AWS and Entra read {MOST_KEYS} keys: remove old ones."))
    } else {
        Finding::ok("keys", detail)
    }];
    let wrong: Vec<String> =
        keys.iter().enumerate().flat_map(|(index, key)| faults(index, key, keys)).collect();
    findings.push(if wrong.is_empty() {
        Finding::ok("members of keys", "each has kid, use and alg, and no member that a cloud refuses")
    } else {
        Finding::failure(
            "members of keys",
            wrong.join("; "),
            "Is the key set served by something other than runmint?",
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
        wrong.push(format!("{named} occurs twice"));
    }
    if key.usage.as_deref() != Some("sig") {
        wrong.push(format!("{named} is not for signatures (use)"));
    }
    let fits = matches!(
        (key.kty.as_deref(), key.alg.as_deref()),
        (Some("RSA"), Some("RS256")) | (Some("EC"), Some("ES256"))
    );
    if !fits {
        wrong.push(format!("{named} has alg {}", json!(key.alg)));
    }
    let is_rsa = key.kty.as_deref() == Some("RSA");
    if is_rsa && key.n.as_ref().is_none_or(|n| n.len() < SHORTEST_MODULUS) {
        wrong.push(format!("{named} is shorter than 2048 bits"));
    }
    let refused = REFUSED_MEMBERS.iter().filter(|(member, _)| key.others.contains_key(*member));
    wrong.extend(refused.map(|(member, by)| format!("{named} has {member}, which {by} refuses")));
    let private = PRIVATE_MEMBERS.iter().filter(|member| key.others.contains_key(**member));
    wrong.extend(private.map(|member| format!("{named} EXPOSES ITS PRIVATE KEY ({member}): revoke it now")));
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn names_every_member_that_a_cloud_refuses() {
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
