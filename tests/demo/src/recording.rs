//! Draws lines of a terminal as a recording: an animated SVG.
//!
//! The lines alone decide the file: the same lines give the same bytes. The animation is CSS, because a page that shows
//! an SVG as an image runs no script in it. All lines are there from the start; a cover in the colour of the
//! background hides those that are not printed yet, and moves away along the text. Where CSS does not run, and for
//! readers who prefer reduced motion, the last frame stands still.

use std::fmt::Write as _;

use crate::print::{MARGIN, TIME_WIDTH};
use crate::transcript::is_duration;

/// Rows of the terminal.
const ROWS: usize = 28;

// Lengths, in half pixels: a character of 12.5 pixels in the fonts below is 7.5 wide, and all lengths are integers.
const FONT_SIZE: usize = 25;
const CELL_WIDTH: usize = 15;
const CELL_HEIGHT: usize = 34;
/// From the top of a row to the line that letters stand on.
const BASELINE: usize = 25;
const PADDING: usize = 20;

// Times, in milliseconds. They let a reader follow, so they go by the length of the text and not by the demo's clock.
const START: usize = 400;
const CHARACTER_TYPED: usize = 20;
const COMMAND_READ: usize = 250;
const BLOCK_READ: usize = 300;
const LINE_READ: usize = 250;
/// How long the last frame stands before all begins again.
const END: usize = 4_000;

/// What a shell prints before a command is typed.
const PROMPT: &str = "$ ";

/// What is shown from a moment on: all rows above `row`, and of that row what is left of `column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    at: usize,
    row: usize,
    column: usize,
    /// Characters that are typed until the next frame.
    typed: usize,
}

