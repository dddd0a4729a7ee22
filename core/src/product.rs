//! The catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Money, Sku, Timestamp};

/// The attributes that a variant has of its own.
pub const COLOUR: &str = "colour";
/// See [`COLOUR`].
pub const SIZE: &str = "size";

/// What catalogs call the attribute or option of colours, in lower case, in the languages that Doorstep speaks.
pub const COLOUR_NAMES: [&str; 11] = [
    "colour", "color", "colours", "colors", "couleur", "coloris", "farbe", "cor", "colore",
    "colori", "цвет",
];
/// And that of sizes.
pub const SIZE_NAMES: [&str; 13] = [
    "size",
    "sizes",
    "shoe size",
    "talla",
    "tamaño",
    "tamanho",
    "taille",
    "pointure",
    "größe",
    "grösse",
    "taglia",
    "misura",
    "размер",
];

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

/// The name of an attribute or an option, in lower case; [`COLOUR`] and [`SIZE`] in whatever language the catalog is.
pub fn attribute_name(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let is_one_of = |names: &[&str]| names.contains(&name.as_str());
    if is_one_of(&COLOUR_NAMES) {
        COLOUR.to_owned()
    } else if is_one_of(&SIZE_NAMES) {
        SIZE.to_owned()
    } else {
        name
    }
}

/// Adds a value to an attribute, unless it is empty or there already, ignoring case.
pub fn add_value(attributes: &mut BTreeMap<String, Vec<String>>, name: &str, value: &str) {
    let (value, lower) = (value.trim(), value.trim().to_lowercase());
    if name.is_empty() || value.is_empty() {
        return;
    }
    let values = attributes.entry(name.to_owned()).or_default();
    if values.iter().all(|known| known.to_lowercase() != lower) {
        values.push(value.to_owned());
    }
}
