//! What people said about which product answers which query, as CSV.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use doorstep_core::Problem;

use crate::commands::{Failure, eval::messages};

/// The highest grade.
const MAX_RATING: f64 = 3.0;

/// A query and the grades of its products.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) query: String,
    /// Document → grade, 0 to 3.
    pub(super) ratings: HashMap<String, f64>,
}

/// Reads a CSV file with a header that names the columns `query`, `docid` and `rating`. A pair that is judged twice counts
/// as it was judged last.
///
/// # Errors
/// Misuse when the file cannot be opened; else every problem, with its line and column.
pub(super) fn read(path: &Path) -> Result<Vec<Judged>, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Misuse(format!("{}: {error}", path.display())))?;
    parse(&path.display().to_string(), &bytes).map_err(Failure::Problems)
}

fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Judged>, Vec<Problem>> {
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
        .map_err(|error| vec![messages::of_csv(file, &error)])?;
    let place = |name: &str| {
        let mut columns = header.iter();
        let found = columns.position(|column| column.trim().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            let message = format!("there is no such column, only: {found}");
            let fix = "let the first line be `query,docid,rating`";
            vec![problem(1, name, message, fix)]
        })
    };
    let places = (place("query")?, place("docid")?, place("rating")?);
    let mut judged: BTreeMap<String, HashMap<String, f64>> = BTreeMap::new();
    let mut problems = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(messages::of_csv(file, &error));
                continue;
            }
        };
        let value = |place: usize| record.get(place).unwrap_or_default().trim();
        let line = messages::line_of(record.position());
        let (query, document) = (value(places.0), value(places.1));
        for (field, value) in [("query", query), ("docid", document)] {
            if value.is_empty() {
                let message = "it is empty".to_owned();
                problems.push(problem(line, field, message, "fill it or drop the line"));
            }
        }
        match value(places.2).parse::<f64>() {
            Ok(rating) if (0.0..=MAX_RATING).contains(&rating) => {
                let ratings = judged.entry(query.to_owned()).or_default();
                ratings.insert(document.to_owned(), rating);
            }
            _ => {
                let message = format!("`{}` is no grade", value(places.2));
                problems.push(problem(line, "rating", message, "write 0, 1, 2 or 3"));
            }
        }
    }
    if judged.is_empty() && problems.is_empty() {
        let fix = "write one judgement a line";
        problems.push(problem(0, "query", "there is no judgement".to_owned(), fix));
    }
    match problems.is_empty() {
        true => Ok(judged
            .into_iter()
            .map(|(query, ratings)| Judged { query, ratings })
            .collect()),
        false => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judgements_are_gathered_by_query_whatever_the_order_of_the_columns() {
        let text = "\u{feff}rating,Query,docid,note\n3,\"cable, black\",1,x\n0,tv,2,\n1.0,\"cable, black\",2,\n2,tv,2,\n";
        let judged = parse("f.csv", text.as_bytes()).unwrap();
        assert_eq!(judged[0].query, "cable, black");
        let ratings = HashMap::from([("1".to_owned(), 3.0), ("2".to_owned(), 1.0)]);
        assert_eq!(judged[0].ratings, ratings);
        assert_eq!(judged[1].ratings["2"], 2.0, "the last judgement counts");
    }

    #[test]
    fn every_bad_line_is_told_with_its_place() {
        let told = |text: &str| -> Vec<String> {
            let problems = parse("f.csv", text.as_bytes()).unwrap_err();
            problems.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            told("query,docid,rating\ntv,,1\ntv,7,five\ntv,7,4\n"),
            [
                "f.csv:2: docid: it is empty; fill it or drop the line",
                "f.csv:3: rating: `five` is no grade; write 0, 1, 2 or 3",
                "f.csv:4: rating: `4` is no grade; write 0, 1, 2 or 3",
            ]
        );
        assert!(told("query,doc,rating\n")[0].contains("no such column"));
        assert_eq!(told("query,docid,rating\n").len(), 1);
    }
}
