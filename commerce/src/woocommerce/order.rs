//! An order as WooCommerce writes it in webhooks and in its REST API alike
//! (<https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties>).

use chrono::NaiveDate;
use chrono_tz::Tz;
use doorstep_core::{
    ShopCustomerId, Sku, Timestamp, TrackingNumber,
    customer::MarketingConsent,
    event::CommerceEventKind,
    order::{DateWindow, Order, OrderCustomer, OrderLine, OrderRef, OrderStatus},
    shipment::{Shipment, TrackingEvent, TrackingStatus},
    time_zone,
    webhook::WebhookRejection,
};
use iso_currency::Currency;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    body::{
        TextOrNumber, day, identifier, identity, if_readable, local_instant, malformed,
        order_number, sentence, tracking_number, unix_seconds, window,
    },
    money::{Amount, currency},
    source::Told,
};

/// Most lines, refunds and parcels that one order may have.
const MOST_LINES: usize = 1_000;
/// Where the extension Shipment Tracking keeps an order's parcels
/// (<https://woocommerce.com/document/shipment-tracking/>).
const TRACKING_META: &str = "_wc_shipment_tracking_items";
/// Where the extension WPML keeps the customer's language.
const LANGUAGE_META: &str = "wpml_language";

/// Where extensions keep the day that the customer chose: Order Delivery (`2026-11-24`,
/// <https://woocommerce.com/products/order-delivery/>), Iconic's Delivery Slots (`20261124`,
/// <https://iconicwp.com/docs/woocommerce-delivery-slots/database-structure-2/>), Tyche's Order Delivery Date and its free
/// edition (Unix seconds of its midnight in UTC).
const PROMISE_META: [&str; 4] = [
    "_delivery_date",
    "jckwds_date_ymd",
    "_orddd_timestamp",
    "_orddd_lite_timestamp",
];

/// Where the extension Mailchimp for WooCommerce keeps whether the box at the checkout was ticked
/// (<https://wordpress.org/plugins/mailchimp-for-woocommerce/>).
const NEWSLETTER_META: &str = "mailchimp_woocommerce_is_subscribed";

/// WooCommerce's order statuses; those of extensions mean that somebody is at work on it. Drafts are no orders yet.
const STATUSES: &[(&str, Option<OrderStatus>)] = &[
    ("auto-draft", None),
    ("checkout-draft", None),
    ("pending", Some(OrderStatus::AwaitingPayment)),
    ("on-hold", Some(OrderStatus::AwaitingPayment)),
    ("failed", Some(OrderStatus::AwaitingPayment)),
    ("processing", Some(OrderStatus::Processing)),
    ("completed", Some(OrderStatus::Shipped)),
    ("cancelled", Some(OrderStatus::Cancelled)),
    ("trash", Some(OrderStatus::Cancelled)),
    ("refunded", Some(OrderStatus::Refunded)),
];

#[derive(Deserialize)]
pub(super) struct OrderBody {
    id: u64,
    number: Option<TextOrNumber>,
    status: String,
    currency: Option<String>,
    date_created_gmt: Option<String>,
    date_modified_gmt: Option<String>,
    total: Amount,
    #[serde(default)]
    customer_id: u64,
    billing: Option<AddressBody>,
    shipping: Option<AddressBody>,
    #[serde(default)]
    line_items: Vec<LineBody>,
    #[serde(default)]
    refunds: Vec<RefundBody>,
    #[serde(default)]
    meta_data: Vec<MetaBody>,
}

#[derive(Deserialize, Default)]
struct AddressBody {
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    state: Option<String>,
    postcode: Option<String>,
    country: Option<String>,
}

impl AddressBody {
    fn time_zone(&self) -> Option<Tz> {
        let (state, postcode) = (self.state.as_deref(), self.postcode.as_deref());
        time_zone::of_address(self.country.as_deref()?, state, postcode)
    }
}

#[derive(Deserialize)]
struct LineBody {
    product_id: Option<u64>,
    variation_id: Option<u64>,
    sku: Option<String>,
    name: Option<String>,
    #[serde(default)]
    quantity: u32,
    price: Option<Value>,
    subtotal: Option<Amount>,
}

#[derive(Deserialize)]
struct RefundBody {
    id: u64,
    total: Option<Amount>,
}

#[derive(Deserialize)]
struct MetaBody {
    key: Option<String>,
    value: Option<Value>,
}

#[derive(Deserialize)]
struct ParcelBody {
    tracking_provider: Option<String>,
    custom_tracking_provider: Option<String>,
    tracking_number: Option<String>,
    date_shipped: Option<TextOrNumber>,
}

/// A parcel that the shop told of.
struct Parcel {
    number: TrackingNumber,
    carrier: Option<String>,
    /// None where it is no time of this century.
    packed_at: Option<Timestamp>,
}

