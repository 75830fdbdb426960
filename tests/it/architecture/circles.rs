//! Files that use each other, directly or by way of others.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Module, ModulePath, definer};

/// Each circle once, as the files that it goes through.
pub(crate) fn circles(modules: &BTreeMap<ModulePath, Module>) -> Vec<BTreeSet<ModulePath>> {
    let mut reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> = BTreeMap::new();
    for start in modules.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&ModulePath> = uses(modules, start).collect();
        while let Some(module) = next.pop() {
            if seen.insert(module) {
                next.extend(uses(modules, module));
            }
        }
        reached.insert(start, seen);
    }
    let circle_of = |module: &ModulePath| -> BTreeSet<ModulePath> {
        let there = reached[module].iter().copied();
        there.filter(|other| reached[*other].contains(module)).cloned().collect()
    };
    let circles: BTreeSet<_> = modules.keys().map(circle_of).filter(|circle| !circle.is_empty()).collect();
    circles.into_iter().collect()
}

fn uses<'a>(
    modules: &'a BTreeMap<ModulePath, Module>,
    module: &'a ModulePath,
) -> impl Iterator<Item = &'a ModulePath> {
    let named = modules[module].named.iter();
    named.filter_map(|path| definer(modules, path)).filter(move |used| *used != module)
}

#[test]
fn a_circle_is_found_and_a_chain_is_not_one() {
    let path = |name: &str| vec![name.to_owned()];
    let module = |named: &[&str]| Module {
        file: "x.rs".into(),
        named: named.iter().map(|name| vec![(*name).to_owned(), "Thing".to_owned()]).collect(),
        has_code_after_tests: false,
    };
    let with = |of_c: &[&str]| {
        let uses: [(&str, &[&str]); 4] = [("a", &["b"]), ("b", &["c"]), ("c", of_c), ("d", &["a"])];
        uses.map(|(name, named)| (path(name), module(named))).into_iter().collect()
    };
    assert_eq!(circles(&with(&["serde"])), []);
    assert_eq!(circles(&with(&["a"])), [["a", "b", "c"].map(path).into_iter().collect()]);
}
