//! Warnings for the operator who applies a document.

use crate::cli::terminal::output::{Format, remark, safe};
use crate::clouds::trust_documents::grant::Grant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelyingParty {
    Aws,
    Azure,
    Google,
    Vault,
    Kubernetes,
}

pub(super) fn remarks(grant: &Grant, relying_party: RelyingParty, output: Format) {
    let all = [out_of_reach(grant, relying_party), wider(grant, relying_party), both_forms(grant)];
    for text in all.into_iter().flatten() {
        remark(output, &safe(&text));
    }
}

/// Vault and Kubernetes may be in the issuer's network; clouds come from outside and use the default port.
fn out_of_reach(grant: &Grant, relying_party: RelyingParty) -> Option<String> {
    let cloud = match relying_party {
        RelyingParty::Aws => "AWS",
        RelyingParty::Azure => "Azure",
        RelyingParty::Google => "Google",
        RelyingParty::Vault | RelyingParty::Kubernetes => return None,
    };
    let issuer = &grant.issuer;
    let why = if !issuer.is_https() {
        "is not https"
    } else if issuer.is_loopback() {
        "is on this machine only"
    } else if issuer.has_port() {
        "has a port"
    } else {
        return None;
    };
    Some(format!(
        "Warning: the issuer {issuer} {why}, so {cloud} cannot use it. Use the document for trials only. For {cloud}, set `issuer` on the server to an https URL without a port that is reachable from the internet."
    ))
}

fn wider(grant: &Grant, relying_party: RelyingParty) -> Option<String> {
    let reads_subjects_alone =
        matches!(relying_party, RelyingParty::Aws | RelyingParty::Azure | RelyingParty::Vault);
    let beyond = grant.beyond();
    (reads_subjects_alone && !beyond.is_empty()).then(|| {
        format!(
            "Warning: the audience profile `{}` leaves the operation out of subjects, so this document also trusts {}.",
            grant.profile.as_deref().unwrap_or(&grant.audience),
            beyond.join(" and ")
        )
    })
}

fn both_forms(grant: &Grant) -> Option<String> {
    grant.other_form.as_ref()?;
    let profile = grant.profile.as_deref().unwrap_or(&grant.audience);
    Some(format!(
        "The audience profile `{profile}` has a previous_subject, so this document trusts subjects of both formats. Once `runmint audience-profile usage --org {} --audience {}` no longer shows the old format, remove previous_subject from the profile and write the document again.",
        grant.scope.organization, grant.audience
    ))
}
