//! Completion scripts and the manual page.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::{dxcon, run};

#[tokio::test]
async fn a_completion_script_is_one_that_its_shell_can_read() {
    for (shell, words) in
        [("bash", "complete -F"), ("zsh", "#compdef kubectl-dxcon"), ("fish", "complete -c kubectl-dxcon")]
    {
        let printed = run(dxcon(["completion", shell])).await;
        assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
        assert!(printed.out.contains(words) && printed.out.contains("reconcile"), "{shell}: {}", printed.out);
    }
    let script = run(dxcon(["completion", "bash"])).await.out;
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("there is a bash");
    bash.stdin.take().expect("stdin is piped").write_all(script.as_bytes()).expect("it reads");
    assert!(bash.wait().expect("it ends").success());
}

#[tokio::test]
async fn bash_completes_verbs_their_flags_and_the_values_of_these() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let script = folder.path().join("completion");
    std::fs::write(&script, run(dxcon(["completion", "bash"])).await.out).expect("the folder is writable");
    for (typed, expected) in [
        ("pl", "plan"),
        ("plan --ou", "--output"),
        ("plan --output ma", "markdown"),
        ("status --all", "--all-namespaces"),
        ("pause --rea", "--reason"),
    ] {
        // As bash calls a completion: the words in an array, then the command, the word and the one before it.
        let complete = r#"source "$1"; COMP_WORDS=(kubectl-dxcon $2); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            function=$(complete -p kubectl-dxcon | sed 's/.*-F \([^ ]*\) .*/\1/')
            $function kubectl-dxcon "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; echo "${COMPREPLY[*]}""#;
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", complete, "bash"]).arg(&script).arg(typed);
        let answer = bash.output().expect("there is a bash");
        assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), expected, "{typed}: {answer:?}");
    }
}

#[tokio::test]
async fn a_shell_that_is_not_known_is_one_line() {
    crate::assert_one_line(&run(dxcon(["completion", "tcsh"])).await, &["tcsh", "bash"]);
}

#[tokio::test]
async fn the_help_of_each_verb_has_examples() {
    for verb in ["import", "plan", "status", "check", "pause", "resume", "reconcile", "completion", "man"] {
        let printed = run(dxcon([verb, "--help"])).await;
        assert_eq!(printed.code, Some(0), "{printed:?}");
        let (_, examples) = printed.out.split_once("Examples:\n").unwrap_or_else(|| panic!("{verb}: {}", printed.out));
        assert!(examples.contains(&format!("dxcon {verb}")), "{verb}: {examples}");
    }
}

#[tokio::test]
async fn the_manual_page_has_each_verb_with_its_flags() {
    let printed = run(dxcon(["man"])).await;
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    assert!(printed.out.contains(".TH kubectl-dxcon 1"), "{}", printed.out);
    for (verb, flag) in [
        ("IMPORT", "\\-\\-all\\-regions"),
        ("PLAN", "\\-\\-filename"),
        ("STATUS", "\\-\\-watch"),
        ("CHECK", "\\-\\-pre"),
        ("PAUSE", "\\-\\-reason"),
        ("RESUME", "\\-\\-reason"),
        ("RECONCILE", "\\-\\-reason"),
        ("COMPLETION", "SHELL"),
    ] {
        let (_, section) =
            printed.out.split_once(&format!("\n.SH {verb}\n")).unwrap_or_else(|| panic!("{verb} is there"));
        let section = section.split_once("\n.SH ").map_or(section, |(section, _)| section);
        assert!(section.contains(flag), "{verb}: {flag}: {section}");
    }
}
