use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Headers that differ with time or say nothing about an answer.
const ALWAYS_THERE: [&str; 2] = ["content-length", "date"];

/// An HTTP answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer that must be a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.json()
    }

    /// The whole answer as text, for a snapshot: the status, the headers that say something, and the body.
    ///
    /// A service's address is one of 127.0.0.1 that was free; here it is always `http://127.0.0.1:8080`.
    pub fn shown(&self) -> String {
        let mut shown = format!("{}\n", self.status);
        for (name, value) in &self.headers {
            if !ALWAYS_THERE.contains(&name.as_str()) {
                shown.extend([name.as_str(), ": ", &with_one_address(value.to_str().unwrap()), "\n"]);
            }
        }
        match serde_json::from_str(&self.text) {
            Ok(body) => shown.push_str(&shown_json(&body)),
            Err(_) => shown.push_str(&with_one_address(&self.text)),
        }
        shown
    }

    /// Asserts that this is a problem document of this status and kind; returns its detail.
    #[track_caller]
    pub fn problem(&self, status: u16, slug: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:runmint:problem:{slug}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem.as_object().unwrap().len(), 4);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// JSON as a snapshot has it.
pub fn shown_json(value: &Value) -> String {
    with_one_address(&serde_json::to_string_pretty(value).unwrap())
}

/// The text with 8080 as the port of everything on this machine.
pub(super) fn with_one_address(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("127.0.0.1:8080");
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    shown
}
