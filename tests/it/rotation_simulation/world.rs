//! A database, processes that serve, and verifiers that trust them, for months.
//!
//! All times are true time, which advances from event to event. Around every event it advances by seconds,
//! and every process looks at its own interval. It leaps over longer periods in which nothing is due.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use runmint::clock::Clock;
use runmint::domain::organization::KeyChoice;
use runmint::domain::run::Run;
use runmint::flows::access_tokens::{NewAccessToken, Scope, create_access_token};
use runmint::flows::initialize::ensure_signing_keys;
use runmint::flows::organizations::create_organization;
use runmint::flows::start_run::{StartRun, start_run};
use runmint::store::Store;
use uuid::Uuid;

use super::agenda::{Agenda, Event, Trouble};
use super::chance::Chance;
use super::emergency::Emergency;
use super::journal::Journal;
use super::policy::{self, Regime};
use super::records::Records;
use super::replica::{Replica, Site, SkewedClock};
use super::tokens::Token;
use super::totals::Totals;
use super::verifier::{Caching, KeySet, Verifier};
use crate::harness::{ManualClock, TestDatabase};

pub(super) const SECOND: SignedDuration = SignedDuration::from_secs(1);
pub(super) const MINUTE: SignedDuration = SignedDuration::from_mins(1);
pub(super) const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Time advances by seconds from this long before an automatic event,
const BEFORE: SignedDuration = SignedDuration::from_secs(12);
/// until this long after it, or after a fault.
const AFTER: SignedDuration = SignedDuration::from_secs(24);
pub(super) const AFTER_TROUBLE: SignedDuration = SignedDuration::from_secs(12);
/// The longest time without a look.
const LEAP: SignedDuration = SignedDuration::from_hours(24 * 4);

/// The machine that a process runs on.
#[expect(clippy::struct_excessive_bools, reason = "any of these facts may hold beside any other")]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) store: Store,
    pub(super) clock: Arc<SkewedClock>,
    pub(super) running: Option<Arc<Replica>>,
    /// It is paused: it neither looks nor answers.
    pub(super) frozen: bool,
    pub(super) gone: bool,
    pub(super) looked_at: Option<Timestamp>,
    pub(super) next_look: Timestamp,
    /// Its clock is beyond the bound, and it can know.
    pub(super) must_refuse: bool,
    /// Its clock has stepped since it last had contact to the database.
    pub(super) stepped: bool,
    /// Its last look completed and found everything in order.
    pub(super) in_order: bool,
}

pub(super) struct World {
    pub(super) chance: Chance,
    pub(super) regime: Regime,
    pub(super) site: Site,
    pub(super) journal: Arc<Journal>,
    pub(super) records: Records,
    pub(super) machines: Vec<Machine>,
    pub(super) verifiers: Vec<Verifier>,
    pub(super) agenda: Agenda,
    pub(super) tokens: Vec<Token>,
    pub(super) sets: Vec<Arc<KeySet>>,
    pub(super) emergency: Arc<Mutex<Option<Emergency>>>,
    pub(super) database: TestDatabase,
    /// The entity tags of the key set by revision.
    pub(super) etags: HashMap<i64, String>,
    pub(super) run: Run,
    pub(super) operator: Uuid,
    pub(super) busy_until: Timestamp,
    /// An operator who rotates as soon as it is allowed.
    pub(super) eager: u32,
    pub(super) totals: Totals,
    end: Timestamp,
}

impl World {
    pub(super) async fn new(
        seed: u64,
        database: TestDatabase,
        truth: Arc<ManualClock>,
        journal: Arc<Journal>,
    ) -> Self {
        let mut chance = Chance::of(seed);
        let regime = policy::choose(&mut chance);
        let site = Site::new(&database.url, truth, regime.policy);
        let start = site.truth.now();
        journal.note(format_args!("{:?}", regime.policy));

        let store = site.connect().await;
        let first = site.process(&store, &site.clock(SignedDuration::ZERO));
        assert!(ensure_signing_keys(&first.app).await.unwrap());
        let (run, operator) = tenant(&first, start + regime.watched + HOUR).await;
        let connection = database.connect().await;
        let mut records = Records::new(connection, Arc::clone(&journal), regime.policy);
        let deadline = run.expires_at.as_millisecond();
        records.execute(&format!("UPDATE runs SET expires_at = {deadline}")).await;
        drop(first);
        let mut world = Self {
            eager: if chance.percent(40) { 2 } else { 0 },
            end: start + regime.watched,
            verifiers: verifiers(&mut chance, regime.poll_every),
            chance,
            regime,
            site,
            journal,
            records,
            machines: Vec::new(),
            agenda: Agenda::default(),
            tokens: Vec::new(),
            sets: Vec::new(),
            emergency: Arc::default(),
            database,
            etags: HashMap::new(),
            run,
            operator,
            busy_until: start + MINUTE,
            totals: Totals { seeds: 1, ..Totals::default() },
        };
        world.add_machine(store).await;
        for _ in 0..world.chance.between(1, 2) {
            let store = world.site.connect().await;
            world.add_machine(store).await;
        }
        world.make_plans();
        world
    }

