use std::fmt::Debug;
use std::str::FromStr;

use serde_json::{Value, json};

use super::*;

fn refuses<T: FromStr<Err: Debug> + Debug>(texts: &[&str]) {
    for text in texts {
        text.parse::<T>().expect_err(text);
    }
}

fn takes<T: FromStr<Err: Debug> + ToString>(texts: &[&str]) {
    for text in texts {
        assert_eq!(text.parse::<T>().expect(text).to_string(), *text);
    }
}

fn read(settings: Value) -> Result<CloudSettings, String> {
    serde_json::from_value(settings).map_err(|error| error.to_string())
}

#[test]
fn the_published_form_reads_and_writes() {
    let written = json!({
        "aws": {
            "roleArn": "arn:aws:iam::123456789012:role/deploy/website", "sessionName": "website-prod",
            "duration": "1h30m", "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            "region": "eu-central-1", "audience": "sts.acme.example",
        },
        "azure": {
            "clientId": "11111111-2222-3333-4444-555555555555",
            "tenantId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "subscriptionId": "01234567-89ab-cdef-0123-456789abcdef",
        },
        "gcp": {
            "projectId": "123456789012", "workloadPoolId": "runmint-pool", "providerId": "runmint",
            "serviceAccount": "deploy@acme-prod.iam.gserviceaccount.com", "region": "europe-west4",
            "tokenLifetime": "1h", "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
        },
    });
    let settings = read(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&settings).unwrap(), written);
    assert_eq!(settings.aws.unwrap().audience(), "sts.acme.example");
}

