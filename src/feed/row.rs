//! Rows of named columns, and what they say.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use doorstep_core::product::{Product, Variant};
use iso_currency::Currency;

use super::{Feed, FeedError, Listed, Refused, Unit};

/// A row.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// What stands in each column that is not empty.
    pub(super) fields: BTreeMap<String, String>,
    /// Why it cannot be told which value stands in which column.
    pub(super) shifted: Option<Shifted>,
}

/// A row with more values than there are columns: a separator too many, and every value behind it is in a wrong column.
#[derive(Debug)]
pub(super) struct Shifted {
    reason: String,
    /// One of them is the product's identifier, whichever.
    values: Vec<String>,
}

impl Row {
    pub(super) fn get(&self, column: &str) -> Option<&str> {
        self.fields.get(column).map(String::as_str)
    }

    pub(super) fn text(&self, column: &str) -> String {
        self.get(column).unwrap_or_default().to_owned()
    }

    pub(super) fn required(&self, column: &str) -> Result<&str, Refused> {
        let missing = || self.refused(column, "it is empty; every product needs it".to_owned());
        self.get(column).ok_or_else(missing)
    }

    pub(super) fn refused(&self, column: &str, reason: String) -> Refused {
        Refused {
            line: self.line,
            column: column.to_owned(),
            reason,
            product: None,
        }
    }

    /// A price in minor units: `12.95`, `12,95`, `1,299.00`, with or without the currency's code.
    pub(super) fn price(&self, column: &str, currency: Currency) -> Result<Option<i64>, Refused> {
        let Some(text) = self.get(column) else {
            return Ok(None);
        };
        let price = price(text, currency);
        price
            .map(Some)
            .map_err(|reason| self.refused(column, reason))
    }
}

/// A price in minor units, as [`Row::price`] takes it; or what is wrong with it.
pub(super) fn price(text: &str, currency: Currency) -> Result<i64, String> {
    let code = currency.code();
    let number = text.trim_end_matches(code).trim_start_matches(code);
    let price = minor(number.trim(), usize::from(currency.exponent().unwrap_or(2)));
    price.ok_or_else(|| {
        format!("`{text}` is not a price in {code}; write it like `12.95` or `12.95 {code}`")
    })
}

/// A decimal in minor units; the last of `.` and `,` with at most `decimals` digits behind it parts the cents.
fn minor(text: &str, decimals: usize) -> Option<i64> {
    let is_mark = |letter: char| letter == '.' || letter == ',';
    let (whole, cents) = match text.rsplit_once(is_mark) {
        Some((whole, cents)) if !cents.is_empty() && cents.len() <= decimals => (whole, cents),
        Some((_, cents)) if cents.len() != 3 => return None,
        _ => (text, ""),
    };
    let whole: String = whole.chars().filter(|letter| !is_mark(*letter)).collect();
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(&whole) || !is_number(cents) {
        return None;
    }
    format!("{whole}{cents:0<decimals$}").parse().ok()
}

/// The rows of a file of separated values whose first line names the columns, read as they are asked for.
///
/// # Errors
/// The first line cannot be read, or names no column of `needed`; later, the file cannot be read on.
pub(super) fn separated(
    source: impl Read,
    delimiter: u8,
    needed: &[&str],
) -> Result<impl Iterator<Item = Result<Row, FeedError>>, FeedError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .quoting(delimiter == b',')
        .from_reader(source);
    let header = reader.headers().map_err(unreadable)?.clone();
    // Google's names may be written with spaces.
    let named = |name: &str| match delimiter {
        b'\t' => name.trim().to_lowercase().replace(' ', "_"),
        _ => name.trim().to_owned(),
    };
    let names: Vec<String> = header.iter().map(named).collect();
    if let Some(missing) = needed
        .iter()
        .find(|name| !names.iter().any(|own| own == *name))
    {
        return Err(FeedError(format!(
            "the first line names no column `{missing}`; is this the right --format?"
        )));
    }
    let records = reader.into_records();
    Ok(records.map(move |record| {
        let read = record.map(|record| row(&record, &names));
        read.map_err(unreadable)
    }))
}

