//! Reads texts from a small XML document, as STS's query protocol answers.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Deeper than any answer of STS.
const MAX_DEPTH: usize = 8;

/// The text of the element at this path, which starts with the root's name. `None` if the element is missing or occurs
/// twice, or if the document is truncated, nested too deeply, or has a document type or undefined entities.
pub(super) fn text_at(document: &[u8], path: &[&str]) -> Option<String> {
    let mut reader = Reader::from_reader(document);
    let mut open: Vec<Vec<u8>> = Vec::new();
    let mut found: Option<String> = None;
    let is_here = |open: &[Vec<u8>]| {
        open.len() == path.len() && open.iter().zip(path).all(|(name, wanted)| name == wanted.as_bytes())
    };
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                open.push(element.local_name().as_ref().to_vec());
                if open.len() > MAX_DEPTH {
                    return None;
                }
                if is_here(&open) && found.replace(String::new()).is_some() {
                    return None;
                }
            }
            Event::End(_) => drop(open.pop()),
            Event::Text(text) if is_here(&open) => found.as_mut()?.push_str(&text.decode().ok()?),
            Event::CData(text) if is_here(&open) => found.as_mut()?.push_str(&text.decode().ok()?),
            Event::GeneralRef(reference) if is_here(&open) => {
                let character = match reference.resolve_char_ref().ok()? {
                    Some(character) => character,
                    None => predefined(&reference.decode().ok()?)?,
                };
                found.as_mut()?.push(character);
            }
            Event::DocType(_) => return None,
            Event::Eof => return found.filter(|_| open.is_empty()),
            _ => {}
        }
    }
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_text_at_a_path_and_nowhere_else() {
        let document = br#"<?xml version="1.0"?><a xmlns="urn:x"><b>no<c>one &amp; &#50; <![CDATA[<3>]]></c></b><c>no</c></a>"#;
        assert_eq!(text_at(document, &["a", "b", "c"]).unwrap(), "one & 2 <3>");
        assert_eq!(text_at(document, &["a", "c"]).unwrap(), "no");
        assert_eq!(text_at(document, &["a", "d"]), None);
        assert_eq!(text_at(document, &["b", "c"]), None);
    }

    #[test]
    fn a_broken_or_unsafe_document_has_no_texts() {
        for bad in [
            "<a><b>1</b>",
            "<a><b>1</a></b>",
            "<a><b>1</b><b>2</b></a>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a><b>&x;</b></a>",
            "<a><b>&x;</b></a>",
            "",
            "{}",
        ] {
            assert_eq!(text_at(bad.as_bytes(), &["a", "b"]), None, "{bad}");
        }
        let deep = format!("<a><b>1</b>{}{}</a>", "<c>".repeat(9), "</c>".repeat(9));
        assert_eq!(text_at(deep.as_bytes(), &["a", "b"]), None);
    }
}