#[test]
fn the_least_that_each_cloud_needs_is_enough_and_has_its_default_audience() {
    let least = json!({
        "aws": {"roleArn": "arn:aws:iam::123456789012:role/deploy"},
        "azure": {
            "clientId": "11111111-2222-3333-4444-555555555555",
            "tenantId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        },
        "gcp": {"projectId": 42, "workloadPoolId": "pool", "providerId": "provider"},
    });
    let settings = read(least).unwrap();
    let (aws, azure, gcp) = (settings.aws.unwrap(), settings.azure.unwrap(), settings.gcp.unwrap());
    assert_eq!(aws.audience(), "sts.amazonaws.com");
    assert_eq!(azure.audience(), "api://AzureADTokenExchange");
    let provider =
        "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/pool/providers/provider";
    assert_eq!(gcp.provider_resource(), provider);
    assert_eq!(gcp.audience(), format!("https:{provider}"));
}

#[test]
fn unknown_and_missing_members_are_refused() {
    let role = "arn:aws:iam::123456789012:role/deploy";
    for (settings, why) in [
        (json!({"oracle": {}}), "unknown field `oracle`"),
        (json!({"aws": {}}), "missing field `roleArn`"),
        (json!({"aws": {"roleArn": role, "role_arn": role}}), "unknown field `role_arn`"),
        (json!({"aws": {"roleArn": role, "duration": "14m"}}), "840 s is out of bounds: 900 s to 43200 s"),
        (
            json!({"aws": {"roleArn": role, "policyArns": vec!["arn:aws:iam::aws:policy/X"; 11]}}),
            "at most 10",
        ),
        (json!({"aws": {"roleArn": role, "audience": " "}}), "no white space"),
        (
            json!({"gcp": {"projectId": "acme-prod", "workloadPoolId": "pool", "providerId": "provider"}}),
            "project number",
        ),
        (
            json!({"gcp": {"projectId": -1, "workloadPoolId": "pool", "providerId": "provider"}}),
            "not the project's name",
        ),
    ] {
        let error = read(settings.clone()).unwrap_err();
        assert!(error.contains(why), "{settings}: {error}");
    }
}

#[test]
fn names_have_the_form_that_their_cloud_gives_them() {
    takes::<RoleArn>(&[
        "arn:aws:iam::123456789012:role/a",
        "arn:aws-cn:iam::123456789012:role/a/b/c",
        "arn:aws-us-gov:iam::123456789012:role/A_+=,.@-z",
    ]);
    refuses::<RoleArn>(&[
        "",
        "deploy",
        "arn:aws:iam::12345678901:role/a",
        "arn:aws:iam::aws:role/a",
        "arn:aws:iam::123456789012:user/a",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role//a",
        "arn:aws:iam::123456789012:role/a b",
        "arn:aws:iam::123456789012:role/a\n",
        "arn:aws:iam::123456789012:role/*",
        "arn:evil:iam::123456789012:role/a",
        "arn:aws:sts::123456789012:assumed-role/a/b",
        &format!("arn:aws:iam::123456789012:role/{}", "a".repeat(129)),
    ]);
    takes::<SessionPolicyArn>(&[
        "arn:aws:iam::aws:policy/job-function/X",
        "arn:aws:iam::123456789012:policy/X",
    ]);
    refuses::<SessionPolicyArn>(&["arn:aws:iam::123456789012:role/X", "arn:aws:iam::aws:policy/*"]);
    takes::<RoleSessionName>(&["ab", &"a".repeat(64), "w_+=,.@-9"]);
    refuses::<RoleSessionName>(&["a", &"a".repeat(65), "a b", "a/b", "é2"]);
    takes::<Region>(&["us-east-1", "us-gov-west-1", "europe-west4", "global"]);
    refuses::<Region>(&["", "US-EAST-1", "us east", "us-east-", "1", "a.evil.example/x"]);
    takes::<Guid>(&["11111111-2222-3333-4444-55555555ABCD"]);
    refuses::<Guid>(&[
        "11111111222233334444555555555555",
        "11111111-2222-3333-4444-55555555555g",
        "acme.com",
    ]);
    takes::<ProjectNumber>(&["1", "123456789012"]);
    refuses::<ProjectNumber>(&["", "0", "012", "acme", "1.0", "12345678901234567890"]);
    takes::<PoolId>(&["pool", "a-1-b-2"]);
    refuses::<PoolId>(&["abc", "gcp-pool", "Pool", "po/ol", &"a".repeat(33)]);
    takes::<ServiceAccount>(&[
        "deploy@acme-prod.iam.gserviceaccount.com",
        "123-compute@developer.gserviceaccount.com",
        "deploy@acme.example.com.iam.gserviceaccount.com",
    ]);
    refuses::<ServiceAccount>(&[
        "deploy",
        "deploy@example.com",
        "@a.iam.gserviceaccount.com",
        "a@b@c.iam.gserviceaccount.com",
        "a@.gserviceaccount.com",
        "a@x..iam.gserviceaccount.com",
        "a/../b@x.iam.gserviceaccount.com",
    ]);
    takes::<Scope>(&["https://www.googleapis.com/auth/devstorage.read_only"]);
    refuses::<Scope>(&["cloud-platform", "https://", "https://x y", "http://x"]);
}

#[test]
fn a_duration_is_seconds_or_text_within_its_bounds() {
    type Session = CloudDuration<900, 43_200>;
    for (text, seconds) in [("900", 900), ("15m", 900), ("1h30m", 5_400), ("1h0m1s", 3_601), ("12h", 43_200)]
    {
        assert_eq!(text.parse::<Session>().map(Session::seconds), Ok(seconds), "{text}");
    }
    refuses::<Session>(&[
        "",
        "h",
        "1d",
        "30m1h",
        "1h1h",
        "1.5h",
        "-1h",
        "1h ",
        "1h30",
        "899",
        "12h1s",
        "18446744073709551615h",
    ]);
    for seconds in [900, 3_599, 3_600, 43_199] {
        let duration = Session::of_seconds(seconds).unwrap();
        assert_eq!(duration.to_string().parse(), Ok(duration));
        assert_eq!(serde_json::from_value::<Session>(json!(seconds)).unwrap(), duration);
    }
}

#[test]
fn clouds_that_are_not_configured_come_from_the_other_settings() {
    let aws = |role: &str| {
        read(json!({"aws": {"roleArn": format!("arn:aws:iam::123456789012:role/{role}")}})).unwrap()
    };
    let azure = read(json!({"azure": {
        "clientId": "11111111-2222-3333-4444-555555555555",
        "tenantId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    }}))
    .unwrap();
    let both = aws("mine").or(aws("theirs")).or(azure.clone());
    assert_eq!(both, CloudSettings { azure: azure.azure, ..aws("mine") });
    assert!(!both.is_empty() && CloudSettings::default().is_empty());
}
