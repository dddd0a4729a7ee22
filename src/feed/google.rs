//! Google Merchant feeds: <https://support.google.com/merchants/answer/7052112>

use std::collections::BTreeMap;

use doorstep_core::{
    Sku,
    product::{Product, Variant},
};
use iso_currency::Currency;
use quick_xml::{Reader, events::Event};

use super::{
    Feed, FeedError, Refused, UNCOUNTED, Unit,
    row::{Part, Row, grouped, plain},
};

/// What is an attribute of a product, and how it is called here.
const ATTRIBUTES: [(&str, &str); 7] = [
    ("color", "colour"),
    ("size", "size"),
    ("material", "material"),
    ("pattern", "pattern"),
    ("gender", "gender"),
    ("age_group", "age group"),
    ("condition", "condition"),
];

/// The products of a feed: items of one `item_group_id` are variants of one product.
///
/// # Errors
/// The rows cannot be read to their end.
pub(super) fn products(
    rows: impl Iterator<Item = Result<Row, FeedError>>,
    currency: Currency,
) -> Result<Feed, FeedError> {
    let id = |row: &Row| {
        let own = row.required("id")?;
        Ok(row.get("item_group_id").unwrap_or(own).to_owned())
    };
    grouped(rows, id, |row, _| part(row, id(row)?, currency))
}

fn part(row: &Row, id: String, currency: Currency) -> Result<Part, Refused> {
    let price = match row.price("sale_price", currency)? {
        Some(price) => Some(price),
        None => row.price("price", currency)?,
    };
    let availability = row.text("availability").to_lowercase().replace(' ', "_");
    let quantity = match availability.as_str() {
        // It is not said whether it can be had, so nothing is told of it.
        "" => None,
        "in_stock" => Some(UNCOUNTED),
        "out_of_stock" | "preorder" | "backorder" => Some(0),
        _ => {
            let reason = format!(
                "`{availability}` is none of in_stock, out_of_stock, preorder and backorder"
            );
            return Err(row.refused("availability", reason));
        }
    };
    let mut attributes = BTreeMap::new();
    for (name, called) in ATTRIBUTES {
        if let Some(value) = row.get(name) {
            attributes.insert(called.to_owned(), vec![value.to_owned()]);
        }
    }
    let sku: Sku = row.required("id")?.into();
    let unit = quantity.map(|quantity| Unit {
        sku: sku.clone(),
        price,
        quantity,
    });
    Ok(Part {
        unit,
        product: Product {
            id,
            title: row.required("title")?.to_owned(),
            description: plain(&row.text("description")),
            brand: row.get("brand").map(str::to_owned),
            category: row
                .get("product_type")
                .or_else(|| row.get("google_product_category"))
                .map(str::to_owned),
            attributes,
            url: row.get("link").map(str::to_owned),
            image: row.get("image_link").map(str::to_owned),
            variants: vec![Variant {
                sku,
                size: row.get("size").map(str::to_owned),
                colour: row.get("color").map(str::to_owned),
            }],
            updated_at: None,
        },
    })
}

/// The `item`s of RSS or the `entry`s of Atom. The first value of a name counts.
pub(super) fn items(text: &str) -> Result<Vec<Row>, FeedError> {
    let mut reader = Reader::from_str(text);
    let mut rows = Vec::new();
    let mut item: Option<Row> = None;
    let mut field: Option<(String, String)> = None;
    let mut lines = Lines {
        text,
        read: 0,
        line: 1,
    };
    let mut is_feed = false;
    loop {
        let position = reader.buffer_position();
        let event = reader.read_event().map_err(|error| {
            let line = lines.at(reader.error_position());
            FeedError(format!("line {line}: this is not well-formed XML: {error}"))
        })?;
        match event {
            Event::Start(tag) => {
                let name = local(tag.local_name().as_ref());
                match name.as_str() {
                    "rss" | "feed" => is_feed = true,
                    "item" | "entry" => {
                        item = Some(Row {
                            line: lines.at(position),
                            ..Row::default()
                        });
                    }
                    _ if item.is_some() && field.is_none() => field = Some((name, String::new())),
                    _ => {}
                }
            }
            // `<rss/>` is a feed without an item.
            Event::Empty(tag) => {
                is_feed |= matches!(local(tag.local_name().as_ref()).as_str(), "rss" | "feed");
            }
            Event::Text(found) => {
                if let Some((_, value)) = &mut field {
                    value.push_str(&String::from_utf8_lossy(&found));
                }
            }
            Event::CData(found) => {
                if let Some((_, value)) = &mut field {
                    value.push_str(&String::from_utf8_lossy(&found));
                }
            }
            Event::GeneralRef(name) => {
                if let Some((_, value)) = &mut field {
                    let entity = format!("&{};", String::from_utf8_lossy(&name));
                    let letter =
                        quick_xml::escape::unescape(&entity).map(std::borrow::Cow::into_owned);
                    value.push_str(&letter.unwrap_or(entity));
                }
            }
            Event::End(tag) => {
                let name = local(tag.local_name().as_ref());
                if name == "item" || name == "entry" {
                    rows.extend(item.take());
                } else if field.as_ref().is_some_and(|(own, _)| *own == name)
                    && let (Some((name, value)), Some(row)) = (field.take(), &mut item)
                    && !value.trim().is_empty()
                {
                    row.fields
                        .entry(name)
                        .or_insert_with(|| value.trim().to_owned());
                }
            }
            Event::Eof if is_feed => return Ok(rows),
            Event::Eof => {
                return Err(FeedError(
                    "there is neither `rss` nor `feed` in it; is this the right --format?"
                        .to_owned(),
                ));
            }
            _ => {}
        }
    }
}

fn local(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_lowercase()
}

/// The line of ever larger positions.
struct Lines<'a> {
    text: &'a str,
    read: usize,
    line: u64,
}

impl Lines<'_> {
    fn at(&mut self, position: u64) -> u64 {
        let end = usize::try_from(position)
            .unwrap_or(usize::MAX)
            .min(self.text.len());
        let new = self.text.as_bytes().get(self.read..end).unwrap_or_default();
        self.line += new.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.read = end.max(self.read);
        self.line
    }
}
