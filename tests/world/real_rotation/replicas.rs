//! Three processes on one database, behind one address.

use serde_json::{Value, json};
use tokio::task::block_in_place;

use super::fast::{self, DIVISOR};
use super::postgres::Postgres;
use super::proxy::Proxy;
use crate::harness::{Answer, Installation, Process, Service, eventually};

pub(super) const COUNT: usize = 3;

pub(super) struct Replicas {
    pub(super) installation: Installation,
    pub(super) admin: String,
    services: Vec<Option<Service>>,
    proxy: Proxy,
}

impl Replicas {
    pub(super) async fn start(postgres: &Postgres) -> Self {
        let proxy = Proxy::start().await;
        let database = postgres.database("runmint").await;
        let installation = Installation::behind(&format!("{}/oidc", proxy.base_url), database)
            .configure(&fast::settings())
            .variable("RUNMINT_TEST_TIME_SCALE", &DIVISOR.to_string());
        let admin = block_in_place(|| installation.init(&[])).expect("the first one");
        let started: Vec<Process> = (0..COUNT).map(|_| installation.start(&["serve"])).collect();
        let services: Vec<_> =
            block_in_place(|| started.into_iter().map(|process| Some(Service::of(process))).collect());
        let replicas = Self { installation, admin, services, proxy };
        for number in 0..COUNT {
            replicas.announce(number);
        }
        replicas
    }

    pub(super) fn issuer(&self) -> String {
        format!("{}/oidc", self.proxy.base_url)
    }

    pub(super) fn base_url(&self) -> &str {
        &self.proxy.base_url
    }

    pub(super) fn service(&self, number: usize) -> &Service {
        self.services[number].as_ref().expect("it runs")
    }

    /// Runs of acme, as an orchestrator starts them.
    pub(super) async fn start_runs(&self, count: usize) -> Vec<Value> {
        let service = self.service(0);
        service.post(&self.admin, "/api/orgs", &json!({"name": "acme"})).await.ok();
        let mut runs = Vec::new();
        for _ in 0..count {
            runs.push(service.post(&self.admin, "/api/orgs/acme/runs", &Service::run()).await.ok());
        }
        runs
    }

    /// SIGKILL: the process loses its work and cannot say goodbye. The proxy finds out by itself.
    pub(super) fn kill(&mut self, number: usize) {
        drop(self.services[number].take());
    }

    pub(super) fn start_again(&mut self, number: usize) {
        self.services[number] = Some(block_in_place(|| self.installation.serve()));
        self.announce(number);
    }

    /// All of them publish the active key, the next key and perhaps the previous one, byte for byte alike.
    pub(super) async fn agree_on_the_key_set(&self) {
        eventually("all replicas publish the same keys", async || {
            let mut sets = Vec::new();
            for number in 0..COUNT {
                let Answer { headers, text, .. } =
                    self.service(number).get("", "/oidc/.well-known/jwks").await;
                sets.push((headers.get("etag").cloned(), text));
            }
            sets.iter().all(|set| *set == sets[0]) && [2, 3].contains(&sets[0].1.matches("\"kid\"").count())
        })
        .await;
    }

    fn announce(&self, number: usize) {
        self.proxy.addresses.write().unwrap()[number] = Some(self.service(number).address);
    }
}