fn unreadable(error: csv::Error) -> FeedError {
    FeedError(error.to_string())
}

fn row(record: &csv::StringRecord, names: &[String]) -> Row {
    let values = record.iter().map(str::trim);
    let fields = names.iter().zip(values.clone());
    let fields = fields.filter(|(_, value)| !value.is_empty());
    Row {
        line: record.position().map_or(0, csv::Position::line),
        fields: fields
            .map(|(name, value)| (name.clone(), value.to_owned()))
            .collect(),
        shifted: (record.len() > names.len()).then(|| Shifted {
            reason: format!("{} values for {} columns", record.len(), names.len()),
            values: values.map(str::to_owned).collect(),
        }),
    }
}

/// What one row says of a product.
pub(super) struct Part {
    /// The product; of several rows the first one's counts. Its variants are of this row.
    pub(super) product: Product,
    /// What it tells of its variant, where it is one.
    pub(super) unit: Option<Unit>,
}

/// Puts the rows of each product together. A product with a refused row is left out.
///
/// # Errors
/// The rows cannot be read to their end.
pub(super) fn grouped(
    rows: impl Iterator<Item = Result<Row, FeedError>>,
    id: impl Fn(&Row) -> Result<String, Refused>,
    part: impl Fn(&Row, Option<&Listed>) -> Result<Part, Refused>,
) -> Result<Feed, FeedError> {
    let mut feed = Feed::default();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let row = row?;
        if let Some(Shifted { reason, values }) = &row.shifted {
            feed.broken.extend(values.iter().cloned());
            feed.refuse(Refused {
                product: id(&row).ok(),
                ..row.refused("", reason.clone())
            });
            continue;
        }
        let own = match id(&row) {
            Ok(own) => own,
            Err(refused) => {
                feed.refuse(refused);
                continue;
            }
        };
        let place = places.get(&own).copied();
        if place.is_none() && feed.broken.contains(&own) {
            // What describes it was refused, so that its further rows mean nothing.
            continue;
        }
        match part(&row, place.map(|place| &feed.products[place])) {
            Ok(part) => match place {
                Some(place) => join(&mut feed.products[place], part),
                None => {
                    places.insert(own, feed.products.len());
                    feed.products.push(Listed {
                        product: part.product,
                        units: part.unit.into_iter().collect(),
                    });
                }
            },
            Err(refused) => feed.refuse(Refused {
                product: Some(own),
                ..refused
            }),
        }
    }
    let Feed {
        products, broken, ..
    } = &mut feed;
    products.retain(|listed| {
        !broken.contains(&listed.product.id) && !listed.product.variants.is_empty()
    });
    Ok(feed)
}

fn join(listed: &mut Listed, part: Part) {
    let is_told = |unit: &Unit| listed.units.iter().any(|own| own.sku == unit.sku);
    let unit = part.unit.filter(|unit| !is_told(unit));
    listed.units.extend(unit);
    for (name, values) in part.product.attributes {
        let own = listed.product.attributes.entry(name).or_default();
        own.extend(values);
        let mut seen = BTreeSet::new();
        own.retain(|value| seen.insert(value.clone()));
    }
    let has = |variant: &Variant| {
        listed
            .product
            .variants
            .iter()
            .any(|own| own.sku == variant.sku)
    };
    let new: Vec<Variant> = part
        .product
        .variants
        .into_iter()
        .filter(|one| !has(one))
        .collect();
    listed.product.variants.extend(new);
}

/// The text of HTML.
pub(super) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        let is_tag = tag[1..]
            .starts_with(|letter: char| letter.is_ascii_alphabetic() || "/!".contains(letter));
        match tag.find('>').filter(|_| is_tag) {
            Some(end) => {
                text.push(' ');
                rest = &tag[end + 1..];
            }
            None => {
                text.push('<');
                rest = &tag[1..];
            }
        }
    }
    text.push_str(rest);
    for (entity, letter) in [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, letter);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
