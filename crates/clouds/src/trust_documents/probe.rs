//! Hypothetical runs that differ from real ones in one part, to find out what else a document accepts.

use std::collections::BTreeSet;

use super::subject_form::OPERATIONS;
use super::token::TokenClaims;
use super::wildcard::Wildcard;
use runmint_issuer::subject::encoded;

/// A name that no organization uses.
const FRESH: &str = "runmint-probe";
const OTHER_ORGANIZATION_ID: &str = "00000000-0000-4000-8000-000000000000";

#[derive(Clone, Debug)]
pub(super) struct Probe {
    /// The part that differs: `stack`, `project`, `organization`, `service`, `issuer`, `audience`, `several`.
    pub(super) part: &'static str,
    pub(super) what: String,
    pub(super) token: TokenClaims,
    /// Accepting it is never intended.
    pub(super) never_meant: bool,
    /// Redundant beside one of these.
    pub(super) covered_by: &'static [&'static str],
}

/// The parts of a deployment, outermost last.
const PARTS: &[(&str, &str)] =
    &[("operation", "operation"), ("stack", "stack"), ("project", "project"), ("org", "organization")];

pub(super) fn neighbours(token: &TokenClaims) -> Vec<Probe> {
    let mut probes = Vec::new();
    for &(claim, part) in PARTS {
        let Some(value) = token.text(claim).map(str::to_owned) else { continue };
        let never_meant = part == "organization";
        let mut add = |what: String, changed: Option<TokenClaims>| {
            probes.extend(changed.map(|token| Probe { part, what, token, never_meant, covered_by: &[] }));
        };
        if part == "operation" {
            for other in OPERATIONS.into_iter().filter(|one| *one != value) {
                add(format!("operation `{other}`"), renamed(token, claim, other));
            }
            continue;
        }
        let longer = [format!("{value}-{FRESH}"), format!("{FRESH}-{value}")];
        add(format!("any other {part}"), renamed(token, claim, FRESH));
        add(format!("a {part} whose name begins with `{value}`"), renamed(token, claim, &longer[0]));
        add(format!("a {part} whose name ends in `{value}`"), renamed(token, claim, &longer[1]));
    }
    let everything =
        PARTS[1..3].iter().try_fold(token.clone(), |token, &(claim, _)| renamed(&token, claim, FRESH));
    probes.extend(everything.map(|token| Probe {
        part: "project and stack",
        what: "any stack of any project".to_owned(),
        token,
        never_meant: false,
        covered_by: &[],
    }));
    probes.extend(other_service(token));
    probes.push(Probe {
        part: "issuer",
        what: "the same subject from another issuer".to_owned(),
        token: token.with("iss", "https://runmint-probe.example/oidc"),
        never_meant: true,
        covered_by: &[],
    });
    probes.push(Probe {
        part: "audience",
        what: "a token for another audience".to_owned(),
        token: token.with("aud", "https://runmint-probe.example"),
        never_meant: false,
        covered_by: &[],
    });
    probes
}

/// Runs that differ in several parts at once: a document may trust the stack `prod` of every organization before any
/// ran.
pub(super) fn combinations(token: &TokenClaims, stacks: &BTreeSet<String>) -> Vec<Probe> {
    let mut probes = Vec::new();
    let with = |token: TokenClaims, claim: &str, value: &str| {
        if token.text(claim) == Some(value) { Some(token) } else { renamed(&token, claim, value) }
    };
    for stack in stacks {
        for (organization, project) in [(false, false), (false, true), (true, false), (true, true)] {
            let (whose, covered_by): (_, &[_]) = match (organization, project) {
                (true, _) => (" of any other organization", &["any other organization"]),
                (_, true) => (" of any other project", &["any other project", "any stack of any project"]),
                _ => ("", &["any other stack"]),
            };
            for operation in OPERATIONS {
                let changed = with(token.clone(), "stack", stack)
                    .and_then(|token| with(token, "operation", operation))
                    .and_then(|token| if project { with(token, "project", FRESH) } else { Some(token) })
                    .and_then(|token| if organization { with(token, "org", FRESH) } else { Some(token) });
                probes.extend(changed.map(|token| Probe {
                    part: "several",
                    what: format!("stack `{stack}`{whose}"),
                    token,
                    never_meant: organization,
                    covered_by,
                }));
            }
        }
    }
    probes
}

