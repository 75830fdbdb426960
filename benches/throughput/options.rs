//! The command line.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail};

const USAGE: &str = "scripts/bench [--quick] [--seconds N] [--rounds N] [--connections N]";

pub(crate) enum Mode {
    Measure(Options),
    /// The other side of a comparison: this program again, as a child process.
    BareHandler {
        port: u16,
    },
}

pub(crate) struct Options {
    /// Duration of each measurement in a round.
    pub(crate) seconds: u32,
    pub(crate) rounds: u32,
    pub(crate) connections: usize,
    pub(crate) postgres_url: String,
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Mode> {
        let (mut seconds, mut rounds, mut connections) = (4, 5, 64);
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = |range: RangeInclusive<u32>| {
                let number = arguments.next().and_then(|text| text.parse().ok());
                let number = number.filter(|number| range.contains(number));
                let (least, most) = (range.start(), range.end());
                number.with_context(|| format!("{argument} is {least} to {most}; {USAGE}"))
            };
            match argument.as_str() {
                "--bare-handler" => {
                    return Ok(Mode::BareHandler { port: u16::try_from(number(1..=65_535)?)? });
                }
                "--quick" => (seconds, rounds) = (1, 2),
                "--seconds" => seconds = number(1..=1_000)?,
                "--rounds" => rounds = number(1..=1_000)?,
                "--connections" => connections = number(1..=1_000)? as usize,
                // Cargo passes this to every benchmark.
                "--bench" => {}
                _ => bail!("unknown argument {argument}; {USAGE}"),
            }
        }
        #[expect(clippy::disallowed_methods, reason = "set by scripts/with-postgres, read once")]
        let postgres_url = std::env::var("RUNMINT_TEST_POSTGRES_URL");
        let postgres_url =
            postgres_url.context("there is no PostgreSQL server; run this with scripts/bench")?;
        Ok(Mode::Measure(Self { seconds, rounds, connections, postgres_url }))
    }
}
