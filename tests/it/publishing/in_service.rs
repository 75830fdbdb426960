//! `publish_to` in a running service: no key signs before every static copy has it, and no key takes over
//! while a copy is broken.

use std::fs;
use std::path::PathBuf;

use jiff::SignedDuration;
use runmint::app::App;
use runmint::clock::Clock;
use runmint::copies::Target;
use runmint::flows::publish_copies::publish_copies;
use runmint::flows::readiness::readiness;
use runmint::flows::rotate_keys::{RotateError, look_after_keys, rotate_now};
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::keyring::{IssuerId, RingId};
use runmint::signing::rotation::Hold;
use runmint::store::Store;
use serde_json::{Value, json};
use uuid::Uuid;

use runmint_testing::places::{Fault, Shelf};

use crate::harness::{Installation, SharedKeys, TestApp, eventually, on_both_engines, sealing_key_text};

mod installed {
    use super::no_key_signs_before_every_copy_has_it;
    use crate::harness::installed_on_both_engines;

    installed_on_both_engines![no_key_signs_before_every_copy_has_it];
}

on_both_engines![
    another_process_writes_what_one_cannot,
    an_expired_claim_gives_no_right_to_write,
    a_process_that_stops_leaves_its_turn_to_the_others,
    no_key_takes_over_on_request_while_a_copy_is_broken,
    no_key_takes_over_when_it_is_due_while_a_copy_is_broken,
    a_lost_copy_is_restored_and_raises_an_alarm,
];

const SHARED: RingId = RingId { issuer: IssuerId::Shared, algorithm: SigningAlgorithm::Rs256 };
/// The number of looks for which a process that failed yields to the others.
const PAUSE: usize = 3;
const CLAIM: SignedDuration = SignedDuration::from_secs(25);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn no_key_signs_before_every_copy_has_it(installation: Installation) {
    let folder = installation.path("site");
    let target = format!("publish_to = 'file://{}'", folder.display());
    let installation = installation.configure(&target);
    // A file occupies the place of the copy.
    fs::write(&folder, "in the way").unwrap();
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    service.ask(&run).await.problem(503, "unavailable");
    service.process.log_line("could not write the static copy");
    eventually("it is an alarm", async || {
        service.get("", "/readyz").await.text.contains("static copies that need attention: 1")
    })
    .await;
    let readiness = service.get("", "/readyz").await;
    assert_eq!(readiness.status, 503);
    let checks = readiness.text.parse::<Value>().unwrap()["checks"].clone();
    assert_eq!(checks["signing_key"], "the signing key is not in the static copies yet");
    assert!(
        checks["rotation"].as_str().unwrap().contains("static copies that need attention: 1"),
        "{checks}"
    );
    let alarms = service.get(&admin, "/api/keys").await.ok()["alarms"].to_string();
    assert!(alarms.contains("could not write the static copy"), "{alarms}");
    assert!(service.get("", "/metrics").await.text.contains("\nrunmint_ready 0\n"));
    service.ask(&run).await.problem(503, "unavailable");
    fs::remove_file(&folder).unwrap();
    eventually("the copy is written", async || service.ask(&run).await.status == 200).await;
    service.process.log_line("the static copy is in order again");

    let token = service.ask(&run).await.ok()["value"].as_str().unwrap().to_owned();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let copy = |name: &str| fs::read_to_string(folder.join("oidc/.well-known").join(name)).unwrap();
    assert!(copy("jwks").contains(&kid));
    let discovery: Value = serde_json::from_str(&copy("openid-configuration")).unwrap();
    assert_eq!(discovery["issuer"], Installation::ISSUER);
    // Every change is published automatically.
    let served = async || service.get("", "/oidc/.well-known/jwks").await.text;
    eventually("the next key is in the copy", async || {
        served().await.matches("kid").count() == 2 && copy("jwks") == served().await
    })
    .await;
    assert_eq!(service.get("", "/readyz").await.status, 200);

    // An operator who revokes a key learns which copies still contain it.
    let keys = service.get(&admin, "/api/keys").await.ok();
    let next = keys["keys"].as_array().unwrap().iter().find(|key| key["state"] == "next").unwrap().clone();
    let revoke = format!("/api/keys/{}/revoke", next["kid"].as_str().unwrap());
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "in the way").unwrap();
    let revoked = service.post(&admin, &revoke, &json!({"compromised": true})).await.ok();
    assert_eq!(revoked["copies_with_the_key"], json!([format!("file://{}", folder.display())]));
    fs::remove_file(&folder).unwrap();
    let revoke = format!("/api/keys/{kid}/revoke");
    let revoked = service.post(&admin, &revoke, &json!({"compromised": true})).await.ok();
    assert_eq!(revoked["copies_with_the_key"], json!([]));
    assert!(!copy("jwks").contains(&kid));
}

