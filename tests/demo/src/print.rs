//! The output of the demo.

use std::io::{IsTerminal, Write, stdout};

/// The longest line of the demo's own text.
const WIDTH: usize = 110;

/// The column where the side begins on which something happened: after the time.
pub const TIME_WIDTH: usize = 7;

/// The column where the text of an event begins: after the time and the side.
pub const MARGIN: usize = 15;

/// The colour of text on a terminal.
#[derive(Clone, Copy)]
pub enum Tint {
    None,
    Heading,
    Command,
    Remark,
    Aws,
    Good,
    Waiting,
    Bad,
}

impl Tint {
    fn code(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Heading => "1",
            Self::Command => "36",
            Self::Remark => "2",
            Self::Aws => "35",
            Self::Good => "32",
            Self::Waiting => "33",
            Self::Bad => "31",
        }
    }
}

/// Standard output, which also keeps what was printed.
pub struct Printer {
    colour: bool,
    kept: Vec<String>,
}

impl Printer {
    pub fn new() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: stdout().is_terminal() && !refused, kept: Vec::new() }
    }

    /// Prints a line.
    pub fn line(&mut self, tint: Tint, line: &str) {
        self.put(&[(tint, line)]);
    }

    /// Prints a shell command and its output.
    pub fn command(&mut self, command: &str, answer: &str) {
        self.line(Tint::Command, &format!("$ {command}"));
        for line in answer.lines() {
            self.line(Tint::None, line.trim_end());
        }
    }

    /// Prints a remark as a shell comment.
    pub fn remark(&mut self, remark: &str) {
        for line in wrap(remark, WIDTH - 2) {
            self.line(Tint::Remark, &format!("# {line}"));
        }
    }

    /// Prints an event: one highlighted line, and more text below it.
    pub fn moment(&mut self, seconds: u64, who: &str, tint: Tint, what: &str, more: &str) {
        let time = format!("{:<TIME_WIDTH$}", format!("{seconds:>4}s"));
        let who = format!("{who:<width$}", width = MARGIN - TIME_WIDTH);
        self.put(&[(Tint::Remark, &time), (Tint::None, &who), (tint, what)]);
        for line in wrap(more, WIDTH - MARGIN) {
            self.line(Tint::None, &format!("{:MARGIN$}{line}", ""));
        }
    }

    /// The lines printed since the last call.
    pub fn take_kept(&mut self) -> Vec<String> {
        std::mem::take(&mut self.kept)
    }

    fn put(&mut self, parts: &[(Tint, &str)]) {
        let plain: String = parts.iter().map(|(_, text)| *text).collect();
        let coloured = |(tint, text): &(Tint, &str)| match tint {
            Tint::None => (*text).to_owned(),
            tint => format!("\x1b[{}m{text}\x1b[0m", tint.code()),
        };
        let shown = if self.colour { parts.iter().map(coloured).collect() } else { plain.clone() };
        // The reader of the output may be gone, which is no reason to stop.
        let _ = writeln!(stdout(), "{}", shown.trim_end());
        self.kept.push(plain.trim_end().to_owned());
    }
}

/// Wraps a text into lines of at most `width` characters, between words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_wrapped_at_words() {
        let cases: [(&str, &[&str]); 4] = [
            ("", &[]),
            ("one two three", &["one two", "three"]),
            ("unbreakable is long", &["unbreakable", "is long"]),
            ("a b c d e", &["a b c d", "e"]),
        ];
        for (text, lines) in cases {
            assert_eq!(wrap(text, 7), lines, "{text}");
        }
    }
}
