//! Keys in AWS KMS, with moto as the stand-in (`tests/clients/python/kms.py`).

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::aws_kms::{AwsKmsKeys, AwsKmsSettings};
use runmint::signing::generate::RsaBits;
use runmint::signing::key_store::{KeyStore, KeyStoreError};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::key_modules::lives;
use crate::key_modules::own_process::{Variables, each_in_its_own_process, given};

pub(super) const ENDPOINT: &str = "RUNMINT_TEST_KMS_ENDPOINT";
const SECRET_KEY: &str = "secret-access-key-of-a-test";

mod on_moto {
    use super::each_in_its_own_process;

    each_in_its_own_process!(super::moto:
        keys_are_created_used_and_destroyed,
        keys_of_3072_bits_are_created_used_and_destroyed,
        several_threads_sign_concurrently,
        the_error_includes_the_message_of_kms,
    );
}

mod on_moto_over_https {
    use super::each_in_its_own_process;

    each_in_its_own_process!(super::moto_over_https: keys_are_created_used_and_destroyed);
}

mod without_kms {
    use super::each_in_its_own_process;

    each_in_its_own_process!(super::only_credentials:
        an_unreachable_endpoint_is_reported,
        a_missing_region_stops_the_start,
    );
    each_in_its_own_process!(super::nothing: without_credentials_no_request_is_sent);
}

fn keys_are_created_used_and_destroyed() {
    let runtime = Runtime::new().unwrap();
    let connect = || connect(&runtime, &given(ENDPOINT), RsaBits::Bits2048);
    let (store, again) = (connect(), connect());
    for algorithm in SigningAlgorithm::ALL {
        lives::a_key_lives_and_dies(&store, &again, algorithm, 256);
    }
}

fn keys_of_3072_bits_are_created_used_and_destroyed() {
    let runtime = Runtime::new().unwrap();
    let connect = |rsa_bits| connect(&runtime, &given(ENDPOINT), rsa_bits);
    let (store, again) = (connect(RsaBits::Bits3072), connect(RsaBits::Bits2048));
    lives::a_key_lives_and_dies(&store, &again, SigningAlgorithm::Rs256, 384);
}

fn several_threads_sign_concurrently() {
    let runtime = Runtime::new().unwrap();
    lives::several_threads_sign_concurrently(&connect(&runtime, &given(ENDPOINT), RsaBits::Bits2048));
}

/// Uses a key with the wrong algorithm.
fn the_error_includes_the_message_of_kms() {
    let runtime = Runtime::new().unwrap();
    let store = connect(&runtime, &given(ENDPOINT), RsaBits::Bits2048);
    let new = store.generate(SigningAlgorithm::Es256).unwrap();
    let signer = store.open(&lives::stored(&new, SigningAlgorithm::Rs256)).unwrap();
    assert_eq!(
        signer.sign(b"input").unwrap_err().to_string(),
        "signing failed: aws-kms refused: Sign: InvalidKeyUsageException: ECC_NIST_P256 does not sign \
         RSASSA_PKCS1_V1_5_SHA_256 (status 400)"
    );
}

fn an_unreachable_endpoint_is_reported() {
    let runtime = Runtime::new().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let store = connect(&runtime, &format!("http://{closed}"), RsaBits::Bits2048);
    let error = store.generate(SigningAlgorithm::Es256).err().unwrap();
    assert!(matches!(error, KeyStoreError::Unreachable { .. }));
    let shown = error.to_string();
    assert!(shown.starts_with("aws-kms does not answer: CreateKey: "), "{shown}");
    assert!(shown.contains("Connection refused") && !shown.contains(SECRET_KEY), "{shown}");
}

fn a_missing_region_stops_the_start() {
    let runtime = Runtime::new().unwrap();
    let settings = AwsKmsSettings { endpoint: None, region: None, rsa_bits: RsaBits::Bits2048 };
    let error = runtime.block_on(AwsKmsKeys::connect(settings, runtime.handle().clone())).err().unwrap();
    assert_eq!(error.to_string(), "aws-kms refused: no region is set: set aws_kms_region or AWS_REGION");
}

fn without_credentials_no_request_is_sent() {
    let runtime = Runtime::new().unwrap();
    let store = connect(&runtime, "http://127.0.0.1:9", RsaBits::Bits2048);
    let error = store.generate(SigningAlgorithm::Es256).err().unwrap().to_string();
    assert!(error.starts_with("aws-kms does not answer: CreateKey: "), "{error}");
    assert!(error.contains("credentials"), "{error}");
}

fn connect(runtime: &Runtime, endpoint: &str, rsa_bits: RsaBits) -> AwsKmsKeys {
    let settings = AwsKmsSettings {
        endpoint: Some(endpoint.to_owned()),
        region: Some("eu-central-1".to_owned()),
        rsa_bits,
    };
    let connected = runtime.block_on(AwsKmsKeys::connect(settings, runtime.handle().clone()));
    connected.unwrap_or_else(|error| panic!("{error}"))
}

pub(super) struct Moto(Child);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn moto() -> (Moto, Variables) {
    start(&[], "http")
}

fn moto_over_https() -> ((TempDir, Moto), Variables) {
    let folder = TempDir::new().unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (moto, mut variables) = start(&[&certificate, &key], "https");
    // Replaces the operating system's certificate authorities.
    variables.push(("SSL_CERT_FILE", certificate.to_str().unwrap().to_owned()));
    ((folder, moto), variables)
}

fn start(arguments: &[&Path], scheme: &str) -> (Moto, Variables) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/clients/venv/bin/python");
    assert!(python.exists(), "the test clients are not installed: run scripts/install-clients");
    let child = Command::new(python)
        .arg(root.join("tests/clients/python/kms.py"))
        .args(arguments)
        // It exits by itself if this process is killed.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut moto = Moto(child);
    let mut port = String::new();
    BufReader::new(moto.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    assert!(!port.is_empty(), "kms.py ended early: run scripts/install-clients");
    let ((), mut variables) = only_credentials();
    variables.push((ENDPOINT, format!("{scheme}://127.0.0.1:{}", port.trim())));
    (moto, variables)
}

fn only_credentials() -> ((), Variables) {
    let ((), mut variables) = nothing();
    variables.push(("AWS_ACCESS_KEY_ID", "AKIATEST".to_owned()));
    variables.push(("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()));
    ((), variables)
}

/// Removes even what the test machine would provide.
fn nothing() -> ((), Variables) {
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    ((), variables.map(|(name, value)| (name, value.to_owned())).to_vec())
}
