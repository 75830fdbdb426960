//! Relying parties' limits, as people read them.

use serde_json::{Value, json};

use crate::cli::terminal::output::{Colour, paint, safe};
use crate::clouds::limits::LimitCheck;

/// A line for each limit, with advice under those that are broken.
pub(in crate::cli) fn lines(limits: &[Value]) -> String {
    let named: Vec<(String, &Value)> = limits
        .iter()
        .map(|limit| {
            let text = |name: &str| limit[name].as_str().unwrap_or_default();
            (safe(&format!("{}: {}", text("relying_party"), text("what"))), limit)
        })
        .collect();
    let width = named.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    named.iter().map(|(name, limit)| line(&format!("{name:width$}"), limit)).collect()
}

/// As the server's preview writes them.
pub(in crate::cli) fn as_json(checks: &[LimitCheck]) -> Vec<Value> {
    let one = |check: &LimitCheck| {
        let LimitCheck { relying_party, what, limit, actual, ok, advice } = check;
        json!({
            "relying_party": relying_party, "what": what, "limit": limit, "actual": actual, "ok": ok, "advice": advice,
        })
    };
    checks.iter().map(one).collect()
}

fn line(name: &str, limit: &Value) -> String {
    let kept = limit["ok"] == true;
    let mark = if kept { paint(Colour::Green, "ok    ") } else { paint(Colour::Yellow, "broken") };
    let numbers = match (limit["actual"].as_u64(), limit["limit"].as_u64()) {
        (Some(actual), Some(most)) => format!("  {actual} of {most}"),
        _ => String::new(),
    };
    let advice = match limit["advice"].as_str() {
        Some(advice) if !kept => format!("            {}\n", safe(advice)),
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
        let text = lines(&as_json(&check(&issuer, &"s".repeat(130), &["acme".into()])));
        assert!(text.starts_with("  ok      runmint: subject, bytes"), "{text}");
        assert!(text.contains("  broken  google: google.subject, bytes"), "{text}");
        assert!(text.contains("130 of 127\n            Map something shorter"), "{text}");
        assert_eq!(text.lines().count(), 7);
        assert!(text.ends_with("  ok      aws, azure, google: issuer is https\n"), "{text}");
    }
}
