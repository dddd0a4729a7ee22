//! Product feeds: files of products in the forms that shops export. A row that cannot be read is told with its column, and
//! the product that it belongs to is left out as a whole.

mod google;
mod json_lines;
mod row;
mod shopify;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fmt,
    io::{self, BufRead},
};

use doorstep_core::{Money, Sku, product::Product};
use doorstep_engine::store::{ImportedProduct, ImportedUnit};
use iso_currency::Currency;

/// The form of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One product as a JSON object a line.
    Jsonl,
    /// Shopify's product export.
    ShopifyCsv,
    /// A Google Merchant feed: RSS 2.0 or Atom.
    GoogleXml,
    /// A Google Merchant feed: tab-separated.
    GoogleTsv,
}

/// What can be bought of a unit that there is and that nobody counts.
const UNCOUNTED: u32 = 999;

/// What some programs begin a file in UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A product of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The product.
    pub product: Product,
    /// What the feed tells of its variants.
    pub units: Vec<Unit>,
}

/// Price and stock of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Which variant.
    pub sku: Sku,
    /// Its price in minor units, where the feed says one.
    pub price: Option<i64>,
    /// How many can be bought.
    pub quantity: u32,
}

impl Listed {
    /// The product as it is imported: what has no price is told of by nobody.
    pub fn imported(self, currency: Currency) -> ImportedProduct {
        let unit = |unit: Unit| {
            Some(ImportedUnit {
                price: Money::new(unit.price?, currency),
                sku: unit.sku,
                quantity: unit.quantity,
            })
        };
        ImportedProduct {
            product: self.product,
            units: self.units.into_iter().filter_map(unit).collect(),
        }
    }
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// The column or field, where it is one.
    pub column: String,
    /// What is wrong and what is expected.
    pub reason: String,
    /// The product that the row belongs to, where it says so.
    pub product: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column.as_str() {
            "" => write!(f, "{}: {}", self.line, self.reason),
            column => write!(f, "{}: {column}: {}", self.line, self.reason),
        }
    }
}

/// What a feed holds.
#[derive(Debug, Default)]
pub struct Feed {
    /// Its products, in its order.
    pub products: Vec<Listed>,
    /// Its rows that were left out.
    pub refused: Vec<Refused>,
    /// The products that a row that was left out is about, or may be; none of them is among `products`.
    pub broken: BTreeSet<String>,
}

impl Feed {
    fn refuse(&mut self, refused: Refused) {
        self.broken.extend(refused.product.clone());
        self.refused.push(refused);
    }
}

/// The file is no feed of this form.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FeedError(String);

impl From<io::Error> for FeedError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads a feed, row by row where its form allows it (XML is read as a whole). Prices are of `currency`; `tell` is called
/// after every row.
///
/// # Errors
/// The file as a whole is of another form, or it cannot be read to its end.
pub fn read(
    mut source: impl BufRead,
    format: Format,
    currency: Currency,
    tell: &mut dyn FnMut(),
) -> Result<Feed, FeedError> {
    if source.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        source.consume(BYTE_ORDER_MARK.len());
    }
    match format {
        Format::Jsonl => json_lines::products(source, currency, tell),
        Format::ShopifyCsv => {
            let rows = row::separated(source, b',', &["Handle", "Title"])?;
            shopify::products(rows.inspect(|_| tell()), currency)
        }
        Format::GoogleTsv => {
            let rows = row::separated(source, b'\t', &["id", "title"])?;
            google::products(rows.inspect(|_| tell()), currency)
        }
        Format::GoogleXml => {
            let text = io::read_to_string(source)?;
            let rows = google::items(&text)?.into_iter().map(Ok);
            google::products(rows.inspect(|_| tell()), currency)
        }
    }
}
