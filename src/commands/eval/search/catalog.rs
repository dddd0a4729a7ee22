//! A catalog as JSON lines of any make: which field means what is told by the command line.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Lines},
    path::Path,
};

use doorstep_core::{
    Language, Problem, Timestamp,
    search::{DocumentKind, SearchDocument},
};
use serde_json::{Map, Value};

use crate::{cli::CatalogFields, commands::Failure, unpack};

/// So many bad lines are told; then the file is taken for another kind of file.
const MAX_PROBLEMS: usize = 20;

/// Reads a catalog line by line, in bounded memory.
pub(super) struct Catalog<'a> {
    file: String,
    fields: &'a CatalogFields,
    language: &'a Language,
    lines: std::iter::Enumerate<Lines<Box<dyn BufRead + Send>>>,
    problems: Vec<Problem>,
}

/// A field, what is wrong with it, and what to do.
type Fault = (&'static str, String, &'static str);

impl<'a> Catalog<'a> {
    /// Opens a file, packed by gzip or not.
    ///
    /// # Errors
    /// Misuse when the file cannot be opened.
    pub(super) fn open(
        path: &Path,
        fields: &'a CatalogFields,
        language: &'a Language,
    ) -> Result<Self, Failure> {
        let file = unpack::open(path)
            .map_err(|error| Failure::Misuse(format!("{}: {error}", path.display())))?;
        Ok(Self {
            file: path.display().to_string(),
            fields,
            language,
            lines: file.lines().enumerate(),
            problems: Vec::new(),
        })
    }

    /// How many products a file has, by its lines; `None` where it can be read only once, as a pipe can.
    pub(super) fn count(path: &Path) -> Option<usize> {
        if !std::fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let lines = unpack::open(path).ok()?.lines();
        // What is wrong with the file is told by who reads it.
        let lines = lines.map_while(Result::ok);
        Some(lines.filter(|line| !line.trim().is_empty()).count())
    }

    /// The next `limit` products without vectors; none at the end of the file.
    ///
    /// # Errors
    /// Lines that are no products.
    pub(super) fn next(&mut self, limit: usize) -> Result<Vec<SearchDocument>, Failure> {
        let mut documents = Vec::with_capacity(limit);
        while documents.len() < limit && self.problems.len() < MAX_PROBLEMS {
            let Some((index, line)) = self.lines.next() else {
                break;
            };
            let read = match &line {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => self.document(line.trim_start_matches('\u{feff}')),
                // A file that breaks off has no next line.
                Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                    let file = &self.file;
                    return Err(Failure::Misuse(format!("{file}: {error}")));
                }
                Err(error) => Err(("line", error.to_string(), "save the file as UTF-8")),
            };
            match read {
                Ok(document) => documents.push(document),
                Err((field, message, fix)) => self.problems.push(Problem {
                    file: self.file.clone(),
                    line: index + 1,
                    field: field.to_owned(),
                    message,
                    fix: fix.to_owned(),
                }),
            }
        }
        match self.problems.is_empty() {
            true => Ok(documents),
            false => Err(Failure::Problems(std::mem::take(&mut self.problems))),
        }
    }

    fn document(&self, line: &str) -> Result<SearchDocument, Fault> {
        let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            let fix = "write one product a line, each a JSON object";
            ("line", error.to_string(), fix)
        })?;
        let fields = self.fields;
        let id = first(&object, &fields.id_field).ok_or_else(|| {
            let found: Vec<&str> = object.keys().take(8).map(String::as_str).collect();
            let message = format!("there is none; the line has {}", found.join(", "));
            ("id", message, "name the field that holds it by --id-field")
        })?;
        let title = first(&object, &fields.title_field).unwrap_or_default();
        let body = first(&object, &fields.text_field).unwrap_or_default();
        let brand = first(&object, &fields.brand_field);
        Ok(SearchDocument {
            source: format!("catalog:{id}"),
            id,
            kind: DocumentKind::Product,
            language: self.language.clone(),
            title,
            body,
            brand,
            price: named(&object, &fields.price_field).and_then(minor_units),
            in_stock: true,
            attributes: self.attributes(&object),
            as_of: Timestamp::default(),
            vector: None,
        })
    }

    fn attributes(&self, object: &Map<String, Value>) -> BTreeMap<String, Vec<String>> {
        let mut attributes = BTreeMap::new();
        for (name, value) in object {
            let matching = self.fields.attribute_field.iter();
            let Some(own) = matching
                .filter_map(|pattern| own_name(pattern, name))
                .next()
            else {
                continue;
            };
            match value {
                Value::Object(inner) => {
                    for (name, value) in inner {
                        add(&mut attributes, name, value);
                    }
                }
                value => add(&mut attributes, own, value),
            }
        }
        attributes
    }
}

/// What an attribute is called by: what the `*` of its pattern stands for, or the whole name.
fn own_name<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    match pattern.strip_suffix('*') {
        Some(start) => name.strip_prefix(start).filter(|own| !own.is_empty()),
        None => (pattern == name).then_some(name),
    }
}

fn add(attributes: &mut BTreeMap<String, Vec<String>>, name: &str, value: &Value) {
    let name = name.replace('_', " ").trim().to_lowercase();
    let values = match value {
        Value::Bool(true) => vec![name.clone()],
        value => texts(value),
    };
    if !values.is_empty() {
        attributes.entry(name).or_default().extend(values);
    }
}

