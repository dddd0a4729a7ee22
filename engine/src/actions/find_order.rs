//! Opens an order to the right person (G5): one whose identity is proven to be the order's customer, or one who names
//! the order and a second factor, its e-mail address or its postcode.
//!
//! A stranger learns nothing. Without a second factor no look-up happens at all. With one, exactly one look-up and the
//! same comparisons happen whether or not the order exists, and the answer to everything that does not fit is the same.
//! After three misses nothing is looked up for half an hour and a person takes over. An order has its own count of misses, of
//! all conversations on all channels: once it is used up, every second factor misses, the right one too, and is answered so.

use async_trait::async_trait;
use doorstep_core::{
    OrderNumber, ShopCustomerId, TrackingNumber,
    customer::Proof,
    health::PortError,
    message::{Button, FactSource},
    order::{Order, OrderStatus},
    shop::OrderLookup,
};

use super::{
    Action, ArgumentSpec, Call, FactMap, Outcome, OutcomeSpec, Takes, facts, json,
    order::{Expected, OrderFacts, merge_news},
};
use crate::{
    dialogue::press::Press,
    eta::Eta,
    flows::SlotKind,
    second_factor::{self, COOL_DOWN, MAX_WRONG_TRIES, Try},
    store::ChatNews,
    turn::Effect,
};

/// How many of a customer's orders are looked through.
const MAX_ORDERS: usize = 10;
/// How many are offered to choose from.
const MAX_CHOICES: usize = 4;

pub(super) struct FindOrder;

#[async_trait]
impl Action for FindOrder {
    fn name(&self) -> &'static str {
        "find_order"
    }

    fn arguments(&self) -> &'static [ArgumentSpec] {
        const ARGUMENTS: &[ArgumentSpec] = &[
            ArgumentSpec {
                name: "order_number",
                takes: Takes::Slot(&[SlotKind::OrderNumber]),
                required: true,
            },
            ArgumentSpec {
                name: "second_factor",
                takes: Takes::Slot(&[SlotKind::EmailOrPostcode]),
                required: true,
            },
            ArgumentSpec {
                name: "tracking_number",
                takes: Takes::Slot(&[SlotKind::TrackingNumber]),
                required: false,
            },
        ];
        ARGUMENTS
    }

    fn outcomes(&self) -> &'static [OutcomeSpec] {
        const OUTCOMES: &[OutcomeSpec] = &[
            OutcomeSpec {
                name: "found",
                samples: found_samples,
            },
            OutcomeSpec::bare("choose"),
            OutcomeSpec::bare("needs_order_number"),
            OutcomeSpec::bare("needs_second_factor"),
            OutcomeSpec::bare("not_matched"),
            OutcomeSpec::bare("too_many_tries"),
            OutcomeSpec::bare("unreachable"),
        ];
        OUTCOMES
    }

    async fn run(&self, call: &mut Call<'_>) -> Outcome {
        let outcome = match named(call) {
            Some(lookup) => open_named(call, &lookup).await,
            None => open_newest(call).await,
        };
        outcome.unwrap_or_else(|error| Outcome::unreachable(&error))
    }
}

fn found_samples() -> Vec<FactMap> {
    OrderFacts::samples()
        .into_iter()
        .map(|order| facts([("order", json(order))]))
        .collect()
}

fn named(call: &Call<'_>) -> Option<OrderLookup> {
    let number = call
        .slot("order_number")
        .map(|number| OrderLookup::Number(OrderNumber::from(number)));
    number.or_else(|| {
        call.slot("tracking_number")
            .map(|number| OrderLookup::TrackingNumber(TrackingNumber::from(number)))
    })
}

/// Who the sender is proven to be.
struct Identity {
    shop_id: Option<ShopCustomerId>,
    email: Option<String>,
    /// The mailbox that the message was proven to come from.
    mailbox: Option<String>,
}

impl Identity {
    fn of(call: &Call<'_>) -> Self {
        let proof = call.scene.waiting.proof.as_ref();
        // Whoever forges a customer's address is not believed to be that customer.
        let customer = call.scene.waiting.conversation.customer.as_ref();
        let customer = customer.filter(|_| !is_forgeable(call));
        Self {
            mailbox: proof.and_then(|proof| proof.proven_mailbox().map(str::to_owned)),
            shop_id: proof
                .and_then(|proof| proof.customer.clone())
                .or_else(|| customer.and_then(|customer| customer.shop_id.clone())),
            email: proof
                .and_then(|proof| proof.email.clone())
                .or_else(|| customer.and_then(|customer| customer.email.clone())),
        }
    }

