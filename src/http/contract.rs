//! What an operation takes and answers, read from the signature of its handler. So openapi.yaml is compared with the
//! types that really go over the wire, and a route without types does not compile.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::Api;
use super::answer::{Created, NoContent, Text};
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::{PathSegment, TwoSegments};
use super::peer::CallerAddress;

/// Makes the schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The bodies of an operation.
pub struct Contract {
    pub request: Option<SchemaOf>,
    /// Without refusals. `None` for a body that is not JSON, or for none.
    pub answers: Vec<(StatusCode, Option<SchemaOf>)>,
}

/// A handler with the extractors `A`.
pub trait Documented<A> {
    fn contract(&self) -> Contract;
}

/// An extractor.
pub trait Takes {
    fn body() -> Option<SchemaOf> {
        None
    }
}

/// What a handler answers when it does not refuse.
pub trait Answers {
    fn answers() -> Vec<(StatusCode, Option<SchemaOf>)>;
}

macro_rules! documented {
    ($($extractor:ident),*) => {
        impl<F, O, R, $($extractor),*> Documented<($($extractor,)*)> for F
        where
            F: Fn($($extractor),*) -> O,
            O: Future<Output = R>,
            R: Answers,
            $($extractor: Takes,)*
        {
            fn contract(&self) -> Contract {
                let bodies: [Option<SchemaOf>; _] = [None, $($extractor::body()),*];
                Contract { request: bodies.into_iter().flatten().next(), answers: R::answers() }
            }
        }
    };
}

documented!();
documented!(A);
documented!(A, B);
documented!(A, B, C);
documented!(A, B, C, D);
documented!(A, B, C, D, E);

impl Takes for State<Arc<Api>> {}
impl Takes for Authenticated {}
impl Takes for PathSegment {}
impl Takes for TwoSegments {}
impl Takes for RawQuery {}
impl Takes for HeaderMap {}
impl Takes for CallerAddress {}

impl<T: JsonSchema> Takes for UnreadBody<T> {
    fn body() -> Option<SchemaOf> {
        Some(schema_of::<T>)
    }
}

impl<T: Answers, E> Answers for Result<T, E> {
    fn answers() -> Vec<(StatusCode, Option<SchemaOf>)> {
        T::answers()
    }
}

impl<T: JsonSchema> Answers for Json<T> {
    fn answers() -> Vec<(StatusCode, Option<SchemaOf>)> {
        vec![(StatusCode::OK, Some(schema_of::<T>))]
    }
}

impl<T: JsonSchema> Answers for Created<T> {
    fn answers() -> Vec<(StatusCode, Option<SchemaOf>)> {
        vec![(StatusCode::CREATED, Some(schema_of::<T>))]
    }
}

impl Answers for NoContent {
    fn answers() -> Vec<(StatusCode, Option<SchemaOf>)> {
        vec![(StatusCode::NO_CONTENT, None)]
    }
}

impl<B> Answers for Text<B> {
    fn answers() -> Vec<(StatusCode, Option<SchemaOf>)> {
        vec![(StatusCode::OK, None)]
    }
}
