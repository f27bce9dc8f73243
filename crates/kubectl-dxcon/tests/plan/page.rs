//! Checks docs/review.md: a plan of its manifests gives the shown output. `PAGE=write` writes the output into the page.

use direct_connect_simulator::{Connection, Simulator};
use test_support::{REGION, repository};

use crate::typed::dxcon;

const COMMAND: &str = "kubectl dxcon plan -f circuits";

/// The content of the first code block in this language that begins with this text.
fn block<'a>(page: &'a str, language: &str, begin: &str) -> &'a str {
    let blocks = page.split("```").skip(1).step_by(2);
    let of_language = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    of_language.into_iter().find(|block| block.starts_with(begin)).expect("the page has it")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_is_printed() {
    let path = repository("docs/review.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new("dxcon-fg1234ab", "core-1").with_mode("no_encrypt").with_key("c0ffee01"));
    aws.add(REGION, Connection::new("dxcon-fg5678cd", "core-2").with_mode("no_encrypt"));
    let folder = tempfile::tempdir().expect("there is room");
    std::fs::create_dir(folder.path().join("circuits")).expect("a folder can be made");
    std::fs::write(folder.path().join("circuits/pair.yaml"), block(&page, "yaml", "apiVersion"))
        .expect("it is written");
    let arguments = COMMAND.split(' ').skip(2);
    let printed = dxcon(arguments).aws(&aws.endpoint()).within(folder.path()).run();
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    let shown = block(&page, "console", &format!("$ {COMMAND}\n"));
    let given = format!("$ {COMMAND}\n{}", printed.out);
    if std::env::var_os("PAGE").is_some_and(|what| what == "write") {
        std::fs::write(&path, page.replace(shown, &given)).expect("it is written");
    } else {
        assert_eq!(shown, given, "PAGE=write cargo test -p kubectl-dxcon --test plan page");
    }
}