/// The recording of these lines as an SVG, with a title and a description for those who do not see it.
pub fn render(lines: &[&str], title: &str, description: &str) -> String {
    let (frames, duration) = frames(lines);
    let end = frames[frames.len() - 1];
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (width, height) = (columns * CELL_WIDTH, ROWS * CELL_HEIGHT);
    let (outer_width, outer_height) = (width + 2 * PADDING, height + 2 * PADDING);
    let texts: String = lines.iter().enumerate().map(|(row, line)| texts(row, line)).collect();
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title description" width="{}" height="{}" viewBox="0 0 {outer_width} {outer_height}">
<title id="title">{}</title>
<desc id="description">{}</desc>
<style>
text {{ font: {FONT_SIZE}px Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace }}
.plain {{ fill: #d1d7e0 }}
.remark {{ fill: #9198a1 }}
.command {{ fill: #79c0ff }}
.aws {{ fill: #d2a8ff }}
.good {{ fill: #56d364 }}
.waiting {{ fill: #e3b341 }}
.bad {{ fill: #ff7b72 }}
@media (prefers-reduced-motion: no-preference) {{
#lines {{ animation: scroll {duration}ms step-end infinite }}
#cover {{ animation: print {duration}ms step-end infinite }}
}}
@keyframes scroll {{
{}}}
@keyframes print {{
{}}}
</style>
<rect x="1" y="1" width="{}" height="{}" rx="14" fill="#161b22" stroke="#3d444d" stroke-width="2"/>
<svg x="{PADDING}" y="{PADDING}" width="{width}" height="{height}">
<g id="lines" transform="translate(0 -{})">
{texts}<g id="cover" transform="translate({} {})">
<path d="M0 0h{width}v{height}h-{}v-{}h{width}z" fill="#161b22"/>
<rect y="3" width="{CELL_WIDTH}" height="{}" fill="#9198a1"/>
</g>
</g>
</svg>
</svg>
"##,
        outer_width / 2,
        outer_height / 2,
        escape(title),
        escape(description),
        scroll_keyframes(&frames, duration),
        print_keyframes(&frames, duration),
        outer_width - 2,
        outer_height - 2,
        scrolled(end),
        end.column * CELL_WIDTH,
        end.row * CELL_HEIGHT,
        2 * width,
        height - CELL_HEIGHT,
        CELL_HEIGHT - 4,
    )
}

/// What is shown when, and how long all of it takes. What a shell prints at once is shown at once.
fn frames(lines: &[&str]) -> (Vec<Frame>, usize) {
    let mut frames = vec![Frame { at: 0, row: 0, column: 0, typed: 0 }];
    let mut at = START;
    let mut row = 0;
    for block in lines.chunk_by(|before, line| !before.starts_with(PROMPT) && !begins_block(line)) {
        if let Some(command) = block[0].strip_prefix(PROMPT) {
            let typed = command.chars().count();
            frames.push(Frame { at, row, column: PROMPT.len(), typed });
            at += typed * CHARACTER_TYPED;
            frames.push(Frame { at, row, column: PROMPT.len() + typed, typed: 0 });
            at += COMMAND_READ;
            row += 1;
        } else {
            row += block.len();
            frames.push(Frame { at, row, column: 0, typed: 0 });
            at += BLOCK_READ + block.len() * LINE_READ;
        }
    }
    (frames, at + END)
}

/// Whether a line is not printed together with the line before it.
fn begins_block(line: &str) -> bool {
    line.starts_with(PROMPT) || line.starts_with("# ") || moment(line).is_some()
}

/// Moves the cover, character by character where a command is typed.
fn print_keyframes(frames: &[Frame], duration: usize) -> String {
    let mut keyframes = String::new();
    for frame in frames {
        let (x, y) = (frame.column * CELL_WIDTH, frame.row * CELL_HEIGHT);
        let _ = write!(keyframes, "{} {{ transform: translate({x}px, {y}px)", percent(frame.at, duration));
        if frame.typed > 0 {
            let _ = write!(keyframes, "; animation-timing-function: steps({})", frame.typed);
        }
        keyframes.push_str(" }\n");
    }
    keyframes
}

/// Moves the lines up when they reach the bottom.
fn scroll_keyframes(frames: &[Frame], duration: usize) -> String {
    let mut keyframes = String::new();
    for same in frames.chunk_by(|before, frame| scrolled(*before) == scrolled(*frame)) {
        let (at, y) = (percent(same[0].at, duration), scrolled(same[0]));
        let _ = writeln!(keyframes, "{at} {{ transform: translate(0, -{y}px) }}");
    }
    keyframes
}

/// How far the lines are moved up, so that the row of the cursor is in sight.
fn scrolled(frame: Frame) -> usize {
    (frame.row + 1).saturating_sub(ROWS) * CELL_HEIGHT
}

fn percent(at: usize, duration: usize) -> String {
    let hundredths = at * 10_000 / duration;
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// A line, drawn. Each piece has its length, so that columns agree in every font.
fn texts(row: usize, line: &str) -> String {
    let mut texts = String::new();
    let mut column = 0;
    for (class, piece) in pieces(line) {
        let text = piece.trim();
        let indent = piece.chars().take_while(|c| *c == ' ').count();
        if !text.is_empty() {
            let (x, y) = ((column + indent) * CELL_WIDTH, row * CELL_HEIGHT + BASELINE);
            let (length, text) = (text.chars().count() * CELL_WIDTH, escape(text));
            let _ = writeln!(
                texts,
                r#"<text class="{class}" x="{x}" y="{y}" textLength="{length}" xml:space="preserve">{text}</text>"#
            );
        }
        column += piece.chars().count();
    }
    texts
}

/// The pieces of a line, each with its class. The colours are those of the demo on a terminal.
fn pieces(line: &str) -> Vec<(&'static str, &str)> {
    if let Some([time, who, what]) = moment(line) {
        let class = match who.trim_end() {
            "AWS" => "aws",
            _ if what.contains(": Ready True") => "good",
            _ if what.ends_with("Stalled") => "bad",
            _ => "waiting",
        };
        return vec![("remark", time), ("plain", who), (class, what)];
    }
    let class = match line {
        _ if line.starts_with(PROMPT) => "command",
        _ if line.starts_with("# ") => "remark",
        _ => "plain",
    };
    vec![(class, line)]
}

/// The columns of a line that `Printer::moment` has printed.
fn moment(line: &str) -> Option<[&str; 3]> {
    let (time, rest) = line.split_at_checked(TIME_WIDTH)?;
    let (who, what) = rest.split_at_checked(MARGIN - TIME_WIDTH)?;
    (time.starts_with(' ') && is_duration(time.trim())).then_some([time, who, what])
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 9] = [
        "$ cat <a> && cat b",
        "a:",
        "  b: \"c\"",
        "   1s  status  a: Ready False NoMacSecKey, Stalled",
        "               associate a key",
        "  12s  AWS     UpdateConnection {} -> ok",
        "# A remark.",
        "$ kubectl get a",
        "NAME   READY",
    ];

    #[test]
    fn it_is_well_formed_and_has_every_line_in_its_columns() {
        let recording = render(&LINES, "a < b", "b & c");
        let document = roxmltree::Document::parse(&recording).expect("it is XML");
        let inside =
            |name: &str| document.descendants().find(|node| node.has_tag_name(name)).and_then(|node| node.text());
        assert_eq!((inside("title"), inside("desc")), (Some("a < b"), Some("b & c")));

        let mut lines = vec![String::new(); LINES.len()];
        for text in document.descendants().filter(|node| node.has_tag_name("text")) {
            let number =
                |name| text.attribute(name).and_then(|value| value.parse::<usize>().ok()).expect("it is a number");
            let line = &mut lines[(number("y") - BASELINE) / CELL_HEIGHT];
            let words = text.text().expect("there is text");
            *line = format!("{line:<column$}{words}", column = number("x") / CELL_WIDTH);
            assert_eq!(number("textLength"), words.len() * CELL_WIDTH, "{words}");
        }
        assert_eq!(lines, LINES);
    }

    #[test]
    fn commands_are_typed_and_the_rest_appears_block_by_block() {
        let (frames, duration) = frames(&LINES);
        let shown: Vec<_> = frames.iter().map(|frame| (frame.row, frame.column, frame.typed)).collect();
        let expected = [
            (0, 0, 0),
            (0, 2, 16),
            (0, 18, 0),
            (3, 0, 0),
            (5, 0, 0),
            (6, 0, 0),
            (7, 0, 0),
            (7, 2, 13),
            (7, 15, 0),
            (9, 0, 0),
        ];
        assert_eq!(shown, expected);
        assert!(frames.is_sorted_by(|before, frame| before.at < frame.at), "{frames:?}");
        assert!(frames[frames.len() - 1].at + END < duration, "the last frame stands");
    }

    #[test]
    fn lines_move_up_only_below_the_last_row() {
        let at = |row| scrolled(Frame { at: 0, row, column: 0, typed: 0 });
        assert_eq!([at(0), at(ROWS - 1), at(ROWS), at(ROWS + 9)], [0, 0, CELL_HEIGHT, 10 * CELL_HEIGHT]);
    }

    #[test]
    fn colours_are_those_of_the_demo() {
        let cases = [
            ("$ kubectl get dxcon", "command"),
            ("# The router answers.", "remark"),
            ("NAME   READY", "plain"),
            ("               waiting for a key, Stalled", "plain"),
            ("   1s  AWS     UpdateConnection {} -> ok", "aws"),
            ("   1s  status  a: Ready False Updating, Reconciling", "waiting"),
            ("   1s  status  a: Ready False NoMacSecKey, Stalled", "bad"),
            (" 123s  status  a: Ready True InSync", "good"),
        ];
        for (line, class) in cases {
            assert_eq!(pieces(line).last().map(|(class, _)| *class), Some(class), "{line}");
        }
    }
}