impl OrderBody {
    /// What the order says happened: the order itself, its parcels, its refunds. Each is named by what it says, so that
    /// every further delivery of the order adds only what is new.
    ///
    /// # Errors
    /// It is not what WooCommerce documents, or was last changed more than `tolerance_s` before it came.
    pub(super) fn into_events(
        self,
        received_at: Timestamp,
        tolerance_s: u32,
    ) -> Result<Vec<Told>, WebhookRejection> {
        if self.status().is_none() {
            return Ok(Vec::new());
        }
        let changed_at = self.changed_at()?;
        crate::window::check(received_at, changed_at, tolerance_s)?;
        let (id, cancelled) = (self.id, self.status() == Some(OrderStatus::Cancelled));
        let unit = currency("currency", self.currency.as_deref())?;
        let mut events = Vec::new();
        for refund in &self.refunds {
            events.push(self.refund(refund, unit, changed_at)?);
        }
        for parcel in self.parcels()? {
            let packed_at = parcel.packed_at.unwrap_or(changed_at);
            events.push(Told {
                external_id: format!("parcel {id} {}", parcel.number),
                occurred_at: packed_at,
                kind: CommerceEventKind::Fulfilled {
                    order: self.reference()?,
                    carrier: parcel.carrier,
                    tracking_number: Some(parcel.number),
                    event: TrackingEvent {
                        status: TrackingStatus::PreTransit,
                        occurred_at: packed_at,
                        message: None,
                        location: None,
                        estimated: None,
                        parcel: Default::default(),
                    },
                },
            });
        }
        let order = Box::new(self.into_order()?);
        let said = serde_json::to_vec(&order).map_err(|error| malformed(error.to_string()))?;
        let kind = if cancelled {
            let reason = None;
            CommerceEventKind::OrderCancelled { order, reason }
        } else {
            CommerceEventKind::OrderUpdated { order }
        };
        let millis = changed_at.timestamp_millis();
        let told = Told {
            external_id: format!("order {id} {millis} {}", identity(&[&said])),
            occurred_at: changed_at,
            kind,
        };
        events.insert(0, told);
        Ok(events)
    }

    fn status(&self) -> Option<OrderStatus> {
        let word = self.status.strip_prefix("wc-").unwrap_or(&self.status);
        match STATUSES.iter().find(|(known, _)| *known == word) {
            Some((_, status)) => *status,
            None => Some(OrderStatus::Processing),
        }
    }

    fn number(&self) -> Result<doorstep_core::OrderNumber, WebhookRejection> {
        match &self.number {
            Some(TextOrNumber::Text(text)) => order_number("number", text),
            Some(TextOrNumber::Number(number)) => order_number("number", &number.to_string()),
            None => order_number("id", &self.id.to_string()),
        }
    }

    fn reference(&self) -> Result<OrderRef, WebhookRejection> {
        self.number().map(OrderRef::from)
    }

    fn changed_at(&self) -> Result<Timestamp, WebhookRejection> {
        let time = self
            .date_modified_gmt
            .as_ref()
            .or(self.date_created_gmt.as_ref());
        let time = time.ok_or_else(|| malformed("missing field `date_modified_gmt`"))?;
        local_instant("date_modified_gmt", time)
    }

    /// Refunds are written as negative amounts.
    fn refund(
        &self,
        refund: &RefundBody,
        unit: Currency,
        changed_at: Timestamp,
    ) -> Result<Told, WebhookRejection> {
        let amount = refund
            .total
            .as_ref()
            .map(|total| total.read("refunds.total", unit))
            .transpose()?;
        let amount = amount.map(|mut money| {
            money.minor = money.minor.saturating_abs();
            money
        });
        Ok(Told {
            external_id: format!("refund {}", refund.id),
            occurred_at: changed_at,
            kind: CommerceEventKind::RefundIssued {
                order: self.reference()?,
                amount,
                id: Some(refund.id.to_string()),
            },
        })
    }

    fn parcels(&self) -> Result<Vec<Parcel>, WebhookRejection> {
        let mut parcels = Vec::new();
        for value in self.meta(TRACKING_META) {
            // An extension's own field: what does not read as expected is left out, not refused.
            let told: Vec<ParcelBody> = serde_json::from_value(value.clone()).unwrap_or_default();
            for parcel in told.into_iter().take(MOST_LINES) {
                let number = parcel.tracking_number.unwrap_or_default();
                if number.trim().is_empty() {
                    continue;
                }
                let custom = sentence(parcel.custom_tracking_provider);
                parcels.push(Parcel {
                    number: tracking_number(TRACKING_META, &number)?,
                    carrier: custom.or_else(|| sentence(parcel.tracking_provider)),
                    packed_at: parcel.date_shipped.and_then(|seconds| {
                        let seconds = seconds.into_text().trim().parse().ok()?;
                        unix_seconds(TRACKING_META, seconds).ok()
                    }),
                });
            }
        }
        Ok(parcels)
    }

    /// The day that the customer was promised; what is no day is none.
    fn promised(&self) -> Option<DateWindow> {
        PROMISE_META.iter().find_map(|key| {
            let day = self
                .meta(key)
                .find_map(|value| promised_day(key, value.clone()))?;
            window(key, day, day).ok()
        })
    }

    fn meta(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.meta_data
            .iter()
            .filter(move |meta| meta.key.as_deref() == Some(key))
            .filter_map(|meta| meta.value.as_ref())
    }

