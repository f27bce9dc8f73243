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
