//! The comparison of a documented schema with the one of a type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::shape::{Member, Object, Others, Shape, Words, reference};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Request,
    Answer,
}

#[derive(Default)]
pub(super) struct Comparison {
    pub(super) differences: Vec<String>,
    /// How many members were compared.
    pub(super) members: usize,
    /// Pairs of references that were compared, or are being compared.
    seen: BTreeSet<(Direction, String, String)>,
}

/// A schema, and the document that its references are about.
type Schema<'s> = (&'s Value, &'s Value);

impl Comparison {
    pub(super) fn compare(&mut self, place: &str, direction: Direction, documented: Schema, typed: Schema) {
        if let (Some(one), Some(other)) = (reference(documented.1), reference(typed.1)) {
            // A documented schema that requests use, too, tells what they may have. An answer has the same type.
            if self.seen.contains(&(Direction::Request, one.to_owned(), other.to_owned()))
                || !self.seen.insert((direction, one.to_owned(), other.to_owned()))
            {
                return;
            }
        }
        let shapes = (Shape::of(documented.0, documented.1), Shape::of(typed.0, typed.1));
        self.compare_shapes(place, direction, (documented.0, shapes.0), (typed.0, shapes.1));
    }

    fn compare_shapes(
        &mut self,
        place: &str,
        direction: Direction,
        (documented_root, documented): (&Value, Shape),
        (typed_root, typed): (&Value, Shape),
    ) {
        if documented.any || typed.any {
            self.check_equal(place, "anything", &documented.any, &typed.any);
            return;
        }
        self.check_equal(place, "types", &documented.types, &typed.types);
        self.check_equal(place, "formats", &documented.formats, &typed.formats);
        // A constant may be promised of what the type leaves open, as bounds and patterns are.
        if !(matches!(documented.words, Words::Constant(_)) && typed.words.list().is_none()) {
            self.check_equal(place, "words", &documented.words.list(), &typed.words.list());
        }
        match (&documented.elements, &typed.elements) {
            (Some(documented), Some(typed)) => {
                let (documented, typed) = ((documented_root, documented), (typed_root, typed));
                self.compare(&format!("{place}[]"), direction, documented, typed);
            }
            (documented, typed) => {
                self.check_equal(place, "has elements", &documented.is_some(), &typed.is_some());
            }
        }
        let (documented, typed) = (documented.objects, typed.objects);
        // The type takes whatever the documentation says.
        if typed.iter().all(Object::is_free) && typed.is_empty() == documented.is_empty() {
            return;
        }
        for (place, documented, typed) in self.pair(place, documented, typed, (documented_root, typed_root)) {
            self.compare_objects(&place, direction, (documented_root, &documented), (typed_root, &typed));
        }
    }

    /// The forms of an object that belong together: by a member whose words tell them apart, or else as one.
    fn pair(
        &mut self,
        place: &str,
        documented: Vec<Object>,
        typed: Vec<Object>,
        (documented_root, typed_root): (&Value, &Value),
    ) -> Vec<(String, Object, Object)> {
        if documented.len().max(typed.len()) > 1
            && let Some(tag) = tag(typed_root, &typed)
        {
            let documented = by_word(documented_root, &documented, &tag);
            let mut typed = by_word(typed_root, &typed, &tag);
            let words = |forms: &BTreeMap<String, Object>| forms.keys().cloned().collect::<BTreeSet<_>>();
            self.check_equal(&format!("{place}.{tag}"), "words", &words(&documented), &words(&typed));
            let pairs = documented.into_iter().filter_map(|(word, documented)| {
                Some((format!("{place}({word})"), documented, typed.remove(&word)?))
            });
            return pairs.collect();
        }
        let merged = |objects: Vec<Object>| objects.into_iter().reduce(merge);
        match (merged(documented), merged(typed)) {
            (Some(documented), Some(typed)) => vec![(place.to_owned(), documented, typed)],
            _ => Vec::new(),
        }
    }

