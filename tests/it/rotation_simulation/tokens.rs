//! Tokens, from the process that signs them to the verifiers that check them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use runmint::flows::mint_id_token::{MintError, MintRequest, mint_id_token};
use runmint::flows::readiness::readiness;
use runmint::trust::token::UnverifiedToken;

use super::agenda::Event;
use super::policy::Balancer;
use super::replica::Replica;
use super::verifier::{Caching, Fetched, KeySet, Lookup, Then};
use super::world::{MINUTE, SECOND, World};
use crate::harness::{LEEWAY, verify};

const ISSUER: &str = "https://id.example.com/oidc";

pub(super) struct Token {
    pub(super) text: String,
    pub(super) kid: String,
    issued_at: Timestamp,
    not_before: Timestamp,
    expires_at: Timestamp,
    /// Whether its signature was verified.
    is_verified: bool,
}

impl Token {
    pub(super) fn read(text: String) -> Self {
        let token = UnverifiedToken::parse(&text).unwrap();
        let time =
            |name: &str| Timestamp::from_second(token.unverified_claims()[name].as_i64().unwrap()).unwrap();
        let (issued_at, not_before, expires_at) = (time("iat"), time("nbf"), time("exp"));
        let kid = token.key_id().unwrap().to_owned();
        Self { kid, issued_at, not_before, expires_at, is_verified: false, text }
    }
}

impl World {
    /// A token from some process, if it issues one.
    pub(super) async fn mint(&mut self) {
        let Some(number) = self.some_machine() else { return };
        if let Some(replica) = self.ask(number).await {
            self.mint_at(number, &replica).await;
        }
    }

    /// The same without a look before.
    pub(super) async fn mint_at(&mut self, number: usize, replica: &Arc<Replica>) {
        let (audience, algorithm) = if self.chance.percent(80) { ("es", "ES256") } else { ("rs", "RS256") };
        let lifetime = match self.chance.index(4) {
            0 => 60,
            1 => 3_600,
            2 => self.chance.between(60, 3_600),
            _ => 1_800,
        };
        let sleeps = self.perhaps_sleep_before_record(number, replica);
        let slept = replica.line.sleeps();
        let now = self.now();
        let certain = self.records.certain_signer(algorithm, now).is_some();
        // A process that lost the answer when it read the keys pauses before it asks again.
        let reads =
            replica.app.serving.standing().trouble.is_none() && !replica.is_blind.load(Ordering::SeqCst);
        let calm = reads && replica.line.is_calm() && self.is_within_bound(number);
        let must_refuse = self.machines[number].must_refuse;
        let request =
            MintRequest { audience: Some(audience), lifetime_seconds: Some(lifetime), caller: String::new() };
        let minted = mint_id_token(&replica.app, &self.run, request).await;
        replica.listen();
        let name = &self.machines[number].name;
        match minted {
            Ok(text) => {
                let token = Token::read(text);
                let kid = self.journal.name(&token.kid);
                self.journal.note(format_args!("{name} signs with {kid} for {lifetime} s"));
                self.journal.must(!must_refuse, || format!("{name} signs with a clock beyond the bound"));
                let revoked = self
                    .emergency
                    .lock()
                    .unwrap()
                    .as_ref()
                    .is_some_and(|emergency| emergency.kid == token.kid && emergency.at <= now);
                self.journal.must(!revoked, || format!("{name} signs with {kid}, which was revoked"));
                if sleeps || slept == replica.line.sleeps() {
                    self.key_signs_now(number, &token.kid).await;
                }
                self.totals.tokens += 1;
                self.will_be_shown(&token);
                self.tokens.push(token);
            }
            Err(error) => {
                self.journal.note(format_args!("{name} gives no token: {error}"));
                self.journal.must(!(calm && certain), || format!("{name} gives no token: {error}"));
                self.totals.refused_mints += 1;
                if must_refuse && matches!(error, MintError::Keys(_)) {
                    self.count_barred(number);
                }
            }
        }
        self.settle(number);
    }

