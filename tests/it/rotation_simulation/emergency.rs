//! A stolen key, and the operator who revokes it.

use std::sync::Arc;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use runmint::flows::make_key::make_key;
use runmint::issuer::claims::{IdTokenClaims, Issuance};
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::keyring::{IssuerId, RingId};
use runmint::signing::signing_key::SigningKey;
use uuid::Uuid;

use super::agenda::Event;
use super::journal::Journal;
use super::replica::Replica;
use super::tokens::Token;
use super::verifier::{KeySet, Lookup};
use super::world::{HOUR, SECOND, World};
use crate::harness::TestDatabase;

pub(super) struct Emergency {
    pub(super) kid: String,
    pub(super) at: Timestamp,
    /// The thief's copy.
    stolen: Option<Arc<SigningKey>>,
    /// The number of its tokens recorded by then.
    recorded: i64,
    forgeries_planned: bool,
}

/// All that is needed to revoke a key, even while another process is in the middle of an operation.
pub(super) struct Alarm {
    pub(super) replica: Arc<Replica>,
    pub(super) kid: String,
    pub(super) algorithm: SigningAlgorithm,
    pub(super) operator: Uuid,
    pub(super) database: TestDatabase,
    pub(super) journal: Arc<Journal>,
    pub(super) emergency: Arc<Mutex<Option<Emergency>>>,
}

impl Alarm {
    pub(super) async fn raise(self) {
        let app = &self.replica.app;
        let ring = RingId { issuer: IssuerId::Shared, algorithm: self.algorithm };
        let stolen = app.serving.peek().keyring.find(&self.kid).and_then(|(_, key)| key.signing_key.clone());
        let fresh = make_key(app, ring).await.ok();
        let outcome = app.store.revoke_key(self.kid.clone(), app.rotation, self.operator, fresh).await;
        self.journal.note(format_args!("{} is revoked: {}", self.journal.name(&self.kid), outcome.is_ok()));
        // The answer may be lost after the revocation was carried out.
        let (revoked, tokens) = (
            format!("SELECT COALESCE(MAX(revoked_at), 0) FROM signing_keys WHERE kid = '{}'", self.kid),
            format!("SELECT COUNT(*) FROM id_tokens WHERE kid = '{}'", self.kid),
        );
        let at = Timestamp::from_millisecond(self.database.number(&revoked).await).unwrap();
        if at > Timestamp::UNIX_EPOCH {
            let recorded = self.database.number(&tokens).await;
            let emergency = Emergency { kid: self.kid, at, stolen, recorded, forgeries_planned: false };
            *self.emergency.lock().unwrap() = Some(emergency);
        }
    }
}

impl World {
    /// A key is stolen, usually the one that signs.
    pub(super) fn alarm(&mut self) -> Option<Alarm> {
        if self.emergency.lock().unwrap().is_some() {
            return None;
        }
        let number = self.some_machine()?;
        let replica = self.machines[number].running.clone()?;
        let signs_only = self.chance.percent(60);
        let now = self.now();
        let candidates: Vec<(String, SigningAlgorithm)> = self
            .records
            .keys
            .iter()
            .filter(|key| key.life.is_published())
            .filter(|key| !signs_only || self.regime.policy.signs_at(&key.life, now))
            .map(|key| (key.kid.clone(), SigningAlgorithm::parse(&key.algorithm).unwrap()))
            .collect();
        if candidates.is_empty() {
            return None;
        }
        let (kid, algorithm) = self.chance.one_of(&candidates).clone();
        Some(Alarm {
            replica,
            kid,
            algorithm,
            operator: self.operator,
            database: self.database.clone(),
            journal: Arc::clone(&self.journal),
            emergency: Arc::clone(&self.emergency),
        })
    }

    /// The thief keeps using the stolen key.
    pub(super) fn notice_emergency(&mut self) {
        let mut emergency = self.emergency.lock().unwrap();
        let Some(emergency) = emergency.as_mut().filter(|emergency| !emergency.forgeries_planned) else {
            return;
        };
        emergency.forgeries_planned = true;
        self.totals.emergencies += 1;
        let stale = self.regime.policy.serve_stale;
        for _ in 0..4 {
            let soon = emergency.at + self.chance.duration(SECOND, stale + HOUR);
            let later = emergency.at + stale + self.chance.duration(SECOND, HOUR * 30);
            self.agenda.add(soon, Event::Forge);
            self.agenda.add(later, Event::Forge);
        }
    }

    /// A forged token is presented to every verifier.
    pub(super) async fn forge(&mut self) {
        let now = self.now();
        let stolen = self.emergency.lock().unwrap().as_ref().and_then(|emergency| emergency.stolen.clone());
        let Some(key) = stolen else { return };
        let issuance = Issuance {
            issuer: "https://id.example.com/oidc",
            audience: "es",
            subject: &self.run.subject,
            jti: Uuid::nil(),
            issued_at: now,
            expires_at: now + HOUR,
        };
        let input = key.signing_input(&IdTokenClaims::new(&issuance, &self.run.claims)).unwrap();
        let token = Token::read(key.sign(input).unwrap());
        let kid = token.kid.clone();
        self.tokens.push(token);
        for verifier in 0..self.verifiers.len() {
            self.show(self.tokens.len() - 1, verifier).await;
            let accepted = matches!(self.verifiers[verifier].look_up(&kid, now, true), Lookup::Has(_));
            if accepted {
                self.totals.forged_accepted += 1;
            } else {
                self.totals.forged_refused += 1;
            }
        }
    }

    /// The time from which this verifier must not trust `kid`, if the key was revoked and a bound exists.
    pub(super) fn trusted_until(&self, verifier: usize, kid: &str) -> Option<Timestamp> {
        let emergency = self.emergency.lock().unwrap();
        let at = emergency.as_ref().filter(|emergency| emergency.kid == kid)?.at;
        Some(
            at + self.regime.policy.serve_stale
                + self.forgiven()
                + self.verifiers[verifier].believes_for()?,
        )
    }

    /// Clocks may step within their bound.
    pub(super) fn forgiven(&self) -> SignedDuration {
        self.regime.policy.timing.clock_bound * 2
    }

    /// A process does not serve a revoked key for longer than it may serve without contact to the database.
    pub(super) fn is_free_of_revoked(&self, set: &KeySet, number: usize) {
        let emergency = self.emergency.lock().unwrap();
        let Some(emergency) = emergency.as_ref().filter(|emergency| set.has(&emergency.kid)) else { return };
        let until = emergency.at + self.regime.policy.serve_stale + self.forgiven();
        self.journal.must(self.now() <= until, || {
            let (machine, kid) = (&self.machines[number].name, self.journal.name(&emergency.kid));
            format!("{machine} still serves {kid}, which was revoked at {}", self.journal.at(emergency.at))
        });
    }

    pub(super) async fn check_emergency(&mut self) {
        let emergency = self.emergency.lock().unwrap().as_ref().map(|one| (one.kid.clone(), one.recorded));
        let Some((kid, recorded)) = emergency else { return };
        let tokens = self.records.tokens_of(&kid).await;
        self.journal.must(tokens == recorded, || {
            format!(
                "{} tokens of {} were recorded after it was revoked",
                tokens - recorded,
                self.journal.name(&kid)
            )
        });
    }
}
