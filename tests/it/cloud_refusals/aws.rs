use runmint::trust::token::Algorithm;
use serde_json::{Value, json};

use super::{NOW, SUBJECT, Table, crowd, jwks, tampered, with_member, without_member};
use crate::clouds::aws::ACCOUNT;
use crate::foreign_issuer::{ForeignKey, Reply, encode};

const AUDIENCE: &str = "sts.amazonaws.com";
const NOT_VALIDATED: &str = "InvalidIdentityToken (400): The web identity token provided could not be validated. \
                             See the AssumeRoleWithWebIdentity documentation for requirements.";
const NO_KEY: &str = "InvalidIdentityToken (400): Couldn't retrieve verification key from your identity provider,  \
                      please reference AssumeRoleWithWebIdentity documentation for requirements";
const NOT_A_JWT: &str = "InvalidIdentityToken (400): The ID Token provided is not a valid JWT.";
const DENIED: &str = "AccessDenied (403): Not authorized to perform sts:AssumeRoleWithWebIdentity";
const BAD_TIME: &str = "InvalidIdentityToken (400): Invalid timestamp in token claims.";
const TWO_AUDIENCES: &str = "InvalidIdentityToken (400): Token audience contains more than one audience while \
                             authorized party is not present";

struct Aws {
    table: Table,
    role: String,
}

impl Aws {
    async fn new() -> Self {
        let table = Table::new().await;
        table.clouds.aws.create_provider(&table.issuer.url, &[AUDIENCE, "party"]);
        let role = table.clouds.aws.put_role("exact", &policy(&table, "StringEquals", SUBJECT, &[ASSUME]));
        Self { table, role }
    }

    async fn claims(&mut self, name: &str, change: Value, expected: Option<&str>) {
        let token = self.table.rsa.token(&self.table.claims(AUDIENCE, &change));
        self.token(name, &token, expected).await;
    }

    async fn token(&mut self, name: &str, token: &str, expected: Option<&str>) {
        let role = self.role.clone();
        self.role_and_token(name, &role, token, expected).await;
    }

    async fn role_and_token(&mut self, name: &str, role: &str, token: &str, expected: Option<&str>) {
        let found = self.table.clouds.aws.refusal(role, token).await;
        self.table.check(name, found.as_deref(), expected);
    }

    fn good(&self) -> Value {
        self.table.claims(AUDIENCE, &json!({}))
    }
}

const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";

fn policy(table: &Table, operator: &str, subject: &str, actions: &[&str]) -> Value {
    let provider = table.issuer.url.trim_start_matches("https://");
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}")},
        "Action": actions,
        "Condition": {
            "StringEquals": {format!("{provider}:aud"): [AUDIENCE, "party"]},
            operator: {format!("{provider}:sub"): subject},
        },
    }]})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_for_aws_refuses_like_aws() {
    let mut aws = Aws::new().await;
    claims(&mut aws).await;
    times(&mut aws).await;
    forms(&mut aws).await;
    algorithms(&mut aws).await;
    keys(&mut aws).await;
    issuers(&mut aws).await;
    policies(&mut aws).await;
    sessions(&mut aws).await;
    aws.table.finish("AWS");
}

