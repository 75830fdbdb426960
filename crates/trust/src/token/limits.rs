//! How much a token and a key set may have. A token is refused at its length before any part of it is decoded.

use jiff::SignedDuration;

/// Bytes of a token in its compact form (RFC 7515 §7.1).
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// How far the clocks of issuer and verifier may differ.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// How long a token may live, unless an issuer has a limit of its own.
pub const DEFAULT_MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(25);

/// Bytes of `sub`.
pub const MAX_SUBJECT_BYTES: usize = 1024;

/// Bytes of `jti`.
pub const MAX_TOKEN_ID_BYTES: usize = 1024;

/// Keys of one set. Entra ID reads the first hundred, AWS takes two hundred, and no issuer needs more.
pub const MAX_KEYS: usize = 100;

/// Bytes of `kid` in a key set.
pub const MAX_KEY_ID_BYTES: usize = 512;

/// Bits of an RSA modulus.
pub const MIN_RSA_BITS: usize = 2048;

/// Bits of an RSA modulus. Verifying takes quadratic time, and an issuer chooses its keys.
pub const MAX_RSA_BITS: usize = 4096;