    /// A process may be wrong about its key. The record of the token, by the database's clock, is not.
    async fn key_signs_now(&mut self, number: usize, kid: &str) {
        let now = self.now();
        self.records.check(now).await;
        let grace = self.regime.policy.timing.grace();
        let life = &self.records.find(kid).expect("what signs is recorded").life;
        let begun = life.signs_from.is_some_and(|from| from <= now + grace);
        let ended = life.signs_until.is_some_and(|until| until <= now - grace);
        self.journal.must(begun && !ended && life.revoked_at.is_none(), || {
            format!("{} signed with {} outside its time", self.machines[number].name, self.journal.name(kid))
        });
    }

    fn will_be_shown(&mut self, token: &Token) {
        let now = self.now();
        for (number, verifier) in self.verifiers.iter().enumerate() {
            // Its clock decides, with this leeway.
            let last = token.expires_at + verifier.leeway - verifier.off_by - SECOND;
            let at_once = now + self.chance.duration(SignedDuration::ZERO, SECOND * 2);
            let sometime = now + self.chance.duration(SECOND, last.duration_since(now).max(SECOND * 2));
            for at in [at_once, sometime, last] {
                self.agenda.add(at, Event::Show { token: self.tokens.len(), verifier: number });
            }
        }
    }

    pub(super) async fn show(&mut self, token: usize, verifier: usize) {
        let by_its_clock = self.now() + self.verifiers[verifier].off_by;
        let leeway = self.verifiers[verifier].leeway;
        let Token { not_before, expires_at, .. } = self.tokens[token];
        if by_its_clock - leeway >= expires_at || by_its_clock + leeway < not_before {
            self.totals.outside += 1;
            return;
        }
        // It fetches when it starts.
        let polls = matches!(self.verifiers[verifier].caching, Caching::Poller(_));
        if polls && self.verifiers[verifier].current().is_none() {
            return;
        }
        self.totals.shown += 1;
        let kid = self.tokens[token].kid.clone();
        match self.look_up(verifier, &kid).await {
            Lookup::Has(fetched) => {
                self.verify(token, &fetched.set, by_its_clock);
                self.accepted(verifier, &kid, &fetched);
            }
            Lookup::Unanswered => self.totals.unanswered += 1,
            Lookup::Lacks | Lookup::Fetch(_) => self.refused(verifier, &kid),
        }
    }

    pub(super) async fn look_up(&mut self, verifier: usize, kid: &str) -> Lookup {
        let mut decided = false;
        loop {
            let now = self.now();
            let lookup = self.verifiers[verifier].look_up(kid, now, decided);
            let Lookup::Fetch(then) = lookup else {
                if matches!(lookup, Lookup::Has(_)) {
                    self.verifiers[verifier].uses(now);
                }
                return lookup;
            };
            let fetched = self.fetch(Balancer::HeedsNothing).await;
            decided = fetched.is_none() || then == Then::Decide;
            self.verifiers[verifier].take(fetched, now);
        }
    }

    /// Verifies in full the first time and occasionally after that: a key id is the thumbprint of its key.
    fn verify(&mut self, token: usize, set: &KeySet, by_its_clock: Timestamp) {
        if self.tokens[token].is_verified && !self.chance.percent(2) {
            return;
        }
        let token = &mut self.tokens[token];
        // Only the ends of the validity matter here: this verifier may allow more leeway than ours.
        let earliest = token.issued_at - LEEWAY;
        let now = by_its_clock.max(earliest).min(token.expires_at + LEEWAY - SECOND);
        let verified = verify(&token.text, &set.jwks, ISSUER, now);
        self.journal.must(verified.is_ok(), || format!("a token does not verify: {:?}", verified.err()));
        token.is_verified = true;
        self.totals.signatures += 1;
    }

