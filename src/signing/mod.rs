//! The signing keys: how they are created, stored, used and rotated. Nothing here knows about runs or HTTP.

pub mod algorithm;
pub mod aws_kms;
pub mod database_keys;
mod encodings;
pub mod generate;
pub mod jwk;
pub mod key_store;
pub mod keyring;
pub mod pkcs11;
pub mod rotation;
pub mod sealing;
pub mod signer;
pub mod signer_pool;
pub mod signing_key;
pub mod software;
