//! Finds the manifests of connections in files, folders and standard input.

mod metadata;
mod rules;

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use directconnect_core::text::printable;
use directconnect_operator::api::{DirectConnectConnection, GROUP};
use kube::Resource as _;
use serde_json::Value;
use serde_saphyr::{Error, UserMessageFormatter};

use crate::problem::Problem;

pub use self::rules::Rules;

/// The location of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, as given by the user; `-` is standard input.
    pub file: String,
    /// The line on which its document begins, from 1.
    pub line: usize,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = if self.file == "-" { "standard input" } else { &self.file };
        write!(f, "{}:{}", printable(file), self.line)
    }
}

/// A manifest of a `DirectConnectConnection`, or of another version or kind of its group, which is to be refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Its location.
    pub location: Location,
    /// Its content.
    pub object: Value,
}

/// Reads all manifests of the operator's group in these files and folders; `-` is standard input. Other groups are
/// ignored.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Manifest>, Problem> {
    let mut manifests = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if std::io::stdin().is_terminal() {
                return Err(Problem::new("nothing is piped in: name files or folders with -f, or pipe manifests in"));
            }
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| format!("standard input cannot be read: {error}"))?;
            manifests.extend(documents("-", &text)?);
        } else {
            for file in files(path)? {
                let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
                manifests.extend(documents(&file.display().to_string(), &text)?);
            }
        }
    }
    rules::fill_nulls(manifests.iter_mut().map(|manifest| &mut manifest.object))?;
    Ok(manifests)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("{} cannot be read: {error}", path.display()))
}

/// The file itself, or the YAML and JSON files in the folder and its subfolders, sorted by name. Links to folders below it
/// are not followed, as by kubectl: one could lead back to where it is.
fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    if !std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries: Vec<PathBuf> =
        entries.map_err(|error| unreadable(path, &error))?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        let is_hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let extension = entry.extension().and_then(|extension| extension.to_str());
        if entry.is_dir() && !entry.is_symlink() && !is_hidden {
            found.extend(files(&entry)?);
        } else if matches!(extension, Some("yaml" | "yml" | "json")) && !is_hidden {
            found.push(entry);
        }
    }
    Ok(found)
}

/// The manifests of connections in a text with one or more documents.
fn documents(file: &str, text: &str) -> Result<Vec<Manifest>, Problem> {
    let mut manifests = Vec::new();
    for (first, document) in split(text) {
        let object: Value = serde_saphyr::from_str(&document).map_err(|error| {
            let line = error.location().map_or(0, |location| usize::try_from(location.line()).unwrap_or(1) - 1);
            let location = Location { file: file.to_owned(), line: first + line };
            Problem::new(format!("{location}: the document cannot be read: {}", unparsed(&error)))
        })?;
        let line = first + document.lines().take_while(|line| is_blank(line)).count();
        collect(&Location { file: file.to_owned(), line }, object, &mut manifests);
    }
    Ok(manifests)
}

/// Adds the object if it is one of the group, or those in it if it is a list. An object of another version or kind is
/// added too, so that a misspelt one is refused and not passed over; so is a connection that does not say its group.
fn collect(location: &Location, object: Value, manifests: &mut Vec<Manifest>) {
    let says = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (says("apiVersion"), says("kind"));
    let is_ours = api_version.split('/').next() == Some(GROUP)
        || (api_version.is_empty() && kind == DirectConnectConnection::kind(&()));
    if kind.ends_with("List")
        && let Some(Value::Array(items)) = object.get("items")
    {
        for item in items.clone() {
            collect(location, item, manifests);
        }
    } else if is_ours {
        manifests.push(Manifest { location: location.clone(), object });
    }
}

/// The documents of a text, each with the line on which it begins. A line that begins with `---` always ends a document
/// (YAML 1.2, section 9.1.2).
fn split(text: &str) -> Vec<(usize, String)> {
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
fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "..."
}

/// What a parser's message says to a user: its first line, as the others only show the position.
fn unparsed(error: &Error) -> String {
    match error.without_snippet() {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
            format!("the key{key} is there twice: take one of them out")
        }
        Error::MultipleDocuments { .. } => "another document follows in it: write a line --- before that".to_owned(),
        other => {
            let words = other.render_with_formatter(&UserMessageFormatter);
            let first = words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "apiVersion: directconnect-operator.dev/v1alpha1\nkind: DirectConnectConnection\nmetadata: {name: a}\n";

    #[test]
    fn each_document_is_told_with_the_line_on_which_it_begins() {
        let text =
            format!("# Source: chart/a.yaml\n{LINE}---\n---\n# only words\n---\nkind: Service\n--- # b\n\n{LINE}...\n");
        let found = documents("all.yaml", &text).expect("it can be read");
        let lines: Vec<usize> = found.iter().map(|manifest| manifest.location.line).collect();
        assert_eq!(lines, [2, 12], "{found:#?}");
    }

    #[test]
    fn lists_are_opened_and_other_groups_passed_over() {
        let list = "kind: List\napiVersion: v1\nitems:\n- {apiVersion: directconnect-operator.dev/v1alpha1, kind: DirectConnectConnection}\n- {apiVersion: v1, kind: Secret}\n---\napiVersion: example.com/v1\nkind: DirectConnectConnection\n";
        assert_eq!(documents("-", list).expect("it can be read").len(), 1);
    }

    #[test]
    fn a_broken_document_is_told_with_file_and_line() {
        let problem =
            documents("broken.yaml", &format!("{LINE}---\na: b\nc: [\n")).expect_err("it is broken").to_string();
        assert!(problem.starts_with("broken.yaml:"), "{problem}");
        let line: usize = problem.split(':').nth(1).and_then(|line| line.parse().ok()).expect("there is a line");
        assert!((6..=8).contains(&line), "{problem}");
        assert!(!problem.contains('\n'), "{problem}");
    }

    #[test]
    fn a_broken_document_is_told_in_words_of_yaml_and_not_of_the_library() {
        let first = |text: &str| documents("-", text).expect_err("it is broken").to_string();
        assert!(first(&format!("{LINE}kind: a\n")).ends_with("the key kind is there twice: take one of them out"));
        assert!(first(&format!("{LINE}...\na: b\n")).ends_with("write a line --- before that"));
        assert!(first("? {}\n: a\n").starts_with("standard input:1: the document cannot be read: "));
        let told = [first("a: 1\na: 2\n"), first("{a: 1}\n...\n{a: 2}\n"), first("a: !!binary /w==\n")].concat();
        assert!(!told.contains("Options") && !told.contains("from_"), "{told}");
    }

    #[test]
    fn links_to_folders_are_not_followed_and_links_to_files_are() {
        let folder = tempfile::tempdir().expect("there is room");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("below")).expect("it is made");
        for name in ["b.yaml", "below/a.yml"] {
            std::fs::write(at(name), LINE).expect("it is written");
        }
        // The first two lead back to the folder that holds them.
        for (target, link) in [(".", "loop"), (".", "below/more"), ("../b.yaml", "below/c.json")] {
            std::os::unix::fs::symlink(target, at(link)).expect("it is linked");
        }
        let found = files(folder.path()).expect("it can be read");
        assert_eq!(found, [at("b.yaml"), at("below/a.yml"), at("below/c.json")]);
        std::os::unix::fs::symlink(folder.path(), at("given")).expect("it is linked");
        assert_eq!(files(&at("given")).expect("it can be read").len(), 3, "a link that the user names is followed");
    }
}
