//! What is typed wrong: one clear line on standard error, and exit 2.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};
use test_support::operator_binary;

/// A wrong value of every flag of `run`, and what the line says about it.
const WRONG: &[(&str, &[&str], &str)] = &[
    ("--poll-interval", &["1", "0s", "99ms", "-5s", "soon", "25h", "1e3s", " 30s", ""], "'--poll-interval <DURATION>'"),
    ("--watch-namespace", &["Upper", "a,,b", "a b", "-a", ""], "'--watch-namespace <NAMESPACE>'"),
    ("--encryption-soak", &["-1s", "60", "later"], "'--encryption-soak <DURATION>'"),
    ("--settle-window", &["-1s", "60", "1 fortnight"], "'--settle-window <DURATION>'"),
    ("--progress-deadline", &["-1s", "10", "never"], "'--progress-deadline <DURATION>'"),
    ("--concurrency", &["0", "1025", "-1", "many", "1.5"], "'--concurrency <COUNT>'"),
    ("--http-address", &["8080", ":8080", "0.0.0.0:65536", "localhost:8080"], "'--http-address <ADDRESS>'"),
    ("--leader-elect", &["maybe", "1", "TRUE"], "[possible values: true, false]"),
    ("--lease-name", &["Upper", "a..b", "a_b", ""], "'--lease-name <NAME>'"),
    ("--lease-namespace", &["a.b", "Upper", ""], "'--lease-namespace <NAMESPACE>'"),
    ("--log-format", &["xml", "JSON"], "[possible values: text, json]"),
];

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(operator_binary());
    command.args(arguments).env_clear().envs(environment.iter().copied()).output().expect("the operator starts")
}

#[track_caller]
fn assert_told(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word} is not in: {stderr}");
    }
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The flags of `run` and their environment variables, as its help tells them.
fn flags() -> BTreeMap<String, String> {
    let help = run(&["run", "--help"], &[]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).expect("help is text");
    let mut flags = BTreeMap::new();
    let mut last = String::new();
    for line in help.lines().map(str::trim) {
        if let Some(flag) = line.split(' ').next().filter(|word| word.starts_with("--")) {
            flag.clone_into(&mut last);
        }
        if let Some(variable) = line.strip_prefix("[env: ").and_then(|rest| rest.strip_suffix("=]")) {
            flags.insert(last.clone(), variable.to_owned());
        }
    }
    flags
}

#[test]
fn every_flag_has_an_environment_variable_of_its_name() {
    let flags = flags();
    let tried: BTreeSet<&str> = WRONG.iter().map(|(flag, ..)| *flag).collect();
    assert_eq!(flags.keys().map(String::as_str).collect::<BTreeSet<_>>(), tried, "each flag is tried below");
    for (flag, variable) in flags {
        assert_eq!(variable, flag.trim_start_matches('-').replace('-', "_").to_uppercase());
    }
}

#[test]
fn a_wrong_value_of_a_flag_is_one_line_that_names_it() {
    for (flag, values, says) in WRONG {
        for value in *values {
            let told = run(&["run", &format!("{flag}={value}")], &[]);
            // Of a list, the item that is wrong is named.
            let shown = if value.contains(',') { "''".to_owned() } else { format!("'{value}'") };
            assert_told(&told, &[&shown, flag, says]);
        }
    }
}

#[test]
fn a_wrong_value_in_the_environment_is_told_the_same_way() {
    let variables = flags();
    for (flag, values, says) in WRONG {
        let told = run(&["run"], &[(&variables[*flag], values[0])]);
        assert_told(&told, &[&format!("'{}'", values[0]), flag, says]);
    }
}

#[test]
fn what_nobody_has_heard_of_is_one_line_that_names_it() {
    let wrong: &[(&[&str], &[&str])] = &[
        (&["run", "--pol-interval=1s"], &["'--pol-interval'", "'--poll-interval'"]),
        (&["run", "-x"], &["'-x'"]),
        (&["run", "more"], &["'more'"]),
        (&["run", "--poll-interval"], &["--poll-interval", "required"]),
        (&["run", "--poll-interval=1s", "--poll-interval=2s"], &["--poll-interval", "multiple times"]),
        (&["walk"], &["'walk'"]),
        (&["crd", "--output=json"], &["'--output'"]),
        (&["--verbose"], &["'--verbose'"]),
    ];
    for (arguments, words) in wrong {
        assert_told(&run(arguments, &[]), words);
    }
}

#[test]
fn help_and_version_are_no_errors_and_nothing_at_all_is_answered_with_help() {
    let version = run(&["--version"], &[]);
    assert!(version.status.success());
    assert_eq!(version.stdout, format!("directconnect-operator {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
    assert!(run(&["--help"], &[]).status.success());
    let nothing = run(&[], &[]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("Usage: directconnect-operator <COMMAND>"));
}

#[test]
fn without_a_cluster_it_says_so_and_ends() {
    let settings = [("HTTP_ADDRESS", "127.0.0.1:0"), ("HOME", "/nonexistent")];
    let told = run(&["run"], &settings);
    let stderr = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("KUBECONFIG"), "{stderr}");
}
