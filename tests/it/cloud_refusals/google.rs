use runmint::trust::token::Algorithm;
use serde_json::{Value, json};

use super::{NOW, SUBJECT, Table, jwks, tampered};
use crate::clouds::google::{POOL, Provider};
use crate::foreign_issuer::{ForeignKey, Reply};

const UNREACHABLE: &str = "invalid_grant: Error connecting to the given credential's issuer.";
const HEADER: &str = "invalid_grant: The ID Token header must have a kid";
const TOO_LONG: &str =
    "invalid_request: The size of mapped attribute google.subject exceeds the 127 bytes limit.";
const REJECTED: &str = "unauthorized_client: The given credential is rejected by the attribute condition.";

struct Google {
    table: Table,
    provider: Provider,
}

impl Google {
    async fn new() -> Self {
        let table = Table::new().await;
        let provider = Provider {
            name: "runmint".to_owned(),
            issuer: table.issuer.url.clone(),
            allowed_audiences: Vec::new(),
            mapping: vec![("google.subject".to_owned(), "assertion.sub".to_owned())],
            condition: None,
        };
        table.clouds.google.put_provider(provider.clone());
        Self { table, provider }
    }

    fn audience(&self) -> String {
        format!("https:{}", self.provider.resource())
    }

    async fn claims(&mut self, name: &str, change: Value, expected: Option<&str>) {
        let token = self.table.rsa.token(&self.table.claims(&self.audience(), &change));
        self.token(name, &token, expected).await;
    }

    async fn token(&mut self, name: &str, token: &str, expected: Option<&str>) {
        let found = self.table.clouds.google.refusal(&self.provider.resource(), token).await;
        self.table.check(name, found.as_deref(), expected);
    }

