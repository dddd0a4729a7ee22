//! Messages whose right answer is known, as CSV, or as the project's own tab-separated files.

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

/// Reads a CSV file with a header that names the columns `text` and `label`, and perhaps `language` and `escalation`; or, by
/// its ending `.tsv`, one like `training/utterances/test.tsv`: language, labels, text and perhaps escalation, tab-separated,
/// without a header and without quotes.
///
/// # Errors
/// Misuse when the file cannot be opened; else every problem, with its line and column.
pub(super) fn read(path: &Path) -> Result<Vec<Message>, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Misuse(format!("{}: {error}", path.display())))?;
    let file = path.display().to_string();
    let is_tsv = path.extension().is_some_and(|extension| extension == "tsv");
    match is_tsv {
        true => parse_tsv(&file, &bytes),
        false => parse(&file, &bytes),
    }
    .map_err(Failure::Problems)
}

fn parse_tsv(file: &str, bytes: &[u8]) -> Result<Vec<Message>, Vec<Problem>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let problem = |line: usize, (field, message, fix): Complaint| Problem {
        file: file.to_owned(),
        line,
        field: field.to_owned(),
        message,
        fix: fix.to_owned(),
    };
    let mut messages = Vec::new();
    let mut problems = Vec::new();
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        match std::str::from_utf8(bytes) {
            Ok(row) if row.trim().is_empty() => {}
            Ok(row) => match of_row(row.trim_end_matches('\r')) {
                Ok(message) => messages.push(message),
                Err(complaint) => problems.push(problem(line, complaint)),
            },
            Err(_) => {
                let complaint = (
                    "the line",
                    "it is not UTF-8".to_owned(),
                    "save the file as UTF-8",
                );
                problems.push(problem(line, complaint));
            }
        }
    }
    if messages.is_empty() && problems.is_empty() {
        let complaint = (
            "text",
            "there is no message".to_owned(),
            "write one message a line",
        );
        problems.push(problem(0, complaint));
    }
    match problems.is_empty() {
        true => Ok(messages),
        false => Err(problems),
    }
}

/// A message of a tab-separated line. What follows the escalation is left alone.
fn of_row(row: &str) -> Result<Message, Complaint> {
    const FIX: &str =
        "write language, labels, text and perhaps escalation, with a tab between each";
    let fields: Vec<&str> = row.split('\t').map(str::trim).collect();
    let [language, label, text, rest @ ..] = fields.as_slice() else {
        let message = format!("{} field(s) where there are three or more", fields.len());
        return Err(("the line", message, FIX));
    };
    for (field, value) in [("language", language), ("label", label), ("text", text)] {
        if value.is_empty() {
            return Err((field, "it is empty".to_owned(), FIX));
        }
    }
    // Of several that would be right, the first counts.
    let escalation = rest.first().and_then(|written| written.split('|').next());
    let escalation = escalation
        .map(str::trim)
        .filter(|written| !written.is_empty());
    Ok(Message {
        text: (*text).to_owned(),
        label: (*label).to_owned(),
        language: Some((*language).to_owned()),
        escalation: Some(escalation.map_or(Ok(Escalation::Normal), of_word)?),
    })
}

/// A field, what is wrong with it, and what to do.
type Complaint = (&'static str, String, &'static str);

fn of_word(escalation: &str) -> Result<Escalation, Complaint> {
    match escalation {
        "normal" => Ok(Escalation::Normal),
        "escalate" => Ok(Escalation::Escalate),
        "urgent" => Ok(Escalation::Urgent),
        other => {
            let message = format!("`{other}` is none");
            Err(("escalation", message, "write normal, escalate or urgent"))
        }
    }
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

    fn message(&self, record: &StringRecord) -> Result<Message, Complaint> {
        let value = |place: usize| record.get(place).unwrap_or_default().trim();
        let optional = |place: Option<usize>| place.map(value).filter(|value| !value.is_empty());
        let needed = |field, place| match value(place) {
            "" => Err((field, "it is empty".to_owned(), "fill it or drop the line")),
            value => Ok(value.to_owned()),
        };
        let escalation = match optional(self.escalation) {
            None => self.escalation.map(|_| Escalation::Normal),
            Some(written) => Some(of_word(written)?),
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
    fn the_projects_own_files_are_read_as_they_are() {
        let rows = "en\torder_status|complaint\twhere is \"it\", again?\tescalate|urgent\tnegative\r\n\nde\tthanks\tdanke\n";
        let messages = parse_tsv("f.tsv", rows.as_bytes()).unwrap();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].text, "where is \"it\", again?");
        assert_eq!(messages[0].label, "order_status|complaint");
        assert_eq!(messages[0].language.as_deref(), Some("en"));
        assert_eq!(messages[0].escalation, Some(Escalation::Escalate));
        assert_eq!(messages[1].escalation, Some(Escalation::Normal));

        let problems =
            parse_tsv("f.tsv", b"en\tthanks\nen\t\tx\nen\ta\tx\tangry\n\xff\n").unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            told[0].starts_with("f.tsv:1: the line: 2 field(s)"),
            "{told:?}"
        );
        assert!(
            told[1].starts_with("f.tsv:2: label: it is empty"),
            "{told:?}"
        );
        assert!(told[2].contains("`angry` is none"), "{told:?}");
        assert!(
            told[3].starts_with("f.tsv:4: the line: it is not UTF-8"),
            "{told:?}"
        );
        assert_eq!(parse_tsv("f.tsv", b"\n").unwrap_err().len(), 1);
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
