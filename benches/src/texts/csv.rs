//! One column of a CSV file (RFC 4180).

use std::{fs, path::Path};

use crate::Outcome;

/// The values of the first of `names` that the header has.
pub(super) fn column(path: &Path, names: &[&str]) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut records = records(&text).into_iter();
    let header = records.next().unwrap_or_default();
    let at = names
        .iter()
        .find_map(|name| header.iter().position(|field| field.trim() == *name))
        .ok_or_else(|| {
            format!(
                "{} has none of the columns {}; it has: {}",
                path.display(),
                names.join(", "),
                header.join(", ")
            )
        })?;
    Ok(records
        .filter_map(|record| record.into_iter().nth(at))
        .collect())
}

fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let (mut record, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .chars()
        .peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_breaks_stay_in_their_field() {
        let text = "a,b\r\n\"one, \"\"two\"\"\",\"x\ny\"\r\nlast,";
        assert_eq!(
            records(text),
            [
                vec!["a", "b"],
                vec!["one, \"two\"", "x\ny"],
                vec!["last", ""]
            ]
        );
    }
}
