//! All that is known about what an event is about.

use chrono::TimeDelta;
use chrono_tz::Tz;
use doorstep_core::{
    CommerceEventId, OrderNumber, Timestamp,
    customer::Customer,
    event::{CommerceEventKind, Due},
    message::FactSource,
    order::{OrderRef, OrderStatus},
    shipment::{Shipment, TrackingStatus},
};

use super::{Notifier, OncePer, Rule, limits};
use crate::{
    eta::Eta,
    store::{ChatNews, DedupeKey, News, OrderRecord, StoreError, StoredEvent, Subject},
};

/// All that is known about what an event is about.
pub(super) struct Matter {
    pub(super) event: StoredEvent,
    pub(super) order: Option<OrderRecord>,
    pub(super) order_number: Option<OrderNumber>,
    pub(super) shipment: Option<Shipment>,
    /// Whether the shop took that parcel back, or its label is void: it is no parcel of any order.
    pub(super) taken_back: bool,
    pub(super) customer: Option<Customer>,
    /// Where the customer's days begin: their time zone, else the shop's.
    pub(super) zone: Tz,
}

/// Where a parcel was longer ago is no news.
const STEP_IS_NEWS: TimeDelta = TimeDelta::hours(36);
/// That it arrived is, for whoever waits for it.
const ARRIVAL_IS_NEWS: TimeDelta = TimeDelta::days(7);

/// Until when what happened is news to somebody who never heard of it. What is wrong, or waits for its customer, always is.
fn news_until(status: TrackingStatus, occurred_at: Timestamp) -> Option<Timestamp> {
    let lasts = match status {
        TrackingStatus::InTransit
        | TrackingStatus::OutForDelivery
        | TrackingStatus::DeliveryAttempt => STEP_IS_NEWS,
        TrackingStatus::Delivered => ARRIVAL_IS_NEWS,
        TrackingStatus::PreTransit
        | TrackingStatus::ReadyForPickup
        | TrackingStatus::Delayed
        | TrackingStatus::Exception
        | TrackingStatus::ReturnedToSender
        | TrackingStatus::Lost
        | TrackingStatus::Damaged => return None,
    };
    // A source may name the last day there is.
    occurred_at.checked_add_signed(lasts)
}

impl Notifier {
    pub(super) async fn gather(&self, event: StoredEvent) -> Result<Matter, StoreError> {
        let (named, shipment) = match &event.event.kind {
            CommerceEventKind::OrderUpdated { order }
            | CommerceEventKind::OrderCancelled { order, .. } => {
                (Some(order.number.clone().into()), None)
            }
            CommerceEventKind::ReturnRequested { order, .. }
            | CommerceEventKind::ReturnDeclined { order, .. }
            | CommerceEventKind::ReturnCancelled { order, .. }
            | CommerceEventKind::ReturnReceived { order, .. }
            | CommerceEventKind::RefundIssued { order, .. } => (Some(order.clone()), None),
            CommerceEventKind::Fulfilled { order, .. } => {
                self.parcel_and_order(event.id, Some(order)).await?
            }
            CommerceEventKind::Tracking { order, .. } => {
                self.parcel_and_order(event.id, order.as_ref()).await?
            }
            CommerceEventKind::Due {
                order,
                tracking_number,
                ..
            } => {
                let known = match tracking_number {
                    Some(number) => self.store.find_shipment(number).await?,
                    None => None,
                };
                let (shipment, owner) = known.unzip();
                let named = Some(order.clone().into());
                (whose(owner, named), shipment)
            }
            CommerceEventKind::Remark { .. }
            | CommerceEventKind::CustomerDataRequested { .. }
            | CommerceEventKind::CustomerRedacted { .. }
            | CommerceEventKind::ShopRedacted
            | CommerceEventKind::TakenBack { .. } => (None, None),
        };
        let taken_back = match &shipment {
            Some(shipment) if named.is_none() => {
                let number = &shipment.tracking_number;
                self.store.was_taken_back(number).await?
            }
            _ => false,
        };
        let order = match &named {
            Some(order) => self.store.resolve_order(order).await?,
            None => None,
        };
        let order_number = match (&order, named) {
            (Some(record), _) => Some(record.order.number.clone()),
            (None, Some(OrderRef::Number(number))) => Some(number),
            (None, _) => None,
        };
        let customer = match order.as_ref().and_then(|record| record.customer) {
            Some(id) => self.store.find_customer(id).await?,
            None => None,
        };
        let zone = customer.as_ref().and_then(|customer| customer.time_zone);
        Ok(Matter {
            event,
            order,
            order_number,
            shipment,
            taken_back,
            customer,
            zone: zone.unwrap_or(self.config.time_zone),
        })
    }

    /// The parcel that an event is about, and its order: as the event names it, or as the parcel is known.
    async fn parcel_and_order(
        &self,
        event: CommerceEventId,
        named: Option<&OrderRef>,
    ) -> Result<(Option<OrderRef>, Option<Shipment>), StoreError> {
        let parcel = self.store.parcel_of_event(event).await?;
        let known = match &parcel {
            Some(number) => self.store.find_shipment(number).await?,
            None => None,
        };
        let (shipment, owner) = known.unzip();
        Ok((whose(owner, named.cloned()), shipment))
    }
}

/// The order that news of a parcel is about. A parcel that is known and nobody's was taken back, or its order is not known:
/// it is news of no order, whatever the event names. Of a parcel that is not known it is the named one.
fn whose(owner: Option<Option<OrderNumber>>, named: Option<OrderRef>) -> Option<OrderRef> {
    match (owner, named) {
        (Some(None), _) => None,
        (Some(Some(_)), Some(number @ OrderRef::Number(_))) => Some(number),
        (Some(Some(owner)), _) => Some(owner.into()),
        (None, named) => named,
    }
}

