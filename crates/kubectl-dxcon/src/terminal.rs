//! What people see: tables that fit their terminal, colours that mean something, progress while they wait.
//!
//! Pipes get plain text. `NO_COLOR` is heeded, and nothing is said by colour alone.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::Outcome;
use crate::problem::Problem;

/// As it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// On its way, or worth a look.
pub const WAITING: Style = AnsiColor::Yellow.on_default();
/// Needs a person, or can cut a line.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Of less weight.
pub const QUIET: Style = Style::new().dimmed();
/// A heading.
pub const STRONG: Style = Style::new().bold();

/// Version of what programs read of every verb. A field may come; none goes or changes its meaning.
pub const API_VERSION: &str = "dxcon.directconnect-operator.dev/v1";

/// How far what stands below a heading is moved in.
const INDENT: u16 = 2;

/// Words in a style; plain where there are no colours.
pub fn styled(style: Style, words: impl std::fmt::Display) -> String {
    format!("{style}{words}{style:#}")
}

/// Prints to standard output, and ends well. A reader that has heard enough (`| head`) is no failure.
pub fn print(text: &str) -> Outcome {
    emit(text).map(|_| ExitCode::SUCCESS)
}

/// Writes to standard output at once; `false` when the reader is gone.
pub fn emit(text: &str) -> Result<bool, Problem> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Problem::new(format!("standard output cannot be written to: {error}"))),
    }
}

/// A value as JSON, with a line end.
pub fn json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| Problem::new(error.to_string()))
}

/// A value as YAML.
pub fn yaml(value: &impl Serialize) -> Result<String, Problem> {
    serde_saphyr::to_string(value).map_err(|error| Problem::new(error.to_string()))
}

/// How many columns there are: those of the terminal, or where there is none, as in a pipeline's log, what `COLUMNS` says.
pub fn width() -> Option<u16> {
    Table::new().width().or_else(|| std::env::var("COLUMNS").ok()?.parse().ok())
}

/// A table as `kubectl` prints them, wrapped where the terminal is too narrow for it.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = bare(rows);
    table.set_header(header.to_vec());
    printed(table, 0)
}

/// Rows without a header, below a heading.
pub fn rows(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    printed(bare(rows), INDENT)
}

fn bare(rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).add_rows(rows);
    if let Some(columns) = width() {
        table.set_width(columns);
    }
    table
}

fn printed(mut table: Table, indent: u16) -> String {
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if at == 0 { indent } else { 0 }, 3));
    }
    table.trim_fmt() + "\n"
}

/// Says on a terminal how far a long read has come; nothing where standard error is a file.
pub struct Progress {
    what: &'static str,
    of: usize,
    done: std::cell::Cell<usize>,
    is_shown: bool,
}

impl Progress {
    /// So many are to come.
    pub fn of(what: &'static str, of: usize) -> Self {
        Self { what, of, done: std::cell::Cell::new(0), is_shown: of > 1 && std::io::stderr().is_terminal() }
    }

    /// One has come.
    pub fn note(&self, words: &str) {
        self.done.set(self.done.get() + 1);
        if self.is_shown {
            eprint!("\r\x1b[K{} of {} {}: {words}", self.done.get(), self.of, self.what);
        }
    }

    /// All have come: the line is cleared.
    pub fn end(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}