async fn another_process_writes_what_one_cannot(app: TestApp) {
    let (refusing, shelf) = (Shelf::start(Fault::RefusesAndRepeats).await, Shelf::start(Fault::None).await);
    let bucket = |shelf: &Shelf| Target::parse("s3://documents/site", &shelf.as_s3()).unwrap();
    let unable = process(&app, bucket(&refusing)).await;
    let able = process(&app, bucket(&shelf)).await;
    look(&unable).await;
    let before = readiness(&unable).await;
    assert_eq!(before.signing_key.as_deref(), Some("the signing key is not in the static copies yet"));
    assert!(!before.is_ready());
    assert_eq!(alarms(&unable).len(), 1);
    // No time passes, and the process that cannot write always looks first.
    for _ in 0..PAUSE {
        look(&unable).await;
        look(&able).await;
    }
    assert_eq!(shelf.written().len(), 2);
    for process in [&unable, &able] {
        look(process).await;
        let now = readiness(process).await;
        assert_eq!((now.signing_key, now.rotation), (None, None));
        assert_eq!(alarms(process), [""; 0]);
    }
}

async fn an_expired_claim_gives_no_right_to_write(app: TestApp) {
    let (store, slow, quick) = (&app.inner().store, Uuid::from_u128(1), Uuid::from_u128(2));
    store.want_copy("a copy", DAY).await.unwrap();
    let claim = async |by| store.claim_copy("a copy", by, CLAIM).await.unwrap().is_some();
    let renew = async |by| store.renew_claim("a copy", by, CLAIM).await.unwrap();
    assert!(claim(slow).await);
    assert!(!claim(quick).await);
    assert!(renew(slow).await);
    app.clock.advance(CLAIM);
    assert!(!renew(slow).await, "it was paused");
    assert!(!store.record_copy("a copy", slow, 1).await.unwrap());
    assert!(claim(quick).await);
    assert!(!renew(slow).await);
    assert!(!store.record_copy("a copy", slow, 1).await.unwrap());
    store.distrust_copy("a copy", slow).await.unwrap();
    assert!(store.record_copy("a copy", quick, 2).await.unwrap());
    store.distrust_copy("a copy", slow).await.unwrap();
    assert_eq!(store.copies().await.unwrap()[0].revision, Some(2));
}

async fn a_process_that_stops_leaves_its_turn_to_the_others(app: TestApp) {
    let (store, ending, other) = (&app.inner().store, Uuid::from_u128(1), Uuid::from_u128(2));
    store.want_copy("a copy", DAY).await.unwrap();
    assert!(store.claim_copy("a copy", ending, CLAIM).await.unwrap().is_some());
    store.end_lease(ending).await.unwrap();
    assert!(store.claim_copy("a copy", other, CLAIM).await.unwrap().is_some());
}

async fn no_key_takes_over_on_request_while_a_copy_is_broken(app: TestApp) {
    let site = Site::of(&app);
    let process = process(&app, site.target()).await;
    live(&app, &process, DAY).await;
    let active = signer(&app, &process);
    site.break_it();
    // No process has checked it since.
    refused(&process, &site).await;
    look(&process).await;
    let [alarm] = alarms(&process).try_into().unwrap();
    assert!(alarm.starts_with("could not write the static copy"), "{alarm}");
    let broken = readiness(&process).await;
    assert!(broken.is_ready(), "verifiers know the key that signs");
    assert!(broken.rotation.unwrap().contains("static copies that need attention: 1"));
    app.clock.advance(MINUTE * 6);
    look(&process).await;
    refused(&process, &site).await;
    assert_eq!(signer(&app, &process), active);

    site.mend();
    for _ in 0..=PAUSE {
        look(&process).await;
    }
    look(&process).await;
    assert_eq!(alarms(&process), [""; 0]);
    // It must be published for the max-age first.
    refused(&process, &site).await;
    live(&app, &process, MINUTE * 5).await;
    let (next, _) = rotate_now(&process, SHARED).await.unwrap();
    assert!(site.key_set().contains(&next));
}