async fn claims(aws: &mut Aws) {
    aws.claims("a good one", json!({}), None).await;
    for claim in ["iss", "sub", "aud", "iat", "exp"] {
        let expected = format!("InvalidIdentityToken (400): Missing a required claim: {claim}");
        aws.claims(claim, json!({claim: null}), Some(&expected)).await;
    }
    aws.claims("one audience in an array", json!({"aud": [AUDIENCE]}), None).await;
    aws.claims("two audiences", json!({"aud": [AUDIENCE, "other"]}), Some(TWO_AUDIENCES)).await;
    aws.claims("two audiences and a party", json!({"aud": [AUDIENCE, "other"], "azp": "party"}), None).await;
    aws.claims("a party instead of the audience", json!({"aud": "other", "azp": "party"}), None).await;
    aws.claims("a party that is not registered", json!({"azp": "other"}), Some(NOT_VALIDATED)).await;
    aws.claims("an empty party", json!({"azp": ""}), Some(NOT_VALIDATED)).await;
    aws.claims("an audience that is not registered", json!({"aud": "other"}), Some(NOT_VALIDATED)).await;
    aws.claims(
        "an issuer that is not registered",
        json!({"iss": "https://id.example.com"}),
        Some(NOT_VALIDATED),
    )
    .await;
    let slash = format!("{}/", aws.table.issuer.url);
    aws.claims("a slash more in the issuer", json!({"iss": slash}), Some(NOT_VALIDATED)).await;
    // Null would remove the claim in this table.
    let null = aws.table.rsa.signed(&crate::foreign_issuer::signing_input(
        &aws.table.rsa.header().to_string(),
        &aws.good().to_string().replace(&json!(SUBJECT).to_string(), "null"),
    ));
    aws.token("a subject of null", &null, Some("InternalFailure (500)")).await;
}

async fn times(aws: &mut Aws) {
    aws.claims("times as text", json!({"iat": NOW.to_string(), "exp": (NOW + 9).to_string()}), None).await;
    for claim in ["iat", "exp", "nbf"] {
        aws.claims(claim, json!({claim: 1_800_000_000.5}), Some(BAD_TIME)).await;
        aws.claims(claim, json!({claim: "soon"}), Some(BAD_TIME)).await;
    }
    aws.claims("over within the leeway", json!({"exp": NOW - 299}), None).await;
    let expired = format!(
        "ExpiredTokenException (400): Token expired: current date/time {} must be before the expiration date/time {}",
        NOW - 300,
        NOW - 301
    );
    aws.claims("over", json!({"exp": NOW - 301}), Some(&expired)).await;
    aws.claims("from the near future", json!({"iat": NOW + 299, "nbf": NOW + 299}), None).await;
    aws.claims("from the future", json!({"iat": NOW + 301}), Some(NOT_VALIDATED)).await;
    aws.claims("not yet", json!({"nbf": NOW + 301}), Some(NOT_VALIDATED)).await;
}

async fn forms(aws: &mut Aws) {
    let good = aws.table.rsa.token(&aws.good());
    for (name, token) in [
        ("words", "not a token"),
        ("two parts", good.rsplit_once('.').unwrap().0),
        ("four parts", &format!("{good}.x")),
        ("padded", &good.replacen('.', "=.", 1)),
        ("a line break", &format!("{good}\n")),
    ] {
        aws.token(name, token, Some(NOT_A_JWT)).await;
    }
    let mut header = aws.table.rsa.header();
    header["crit"] = json!(["custom"]);
    let token = aws.table.rsa.token_with(&header, &aws.good());
    aws.token("a critical header", &token, Some(NOT_A_JWT)).await;
    aws.token("too short", "a.b", Some("ValidationError (400)")).await;
    let long = format!("{good}{}", "A".repeat(20_000));
    aws.token(
        "too long",
        &long,
        Some("ValidationError (400): 1 validation error detected: Value at 'webIdentityToken'"),
    )
    .await;
    aws.token("a tampered signature", &tampered(&good), Some(NOT_VALIDATED)).await;
}

async fn algorithms(aws: &mut Aws) {
    for algorithm in ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"] {
        let key = ForeignKey::new(algorithm, Algorithm::named(algorithm).unwrap(), 1);
        // The key's own `alg` is ignored.
        aws.table.keys(&[with_member(key.jwk(), "alg", json!("RS256"))]);
        let token = key.token(&aws.good());
        aws.token(algorithm, &token, None).await;
    }
    for algorithm in ["PS256", "EdDSA"] {
        let key = ForeignKey::new(algorithm, Algorithm::named(algorithm).unwrap(), 1);
        aws.table.keys(&[key.jwk()]);
        let token = key.token(&aws.good());
        aws.token(algorithm, &token, Some(NOT_VALIDATED)).await;
    }
    aws.table.honest();
    let header = json!({"alg": "none", "kid": "rsa"});
    let token =
        format!("{}.", crate::foreign_issuer::signing_input(&header.to_string(), &aws.good().to_string()));
    aws.token("none", &token, Some(NOT_VALIDATED)).await;
    let header = json!({"alg": "HS256", "kid": "rsa"});
    let input = crate::foreign_issuer::signing_input(&header.to_string(), &aws.good().to_string());
    let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &aws.table.rsa.public_der());
    let token = format!("{input}.{}", encode(aws_lc_rs::hmac::sign(&secret, input.as_bytes())));
    aws.token("the public key as a secret", &token, Some(NOT_VALIDATED)).await;
}

