//! Limits on loops over lists, whose costs multiply when nested.

use cel::common::ast::{EntryExpr, Expr};
use cel::parser::Expression as Parsed;

/// Nested loops multiply, so their number is limited.
const MAX_LOOPS: usize = 4;
const MAX_NESTED_LOOPS: usize = 2;
/// The most literal items of lists and maps in an expression with loops.
const MAX_ITEMS: usize = 100;
/// The loops of an expression.
#[derive(Default)]
pub(super) struct Loops<'e> {
    /// The names of loop variables.
    pub(super) variables: Vec<&'e str>,
    count: usize,
    nested: usize,
    items: usize,
}

impl<'e> Loops<'e> {
    /// Walks with an explicit stack: a chain of operators is as deep as it is long.
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
            return Err(format!("more than {MAX_LOOPS} loops over lists"));
        }
        if self.nested > MAX_NESTED_LOOPS {
            return Err(format!("loops over lists nested deeper than {MAX_NESTED_LOOPS}"));
        }
        if self.count > 0 && self.items > MAX_ITEMS {
            return Err(format!("loops over lists and more than {MAX_ITEMS} literal items"));
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
