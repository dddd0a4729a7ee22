//! Products as JSON, one object a line.

use std::{collections::BTreeMap, io::BufRead};

use doorstep_core::product::{Product, Variant};
use iso_currency::Currency;
use serde::Deserialize;
use serde_json::Value;

use super::{Feed, FeedError, Listed, Refused, UNCOUNTED, Unit, row};

/// The products of a file. Beside what a product is (see [`Line`]), an object or one of its `variants` may say `price`
/// (`12.95` or `"12.95"`) and `stock` (a number, or whether there is any); what a variant says counts for more.
///
/// # Errors
/// The file cannot be read to its end, or is not UTF-8.
pub(super) fn products(
    source: impl BufRead,
    currency: Currency,
    tell: &mut dyn FnMut(),
) -> Result<Feed, FeedError> {
    let mut feed = Feed::default();
    for (line, text) in (1..).zip(source.lines()) {
        let text = text?;
        tell();
        if text.trim().is_empty() {
            continue;
        }
        match listed(&text, currency) {
            Ok(listed) => feed.products.push(listed),
            Err(Fault { column, reason }) => feed.refuse(Refused {
                line,
                column,
                reason,
                product: id(&text),
            }),
        }
    }
    let Feed {
        products, broken, ..
    } = &mut feed;
    products.retain(|listed| !broken.contains(&listed.product.id));
    Ok(feed)
}

/// A product as a line says it. What a plain list of goods lacks may be left out.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a product as a JSON object")]
struct Line {
    id: String,
    title: String,
    description: Option<String>,
    brand: Option<String>,
    category: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, Vec<String>>,
    url: Option<String>,
    image: Option<String>,
    /// Left out: one, which is called as the product is.
    variants: Option<Vec<Variant>>,
}

impl Line {
    fn product(self) -> Product {
        let only = |id: &str| {
            vec![Variant {
                sku: id.into(),
                size: None,
                colour: None,
            }]
        };
        Product {
            variants: self.variants.unwrap_or_else(|| only(&self.id)),
            id: self.id,
            title: self.title,
            description: self.description.unwrap_or_default(),
            brand: self.brand,
            category: self.category,
            attributes: self.attributes,
            url: self.url,
            image: self.image,
            updated_at: None,
        }
    }
}

/// Why a line is left out.
struct Fault {
    column: String,
    reason: String,
}

impl Fault {
    fn at(column: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            column: column.into(),
            reason: reason.into(),
        }
    }
}

fn listed(text: &str, currency: Currency) -> Result<Listed, Fault> {
    let reader = &mut serde_json::Deserializer::from_str(text);
    let line: Line = serde_path_to_error::deserialize(reader).map_err(|error| {
        let field = error.path().to_string();
        match error.inner().is_data() && field != "." {
            true => Fault::at(field, message(error.inner())),
            false => not_json(error.inner()),
        }
    })?;
    let product = line.product();
    if product.variants.is_empty() {
        return Err(Fault::at(
            "variants",
            "there is none; name at least one, or leave the field out where the product comes in one form",
        ));
    }
    // Refuses what stands behind the object, too.
    let value: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let common = told(&value, "", currency)?;
    let mut units = Vec::new();
    for (place, variant) in product.variants.iter().enumerate() {
        let own = told(
            &value["variants"][place],
            &format!("variants[{place}]."),
            currency,
        )?;
        let price = own.price.or(common.price);
        if let Some(quantity) = own.quantity.or(common.quantity) {
            units.push(Unit {
                sku: variant.sku.clone(),
                price,
                quantity,
            });
        }
    }
    Ok(Listed { product, units })
}

fn not_json(error: &serde_json::Error) -> Fault {
    let reason = format!("{}; one product is one JSON object a line", message(error));
    Fault::at(format!("character {}", error.column()), reason)
}

/// Without the place: the file's line is told beside it.
fn message(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.split_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => message,
    }
}

/// What an object says of price and stock.
struct Told {
    price: Option<i64>,
    quantity: Option<u32>,
}

fn told(object: &Value, path: &str, currency: Currency) -> Result<Told, Fault> {
    let price = match &object["price"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        other => {
            let reason = format!("`{other}` is no price; write it like 12.95 or \"12.95\"");
            return Err(Fault::at(format!("{path}price"), reason));
        }
    };
    let price = price.map(|text| row::price(text.trim(), currency));
    let price = price
        .transpose()
        .map_err(|reason| Fault::at(format!("{path}price"), reason))?;
    let stock = &object["stock"];
    let counted = stock.as_i64().map(|count| u32::try_from(count.max(0)));
    let quantity = match (stock, counted) {
        (Value::Null, _) => None,
        (Value::Bool(true), _) => Some(UNCOUNTED),
        (Value::Bool(false), _) => Some(0),
        (_, Some(count)) => Some(count.unwrap_or(u32::MAX)),
        (other, None) => {
            let reason = format!("`{other}` is neither a whole number nor true or false");
            return Err(Fault::at(format!("{path}stock"), reason));
        }
    };
    Ok(Told { price, quantity })
}

/// Which product a line that is left out is about: by what it says, or, where it is no JSON, by the first thing in it that
/// looks like its identifier.
fn id(text: &str) -> Option<String> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return value["id"].as_str().map(str::to_owned);
    }
    let (_, after) = text.split_once("\"id\"")?;
    let value = after.trim_start().strip_prefix(':')?.trim_start();
    let mut read = serde_json::Deserializer::from_str(value).into_iter::<String>();
    read.next()?.ok()
}
