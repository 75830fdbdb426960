//! Rotation with a period of seconds: a minute in production takes 0.4 s here.

use std::time::Duration;

use runmint::signing::rotation::Timing;

/// Every time that is not a setting is divided by this. The lease is then 133 ms, four looks at the database:
/// as short as a busy machine with two cores can keep. If it cannot, tokens wait.
pub(crate) const DIVISOR: u32 = 150;

/// The other settings follow from this one, as close to their minimums as whole seconds allow.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(4);
/// Longer than the database is away.
pub(super) const SERVE_STALE: Duration = Duration::from_secs(5);
pub(super) const PUBLISH_AHEAD: Duration = Duration::from_secs(8);
pub(super) const KEEP_PUBLISHED: Duration = Duration::from_secs(10);
pub(super) const ROTATE_EVERY: Duration = Duration::from_secs(19);

pub(super) fn timing() -> Timing {
    Timing::faster(DIVISOR)
}

/// Lines of the configuration file.
pub(crate) fn settings() -> String {
    let settings = [
        ("token_lifetime", TOKEN_LIFETIME),
        ("token_lifetime_max", TOKEN_LIFETIME),
        ("serve_stale", SERVE_STALE),
        ("publish_ahead", PUBLISH_AHEAD),
        ("keep_published", KEEP_PUBLISHED),
        ("rotate_every", ROTATE_EVERY),
    ];
    settings.map(|(name, duration)| format!("{name} = '{}s'\n", duration.as_secs())).concat()
}

/// Milliseconds, the unit in the database.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}