/// A run of another organization that matches a pattern of the document.
pub(super) fn fitting(token: &TokenClaims, written: &str, pattern: &Wildcard) -> Option<Probe> {
    if !pattern.opens_organization() {
        return None;
    }
    let subject = pattern.filled(FRESH);
    let own = token.text("org").map(str::to_owned);
    let mut changed =
        token.with("sub", subject.as_str()).with("org", FRESH).with("org_id", OTHER_ORGANIZATION_ID);
    let pieces: Vec<&str> = subject.split(':').collect();
    for pair in pieces.windows(2).filter(|pair| token.find(pair[0]).is_some()) {
        changed = changed.with(pair[0], decoded(pair[1]));
    }
    (changed.text("org") != own.as_deref()).then(|| Probe {
        part: "organization",
        what: format!("runs of other organizations that match `{written}`"),
        token: changed,
        never_meant: true,
        covered_by: &[],
    })
}

/// The same run with another value in a claim and in the subject.
fn renamed(token: &TokenClaims, claim: &str, value: &str) -> Option<TokenClaims> {
    let (old, subject) = (token.text(claim)?, token.subject()?);
    let mut pieces: Vec<String> = subject.split(':').map(str::to_owned).collect();
    let after_label =
        pieces.windows(2).position(|pair| pair[0] == claim && decoded(&pair[1]) == old).map(|at| at + 1);
    let place = after_label.or_else(|| pieces.iter().rposition(|piece| decoded(piece) == old));
    let mut changed = token.clone();
    if let Some(place) = place {
        pieces[place] = encoded(value);
        changed = changed.with("sub", pieces.join(":"));
    }
    changed = changed.with(claim, value);
    if claim == "org" {
        changed = changed.with("org_id", OTHER_ORGANIZATION_ID);
    }
    if claim == "operation" {
        changed = with_scope(changed, value);
    }
    (changed != *token).then_some(changed)
}

/// `scope` of a deployment follows from its operation, unless this deployment's was always `write`.
fn with_scope(token: TokenClaims, operation: &str) -> TokenClaims {
    let Some(old) = token.text("scope").map(str::to_owned) else { return token };
    let scope = if operation == "preview" { "read" } else { "write" };
    let subject =
        token.subject().map(|subject| subject.replace(&format!(":scope:{old}"), &format!(":scope:{scope}")));
    match subject {
        Some(subject) => token.with("scope", scope).with("sub", subject),
        None => token,
    }
}

fn other_service(token: &TokenClaims) -> Option<Probe> {
    let (prefix, rest) = token.subject()?.split_once(':')?;
    let (service, rest) = rest.split_once(':')?;
    let token = token.with("sub", format!("{prefix}:{FRESH}:{rest}"));
    Some(Probe {
        part: "service",
        what: format!("a service other than the one of `{service}`"),
        token,
        never_meant: false,
        covered_by: &[],
    })
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn neighbours_differ_in_one_part_of_the_subject_and_in_its_claim() {
        let claims = json!({
            "iss": "https://i", "aud": "a", "org": "acme", "org_id": "1", "project": "a:b", "stack": "acme", "operation": "preview", "scope": "read",
            "sub": "p:deploy:org:acme:project:a%3Ab:stack:acme:operation:preview:scope:read",
        });
        let token = TokenClaims::new(claims.as_object().unwrap().clone());
        let of = |what: &str| neighbours(&token).into_iter().find(|one| one.what == what).unwrap().token;
        assert_eq!(
            of("any other stack").subject(),
            Some("p:deploy:org:acme:project:a%3Ab:stack:runmint-probe:operation:preview:scope:read")
        );
        assert_eq!(
            of("any other organization").subject(),
            Some("p:deploy:org:runmint-probe:project:a%3Ab:stack:acme:operation:preview:scope:read")
        );
        assert_eq!(of("any other project").text("project"), Some("runmint-probe"));
        assert_eq!(
            of("operation `update`").subject(),
            Some("p:deploy:org:acme:project:a%3Ab:stack:acme:operation:update:scope:write")
        );
        assert_eq!(
            of("any stack of any project").subject(),
            Some("p:deploy:org:acme:project:runmint-probe:stack:runmint-probe:operation:preview:scope:read")
        );

        let several = combinations(&token, &BTreeSet::from(["x:y".to_owned()]));
        let subjects: Vec<&str> = several.iter().filter_map(|one| one.token.subject()).collect();
        assert_eq!(subjects.len(), 16);
        let far =
            "p:deploy:org:runmint-probe:project:runmint-probe:stack:x%3Ay:operation:destroy:scope:write";
        assert!(subjects.contains(&far), "{subjects:?}");

        let written = "p:deploy:org:*:project:*:stack:prod:*";
        let stranger = fitting(&token, written, &Wildcard::with_stars(written)).unwrap().token;
        let subject = "p:deploy:org:runmint-probe:project:runmint-probe:stack:prod:runmint-probe";
        assert_eq!((stranger.subject(), stranger.text("stack")), (Some(subject), Some("prod")));
        assert_eq!(stranger.text("org"), Some(FRESH));
        let own = "p:deploy:org:acme:*";
        assert!(fitting(&token, own, &Wildcard::with_stars(own)).is_none());
    }
}
