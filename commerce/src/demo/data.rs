//! The files of `config/demo/` → records, checked against each other.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use doorstep_core::{
    Language, Money, OrderNumber, ShopCustomerId, Sku, Timestamp, TrackingNumber,
    order::{DateWindow, Order, OrderCustomer, OrderLine, OrderStatus},
    product::{Product, Variant},
    shipment::{Shipment, TrackingStatus},
    shop::OrderLookup,
};
use iso_currency::Currency;
use serde::Deserialize;

use crate::BuildError;

const PRODUCTS: &str = include_str!("../../../config/demo/products.jsonl");
const STOCK: &str = include_str!("../../../config/demo/stock.csv");
const ORDERS: &str = include_str!("../../../config/demo/orders.json");

/// Price and stock of one unit.
#[derive(Debug, Clone)]
pub(super) struct StockRecord {
    pub(super) price: Money,
    pub(super) quantity: u32,
}

/// A customer of the demo shop.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoCustomer {
    /// The shop's identifier.
    pub id: ShopCustomerId,
    /// Full name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// The language they chose.
    pub language: Language,
    /// Where they are.
    pub time_zone: Tz,
    /// Postcode of their address.
    pub postcode: String,
    /// Country of their address.
    pub country: String,
}

/// What never changes while the demo runs.
pub(super) struct Records {
    pub(super) products: Vec<Product>,
    pub(super) customers: Vec<DemoCustomer>,
    orders: Vec<(OrderRecord, DemoCustomer, Vec<OrderLine>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrdersFile {
    customers: Vec<DemoCustomer>,
    orders: Vec<OrderRecord>,
}

/// An order with dates counted from today.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderRecord {
    number: OrderNumber,
    customer: ShopCustomerId,
    placed_days_ago: u64,
    /// Time of day where the customer is.
    placed_at: NaiveTime,
    status: OrderStatus,
    lines: Vec<LineRecord>,
    /// Shipping costs, in cents.
    shipping_minor: i64,
    /// First and last promised day, counted from today; negative days are past.
    promised_in_days: Option<(i64, i64)>,
    #[serde(default)]
    shipments: Vec<ShipmentRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineRecord {
    sku: Sku,
    quantity: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShipmentRecord {
    carrier: String,
    tracking_number: TrackingNumber,
    status: TrackingStatus,
    status_hours_ago: i64,
    estimated_in_days: Option<(i64, i64)>,
}

/// Reads and checks the files.
pub(super) fn load() -> Result<(Records, BTreeMap<Sku, StockRecord>), BuildError> {
    let products = read_products()?;
    let stock = read_stock()?;
    check_every_unit_has_stock(&products, &stock)?;
    let records = read_orders(products, &stock)?;
    Ok((records, stock))
}

fn wrong(file: &str, line: usize, reason: impl ToString) -> BuildError {
    BuildError::DemoData {
        file: format!("config/demo/{file}:{line}"),
        reason: reason.to_string(),
    }
}

fn read_products() -> Result<Vec<Product>, BuildError> {
    PRODUCTS
        .lines()
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|error| wrong("products.jsonl", at + 1, error))
        })
        .collect()
}

fn read_stock() -> Result<BTreeMap<Sku, StockRecord>, BuildError> {
    let mut stock = BTreeMap::new();
    for (at, line) in STOCK.lines().enumerate().skip(1) {
        let fail = |reason: String| wrong("stock.csv", at + 1, reason);
        let (sku, record) = stock_line(line)
            .ok_or_else(|| fail(format!("`{line}` is not sku,price_minor,currency,quantity")))?;
        if stock.insert(sku.clone(), record).is_some() {
            return Err(fail(format!("`{sku}` stands twice")));
        }
    }
    Ok(stock)
}

fn stock_line(line: &str) -> Option<(Sku, StockRecord)> {
    let mut fields = line.split(',');
    let sku = fields.next()?.into();
    let minor = fields.next()?.parse().ok()?;
    let currency = Currency::from_code(fields.next()?)?;
    let quantity = fields.next()?.parse().ok()?;
    let record = StockRecord {
        price: Money::new(minor, currency),
        quantity,
    };
    fields.next().is_none().then_some((sku, record))
}

fn check_every_unit_has_stock(
    products: &[Product],
    stock: &BTreeMap<Sku, StockRecord>,
) -> Result<(), BuildError> {
    let mut sold = BTreeSet::new();
    for (at, product) in products.iter().enumerate() {
        let fail = |reason: String| Err(wrong("products.jsonl", at + 1, reason));
        if product.variants.is_empty() {
            return fail(format!("`{}` has no variants", product.id));
        }
        for variant in &product.variants {
            if !stock.contains_key(&variant.sku) {
                return fail(format!("`{}` is missing in stock.csv", variant.sku));
            }
            if !sold.insert(&variant.sku) {
                return fail(format!("`{}` stands twice", variant.sku));
            }
        }
    }
    match stock.keys().find(|sku| !sold.contains(sku)) {
        Some(sku) => Err(wrong("stock.csv", 1, format!("no product has `{sku}`"))),
        None => Ok(()),
    }
}

