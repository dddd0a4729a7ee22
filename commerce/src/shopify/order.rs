//! An order, a fulfilment and their parts, as Shopify writes them in webhooks and in its REST API alike
//! (<https://shopify.dev/docs/api/admin-rest/latest/resources/order>).

use chrono_tz::Tz;
use doorstep_core::{
    ShopCustomerId, Sku, Timestamp, TrackingNumber,
    customer::MarketingConsent,
    order::{DateWindow, Order, OrderCustomer, OrderLine, OrderStatus},
    shipment::{ParcelFacts, Shipment, TrackingStatus as Status},
    time_zone,
    webhook::WebhookRejection,
};
use iso_currency::Currency;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    body::{
        TextOrNumber, day, identifier, if_readable, instant, malformed, order_number, sentence,
        tracking_number, window,
    },
    money::{Amount, currency},
    tracking::{Meaning, Vocabulary, facts, meaning},
};

/// Where the app Zapiet Pickup + Delivery keeps the day that the customer chose
/// (<https://docs.zapiet.com/guides/note-attributes>). Shopify's own orders name no day.
const DELIVERY_DATE: &str = "Delivery-Date";
/// Most lines and most fulfilments that one order may have.
const MOST_LINES: usize = 1_000;

/// `shipment_status` of a fulfilment and `status` of a fulfilment event
/// (<https://shopify.dev/docs/api/admin-graphql/latest/enums/FulfillmentEventStatus>).
pub(super) const SHIPMENT_STATUSES: Vocabulary = &[
    ("label_purchased", Some(Status::PreTransit)),
    ("label_printed", Some(Status::PreTransit)),
    // The carrier knows of it and does not have it yet.
    ("confirmed", Some(Status::PreTransit)),
    ("ready_for_pickup", Some(Status::ReadyForPickup)),
    ("carrier_picked_up", Some(Status::InTransit)),
    ("in_transit", Some(Status::InTransit)),
    ("out_for_delivery", Some(Status::OutForDelivery)),
    ("attempted_delivery", Some(Status::DeliveryAttempt)),
    ("delayed", Some(Status::Delayed)),
    ("failure", Some(Status::Exception)),
    ("delivered", Some(Status::Delivered)),
    // The customer fetched it.
    ("picked_up", Some(Status::Delivered)),
];

/// A fulfilment that will not happen: Shopify tells so, and no parcel is on its way.
const VOID: [&str; 3] = ["cancelled", "error", "failure"];

#[derive(Deserialize)]
pub(super) struct OrderBody {
    id: TextOrNumber,
    name: Option<String>,
    order_number: Option<TextOrNumber>,
    email: Option<String>,
    contact_email: Option<String>,
    created_at: String,
    updated_at: Option<String>,
    cancelled_at: Option<String>,
    cancel_reason: Option<String>,
    currency: Option<String>,
    total_price: Option<Amount>,
    financial_status: Option<String>,
    fulfillment_status: Option<String>,
    customer_locale: Option<String>,
    buyer_accepts_marketing: Option<bool>,
    customer: Option<CustomerBody>,
    shipping_address: Option<AddressBody>,
    billing_address: Option<AddressBody>,
    #[serde(default)]
    line_items: Vec<LineBody>,
    #[serde(default)]
    fulfillments: Vec<FulfillmentBody>,
    #[serde(default, deserialize_with = "if_readable")]
    note_attributes: Option<Vec<NoteAttribute>>,
}

#[derive(Deserialize)]
struct NoteAttribute {
    name: Option<String>,
    value: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct CustomerBody {
    pub(super) id: Option<TextOrNumber>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    email_marketing_consent: Option<ConsentBody>,
}

/// <https://shopify.dev/docs/api/admin-rest/latest/resources/customer>
#[derive(Deserialize)]
struct ConsentBody {
    state: String,
    consent_updated_at: Option<String>,
}

#[derive(Deserialize)]
struct AddressBody {
    name: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    province_code: Option<String>,
    zip: Option<TextOrNumber>,
    country_code: Option<String>,
}

impl AddressBody {
    fn time_zone(&self) -> Option<Tz> {
        let postcode = self.zip.as_ref().map(TextOrNumber::to_string);
        time_zone::of_address(
            self.country_code.as_deref()?,
            self.province_code.as_deref(),
            postcode.as_deref(),
        )
    }
}

#[derive(Deserialize)]
struct LineBody {
    id: Option<TextOrNumber>,
    variant_id: Option<TextOrNumber>,
    sku: Option<String>,
    title: Option<String>,
    name: Option<String>,
    #[serde(default)]
    quantity: u32,
    price: Amount,
}

#[derive(Deserialize)]
pub(super) struct FulfillmentBody {
    pub(super) order_id: Option<TextOrNumber>,
    pub(super) status: Option<String>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    pub(super) tracking_company: Option<String>,
    tracking_number: Option<String>,
    #[serde(default)]
    tracking_numbers: Vec<String>,
    pub(super) shipment_status: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    origin_address: Option<OriginAddress>,
    #[serde(default, deserialize_with = "if_readable")]
    line_items: Option<Vec<PackedLine>>,
}

#[derive(Deserialize)]
struct OriginAddress {
    country_code: Option<String>,
    zip: Option<String>,
}

#[derive(Deserialize)]
struct PackedLine {
    quantity: f64,
    /// Of one piece; 0 where nobody weighed it.
    grams: f64,
}

impl FulfillmentBody {
    /// Whether no parcel is on its way because of it.
    pub(super) fn is_void(&self) -> bool {
        self.status
            .as_deref()
            .is_some_and(|status| VOID.contains(&status))
    }

