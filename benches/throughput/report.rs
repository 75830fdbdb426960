//! The table of results.

use std::fmt::{Display, Formatter, Result};
use std::time::Duration;

pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) connections: usize,
    /// The largest share of the machine that other processes used at a time.
    pub(crate) bystanders: f64,
    pub(crate) limit: f64,
    pub(crate) cpu_per_signature: Duration,
    pub(crate) engines: Vec<EngineFigures>,
    pub(crate) jwks_bytes: usize,
    pub(crate) jwks: Share,
    pub(crate) bare: f64,
}

/// A rate, and its ratio to another rate that was measured next to it.
pub(crate) struct Share {
    pub(crate) rate: f64,
    pub(crate) ratio: f64,
}

pub(crate) struct EngineFigures {
    pub(crate) name: &'static str,
    pub(crate) minted: Share,
    /// CPU time of one core per token.
    pub(crate) server_cpu: Duration,
    pub(crate) load_cpu: Duration,
    pub(crate) half_rate: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) exchange_rate: f64,
    pub(crate) exchange_cpu: Duration,
    pub(crate) resident_mib: f64,
    pub(crate) start: Duration,
    pub(crate) tokens: u64,
    pub(crate) verified: usize,
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { machine, connections, bystanders, limit, jwks, bare, .. } = self;
        writeln!(
            f,
            "{machine}; load generator on the same cores, {connections} connections; \
             other processes used up to {:.0} % of the machine.\n",
            bystanders * 100.0
        )?;
        let mut row =
            |what: &str, measured: &str, note: &str| writeln!(f, "| {what} | {measured} | {note} |");
        row("what", "measured", "beside")?;
        row("---", "---:", "---")?;
        row(
            "RS256-2048 signatures, all cores, nothing else",
            &per_second(*limit),
            &format!("the limit; {} µs of CPU each", self.cpu_per_signature.as_micros()),
        )?;
        for EngineFigures { name, minted, server_cpu, load_cpu, .. } in &self.engines {
            let (server, load) = (server_cpu.as_micros(), load_cpu.as_micros());
            let note =
                format!("{:.2} of the limit; {server} µs of CPU each, {load} for the load", minted.ratio);
            row(&format!("tokens over HTTP, recorded in {name}"), &per_second(minted.rate), &note)?;
        }
        for EngineFigures { name, half_rate, p50, p99, .. } in &self.engines {
            let measured = format!("p50 {}, p99 {}", milliseconds(*p50), milliseconds(*p99));
            row(
                &format!("latency of a token, {name}"),
                &measured,
                &format!("at half load, {}", per_second(*half_rate)),
            )?;
        }
        for EngineFigures { name, exchange_rate, exchange_cpu, .. } in &self.engines {
            row(
                &format!("exchanges of another issuer's tokens (ES256, keys cached), {name}"),
                &per_second(*exchange_rate),
                &format!("each one a transaction; {} µs of CPU each", exchange_cpu.as_micros()),
            )?;
        }
        let note = format!("{:.2} of a bare axum handler, {}", jwks.ratio, per_second(*bare));
        row(&format!("JWKS answers, {} bytes", self.jwks_bytes), &per_second(jwks.rate), &note)?;
        for EngineFigures { name, resident_mib, .. } in &self.engines {
            row(
                &format!("memory of the server, {name}"),
                &format!("{resident_mib:.0} MiB"),
                "resident, after the run",
            )?;
        }
        for EngineFigures { name, start, .. } in &self.engines {
            row(
                &format!("start to first JWKS answer, {name}"),
                &milliseconds(*start),
                "median of 10 starts",
            )?;
        }
        for EngineFigures { name, tokens, verified, .. } in &self.engines {
            let note = format!("all recorded; {verified} of them verified and found by their id");
            row(&format!("tokens received, {name}"), &tokens.to_string(), &note)?;
        }
        Ok(())
    }
}

fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}
