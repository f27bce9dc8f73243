//! Wrong, missing or broken input: one clear line, and exit code 1.

use std::path::Path;

use direct_connect_simulator::{Connection, Simulator};
use serde_json::json;
use test_support::{REGION, connection};

use crate::said::text;
use crate::typed::{Printed, dxcon};

const A: &str = "dxcon-aaaaaaaa";

#[track_caller]
fn assert_told(printed: &Printed, words: &[&str]) {
    assert_eq!(printed.code, Some(1), "{printed:#?}");
    assert_eq!((printed.err.lines().count(), printed.out.as_str()), (1, ""), "{printed:#?}");
    assert!(printed.err.starts_with("kubectl-dxcon: "), "{printed:#?}");
    for word in words {
        assert!(printed.err.contains(word), "{word:?} is not in {printed:#?}");
    }
}

fn manifest() -> String {
    text([&connection("line").id(A).name("new")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_that_can_change_the_manifests_is_not_passed_over() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new(A, "new"));
    let dir = tempfile::tempdir().expect("there is room");
    std::fs::write(dir.path().join("a.yaml"), manifest()).expect("it is written");
    let folder = dir.path().to_string_lossy();
    let with = |kustomization: &str| {
        std::fs::write(dir.path().join("kustomization.yaml"), kustomization).expect("it is written");
        dxcon(["plan", "-f", &folder]).aws(&aws.endpoint()).run()
    };
    let as_imported =
        "kind: Kustomization\ncommonAnnotations: {kustomize.toolkit.fluxcd.io/ssa: Merge}\nresources: [a.yaml]\n";
    let printed = with(as_imported);
    assert_eq!(printed.code, Some(0), "{printed:#?}");
    for (field, value) in [
        ("patches", "[{target: {}, patch: '[]'}]"),
        ("namespace", "network"),
        ("namePrefix", "eu-"),
        ("resources", "[../base]"),
        ("resources", "['https://example.com/circuits']"),
        ("commonAnnotations", "{directconnect-operator.dev/paused: 'true'}"),
    ] {
        let printed = with(&format!("kind: Kustomization\n{field}: {value}\n"));
        assert_told(
            &printed,
            &["kustomization.yaml:1", field, &format!("`kubectl kustomize {folder} | kubectl dxcon plan`")],
        );
    }
    let flags = ["plan", "-f", &folder, "--cluster", "-n", "net", "--context", "a b", "--region", REGION, "-o", "json"];
    let again =
        format!("| kubectl dxcon plan --cluster --region {REGION} --output json --context 'a b' --namespace net`");
    assert_told(&dxcon(flags).run(), &[&again]);
    std::fs::remove_file(dir.path().join("kustomization.yaml")).expect("it is removed");
    std::fs::write(dir.path().join("Kustomization"), "namespace: network\n").expect("it is written");
    assert_told(&dxcon(["plan", "-f", &folder]).aws(&aws.endpoint()).run(), &["Kustomization:1", "namespace"]);
}

#[test]
fn what_cannot_be_done_is_told_in_one_line() {
    let nowhere = "http://127.0.0.1:1";
    let dir = tempfile::tempdir().expect("there is room");
    let broken = dir.path().join("broken.yaml");
    std::fs::write(&broken, "kind: Service\n---\nkind: [\n").expect("it is written");
    let broken = broken.to_string_lossy();
    let plan = |arguments: &[&str]| dxcon([&["plan"], arguments].concat()).aws(nowhere);
    assert_told(&plan(&["--filenam", "x"]).run(), &["--filenam", "--filename", "kubectl dxcon plan --help"]);
    assert_told(&dxcon(["--filename", "x"]).run(), &["--filename", "kubectl dxcon --help"]);
    assert_told(&plan(&["--cluster", "--watch-namespace", "a,,b"]).with_input(&manifest()), &["--watch-namespace"]);
    for name in ["", "Net", "net/a", "-net"] {
        assert_told(&plan(&[&format!("--namespace={name}")]).run(), &["--namespace", "no name of a namespace"]);
    }
    assert_told(&plan(&["-o", "jason"]).run(), &["jason", "json", "markdown"]);
    assert_told(&plan(&["--region", "Frankfurt"]).run(), &["Frankfurt", "eu-central-1"]);
    assert_told(&plan(&["-f", "/nonexistent/circuits"]).run(), &["/nonexistent/circuits"]);
    assert_told(&plan(&["-f", &broken]).run(), &["broken.yaml:", "cannot be read"]);
    assert_told(&plan(&[]).with_input("kind: Service\n"), &["no DirectConnectConnection", "-f"]);
    assert_told(&dxcon(["plan"]).with_input(&manifest()), &["no AWS credentials", "--profile"]);
    assert_told(&plan(&["--profile", "nobody"]).with_input(&manifest()), &["nobody"]);
    let kubeconfig = Path::new("/nonexistent/kubeconfig");
    assert_told(&plan(&["--cluster"]).cluster(kubeconfig).with_input(&manifest()), &["kubeconfig"]);
}

#[test]
fn a_region_that_cannot_be_read_is_an_error_and_says_so() {
    let printed = dxcon(["plan"]).aws("http://127.0.0.1:1").with_input(&manifest());
    assert_eq!(printed.code, Some(1), "{printed:#?}");
    assert!(printed.out.contains("Could not be read") && printed.out.contains(REGION), "{printed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_exit_code_says_what_it_is_to_say() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new(A, "line"));
    let plan = |text: &str| dxcon(["plan"]).aws(&aws.endpoint()).with_input(text);
    let named = |name: &str| text([&connection("line").id(A).name(name)]);
    assert_eq!(plan(&named("line")).code, Some(0));
    assert_eq!(plan(&named("new")).code, Some(2));
    let refused = plan(&named(""));
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.out.contains("standard input:2") && refused.out.contains("1 to 200 characters"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_no_control_characters_of_others() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new(A, "line\u{1b}[35m"));
    let folder = tempfile::tempdir().expect("there is room");
    // The program itself never uses this colour.
    let (escape, magenta) = ("\\u001b[35m", "\u{1b}[35m");
    let manifests = [
        format!(r#"{{name: "a{escape}\n  met"}}|{{connectionId: {A}}}"#),
        format!(
            r#"{{name: b, "x{escape}": 1, namespace: "n{escape}", labels: {{"y{escape}": 1}}}}|{{connectionId: {A}}}"#
        ),
        format!(r#"{{name: c}}|{{connectionId: {A}, "z{escape}": 1}}"#),
        format!(r#"{{name: d}}|{{connectionId: {A}, encryptionMode: "{escape}"}}"#),
        format!(r#"{{name: e}}|{{connectionId: "{escape}"}}"#),
        format!(r#"{{name: f, annotations: {{directconnect-operator.dev/paused: "{escape}"}}}}|{{connectionId: {A}}}"#),
        format!("{{name: g}}|{{connectionId: {A}, connectionName: new}}"),
        // JSON does not escape this one, which begins a sequence too.
        format!(r#"{{name: h, labels: ["\u009b35m"]}}|{{connectionId: {A}}}"#),
    ];
    let documents = manifests.iter().map(|manifest| {
        let (metadata, spec) = manifest.split_once('|').expect("it has two parts");
        format!("apiVersion: directconnect-operator.dev/v1alpha1\nkind: DirectConnectConnection\nmetadata: {metadata}\nspec: {spec}\n")
    });
    let file = folder.path().join(format!("{magenta}.yaml"));
    std::fs::write(&file, documents.collect::<Vec<_>>().join("---\n")).expect("it is written");
    let typed = dxcon(["plan", "-f", &file.to_string_lossy()]).aws(&aws.endpoint()).env("CLICOLOR_FORCE", "1");
    let printed = typed.run();
    assert!(printed.out.contains("6 refused") && printed.out.contains("\u{1b}[1m"), "{printed:#?}");
    let obeyed = [magenta, "\u{9b}", "\n  met"];
    assert!(!obeyed.iter().any(|sequence| printed.out.contains(sequence)), "{printed:#?}");
    let printed = dxcon(["plan", "-f", magenta]).env("CLICOLOR_FORCE", "1").run();
    assert!(printed.err.contains("cannot be read") && !printed.err.contains('\u{1b}'), "{printed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_says_no_width_gets_whole_lines() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new(A, "line"));
    let plan = |columns: &str| dxcon(["plan"]).aws(&aws.endpoint()).env("COLUMNS", columns).env("NO_COLOR", "1");
    for columns in ["0", ""] {
        let printed =
            plan(columns).with_input(&manifest()).out + &plan(columns).on_a_terminal_without_size(&manifest());
        let whole = printed.matches("send   connectionName \"line\" → \"new\"").count();
        assert_eq!(whole, 2, "{columns:?}: {printed}");
    }
    let wrapped = plan("30").on_a_terminal_without_size(&manifest());
    assert!(wrapped.contains("send") && !wrapped.contains("send   connectionName \"line\" → \"new\""), "{wrapped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_no_colours_and_markdown_no_markup_of_others() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new(A, "line"));
    let text = text([&connection("line").id(A).name("<img src=x> | `a` @team")]);
    let plain = dxcon(["plan"]).aws(&aws.endpoint()).with_input(&text).out;
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let markdown = dxcon(["plan", "-o", "markdown"]).aws(&aws.endpoint()).with_input(&text).out;
    assert!(!markdown.contains("<img") && !markdown.contains("@team"), "{markdown}");
    assert!(markdown.contains("<details>"), "{markdown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_after_json_is_read_as_by_kubectl_and_what_is_none_after_it_is_told() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new(A, "new"));
    let plan = |text: &str| dxcon(["plan"]).aws(&aws.endpoint()).with_input(text);
    let one = connection("one").id(A).name("new").json();
    let other = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "other" } });
    for between in ["", "\n", " \n\n"] {
        let printed = plan(&format!("{other}{between}{one:#}{between}{other}"));
        assert_eq!(printed.code, Some(0), "{printed:#?}");
        assert!(printed.out.starts_with("1 manifest: 1 as they should be"), "{printed:#?}");
    }
    assert_told(&plan(&format!("{other}\n{one}\n---\n{one}\n")), &["standard input:3", "takes only JSON"]);
}
