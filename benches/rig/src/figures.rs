//! The figures of all rounds, and their summary: medians, and the median of the ratios of each round.

use std::fmt::Write;

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count.
    Count,
    /// A count per second.
    PerSecond,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Bytes, shown as MiB.
    Mebibytes,
    /// Bytes, shown as KiB.
    Kibibytes,
}

impl Unit {
    /// A figure with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Count => grouped(value),
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Millis => format!("{value:.1} ms"),
            Self::Seconds => format!("{value:.2} s"),
            Self::Mebibytes => format!("{:.1} MiB", value / (1024.0 * 1024.0)),
            Self::Kibibytes => format!("{:.1} KiB", value / 1024.0),
        }
    }
}

/// What the operator is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The controller of `benches/peer`.
    Peer,
    /// Status patches alone.
    Flood,
}

/// A row of the table: one figure of the operator and of what it is compared with, for each round.
#[derive(Clone, Debug)]
pub struct Row {
    what: String,
    unit: Unit,
    beside: Beside,
    /// The operator's figure and the other one, for each round.
    rounds: Vec<(f64, f64)>,
    /// Figures over all rounds, which are shown instead of medians.
    overall: Option<(f64, f64)>,
}

impl Row {
    /// A row without any round yet.
    pub fn new(what: impl Into<String>, unit: Unit, beside: Beside) -> Self {
        Self { what: what.into(), unit, beside, rounds: Vec::new(), overall: None }
    }

    /// Adds a round.
    pub fn push(&mut self, operator: f64, other: f64) {
        self.rounds.push((operator, other));
    }

    /// Shows these figures over all rounds instead of medians.
    #[must_use]
    pub fn overall(mut self, operator: f64, other: f64) -> Self {
        self.overall = Some((operator, other));
        self
    }

    /// The row as Markdown.
    pub fn markdown(&self) -> String {
        let side = |pick: fn(&(f64, f64)) -> f64| median(&self.rounds.iter().map(pick).collect::<Vec<_>>());
        let (operator, other) = self.overall.unwrap_or_else(|| (side(|round| round.0), side(|round| round.1)));
        let (operator, other) = (self.unit.show(operator), self.unit.show(other));
        let other = match self.beside {
            Beside::Peer => other,
            Beside::Flood => format!("{other} (bare flood)"),
        };
        let ratios: Vec<f64> =
            self.rounds.iter().filter(|(_, other)| *other > 0.0).map(|(operator, other)| operator / other).collect();
        let ratio = if ratios.is_empty() { "-".to_owned() } else { format!("{:.2}", median(&ratios)) };
        format!("| {} | {operator} | {other} | {ratio} |", self.what)
    }
}

/// The table with all rows.
pub fn table(rows: &[Row]) -> String {
    let mut table = "| | operator | Go controller | ratio |\n|---|---|---|---|\n".to_owned();
    for row in rows {
        let _ = writeln!(table, "{}", row.markdown());
    }
    table
}

/// A count as a figure.
pub fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("nothing here is counted in thousands of millions"))
}

/// The median: the middle value, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(sorted[half - 1], sorted[half]),
        _ => sorted[half],
    }
}

/// The smallest value such that at least this percentage of all values does not exceed it.
pub fn percentile(values: &[f64], hundredths: usize) -> f64 {
    let sorted = sorted(values);
    let rank = (sorted.len() * hundredths).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// A whole number with commas between thousands, or one decimal if it is small and not whole.
fn grouped(value: f64) -> String {
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_there() {
        for (values, middle) in [(&[3.0, 1.0, 2.0][..], 2.0), (&[4.0, 1.0, 2.0, 3.0], 2.5), (&[7.0], 7.0)] {
            assert!((median(values) - middle).abs() < f64::EPSILON, "{values:?}");
        }
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        for (hundredths, expected) in [(50, 100.0), (99, 198.0), (100, 200.0), (1, 2.0)] {
            assert!((percentile(&values, hundredths) - expected).abs() < f64::EPSILON, "{hundredths}");
        }
        assert!((percentile(&[5.0], 99) - 5.0).abs() < f64::EPSILON);
    }

    #[test]
    fn figures_read_with_their_units() {
        let cases = [
            (Unit::Count, 1_234_567.0, "1,234,567"),
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 12.34, "12.3"),
            (Unit::PerSecond, 432.1, "432/s"),
            (Unit::Millis, 9.96, "10.0 ms"),
            (Unit::Seconds, 0.904, "0.90 s"),
            (Unit::Mebibytes, 11.0 * 1024.0 * 1024.0, "11.0 MiB"),
            (Unit::Kibibytes, 8192.0, "8.0 KiB"),
        ];
        for (unit, value, expected) in cases {
            assert_eq!(unit.show(value), expected);
        }
    }

    #[test]
    fn the_ratio_is_the_median_of_each_rounds_own() {
        let mut row = Row::new("writes", Unit::Count, Beside::Flood);
        // A round in which the machine was slow for both counts as much as the others.
        for (operator, other) in [(90.0, 100.0), (8.0, 10.0), (85.0, 100.0)] {
            row.push(operator, other);
        }
        assert_eq!(row.markdown(), "| writes | 85 | 100 (bare flood) | 0.85 |");
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        let mut row = Row::new("writes", Unit::Count, Beside::Peer);
        row.push(0.0, 0.0);
        assert_eq!(row.markdown(), "| writes | 0 | 0 | - |");
    }
}
