//! Attribute mapping and attribute condition, in the language in which Google evaluates them.

use cel::{Context, Program, Value};

use super::answers::OAuthError;
use super::{POOL, Provider};
use crate::clouds::assertion::Assertion;

const MAX_SUBJECT_BYTES: usize = 127;
const MAX_MAPPED_BYTES: usize = 8 * 1024;

/// The token's identity in the pool: its subject, followed by each attribute after a space.
pub(super) fn apply(provider: &Provider, assertion: &Assertion) -> Result<String, OAuthError> {
    let mut context = Context::default();
    let claims = cel::to_value(&assertion.claims).expect("claims are values");
    context.add_variable_from_value("assertion", claims);
    let mut mapped = Vec::new();
    for (target, expression) in &provider.mapping {
        let value = evaluate(expression, &context);
        let Some(Value::String(text)) = value else {
            let why = format!("The mapped attribute {target} must be of type STRING.");
            return Err(OAuthError::invalid_request(&why));
        };
        mapped.push((target.as_str(), text.to_string()));
    }
    let subject = mapped.iter().find(|(target, _)| *target == "google.subject");
    let subject = subject.expect("a mapping has google.subject").1.clone();
    if subject.len() > MAX_SUBJECT_BYTES {
        return Err(OAuthError::subject_too_long());
    }
    if mapped.iter().map(|(target, text)| target.len() + text.len()).sum::<usize>() > MAX_MAPPED_BYTES {
        return Err(OAuthError::invalid_request("The mapped attributes exceed 8 KB."));
    }
    if let Some(condition) = &provider.condition
        && evaluate(condition, &context) != Some(Value::Bool(true))
    {
        return Err(OAuthError::rejected());
    }
    let attributes =
        mapped.iter().filter_map(|(target, text)| Some((target.strip_prefix("attribute.")?, text)));
    let sets = attributes
        .map(|(name, text)| format!(" principalSet://iam.googleapis.com/{POOL}/attribute.{name}/{text}"));
    Ok(format!("principal://iam.googleapis.com/{POOL}/subject/{subject}{}", sets.collect::<String>()))
}

/// `None` also for a missing claim, which Google refuses.
fn evaluate(expression: &str, context: &Context<'_, '_>) -> Option<Value> {
    Program::compile(expression).expect("the expression is CEL").execute(context).ok()
}
