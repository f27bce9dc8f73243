//! Checks that the tests that the documents name exist.

use std::fmt::Write as _;
use std::path::Path;
use test_support::repository;

/// Appends all Rust sources below a folder.
fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it can be read")) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            writeln!(into, "{text}").expect("memory");
        }
    }
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let mut code = String::new();
    for folder in ["crates", "src", "tests"] {
        sources(&repository(folder), &mut code);
    }
    for document in ["docs/reliability.md", "docs/security.md"] {
        let text = std::fs::read_to_string(repository(document)).expect("it is there");
        let quoted = text.split('`').skip(1).step_by(2);
        // In these documents, only names of tests have so many words.
        let is_test = |name: &&str| {
            name.matches('_').count() >= 4
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let named: Vec<&str> = quoted.filter(is_test).collect();
        assert!(!named.is_empty(), "{document} names tests");
        for name in named {
            assert!(code.contains(&format!("fn {name}(")), "{document}: there is no test {name}");
        }
    }
}
