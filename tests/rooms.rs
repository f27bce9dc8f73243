//! Checks which module may use which, as described in `docs/architecture.md`, by reading the source of each module.

use std::fs;
use std::path::{Path, PathBuf};

const KUBERNETES: &[&str] = &["kube::", "k8s_openapi::"];
const AWS: &[&str] = &["aws_sdk", "aws_config", "aws_smithy", "aws_types", "aws_credential_types"];
/// A runtime, logging, I/O, clocks and random numbers.
const OUTSIDE: &[&str] = &[
    "tokio::",
    "futures::",
    "tracing::",
    "fastrand::",
    "jiff::",
    "std::io",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "Instant",
    "SystemTime",
];

/// A part of the crate, the modules of this crate that it may use, and what it must not use.
type Room = (&'static str, &'static [&'static str], &'static [&'static [&'static str]]);

const ROOMS: [Room; 10] = [
    ("api.rs", &[], &[AWS, OUTSIDE]),
    ("state", &[], &[KUBERNETES, AWS]),
    ("aws", &["clock", "metrics", "state"], &[KUBERNETES]),
    ("kubernetes", &["api", "clock", "metrics", "state"], &[AWS]),
    ("reconcile", &["api", "aws", "kubernetes", "clock", "metrics", "state"], &[AWS]),
    ("config.rs", &[], &[KUBERNETES, AWS]),
    ("metrics.rs", &[], &[KUBERNETES, AWS]),
    ("server.rs", &["metrics"], &[KUBERNETES, AWS]),
    ("telemetry.rs", &["config"], &[KUBERNETES]),
    ("clock.rs", &[], &[KUBERNETES, AWS]),
];

#[test]
fn rooms_know_only_whom_they_may() {
    for (room, modules, foreign) in ROOMS {
        for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room)) {
            let text = fs::read_to_string(&file).expect("a source is text");
            // Unit tests at the end of a file may use anything.
            let end = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
            let lines = text[..end].lines().enumerate();
            for (number, line) in lines.filter(|(_, line)| !line.trim_start().starts_with("//")) {
                for name in line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
                    let place = format!("{}:{}", file.display(), number + 1);
                    if let Some(module) = name.strip_prefix("crate::").and_then(|rest| rest.split("::").next()) {
                        assert!(modules.contains(&module), "{room} must not know {module}: {place}");
                    }
                    let unknown = foreign.concat().into_iter().all(|foreign| !name.starts_with(foreign));
                    assert!(unknown, "{room} must not name {name}: {place}");
                }
            }
        }
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.flat_map(|entry| files(&entry.expect("it can be listed").path())).collect()
}

#[test]
fn the_core_knows_nobody() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/core/Cargo.toml"));
    let manifest = manifest.expect("the core has a manifest");
    let libraries = manifest.split("[dependencies]").nth(1).and_then(|rest| rest.split("\n\n").next());
    let names: Vec<&str> = libraries.unwrap_or_default().split_whitespace().filter(|word| word.contains('.')).collect();
    assert_eq!(
        names,
        ["regex-lite.workspace", "schemars.workspace", "serde.workspace", "strum.workspace", "thiserror.workspace"]
    );
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/core/src")) {
        let text = fs::read_to_string(&file).expect("a source is text");
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for name in line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
                let unknown = OUTSIDE.iter().all(|outside| !name.starts_with(outside));
                assert!(unknown, "the core must not name {name}: {}:{}", file.display(), number + 1);
            }
        }
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["benches", "crates", "src", "tests"].into_iter().flat_map(|folder| files(&root.join(folder)));
    for file in sources.filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let lines = fs::read_to_string(&file).expect("a source is text").lines().count();
        assert!(lines <= 600, "{} has {lines} lines", file.display());
    }
}
