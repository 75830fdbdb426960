//! Commands over the API: organizations, access tokens, keys, trusted issuers, policies, runs.

pub(super) mod access_token;
pub(super) mod audience_profile;
pub(super) mod cloud_settings;
pub(super) mod id_token;
pub(super) mod keys;
pub(super) mod organization;
pub(super) mod policy;
pub(super) mod principal;
pub(super) mod run;
pub(super) mod trusted_issuer;
