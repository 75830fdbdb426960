//! Environment variables outside the table of settings.

/// Environment variables that begin like settings but are not settings.
pub(super) const OTHER_VARIABLES: &[&str] = &[
    "RUNMINT_URL",
    "RUNMINT_ACCESS_TOKEN",
    "RUNMINT_ACCESS_TOKEN_FILE",
    "RUNMINT_CA_FILE",
    "RUNMINT_HOME",
    "RUNMINT_OIDC_TOKEN",
    "RUNMINT_CONFIG",
    "RUNMINT_OUTPUT",
    "RUNMINT_RUN_ID",
    "RUNMINT_CLOUD_SETTINGS",
    "RUNMINT_GOOGLE_STS_URL",
    "RUNMINT_GOOGLE_IAM_CREDENTIALS_URL",
    "RUNMINT_ID_TOKEN_REQUEST_URL",
    "RUNMINT_ID_TOKEN_REQUEST_TOKEN",
];
pub(super) const SEALING_KEY_VARIABLE: &str = "RUNMINT_SEALING_KEY";
pub(super) const OLD_SEALING_KEYS_VARIABLE: &str = "RUNMINT_OLD_SEALING_KEYS";
pub(super) const PKCS11_PIN_VARIABLE: &str = "RUNMINT_PKCS11_PIN";
/// For tests that run through months in seconds: divides all floors, leases and the max-age of the key set.
/// Never set it in service.
pub(super) const TIME_SCALE_VARIABLE: &str = "RUNMINT_TEST_TIME_SCALE";
