//! Keys on a SoftHSM token; `scripts/install-tools` installs SoftHSM.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::generate::RsaBits;
use runmint::signing::key_store::{KeyStore, KeyStoreError, StoredKey};
use runmint::signing::pkcs11::{Pkcs11Keys, Pkcs11Settings};
use tempfile::TempDir;

use crate::key_modules::lives;
use crate::key_modules::own_process::{Variables, each_in_its_own_process, given};

pub(super) const LABEL: &str = "signing keys";
const OTHER_LABEL: &str = "somebody else's";
pub(super) const PIN: &str = "correct-pin-734";
const WRONG_PIN: &str = "wrong-pin-5519";
const MODULE: &str = "RUNMINT_TEST_PKCS11_MODULE";

mod on_softhsm {
    use super::each_in_its_own_process;

    each_in_its_own_process!(super::token:
        keys_are_created_used_and_destroyed,
        keys_of_3072_bits_are_created_used_and_destroyed,
        private_keys_do_not_leave_the_token,
        several_threads_sign_concurrently,
        the_store_recovers_from_a_logout,
        a_logout_disturbs_no_thread,
        the_store_recovers_from_a_restart_of_the_module,
        a_wrong_pin_is_tried_once,
        an_unknown_token_is_reported_with_the_available_ones,
        refuses_a_file_that_is_not_a_module,
        a_malformed_reference_names_no_key,
    );
}

mod on_softhsm_that_does_not_hash {
    use super::each_in_its_own_process;

    each_in_its_own_process!(super::token_that_does_not_hash: keys_are_created_used_and_destroyed);
}

fn keys_are_created_used_and_destroyed() {
    let (store, again) = (open(RsaBits::Bits2048), open(RsaBits::Bits2048));
    for algorithm in SigningAlgorithm::ALL {
        lives::a_key_lives_and_dies(&store, &again, algorithm, 256);
    }
}

fn keys_of_3072_bits_are_created_used_and_destroyed() {
    let (store, again) = (open(RsaBits::Bits3072), open(RsaBits::Bits2048));
    lives::a_key_lives_and_dies(&store, &again, SigningAlgorithm::Rs256, 384);
}

fn private_keys_do_not_leave_the_token() {
    let store = open(RsaBits::Bits2048);
    for algorithm in SigningAlgorithm::ALL {
        store.generate(algorithm).unwrap();
    }
    let session = session();
    session.login(UserType::User, Some(&PIN.into())).unwrap_err();
    let keys = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
    assert_eq!(keys.len(), SigningAlgorithm::ALL.len());
    for key in keys {
        let asked = [
            AttributeType::Token,
            AttributeType::Private,
            AttributeType::Sensitive,
            AttributeType::AlwaysSensitive,
            AttributeType::Extractable,
            AttributeType::NeverExtractable,
            AttributeType::Sign,
            AttributeType::Label,
        ];
        assert_eq!(
            session.get_attributes(key, &asked).unwrap(),
            [
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::AlwaysSensitive(true),
                Attribute::Extractable(false),
                Attribute::NeverExtractable(true),
                Attribute::Sign(true),
                Attribute::Label(b"runmint".to_vec()),
            ]
        );
        for secret in [AttributeType::PrivateExponent, AttributeType::Prime1, AttributeType::Value] {
            assert!(!matches!(session.get_attributes(key, &[secret]), Ok(shown) if !shown.is_empty()));
        }
    }
}

fn several_threads_sign_concurrently() {
    lives::several_threads_sign_concurrently(&open(RsaBits::Bits2048));
}

/// A logout in one session logs out the whole process.
fn the_store_recovers_from_a_logout() {
    let store = open(RsaBits::Bits2048);
    for algorithm in SigningAlgorithm::ALL {
        let new = store.generate(algorithm).unwrap();
        let key = lives::signing_key(&store, &new, algorithm);
        lives::assert_signs(&key);
        session().logout().unwrap();
        lives::assert_signs(&key);
        session().logout().unwrap();
        store.open(&lives::stored(&new, algorithm)).unwrap();
        session().logout().unwrap();
        store.generate(algorithm).unwrap();
        session().logout().unwrap();
        store.destroy(&lives::stored(&new, algorithm)).unwrap();
        assert!(matches!(store.open(&lives::stored(&new, algorithm)), Err(KeyStoreError::NoSuchKey { .. })));
    }
    // One key of each algorithm is left, with its private and public half.
    assert_eq!(session().find_objects(&[]).unwrap().len(), 2 * SigningAlgorithm::ALL.len());
}

/// Operations of other threads may be in progress at that moment.
fn a_logout_disturbs_no_thread() {
    let store = open(RsaBits::Bits2048);
    let new = store.generate(SigningAlgorithm::Rs256).unwrap();
    let key = lives::signing_key(&store, &new, SigningAlgorithm::Rs256);
    let (under_way, begun) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..8 {
            let (under_way, key) = (under_way.clone(), &key);
            scope.spawn(move || {
                lives::assert_signs(key);
                under_way.send(()).unwrap();
                (0..50).for_each(|_| lives::assert_signs(key));
            });
        }
        drop(under_way);
        for _ in 0..8 {
            begun.recv().unwrap();
        }
        session().logout().unwrap();
    });
}

