//! Compares minting with the machine's raw signing rate: `make bench`.
//!
//! The server is the release binary in a process of its own; this process generates the load. Both share the
//! cores, so generating load is kept cheap. Figures to be compared are measured alternately, round by round,
//! so that a machine that slows down or gets busier affects both sides.

#![expect(clippy::cast_precision_loss, reason = "counts of some millions, shown with three digits")]

mod bare_handler;
mod foreign;
mod load;
mod machine;
mod options;
mod received;
mod report;
mod server;
mod signing_limit;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bare_handler::BareHandler;
use crate::foreign::ForeignIssuer;
use crate::load::{ClosedLoop, OpenLoop, Outcome};
use crate::machine::{Bystanders, median};
use crate::options::{Mode, Options};
use crate::received::Received;
use crate::report::{EngineFigures, Report, Share};
use crate::server::{Deployment, Process};
use crate::signing_limit::Signer;

const STARTS: usize = 10;
/// More than the server can reach: each exchange needs a token of its own.
const EXCHANGES_PER_SECOND: usize = 8_000;

fn main() -> ExitCode {
    match Options::from_command_line().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mode: Mode) -> Result<()> {
    match mode {
        Mode::BareHandler { port } => bare_handler::serve(port),
        Mode::Measure(options) => {
            // One thread: the load must not crowd out the server that shares its cores.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            print!("{}", runtime.block_on(measure(&options))?);
            Ok(())
        }
    }
}

#[expect(clippy::too_many_lines, reason = "the measurements of one run, in their order")]
async fn measure(options: &Options) -> Result<Report> {
    let mut engines = Vec::new();
    for deployment in [Deployment::on_sqlite()?, Deployment::on_postgres(&options.postgres_url)?] {
        let name = deployment.engine;
        engines.push(Engine::start(deployment).await.with_context(|| format!("the server on {name}"))?);
    }
    let jwks = engines[0].deployment.jwks_when_ready().await?;
    let bare = BareHandler::start(&jwks).await?;
    let signer = Signer::like(&engines[0].first_token().await?)?;

    let (mut limits, mut signature_cpu, mut bystanders) = (Vec::new(), Vec::new(), Vec::new());
    let (mut jwks_rates, mut bare_rates, mut jwks_ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let watch = Bystanders::watch()?;
        let mut before = signer.measure(options.seconds)?;
        bystanders.push(watch.share()?);
        for engine in &mut engines {
            engine.mint_at_full_speed(options).await?;
            // Measures the limit just before and just after as well: the machine's own speed drifts.
            let watch = Bystanders::watch()?;
            let after = signer.measure(options.seconds)?;
            bystanders.push(watch.share()?);
            engine.compare(f64::midpoint(before.rate, after.rate));
            limits.push(after.rate);
            signature_cpu.push(after.cpu_each);
            before = after;
        }
        let deployment = &engines[0].deployment;
        let own_rate = read_jwks(options, deployment.port, deployment.jwks_request()).await?;
        let bare_rate = read_jwks(options, bare.port, bare.request()).await?;
        jwks_ratios.push(own_rate / bare_rate);
        jwks_rates.push(own_rate);
        bare_rates.push(bare_rate);
        eprintln!(
            "bench: round {round} of {}: {:.0} signatures/s, {}",
            options.rounds,
            before.rate,
            progress(&engines)
        );
    }
    for engine in &mut engines {
        engine.mint_at_half_speed(options).await?;
    }
    let mut issuer = ForeignIssuer::start().await?;
    for engine in &mut engines {
        engine.exchange_at_full_speed(&mut issuer, options).await?;
    }
    let mut figures = Vec::new();
    for engine in engines {
        figures.push(engine.finish().await?);
    }
    Ok(Report {
        machine: machine::describe()?,
        connections: options.connections,
        bystanders: bystanders.into_iter().fold(0.0, f64::max),
        limit: median(&limits),
        cpu_per_signature: Duration::from_secs_f64(median(&signature_cpu)),
        engines: figures,
        jwks_bytes: jwks.len(),
        jwks: Share { rate: median(&jwks_rates), ratio: median(&jwks_ratios) },
        bare: median(&bare_rates),
    })
}

async fn read_jwks(options: &Options, port: u16, request: Vec<u8>) -> Result<f64> {
    let (connections, seconds) = (options.connections, options.seconds);
    Ok(ClosedLoop { port, requests: &[request], connections, seconds }.run().await?.rate)
}

fn progress(engines: &[Engine]) -> String {
    let each = engines.iter().map(|engine| {
        let last = |values: &[f64]| values.last().copied().unwrap_or_default();
        format!(
            "{} {:.0} tokens/s ({:.2}; {:.0} µs of CPU each, {:.0} for the load)",
            engine.deployment.engine,
            last(&engine.rates),
            last(&engine.ratios),
            last(&engine.server_cpu) * 1e6,
            last(&engine.load_cpu) * 1e6
        )
    });
    each.collect::<Vec<_>>().join(", ")
}

