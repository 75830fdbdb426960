//! Parts of states by number. A state is then five small numbers, and the facts derived from a part,
//! including all results of the real rules, are computed once.

use std::collections::HashMap;
use std::hash::Hash;

pub(super) type Id = u16;

/// Each part with its derived facts.
pub(super) struct Interned<T, F> {
    ids: HashMap<T, Id>,
    parts: Vec<(T, F)>,
}

impl<T: Copy + Eq + Hash, F> Interned<T, F> {
    pub(super) fn new() -> Self {
        Self { ids: HashMap::new(), parts: Vec::new() }
    }

    pub(super) fn id_of(&mut self, part: T, facts: impl FnOnce(&T) -> F) -> Id {
        if let Some(id) = self.ids.get(&part) {
            return *id;
        }
        let id = Id::try_from(self.parts.len()).expect("a model has few different parts");
        self.parts.push((part, facts(&part)));
        self.ids.insert(part, id);
        id
    }

    pub(super) fn part(&self, id: Id) -> T {
        self.parts[usize::from(id)].0
    }

    pub(super) fn facts(&self, id: Id) -> &F {
        &self.parts[usize::from(id)].1
    }

    pub(super) fn facts_mut(&mut self, id: Id) -> &mut F {
        &mut self.parts[usize::from(id)].1
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }
}
