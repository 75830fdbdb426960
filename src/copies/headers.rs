//! The headers that a store keeps and sends with an object.

use object_store::{Attribute, Attributes, HeaderValue};

use crate::copies::failure::PublishError;

const CONTENT_TYPE: &str = "application/json";

pub(super) struct Headers {
    cache_control: String,
}

impl Headers {
    pub(super) fn json(cache_control: &str) -> Result<Self, PublishError> {
        // The store's client panics on text that is not a valid header.
        let is_header = !cache_control.is_empty() && HeaderValue::from_str(cache_control).is_ok();
        if !is_header || !cache_control.is_ascii() {
            return Err(PublishError::CacheControl { value: cache_control.to_owned() });
        }
        Ok(Self { cache_control: cache_control.to_owned() })
    }

    pub(super) fn attributes(&self) -> Attributes {
        Attributes::from_iter([
            (Attribute::ContentType, CONTENT_TYPE.to_owned()),
            (Attribute::CacheControl, self.cache_control.clone()),
        ])
    }

    pub(super) fn difference(&self, found: &Attributes) -> Option<&'static str> {
        let text = |attribute| found.get(&attribute).map(AsRef::as_ref);
        if text(Attribute::ContentType) != Some(CONTENT_TYPE) {
            return Some("another Content-Type");
        }
        if text(Attribute::CacheControl) != Some(self.cache_control.as_str()) {
            return Some("another Cache-Control");
        }
        // It would change the meaning of the same bytes.
        text(Attribute::ContentEncoding).is_some().then_some("a Content-Encoding")
    }
}
