//! What whoever applies a document must know beside it.

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

/// Vault and Kubernetes may stand beside the issuer; clouds come from outside, and to the usual port.
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
        "Warning: the issuer {issuer} {why}: {cloud} can never use it. The document is for trying out; for {cloud} the server needs an `issuer_url` that is https on the usual port and can be reached from the internet."
    ))
}

fn wider(grant: &Grant, relying_party: RelyingParty) -> Option<String> {
    let reads_subjects_alone =
        matches!(relying_party, RelyingParty::Aws | RelyingParty::Azure | RelyingParty::Vault);
    let beyond = grant.beyond();
    (reads_subjects_alone && !beyond.is_empty()).then(|| {
        format!(
            "Warning: the audience profile `{}` leaves the operation out of subjects, so this trusts {}, too.",
            grant.profile.as_deref().unwrap_or(&grant.audience),
            beyond.join(" and ")
        )
    })
}

fn both_forms(grant: &Grant) -> Option<String> {
    grant.other_form.as_ref()?;
    let profile = grant.profile.as_deref().unwrap_or(&grant.audience);
    Some(format!(
        "The audience profile `{profile}` has a previous_subject: this trusts subjects of both formats. Once `runmint audience-profile usage --org {} --audience {}` does not show the old one any more, take previous_subject out of the profile and write this anew.",
        grant.scope.organization, grant.audience
    ))
}
