//! Loops over lists, which multiply.

use cel::common::ast::{EntryExpr, Expr};
use cel::parser::Expression as Parsed;

/// One within the other they multiply, and nobody waits for so many.
const MAX_LOOPS: usize = 4;
const MAX_NESTED_LOOPS: usize = 2;
/// Of all lists and maps that are written out in an expression that goes over lists.
const MAX_ITEMS: usize = 100;
/// How an expression goes over lists.
#[derive(Default)]
pub(super) struct Loops<'e> {
    /// What the items are called.
    pub(super) variables: Vec<&'e str>,
    count: usize,
    nested: usize,
    items: usize,
}

impl<'e> Loops<'e> {
    /// With a stack of its own: a chain of operators is as deep as it is long.
    pub(super) fn of(expression: &'e Parsed) -> Self {
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

    pub(super) fn check(&self) -> Result<(), String> {
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
