//! The subset of the Common Expression Language that relying parties document. Everything else is refused and never
//! counts as false.

mod functions;
mod loops;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cel::extractors::This;
use cel::parser::Parser;
use cel::{Context, Env, ExecutionError, Program};
use serde_json::Value;
use thiserror::Error;

use self::functions::{extract, split};
use self::loops::Loops;
use super::regular_expression;
use super::token::TokenClaims;
use super::verdict::{Condition, Holds, NOTHING};

/// Deeper than handwritten expressions, and far from exhausting the stack.
const MAX_DEPTH: u16 = 40;

pub(super) struct Expression {
    text: String,
    program: Program,
}

/// Why an expression is not evaluated.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExpressionError {
    #[error("the expression has {count} {unit}; at most {most} are accepted")]
    TooLong { count: usize, unit: &'static str, most: usize },
    #[error("could not read the expression `{0}`: {1}")]
    Syntax(String, String),
    #[error("the expression `{0}` uses `{1}`, which is not supported")]
    Unsupported(String, String),
}

/// The result of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Is(Value),
    /// The token lacks this claim, for which every relying party refuses it.
    Missing(String),
    /// An error such as mismatched types, which is also a refusal.
    Fails(String),
    /// Not supported here, though the relying party may get a value.
    Unknown(String),
}

/// The variables, functions and length that a relying party allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    pub(super) variables: &'static [&'static str],
    pub(super) functions: &'static [&'static str],
    pub(super) max_chars: usize,
}

/// CEL's names of operators, including those that its macros expand to.
const OPERATORS: &[&str] = &[
    "_==_",
    "_!=_",
    "_<_",
    "_<=_",
    "_>_",
    "_>=_",
    "_&&_",
    "_||_",
    "!_",
    "_?_:_",
    "_+_",
    "_-_",
    "_*_",
    "_/_",
    "_%_",
    "-_",
    "@in",
    "_[_]",
    "@not_strictly_false",
];