    /// What it says of its parcel; of several nobody knows which is which, so only where they come from.
    pub(super) fn parcel(&self, parcels: usize) -> ParcelFacts {
        let origin = self.origin_address.as_ref();
        let lines = self.line_items.as_deref().unwrap_or_default();
        let weighed = parcels == 1 && lines.iter().all(|line| line.grams > 0.0);
        let grams: f64 = lines.iter().map(|line| line.grams * line.quantity).sum();
        facts(
            origin.and_then(|origin| origin.country_code.as_deref()),
            origin.and_then(|origin| origin.zip.as_deref()),
            None,
            weighed.then_some(grams),
        )
    }

    /// Its parcels' numbers, each once.
    pub(super) fn numbers(&self) -> Result<Vec<TrackingNumber>, WebhookRejection> {
        let mut numbers = Vec::new();
        for text in self.tracking_numbers.iter().chain(&self.tracking_number) {
            if text.trim().is_empty() {
                continue;
            }
            let number = tracking_number("tracking_numbers", text)?;
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }

    fn shipments(&self) -> Result<Vec<Shipment>, WebhookRejection> {
        let word = self.shipment_status.as_deref().unwrap_or_default();
        let status = match meaning(SHIPMENT_STATUSES, word) {
            Meaning::Status(status) => status,
            Meaning::NoNews | Meaning::Void | Meaning::Unknown => Status::PreTransit,
        };
        let status_at = self.updated_at.as_deref();
        let status_at = status_at
            .map(|text| instant("fulfillments.updated_at", text))
            .transpose()?;
        let carrier = sentence(self.tracking_company.clone()).unwrap_or_default();
        Ok(self
            .numbers()?
            .into_iter()
            .map(|tracking_number| Shipment {
                carrier: carrier.clone(),
                tracking_number,
                status,
                status_at,
                estimated: None,
            })
            .collect())
    }
}

impl OrderBody {
    /// When it was last changed.
    pub(super) fn changed_at(&self) -> Result<Timestamp, WebhookRejection> {
        match &self.updated_at {
            Some(text) => instant("updated_at", text),
            None => instant("created_at", &self.created_at),
        }
    }

    /// The parcels of fulfilments that are void, and since when: none that another fulfilment has.
    pub(super) fn taken_back(&self) -> Result<Vec<(TrackingNumber, Timestamp)>, WebhookRejection> {
        let mut sent = Vec::new();
        for body in self.fulfillments.iter().filter(|body| !body.is_void()) {
            sent.extend(body.numbers()?);
        }
        let mut taken_back = Vec::new();
        for body in self.fulfillments.iter().filter(|body| body.is_void()) {
            let at = match &body.updated_at {
                Some(text) => instant("fulfillments.updated_at", text)?,
                None => self.changed_at()?,
            };
            let numbers = body.numbers()?.into_iter();
            let gone = numbers.filter(|number| !sent.contains(number));
            taken_back.extend(gone.map(|number| (number, at)));
        }
        Ok(taken_back)
    }

    /// Whether it was cancelled, and why.
    pub(super) fn cancelled(&self) -> Option<Option<String>> {
        self.cancelled_at.as_ref()?;
        Some(sentence(self.cancel_reason.clone()))
    }

    /// The order in our words.
    pub(super) fn into_order(self) -> Result<Order, WebhookRejection> {
        if self.line_items.len() > MOST_LINES || self.fulfillments.len() > MOST_LINES {
            return Err(malformed(format!(
                "`line_items` or `fulfillments` has more than {MOST_LINES} entries"
            )));
        }
        let (status, promised) = (self.status(), self.promised());
        let number = match (&self.name, &self.order_number) {
            (Some(name), _) if !name.trim().is_empty() => name.clone(),
            (_, Some(TextOrNumber::Text(text))) => text.clone(),
            (_, Some(TextOrNumber::Number(number))) => number.to_string(),
            _ => {
                return Err(malformed(
                    "neither `name` nor `order_number` names the order",
                ));
            }
        };
        let marketing = self.marketing()?;
        let unit = currency("currency", self.currency.as_deref())?;
        let total = self
            .total_price
            .ok_or_else(|| malformed("`total_price` is missing"))?
            .read("total_price", unit)?;
        let mut customer = customer(
            self.customer,
            self.email.or(self.contact_email),
            self.customer_locale,
            self.shipping_address
                .as_ref()
                .or(self.billing_address.as_ref()),
        )?;
        customer.marketing = marketing;
        let address = self.shipping_address.or(self.billing_address);
        let (postcode, country) = address
            .map(|address| (address.zip, address.country_code))
            .unwrap_or_default();
        let mut shipments = Vec::new();
        for fulfillment in self.fulfillments.iter().filter(|body| !body.is_void()) {
            shipments.extend(fulfillment.shipments()?);
        }
        Ok(Order {
            number: order_number("name", &number)?,
            shop_id: Some(identifier("id", &self.id.into_text())?.into()),
            customer,
            placed_at: instant("created_at", &self.created_at)?,
            status,
            lines: self
                .line_items
                .into_iter()
                .map(|line| line.into_line(unit))
                .collect::<Result<_, _>>()?,
            total,
            postcode: sentence(postcode.map(TextOrNumber::into_text)),
            country: country
                .map(|code| code.trim().to_ascii_uppercase())
                .filter(|code| code.len() == 2),
            promised,
            shipments,
        })
    }

