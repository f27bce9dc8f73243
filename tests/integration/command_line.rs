//! Wrong input on the command line: one clear line on standard error, and exit code 2.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use test_support::operator_binary;

/// Wrong values of every flag of `run`, and what the message says.
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

/// The flags of `run` and their environment variables, from its help.
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
            // In a list, the wrong item is named.
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
fn an_empty_variable_counts_as_unset() {
    let variables: Vec<String> = flags().into_values().collect();
    assert_eq!(variables.len(), WRONG.len());
    // `RUST_LOG` is parsed after all flags, so its error shows that the flags were accepted.
    let told = |empty: &[&str]| {
        let environment = empty.iter().map(|variable| (*variable, "")).chain([("RUST_LOG", "nonsense")]);
        assert_told(&run(&["run"], &environment.collect::<Vec<_>>()), &["RUST_LOG", "\"nonsense\""]);
    };
    for variable in &variables {
        told(&[variable]);
    }
    told(&variables.iter().map(String::as_str).collect::<Vec<_>>());
    told(&[]);
}

#[test]
fn a_level_that_is_none_is_one_line_and_silences_nothing() {
    for (levels, bad) in [
        ("warning", "\"warning\""),
        ("info,verbose", "\"verbose\""),
        ("info,directconnect_operator=verbose", "\"verbose\""),
        ("kube", "\"kube\""),
        ("info=", "\"\""),
        ("fatal,info", "\"fatal\""),
        ("\"info\"", "info"),
        ("7", "\"7\""),
    ] {
        assert_told(&run(&["run"], &[("RUST_LOG", levels)]), &["RUST_LOG: ", bad, "error, warn, info, debug, trace"]);
    }
    assert_told(&run(&["run"], &[("RUST_LOG", "a=b=info")]), &["RUST_LOG: ", "a=b=info"]);
}

#[test]
fn a_bundle_of_cas_that_cannot_be_used_is_one_line_that_names_it() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (bundle, says) in [(here.join("nowhere.pem"), "cannot be read"), (here.join("LICENSE"), "no certificate")] {
        let bundle = bundle.to_string_lossy();
        assert_told(&run(&["run"], &[("AWS_CA_BUNDLE", &bundle)]), &["AWS_CA_BUNDLE", &bundle, says]);
    }
}

#[test]
fn a_credential_that_is_not_text_is_one_line_that_names_it_and_does_not_show_it() {
    let mut command = Command::new(operator_binary());
    let secret = OsStr::from_bytes(b"wJalrXUtnFEMI\xff");
    let told = command.arg("run").env_clear().env("AWS_SECRET_ACCESS_KEY", secret).output().expect("it starts");
    assert_told(&told, &["AWS_SECRET_ACCESS_KEY", "UTF-8"]);
    assert!(!String::from_utf8_lossy(&told.stderr).contains("wJalrXUtnFEMI"));
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
        // The help of a command lists its flags.
        let help = match arguments[0] {
            command @ ("run" | "crd") => format!("see directconnect-operator {command} --help"),
            _ => "see directconnect-operator --help".to_owned(),
        };
        assert_told(&run(arguments, &[]), &[*words, &[help.as_str()]].concat());
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

/// Writes a kubeconfig for one test.
fn kubeconfig(name: &str, cluster: &str, user: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.kubeconfig", std::process::id()));
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: x, contexts: [{{name: x, context: {{cluster: c, user: u}}}}], \
         clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1', {cluster}}}}}], \
         users: [{{name: u, user: {{{user}}}}}]}}"
    );
    std::fs::write(&path, text).expect("the folder is of this build");
    path
}

#[test]
fn a_kubeconfig_that_asks_for_what_is_not_supported_is_one_line_that_says_what() {
    let proxy = "http://";
    let provider = "exec plugin";
    for (name, cluster, user, advice) in [
        ("socks5", "proxy-url: 'socks5://user:word@127.0.0.1:1'", "token: t", proxy),
        ("ftp", "proxy-url: 'ftp://127.0.0.1:1'", "token: t", proxy),
        ("azure", "", "auth-provider: {name: azure, config: {}}", provider),
        ("openstack", "", "auth-provider: {name: openstack, config: {}}", provider),
    ] {
        let path = kubeconfig(name, cluster, user);
        let told = run(&["run"], &[("HTTP_ADDRESS", "127.0.0.1:0"), ("KUBECONFIG", &path.to_string_lossy())]);
        let stderr = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        for part in [name, "not supported", advice] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
        assert!(!stderr.contains("word"), "a password is not told: {stderr}");
        std::fs::remove_file(path).expect("it was written");
    }
}

/// In a pod, the cluster of that pod would be another one than the kubeconfig means.
#[test]
fn a_kubeconfig_that_cannot_be_used_is_told_in_a_pod_too() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broken-{}.kubeconfig", std::process::id()));
    let named = file.to_string_lossy();
    let pod =
        [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "1"), ("HTTP_ADDRESS", "127.0.0.1:0")];
    for (text, words) in [
        ("a: [\n", "cannot be used: failed to parse kubeconfig YAML"),
        ("{contexts: [{name: x, context: {cluster: c}}], current-context: x}", "cluster of context: c"),
        ("{contexts: [], clusters: [{name: c}]}", "current context"),
    ] {
        std::fs::write(&file, text).expect("the folder is of this build");
        let told = run(&["run"], &[&pod[..], &[("KUBECONFIG", &*named)]].concat());
        let stderr = String::from_utf8_lossy(&told.stderr);
        assert_eq!((told.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(
            stderr.contains(words) && stderr.contains(&*named) && !stderr.contains("no Kubernetes cluster"),
            "{stderr}"
        );
    }
    std::fs::remove_file(file).expect("it was written");
}
