use jiff::SignedDuration;

use super::answers::StsError;

/// The parameters of `AssumeRoleWithWebIdentity`.
pub(super) struct Request {
    pub(super) role_arn: String,
    pub(super) session_name: String,
    pub(super) token: String,
    duration: String,
    provider_id: String,
}

const TOKEN_CHARACTERS: std::ops::RangeInclusive<usize> = 4..=20_000;
const NAME_CHARACTERS: std::ops::RangeInclusive<usize> = 2..=64;
const DURATION_SECONDS: std::ops::RangeInclusive<i64> = 900..=43_200;
const DEFAULT_SECONDS: i64 = 3600;

impl Request {
    pub(super) fn of(field: impl Fn(&str) -> String) -> Self {
        Self {
            role_arn: field("RoleArn"),
            session_name: field("RoleSessionName"),
            token: field("WebIdentityToken"),
            duration: field("DurationSeconds"),
            provider_id: field("ProviderId"),
        }
    }

    /// The checks made before the token is read. Returns the requested session duration.
    pub(super) fn check(&self) -> Result<SignedDuration, StsError> {
        let failing = |field: &str, value: &str, constraint: &str| {
            Err(StsError::validation(&format!(
                "1 validation error detected: Value {value}at '{field}' failed to satisfy constraint: Member must {constraint}"
            )))
        };
        let name = &self.session_name;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !name.chars().all(allowed) {
            return failing(
                "roleSessionName",
                &format!("'{name}' "),
                r"satisfy regular expression pattern: [\w+=,.@-]*",
            );
        }
        match name.chars().count() {
            few if few < *NAME_CHARACTERS.start() => {
                return failing("roleSessionName", "", "have length greater than or equal to 2");
            }
            many if many > *NAME_CHARACTERS.end() => {
                return failing("roleSessionName", "", "have length less than or equal to 64");
            }
            _ => {}
        }
        if !TOKEN_CHARACTERS.contains(&self.token.chars().count()) {
            return failing("webIdentityToken", "", "have length less than or equal to 20000");
        }
        if !self.provider_id.is_empty() {
            let why = "Provided Token is not a Login With Amazon token";
            return Err(StsError::new(400, "InvalidIdentityToken", why));
        }
        let seconds =
            if self.duration.is_empty() { DEFAULT_SECONDS } else { self.duration.parse().unwrap_or(0) };
        match seconds {
            short if short < *DURATION_SECONDS.start() => {
                failing("durationSeconds", "", "have value greater than or equal to 900")
            }
            long if long > *DURATION_SECONDS.end() => {
                failing("durationSeconds", "", "have value less than or equal to 43200")
            }
            seconds => Ok(SignedDuration::from_secs(seconds)),
        }
    }
}