    fn compare_objects(
        &mut self,
        place: &str,
        direction: Direction,
        (documented_root, documented): (&Value, &Object),
        (typed_root, typed): (&Value, &Object),
    ) {
        let names: BTreeSet<&String> = documented.members.keys().chain(typed.members.keys()).collect();
        for name in names {
            let place = format!("{place}.{name}");
            match (documented.members.get(name), typed.members.get(name)) {
                (Some(documented), Some(typed)) => {
                    self.compare_members(
                        &place,
                        direction,
                        (documented_root, documented),
                        (typed_root, typed),
                    );
                }
                (Some(_), None) => self.differ(&place, "the type does not have this member"),
                (None, _) => self.differ(&place, "openapi.yaml does not have this member"),
            }
        }
        match (&documented.others, &typed.others) {
            (Others::Of(documented), Others::Of(typed)) => {
                let (documented, typed) = ((documented_root, documented), (typed_root, typed));
                self.compare(&format!("{place}.*"), direction, documented, typed);
            }
            (Others::Of(_), _) => self.differ(place, "the type is not a map"),
            (_, Others::Of(_)) => self.differ(place, "openapi.yaml does not say what other members are"),
            // Whoever reads an answer must be ready for new members, whatever it has today.
            _ if direction == Direction::Answer => {}
            (documented, typed) => {
                self.check_equal(place, "refuses others", &documented.are_refused(), &typed.are_refused());
            }
        }
    }

    fn compare_members(
        &mut self,
        place: &str,
        direction: Direction,
        (documented_root, documented): (&Value, &Member),
        (typed_root, typed): (&Value, &Member),
    ) {
        self.members += 1;
        self.check_equal(place, "required", &documented.required, &typed.required);
        if direction == Direction::Answer && !typed.required {
            // `skip_serializing_if` leaves out `None`, so `null` is never written.
            let shapes = (
                Shape::of(documented_root, &documented.schema),
                Shape::of(typed_root, &typed.schema).present(),
            );
            self.compare_shapes(place, direction, (documented_root, shapes.0), (typed_root, shapes.1));
            return;
        }
        let (documented, typed) = ((documented_root, &documented.schema), (typed_root, &typed.schema));
        self.compare(place, direction, documented, typed);
    }

    fn check_equal<T: PartialEq + std::fmt::Debug>(
        &mut self,
        place: &str,
        what: &str,
        documented: &T,
        typed: &T,
    ) {
        if documented != typed {
            self.differ(place, &format!("{what}: openapi.yaml has {documented:?}, the type {typed:?}"));
        }
    }

    fn differ(&mut self, place: &str, what: &str) {
        self.differences.push(format!("{place}: {what}"));
    }
}

/// A member that every form has with words of its own.
fn tag(root: &Value, objects: &[Object]) -> Option<String> {
    let is_tag = |name: &&String| {
        objects.iter().all(|object| {
            let member = object.members.get(*name).filter(|member| member.required);
            member.is_some_and(|member| Shape::of(root, &member.schema).words.list().is_some())
        })
    };
    objects.first()?.members.keys().find(is_tag).cloned()
}

/// The form of each word.
fn by_word(root: &Value, objects: &[Object], tag: &str) -> BTreeMap<String, Object> {
    let words =
        |object: &Object| object.members.get(tag).and_then(|tag| Shape::of(root, &tag.schema).words.list());
    let each = objects.iter().flat_map(|object| {
        let mut object = object.clone();
        let words = words(&object).unwrap_or_default();
        // The words themselves are compared as the names of the forms.
        object.members.remove(tag);
        words.into_iter().map(move |word| (word, object.clone()))
    });
    each.collect()
}

/// One object with the members of both; required is what both require.
fn merge(one: Object, other: Object) -> Object {
    let mut members = BTreeMap::new();
    let names: BTreeSet<&String> = one.members.keys().chain(other.members.keys()).collect();
    for name in names {
        let member = match (one.members.get(name), other.members.get(name)) {
            (Some(one), Some(other)) => Member {
                schema: json!({"anyOf": [one.schema, other.schema]}),
                required: one.required && other.required,
            },
            (Some(member), None) | (None, Some(member)) => Member { required: false, ..member.clone() },
            (None, None) => continue,
        };
        members.insert(name.clone(), member);
    }
    let others = if one.others.are_refused() { other.others } else { one.others };
    Object { members, others }
}