/// Sessions and handles do not survive it.
fn the_store_recovers_from_a_restart_of_the_module() {
    let store = open(RsaBits::Bits2048);
    let new = store.generate(SigningAlgorithm::Es256).unwrap();
    let key = lives::signing_key(&store, &new, SigningAlgorithm::Es256);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| lives::assert_signs(&key));
        }
    });
    Pkcs11::new(given(MODULE)).unwrap().finalize().unwrap();
    let restarted = Pkcs11::new(given(MODULE)).unwrap();
    restarted.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    lives::assert_signs(&key);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| lives::assert_signs(&key));
        }
    });
}

fn a_wrong_pin_is_tried_once() {
    let error = failure_of(Pkcs11Settings { pin: WRONG_PIN.into(), ..settings() });
    assert_eq!(
        error,
        "pkcs11 refused: the PIN of token `signing keys` is wrong: correct it and restart (it was tried \
         once; more attempts could lock the token)"
    );

    // The PIN changes while in use: many threads must not exhaust the tries that the token allows.
    let store = open(RsaBits::Bits2048);
    let new = store.generate(SigningAlgorithm::Es256).unwrap();
    let key = lives::signing_key(&store, &new, SigningAlgorithm::Es256);
    let session = session();
    session.set_pin(&PIN.into(), &"changed-pin-22".into()).unwrap();
    session.logout().unwrap();
    for _ in 0..20 {
        let error = key.probe().unwrap_err().to_string();
        assert!(
            error.contains("the PIN of token `signing keys` is wrong") && !error.contains(PIN),
            "{error}"
        );
    }
    session.login(UserType::User, Some(&"changed-pin-22".into())).unwrap();
}

fn an_unknown_token_is_reported_with_the_available_ones() {
    let error = failure_of(Pkcs11Settings { token_label: "siging keys".to_owned(), ..settings() });
    let (start, labels) = error.split_once("; the module shows ").unwrap();
    assert_eq!(start, "pkcs11 does not answer: token `siging keys` was not found");
    let mut labels: Vec<&str> = labels.split(", ").collect();
    labels.sort_unstable();
    assert_eq!(labels, ["`signing keys`", "`somebody else's`"]);
}

fn refuses_a_file_that_is_not_a_module() {
    let error = failure_of(Pkcs11Settings { module: "/nonexistent/module.so".into(), ..settings() });
    assert!(error.starts_with("pkcs11 refused: could not load module /nonexistent/module.so: "), "{error}");
}

/// They cannot be used to destroy a key either.
fn a_malformed_reference_names_no_key() {
    let store = open(RsaBits::Bits2048);
    let algorithm = SigningAlgorithm::Es256;
    let new = store.generate(algorithm).unwrap();
    for private_key in ["", "pkcs11:id=", "pkcs11:id=00", "pkcs11:id=zz", "arn:aws:kms:x"] {
        let stored = StoredKey { kid: "kid", algorithm, private_key };
        assert!(matches!(store.open(&stored), Err(KeyStoreError::NoSuchKey { .. })));
        store.destroy(&stored).unwrap();
    }
    lives::signing_key(&store, &new, algorithm).probe().unwrap();
}

fn settings() -> Pkcs11Settings {
    Pkcs11Settings {
        module: given(MODULE).into(),
        token_label: LABEL.to_owned(),
        pin: PIN.into(),
        rsa_bits: RsaBits::Bits2048,
    }
}

fn open(rsa_bits: RsaBits) -> Pkcs11Keys {
    Pkcs11Keys::open(Pkcs11Settings { rsa_bits, ..settings() }).unwrap_or_else(|error| panic!("{error}"))
}

fn failure_of(settings: Pkcs11Settings) -> String {
    let error = Pkcs11Keys::open(settings).err().unwrap();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(PIN) && !shown.contains(WRONG_PIN), "{shown}");
    error.to_string()
}

/// A session beside the store's own, logged in like them.
fn session() -> Session {
    let module = Pkcs11::new(given(MODULE)).unwrap();
    let slots = module.get_slots_with_initialized_token().unwrap();
    let ours = |slot: &_| module.get_token_info(*slot).unwrap().label() == LABEL;
    module.open_rw_session(slots.into_iter().find(ours).unwrap()).unwrap()
}

pub(super) fn token() -> (TempDir, Variables) {
    softhsm("")
}

fn token_that_does_not_hash() -> (TempDir, Variables) {
    softhsm("slots.mechanisms = -CKM_SHA256_RSA_PKCS")
}

/// A folder with two tokens, and the variables that point to them.
fn softhsm(more_configuration: &str) -> (TempDir, Variables) {
    let folder = TempDir::new().unwrap();
    let configuration = folder.path().join("softhsm2.conf");
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let text =
        format!("directories.tokendir = {}\nlog.level = ERROR\n{more_configuration}\n", tokens.display());
    std::fs::write(&configuration, text).unwrap();
    for (label, pin) in [(OTHER_LABEL, "1111"), (LABEL, PIN)] {
        let output = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "12345678"])
            .env("SOFTHSM2_CONF", &configuration)
            .output()
            .expect("softhsm2-util starts; scripts/install-tools installs it");
        assert!(output.status.success(), "{output:?}");
    }
    let variables = vec![
        ("SOFTHSM2_CONF", configuration.to_str().unwrap().to_owned()),
        (MODULE, module().to_str().unwrap().to_owned()),
    ];
    (folder, variables)
}

pub(super) fn module() -> PathBuf {
    let folders =
        ["/usr/lib/softhsm", "/usr/lib64/pkcs11", "/opt/homebrew/lib/softhsm", "/usr/local/lib/softhsm"];
    let candidates = folders.map(|folder| Path::new(folder).join("libsofthsm2.so"));
    candidates.into_iter().find(|path| path.exists()).expect("SoftHSM is installed by scripts/install-tools")
}
