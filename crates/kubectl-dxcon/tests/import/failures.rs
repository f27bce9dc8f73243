//! Folders that cannot be written, and Ctrl-C: either all files are written, or none.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use direct_connect_simulator::{Connection, Fault, FaultKind, Simulator};
use tempfile::TempDir;
use test_support::{REGION, wait};
use tokio::task::spawn_blocking;

use crate::typed::dxcon;
use crate::{files, run, text};

async fn two_connections() -> (Simulator, TempDir) {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "one"));
    aws.add(REGION, Connection::new("dxcon-bbbbbbbb", "two"));
    (aws, tempfile::tempdir().expect("a folder can be made"))
}

/// A program with the environment of [`dxcon`] and credentials for the simulated account.
fn program(name: &str, aws: &Simulator) -> Command {
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", aws.endpoint())
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .env("AWS_REGION", REGION)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("it is there").count()
}

#[tokio::test]
async fn a_folder_with_something_in_it_is_named_and_left_as_it_is() {
    let (aws, home) = two_connections().await;
    let (folder, file) = (home.path().join("circuits"), home.path().join("circuits/mine.yaml"));
    std::fs::create_dir(&folder).expect("a folder can be made");
    std::fs::write(&file, "mine").expect("a file can be made");
    for (target, words) in [(&folder, "is not empty"), (&file, "is no folder")] {
        let printed = run(dxcon(["import", "-o", text(target)]).aws(&aws.endpoint())).await;
        assert_eq!((printed.code, printed.out.as_str()), (Some(1), ""));
        assert_eq!(printed.err.lines().count(), 1, "{}", printed.err);
        assert!(printed.err.contains(text(target)) && printed.err.contains(words), "{}", printed.err);
    }
    assert_eq!(files(&folder).into_iter().collect::<Vec<_>>(), [("mine.yaml".to_owned(), "mine".to_owned())]);
    assert_eq!(entries(home.path()), 1);
    assert_eq!(aws.calls(), [], "nothing is read before it is clear where it goes");
}

#[tokio::test]
async fn an_empty_folder_is_filled() {
    let (aws, home) = two_connections().await;
    let printed = run(dxcon(["import", "-o", text(home.path())]).aws(&aws.endpoint())).await;
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    assert_eq!(files(home.path()).into_keys().collect::<Vec<_>>(), ["kustomization.yaml", "one.yaml", "two.yaml"]);
}

#[tokio::test]
async fn a_disk_that_is_full_leaves_nothing() {
    let (aws, home) = two_connections().await;
    let folder = home.path().join("circuits");
    // With a file size limit of zero, writes fail as they do on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let mut command = program("/bin/sh", &aws);
    command.args(["-c", limited, env!("CARGO_BIN_EXE_kubectl-dxcon"), "import", "-o"]).arg(&folder);
    let ended = spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains(text(&folder)) && told.contains("cannot be written"), "{told}");
    assert_eq!(entries(home.path()), 0, "neither the folder nor what was begun is left");
}

#[tokio::test]
async fn standard_output_that_is_full_is_an_error() {
    let (aws, _home) = two_connections().await;
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let mut command = program(env!("CARGO_BIN_EXE_kubectl-dxcon"), &aws);
    command.arg("import").stdout(full);
    let ended = spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.contains("standard output cannot be written to"), "{told}");
}

#[tokio::test]
async fn ctrl_c_while_a_region_is_read_leaves_nothing() {
    let (aws, home) = two_connections().await;
    aws.inject(Fault::new(FaultKind::HeldAnswer { millis: None }).on("DescribeConnections").in_region("eu-west-1"));
    let folder = home.path().join("circuits");
    let mut command = program(env!("CARGO_BIN_EXE_kubectl-dxcon"), &aws);
    command.args(["import", "--region", "eu-central-1,eu-west-1", "-o"]).arg(&folder);
    let mut process = command.spawn().expect("it starts");
    aws.wait_until_held(1).await;
    interrupt(&process);
    wait::until(wait::SOON, "it to end", async || process.try_wait().ok().flatten().is_some()).await;
    let ended = process.wait_with_output().expect("it has ended");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{told}");
    assert_eq!(ended.stdout, b"");
    assert_eq!(told, format!("kubectl-dxcon: interrupted, and {} was not made\n", folder.display()));
    assert_eq!(entries(home.path()), 0);
}

