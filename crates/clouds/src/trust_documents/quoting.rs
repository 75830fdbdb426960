//! Quotes values for the languages of trust documents, so that each is read literally.

use serde_json::Value;

/// Quotes one word for a POSIX shell.
pub fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Quotes a string for Terraform, where `${` and `%{` begin templates.
pub fn terraform(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if characters.peek() == Some(&'{') => quoted.extend([c, c]),
            c if c.is_control() => quoted.extend([format!("\\u{:04x}", u32::from(c))]),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// `value` as a Terraform expression; lines after the first are indented by `depth` steps.
pub fn terraform_value(value: &Value, depth: usize) -> String {
    let (inside, outside) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    match value {
        Value::String(text) => terraform(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| terraform_value(item, depth)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{inside}{} = {}\n", terraform(name), terraform_value(value, depth + 1))
            };
            format!("{{\n{}{outside}}}", members.iter().map(member).collect::<String>())
        }
        other => other.to_string(),
    }
}

/// Quotes a string for the Common Expression Language.
pub fn cel(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend([format!("\\u{:04x}", u32::from(c))]),
            c => quoted.push(c),
        }
    }
    quoted + "'"
}

/// `text` as a regular expression that matches it literally (RE2). `<` stays: some engines give `\<` a meaning.
pub fn regex(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        if !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '/' | '-' | '<' | '>') || !c.is_ascii()) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

/// A resource name of letters, digits and `separator`, with at most `most` characters.
pub fn name(text: &str, separator: char, most: usize) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with(separator) {
            name.push(separator);
        }
    }
    name.truncate(most);
    name.trim_end_matches(separator).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_literally() {
        assert_eq!(shell("a'b $(rm) `x`"), r"'a'\''b $(rm) `x`'");
        assert_eq!(shell("runmint:deploy:org:acme"), "runmint:deploy:org:acme");
        assert_eq!(terraform("a\"${x} %{if} $5 100% \\ \n"), r#""a\"$${x} %%{if} $5 100% \\ \n""#);
        assert_eq!(cel(r"it's \d"), r"'it\'s \\d'");
        assert_eq!(regex("a.b*c:d-e_f/g+<h>"), r"a\.b\*c:d-e_f/g\+<h>");
        assert_eq!(name("web site/é:prod!", '-', 8), "web-site");
    }
}