    /// The order is theirs by the shop's own identifier; an order placed without an account, by its e-mail address. One
    /// who was proven to write from the order's own e-mail address owns it either way.
    fn owns(&self, order: &Order) -> bool {
        let theirs = order.customer.email.as_deref();
        let is = |own: &Option<String>| match (theirs, own) {
            (Some(theirs), Some(own)) => theirs.trim().to_lowercase() == own.to_lowercase(),
            _ => false,
        };
        match (&order.customer.id, &self.shop_id) {
            (Some(owner), Some(own)) if owner == own => true,
            (Some(_), _) => is(&self.mailbox),
            (None, _) => is(&self.mailbox) || is(&self.email),
        }
    }
}

/// Whether anyone could have written the message in the address's name.
fn is_forgeable(call: &Call<'_>) -> bool {
    let proof = call.scene.waiting.proof.as_ref();
    proof.is_some_and(Proof::is_nobody)
}

async fn open_named(call: &mut Call<'_>, lookup: &OrderLookup) -> Result<Outcome, PortError> {
    let identity = Identity::of(call);
    let proven =
        identity.shop_id.is_some() || identity.email.is_some() || identity.mailbox.is_some();
    let trusted = !is_forgeable(call);
    if proven || opened_before(call, lookup) {
        let order = call.scene.parts.shop.find_order(lookup).await?;
        if let Some(order) = order.filter(|order| {
            identity.owns(order) || (trusted && call.memory.opened.contains(&order.number))
        }) {
            return Ok(found(call, order).await);
        }
    }
    open_by_second_factor(call, lookup).await
}

fn opened_before(call: &Call<'_>, lookup: &OrderLookup) -> bool {
    if is_forgeable(call) {
        return false;
    }
    match lookup {
        OrderLookup::Number(number) => call.memory.opened.contains(number),
        // Which order it belongs to is known only after the look-up.
        OrderLookup::TrackingNumber(_) | OrderLookup::ShopId(_) => !call.memory.opened.is_empty(),
    }
}

async fn open_by_second_factor(
    call: &mut Call<'_>,
    lookup: &OrderLookup,
) -> Result<Outcome, PortError> {
    if call
        .memory
        .locked_until
        .is_some_and(|until| call.scene.now < until)
    {
        return Ok(Outcome::of("too_many_tries"));
    }
    let Some(factor) = call.slot("second_factor").map(str::to_owned) else {
        return Ok(Outcome::of("needs_second_factor"));
    };
    let order = call.scene.parts.shop.find_order(lookup).await?;
    let tries = call.scene.parts.tries.clone();
    // However a stranger names an order, it is one order.
    let counted = match &order {
        Some(order) => order.number.as_str(),
        None => as_written(lookup),
    };
    let may_fit = tries.begin_try(counted).await? != Try::Refused;
    let fits = second_factor::opens(order.as_ref(), &factor) & may_fit;
    match order.filter(|_| fits) {
        Some(order) => {
            if let Err(error) = tries.forget_tries(order.number.as_str()).await {
                tracing::warn!(%error, "an order was opened, and its tries still count");
            }
            call.memory.wrong_tries = 0;
            call.memory.opened.push(order.number.clone());
            let proof = proof_of(call, &order);
            let mut outcome = found(call, order).await;
            outcome.effects.extend(proof);
            Ok(outcome)
        }
        None => Ok(missed(call)),
    }
}

fn as_written(lookup: &OrderLookup) -> &str {
    match lookup {
        OrderLookup::Number(number) => number.as_str(),
        OrderLookup::TrackingNumber(number) => number.as_str(),
        OrderLookup::ShopId(id) => id.as_str(),
    }
}

fn missed(call: &mut Call<'_>) -> Outcome {
    metrics::counter!("doorstep_second_factor_misses_total").increment(1);
    call.memory.wrong_tries += 1;
    if call.memory.wrong_tries < MAX_WRONG_TRIES {
        return Outcome::of("not_matched");
    }
    call.memory.wrong_tries = 0;
    call.memory.locked_until = Some(call.scene.now + COOL_DOWN);
    Outcome::of("too_many_tries")
}

/// An address that nobody is known by yet becomes the order's customer's.
fn proof_of(call: &Call<'_>, order: &Order) -> Option<Effect> {
    let proof = call.scene.waiting.proof.as_ref();
    let known = proof.is_some_and(|proof| proof.customer.is_some() || proof.is_nobody());
    if call.scene.waiting.conversation.customer.is_some() || known {
        return None;
    }
    Some(Effect::Prove {
        order: order.number.clone(),
        proof: Proof {
            customer: Some(order.customer.id.clone()?),
            email: order.customer.email.clone(),
            name: order.customer.name.clone(),
        },
    })
}

