//! Finds the manifests of connections in files, folders and standard input.

mod documents;
mod metadata;
mod rules;
mod status;

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use directconnect_core::text::printable;
use directconnect_operator::api::{DirectConnectConnection, GROUP};
use kube::Resource as _;
use serde_json::Value;
use serde_saphyr::{Error, UserMessageFormatter};

use crate::problem::Problem;
use crate::terminal::quoted;

use self::documents::{is_blank, split};
pub use self::metadata::is_subdomain;
pub use self::rules::Rules;

/// The name that a kustomization may have without an extension.
const KUSTOMIZATION: &str = "Kustomization";

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
/// ignored. `again` is the same command for manifests that are piped in.
pub fn read(paths: &[PathBuf], again: &str) -> Result<Vec<Manifest>, Problem> {
    let mut manifests = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if std::io::stdin().is_terminal() {
                return Err(Problem::new("nothing is piped in: name files or folders with -f, or pipe manifests in"));
            }
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| format!("standard input cannot be read: {error}"))?;
            manifests.extend(documents("-", &text, again)?);
        } else {
            for file in files(path)? {
                let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
                manifests.extend(documents(&file.display().to_string(), &text, again)?);
            }
        }
    }
    rules::fill_nulls(manifests.iter_mut().map(|manifest| &mut manifest.object))?;
    Ok(manifests)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("{} cannot be read: {error}", path.display()))
}

/// The file itself, or the YAML and JSON files in the folder and its subfolders, sorted by name. As by kubectl, hidden ones
/// are taken, and links to folders below it are not followed: one could lead back to where it is. What git keeps for
/// itself is left out.
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
        // What follows the last dot: a file may be named `.yaml`, and has no extension for a `Path` then.
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        let is_taken = matches!(extension, Some("yaml" | "yml" | "json")) || name == KUSTOMIZATION;
        if entry.is_dir() && !entry.is_symlink() {
            if name != ".git" {
                found.extend(files(&entry)?);
            }
        } else if is_taken {
            found.push(entry);
        }
    }
    Ok(found)
}

/// The manifests of connections in a text with one or more documents.
fn documents(file: &str, text: &str, again: &str) -> Result<Vec<Manifest>, Problem> {
    let mut manifests = Vec::new();
    let unread = |line: usize, why: &str| {
        let location = Location { file: file.to_owned(), line };
        Problem::new(format!("{location}: the document cannot be read: {why}"))
    };
    for (first, document) in split(text).map_err(|(line, why)| unread(line, &why))? {
        let object: Value = serde_saphyr::from_str(&document).map_err(|error| {
            let line = error.location().map_or(0, |location| usize::try_from(location.line()).unwrap_or(1) - 1);
            unread(first + line, &unparsed(&error))
        })?;
        let line = first + document.lines().take_while(|line| is_blank(line)).count();
        let location = Location { file: file.to_owned(), line };
        if let Some(field) = kustomized(file, &object) {
            let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = printable(&quoted(&folder.unwrap_or(Path::new(".")).display().to_string()));
            return Err(Problem::new(format!(
                "{location}: this kustomization can change the manifests ({field}), which are read as they stand: pipe in what comes of it, `kubectl kustomize {folder} | {again}`"
            )));
        }
        collect(&location, object, &mut manifests);
    }
    Ok(manifests)
}

/// The first field by which a kustomization may change what the manifests in its folder ask for, or add others.
fn kustomized(file: &str, object: &Value) -> Option<String> {
    const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", KUSTOMIZATION];
    const HARMLESS: [&str; 5] = ["apiVersion", "kind", "metadata", "commonLabels", "labels"];
    let name = Path::new(file).file_name()?.to_string_lossy();
    let fields = object.as_object().filter(|_| NAMES.contains(&name.as_ref()))?;
    fields.iter().find_map(|(field, value)| {
        let is_inside = |path: &Value| path.as_str().is_some_and(|path| !path.contains("..") && !path.contains("://"));
        let is_harmless = match field.as_str() {
            "resources" => value.as_array().is_none_or(|paths| paths.iter().all(is_inside)),
            "commonAnnotations" => value.as_object().is_none_or(|all| !all.keys().any(|key| key.starts_with(GROUP))),
            other => HARMLESS.contains(&other),
        };
        (!is_harmless).then(|| field.clone())
    })
}

