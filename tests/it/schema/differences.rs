//! The comparison finds what is wrong.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::comparison::{Comparison, Direction};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Thing {
    id: Uuid,
    name: String,
    colour: Option<Colour>,
    sizes: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Shape {
    Circle { radius: u32 },
    Square { side: u32 },
}

fn documented() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "name", "colour", "sizes"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "name": {"type": "string", "maxLength": 5},
            "colour": {"oneOf": [{"type": "string", "enum": ["green", "red"]}, {"type": "null"}]},
            "sizes": {"type": "array", "items": {"type": "integer"}},
            "note": {"type": "string"},
        },
    })
}

fn compare<T: JsonSchema>(documented: &Value, direction: Direction) -> Vec<String> {
    let settings = SchemaSettings::draft2020_12();
    let mut generator = match direction {
        Direction::Request => settings.for_deserialize().into_generator(),
        Direction::Answer => settings.for_serialize().into_generator(),
    };
    let typed = generator.subschema_for::<T>().to_value();
    let definitions = json!({"$defs": generator.definitions()});
    let mut comparison = Comparison::default();
    comparison.compare("thing", direction, (&Value::Null, documented), (&definitions, &typed));
    comparison.differences
}

#[test]
fn a_schema_of_the_type_is_accepted() {
    assert_eq!(compare::<Thing>(&documented(), Direction::Answer), [""; 0]);
}

#[test]
fn each_deviation_is_found() {
    type Change = fn(&mut Value);
    let changes: [(Change, &[&str]); 9] = [
        (
            |schema| {
                schema["properties"]["title"] = schema["properties"]["name"].take();
                schema["properties"].as_object_mut().unwrap().remove("name");
            },
            &[
                "thing.name: openapi.yaml does not have this member",
                "thing.title: the type does not have this member",
            ],
        ),
        (
            |schema| schema["required"] = json!(["id", "colour", "sizes"]),
            &["thing.name: required: openapi.yaml has false, the type true"],
        ),
        (
            |schema| schema["required"] = json!(["id", "name", "colour", "sizes", "note"]),
            &["thing.note: required: openapi.yaml has true, the type false"],
        ),
        (
            |schema| schema["properties"]["name"]["type"] = json!("integer"),
            &[r#"thing.name: types: openapi.yaml has {"integer"}, the type {"string"}"#],
        ),
        (
            |schema| schema["properties"]["name"]["type"] = json!(["string", "null"]),
            &[r#"thing.name: types: openapi.yaml has {"null", "string"}, the type {"string"}"#],
        ),
        (
            |schema| schema["properties"]["colour"] = json!({"type": "string", "enum": ["green", "red"]}),
            &[r#"thing.colour: types: openapi.yaml has {"string"}, the type {"null", "string"}"#],
        ),
        (
            |schema| schema["properties"]["colour"]["oneOf"][0]["enum"] = json!(["green", "blue"]),
            &[
                r#"thing.colour: words: openapi.yaml has Some({"blue", "green"}), the type Some({"green", "red"})"#,
            ],
        ),
        (
            |schema| schema["properties"]["sizes"]["items"]["type"] = json!("string"),
            &[r#"thing.sizes[]: types: openapi.yaml has {"string"}, the type {"integer"}"#],
        ),
        (
            |schema| schema["properties"]["id"] = json!({"type": "string"}),
            &[r#"thing.id: formats: openapi.yaml has {}, the type {"uuid"}"#],
        ),
    ];
    for (change, differences) in changes {
        let mut schema = documented();
        change(&mut schema);
        assert_eq!(compare::<Thing>(&schema, Direction::Answer), differences);
    }
}

#[test]
fn a_request_that_takes_other_members_is_found() {
    let mut schema = documented();
    schema["required"] = json!(["id", "name", "sizes"]);
    schema["properties"]["note"] = json!({"type": ["string", "null"]});
    assert_eq!(compare::<Thing>(&schema, Direction::Request), [""; 0]);
    schema["additionalProperties"] = json!(true);
    assert_eq!(
        compare::<Thing>(&schema, Direction::Request),
        ["thing: refuses others: openapi.yaml has false, the type true"]
    );
}

#[test]
fn each_form_of_an_object_is_compared_with_its_own() {
    let form = |kind: &str, member: &str| {
        let properties = json!({"kind": {"const": kind}, member: {"type": "integer"}});
        json!({"type": "object", "required": ["kind", member], "properties": properties})
    };
    let forms = |second| json!({"oneOf": [form("circle", "radius"), second]});
    assert_eq!(compare::<Shape>(&forms(form("square", "side")), Direction::Answer), [""; 0]);
    assert_eq!(
        compare::<Shape>(&forms(form("square", "edge")), Direction::Answer),
        [
            "thing(square).edge: the type does not have this member",
            "thing(square).side: openapi.yaml does not have this member"
        ]
    );
    assert_eq!(
        compare::<Shape>(&forms(form("cube", "side")), Direction::Answer),
        [r#"thing.kind: words: openapi.yaml has {"circle", "cube"}, the type {"circle", "square"}"#]
    );
}
