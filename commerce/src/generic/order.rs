//! The order of an `order.*` event, in the merchant-friendly shape of `docs/shops/generic.md`.

use chrono_tz::Tz;
use doorstep_core::{
    Language, Money, ShopCustomerId, Sku, Timestamp,
    customer::MarketingConsent,
    order::{Order, OrderCustomer, OrderLine, OrderStatus},
    shipment::{Shipment, TrackingStatus},
    time_zone::of_address,
    webhook::WebhookRejection,
};
use iso_currency::Currency;
use serde::Deserialize;

use super::parse::{Days, Instant};
use crate::{
    body::{TextOrNumber, identifier, malformed, order_number, sentence, shown, tracking_number},
    money::{Amount, currency},
};

/// Most lines and most parcels that one order may have.
const MOST_LINES: usize = 1_000;

/// What the envelope and the event type say about the order.
pub(super) struct FromEnvelope {
    pub(super) order_id: Option<String>,
    pub(super) customer_id: Option<String>,
    pub(super) default_status: Option<OrderStatus>,
    pub(super) overrides: bool,
}

#[derive(Deserialize)]
pub(super) struct OrderPayload {
    number: Option<TextOrNumber>,
    placed_at: Instant,
    status: Option<OrderStatus>,
    customer: Option<CustomerPayload>,
    #[serde(default)]
    lines: Vec<LinePayload>,
    currency: Option<String>,
    total: Option<Amount>,
    shipping_address: Option<AddressPayload>,
    promised_delivery: Option<Days>,
    #[serde(default)]
    shipments: Vec<ShipmentPayload>,
}

#[derive(Deserialize, Default)]
struct CustomerPayload {
    id: Option<TextOrNumber>,
    name: Option<String>,
    email: Option<String>,
    language: Option<String>,
    time_zone: Option<String>,
    accepts_marketing: Option<bool>,
}

#[derive(Deserialize)]
struct LinePayload {
    sku: String,
    title: String,
    #[serde(default = "one")]
    quantity: u32,
    price: Amount,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize, Default)]
struct AddressPayload {
    postcode: Option<TextOrNumber>,
    country: Option<String>,
}

#[derive(Deserialize)]
struct ShipmentPayload {
    carrier: String,
    tracking_number: TextOrNumber,
    #[serde(default = "pre_transit")]
    status: TrackingStatus,
    status_at: Option<Instant>,
    estimated_delivery: Option<Days>,
}

fn pre_transit() -> TrackingStatus {
    TrackingStatus::PreTransit
}

impl OrderPayload {
    /// The order in our words.
    pub(super) fn into_order(self, outside: FromEnvelope) -> Result<Order, WebhookRejection> {
        let number = self
            .number
            .map(TextOrNumber::into_text)
            .or(outside.order_id)
            .ok_or_else(|| malformed("neither `order_id` nor `payload.number` names the order"))?;
        let stated = if outside.overrides { None } else { self.status };
        let status = stated
            .or(outside.default_status)
            .ok_or_else(|| malformed("`payload.status` is missing: an update must say it"))?;
        if self.lines.len() > MOST_LINES || self.shipments.len() > MOST_LINES {
            return Err(malformed(format!(
                "`payload.lines` or `payload.shipments` has more than {MOST_LINES} entries"
            )));
        }
        let currency = currency("payload.currency", self.currency.as_deref())?;
        let lines = self
            .lines
            .into_iter()
            .enumerate()
            .map(|(at, line)| line.into_line(at, currency))
            .collect::<Result<Vec<_>, _>>()?;
        let total = match self.total {
            Some(total) => total.read("payload.total", currency)?,
            None => sum(&lines, currency)?,
        };
        let address = self.shipping_address.unwrap_or_default();
        let postcode = sentence(address.postcode.map(TextOrNumber::into_text));
        let country = address.country.map(country).transpose()?;
        let customer = self.customer.unwrap_or_default();
        let placed_at = self.placed_at.read("payload.placed_at")?;
        let mut customer = customer.into_customer(outside.customer_id, placed_at)?;
        customer.time_zone = customer
            .time_zone
            .or_else(|| of_address(country.as_deref()?, None, postcode.as_deref()));
        Ok(Order {
            number: order_number("order_id", &number)?,
            shop_id: None,
            customer,
            placed_at,
            status,
            lines,
            total,
            postcode,
            country,
            promised: self
                .promised_delivery
                .map(|days| days.read("payload.promised_delivery"))
                .transpose()?,
            shipments: self
                .shipments
                .into_iter()
                .enumerate()
                .map(|(at, shipment)| shipment.into_shipment(at))
                .collect::<Result<Vec<_>, _>>()?,
        })
    }
}

