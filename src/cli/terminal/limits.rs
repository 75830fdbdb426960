//! Relying parties' limits, as people read them.

use crate::api::runs::Limit;
use crate::cli::terminal::output::{Colour, paint, safe};
use crate::clouds::limits::LimitCheck;

/// A line for each limit, with advice under those that are broken.
pub(in crate::cli) fn lines(limits: &[Limit]) -> String {
    let named: Vec<(String, &Limit)> = limits
        .iter()
        .map(|limit| (safe(&format!("{}: {}", limit.relying_party, limit.what)), limit))
        .collect();
    let width = named.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    named.iter().map(|(name, limit)| line(&format!("{name:width$}"), limit)).collect()
}

/// In the form of the server's preview, but with the advice of every limit.
pub(in crate::cli) fn of_checks(checks: &[LimitCheck]) -> Vec<Limit> {
    let one = |check: &LimitCheck| Limit {
        relying_party: check.relying_party.to_owned(),
        what: check.what.to_owned(),
        limit: check.limit.map(|limit| limit as u64),
        actual: check.actual.map(|actual| actual as u64),
        ok: check.ok,
        advice: Some(check.advice.to_owned()),
    };
    checks.iter().map(one).collect()
}

fn line(name: &str, limit: &Limit) -> String {
    let mark = if limit.ok { paint(Colour::Green, "ok    ") } else { paint(Colour::Yellow, "broken") };
    let numbers = match (limit.actual, limit.limit) {
        (Some(actual), Some(most)) => format!("  {actual} of {most}"),
        _ => String::new(),
    };
    let advice = match &limit.advice {
        Some(advice) if !limit.ok => format!("            {}\n", safe(advice)),
        _ => String::new(),
    };
    format!("  {mark}  {}\n{advice}", format!("{name}{numbers}").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clouds::limits::check;
    use crate::issuer::url::IssuerUrl;

    #[test]
    fn only_a_broken_limit_gets_advice() {
        let issuer = IssuerUrl::parse("https://id.example.com/oidc").unwrap();
        let text = lines(&of_checks(&check(&issuer, &"s".repeat(130), &["acme".into()])));
        assert!(text.starts_with("  ok      runmint: subject, bytes"), "{text}");
        assert!(text.contains("  broken  google: google.subject, bytes"), "{text}");
        assert!(text.contains("130 of 127\n            Map a shorter value"), "{text}");
        assert_eq!(text.lines().count(), 7);
        assert!(text.ends_with("  ok      aws, azure, google: issuer is https\n"), "{text}");
    }
}