/// Adds the object if it is one of the group, or those in it if it is a list, as any object with items is for kubectl. An
/// object of another version or kind is added too, so that a misspelt one is refused and not passed over; so is a
/// connection that does not say its group.
fn collect(location: &Location, object: Value, manifests: &mut Vec<Manifest>) {
    let says = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (says("apiVersion"), says("kind"));
    let is_ours = api_version.split('/').next() == Some(GROUP)
        || (api_version.is_empty() && kind == DirectConnectConnection::kind(&()));
    let is_single = is_ours && !kind.ends_with("List");
    if let Some(Value::Array(items)) = object.get("items").filter(|_| !is_single) {
        for item in items {
            collect(location, item_of_list(api_version, kind, item), manifests);
        }
    } else if is_ours {
        manifests.push(Manifest { location: location.clone(), object });
    }
}

/// An item of a list as kubectl reads it: one without version or kind has both from its list, if that is one of a kind.
fn item_of_list(api_version: &str, kind: &str, item: &Value) -> Value {
    let kind = kind.strip_suffix("List").unwrap_or(kind);
    let mut item = item.clone();
    let lacks = |field: &str| item.get(field).and_then(Value::as_str).is_none_or(str::is_empty);
    let is_bare = !kind.is_empty() && (lacks("apiVersion") || lacks("kind"));
    if let Some(fields) = item.as_object_mut().filter(|_| is_bare) {
        fields.insert("apiVersion".to_owned(), api_version.into());
        fields.insert("kind".to_owned(), kind.into());
    }
    item
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
    use serde_json::json;

    const LINE: &str =
        "apiVersion: directconnect-operator.dev/v1alpha1\nkind: DirectConnectConnection\nmetadata: {name: a}\n";

    fn documents(file: &str, text: &str) -> Result<Vec<Manifest>, Problem> {
        super::documents(file, text, "kubectl dxcon plan")
    }

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
    fn an_item_has_version_and_kind_from_a_list_of_its_kind_as_kubectl_reads_it() {
        let items = |of: &str, items: &str| {
            let text = format!("apiVersion: directconnect-operator.dev/v1alpha1\nkind: {of}\nitems: {items}\n");
            documents("-", &text).expect("it can be read").into_iter().map(|found| found.object).collect::<Vec<_>>()
        };
        let whole = json!({ "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection" });
        for bare in ["{}", "{kind: DirectConnectConnection}", "{apiVersion: v1}", "{apiVersion: '', kind: Secret}"] {
            assert_eq!(
                items("DirectConnectConnectionList", &format!("[{bare}]")),
                std::slice::from_ref(&whole),
                "{bare}"
            );
        }
        assert_eq!(items("DirectConnectConnectionList", "[{apiVersion: v1, kind: Secret}]"), [json!(null); 0]);
        // A List is of no kind. What has items is a list, whatever it is called.
        assert_eq!(items("List", "[{kind: DirectConnectConnection}]"), [json!({ "kind": "DirectConnectConnection" })]);
        let circuits = format!("apiVersion: v1\nkind: Circuits\nitems: [{whole}]\n");
        assert_eq!(documents("-", &circuits).expect("it can be read").len(), 1);
        assert_eq!(items("DirectConnectConnection", "[]").len(), 1, "it is refused, as it has no such field");
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
    fn hidden_files_and_folders_are_read_as_by_kubectl_and_not_what_git_keeps() {
        let folder = tempfile::tempdir().expect("there is room");
        let at = |name: &str| folder.path().join(name);
        for below in [".git", ".more", "below"] {
            std::fs::create_dir(at(below)).expect("it is made");
        }
        let taken = [".a.yaml", ".json", ".more/a.yml", "b..yaml", "below/.b.json"];
        for name in taken.iter().chain(&[".git/a.yaml", "a.yaml~", "yaml", "a.YAML"]) {
            std::fs::write(at(name), LINE).expect("it is written");
        }
        let mut found = files(folder.path()).expect("it can be read");
        found.sort();
        assert_eq!(found, taken.map(at));
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