impl CustomerPayload {
    fn into_customer(
        self,
        outside_id: Option<String>,
        placed_at: Timestamp,
    ) -> Result<OrderCustomer, WebhookRejection> {
        let id = self
            .id
            .map(TextOrNumber::into_text)
            .or(outside_id)
            .map(|id| identifier("customer_id", &id))
            .transpose()?;
        Ok(OrderCustomer {
            id: id.map(ShopCustomerId),
            name: sentence(self.name),
            marketing: self.accepts_marketing.map(|granted| MarketingConsent {
                granted,
                at: placed_at,
            }),
            email: sentence(self.email).map(|email| email.to_lowercase()),
            language: self.language.map(|tag| language(&tag)).transpose()?,
            time_zone: self.time_zone.map(|name| time_zone(&name)).transpose()?,
        })
    }
}

impl LinePayload {
    fn into_line(self, at: usize, currency: Currency) -> Result<OrderLine, WebhookRejection> {
        Ok(OrderLine {
            sku: Sku(identifier(&format!("payload.lines[{at}].sku"), &self.sku)?),
            title: sentence(Some(self.title)).unwrap_or_default(),
            quantity: self.quantity,
            price: self
                .price
                .read(&format!("payload.lines[{at}].price"), currency)?,
        })
    }
}

impl ShipmentPayload {
    fn into_shipment(self, at: usize) -> Result<Shipment, WebhookRejection> {
        let field = |name: &str| format!("payload.shipments[{at}].{name}");
        Ok(Shipment {
            carrier: sentence(Some(self.carrier)).unwrap_or_default(),
            tracking_number: tracking_number(
                &field("tracking_number"),
                &self.tracking_number.into_text(),
            )?,
            status: self.status,
            status_at: self
                .status_at
                .map(|instant| instant.read(&field("status_at")))
                .transpose()?,
            estimated: self
                .estimated_delivery
                .map(|days| days.read(&field("estimated_delivery")))
                .transpose()?,
        })
    }
}

fn sum(lines: &[OrderLine], currency: Currency) -> Result<Money, WebhookRejection> {
    lines
        .iter()
        .try_fold(0i64, |sum, line| {
            line.price
                .minor
                .checked_mul(i64::from(line.quantity))
                .and_then(|amount| sum.checked_add(amount))
        })
        .map(|minor| Money::new(minor, currency))
        .ok_or_else(|| malformed("the lines add up to more than an amount can hold"))
}

fn country(code: String) -> Result<String, WebhookRejection> {
    let code = code.trim().to_ascii_uppercase();
    if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(code);
    }
    Err(malformed(format!(
        "`payload.shipping_address.country` is `{}`; write an ISO 3166-1 code like `ES`",
        shown(&code)
    )))
}

fn language(tag: &str) -> Result<Language, WebhookRejection> {
    // Many shop systems write POSIX locales: `es_ES`.
    tag.trim()
        .replace('_', "-")
        .parse()
        .map_err(|error| malformed(format!("`payload.customer.language`: {error}")))
}

fn time_zone(name: &str) -> Result<Tz, WebhookRejection> {
    name.trim().parse().map_err(|_| {
        malformed(format!(
            "`payload.customer.time_zone` is `{}`; write an IANA name like `Europe/Madrid`",
            shown(name)
        ))
    })
}

#[cfg(test)]
mod tests {
    use doorstep_core::event::CommerceEventKind;
    use serde_json::json;

    use crate::testing::receive;

    #[test]
    fn a_customer_without_a_time_zone_has_that_of_the_delivery_address() {
        for (told, expected) in [
            (json!({}), "Atlantic/Canary"),
            (json!({"time_zone": "Europe/Madrid"}), "Europe/Madrid"),
        ] {
            let body = json!({
                "schema_version": 1, "event_type": "order.placed", "order_id": "10234",
                "timestamp": "2026-11-21T08:12:00Z",
                "payload": {
                    "placed_at": "2026-11-21T08:12:00Z", "currency": "EUR", "customer": told,
                    "shipping_address": {"postcode": "35001", "country": "ES"},
                },
            });
            let events = receive("generic", None, body.to_string().as_bytes()).unwrap();
            let CommerceEventKind::OrderUpdated { order } = &events[0].kind else {
                panic!("no order: {events:?}");
            };
            let zone = order.customer.time_zone.unwrap();
            assert_eq!(zone.name(), expected);
        }
    }
}