    pub(super) fn now(&self) -> Timestamp {
        self.site.truth.now()
    }

    /// Runs to the end.
    pub(super) async fn live(&mut self) {
        while self.now() < self.end {
            if self.now() < self.busy_until || self.turn_is_near() {
                self.step().await;
            } else {
                self.leap().await;
            }
        }
        self.come_to_rest().await;
    }

    async fn add_machine(&mut self, store: Store) {
        let bound = self.regime.policy.timing.clock_bound;
        let off_by = self.chance.duration(-bound, bound);
        let number = self.machines.len();
        self.machines.push(Machine {
            name: format!("replica {number}"),
            store,
            clock: self.site.clock(off_by),
            running: None,
            frozen: false,
            gone: false,
            looked_at: None,
            next_look: self.now(),
            must_refuse: false,
            stepped: false,
            in_order: false,
        });
        self.journal.note(format_args!("replica {number} joins, its clock off by {off_by:#}"));
        self.start(number).await;
    }

    pub(super) async fn join(&mut self) {
        let store = self.site.connect().await;
        self.add_machine(store).await;
    }

    fn make_plans(&mut self) {
        let start = self.now();
        let watched = self.regime.watched;
        let sometime = |chance: &mut Chance| start + chance.duration(MINUTE, watched);
        for trouble in [
            Trouble::Crash,
            Trouble::Lose,
            Trouble::Freeze,
            Trouble::CutOff,
            Trouble::Blind,
            Trouble::Outage,
            Trouble::StepClock,
            Trouble::BreakClock,
            Trouble::Rotate,
            Trouble::Join,
            Trouble::Leave,
        ] {
            for _ in 0..2 {
                if self.chance.percent(35) {
                    let at = sometime(&mut self.chance);
                    self.agenda.add(at, Event::Trouble(trouble));
                }
            }
        }
        if self.chance.percent(50) {
            let at = sometime(&mut self.chance);
            self.agenda.add(at, Event::Trouble(Trouble::Emergency));
        }
        for _ in 0..12 {
            let at = sometime(&mut self.chance);
            self.agenda.add(at, Event::Mint);
        }
        for (number, verifier) in self.verifiers.iter().enumerate() {
            if let Caching::Poller(every) = verifier.caching {
                let at = start + self.chance.duration(SECOND, every);
                self.agenda.add(at, Event::Poll(number));
            }
        }
    }

    fn turn_is_near(&self) -> bool {
        let now = self.now();
        self.records.turns(self.eager > 0).into_iter().any(|turn| turn - BEFORE <= now && now <= turn + AFTER)
    }

    /// Some seconds in which every process looks at its own interval.
    async fn step(&mut self) {
        let until = self.now() + self.chance.duration(SECOND / 10, SECOND * 4);
        self.walk(until).await;
        let now = self.now();
        let mut due: Vec<usize> =
            (0..self.machines.len()).filter(|&number| self.machines[number].next_look <= now).collect();
        due.sort_by_key(|&number| self.machines[number].next_look);
        for number in due {
            self.perhaps_a_mishap(number);
            self.look(number).await;
        }
        if self.chance.percent(6) {
            self.mint().await;
        }
        self.perhaps_rotate().await;
        self.perhaps_trouble().await;
    }

