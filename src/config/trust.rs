//! Settings for the issuers whose tokens are exchanged.

use ipnet::IpNet;

use super::error::{ConfigError, value_error};
use super::raw::Raw;

/// From where the keys of other issuers may be fetched.
#[derive(Clone, Debug, Default)]
pub struct TrustSettings {
    /// Private address ranges to which the server may connect.
    pub allowed_ranges: Vec<IpNet>,
    /// Whether issuers on loopback may be fetched over plain http.
    pub plain_http: bool,
}

pub(super) fn check(raw: &Raw) -> Result<TrustSettings, ConfigError> {
    let ranges = raw.trust_allowed_ranges.split(',').map(str::trim).filter(|text| !text.is_empty());
    let allowed_ranges: Result<Vec<IpNet>, _> = ranges.map(str::parse).collect();
    let wrong = |_| {
        value_error("trust_allowed_ranges", "must be address ranges separated by commas, such as 10.0.0.0/8")
    };
    Ok(TrustSettings { allowed_ranges: allowed_ranges.map_err(wrong)?, plain_http: raw.trust_plain_http })
}
