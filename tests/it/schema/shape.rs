//! A JSON schema reduced to what the comparison is about: references followed, combinations merged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What a value may be.
#[derive(Clone, Default)]
pub(super) struct Shape {
    /// Whatever it is.
    pub(super) any: bool,
    /// Names of JSON types.
    pub(super) types: BTreeSet<String>,
    /// `date-time` or `uuid`.
    pub(super) formats: BTreeSet<String>,
    pub(super) words: Words,
    /// The schema of an array's elements.
    pub(super) elements: Option<Value>,
    /// Each form that an object may have.
    pub(super) objects: Vec<Object>,
}

/// Which strings there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Words {
    /// It is not a string.
    #[default]
    None,
    Any,
    /// A single value that the documentation promises of a string or another scalar.
    Constant(String),
    List(BTreeSet<String>),
}

#[derive(Clone, Default)]
pub(super) struct Object {
    pub(super) members: BTreeMap<String, Member>,
    pub(super) others: Others,
}

#[derive(Clone)]
pub(super) struct Member {
    pub(super) schema: Value,
    pub(super) required: bool,
}

/// Members beside those that are named.
#[derive(Clone, Default)]
pub(super) enum Others {
    #[default]
    Anything,
    Refused,
    Of(Value),
}

impl Others {
    pub(super) fn are_refused(&self) -> bool {
        matches!(self, Self::Refused)
    }
}

impl Object {
    /// An object of which the schema says nothing.
    pub(super) fn is_free(&self) -> bool {
        self.members.is_empty() && matches!(self.others, Others::Anything)
    }
}

impl Words {
    pub(super) fn list(&self) -> Option<BTreeSet<String>> {
        match self {
            Self::None | Self::Any => None,
            Self::Constant(word) => Some([word.clone()].into()),
            Self::List(words) => Some(words.clone()),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, words) | (words, Self::None) => words,
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (one, other) => Self::List(one.list().into_iter().chain(other.list()).flatten().collect()),
        }
    }
}

/// The target of a reference in `root`, or the schema itself.
pub(super) fn resolve<'v>(root: &'v Value, schema: &'v Value) -> &'v Value {
    match reference(schema) {
        Some(target) => resolve(root, root.pointer(target).unwrap_or_else(|| panic!("no {target}"))),
        None => schema,
    }
}

/// The pointer of a schema that is a reference and nothing else.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    if schema.get("properties").is_some() {
        return None;
    }
    schema["$ref"].as_str()?.strip_prefix('#')
}

impl Shape {
    pub(super) fn of(root: &Value, schema: &Value) -> Self {
        let schema = resolve(root, schema);
        let members = schema.get("properties").is_some();
        let alternatives = ["oneOf", "anyOf"].iter().find_map(|name| schema[name].as_array());
        if let (Some(alternatives), false) = (alternatives, members) {
            return alternatives.iter().map(|one| Self::of(root, one)).fold(Self::default(), Self::or);
        }
        let own = Self::of_itself(schema);
        if let Some(target) = schema["$ref"].as_str() {
            return own.and(Self::of(root, &json!({"$ref": target})));
        }
        let Some(parts) = schema["allOf"].as_array() else { return own };
        let start = (!own.types.is_empty()).then_some(own);
        start
            .into_iter()
            .chain(parts.iter().map(|one| Self::of(root, one)))
            .reduce(Self::and)
            .unwrap_or_default()
    }

    fn of_itself(schema: &Value) -> Self {
        let mut shape = Self::default();
        match &schema["type"] {
            Value::String(one) => drop(shape.types.insert(one.clone())),
            Value::Array(several) => {
                shape.types.extend(several.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
        if let Some(format) =
            schema["format"].as_str().filter(|format| matches!(*format, "date-time" | "uuid"))
        {
            shape.formats.insert(format.to_owned());
        }
        if let Some(constant) = schema.get("const").filter(|constant| !constant.is_array()) {
            shape.words = Words::Constant(text(constant));
            if constant.is_string() {
                shape.types.insert("string".to_owned());
            }
        } else if let Some(words) = schema["enum"].as_array() {
            shape.words = Words::List(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        } else if shape.types.contains("string") {
            shape.words = Words::Any;
        }
        shape.elements = schema.get("items").cloned();
        if schema.get("properties").is_some() || shape.types.contains("object") {
            shape.types.insert("object".to_owned());
            shape.objects.push(Object::of(schema));
        }
        shape.any = shape.types.is_empty() && schema.get("allOf").is_none();
        shape
    }

    fn or(mut self, other: Self) -> Self {
        self.any |= other.any;
        self.types.extend(other.types);
        self.formats.extend(other.formats);
        self.words = self.words.or(other.words);
        self.elements = self.elements.or(other.elements);
        self.objects.extend(other.objects);
        self
    }

    /// Both at once: of the combinations only that of objects is used.
    fn and(mut self, other: Self) -> Self {
        assert!(self.objects.len() == 1 && other.objects.len() == 1, "allOf is for single objects");
        for object in other.objects {
            self.objects[0].members.extend(object.members);
            if !matches!(object.others, Others::Anything) {
                self.objects[0].others = object.others;
            }
        }
        self
    }

    /// The same without `null`.
    pub(super) fn present(mut self) -> Self {
        self.types.remove("null");
        self
    }
}

impl Object {
    fn of(schema: &Value) -> Self {
        let required: BTreeSet<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let member = |(name, schema): (&String, &Value)| {
            let required = required.contains(name.as_str());
            (name.clone(), Member { schema: schema.clone(), required })
        };
        let others = match schema.get("additionalProperties") {
            None | Some(Value::Bool(true)) => Others::Anything,
            Some(Value::Bool(false)) => Others::Refused,
            Some(schema) => Others::Of(schema.clone()),
        };
        Self { members: schema["properties"].as_object().into_iter().flatten().map(member).collect(), others }
    }
}

fn text(constant: &Value) -> String {
    constant.as_str().map_or_else(|| constant.to_string(), str::to_owned)
}