    fn accepted(&mut self, verifier: usize, kid: &str, fetched: &Fetched) {
        *self.totals.accepted_by(self.verifiers[verifier].caching) += 1;
        if let Some(trusted_until) = self.trusted_until(verifier, kid) {
            let (verifier, now) = (&self.verifiers[verifier], self.now());
            self.journal.must(now <= trusted_until || verifier.last_fetch_failed, || {
                let (name, at) = (self.journal.name(kid), self.journal.at(fetched.at));
                format!(
                    "{:?} still accepts {name}, which was revoked, from its fetch at {at}",
                    verifier.caching
                )
            });
        }
    }

    fn refused(&mut self, verifier: usize, kid: &str) {
        let revoked = self.emergency.lock().unwrap().as_ref().is_some_and(|emergency| emergency.kid == kid);
        if revoked {
            return;
        }
        let verifier = &self.verifiers[verifier];
        let of = |fetched: &Fetched| {
            format!(
                "fetched at {}, heard at {}",
                self.journal.at(fetched.at),
                self.journal.at(fetched.heard_at)
            )
        };
        self.journal.wrong(format_args!(
            "{:?} refuses a good token of {} ({})",
            verifier.caching,
            self.journal.name(kid),
            verifier.current().map(of).unwrap_or_default()
        ));
    }

    pub(super) async fn poll(&mut self, number: usize) {
        let Caching::Poller(every) = self.verifiers[number].caching else { return };
        let fetched = self.fetch(self.regime.polls_through).await;
        let again = if fetched.is_some() { every } else { (MINUTE * 10).min(every) };
        let now = self.now();
        self.verifiers[number].take(fetched, now);
        self.agenda.add(now + again, Event::Poll(number));
    }

    /// From the first process that answers.
    async fn fetch(&mut self, through: Balancer) -> Option<Fetched> {
        let mut numbers: Vec<usize> = (0..self.machines.len()).collect();
        self.chance.shuffle(&mut numbers);
        for number in numbers {
            if let Some(replica) = self.ask(number).await
                && self.is_chosen(through, number, &replica).await
                && let Some(fetched) = self.fetch_from(number, &replica).await
            {
                self.totals.fetches += 1;
                return Some(fetched);
            }
        }
        self.totals.unanswered_fetches += 1;
        None
    }

    async fn is_chosen(&mut self, through: Balancer, number: usize, replica: &Replica) -> bool {
        match through {
            Balancer::HeedsNothing => true,
            Balancer::HeedsReadiness => {
                let is_ready = readiness(&replica.app).await.is_ready();
                replica.listen();
                self.settle(number);
                is_ready && !replica.line.has_crashed()
            }
        }
    }

    pub(super) async fn fetch_from(&mut self, number: usize, replica: &Arc<Replica>) -> Option<Fetched> {
        let answer = replica.key_set().await;
        self.settle(number);
        let now = self.now();
        let machine = &self.machines[number];
        let heard_at = replica.heard_at();
        let fresh_until = heard_at.map(|at| at + self.regime.policy.serve_stale);
        let Some(publication) = answer else {
            let must = fresh_until.is_some_and(|until| now < until) && !machine.stepped;
            self.journal.must(!must, || format!("{} does not answer, and its keys are fresh", machine.name));
            return None;
        };
        let heard_at = heard_at.expect("what answers has heard");
        let late = fresh_until.is_some_and(|until| now > until + self.forgiven());
        self.journal.must(!late, || {
            format!("{} serves what it heard at {}", machine.name, self.journal.at(heard_at))
        });
        let etag = &publication.jwks.etag;
        let set = if let Some(set) = self.sets.iter().find(|set| set.etag == *etag) {
            Arc::clone(set)
        } else {
            let jwks = serde_json::from_slice(&publication.jwks.body).unwrap();
            let set = Arc::new(KeySet { jwks, etag: etag.clone() });
            self.sets.push(Arc::clone(&set));
            set
        };
        self.journal.must(set.jwks.keys.len() >= 2, || "a key set without a key of each algorithm".into());
        self.is_free_of_revoked(&set, number);
        Some(Fetched { set, at: now, heard_at })
    }
}