    /// Applies one change to the provider, and undoes it afterwards.
    async fn with(
        &mut self,
        change: impl FnOnce(&mut Provider),
        claims: Value,
        name: &str,
        expected: Option<&str>,
    ) {
        let mut provider = self.provider.clone();
        change(&mut provider);
        self.table.clouds.google.put_provider(provider);
        self.claims(name, claims, expected).await;
        self.table.clouds.google.put_provider(self.provider.clone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_for_google_refuses_like_google() {
    let mut google = Google::new().await;
    audiences(&mut google).await;
    times(&mut google).await;
    forms(&mut google).await;
    mappings(&mut google).await;
    issuers(&mut google).await;
    google.table.finish("Google");
}

async fn audiences(google: &mut Google) {
    google.claims("a good one", json!({}), None).await;
    google.claims("without https:", json!({"aud": google.provider.resource()}), None).await;
    let other = "invalid_grant: The audience in ID Token [other] does not match the expected audience.";
    google.claims("another audience", json!({"aud": "other"}), Some(other)).await;
    google.claims("several, one of them ours", json!({"aud": ["other", google.audience()]}), None).await;
    let allowed =
        |provider: &mut Provider| provider.allowed_audiences = vec!["https://gcp.example".to_owned()];
    google.with(allowed, json!({"aud": "https://gcp.example"}), "one that is allowed", None).await;
    let default = format!("invalid_grant: The audience in ID Token [{}]", google.audience());
    google.with(allowed, json!({}), "the default, where others are allowed", Some(&default)).await;
    let token = google.table.rsa.token(&google.table.claims(&google.audience(), &json!({})));
    let nowhere = format!("//iam.googleapis.com/{POOL}/providers/nowhere");
    let found = google.table.clouds.google.refusal(&nowhere, &token).await;
    let expected = "invalid_target: The target service indicated by the \"audience\" parameters is invalid.";
    google.table.check("a provider that is not there", found.as_deref(), Some(expected));
}

async fn times(google: &mut Google) {
    let stale =
        |issued_at: i64| format!("invalid_grant: ID Token issued at {issued_at} is stale to sign-in.");
    google.claims("over", json!({"exp": NOW}), Some(&stale(NOW - 60))).await;
    let day = 24 * 3600;
    google.claims("a day old", json!({"iat": NOW - day}), None).await;
    google.claims("older than a day", json!({"iat": NOW - day - 1}), Some(&stale(NOW - day - 1))).await;
    google
        .claims("from the future", json!({"iat": NOW + 1}), Some("invalid_grant: ID Token issued at"))
        .await;
    google
        .claims("for three days", json!({"exp": NOW + 3 * day}), Some("invalid_grant: ID Token issued at"))
        .await;
    for claim in ["iat", "exp"] {
        google.claims(claim, json!({claim: null}), Some("invalid_grant: ")).await;
        google.claims(claim, json!({claim: 1_800_000_100.5}), Some("invalid_grant: ")).await;
    }
}

async fn forms(google: &mut Google) {
    let good = google.table.claims(&google.audience(), &json!({}));
    let rsa = google.table.rsa.clone();
    google.token("words", "not a token", Some("invalid_request: ")).await;
    google.token("a line break", &format!("{}\n", rsa.token(&good)), Some("invalid_request: ")).await;
    google.token("no key id", &rsa.token_with(&json!({"alg": "RS256"}), &good), Some(HEADER)).await;
    google
        .token("a tampered signature", &tampered(&rsa.token(&good)), Some("invalid_grant: The signature"))
        .await;
    for (algorithm, expected) in
        [("RS512", Some(HEADER)), ("ES384", Some(HEADER)), ("EdDSA", Some(HEADER)), ("ES256", None)]
    {
        let key = ForeignKey::new("odd", Algorithm::named(algorithm).unwrap(), 1);
        google.table.issuer.publish(&[&key]);
        google.token(algorithm, &key.token(&good), expected).await;
    }
    google.table.keys(&jwks(&[&ForeignKey::rs256("second", 1)]));
    google.token("an unknown key", &rsa.token(&good), Some(UNREACHABLE)).await;
    google.table.honest();
}

async fn mappings(google: &mut Google) {
    google.claims("127 bytes", json!({"sub": "s".repeat(127)}), None).await;
    google.claims("128 bytes", json!({"sub": "s".repeat(128)}), Some(TOO_LONG)).await;
    google.claims("64 characters of two bytes", json!({"sub": "é".repeat(64)}), Some(TOO_LONG)).await;
    let shorter = |provider: &mut Provider| {
        provider.mapping = [("google.subject", "assertion.run_id"), ("attribute.sub", "assertion.sub")]
            .map(|(target, source)| (target.to_owned(), source.to_owned()))
            .to_vec();
    };
    google.with(shorter, json!({"sub": "s".repeat(200)}), "a shorter one", None).await;
    let number = |provider: &mut Provider| "assertion.exp".clone_into(&mut provider.mapping[0].1);
    google
        .with(number, json!({}), "a number", Some("invalid_request: The mapped attribute google.subject"))
        .await;
    let condition =
        |text: &'static str| move |provider: &mut Provider| provider.condition = Some(text.to_owned());
    let staging = condition("assertion.stack == 'staging' && assertion.sub.startsWith('runmint:')");
    google.with(staging, json!({}), "a condition that holds", None).await;
    google.with(staging, json!({"stack": "prod"}), "one that does not", Some(REJECTED)).await;
    google.with(staging, json!({"stack": null}), "one on what is not there", Some(REJECTED)).await;
    assert!(SUBJECT.len() <= 127, "the subject of the tests fits");
}

async fn issuers(google: &mut Google) {
    let good = google.table.rsa.token(&google.table.claims(&google.audience(), &json!({})));
    let other = json!({"iss": "https://id.example.com"});
    google
        .claims("another issuer", other, Some("invalid_grant: The issuer in ID Token https://id.example.com"))
        .await;
    google.table.issuer.discovery(Reply::status("403 Forbidden"));
    google.token("no discovery", &good, Some(UNREACHABLE)).await;
    let mut document = google.table.discovery();
    document["issuer"] = json!("https://id.example.com");
    google.table.issuer.discovery_says(&document);
    google
        .token("another issuer in discovery", &good, Some("invalid_grant: `issuer` claim in OIDC discovery"))
        .await;
    google.table.honest();
}