    /// The order in our words; a draft counts as not paid.
    pub(super) fn into_order(self) -> Result<Order, WebhookRejection> {
        if self.line_items.len() > MOST_LINES || self.refunds.len() > MOST_LINES {
            return Err(malformed(format!(
                "`line_items` or `refunds` has more than {MOST_LINES} entries"
            )));
        }
        let unit = currency("currency", self.currency.as_deref())?;
        let placed = self.date_created_gmt.as_deref();
        let placed = placed.ok_or_else(|| malformed("missing field `date_created_gmt`"))?;
        let placed_at = local_instant("date_created_gmt", placed)?;
        let language = self
            .meta(LANGUAGE_META)
            .filter_map(Value::as_str)
            .find_map(|tag| tag.replace('_', "-").parse().ok());
        let ticked = self
            .meta(NEWSLETTER_META)
            .any(|value| *value == 1 || *value == "1" || *value == true);
        let shipments = self
            .parcels()?
            .into_iter()
            .map(|parcel| Shipment {
                carrier: parcel.carrier.unwrap_or_default(),
                tracking_number: parcel.number,
                status: TrackingStatus::PreTransit,
                status_at: parcel.packed_at,
                estimated: None,
            })
            .collect();
        let (number, status, promised) = (self.number()?, self.status(), self.promised());
        let billing = self.billing.unwrap_or_default();
        let shipping = self.shipping.unwrap_or_default();
        // An order of nothing that is sent has no delivery address.
        let is_sent = sentence(shipping.country.clone()).is_some();
        let time_zone = if is_sent { &shipping } else { &billing }.time_zone();
        let filled = |text: Option<String>| sentence(text);
        let name = [billing.first_name, billing.last_name];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let country = filled(shipping.country).or_else(|| filled(billing.country));
        Ok(Order {
            number,
            shop_id: Some(self.id.to_string().into()),
            customer: OrderCustomer {
                // 0 is a guest.
                id: (self.customer_id != 0).then(|| ShopCustomerId(self.customer_id.to_string())),
                name: filled(Some(name)),
                marketing: ticked.then_some(MarketingConsent {
                    granted: true,
                    at: placed_at,
                }),
                email: filled(billing.email).map(|email| email.to_lowercase()),
                language,
                time_zone,
            },
            placed_at,
            status: status.unwrap_or(OrderStatus::AwaitingPayment),
            lines: self
                .line_items
                .into_iter()
                .map(|line| line.into_line(unit))
                .collect::<Result<_, _>>()?,
            total: self.total.read("total", unit)?,
            postcode: filled(shipping.postcode).or_else(|| filled(billing.postcode)),
            country: country
                .map(|code| code.to_ascii_uppercase())
                .filter(|code| code.len() == 2),
            promised,
            shipments,
        })
    }
}

impl LineBody {
    fn into_line(self, unit: Currency) -> Result<OrderLine, WebhookRejection> {
        let sku = self.sku.filter(|sku| !sku.trim().is_empty());
        let product = self.variation_id.filter(|id| *id != 0).or(self.product_id);
        let sku = sku.or_else(|| product.map(|id| id.to_string()));
        Ok(OrderLine {
            sku: Sku(identifier("line_items.sku", &sku.unwrap_or_default())?),
            title: sentence(self.name).unwrap_or_default(),
            quantity: self.quantity,
            price: price(
                self.price.as_ref(),
                self.subtotal.as_ref(),
                self.quantity,
                unit,
            )?,
        })
    }
}

/// A day in any of the forms that extensions write.
fn promised_day(key: &str, value: Value) -> Option<NaiveDate> {
    let told: TextOrNumber = serde_json::from_value(value).ok()?;
    let text = told.into_text();
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return day(key, text).ok();
    }
    match text.len() {
        8 => {
            let (year, rest) = text.split_at(4);
            let (month, date) = rest.split_at(2);
            day(key, &format!("{year}-{month}-{date}")).ok()
        }
        _ => Some(unix_seconds(key, text.parse().ok()?).ok()?.date_naive()),
    }
}

/// The price of one. WooCommerce computes it as a fraction and writes all its digits; the line's sum before discounts is an
/// amount, so it is divided by the quantity where that comes out even, and the fraction is rounded otherwise.
fn price(
    price: Option<&Value>,
    subtotal: Option<&Amount>,
    quantity: u32,
    unit: Currency,
) -> Result<doorstep_core::Money, WebhookRejection> {
    if let Some(subtotal) = subtotal {
        let mut money = subtotal.read("line_items.subtotal", unit)?;
        let quantity = i64::from(quantity.max(1));
        if money.minor % quantity == 0 {
            money.minor /= quantity;
            return Ok(money);
        }
    }
    let fraction = match price {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let fraction = fraction.filter(|fraction| fraction.is_finite());
    let fraction = fraction.ok_or_else(|| malformed("`line_items.price` is no amount"))?;
    let digits = i32::from(unit.exponent().unwrap_or(2));
    // `as` saturates: an absurd price stays absurd.
    let minor = (fraction * 10f64.powi(digits)).round() as i64;
    Ok(doorstep_core::Money::new(minor, unit))
}