impl Expression {
    pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Self, ExpressionError> {
        let count = text.chars().count();
        if count > dialect.max_chars {
            return Err(ExpressionError::TooLong { count, unit: "characters", most: dialect.max_chars });
        }
        let syntax = |why: String| ExpressionError::Syntax(text.to_owned(), why);
        if depth(text) > usize::from(MAX_DEPTH) {
            return Err(syntax(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Parser::new()
            .max_recursion_depth(MAX_DEPTH * 4)
            .parse(text)
            .map_err(|error| syntax(first_line(&error.to_string())))?;
        let program = Program::compile(text).map_err(|error| syntax(first_line(&error.to_string())))?;
        let loops = Loops::of(program.expression());
        loops.check().map_err(syntax)?;
        let unsupported = |name: &str| ExpressionError::Unsupported(text.to_owned(), name.to_owned());
        let references = program.references();
        // Also in parts that are not reached for this token.
        let strange = |name: &&str| !OPERATORS.contains(name) && !dialect.functions.contains(name);
        if let Some(name) = references.functions().into_iter().find(strange) {
            return Err(unsupported(name));
        }
        let strange = |name: &&str| {
            !dialect.variables.contains(name) && !name.starts_with('@') && !loops.variables.contains(name)
        };
        if let Some(name) = references.variables().into_iter().find(strange) {
            return Err(unsupported(name));
        }
        Ok(Self { text: text.to_owned(), program })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn evaluate(&self, variables: &BTreeMap<&str, Value>) -> Outcome {
        let mut context = Context::with_env(Arc::new(Env::stdlib()));
        // The first part that could not be evaluated.
        let unread: Arc<Mutex<Option<String>>> = Arc::default();
        let (of_matches, of_split) = (unread.clone(), unread.clone());
        let added = [
            context
                .add_function("matches", move |This(text): This<Arc<String>>, pattern: Arc<String>| {
                    regular_expression::matches(&pattern, &text)
                        .map(cel::Value::from)
                        .ok_or_else(|| leave(&of_matches, "matches", &format!("the pattern `{pattern}`")))
                })
                .is_ok(),
            context.add_function("extract", extract).is_ok(),
            context
                .add_function("split", move |This(text): This<Arc<String>>, separator: Arc<String>| {
                    let parts = split(&text, &separator);
                    parts
                        .map(cel::Value::from)
                        .ok_or_else(|| leave(&of_split, "split", "a text with so many parts"))
                })
                .is_ok(),
            context
                .add_function("lowerAscii", |This(text): This<Arc<String>>| text.to_ascii_lowercase())
                .is_ok(),
            context
                .add_function("upperAscii", |This(text): This<Arc<String>>| text.to_ascii_uppercase())
                .is_ok(),
        ];
        debug_assert!(added.iter().all(|one| *one), "none of these functions is built into CEL");
        for (name, value) in variables {
            if let Err(error) = context.add_variable(*name, value) {
                return Outcome::Fails(error.to_string());
            }
        }
        let outcome = self.program.execute(&context);
        let unread = unread.lock().ok().and_then(|mut unread| unread.take());
        match (outcome, unread) {
            (Err(_), Some(why)) => Outcome::Unknown(why),
            (Ok(value), _) => match to_json(&value) {
                Some(value) => Outcome::Is(value),
                None => Outcome::Fails("the result has a type that claims do not have".to_owned()),
            },
            (Err(ExecutionError::NoSuchKey(key)), None) => Outcome::Missing(key.to_string()),
            (Err(error), None) => Outcome::Fails(first_line(&error.to_string())),
        }
    }
}

/// An error, so that the other operand of `&&` or `||` may still decide.
fn leave(unread: &Mutex<Option<String>>, function: &str, what: &str) -> ExecutionError {
    let why = format!("{what} is not supported");
    if let Ok(mut unread) = unread.lock() {
        unread.get_or_insert_with(|| why.clone());
    }
    ExecutionError::function_error(function, why)
}

fn to_json(value: &cel::Value) -> Option<Value> {
    Some(match value {
        cel::Value::Bool(value) => (*value).into(),
        cel::Value::String(text) => text.as_str().into(),
        cel::Value::Int(number) => (*number).into(),
        cel::Value::UInt(number) => (*number).into(),
        cel::Value::Float(number) => (*number).into(),
        cel::Value::Null => Value::Null,
        cel::Value::List(items) => Value::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        // No caller reads the members of a map.
        _ => return None,
    })
}

/// Nested brackets and repeated signs, on which a parser recurses.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    let signs = text.chars().filter(|c| matches!(c, '!' | '-' | '?')).count();
    deepest.max(signs)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The condition of an expression without a usable value, which is a refusal.
pub(super) fn not_a_value(what: &str, expression: &Expression, outcome: &Outcome) -> Condition {
    let found = match outcome {
        Outcome::Is(value) => format!("{value}, which is neither true nor false"),
        Outcome::Missing(claim) => format!("the token has no claim `{claim}`"),
        Outcome::Fails(why) => why.clone(),
        Outcome::Unknown(why) => return Condition::unknown(what, expression.text(), why),
    };
    Condition::new(what, expression.text(), found, Holds::No)
}

/// The token's values of the claims that an expression reads.
pub(super) fn found_for(text: &str, token: &TokenClaims) -> String {
    let read = token.all().iter().filter(|(name, _)| reads(text, name));
    let read: Vec<String> = read.map(|(name, value)| format!("{name} = {value}")).collect();
    if read.is_empty() { NOTHING.to_owned() } else { read.join(", ") }
}

pub(super) fn reads(text: &str, claim: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let after_dot =
        text.match_indices(&format!(".{claim}")).any(|(at, found)| ends(&text[at + found.len()..]));
    after_dot || text.contains(&format!("['{claim}']")) || text.contains(&format!("[\"{claim}\"]"))
}

#[cfg(test)]
mod tests;