/// The words of a value: `Black,Silver` are two, `1,5 m` is one.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => parted(text),
        value => text_of(value).into_iter().collect(),
    }
}

fn parted(text: &str) -> Vec<String> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(',') {
        let within_number = at > 0 && digit(bytes.get(at - 1)) && digit(bytes.get(at + 1));
        if !within_number {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    let parts = parts.into_iter().map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The field of the first of `names` that is there.
fn named<'o>(object: &'o Map<String, Value>, names: &[String]) -> Option<&'o Value> {
    let mut values = names.iter().filter_map(|name| object.get(name));
    values.find(|value| !value.is_null())
}

/// The text of the first of `names` that says something.
fn first(object: &Map<String, Value>, names: &[String]) -> Option<String> {
    let mut values = names.iter().filter_map(|name| object.get(name));
    values.find_map(text_of)
}

/// `None` for what is empty. A number is written without the `.0` of a whole one.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map_or(text.clone(), str::to_owned))
        }
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().filter_map(text_of).collect();
            (!texts.is_empty()).then(|| texts.join(" "))
        }
        _ => None,
    }
}

/// A whole number counts minor units, one with a point the units of the currency, as `Product` feeds write them.
fn minor_units(value: &Value) -> Option<i64> {
    let text = text_of(value)?;
    let number: String = text
        .chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
        .collect();
    match number.parse::<i64>() {
        Ok(minor) if !value.is_string() => Some(minor),
        _ => {
            let units: f64 = number.parse().ok()?;
            // No price comes near the limits of an i64, and a cast that would leave them stops there.
            Some((units * 100.0).round() as i64)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command, Eval};

    fn fields(more: &[&str]) -> CatalogFields {
        let line = [
            "doorstep",
            "eval",
            "search",
            "--catalog",
            "c",
            "--judgements",
            "j",
        ];
        let cli = Cli::parse_from(line.iter().chain(more));
        match cli.command {
            Command::Eval(Eval::Search(search)) => search.fields,
            other => panic!("{other:?}"),
        }
    }

    fn read(text: &str, more: &[&str]) -> Result<Vec<SearchDocument>, Failure> {
        read_bytes(text.as_bytes(), more)
    }

    fn read_bytes(bytes: &[u8], more: &[&str]) -> Result<Vec<SearchDocument>, Failure> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let fields = fields(more);
        let language = Language::ENGLISH;
        let mut catalog = Catalog::open(file.path(), &fields, &language)?;
        let mut documents = Vec::new();
        loop {
            let next = catalog.next(2)?;
            if next.is_empty() {
                return Ok(documents);
            }
            documents.extend(next);
        }
    }

    #[test]
    fn the_default_fields_are_those_of_a_flat_export() {
        let line = r#"{"id": 7, "title": "Cable", "short_description": "Two metres", "supplier": "Acme", "price": 1995, "attr_t_product_colour": "Black,Silver", "attr_n_cable_length": 2.0, "attr_b_wired": true, "img": "x"}"#;
        let documents = read(line, &[]).unwrap();
        let cable = &documents[0];
        assert_eq!((cable.id.as_str(), cable.title.as_str()), ("7", "Cable"));
        assert_eq!(cable.body, "Two metres");
        assert_eq!(cable.brand.as_deref(), Some("Acme"));
        assert_eq!(cable.price, Some(1995));
        let attributes = BTreeMap::from([
            ("cable length".to_owned(), vec!["2".to_owned()]),
            (
                "product colour".to_owned(),
                vec!["Black".to_owned(), "Silver".to_owned()],
            ),
        ]);
        assert_eq!(cable.attributes, attributes);
    }

    #[test]
    fn other_catalogs_are_read_too_and_fields_can_be_named() {
        let text = "\n{\"sku\": \"A-1\", \"name\": \"Sofa\", \"description\": \"Soft\", \"brand\": \"Woods\", \"price\": \"199.50\", \"attributes\": {\"Seats\": \"2, 3\"}}\n{\"sku\": \"A-2\", \"name\": null, \"fabric\": \"1,5 cm felt\"}\n";
        let documents = read(text, &["--attribute-field", "attributes,fabric"]).unwrap();
        assert_eq!(documents[0].id, "A-1");
        assert_eq!(documents[0].price, Some(19950));
        assert_eq!(documents[0].attributes["seats"], ["2", "3"]);
        assert_eq!(documents[1].title, "");
        assert_eq!(documents[1].attributes["fabric"], ["1,5 cm felt"]);
    }

    #[test]
    fn a_packed_catalog_is_read_as_it_was_and_one_that_breaks_off_is_told() {
        let text = "{\"id\": 1, \"title\": \"Sofa\"}\n\n{\"id\": 2}\n";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let documents = read_bytes(&packed, &[]).unwrap();
        let ids: Vec<&str> = documents.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);

        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&packed).unwrap();
        assert_eq!(Catalog::count(file.path()), Some(2));

        let Err(Failure::Misuse(told)) = read_bytes(&packed[..packed.len() - 9], &[]) else {
            panic!("half a file was taken");
        };
        assert!(!told.is_empty());
    }

    #[test]
    fn what_is_no_product_is_told_with_its_line() {
        let Err(Failure::Problems(problems)) = read("{\"id\": 1}\n[]\n{\"title\": \"x\"}\n", &[])
        else {
            panic!("the lines were taken");
        };
        let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3]);
        assert!(problems[1].to_string().contains("--id-field"));
    }
}