impl Matter {
    pub(super) fn subject(&self) -> Subject {
        Subject {
            customer: self.customer.as_ref().map(|customer| customer.id),
            order: self.order_number.clone(),
            order_known: self.order.is_some(),
            parcel: self.news(),
        }
    }

    /// What it says of a parcel.
    pub(super) fn news(&self) -> Option<News> {
        match (&self.event.event.kind, &self.shipment) {
            (
                CommerceEventKind::Tracking { event, .. }
                | CommerceEventKind::Fulfilled { event, .. },
                Some(shipment),
            ) => Some(News {
                tracking_number: shipment.tracking_number.clone(),
                status: event.status,
                occurred_at: event.occurred_at,
                again_from: (event.status.recurs())
                    .then(|| limits::end_of_day(event.occurred_at, self.zone)),
                news_until: news_until(event.status, event.occurred_at),
            }),
            (
                CommerceEventKind::Due {
                    status: Some(status),
                    ..
                },
                Some(shipment),
            ) => Some(News {
                tracking_number: shipment.tracking_number.clone(),
                status: *status,
                occurred_at: self.event.event.occurred_at,
                again_from: None,
                // It is about how long ago that is.
                news_until: None,
            }),
            _ => None,
        }
    }

    /// Names the news: what happened, the `place` of the rule among those that say something else of it
    /// ([`Rules::place`](super::Rules)), of which parcel or order, and of what happens more than once, which time.
    pub(super) fn dedupe_key(&self, rule: &Rule, place: usize) -> DedupeKey {
        let subject = match (rule.once_per, &self.shipment, &self.order_number) {
            (OncePer::Parcel, Some(shipment), _) => {
                format!("parcel:{}", shipment.tracking_number)
            }
            (_, _, Some(order)) => format!("order:{order}"),
            _ => format!("event:{}", self.event.id),
        };
        let what = self.what();
        let which = self.which_time();
        let which = which.map(|which| format!(":{which}")).unwrap_or_default();
        DedupeKey {
            now: format!("{what}#{place}:{subject}{which}"),
            former: format!("{}:{what}:{subject}{which}", rule.template),
        }
    }

    /// What happened, whoever tells it: that a shop packed a parcel and that its label exists are the same.
    fn what(&self) -> &'static str {
        match &self.event.event.kind {
            CommerceEventKind::Tracking { event, .. }
            | CommerceEventKind::Fulfilled { event, .. } => event.status.as_str(),
            kind => kind.label(),
        }
    }

    /// Which of several returns, refunds or days it is.
    fn which_time(&self) -> Option<String> {
        let event = &self.event.event;
        match &event.kind {
            CommerceEventKind::ReturnRequested { id, .. }
            | CommerceEventKind::ReturnDeclined { id, .. }
            | CommerceEventKind::ReturnCancelled { id, .. }
            | CommerceEventKind::ReturnReceived { id, .. }
            | CommerceEventKind::RefundIssued { id, .. } => Some(match id {
                Some(id) => id.clone(),
                // Where the shop does not tell them apart, each event is one of its own.
                None => format!("{}:{}", event.source, event.external_id),
            }),
            CommerceEventKind::Tracking { event, .. } if event.status.recurs() => {
                let day = event.occurred_at.with_timezone(&self.zone).date_naive();
                Some(day.to_string())
            }
            _ => None,
        }
    }

    /// What a conversation tells when it tells this.
    pub(super) fn chat_news(&self) -> Option<ChatNews<'_>> {
        let event = &self.event.event;
        let statuses: &'static [OrderStatus] = match &event.kind {
            CommerceEventKind::Tracking { event, .. } => {
                return Some(ChatNews::Scan(event.occurred_at));
            }
            CommerceEventKind::OrderCancelled { .. } => {
                &[OrderStatus::Cancelled, OrderStatus::Refunded]
            }
            CommerceEventKind::ReturnReceived { .. } => {
                &[OrderStatus::Returned, OrderStatus::Refunded]
            }
            CommerceEventKind::RefundIssued { .. } => &[OrderStatus::Refunded],
            CommerceEventKind::ReturnRequested { .. } => &[OrderStatus::Returned],
            CommerceEventKind::Due { what, .. } => match what {
                // The event's time is that of the last scan.
                Due::NoScan => return Some(ChatNews::Scan(event.occurred_at)),
                Due::LateDispatch | Due::PromiseMissed => {
                    &[OrderStatus::Processing, OrderStatus::Shipped]
                }
                // Questions, which no answer asks.
                Due::WasItFine | Due::ReviewRequest => return None,
            },
            _ => return None,
        };
        let order = self.order_number.as_ref()?;
        Some(ChatNews::Order(order, statuses, event.occurred_at))
    }

    /// Where the facts of the message come from (G4).
    pub(super) fn sources(&self, order: &OrderRecord, eta: Option<&Eta>) -> Vec<FactSource> {
        let mut sources = vec![
            FactSource {
                name: format!("event:{}", self.event.event.source),
                as_of: self.event.event.occurred_at,
            },
            FactSource {
                name: format!("shop:{}", order.source),
                as_of: order.as_of,
            },
        ];
        // The shop's own word stands there already.
        let told = eta.filter(|eta| !eta.source.starts_with("shop:"));
        if let Some((eta, as_of)) = told.and_then(|eta| Some((eta, eta.as_of?))) {
            sources.push(FactSource {
                name: eta.source.clone(),
                as_of,
            });
        }
        sources
    }
}