async fn keys(aws: &mut Aws) {
    let (rsa, second) = (aws.table.rsa.clone(), ForeignKey::rs256("second", 1));
    let ec = ForeignKey::es256("ec");
    let good = rsa.token(&aws.good());
    let by_ec = ec.token(&aws.good());
    let no_id = rsa.token_with(&json!({"alg": "RS256"}), &aws.good());
    let empty_id = rsa.token_with(&json!({"alg": "RS256", "kid": ""}), &aws.good());
    aws.token("no key id and one key", &no_id, None).await;
    for (name, token, keys, expected) in [
        ("no key id and two keys", &no_id, jwks(&[&rsa, &second]), Some(NO_KEY)),
        ("an empty key id and two keys", &empty_id, jwks(&[&rsa, &second]), Some(NO_KEY)),
        ("an unknown key", &good, jwks(&[&second]), Some(NO_KEY)),
        ("no keys", &good, Vec::new(), Some(NO_KEY)),
        ("a key for encryption", &good, vec![with_member(rsa.jwk(), "use", json!("enc"))], Some(NO_KEY)),
        ("key_ops", &good, vec![with_member(rsa.jwk(), "key_ops", json!(["verify"]))], Some(NO_KEY)),
        ("a key without an id", &good, vec![without_member(rsa.jwk(), "kid")], Some(NO_KEY)),
        ("a key without a use", &good, vec![without_member(rsa.jwk(), "use")], None),
        ("two of one id, ours last", &good, vec![second.called("rsa").jwk(), rsa.jwk()], None),
        (
            "two of one id, ours first",
            &good,
            vec![rsa.jwk(), second.called("rsa").jwk()],
            Some(NOT_VALIDATED),
        ),
        ("a hundred keys", &good, [crowd(&rsa, 99), jwks(&[&rsa])].concat(), None),
        ("a hundred and one", &good, [crowd(&rsa, 100), jwks(&[&rsa])].concat(), Some(NO_KEY)),
        ("a hundred and one, and another kind", &by_ec, [crowd(&rsa, 101), jwks(&[&ec])].concat(), None),
    ] {
        aws.table.keys(&keys);
        aws.token(name, token, expected).await;
    }
    aws.table.honest();
}

async fn issuers(aws: &mut Aws) {
    let good = aws.table.rsa.token(&aws.good());
    let elsewhere = format!("{}/elsewhere", aws.table.issuer.url);
    for (name, reply) in [
        ("discovery is not there", Reply::status("404 Not Found")),
        ("discovery is elsewhere", Reply::redirect("302 Found", &elsewhere)),
        ("discovery is not JSON", Reply::text("<html>")),
    ] {
        aws.table.issuer.discovery(reply);
        aws.token(name, &good, Some(NO_KEY)).await;
    }
    aws.table.honest();
    for (name, reply) in [
        ("the keys are not there", Reply::status("429 Too Many Requests")),
        ("the keys are elsewhere", Reply::redirect("301 Moved Permanently", &elsewhere)),
        ("the keys are no set", Reply::text("[]")),
    ] {
        aws.table.issuer.keys(reply);
        aws.token(name, &good, Some(NO_KEY)).await;
    }
    aws.table.honest();
}

