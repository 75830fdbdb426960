//! The Common Expression Language, as far as relying parties that use it document it. What they do not document is
//! refused, and never taken for false.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::extractors::This;
use cel::parser::Parser;
use cel::{Context, Env, ExecutionError, Program, ResolveResult};
use serde_json::Value;
use thiserror::Error;

/// Nested deeper than anybody writes by hand, and far from the end of the stack.
const MAX_DEPTH: u16 = 40;

/// One within the other they multiply, and nobody waits for so many.
const MAX_LOOPS: usize = 4;
const MACROS: [&str; 5] = ["all", "exists", "exists_one", "map", "filter"];

pub(super) struct Expression {
    text: String,
    program: Program,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExpressionError {
    #[error("the expression has {count} {unit}; at most {most} are taken")]
    TooLong { count: usize, unit: &'static str, most: usize },
    #[error("the expression `{0}` is none: {1}")]
    Syntax(String, String),
    #[error("the expression `{0}` uses `{1}`, which is not evaluated here")]
    Unsupported(String, String),
}

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Is(Value),
    /// A claim that the token does not have, which every relying party takes for a refusal.
    Missing(String),
    /// Types that do not go together, and the like: a refusal, too.
    Fails(String),
}

/// Which language it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    pub(super) variables: &'static [&'static str],
    pub(super) functions: &'static [&'static str],
    pub(super) max_chars: usize,
}

/// Operators, by the names that CEL gives them, and macros of which nothing is left but these.
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
            return Err(syntax(format!("it is nested deeper than {MAX_DEPTH}")));
        }
        let loops: usize = MACROS.iter().map(|name| text.matches(&format!(".{name}(")).count()).sum();
        if loops > MAX_LOOPS {
            return Err(syntax(format!("it goes over lists more than {MAX_LOOPS} times")));
        }
        Parser::new()
            .max_recursion_depth(MAX_DEPTH * 4)
            .parse(text)
            .map_err(|error| syntax(first_line(&error.to_string())))?;
        let program = Program::compile(text).map_err(|error| syntax(first_line(&error.to_string())))?;
        let unsupported = |name: &str| ExpressionError::Unsupported(text.to_owned(), name.to_owned());
        let references = program.references();
        // Also those in a part that is not reached for this token.
        let strange = |name: &&str| !OPERATORS.contains(name) && !dialect.functions.contains(name);
        if let Some(name) = references.functions().into_iter().find(strange) {
            return Err(unsupported(name));
        }
        let strange = |name: &&str| {
            !dialect.variables.contains(name) && !name.starts_with('@') && !is_bound(text, name)
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
        let added = [
            context.add_function("extract", extract).is_ok(),
            context.add_function("split", split).is_ok(),
            context
                .add_function("lowerAscii", |This(text): This<Arc<String>>| text.to_ascii_lowercase())
                .is_ok(),
            context
                .add_function("upperAscii", |This(text): This<Arc<String>>| text.to_ascii_uppercase())
                .is_ok(),
        ];
        debug_assert!(added.iter().all(|one| *one), "none of these is CEL's own");
        for (name, value) in variables {
            if let Err(error) = context.add_variable(*name, value) {
                return Outcome::Fails(error.to_string());
            }
        }
        match self.program.execute(&context) {
            Ok(value) => match to_json(&value) {
                Some(value) => Outcome::Is(value),
                None => Outcome::Fails("the result is of a kind that no claim has".to_owned()),
            },
            Err(ExecutionError::NoSuchKey(key)) => Outcome::Missing(key.to_string()),
            Err(error) => Outcome::Fails(first_line(&error.to_string())),
        }
    }
}

/// `project:{x}:stack` takes what stands between the two, the first time that the one before occurs; nothing found is
/// an empty text (Google Cloud, "IAM Conditions attribute reference", `extract`).
#[expect(clippy::needless_pass_by_value, reason = "functions of the language are called so")]
fn extract(This(text): This<Arc<String>>, template: Arc<String>) -> ResolveResult {
    let broken = || ExecutionError::function_error("extract", "the template needs exactly one `{name}`");
    let (before, rest) = template.split_once('{').ok_or_else(broken)?;
    let (name, after) = rest.split_once('}').ok_or_else(broken)?;
    if name.is_empty() || after.contains(['{', '}']) {
        return Err(broken());
    }
    let Some(start) = text.find(before).map(|at| at + before.len()) else { return Ok(String::new().into()) };
    let end =
        if after.is_empty() { Some(text.len()) } else { text[start..].find(after).map(|at| start + at) };
    Ok(end.map_or_else(String::new, |end| text[start..end].to_owned()).into())
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "functions of the language are called so"
)]
fn split(This(text): This<Arc<String>>, separator: Arc<String>) -> ResolveResult {
    Ok(text.split(separator.as_str()).map(str::to_owned).collect::<Vec<String>>().into())
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
        // Members of a map are not looked at by anybody here.
        _ => return None,
    })
}