/// A proven customer who names no order means the one that is under way, else the newest; several are theirs to choose. Who
/// wishes another one than was told means any other.
async fn open_newest(call: &mut Call<'_>) -> Result<Outcome, PortError> {
    let Some(customer) = Identity::of(call).shop_id else {
        return Ok(Outcome::of("needs_order_number"));
    };
    let mut orders = call
        .scene
        .parts
        .shop
        .list_orders(&customer, MAX_ORDERS)
        .await?;
    let told = call.frame.other_than.as_ref();
    orders.retain(|order| told != Some(&order.number));
    let (open, mut closed): (Vec<Order>, Vec<Order>) = orders.into_iter().partition(is_open);
    let mut meant = if open.is_empty() {
        if told.is_none() {
            closed.truncate(1);
        }
        closed
    } else {
        open
    };
    match (meant.len(), meant.pop()) {
        (1, Some(only)) => Ok(found(call, only).await),
        (_, Some(last)) => {
            meant.push(last);
            Ok(choose(call, &meant))
        }
        (_, None) => Ok(Outcome::of("needs_order_number")),
    }
}

fn is_open(order: &Order) -> bool {
    matches!(
        order.status,
        OrderStatus::AwaitingPayment | OrderStatus::Processing | OrderStatus::Shipped
    )
}

fn choose(call: &Call<'_>, orders: &[Order]) -> Outcome {
    let slot = call.slot_name("order_number").unwrap_or_default();
    let button = |order: &Order| {
        let what = order.lines.first().map_or("", |line| line.title.as_str());
        let press = Press::Slot {
            name: slot.to_owned(),
            value: order.number.to_string(),
        };
        Button {
            label: format!("{} · {what}", order.number),
            value: press.to_string(),
        }
    };
    Outcome {
        buttons: orders.iter().take(MAX_CHOICES).map(button).collect(),
        sources: vec![call.shop_source()],
        ..Outcome::of("choose")
    }
}

async fn found(call: &mut Call<'_>, mut order: Order) -> Outcome {
    let mut sources = vec![call.shop_source()];
    match call.scene.parts.facts.shipments_of(&order.number).await {
        Ok(news) => {
            sources.extend(news.iter().filter_map(tracking_source));
            merge_news(&mut order, news);
        }
        Err(error) => {
            tracing::warn!(%error, "tracking news could not be read; the shop's own record is told");
        }
    }
    call.memory.order = Some(order.number.clone());
    let expected = forecast(call, &order, &mut sources).await;
    if matters_by_itself(order.status) {
        sources.push(ChatNews::source(
            &order.number,
            order.status,
            call.scene.now,
        ));
    }
    Outcome {
        sources,
        ..Outcome::of("found").with("order", OrderFacts::of(&order, &expected))
    }
}

/// When the order is expected while it has no parcel, and each of its parcels.
async fn forecast(call: &Call<'_>, order: &Order, sources: &mut Vec<FactSource>) -> Expected {
    let zone = order.time_zone();
    let zone = zone.unwrap_or_else(|| call.scene.parts.time_zone_of(call.scene.waiting));
    let mut expected = Expected::default();
    let parcels = order.shipments.iter().map(Some);
    let none = order.shipments.is_empty().then_some(None);
    for parcel in parcels.chain(none) {
        let facts = &call.scene.parts.facts;
        let eta = facts.expected(order, parcel, zone).await;
        let eta = eta.unwrap_or_else(|error| {
            tracing::warn!(%error, "no days are told: what was learnt could not be read");
            None
        });
        sources.extend(eta.as_ref().and_then(forecast_source));
        let window = eta.map(|eta| eta.window);
        match parcel {
            Some(_) => expected.parcels.push(window),
            None => expected.order = window,
        }
    }
    expected
}

/// Whose word the days are; the shop's own stands there already.
fn forecast_source(eta: &Eta) -> Option<FactSource> {
    if eta.source.starts_with("shop:") {
        return None;
    }
    Some(FactSource {
        name: eta.source.clone(),
        as_of: eta.as_of?,
    })
}

/// Whether the order's own status is news, or says what a rule on schedule would: that is not told again then.
fn matters_by_itself(status: OrderStatus) -> bool {
    match status {
        OrderStatus::Processing
        | OrderStatus::Shipped
        | OrderStatus::Cancelled
        | OrderStatus::Returned
        | OrderStatus::Refunded => true,
        OrderStatus::AwaitingPayment | OrderStatus::Delivered => false,
    }
}

fn tracking_source(parcel: &doorstep_core::shipment::Shipment) -> Option<FactSource> {
    Some(FactSource {
        name: format!("tracking:{}", parcel.carrier.to_lowercase()),
        as_of: parcel.status_at?,
    })
}
