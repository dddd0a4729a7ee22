//! The catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Money, Sku, Timestamp};

/// A product as the catalog describes it. Price and stock change, so they are looked up as [`StockLevel`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The shop's identifier.
    pub id: String,
    /// Title.
    pub title: String,
    /// A few sentences.
    pub description: String,
    /// Brand.
    pub brand: Option<String>,
    /// Category: `jackets`.
    pub category: Option<String>,
    /// Attributes such as `colour` or `material`, each with its values.
    #[serde(default)]
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Product page.
    pub url: Option<String>,
    /// Image address.
    pub image: Option<String>,
    /// Its buyable variants; at least one.
    pub variants: Vec<Variant>,
    /// When the shop last changed anything about it, price and stock included; `None` where it does not say so reliably.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// A buyable variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its stock keeping unit.
    pub sku: Sku,
    /// Size, when it has one: `M`, `EU 42`.
    pub size: Option<String>,
    /// Colour, when it has one.
    pub colour: Option<String>,
}

/// Price and stock of one variant at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevel {
    /// Which variant.
    pub sku: Sku,
    /// Price now.
    pub price: Money,
    /// How many can be bought now.
    pub quantity: u32,
    /// When it was looked up.
    pub as_of: Timestamp,
}