async fn policies(aws: &mut Aws) {
    let token = aws.table.rsa.token(&aws.good());
    aws.claims("another subject", json!({"sub": "runmint:x"}), Some(DENIED)).await;
    aws.claims("another case", json!({"sub": SUBJECT.replace("acme", "Acme")}), Some(DENIED)).await;
    let missing = format!("arn:aws:iam::{ACCOUNT}:role/missing");
    aws.role_and_token("a role that is not there", &missing, &token, Some(DENIED)).await;
    let start = SUBJECT.split(":operation").next().unwrap();
    for (operator, subject, expected) in [
        ("StringLike", format!("{start}:*"), None),
        ("StringLike", format!("{start}:operation:updat?:scope:*"), None),
        ("StringLike", "runmint:deploy:org:other:*".to_owned(), Some(DENIED)),
        ("StringEquals", format!("{start}:*"), Some(DENIED)),
        ("ForAnyValue:StringLike", format!("{start}:*"), None),
        ("StringEqualsIgnoreCase", SUBJECT.to_uppercase(), None),
        ("StringNotEquals", SUBJECT.to_owned(), Some(DENIED)),
    ] {
        let role = aws.table.clouds.aws.put_role("role", &policy(&aws.table, operator, &subject, &[ASSUME]));
        aws.role_and_token(&format!("{operator} {subject}"), &role, &token, expected).await;
    }
    let mut other_claim = policy(&aws.table, "StringEquals", SUBJECT, &[ASSUME]);
    let provider = aws.table.issuer.url.trim_start_matches("https://").to_owned();
    other_claim["Statement"][0]["Condition"]["StringEquals"][format!("{provider}:stack")] = json!("staging");
    let role = aws.table.clouds.aws.put_role("role", &other_claim);
    aws.role_and_token("a condition on another claim", &role, &token, Some(DENIED)).await;
}

async fn sessions(aws: &mut Aws) {
    let tags = json!({"https://aws.amazon.com/tags": {"principal_tags": {"Project": ["website"]}}});
    aws.claims("tags that the role does not allow", tags.clone(), Some(DENIED)).await;
    let actions = [ASSUME, "sts:TagSession", "sts:SetSourceIdentity"];
    let open = aws.table.clouds.aws.put_role("open", &policy(&aws.table, "StringEquals", SUBJECT, &actions));
    let source = json!({"https://aws.amazon.com/source_identity": "alice"});
    aws.claims("a source identity that the role does not allow", source.clone(), Some(DENIED)).await;
    let bare = json!({"https://aws.amazon.com/tags": {"principal_tags": {"Project": "website"}}});
    let flat = json!({"https://aws.amazon.com/tags/principal_tags/Project": "website"});
    let others = json!({"https://aws.amazon.com/roles": ["arn:aws:iam::1:role/other"]});
    let ours = json!({"https://aws.amazon.com/roles": format!("arn:aws:iam::1:role/other; {open}")});
    let bad_tags = "InvalidIdentityToken (400): principal_tags passed in claim is not in correct format.";
    for (name, change, expected) in [
        ("tags", tags, None),
        ("tags without arrays", bare, Some(bad_tags)),
        ("flat tags", flat, None),
        ("a source identity", source, None),
        ("roles without this one", others, Some("InvalidIdentityToken (400)")),
        ("roles with this one", ours, None),
    ] {
        let token = aws.table.rsa.token(&aws.table.claims(AUDIENCE, &change));
        aws.role_and_token(name, &open, &token, expected).await;
    }
    let token = aws.table.rsa.token(&aws.good());
    let invalid = "ValidationError (400): 1 validation error detected: Value ";
    for (name, duration, expected) in [
        ("ab", "900", None),
        (&*"n".repeat(64), "3600", None),
        ("a", "", Some(invalid)),
        (&*"n".repeat(65), "", Some(invalid)),
        ("a:b", "", Some(invalid)),
        ("ab", "899", Some(invalid)),
        ("ab", "43201", Some(invalid)),
        (
            "ab",
            "3601",
            Some("ValidationError (400): The requested DurationSeconds exceeds the MaxSessionDuration"),
        ),
    ] {
        let role = aws.role.clone();
        let found = aws.table.clouds.aws.refusal_of_session(&role, &token, name, duration).await;
        aws.table.check(&format!("session {name} for {duration}"), found.as_deref(), expected);
    }
}
