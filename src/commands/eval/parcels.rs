//! Parcels whose delivery is known, as CSV.

use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use csv::StringRecord;
use doorstep_core::Problem;
use doorstep_engine::eta::Parcel;

use super::messages::{line_of, of_csv};
use crate::commands::Failure;

/// The columns that mean something; others are left alone. Without the third nothing can be told of a parcel.
const COLUMNS: [&str; 11] = [
    "purchased_at",
    "promised_at",
    "handed_over_at",
    "delivered_at",
    "origin",
    "destination",
    "carrier",
    "service",
    "freight",
    "weight_g",
    "category",
];
const HANDED_OVER: usize = 2;

const TIME: &str =
    "write 2026-11-21 17:30:00 or 2026-11-21T17:30:00, by the clocks of the destination, or a day";

/// What a file held.
#[derive(Debug, PartialEq)]
pub(super) struct Parcels {
    pub(super) parcels: Vec<Parcel>,
    /// Lines without a hand-over.
    pub(super) never_left: usize,
}

/// Reads a CSV file with a header; blanks and all columns but `handed_over_at` may be missing.
///
/// # Errors
/// Misuse when the file cannot be opened; else every problem, with its line and column.
pub(super) fn read(path: &Path) -> Result<Parcels, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Misuse(format!("{}: {error}", path.display())))?;
    parse(&path.display().to_string(), &bytes).map_err(Failure::Problems)
}

fn parse(file: &str, bytes: &[u8]) -> Result<Parcels, Vec<Problem>> {
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
    let places = COLUMNS.map(|name| {
        header
            .iter()
            .position(|column| column.trim().eq_ignore_ascii_case(name))
    });
    if places[HANDED_OVER].is_none() {
        let found = header.iter().collect::<Vec<_>>().join(", ");
        return Err(vec![problem(
            1,
            COLUMNS[HANDED_OVER],
            format!("there is no such column, only: {found}"),
            "name the columns in the first line; see `doorstep eval eta --help`",
        )]);
    }
    let mut read = Parcels {
        parcels: Vec::new(),
        never_left: 0,
    };
    let mut problems = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => match parcel(&record, &places) {
                Ok(Some(parcel)) => read.parcels.push(parcel),
                Ok(None) => read.never_left += 1,
                Err((field, message, fix)) => {
                    problems.push(problem(line_of(record.position()), field, message, fix));
                }
            },
            Err(error) => problems.push(of_csv(file, &error)),
        }
    }
    match problems.is_empty() {
        true => Ok(read),
        false => Err(problems),
    }
}

/// A field, what is wrong with it, and what to do.
type Wrong = (&'static str, String, &'static str);

/// `None`: it was not handed over.
fn parcel(
    record: &StringRecord,
    places: &[Option<usize>; COLUMNS.len()],
) -> Result<Option<Parcel>, Wrong> {
    let text = |column: usize| {
        let value = record.get(places[column]?)?.trim();
        (!value.is_empty()).then_some(value)
    };
    let at = |column: usize, is_end: bool| {
        text(column)
            .map(|value| time(value, is_end).map_err(|message| (COLUMNS[column], message, TIME)))
            .transpose()
    };
    let number = |column: usize| {
        text(column)
            .map(|value| amount(value).map_err(|(message, fix)| (COLUMNS[column], message, fix)))
            .transpose()
    };
    let owned = |column: usize| text(column).map(str::to_owned);
    let (purchased, promised) = (at(0, false)?, at(1, true)?);
    let (handed_over, delivered) = (at(HANDED_OVER, false)?, at(3, false)?);
    let (freight, weight_g) = (number(8)?, number(9)?);
    Ok(handed_over.map(|handed_over| Parcel {
        purchased,
        promised,
        delivered,
        origin: owned(4),
        destination: owned(5),
        carrier: owned(6),
        service: owned(7),
        freight,
        weight_g,
        category: owned(10),
        ..Parcel::handed_over(handed_over)
    }))
}

/// A time by the destination's clocks; a promised day means until its end.
fn time(value: &str, is_end: bool) -> Result<NaiveDateTime, String> {
    let naive = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ];
    let read = naive
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(value, format).ok())
        .or_else(|| Some(DateTime::parse_from_rfc3339(value).ok()?.naive_local()))
        .or_else(|| {
            let day = value.parse::<NaiveDate>().ok()?;
            let day = if is_end { day.succ_opt()? } else { day };
            Some(day.and_time(chrono::NaiveTime::MIN))
        })
        .ok_or_else(|| format!("`{value}` is no time"))?;
    let year = chrono::Datelike::year(&read);
    match (1970..=2200).contains(&year) {
        true => Ok(read),
        false => Err(format!("`{value}` is in the year {year}")),
    }
}

fn amount(value: &str) -> Result<f32, (String, &'static str)> {
    value
        .parse()
        .ok()
        .filter(|amount: &f32| amount.is_finite() && *amount >= 0.0)
        .ok_or_else(|| {
            let fix = "write a number of 0 or more with a decimal point, or leave it blank";
            (format!("`{value}` is no amount"), fix)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &[u8]) -> Vec<String> {
        let problems = parse("f.csv", text).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn blanks_missing_and_other_columns_are_no_trouble() {
        let text = "\u{feff}id, Handed_Over_At ,promised_at,freight\n\
            1,2026-11-20 17:30,2026-11-24,4.5\n2,2026-11-20T17:30:00+01:00,,\n3,,,\n";
        let read = parse("f.csv", text.as_bytes()).unwrap();
        assert_eq!((read.parcels.len(), read.never_left), (2, 1));
        let first = &read.parcels[0];
        assert_eq!(first.handed_over, read.parcels[1].handed_over);
        assert_eq!(first.freight, Some(4.5));
        assert_eq!(
            first.promised.map(|at| at.to_string()).as_deref(),
            Some("2026-11-25 00:00:00")
        );
        assert_eq!(first.carrier, None);
        assert_eq!(parse("f.csv", b"handed_over_at\n").unwrap().parcels, []);
    }

    #[test]
    fn every_bad_line_is_told_with_its_place() {
        let text =
            b"handed_over_at,freight,delivered_at\n2026-11-20,1,2026-02-30\n2026-11-20,NaN,\n\
            9999-01-01,,\n2026-11-20,-1,\n2026-11-20\n\xff,,\n";
        let told = told(text);
        let starts = [
            "f.csv:2: delivered_at: `2026-02-30` is no time; write ",
            "f.csv:3: freight: `NaN` is no amount; write ",
            "f.csv:4: handed_over_at: `9999-01-01` is in the year 9999; write ",
            "f.csv:5: freight: `-1` is no amount; write ",
            "f.csv:6: the line: 1 fields where the first line has 3; ",
            "f.csv:7: field 1: it is not UTF-8; save the file as UTF-8",
        ];
        assert_eq!(told.len(), starts.len(), "{told:#?}");
        for (told, start) in told.iter().zip(starts) {
            assert!(told.starts_with(start), "{told}");
        }
    }

    #[test]
    fn a_file_without_the_hand_over_is_told_what_it_lacks() {
        assert!(told(b"order_id,delivered_at\n")[0].starts_with(
            "f.csv:1: handed_over_at: there is no such column, only: order_id, delivered_at;"
        ));
    }
}
