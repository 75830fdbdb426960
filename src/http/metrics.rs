//! `/metrics`, in the Prometheus text format. Nothing in it names an organization, a run or a caller.

use std::sync::Arc;

use axum::extract::State;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Api;
use super::answer::Text;
use super::problem::Problem;
use crate::flows::readiness::{readiness, stopped_looking};
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::IssuerId;
use crate::signing::rotation::KeyState;

type ByAlgorithmAndState = Family<Vec<(&'static str, &'static str)>, Gauge>;

#[expect(
    clippy::too_many_lines,
    reason = "one statement for each metric, in the order in which they are written"
)]
pub async fn metrics(State(api): State<Arc<Api>>) -> Result<Text<String>, Problem> {
    let app = &api.app;
    let readiness = readiness(app).await;
    let (served, now) = (app.serving.served(), app.clock.now());
    let mut registry = Registry::with_prefix("runmint");
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge("ready", "1 when this process can mint", i64::from(readiness.is_ready()));
    if let Some(age) = readiness.jwks_age_seconds {
        gauge(
            "jwks_age_seconds",
            "Since when the served key set was last known to be what the database says",
            age,
        );
    }
    gauge(
        "rotation_alarms",
        "Key rings that need an operator; /readyz and the log say why",
        i64::try_from(app.serving.notices().alarms().len()).unwrap_or(i64::MAX)
            + i64::from(app.serving.standing().trouble.is_some())
            + i64::from(stopped_looking(app, app.clock.now()).is_some()),
    );
    gauge(
        "rotation_reminders",
        "Key rings whose next key has to be uploaded somewhere soon; `runmint keys list` says where",
        i64::try_from(app.serving.notices().reminders().len()).unwrap_or(i64::MAX),
    );
    let off = app.serving.standing().clock_off_by.is_some();
    gauge("clock_off", "1 when this machine's clock is too far from the database's", i64::from(off));
    let (keys, ages) = (ByAlgorithmAndState::default(), ByAlgorithmAndState::default());
    for (ring, key) in served.keyring.all() {
        let state = key.life.state_at(now);
        let labels = vec![("algorithm", ring.algorithm.as_str()), ("state", state.as_str())];
        keys.get_or_create(&labels).inc();
        if state == KeyState::Active
            && ring.issuer == IssuerId::Shared
            && let Some(from) = key.life.signs_from
        {
            ages.get_or_create(&vec![("algorithm", ring.algorithm.as_str())])
                .set(now.duration_since(from).as_secs());
        }
    }
    registry.register("signing_keys", "Published keys of all issuers", keys);
    registry.register("active_key_age_seconds", "For how long the shared issuer's key has signed", ages);
    let due = ByAlgorithmAndState::default();
    for algorithm in SigningAlgorithm::ALL {
        let ring = crate::signing::keyring::RingId { issuer: IssuerId::Shared, algorithm };
        let active = served.keyring.keys(ring).iter().find(|key| key.life.is_designated());
        if let Some(at) = active.and_then(|key| app.rotation.due_at(&key.life)) {
            due.get_or_create(&vec![("algorithm", algorithm.as_str())]).set(at.as_second());
        }
    }
    registry.register(
        "rotation_due_timestamp_seconds",
        "When the shared issuer's next key should take over",
        due,
    );
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| Problem::unavailable())?;
    Ok(Text("application/openmetrics-text; version=1.0.0; charset=utf-8", text))
}
