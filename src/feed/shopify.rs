//! Shopify's product export: <https://help.shopify.com/en/manual/products/import-export/using-csv>

use std::collections::BTreeMap;

use doorstep_core::product::{Product, Variant};
use iso_currency::Currency;

use super::{
    Feed, FeedError, Refused, UNCOUNTED, Unit,
    row::{Part, Row, grouped, plain},
};

/// The products of an export. The first row of a product describes it; further rows of its handle are variants or images.
///
/// # Errors
/// The rows cannot be read to their end.
pub(super) fn products(
    rows: impl Iterator<Item = Result<Row, FeedError>>,
    currency: Currency,
) -> Result<Feed, FeedError> {
    let mut feed = grouped(
        rows,
        |row| row.required("Handle").map(str::to_owned),
        |row, before| part(row, before.map(|listed| &listed.product), currency),
    )?;
    for listed in &mut feed.products {
        listed.product.attributes.remove(OPTIONS);
    }
    Ok(feed)
}

fn part(row: &Row, before: Option<&Product>, currency: Currency) -> Result<Part, Refused> {
    let handle = row.required("Handle")?;
    let title = match before {
        None => row.required("Title")?,
        Some(_) => "",
    };
    let price = row.price("Variant Price", currency)?;
    let quantity = match row.get("Variant Inventory Qty") {
        None => None,
        Some(text) => Some(text.parse::<i64>().map_err(|_| {
            row.refused(
                "Variant Inventory Qty",
                format!("`{text}` is not a whole number"),
            )
        })?),
    };
    // An option's name stands in the product's first row alone.
    let names = ["Option1 Name", "Option2 Name", "Option3 Name"];
    let values = ["Option1 Value", "Option2 Value", "Option3 Value"];
    let named: Vec<String> = match before {
        None => names
            .iter()
            .map(|name| row.text(name).to_lowercase())
            .collect(),
        Some(product) => product.attributes.get(OPTIONS).cloned().unwrap_or_default(),
    };
    let options: Vec<(&str, &str)> = named
        .iter()
        .zip(values)
        .filter_map(|(name, value)| Some((name.as_str(), row.get(value)?)))
        .filter(|(name, value)| !name.is_empty() && (*name, *value) != ("title", "Default Title"))
        .collect();
    let option = |wanted: &[&str]| {
        let found = options.iter().find(|(name, _)| wanted.contains(name));
        found.map(|(_, value)| (*value).to_owned())
    };
    // A row without a price and options is an image.
    let is_variant = price.is_some() || !options.is_empty() || row.get("Variant SKU").is_some();
    let place = before.map_or(0, |product| product.variants.len()) + 1;
    let sku = row
        .get("Variant SKU")
        .map_or_else(|| format!("{handle}-{place}"), str::to_owned);
    // Who does not count what is there sells it.
    let is_counted = row.get("Variant Inventory Tracker").is_some();
    let is_offered = !matches!(row.get("Status"), Some("draft" | "archived"));
    let unit = is_variant.then(|| Unit {
        sku: sku.as_str().into(),
        price,
        quantity: match quantity.filter(|_| is_counted) {
            _ if !is_offered => 0,
            None => UNCOUNTED,
            Some(left) => u32::try_from(left.max(0)).unwrap_or(u32::MAX),
        },
    });
    let variant = is_variant.then(|| Variant {
        sku: sku.as_str().into(),
        size: option(&["size"]),
        colour: option(&["color", "colour"]),
    });
    let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &options {
        attributes.insert((*name).to_owned(), vec![(*value).to_owned()]);
    }
    if before.is_none() {
        attributes.insert(OPTIONS.to_owned(), named.clone());
    }
    Ok(Part {
        product: Product {
            id: handle.to_owned(),
            title: title.to_owned(),
            description: plain(&row.text("Body (HTML)")),
            brand: row.get("Vendor").map(str::to_owned),
            category: row
                .get("Type")
                .or_else(|| row.get("Product Category"))
                .map(str::to_owned),
            attributes,
            url: None,
            image: row.get("Image Src").map(str::to_owned),
            variants: variant.into_iter().collect(),
            updated_at: None,
        },
        unit,
    })
}

/// Where the names of a product's options are kept while it is read.
const OPTIONS: &str = "\u{0}options";
