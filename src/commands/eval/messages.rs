//! Messages whose right answer is known, as CSV.

use std::path::Path;

use csv::{ErrorKind, StringRecord};
use doorstep_core::{Problem, understanding::Escalation};

use crate::commands::Failure;

/// One message and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) label: String,
    /// As written in the column `language`.
    pub(super) language: Option<String>,
    pub(super) escalation: Option<Escalation>,
}

/// Where the columns are that mean something; others are left alone.
struct Columns {
    text: usize,
    label: usize,
    language: Option<usize>,
    escalation: Option<usize>,
}

/// Reads a CSV file with a header that names the columns `text` and `label`, and perhaps `language` and `escalation`.
///
/// # Errors
/// Misuse when the file cannot be opened; else every problem, with its line and column.
pub(super) fn read(path: &Path) -> Result<Vec<Message>, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Misuse(format!("{}: {error}", path.display())))?;
    parse(&path.display().to_string(), &bytes).map_err(Failure::Problems)
}

fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Message>, Vec<Problem>> {
    // Spreadsheets begin a file with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::Reader::from_reader(bytes);
    let problem = |line: usize, field: &str, message: String, fix: &str| Problem {
        file: file.to_owned(),
        line,
        field: field.to_owned(),
        message,
        fix: fix.to_owned(),
    };
    let header = reader
        .headers()
        .map_err(|error| vec![of_csv(file, &error)])?;
    let columns = Columns::find(header).map_err(|missing| {
        let found = header.iter().collect::<Vec<_>>().join(", ");
        vec![problem(
            1,
            missing,
            format!("there is no such column, only: {found}"),
            "let the first line be `text,label`",
        )]
    })?;
    let mut messages = Vec::new();
    let mut problems = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(of_csv(file, &error));
                continue;
            }
        };
        match columns.message(&record) {
            Ok(message) => messages.push(message),
            Err((field, message, fix)) => {
                problems.push(problem(line_of(record.position()), field, message, fix));
            }
        }
    }
    if messages.is_empty() && problems.is_empty() {
        let fix = "write one message a line";
        problems.push(problem(0, "text", "there is no message".to_owned(), fix));
    }
    match problems.is_empty() {
        true => Ok(messages),
        false => Err(problems),
    }
}

impl Columns {
    /// The error is the column that is missing.
    fn find(header: &StringRecord) -> Result<Self, &'static str> {
        let place = |name: &str| {
            header
                .iter()
                .position(|column| column.trim().eq_ignore_ascii_case(name))
        };
        Ok(Self {
            text: place("text").ok_or("text")?,
            label: place("label").ok_or("label")?,
            language: place("language"),
            escalation: place("escalation"),
        })
    }

    /// The error is a field, what is wrong with it, and what to do.
    fn message(
        &self,
        record: &StringRecord,
    ) -> Result<Message, (&'static str, String, &'static str)> {
        let value = |place: usize| record.get(place).unwrap_or_default().trim();
        let optional = |place: Option<usize>| place.map(value).filter(|value| !value.is_empty());
        let needed = |field, place| match value(place) {
            "" => Err((field, "it is empty".to_owned(), "fill it or drop the line")),
            value => Ok(value.to_owned()),
        };
        let escalation = match optional(self.escalation) {
            None => self.escalation.map(|_| Escalation::Normal),
            Some("normal") => Some(Escalation::Normal),
            Some("escalate") => Some(Escalation::Escalate),
            Some("urgent") => Some(Escalation::Urgent),
            Some(other) => {
                let message = format!("`{other}` is none");
                return Err(("escalation", message, "write normal, escalate or urgent"));
            }
        };
        Ok(Message {
            text: needed("text", self.text)?,
            label: needed("label", self.label)?,
            language: optional(self.language).map(str::to_owned),
            escalation,
        })
    }
}

pub(super) fn line_of(position: Option<&csv::Position>) -> usize {
    position.map_or(0, |position| {
        usize::try_from(position.line()).unwrap_or(usize::MAX)
    })
}

/// What the CSV library found, in words.
pub(super) fn of_csv(file: &str, error: &csv::Error) -> Problem {
    let (field, message, fix) = match error.kind() {
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => (
            String::new(),
            format!("{len} fields where the first line has {expected_len}"),
            "put a text that contains commas between double quotes",
        ),
        ErrorKind::Utf8 { err, .. } => (
            format!("field {}", err.field() + 1),
            "it is not UTF-8".to_owned(),
            "save the file as UTF-8",
        ),
        _ => (String::new(), error.to_string(), "see RFC 4180"),
    };
    Problem {
        file: file.to_owned(),
        line: line_of(error.position()),
        field: match field.is_empty() {
            true => "the line".to_owned(),
            false => field,
        },
        message,
        fix: fix.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &[u8]) -> Vec<String> {
        let problems = parse("f.csv", text).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn quotes_marks_and_other_columns_are_no_trouble() {
        let text =
            "\u{feff}id,Label, text,escalation\n1,a,\"one, \"\"two\"\"\nthree\",\n2,b,x,urgent\n";
        let messages = parse("f.csv", text.as_bytes()).unwrap();
        assert_eq!(messages[0].text, "one, \"two\"\nthree");
        assert_eq!(messages[0].escalation, Some(Escalation::Normal));
        assert_eq!(messages[1].escalation, Some(Escalation::Urgent));
        assert_eq!(
            (messages[1].label.as_str(), &messages[1].language),
            ("b", &None)
        );
    }

    #[test]
    fn every_bad_line_is_told_with_its_place() {
        assert_eq!(
            told(b"text,label\nfine,a\n,a\n\"two\nlines\",\na,b,c\n\xff,a\n"),
            [
                "f.csv:3: text: it is empty; fill it or drop the line",
                "f.csv:4: label: it is empty; fill it or drop the line",
                "f.csv:6: the line: 3 fields where the first line has 2; put a text that contains commas between double quotes",
                "f.csv:7: field 1: it is not UTF-8; save the file as UTF-8",
            ]
        );
        assert_eq!(
            told(b"utterance,label\nx,y\n"),
            [
                "f.csv:1: text: there is no such column, only: utterance, label; let the first line be `text,label`"
            ]
        );
        assert_eq!(told(b"text,label\n").len(), 1);
        assert!(told(b"text,label,escalation\nx,a,angry\n")[0].contains("`angry` is none"));
    }
}
