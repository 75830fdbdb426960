use runmint::trust::token::Algorithm;
use serde_json::{Value, json};

use super::{NOW, SUBJECT, Table, crowd, jwks, tampered};
use crate::clouds::entra::{FederatedCredential, MAX_CREDENTIALS};
use crate::foreign_issuer::{ForeignKey, Reply, signing_input};

const AUDIENCE: &str = "api://AzureADTokenExchange";
const APPLICATION: &str = "0f3a1c52-93be-4d7a-8a55-1d2e3f405162";
const MALFORMED: &str = "invalid_request AADSTS50027: ";

struct Entra {
    table: Table,
}

impl Entra {
    async fn claims(&mut self, name: &str, change: Value, expected: Option<&str>) {
        let token = self.table.rsa.token(&self.table.claims(AUDIENCE, &change));
        self.token(name, &token, expected).await;
    }

    async fn token(&mut self, name: &str, token: &str, expected: Option<&str>) {
        let found = self.table.clouds.entra.refusal(APPLICATION, token).await;
        self.table.check(name, found.as_deref(), expected);
    }
}

fn credential(table: &Table, subject: &str) -> FederatedCredential {
    FederatedCredential {
        client_id: APPLICATION.to_owned(),
        issuer: table.issuer.url.clone(),
        subject: subject.to_owned(),
        audience: AUDIENCE.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_for_entra_refuses_like_entra() {
    let table = Table::new().await;
    table.clouds.entra.add_credential(credential(&table, SUBJECT)).unwrap();
    let mut entra = Entra { table };
    matching(&mut entra).await;
    times(&mut entra).await;
    forms(&mut entra).await;
    keys(&mut entra).await;
    issuers(&mut entra).await;
    entra.table.finish("Entra");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_holds_at_most_twenty_credentials() {
    let table = Table::new().await;
    let entra = &table.clouds.entra;
    for number in 0..MAX_CREDENTIALS {
        entra.add_credential(credential(&table, &format!("subject {number}"))).unwrap();
    }
    assert!(entra.add_credential(credential(&table, SUBJECT)).is_err(), "the twenty-first");
    entra.remove_credentials();
    entra.add_credential(credential(&table, SUBJECT)).unwrap();
    assert!(entra.add_credential(credential(&table, SUBJECT)).is_err(), "the same once more");
    assert!(entra.add_credential(credential(&table, &"s".repeat(601))).is_err(), "too long");
}

async fn matching(entra: &mut Entra) {
    let no_match = "No matching federated identity record found for presented assertion";
    entra.claims("a good one", json!({}), None).await;
    let subject = format!("invalid_client AADSTS700213: {no_match} subject '");
    let issuer = format!("invalid_client AADSTS700211: {no_match} issuer '");
    let audience = format!("invalid_client AADSTS700212: {no_match} audience '");
    for (name, change, expected) in [
        ("another subject", json!({"sub": "runmint:x"}), &subject),
        ("another case", json!({"sub": SUBJECT.replace("acme", "Acme")}), &subject),
        ("a space behind", json!({"sub": format!("{SUBJECT} ")}), &subject),
        ("another issuer", json!({"iss": "https://id.example.com"}), &issuer),
        ("a slash more", json!({"iss": format!("{}/", entra.table.issuer.url)}), &issuer),
        ("a space before the issuer", json!({"iss": format!(" {}", entra.table.issuer.url)}), &issuer),
        ("another audience", json!({"aud": "sts.amazonaws.com"}), &audience),
        ("two audiences", json!({"aud": [AUDIENCE, "other"]}), &audience),
    ] {
        entra.claims(name, change, Some(expected)).await;
    }
    entra.claims("one audience in an array", json!({"aud": [AUDIENCE]}), None).await;
    // A credential with a pattern is compared literally.
    let pattern = format!("{}:*", SUBJECT.split(":operation").next().unwrap());
    entra.table.clouds.entra.remove_credentials();
    entra.table.clouds.entra.add_credential(credential(&entra.table, &pattern)).unwrap();
    entra.claims("a pattern", json!({}), Some(&subject)).await;
    entra.table.clouds.entra.remove_credentials();
    let nobody = "unauthorized_client AADSTS700016: Application with identifier '";
    entra.claims("an application without credentials", json!({}), Some(nobody)).await;
    entra.table.clouds.entra.add_credential(credential(&entra.table, SUBJECT)).unwrap();
    let own = json!({"iss": "https://login.microsoftonline.com/x/v2.0"});
    entra.claims("a token of its own", own, Some("invalid_client AADSTS700222: AAD-issued tokens")).await;
}

async fn times(entra: &mut Entra) {
    let range =
        "invalid_client AADSTS700024: Client assertion is not within its valid time range. Current time: ";
    entra.claims("over within the leeway", json!({"exp": NOW - 299}), None).await;
    entra.claims("over", json!({"exp": NOW - 301}), Some(range)).await;
    entra.claims("not yet", json!({"nbf": NOW + 301}), Some(range)).await;
    let long = json!({"exp": NOW + 25 * 3600});
    entra.claims("for longer than a day", long, Some("invalid_request AADSTS70023: ")).await;
    for claim in ["iat", "exp"] {
        entra.claims(claim, json!({claim: null}), Some(MALFORMED)).await;
    }
}

async fn forms(entra: &mut Entra) {
    let good = entra.table.claims(AUDIENCE, &json!({}));
    for (name, token) in
        [("words", "not a token"), ("two parts", "e30.e30"), ("a line break", "e30.e30.e30\n")]
    {
        entra.token(name, token, Some(MALFORMED)).await;
    }
    for claim in ["iss", "sub", "aud"] {
        entra.claims(claim, json!({claim: null}), Some(MALFORMED)).await;
    }
    let twice = good.to_string().replacen('{', &format!("{{\"sub\":\"{SUBJECT}\","), 1);
    let rsa = entra.table.rsa.clone();
    let twice = rsa.signed(&signing_input(&rsa.header().to_string(), &twice));
    entra.token("a claim twice", &twice, Some(MALFORMED)).await;
    let signature = "invalid_client AADSTS700027: Client assertion failed signature validation.";
    entra.token("a tampered signature", &tampered(&rsa.token(&good)), Some(signature)).await;
    for algorithm in ["ES256", "RS512", "PS256"] {
        let key = ForeignKey::new("odd", Algorithm::named(algorithm).unwrap(), 1);
        entra.table.issuer.publish(&[&key]);
        entra.token(algorithm, &key.token(&good), Some("invalid_client AADSTS5002738: ")).await;
    }
    entra.table.honest();
}

async fn keys(entra: &mut Entra) {
    let (rsa, second) = (entra.table.rsa.clone(), ForeignKey::rs256("second", 1));
    let good = entra.table.claims(AUDIENCE, &json!({}));
    let no_id = rsa.token_with(&json!({"alg": "RS256"}), &good);
    let good = rsa.token(&good);
    let unknown = "invalid_client AADSTS7000272: ";
    for (name, token, keys, expected) in [
        ("an unknown key", &good, jwks(&[&second]), Some(unknown)),
        ("no key id", &no_id, jwks(&[&rsa]), Some(unknown)),
        ("the hundredth key", &good, [crowd(&rsa, 99), jwks(&[&rsa])].concat(), None),
        ("the hundred and first", &good, [crowd(&rsa, 100), jwks(&[&rsa])].concat(), Some(unknown)),
    ] {
        entra.table.keys(&keys);
        entra.token(name, token, expected).await;
    }
    entra.table.honest();
}

async fn issuers(entra: &mut Entra) {
    let good = entra.table.rsa.token(&entra.table.claims(AUDIENCE, &json!({})));
    entra.table.issuer.discovery(Reply::status("503 Service Unavailable"));
    entra.token("no discovery", &good, Some("invalid_request AADSTS50166: ")).await;
    let mut document = entra.table.discovery();
    document["issuer"] = json!(format!("{}/", entra.table.issuer.url));
    entra.table.issuer.discovery_says(&document);
    entra.token("another issuer in discovery", &good, Some("invalid_client AADSTS700221: ")).await;
    for member in ["issuer", "jwks_uri", "subject_types_supported"] {
        let mut document = entra.table.discovery();
        document.as_object_mut().unwrap().remove(member);
        entra.table.issuer.discovery_says(&document);
        entra.token(member, &good, Some("invalid_request AADSTS70024: ")).await;
    }
    entra.table.honest();
    entra.table.issuer.keys(Reply::text("{}"));
    entra.token("a key set without keys", &good, Some("invalid_request AADSTS900612: ")).await;
    entra.table.honest();
}
