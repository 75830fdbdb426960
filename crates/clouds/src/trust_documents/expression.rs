//! The Common Expression Language, as far as relying parties that use it document it. What they do not document is
//! refused, and never taken for false.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cel::common::ast::{EntryExpr, Expr};
use cel::extractors::This;
use cel::parser::{Expression as Parsed, Parser};
use cel::{Context, Env, ExecutionError, Program, ResolveResult};
use serde_json::Value;
use thiserror::Error;

use super::regular_expression;

/// Nested deeper than anybody writes by hand, and far from the end of the stack.
const MAX_DEPTH: u16 = 40;

/// One within the other they multiply, and nobody waits for so many.
const MAX_LOOPS: usize = 4;
const MAX_NESTED_LOOPS: usize = 2;
/// Of all lists and maps that are written out in an expression that goes over lists.
const MAX_ITEMS: usize = 100;
/// Of a text that is split.
const MAX_PARTS: usize = 200;

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
    /// The relying party may come to something, but not what this is evaluated with.
    Unknown(String),
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
        Parser::new()
            .max_recursion_depth(MAX_DEPTH * 4)
            .parse(text)
            .map_err(|error| syntax(first_line(&error.to_string())))?;
        let program = Program::compile(text).map_err(|error| syntax(first_line(&error.to_string())))?;
        let loops = Loops::of(program.expression());
        loops.check().map_err(syntax)?;
        let unsupported = |name: &str| ExpressionError::Unsupported(text.to_owned(), name.to_owned());
        let references = program.references();
        // Also those in a part that is not reached for this token.
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
        // What went unread, of whatever decided.
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
                        .ok_or_else(|| leave(&of_split, "split", "a text of so many parts"))
                })
                .is_ok(),
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
        let outcome = self.program.execute(&context);
        let unread = unread.lock().ok().and_then(|mut unread| unread.take());
        match (outcome, unread) {
            (Err(_), Some(why)) => Outcome::Unknown(why),
            (Ok(value), _) => match to_json(&value) {
                Some(value) => Outcome::Is(value),
                None => Outcome::Fails("the result is of a kind that no claim has".to_owned()),
            },
            (Err(ExecutionError::NoSuchKey(key)), None) => Outcome::Missing(key.to_string()),
            (Err(error), None) => Outcome::Fails(first_line(&error.to_string())),
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

fn split(text: &str, separator: &str) -> Option<Vec<String>> {
    let parts: Vec<String> = text.split(separator).take(MAX_PARTS + 1).map(str::to_owned).collect();
    (parts.len() <= MAX_PARTS).then_some(parts)
}

/// An error, so that what stands beside it may still decide, as it would for either value.
fn leave(unread: &Mutex<Option<String>>, function: &str, what: &str) -> ExecutionError {
    let why = format!("{what} is not evaluated here");
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

/// How an expression goes over lists.
#[derive(Default)]
struct Loops<'e> {
    /// What the items are called.
    variables: Vec<&'e str>,
    count: usize,
    nested: usize,
    items: usize,
}

impl<'e> Loops<'e> {
    /// With a stack of its own: a chain of operators is as deep as it is long.
    fn of(expression: &'e Parsed) -> Self {
        let mut loops = Self::default();
        let mut ahead = vec![(expression, 0)];
        while let Some((one, around)) = ahead.pop() {
            let mut also = |inner: &'e Parsed, around| ahead.push((inner, around));
            match &one.expr {
                Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
                Expr::Call(call) => {
                    call.target.iter().for_each(|target| also(target, around));
                    call.args.iter().for_each(|argument| also(argument, around));
                }
                Expr::Comprehension(over) => {
                    loops.count += 1;
                    loops.nested = loops.nested.max(around + 1);
                    loops.variables.push(&over.iter_var);
                    loops.variables.extend(over.iter_var2.as_deref());
                    also(&over.iter_range, around);
                    for inside in [&over.accu_init, &over.loop_cond, &over.loop_step, &over.result] {
                        also(inside, around + 1);
                    }
                }
                Expr::List(list) => {
                    loops.items += list.elements.len();
                    list.elements.iter().for_each(|element| also(element, around));
                }
                Expr::Map(map) => {
                    loops.items += map.entries.len();
                    map.entries
                        .iter()
                        .for_each(|entry| parts(&entry.expr).into_iter().for_each(|part| also(part, around)));
                }
                Expr::Struct(of) => {
                    of.entries
                        .iter()
                        .for_each(|entry| parts(&entry.expr).into_iter().for_each(|part| also(part, around)));
                }
                Expr::Select(select) => also(&select.operand, around),
            }
        }
        loops
    }

    fn check(&self) -> Result<(), String> {
        if self.count > MAX_LOOPS {
            return Err(format!("it goes over lists more than {MAX_LOOPS} times"));
        }
        if self.nested > MAX_NESTED_LOOPS {
            return Err(format!("it goes over lists more than {MAX_NESTED_LOOPS} times within each other"));
        }
        if self.count > 0 && self.items > MAX_ITEMS {
            return Err(format!("it goes over lists, and has more than {MAX_ITEMS} items written out"));
        }
        Ok(())
    }
}

fn parts(entry: &EntryExpr) -> Vec<&Parsed> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
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
    fn a_pattern_that_is_read_differently_is_unknown_unless_it_does_not_matter() {
        let unread = r"assertion.sub.matches('^\\Qorg\\E')";
        assert!(matches!(outcome(unread), Outcome::Unknown(_)));
        assert!(matches!(outcome(&format!("!{unread}")), Outcome::Unknown(_)));
        assert!(matches!(outcome(&format!("{unread} && assertion.n == 3")), Outcome::Unknown(_)));
        assert_eq!(outcome(&format!("{unread} && assertion.n == 4")), Outcome::Is(json!(false)));
        assert_eq!(outcome(&format!("{unread} || assertion.n == 3")), Outcome::Is(json!(true)));
        assert!(matches!(outcome("matches(assertion.sub, 'a{,2}')"), Outcome::Unknown(_)));
        assert_eq!(outcome("matches(assertion.sub, '^org:')"), Outcome::Is(json!(true)));
        assert!(matches!(
            outcome(&format!("size('{}'.split(',')) > 1", ",".repeat(300))),
            Outcome::Unknown(_)
        ));
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
        let list = |length: usize| format!("[{}]", vec!["1"; length].join(","));
        let nested = |times: usize, dot: &str| {
            (0..times).fold("true".to_owned(), |inner, _| format!("[1, 2, 3]{dot}all(x, {inner})"))
        };
        for dot in [".", ". ", " .\n"] {
            assert!(Expression::parse(&nested(2, dot), DIALECT).is_ok(), "{dot:?}");
            assert!(Expression::parse(&nested(3, dot), DIALECT).is_err(), "{dot:?}");
            let beside = vec![nested(1, dot); 5].join(" && ");
            assert!(Expression::parse(&beside, DIALECT).is_err(), "{dot:?}");
        }
        assert!(Expression::parse(&format!("{}.all(x, x == 1)", list(101)), DIALECT).is_err());
        assert!(Expression::parse(&format!("assertion.n in {}", list(450)), DIALECT).is_ok());
        let four = (0..4).fold("true".to_owned(), |inner, _| format!("{}. all(x, {inner})", list(450)));
        assert!(Expression::parse(&four, DIALECT).is_err());
    }
}
