//! Who signs: the keys, how they are made, kept, used and follow one another. Nothing here knows of runs
//! or HTTP.

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
