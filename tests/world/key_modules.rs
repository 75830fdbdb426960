//! Private keys that never leave a module.

mod aws_kms;
mod in_service;
mod lives;
mod own_process;
mod pkcs11;
