//! Addresses and settings, before any store is contacted.

use runmint::copies::{Object, PublishError, Target};

use runmint_testing::places::variables;

const ACCOUNT: (&str, &str) = ("AZURE_STORAGE_ACCOUNT_NAME", "documents");

#[test]
fn a_target_shows_its_address() {
    for (url, shown) in [
        ("file:///srv/www", "file:///srv/www"),
        ("file:///srv/www/", "file:///srv/www"),
        ("s3://documents", "s3://documents"),
        ("s3://documents/a/b", "s3://documents/a/b"),
        ("gs://documents.example.com/a", "gs://documents.example.com/a"),
        ("az://$web/a", "az://$web/a"),
    ] {
        let target = Target::parse(url, &variables(&[ACCOUNT])).unwrap();
        assert_eq!(target.to_string(), shown);
        assert_eq!(format!("{target:?}"), format!("Target({shown})"));
    }
}

#[test]
fn refuses_an_address_that_is_invalid_or_could_hold_a_secret() {
    for url in [
        "",
        "documents",
        "s3:documents",
        "s3://",
        "s3:///a",
        "s3://documents:443/a",
        "s3://doc uments/a",
        "s3://documents/a//b",
        "s3://key:hunter2@documents/a",
        "az://hunter2@documents/a",
        "az://documents/a?sv=2021&sig=hunter2",
        "gs://documents/a#hunter2",
        "file://srv/www",
        "file:srv/www",
        "ftp://documents/a",
        "https://documents.s3.amazonaws.com/a?X-Amz-Signature=hunter2",
    ] {
        let error = Target::parse(url, &variables(&[ACCOUNT])).unwrap_err();
        assert!(matches!(error, PublishError::Target { .. }), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn invalid_settings_are_refused_without_quoting_them() {
    for (url, settings, why) in [
        ("az://documents", &[][..], "Account must be specified"),
        ("az://documents", &[ACCOUNT, ("AZURE_STORAGE_ACCOUNT_KEY", "hunter2!")], "its key is not base64"),
        ("s3://documents", &[("AWS_SECRET_ACCESS_KEY", "hunter2")], "Missing AccessKeyId"),
        ("s3://documents", &[("AWS_ALLOW_HTTP", "perhaps")], "perhaps"),
        ("s3://documents", &[("AWS_ALLOW_INVALID_CERTIFICATES", "true")], "is not accepted"),
        ("s3://documents", &[("AWS_SESSION_TOKEN", "hunter2\n")], "AWS_SESSION_TOKEN has a line break"),
        (
            "gs://documents",
            &[("GOOGLE_SERVICE_ACCOUNT_KEY", "\"hunter2\"")],
            "not the JSON of a service account",
        ),
        ("gs://documents", &[("GOOGLE_SERVICE_ACCOUNT", "/nowhere/key.json")], "/nowhere/key.json"),
    ] {
        let error = Target::parse(url, &variables(settings)).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn empty_variables_and_those_of_another_store_are_ignored() {
    let settings = variables(&[
        ("AWS_ALLOW_HTTP", ""),
        ("AWS_PAGER", "less"),
        ("AZURE_ALLOW_INVALID_CERTIFICATES", "true"),
        ("HOME", "/nowhere"),
    ]);
    Target::parse("s3://documents", &settings).unwrap();
}

#[tokio::test]
async fn refuses_a_path_that_would_not_be_the_object_key_verbatim() {
    let target = Target::parse("file:///nowhere", &[]).unwrap();
    for path in ["", "/", "/jwks", "jwks/", "a//b", "../jwks", "./jwks", "a\nb"] {
        let objects = [Object { path: path.to_owned(), body: Vec::new() }];
        let error = target.publish(&objects, "no-cache").await.unwrap_err();
        assert_eq!(error, PublishError::Path { path: path.to_owned() });
    }
}

#[tokio::test]
async fn refuses_an_invalid_cache_control_header() {
    let target = Target::parse("file:///nowhere", &[]).unwrap();
    for value in ["", "public\r\nx: y", "öffentlich"] {
        let error = target.publish(&[], value).await.unwrap_err();
        assert_eq!(error, PublishError::CacheControl { value: value.to_owned() });
    }
}
