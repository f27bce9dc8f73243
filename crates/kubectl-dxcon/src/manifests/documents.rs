//! Splits a text into its documents, as kubectl does: YAML, or a series of JSON.

use serde::de::IgnoredAny;

/// A document, and the line on which it begins.
type Document = (usize, String);

/// The documents of a text. A text that begins with two JSON documents holds nothing but JSON; otherwise the error is what
/// follows them, with its line.
pub fn split(text: &str) -> Result<Vec<Document>, (usize, String)> {
    if !text.trim_start().starts_with('{') {
        return Ok(split_yaml(text));
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let (mut documents, mut begin) = (Vec::new(), 0);
    loop {
        let value = values.next();
        let end = values.byte_offset();
        match value {
            Some(Ok(_)) => {
                let line = 1 + text.get(..begin).unwrap_or_default().matches('\n').count();
                documents.push((line, text.get(begin..end).unwrap_or_default().to_owned()));
                begin = end;
            }
            // One JSON document is YAML too, and so may be what comes after it.
            _ if documents.len() < 2 => return Ok(split_yaml(text)),
            Some(Err(error)) => {
                let why = "it comes after two JSON documents, where kubectl takes only JSON, and it is none";
                return Err((error.line(), format!("{why}: {error}")));
            }
            None => return Ok(documents),
        }
    }
}

/// The documents of YAML. A line that begins with `---` always ends a document (YAML 1.2, section 9.1.2).
fn split_yaml(text: &str) -> Vec<Document> {
    let mut documents = vec![(1, String::new())];
    for (number, line) in text.lines().enumerate() {
        let marker = line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if let Some(rest) = marker {
            // The rest of the marker line belongs to the document.
            documents.push((number + 1, rest.to_owned() + "\n"));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents.retain(|(_, document)| !document.lines().all(is_blank));
    documents
}

/// Whether a line has no content: it is empty, a comment, or the end of a document.
pub fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_of_json_is_split_as_by_kubectl_and_yaml_at_its_markers() {
        for (text, expected) in [
            ("{} {\n}\n\n{}\n", vec![(1, "{}"), (1, " {\n}"), (2, "\n\n{}")]),
            ("\n{\"a\": \"}{\"}{}", vec![(1, "\n{\"a\": \"}{\"}"), (2, "{}")]),
            ("{}\n---\n{}\n", vec![(1, "{}\n"), (2, "\n{}\n")]),
            ("{a: 1}\n---\nb: 1\n", vec![(1, "{a: 1}\n"), (2, "\nb: 1\n")]),
            ("---\n{}\n", vec![(1, "\n{}\n")]),
            ("", vec![]),
        ] {
            let documents = split(text).expect("it can be split");
            let documents: Vec<_> = documents.iter().map(|(line, text)| (*line, text.as_str())).collect();
            assert_eq!(documents, expected, "{text:?}");
        }
        for (text, line) in [("{}{}\n---\n{}", 2), ("{}\n{}\n{", 3), ("{}{} # no", 1)] {
            assert_eq!(split(text).expect_err("it is no JSON").0, line, "{text:?}");
        }
    }
}