/// A server on one database, with its measurements so far.
struct Engine {
    deployment: Deployment,
    process: Process,
    requests: Vec<Vec<u8>>,
    received: Received,
    rates: Vec<f64>,
    ratios: Vec<f64>,
    /// Seconds per token.
    server_cpu: Vec<f64>,
    load_cpu: Vec<f64>,
    half_rate: f64,
    latencies: Vec<Duration>,
    admin_token: String,
    exchange_rates: Vec<f64>,
    exchange_cpu: Vec<f64>,
}

impl Engine {
    async fn start(deployment: Deployment) -> Result<Self> {
        let admin_token = deployment.initialize()?;
        let process = deployment.serve()?;
        let jwks = deployment.jwks_when_ready().await?;
        Ok(Self {
            requests: deployment.register_runs(&admin_token).await?,
            received: Received::nothing(deployment.issuer(), &jwks)?,
            deployment,
            process,
            rates: Vec::new(),
            ratios: Vec::new(),
            server_cpu: Vec::new(),
            load_cpu: Vec::new(),
            half_rate: 0.0,
            latencies: Vec::new(),
            admin_token,
            exchange_rates: Vec::new(),
            exchange_cpu: Vec::new(),
        })
    }

    async fn first_token(&mut self) -> Result<String> {
        let body = wire::once(self.deployment.port, &self.requests[0], 200).await?;
        self.received.add(1, std::slice::from_ref(&body))?;
        received::token(&body)
    }

    async fn mint_at_full_speed(&mut self, options: &Options) -> Result<()> {
        let used_before = self.cpu_times()?;
        let load = ClosedLoop {
            port: self.deployment.port,
            requests: &self.requests,
            connections: options.connections,
            seconds: options.seconds,
        };
        let Outcome { answers, samples, rate, .. } = load.run().await?;
        let used = self.cpu_times()?;
        self.rates.push(rate);
        let each =
            |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() / answers as f64;
        self.server_cpu.push(each(used_before.0, used.0));
        self.load_cpu.push(each(used_before.1, used.1));
        self.received.add(answers, &samples)
    }

    /// Compares the latest rate with the limit measured around it.
    fn compare(&mut self, limit: f64) {
        let rate = self.rates.last().copied().unwrap_or_default();
        self.ratios.push(rate / limit);
    }

    async fn mint_at_half_speed(&mut self, options: &Options) -> Result<()> {
        self.half_rate = median(&self.rates) / 2.0;
        eprintln!("bench: {} at {:.0} tokens/s", self.deployment.engine, self.half_rate);
        let load = OpenLoop {
            port: self.deployment.port,
            requests: &self.requests,
            connections: options.connections,
            rate: self.half_rate,
            seconds: options.seconds * 2,
        };
        let Outcome { answers, samples, latencies, .. } = load.run().await?;
        self.latencies = latencies;
        self.latencies.sort_unstable();
        self.received.add(answers, &samples)
    }

    /// Exchanges tokens of a foreign issuer, whose keys are cached after the first.
    async fn exchange_at_full_speed(&mut self, issuer: &mut ForeignIssuer, options: &Options) -> Result<()> {
        let port = self.deployment.port;
        issuer.register(port, &self.admin_token).await?;
        for round in 1..=options.rounds {
            let requests = issuer.exchanges(port, EXCHANGES_PER_SECOND * (options.seconds as usize + 1))?;
            let used_before = self.cpu_times()?.0;
            let load = ClosedLoop {
                port,
                requests: &requests,
                connections: options.connections,
                seconds: options.seconds,
            };
            let Outcome { answers, samples, rate, .. } = load.run().await?;
            // Sending a token twice would measure something else: the same answer again.
            ensure!(answers < requests.len() as u64, "there were too few tokens to exchange");
            foreign::check(&samples)?;
            let used = self.cpu_times()?.0.saturating_sub(used_before);
            self.exchange_cpu.push(used.as_secs_f64() / answers as f64);
            self.exchange_rates.push(rate);
            eprintln!(
                "bench: round {round} of {}: {} {rate:.0} exchanges/s",
                options.rounds, self.deployment.engine
            );
        }
        Ok(())
    }

    /// CPU time of the server and of this process.
    fn cpu_times(&self) -> Result<(Duration, Duration)> {
        Ok((machine::cpu_time(self.process.id())?, machine::own_cpu_time()?))
    }

    async fn finish(self) -> Result<EngineFigures> {
        let resident_mib = machine::resident_mib(self.process.id())?;
        let verified = self.received.compare(&self.deployment.database_url).await?;
        self.process.stop().await?;
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(self.deployment.time_to_first_jwks().await?.as_secs_f64());
        }
        Ok(EngineFigures {
            name: self.deployment.engine,
            minted: Share { rate: median(&self.rates), ratio: median(&self.ratios) },
            server_cpu: Duration::from_secs_f64(median(&self.server_cpu)),
            load_cpu: Duration::from_secs_f64(median(&self.load_cpu)),
            half_rate: self.half_rate,
            p50: machine::percentile(&self.latencies, 50),
            p99: machine::percentile(&self.latencies, 99),
            exchange_rate: median(&self.exchange_rates),
            exchange_cpu: Duration::from_secs_f64(median(&self.exchange_cpu)),
            resident_mib,
            start: Duration::from_secs_f64(median(&starts)),
            tokens: self.received.tokens,
            verified,
        })
    }
}
