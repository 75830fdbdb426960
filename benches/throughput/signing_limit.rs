//! The rate that no issuer on this machine can exceed: every core signs and does nothing else.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use runmint::entropy::SystemEntropy;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::generate::{RsaBits, private_key};
use runmint::signing::signing_key::SigningKey;
use serde_json::Value;

use crate::machine;

pub(crate) struct Signer {
    key: Arc<SigningKey>,
    input: String,
}

pub(crate) struct Limit {
    /// Signatures per second.
    pub(crate) rate: f64,
    /// Seconds of one core per signature.
    pub(crate) cpu_each: f64,
}

impl Signer {
    /// Signs the payload of `token` with a new key.
    pub(crate) fn like(token: &str) -> Result<Self> {
        let claims = runmint::trust::token::UnverifiedToken::parse(token)?;
        let key = SigningKey::from_der(
            &private_key(SigningAlgorithm::Rs256, RsaBits::default(), &SystemEntropy::new())?,
            SigningAlgorithm::Rs256,
        )?;
        let claims = Value::Object(claims.unverified_claims().clone());
        Ok(Self { input: key.signing_input(&claims)?, key: Arc::new(key) })
    }

    /// Measures the rate of one thread per core.
    pub(crate) fn measure(&self, seconds: u32) -> Result<Limit> {
        let used_before = machine::own_cpu_time()?;
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let began = Instant::now();
        let until = began + Duration::from_secs(u64::from(seconds));
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (key, input) = (Arc::clone(&self.key), self.input.clone());
                thread::spawn(move || {
                    let mut signatures = 0_u64;
                    while Instant::now() < until {
                        key.sign(input.clone()).ok()?;
                        signatures += 1;
                    }
                    Some(signatures)
                })
            })
            .collect();
        let signatures: Option<Vec<u64>> = workers.into_iter().map(|worker| worker.join().ok()?).collect();
        let signatures: u64 = signatures.context("signing failed")?.into_iter().sum();
        let used = machine::own_cpu_time()?.saturating_sub(used_before);
        Ok(Limit {
            rate: signatures as f64 / began.elapsed().as_secs_f64(),
            cpu_each: used.as_secs_f64() / signatures as f64,
        })
    }
}
