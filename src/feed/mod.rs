//! Product feeds: files of products in the forms that shops export. A row that cannot be read is told with its column, and
//! the product that it belongs to is left out as a whole.

mod google;
mod json_lines;
mod row;
mod shopify;
#[cfg(test)]
mod tests;

use std::fmt;

use doorstep_core::{Money, Sku, product::Product};
use doorstep_engine::store::{ImportedProduct, ImportedUnit};
use iso_currency::Currency;

pub use row::Row;

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
    pub fn imported(&self, currency: Currency) -> ImportedProduct {
        let unit = |unit: &Unit| {
            Some(ImportedUnit {
                sku: unit.sku.clone(),
                price: Money::new(unit.price?, currency),
                quantity: unit.quantity,
            })
        };
        ImportedProduct {
            product: Product {
                // Whatever it says, price and stock are of the import.
                updated_at: None,
                ..self.product.clone()
            },
            units: self.units.iter().filter_map(unit).collect(),
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
}

/// The file is no feed of this form.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FeedError(String);

/// Reads a feed. Prices are of `currency`.
///
/// # Errors
/// The file as a whole is of another form.
pub fn read(text: &str, format: Format, currency: Currency) -> Result<Feed, FeedError> {
    let text = text.trim_start_matches('\u{feff}');
    match format {
        Format::Jsonl => Ok(json_lines::products(text, currency)),
        Format::ShopifyCsv => {
            let rows = row::separated(text, b',', &["Handle", "Title"])?;
            Ok(shopify::products(rows, currency))
        }
        Format::GoogleTsv => {
            let rows = row::separated(text, b'\t', &["id", "title"])?;
            Ok(google::products(rows, currency))
        }
        Format::GoogleXml => Ok(google::products(google::items(text)?, currency)),
    }
}