/// Brackets within brackets, and negations of negations: what makes a parser recurse.
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

/// Whether a macro such as `exists(x, …)` names it.
fn is_bound(text: &str, name: &str) -> bool {
    MACROS.iter().any(|of| {
        text.match_indices(&format!(".{of}(")).any(|(at, opening)| {
            let argument = text[at + opening.len()..].split(',').next().unwrap_or_default();
            argument.trim() == name
        })
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DIALECT: Dialect = Dialect {
        variables: &["assertion"],
        functions: &["startsWith", "endsWith", "contains", "matches", "size", "extract", "split", "has"],
        max_chars: 4_096,
    };

    fn outcome(text: &str) -> Outcome {
        let claims =
            json!({"sub": "org:acme:project:web:stack:prod", "n": 3, "list": ["a", "b"], "deep": {"x": "y"}});
        Expression::parse(text, DIALECT).unwrap().evaluate(&BTreeMap::from([("assertion", claims)]))
    }

    #[test]
    fn expressions_come_to_what_the_language_says() {
        for (text, expected) in [
            ("assertion.sub == 'org:acme:project:web:stack:prod'", json!(true)),
            ("assertion['sub'].startsWith('org:acme:') && assertion.n == 3", json!(true)),
            ("assertion.sub.endsWith('prod') && !assertion.sub.contains('evil')", json!(true)),
            (r"assertion.sub.matches('^org:acme:project:[^:]+:stack:prod$')", json!(true)),
            (r"assertion.sub.matches('acme')", json!(true)),
            (r"assertion.sub.matches('^acme')", json!(false)),
            ("assertion.sub in ['a', 'b']", json!(false)),
            ("has(assertion.nope)", json!(false)),
            ("has(assertion.deep.x) ? assertion.deep.x : 'none'", json!("y")),
            ("assertion.list.exists(x, x == 'b') && !assertion.list.all(one, one == 'b')", json!(true)),
            ("assertion.sub.extract('project:{x}:stack')", json!("web")),
            ("assertion.sub.extract('stack:{x}')", json!("prod")),
            ("assertion.sub.extract('nope:{x}:')", json!("")),
            ("assertion.sub.split(':')[1]", json!("acme")),
            ("size(assertion.list) == 2", json!(true)),
            // An error beside what decides is no error.
            ("assertion.nope == 'x' || assertion.n == 3", json!(true)),
            ("assertion.n != 3 && assertion.nope == 'x'", json!(false)),
        ] {
            assert_eq!(outcome(text), Outcome::Is(expected), "{text}");
        }
        assert_eq!(outcome("assertion.nope == 'x'"), Outcome::Missing("nope".into()));
        assert!(matches!(outcome("assertion.n.startsWith('x')"), Outcome::Fails(_)));
        assert!(matches!(outcome("assertion.sub.extract('x')"), Outcome::Fails(_)));
    }

    #[test]
    fn what_is_not_known_is_refused_even_where_it_is_not_reached() {
        for (text, what) in [
            ("true || assertion.sub.replace('a', 'b') == 'x'", "replace"),
            ("false && other.sub == 'x'", "other"),
            ("timestamp('2026-01-01T00:00:00Z') < now()", "timestamp"),
        ] {
            match Expression::parse(text, DIALECT) {
                Err(ExpressionError::Unsupported(_, name)) => {
                    assert!(name == what || name == "now", "{name}");
                }
                other => panic!("{text}: {:?}", other.err()),
            }
        }
        for broken in ["", "assertion.", "a ==", "'", "assertion.sub == 'x' assertion", "\u{0}"] {
            assert!(Expression::parse(broken, DIALECT).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_is_made_to_exhaust_is_refused() {
        for (text, n) in
            [("(", 3_000), ("[", 3_000), ("!", 3_000), ("-", 3_000), ("true?", 500), ("a.b(", 1_000)]
        {
            assert!(Expression::parse(&text.repeat(n), DIALECT).is_err(), "{text}");
        }
        assert!(Expression::parse(&format!("'{}'", "a".repeat(4_095)), DIALECT).is_err());
        assert!(Expression::parse(&vec!["assertion.n == 3"; 190].join(" && "), DIALECT).is_ok());
        let nested = (0..6).fold("true".to_owned(), |inner, _| format!("[1, 2, 3].all(x, {inner})"));
        assert!(Expression::parse(&nested, DIALECT).is_err());
    }
}