    /// The day that the customer was promised; what is no day is none.
    fn promised(&self) -> Option<DateWindow> {
        let told = self.note_attributes.iter().flatten();
        let mut told = told.filter(|told| told.name.as_deref() == Some(DELIVERY_DATE));
        let text = told.find_map(|told| told.value.as_ref()?.as_str())?;
        let day = day(DELIVERY_DATE, &text.replace('/', "-")).ok()?;
        window(DELIVERY_DATE, day, day).ok()
    }

    /// What the customer's record says; without one, the box at the checkout if it was ticked. A consent that waits for its
    /// confirmation is none.
    fn marketing(&self) -> Result<Option<MarketingConsent>, WebhookRejection> {
        let placed_at = instant("created_at", &self.created_at)?;
        let record = self.customer.as_ref();
        let record = record.and_then(|customer| customer.email_marketing_consent.as_ref());
        let Some(record) = record else {
            let ticked = self.buyer_accepts_marketing == Some(true);
            return Ok(ticked.then_some(MarketingConsent {
                granted: true,
                at: placed_at,
            }));
        };
        let granted = match record.state.to_ascii_lowercase().as_str() {
            "subscribed" => true,
            "unsubscribed" => false,
            _ => return Ok(None),
        };
        // A time that we cannot read is no reason to refuse an order.
        let at = record.consent_updated_at.as_deref();
        let at = at.and_then(|text| instant("consent_updated_at", text).ok());
        Ok(Some(MarketingConsent {
            granted,
            at: at.unwrap_or(placed_at),
        }))
    }

    fn status(&self) -> OrderStatus {
        if self.cancelled_at.is_some() {
            return OrderStatus::Cancelled;
        }
        let paid = self.financial_status.as_deref().unwrap_or_default();
        if paid == "refunded" {
            return OrderStatus::Refunded;
        }
        let delivered = |body: &FulfillmentBody| {
            let word = body.shipment_status.as_deref().unwrap_or_default();
            meaning(SHIPMENT_STATUSES, word) == Meaning::Status(Status::Delivered)
        };
        match self.fulfillment_status.as_deref() {
            Some("fulfilled")
                if !self.fulfillments.is_empty() && self.fulfillments.iter().all(delivered) =>
            {
                OrderStatus::Delivered
            }
            Some("fulfilled" | "partial") => OrderStatus::Shipped,
            Some("restocked") => OrderStatus::Cancelled,
            _ if matches!(paid, "pending" | "partially_paid" | "voided" | "expired") => {
                OrderStatus::AwaitingPayment
            }
            _ => OrderStatus::Processing,
        }
    }
}

fn customer(
    customer: Option<CustomerBody>,
    email: Option<String>,
    locale: Option<String>,
    address: Option<&AddressBody>,
) -> Result<OrderCustomer, WebhookRejection> {
    let (id, own_email, first, last) = customer
        .map(|body| (body.id, body.email, body.first_name, body.last_name))
        .unwrap_or_default();
    let full = [first, last]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    let name = sentence(Some(full)).or_else(|| sentence(address?.name.clone()));
    let email = email.filter(|email| !email.trim().is_empty()).or(own_email);
    let id = id
        .map(|id| identifier("customer.id", &id.into_text()))
        .transpose()?;
    Ok(OrderCustomer {
        id: id.map(ShopCustomerId),
        name,
        marketing: None,
        email: sentence(email).map(|email| email.to_lowercase()),
        // A locale that we cannot read is no reason to refuse an order.
        language: locale.and_then(|tag| tag.trim().replace('_', "-").parse().ok()),
        time_zone: address.and_then(AddressBody::time_zone),
    })
}

impl LineBody {
    fn into_line(self, unit: Currency) -> Result<OrderLine, WebhookRejection> {
        // Not every variant has a unit of its own; then Shopify's identifier names it.
        let sku = self.sku.filter(|sku| !sku.trim().is_empty());
        let sku = sku.or_else(|| Some(self.variant_id.or(self.id)?.into_text()));
        Ok(OrderLine {
            sku: Sku(identifier("line_items.sku", &sku.unwrap_or_default())?),
            title: sentence(self.name)
                .or(sentence(self.title))
                .unwrap_or_default(),
            quantity: self.quantity,
            price: self.price.read("line_items.price", unit)?,
        })
    }
}