    async fn leap(&mut self) {
        let now = self.now();
        self.records.check(now).await;
        let next = self.records.turns(self.eager > 0).into_iter().filter(|turn| *turn > now).min();
        let until = next.map_or(self.end, |turn| turn - BEFORE).min(self.end);
        // If an operation waits for a process, any look may complete it.
        let waits = self.records.is_late(now);
        let until = until.min(now + if waits { MINUTE * 2 } else { LEAP });
        self.walk(until.max(now + SECOND)).await;
        if waits { self.everybody_looks().await } else { self.everybody_keeps_up().await }
    }

    /// Lets time pass and runs the agenda; ends early when something happens.
    async fn walk(&mut self, until: Timestamp) {
        let leaping = until > self.now() + MINUTE;
        while let Some((at, event)) = self.agenda.take_until(until) {
            self.site.truth.set(at.max(self.now()));
            let quiet = matches!(event, Event::Mint | Event::Show { .. } | Event::Poll(_) | Event::Forge);
            if !quiet && leaping {
                self.everybody_keeps_up().await;
            }
            self.happens(event).await;
            if !quiet && leaping {
                return;
            }
        }
        self.site.truth.set(until.max(self.now()));
    }

    async fn happens(&mut self, event: Event) {
        match event {
            Event::Mint => self.mint().await,
            Event::Show { token, verifier } => self.show(token, verifier).await,
            Event::Poll(verifier) => self.poll(verifier).await,
            Event::Forge => self.forge().await,
            Event::Trouble(trouble) => self.trouble(trouble).await,
            Event::Recover(machine, recovery) => self.recover(machine, recovery).await,
            Event::OutageEnds => self.end_outage(),
        }
    }

    /// A period without faults, after which all processes agree and nothing is left over.
    async fn come_to_rest(&mut self) {
        self.heal().await;
        let mut revision = -1;
        let mut rounds = 0;
        while std::mem::replace(&mut revision, self.records.revision()) != self.records.revision() {
            rounds += 1;
            self.journal.must(rounds < 10, || "the keys change on and on".into());
            let at = self.now() + SECOND * 12;
            self.site.truth.set(at);
            for number in 0..self.machines.len() {
                self.look(number).await;
            }
            self.records.check(at).await;
        }
        let now = self.now();
        for machine in &self.machines {
            let Some(replica) = &machine.running else { continue };
            let served = replica.app.serving.peek();
            self.journal.must(served.revision == self.records.revision(), || {
                format!("{} does not know the newest keys", machine.name)
            });
        }
        let grace = self.regime.policy.timing.grace() + MINUTE;
        for key in &self.records.keys {
            let ended = key.life.signs_until.is_some_and(|until| until + grace < now);
            self.journal.must(!(ended && key.life.has_private_half), || {
                format!("the private half of {} still exists", self.journal.name(&key.kid))
            });
            self.totals.rotations += u64::from(key.life.signs_from.is_some());
            self.totals.removals += u64::from(key.life.removed_at.is_some());
        }
        self.check_emergency().await;
        self.totals.days = self.regime.watched.as_hours().unsigned_abs() / 24;
    }
}

async fn tenant(replica: &Replica, until: Timestamp) -> (Run, Uuid) {
    let app = &replica.app;
    let new = NewAccessToken {
        name: "first".into(),
        scope: Scope::Admin,
        expires_in_seconds: None,
        created_by: None,
    };
    let operator = create_access_token(app, new).await.unwrap().token.id;
    let organization = create_organization(app, "acme", KeyChoice::default()).await.unwrap();
    let attributes = [("project", "website"), ("stack", "staging"), ("operation", "update")];
    let request = StartRun {
        service: "deploy".into(),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ttl_seconds: None,
        audiences: None,
    };
    let started = start_run(app, &organization, request, operator, None).await.unwrap();
    (Run { expires_at: until, ..started.run }, operator)
}

fn verifiers(chance: &mut Chance, poll_every: SignedDuration) -> Vec<Verifier> {
    let all = [
        Caching::MaxAge,
        Caching::GoOidc2,
        Caching::GoOidc3,
        Caching::Jose,
        Caching::PyJwt,
        Caching::Microsoft,
        Caching::Poller(poll_every),
        Caching::Minio,
    ];
    let mut verifier = |caching| {
        let leeway = if chance.percent(30) { MINUTE * 5 } else { MINUTE };
        Verifier::new(caching, chance.duration(MINUTE * -2, MINUTE * 2), leeway)
    };
    all.into_iter().map(&mut verifier).collect()
}
