//! What came of all runs: a table for people, JSON for machines.

use std::{
    fmt::{self, Display, Formatter},
    fs,
    path::Path,
};

use serde_json::{Value, json};

use crate::{
    Outcome,
    bounds::{Bound, FIGURES, Figure},
    figures::median,
    machine,
    options::Options,
    run::Run,
};

/// The runs that count, put together.
pub(crate) struct Report {
    runs: Vec<Run>,
    rows: Vec<Row>,
    header: String,
    /// What a reader must know before believing it.
    notes: Vec<String>,
    options: Value,
}

/// A figure over the runs that count.
struct Row {
    figure: &'static Figure,
    value: Over,
    ratio: Option<Over>,
    is_met: Option<bool>,
}

/// A number over several runs.
struct Over {
    median: f64,
    least: f64,
    most: f64,
}

impl Report {
    pub(crate) fn new(options: &Options, runs: Vec<Run>) -> Outcome<Self> {
        let quiet: Vec<&Run> = runs.iter().filter(|run| !run.disturbed).collect();
        let counted: Vec<&Run> = if quiet.is_empty() {
            runs.iter().collect()
        } else {
            quiet
        };
        let rows = FIGURES
            .iter()
            .map(|figure| Row::new(figure, &counted))
            .collect::<Outcome<Vec<_>>>()?;
        let header = format!(
            "{} cores ({}); median [min–max] of {} run(s), × = ratio to bare",
            machine::cores(),
            machine::processor(),
            counted.len(),
        );
        Ok(Self {
            rows,
            header,
            notes: notes(options, &runs),
            options: json!({
                "counts": options.counts(),
                "texts": options.texts,
                "quick": options.quick,
                "max_others": options.max_others,
            }),
            runs,
        })
    }

    pub(crate) fn meets_all_bounds(&self) -> bool {
        self.rows.iter().all(|row| row.is_met != Some(false))
    }

    /// Every run, also the disturbed ones, with the summary.
    pub(crate) fn write_json(&self, path: &Path) -> Outcome<()> {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        let document = json!({
            "machine": self.header,
            "notes": self.notes,
            "options": self.options,
            "figures": rows,
            "met": self.meets_all_bounds(),
            "runs": self.runs,
        });
        fs::write(path, format!("{document:#}\n"))
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }
}

fn notes(options: &Options, runs: &[Run]) -> Vec<String> {
    let disturbed = runs.iter().filter(|run| run.disturbed).count();
    let mut notes = Vec::new();
    if cfg!(debug_assertions) {
        notes.push("This is a debug build: the figures mean nothing.".to_owned());
    }
    if options.quick {
        notes.push("--quick: fewer messages and one run; the figures are rough.".to_owned());
    }
    if disturbed == runs.len() {
        notes.push(format!(
            "Every run was disturbed: other work used more than {} cores, or the machine never became idle. The \
             figures are those of the disturbed runs.",
            options.max_others
        ));
    } else if disturbed > 0 {
        notes.push(format!(
            "{disturbed} disturbed run(s), in which other work used more than {} cores, are left out.",
            options.max_others
        ));
    }
    notes
}

impl Row {
    fn new(figure: &'static Figure, runs: &[&Run]) -> Outcome<Self> {
        let value = Over::of(runs, figure.value)?;
        let ratio = figure
            .beside
            .map(|beside| Over::of(runs, |run| (figure.value)(run) / beside(run)))
            .transpose()?;
        let judged = ratio.as_ref().unwrap_or(&value).median;
        Ok(Self {
            figure,
            is_met: figure.bound.map(|bound| bound.is_met(judged)),
            value,
            ratio,
        })
    }

    fn bound(&self) -> String {
        let times = if self.ratio.is_some() { "×" } else { "" };
        match self.figure.bound {
            None => String::new(),
            Some(Bound::AtMost(most)) => format!("≤ {most}{times}"),
            Some(Bound::AtLeast(least)) => format!("≥ {least}{times}"),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.is_met {
            None => "",
            Some(true) => "met",
            Some(false) => "MISSED",
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "figure": self.figure.label,
            "unit": self.figure.unit,
            "value": self.value.to_json(),
            "ratio": self.ratio.as_ref().map(Over::to_json),
            "bound": self.bound(),
            "met": self.is_met,
        })
    }
}

impl Over {
    fn of(runs: &[&Run], value: impl Fn(&Run) -> f64) -> Outcome<Self> {
        let values: Vec<f64> = runs.iter().map(|run| value(run)).collect();
        Ok(Self {
            median: median(&values).ok_or("there was no run")?,
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }

    fn to_json(&self) -> Value {
        json!({ "median": self.median, "min": self.least, "max": self.most })
    }

    /// `2.41 ms [2.38–2.52]`, with as many digits as matter.
    fn show(&self, unit: &str) -> String {
        let digits = match self.most {
            most if most >= 1000.0 => 0,
            most if most >= 100.0 => 1,
            _ => 2,
        };
        let range = if self.least < self.most {
            format!(" [{:.digits$}–{:.digits$}]", self.least, self.most)
        } else {
            String::new()
        };
        format!("{:.digits$}{unit}{range}", self.median)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.header)?;
        let cells: Vec<[String; 5]> = self
            .rows
            .iter()
            .map(|row| {
                [
                    row.figure.label.to_owned(),
                    row.value.show(&format!(" {}", row.figure.unit)),
                    row.ratio
                        .as_ref()
                        .map_or_else(String::new, |ratio| ratio.show("×")),
                    row.bound(),
                    row.verdict().to_owned(),
                ]
            })
            .collect();
        let titles = ["figure", "value", "ratio to bare", "bound", ""].map(str::to_owned);
        let widths: [usize; 5] = std::array::from_fn(|column| {
            std::iter::once(&titles)
                .chain(&cells)
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        });
        let rule = widths.map(|width| "-".repeat(width));
        for row in [&titles, &rule].into_iter().chain(&cells) {
            for (cell, width) in row.iter().zip(widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")?;
        }
        for note in &self.notes {
            write!(f, "\n{note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_shows_its_range_only_when_it_has_one() {
        let over = |median, least, most| Over {
            median,
            least,
            most,
        };
        assert_eq!(over(2.412, 2.38, 2.519).show(" ms"), "2.41 ms [2.38–2.52]");
        assert_eq!(over(0.31, 0.31, 0.31).show(" s"), "0.31 s");
        assert_eq!(over(7800.4, 7700.0, 7900.0).show("×"), "7800× [7700–7900]");
    }
}