#[tokio::test]
async fn ctrl_c_is_heard_while_a_reader_lets_it_wait() {
    let aws = Simulator::start().await;
    // More than fits into a pipe.
    for number in 0..500 {
        aws.add(REGION, Connection::new(&format!("dxcon-{number:08}"), &format!("{number} {}", "x".repeat(150))));
    }
    let mut process = program(env!("CARGO_BIN_EXE_kubectl-dxcon"), &aws).arg("import").spawn().expect("it starts");
    let mut reader = process.stdout.take().expect("stdout is piped");
    let mut first = [0; 10];
    let reader = spawn_blocking(move || reader.read_exact(&mut first).map(|()| reader)).await.expect("no panic");
    interrupt(&process);
    wait::until(wait::SOON, "it to end", async || process.try_wait().ok().flatten().is_some()).await;
    assert_eq!(process.wait().expect("it has ended").code(), Some(130));
    drop(reader);
}

/// The signal that Ctrl-C sends.
fn interrupt(process: &Child) {
    let kill = format!("kill -INT {}", process.id());
    let sent = Command::new("/bin/sh").args(["-c", &kill]).status().expect("the shell runs");
    assert!(sent.success());
}

#[tokio::test]
async fn a_format_is_not_taken_for_the_name_of_a_folder() {
    let (aws, home) = two_connections().await;
    for format in ["yaml", "json", "text", "-"] {
        let printed =
            run(dxcon(["import", &format!("--output={format}")]).aws(&aws.endpoint()).within(home.path())).await;
        assert_eq!((printed.code, printed.out.as_str()), (Some(1), ""), "{printed:?}");
        assert_eq!(printed.err.lines().count(), 1, "{printed:?}");
        assert!(printed.err.contains("--output") && printed.err.contains("standard output"), "{printed:?}");
    }
    assert_eq!(entries(home.path()), 0);
    let printed = run(dxcon(["import", "-o", "./yaml"]).aws(&aws.endpoint()).within(home.path())).await;
    assert_eq!((printed.code, entries(home.path())), (Some(0), 1), "{printed:?}");
}

#[tokio::test]
async fn the_next_command_is_for_the_cluster_and_the_folder_that_were_named() {
    let (aws, home) = two_connections().await;
    let flags = ["import", "-o", "all circuits", "--context", "a b", "-n", "net"];
    let printed = run(dxcon(flags).aws(&aws.endpoint()).within(home.path())).await;
    let next = "next: kubectl apply -k 'all circuits' --context 'a b' --namespace net\n";
    assert!(printed.err.ends_with(next), "{printed:?}");
}

#[tokio::test]
async fn a_call_that_is_throttled_or_cut_is_made_again_and_one_that_always_is_ends() {
    let (aws, _home) = two_connections().await;
    for kind in [FaultKind::Throttling, FaultKind::ServiceUnavailable, FaultKind::ResetBefore] {
        aws.inject(Fault::new(kind.clone()).on("DescribeConnections").times(2));
        let printed = run(dxcon(["import"]).aws(&aws.endpoint())).await;
        assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""), "{kind:?}: {printed:?}");
    }
    aws.clear_calls();
    aws.inject(Fault::new(FaultKind::Throttling).on("DescribeConnections"));
    let printed = run(dxcon(["import"]).aws(&aws.endpoint())).await;
    assert_eq!((printed.code, aws.calls().len()), (Some(1), 3), "{printed:?}");
    assert!(printed.err.contains("could not be read"), "{printed:?}");
}
