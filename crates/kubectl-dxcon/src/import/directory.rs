//! Writes a folder with all its files, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::problem::Problem;

/// Checks that the folder can be created: it does not exist, or is empty.
pub fn check(folder: &Path) -> Result<(), Problem> {
    locate(folder).map(|_| ())
}

/// Creates the folder with these files. If this fails or is cancelled, the folder is left as it was.
pub async fn write(folder: &Path, files: &[(String, String)]) -> Result<(), Problem> {
    let Target { parent, folder: target } = locate(folder)?;
    let written = tempfile::Builder::new()
        .prefix(".kubectl-dxcon-")
        .tempdir_in(&parent)
        .map_err(|error| format!("{}: no folder can be made in it: {error}", parent.display()))?;
    for (name, text) in files {
        fs::write(written.path().join(name), text)
            .map_err(|error| format!("{}: {name} cannot be written, so nothing was: {error}", folder.display()))?;
        // So that Ctrl-C takes effect between two files.
        tokio::task::yield_now().await;
    }
    fs::rename(written.path(), &target)
        .map_err(|error| format!("{}: the folder cannot be put there: {error}", folder.display()))?;
    // The temporary folder was renamed, so nothing is left to remove.
    let _ = written.keep();
    Ok(())
}

struct Target {
    parent: PathBuf,
    folder: PathBuf,
}

/// Determines where to create the folder, with links followed.
fn locate(folder: &Path) -> Result<Target, Problem> {
    let shown = folder.display();
    let target = match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => fs::canonicalize(folder).map_err(|error| format!("{shown}: {error}"))?,
        Ok(false) => {
            return Err(Problem::new(format!("{shown} is not empty: name a folder that is empty or not there yet")));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => folder.to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(Problem::new(format!("{shown} is no folder: name one that is empty or not there yet")));
        }
        Err(error) => return Err(Problem::new(format!("{shown} cannot be read: {error}"))),
    };
    // The rename replaces an empty folder. A shell that is in this folder would not see the new one.
    if std::env::current_dir().is_ok_and(|current| current == target) {
        return Err(Problem::new(format!("{shown} is the folder you are in: name one that is not there yet")));
    }
    let parent = match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => return Err(Problem::new(format!("{shown} is no name for a folder"))),
    };
    if !parent.is_dir() {
        return Err(Problem::new(format!("{shown} cannot be made: there is no folder {}", parent.display())));
    }
    Ok(Target { parent, folder: target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn two_files() -> [(String, String); 2] {
        [("a.yaml", "a"), ("kustomization.yaml", "k")].map(|(name, text)| (name.to_owned(), text.to_owned()))
    }

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("it is there")
            .map(|entry| entry.expect("it is read").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_new_and_an_empty_folder_get_all_files_and_nothing_is_left_beside_them() {
        let home = tempfile::tempdir().expect("a folder can be made");
        fs::create_dir(home.path().join("empty")).expect("a folder can be made");
        for folder in ["new", "empty", "slashed/"] {
            write(&home.path().join(folder), &two_files()).await.expect("it is written");
            assert_eq!(entries(&home.path().join(folder)), ["a.yaml", "kustomization.yaml"], "{folder}");
        }
        assert_eq!(entries(home.path()), ["empty", "new", "slashed"]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn others_may_read_the_folder_as_any_that_is_made() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().expect("a folder can be made");
        let (made, other) = (home.path().join("made"), home.path().join("other"));
        write(&made, &two_files()).await.expect("it is written");
        fs::create_dir(&other).expect("a folder can be made");
        let rights = |folder: &Path| fs::metadata(folder).expect("it is there").permissions().mode();
        assert_eq!(rights(&made), rights(&other));
    }

    #[tokio::test]
    async fn what_is_given_up_after_a_file_leaves_nothing() {
        let home = tempfile::tempdir().expect("a folder can be made");
        assert!(write(&home.path().join("new"), &two_files()).now_or_never().is_none(), "it waits between the files");
        assert_eq!(entries(home.path()), [""; 0]);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_leaves_nothing() {
        let home = tempfile::tempdir().expect("a folder can be made");
        let [first, _] = two_files();
        let files = [first, ("no/folder.yaml".to_owned(), String::new())];
        let problem = write(&home.path().join("new"), &files).await.expect_err("it cannot be").to_string();
        assert!(problem.contains("new") && problem.contains("no/folder.yaml"), "{problem}");
        assert_eq!(entries(home.path()), [""; 0]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_by_its_name() {
        let home = tempfile::tempdir().expect("a folder can be made");
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("full")).expect("a folder can be made");
        fs::write(at("full/file"), "").expect("a file can be made");
        for (folder, words) in [
            (at("full"), "is not empty"),
            (at("full/file"), "is no folder"),
            (at("not/there"), "there is no folder"),
            (std::env::current_dir().expect("there is one"), "not"),
        ] {
            let problem = check(&folder).expect_err("it cannot be made").to_string();
            assert!(problem.contains(&folder.display().to_string()) && problem.contains(words), "{problem}");
        }
        check(&at("new")).expect("it can be made");
    }
}