async fn no_key_takes_over_when_it_is_due_while_a_copy_is_broken(app: TestApp) {
    let site = Site::of(&app);
    let process = process(&app, site.target()).await;
    let active = signer(&app, &process);
    live(&app, &process, DAY * 30 - MINUTE * 3).await;
    site.break_it();
    for _ in 0..5 {
        live(&app, &process, MINUTE).await;
    }
    assert_eq!(signer(&app, &process), active, "it is two minutes late");
    assert!(alarms(&process).iter().any(|alarm| alarm.starts_with("could not write the static copy")));
    site.mend();
    for _ in 0..=PAUSE + 7 {
        live(&app, &process, MINUTE).await;
    }
    assert_ne!(signer(&app, &process), active);
    assert!(site.key_set().contains(&signer(&app, &process)));
    assert_eq!(alarms(&process), [""; 0]);
}

async fn a_lost_copy_is_restored_and_raises_an_alarm(app: TestApp) {
    let site = Site::of(&app);
    let process = process(&app, site.target()).await;
    live(&app, &process, DAY).await;
    let right = site.key_set();
    fs::write(site.key_set_path(), "{}").unwrap();
    refused(&process, &site).await;
    assert_eq!(site.key_set(), right);
    look(&process).await;
    let [alarm] = alarms(&process).try_into().unwrap();
    assert!(alarm.starts_with("the static copy was lost or changed"), "{alarm}");
    live(&app, &process, MINUTE * 10).await;
    look(&process).await;
    assert_eq!(alarms(&process), [""; 0]);
    // Without help it is noticed within the hour.
    fs::write(site.key_set_path(), "{}").unwrap();
    live(&app, &process, MINUTE * 60).await;
    assert_eq!(site.key_set(), right);
    look(&process).await;
    assert_eq!(alarms(&process).len(), 1);
    live(&app, &process, MINUTE * 5).await;
    rotate_now(&process, SHARED).await.unwrap();
}

/// The folder of the copy.
struct Site(PathBuf);

impl Site {
    fn of(app: &TestApp) -> Self {
        Self(app.folder().join("site"))
    }

    fn target(&self) -> Target {
        Target::parse(&self.name(), &[]).unwrap()
    }

    fn name(&self) -> String {
        format!("file://{}", self.0.display())
    }

    fn key_set_path(&self) -> PathBuf {
        self.0.join("oidc/.well-known/jwks")
    }

    fn key_set(&self) -> String {
        fs::read_to_string(self.key_set_path()).unwrap()
    }

    /// Blocks the place of the copy.
    fn break_it(&self) {
        fs::remove_dir_all(&self.0).unwrap();
        fs::write(&self.0, "in the way").unwrap();
    }

    fn mend(&self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// Another process on the app's database and clock that has looked once.
async fn process(app: &TestApp, target: Target) -> App {
    let settings = app.settings();
    let store = Store::open(settings.exposed_database_url(), 2).await.unwrap().with_clock(app.clock.clone());
    let stores = SharedKeys::stores_from(&sealing_key_text(), &[], 6);
    let process = App::new(&settings, store, stores, vec![target], app.clock.clone(), app.entropy.clone());
    look_after_keys(&process).await.unwrap();
    process
}

/// The work that a process does every five seconds, in the least favourable order.
async fn look(process: &App) {
    publish_copies(process).await.unwrap();
    look_after_keys(process).await.unwrap();
}

/// Lets time pass, with looks before and after.
async fn live(app: &TestApp, process: &App, time: SignedDuration) {
    look(process).await;
    app.clock.advance(time);
    look(process).await;
    look(process).await;
}

fn signer(app: &TestApp, process: &App) -> String {
    let served = process.serving.peek();
    served.keyring.signer(SHARED, &process.rotation, app.clock.now()).unwrap().kid().to_owned()
}

fn alarms(process: &App) -> Vec<String> {
    process.serving.notices().alarms().iter().map(|alarm| alarm.what.clone()).collect()
}

async fn refused(process: &App, site: &Site) {
    let outcome = rotate_now(process, SHARED).await;
    let Err(RotateError::Held(Hold::Publications(copies))) = outcome else { panic!("{outcome:?}") };
    assert_eq!(copies, [site.name()]);
}
