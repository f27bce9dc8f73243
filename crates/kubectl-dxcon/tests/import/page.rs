//! Runs the commands in docs/adopt.md.

use std::path::Path;
use std::process::{Command, Stdio};

use clap::{CommandFactory as _, Parser as _};
use direct_connect_simulator::Connection;
use kubectl_dxcon::arguments::Arguments;
use test_support::{REGION, World};
use tokio::task::spawn_blocking;

use crate::files;

const PAGE: &str = include_str!("../../../../docs/adopt.md");

/// The content of the code blocks in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[tokio::test]
async fn what_the_page_types_does_what_it_says() {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new("dxcon-fg1234ab", "Frankfurt primary"));
    world.aws.add("us-east-1", Connection::new("dxcon-fh5678cd", "Ashburn").hosted(101));
    world.start_operator();
    let home = tempfile::tempdir().expect("a folder can be made");
    let script = blocks("sh").concat();
    let ended = typed(&world, home.path(), &script).await;
    assert!(ended.contains("frankfurt-primary"), "{ended}");
    assert_eq!(world.ready("ashburn").await.condition("Ready").expect("it is there").reason, "Observed");
    assert_eq!(world.ready("frankfurt-primary").await.0["spec"]["managementPolicy"], "Manage");
    assert_eq!(world.updates(), []);
    let circuits = files(&home.path().join("circuits"));
    assert_eq!(circuits.len(), 3);
    let shown = circuits["frankfurt-primary.yaml"].replace("Manage", "Observe");
    assert_eq!(blocks("yaml"), [shown]);
    assert!(files(&home.path().join("managed"))["frankfurt-primary.yaml"].contains("managementPolicy: Manage"));
    assert!(!ended.contains("kind:"), "nothing is missing by then: {ended}");
}

/// Runs a script in a folder, with kubectl and its plugin on the PATH and the world's namespace in the kubeconfig.
async fn typed(world: &World, folder: &Path, script: &str) -> String {
    let kubeconfig = folder.join("kubeconfig");
    let admins = world.control_plane.kubeconfig();
    std::fs::copy(admins, &kubeconfig).expect("it is copied");
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-dxcon")).parent().expect("it is in a folder");
    let path = std::env::join_paths([
        admins.parent().expect("it is in a folder"),
        plugin,
        "/usr/bin".as_ref(),
        "/bin".as_ref(),
    ]);
    let mut command = Command::new("/bin/sh");
    let namespace = format!("kubectl config set-context --current --namespace={}", world.namespace);
    command
        .args(["-exc", &format!("{namespace}\n{script}")])
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", path.expect("they are paths"))
        .env("HOME", folder)
        .env("KUBECONFIG", &kubeconfig)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", world.aws.endpoint())
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .env("AWS_REGION", REGION);
    let ended = spawn_blocking(move || command.output()).await.expect("no panic").expect("the shell runs");
    let told = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{told}");
    told
}

#[test]
fn the_page_has_every_flag_of_import() {
    let command = Arguments::command();
    let import = command.find_subcommand("import").expect("it is there");
    for argument in import.get_arguments().filter(|argument| argument.get_id() != "context") {
        let name = argument.get_long().expect("every argument is a flag");
        let flag = if name == "output" { "-o".to_owned() } else { format!("--{name}") };
        assert!(PAGE.contains(&flag), "{flag}");
    }
}

#[test]
fn every_command_of_the_page_is_one() {
    let commands = PAGE.split(['`', '\n']).filter(|words| words.starts_with("kubectl dxcon ") && words.contains(" -"));
    let mut count = 0;
    for command in commands {
        let words = command.strip_prefix("kubectl ").unwrap_or(command).split(' ');
        Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{command}: {error}"));
        count += 1;
    }
    assert!(count >= 4, "there are {count}");
}