fn read_orders(
    products: Vec<Product>,
    stock: &BTreeMap<Sku, StockRecord>,
) -> Result<Records, BuildError> {
    let file: OrdersFile =
        serde_json::from_str(ORDERS).map_err(|error| wrong("orders.json", error.line(), error))?;
    let mut orders = Vec::with_capacity(file.orders.len());
    for record in file.orders {
        let fail = |reason: String| {
            wrong(
                "orders.json",
                1,
                format!("order {}: {reason}", record.number),
            )
        };
        let customer = file
            .customers
            .iter()
            .find(|customer| customer.id == record.customer)
            .cloned()
            .ok_or_else(|| fail(format!("no customer `{}`", record.customer)))?;
        let lines = record
            .lines
            .iter()
            .map(|line| order_line(line, &products, stock))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| fail("a line's unit is no product's".to_owned()))?;
        orders.push((record, customer, lines));
    }
    Ok(Records {
        products,
        customers: file.customers,
        orders,
    })
}

fn order_line(
    line: &LineRecord,
    products: &[Product],
    stock: &BTreeMap<Sku, StockRecord>,
) -> Option<OrderLine> {
    let (product, variant) = products.iter().find_map(|product| {
        let variant = product.variants.iter().find(|v| v.sku == line.sku)?;
        Some((product, variant))
    })?;
    Some(OrderLine {
        sku: line.sku.clone(),
        title: variant_title(product, variant),
        quantity: line.quantity,
        price: stock.get(&line.sku)?.price,
    })
}

/// `Kolmar Rain Jacket (M, pine)`.
fn variant_title(product: &Product, variant: &Variant) -> String {
    let choice: Vec<&str> = [&variant.size, &variant.colour]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    if choice.is_empty() {
        product.title.clone()
    } else {
        format!("{} ({})", product.title, choice.join(", "))
    }
}

impl Records {
    /// Every order, with its dates counted from `now`.
    pub(super) fn orders(&self, now: Timestamp) -> impl Iterator<Item = Order> {
        self.orders
            .iter()
            .map(move |(record, customer, lines)| record.resolve(customer, lines, now))
    }

    /// The order that `lookup` names, with its dates counted from `now`.
    pub(super) fn find(&self, lookup: &OrderLookup, now: Timestamp) -> Option<Order> {
        let wanted = |record: &OrderRecord| match lookup {
            OrderLookup::Number(number) => record.number == *number,
            OrderLookup::ShopId(_) => false,
            OrderLookup::TrackingNumber(number) => record
                .shipments
                .iter()
                .any(|shipment| shipment.tracking_number == *number),
        };
        let (record, customer, lines) = self.orders.iter().find(|(record, ..)| wanted(record))?;
        Some(record.resolve(customer, lines, now))
    }
}

impl OrderRecord {
    fn resolve(&self, customer: &DemoCustomer, lines: &[OrderLine], now: Timestamp) -> Order {
        let today = now.with_timezone(&customer.time_zone).date_naive();
        let goods: i64 = lines
            .iter()
            .map(|line| line.price.minor * i64::from(line.quantity))
            .sum();
        Order {
            number: self.number.clone(),
            shop_id: None,
            customer: OrderCustomer {
                id: Some(customer.id.clone()),
                name: Some(customer.name.clone()),
                marketing: None,
                email: Some(customer.email.clone()),
                language: Some(customer.language.clone()),
                time_zone: Some(customer.time_zone),
            },
            placed_at: self.placed(customer.time_zone, today, now),
            status: self.status,
            lines: lines.to_vec(),
            total: Money::new(goods + self.shipping_minor, Currency::EUR),
            postcode: Some(customer.postcode.clone()),
            country: Some(customer.country.clone()),
            promised: self.promised_in_days.map(|days| days_from(today, days)),
            shipments: self
                .shipments
                .iter()
                .map(|shipment| shipment.resolve(today, now))
                .collect(),
        }
    }

    /// Never later than now: an order of today was placed this morning or just now.
    fn placed(&self, zone: Tz, today: NaiveDate, now: Timestamp) -> Timestamp {
        let day = today - Days::new(self.placed_days_ago);
        zone.from_local_datetime(&day.and_time(self.placed_at))
            .earliest()
            .map_or(now, |placed| placed.to_utc().min(now))
    }
}

impl ShipmentRecord {
    fn resolve(&self, today: NaiveDate, now: Timestamp) -> Shipment {
        Shipment {
            carrier: self.carrier.clone(),
            tracking_number: self.tracking_number.clone(),
            status: self.status,
            status_at: Some(now - TimeDelta::hours(self.status_hours_ago)),
            estimated: self.estimated_in_days.map(|days| days_from(today, days)),
        }
    }
}

fn days_from(today: NaiveDate, (from, to): (i64, i64)) -> DateWindow {
    DateWindow {
        from: today + TimeDelta::days(from),
        to: today + TimeDelta::days(to),
    }
}
