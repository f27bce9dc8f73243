//! # kubectl-dxcon
//!
//! The command line of the operator. It imports the connections of an AWS account, and says before a commit is merged
//! what the operator will do for it. It never changes AWS.
//!
//! - [`arguments`] defines the command line, and [`run`] executes it.
//! - [`plan`] lets the operator's core decide about manifests in simulated time.
//! - [`import`] writes a manifest for every connection.
//! - [`status`], [`check`] and [`annotate`] are about the cluster: the state of the resources, what the operator needs,
//!   and the annotations that control it.
//! - [`aws`] and [`cluster`] read; [`manifests`] finds and checks what is to be applied; [`terminal`] prints.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable)]

pub mod annotate;
pub mod arguments;
pub mod aws;
pub mod check;
pub mod cluster;
pub mod import;
pub mod manifests;
pub mod plan;
pub mod problem;
pub mod resource_name;
pub mod status;
pub mod terminal;

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use self::arguments::{Arguments, Verb};
use self::problem::Problem;

/// The result of a command.
pub type Outcome = Result<ExitCode, Problem>;

/// Runs a command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.verb {
        Verb::Import(flags) => import::run(&flags).await,
        Verb::Plan(flags) => plan::run(&flags).await,
        Verb::Status(flags) => status::run(&flags).await,
        Verb::Check(flags) => check::run(&flags).await,
        Verb::Pause(flags) => annotate::pause(&flags).await,
        Verb::Resume(flags) => annotate::resume(&flags).await,
        Verb::Reconcile(flags) => annotate::reconcile(&flags).await,
        Verb::Completion { shell } => terminal::print(&completion(shell)),
        Verb::Man => terminal::print(&manual_page()?),
    }
}

/// The completion script of a shell.
fn completion(shell: Shell) -> String {
    let script = |name: &str| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), name, &mut script);
        String::from_utf8_lossy(&script).into_owned()
    };
    match shell {
        // With a dash in the name of the program, no flag of a verb is completed: clap-rs/clap#6421.
        Shell::Bash => script("kubectl_dxcon").replace(" kubectl_dxcon\n", " kubectl-dxcon\n"),
        _ => script("kubectl-dxcon"),
    }
}

/// The manual page: a part for the program, and a section for each command.
fn manual_page() -> Result<String, Problem> {
    let mut program = Arguments::command();
    program.build();
    let mut page = Vec::new();
    let manual = clap_mangen::Man::new(program.clone());
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    manual.render_options_section(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    for verb in program.get_subcommands() {
        let manual = clap_mangen::Man::new(verb.clone());
        let mut section = Vec::new();
        manual.render_synopsis_section(&mut section)?;
        manual.render_description_section(&mut section)?;
        manual.render_options_section(&mut section)?;
        manual.render_extra_section(&mut section)?;
        // The sections of each command become subsections.
        let section = String::from_utf8_lossy(&section).replace(".SH ", ".SS ");
        page.extend([".SH ", &verb.get_name().to_uppercase(), "\n", &section]);
    }
    Ok(page)
}
