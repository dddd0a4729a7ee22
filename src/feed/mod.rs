//! Product feeds: files of products in the forms that shops export. A row that cannot be read is told with its column, and
//! the product that it belongs to is left out as a whole.

mod google;
mod row;
mod shopify;
#[cfg(test)]
mod tests;

use std::fmt;

use doorstep_core::product::Product;
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

/// A product of a feed. Price and stock narrow searches down; customers are told what the shop says when they ask.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The product.
    pub product: Product,
    /// Its lowest price in minor units, where the feed says one.
    pub price: Option<i64>,
    /// Whether any variant can be bought, where the feed says so.
    pub in_stock: bool,
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
        Format::Jsonl => Ok(json_lines(text)),
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

fn json_lines(text: &str) -> Feed {
    let mut feed = Feed::default();
    let lines = (1..).zip(text.lines());
    for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let refused = |column: &str, reason: String| Refused {
            line,
            column: column.to_owned(),
            reason,
            product: None,
        };
        match serde_json::from_str::<Product>(text) {
            Ok(product) if product.variants.is_empty() => {
                let reason = "there is none; a product has at least one".to_owned();
                feed.refused.push(refused("variants", reason));
            }
            Ok(product) => feed.products.push(Listed {
                product,
                price: None,
                in_stock: false,
            }),
            Err(error) => {
                let reason = format!("{error}; one product is one JSON object a line");
                feed.refused.push(refused("", reason));
            }
        }
    }
    feed
}
