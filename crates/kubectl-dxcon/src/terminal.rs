//! Output for people: tables that fit the terminal, colours, and progress.
//!
//! Pipes get plain text. `NO_COLOR` is respected, and no information is given by colour alone.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::Outcome;
use crate::problem::Problem;

/// All is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// In progress, or worth a look.
pub const WAITING: Style = AnsiColor::Yellow.on_default();
/// A person has to act, or traffic can be interrupted.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Less important.
pub const QUIET: Style = Style::new().dimmed();
/// A heading.
pub const STRONG: Style = Style::new().bold();

/// Version of the documents that the commands print for programs. New fields may be added; none is removed or changes
/// its meaning.
pub const API_VERSION: &str = "dxcon.directconnect-operator.dev/v1";

/// Indentation of lines below a heading.
const INDENT: u16 = 2;

/// Text in a style; plain if colours are off.
pub fn styled(style: Style, words: impl std::fmt::Display) -> String {
    format!("{style}{words}{style:#}")
}

/// An argument of a command that is printed, as a shell reads it.
pub fn quoted(argument: &str) -> String {
    let quoted = shlex::try_quote(argument).map(std::borrow::Cow::into_owned);
    // No argument can hold the one character that cannot be quoted, as it ends it.
    quoted.unwrap_or_else(|_| argument.to_owned())
}

/// Prints to standard output. It is not an error if the reader closes the pipe (`| head`).
pub fn print(text: &str) -> Outcome {
    emit(text).map(|_| ExitCode::SUCCESS)
}

/// Writes to standard output at once. Returns `false` if the reader has closed the pipe.
pub fn emit(text: &str) -> Result<bool, Problem> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Problem::new(format!("standard output cannot be written to: {error}"))),
    }
}

/// A value as JSON, ending with a line break.
pub fn json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| Problem::new(error.to_string()))
}

/// A value as YAML.
pub fn yaml(value: &impl Serialize) -> Result<String, Problem> {
    serde_saphyr::to_string(value).map_err(|error| Problem::new(error.to_string()))
}

/// The number of columns of the terminal. Without a terminal, as in the log of a pipeline, the value of `COLUMNS`.
pub fn width() -> Option<u16> {
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    // A terminal whose size was never set says 0.
    Table::new().width().filter(|width| *width > 0).or_else(columns).filter(|width| *width > 0)
}

/// A table in the style of `kubectl`, wrapped to the width of the terminal.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = bare(rows);
    table.set_header(header.to_vec());
    printed(table, 0)
}

/// Rows without a header.
pub fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    printed(bare(rows), 0)
}

/// Rows below a heading, without a header.
pub fn rows(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    printed(bare(rows), INDENT)
}

fn bare(rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).add_rows(rows);
    if let Some(columns) = width() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

fn printed(mut table: Table, indent: u16) -> String {
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if at == 0 { indent } else { 0 }, 3));
    }
    table.trim_fmt() + "\n"
}

/// Shows the progress of a long read on a terminal; shows nothing if standard error is a file.
pub struct Progress {
    what: &'static str,
    of: usize,
    done: std::cell::Cell<usize>,
    is_shown: bool,
}

impl Progress {
    /// Progress of `of` items.
    pub fn of(what: &'static str, of: usize) -> Self {
        Self { what, of, done: std::cell::Cell::new(0), is_shown: of > 1 && std::io::stderr().is_terminal() }
    }

    /// Counts one item as done.
    pub fn note(&self, words: &str) {
        self.done.set(self.done.get() + 1);
        if self.is_shown {
            eprint!("\r\x1b[K{} of {} {}: {words}", self.done.get(), self.of, self.what);
        }
    }

    /// Clears the progress line.
    pub fn end(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}
