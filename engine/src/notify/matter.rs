//! All that is known about what an event is about.

use doorstep_core::{
    OrderNumber, customer::Customer, event::CommerceEventKind, message::FactSource,
    shipment::Shipment,
};

use super::{Notifier, OncePer, Rule};
use crate::{
    eta::Eta,
    store::{News, OrderRecord, StoreError, StoredEvent, Subject},
};

/// All that is known about what an event is about.
pub(super) struct Matter {
    pub(super) event: StoredEvent,
    pub(super) order: Option<OrderRecord>,
    pub(super) order_number: Option<OrderNumber>,
    pub(super) shipment: Option<Shipment>,
    pub(super) customer: Option<Customer>,
}

impl Notifier {
    pub(super) async fn gather(&self, event: StoredEvent) -> Result<Matter, StoreError> {
        let (mut order_number, shipment) = match &event.event.kind {
            CommerceEventKind::OrderUpdated { order } => (Some(order.number.clone()), None),
            CommerceEventKind::ReturnReceived { order }
            | CommerceEventKind::RefundIssued { order, .. } => (Some(order.clone()), None),
            CommerceEventKind::Due {
                order,
                tracking_number,
                ..
            } => {
                let known = match tracking_number {
                    Some(number) => self.store.find_shipment(number).await?,
                    None => None,
                };
                (Some(order.clone()), known.map(|(shipment, _)| shipment))
            }
            CommerceEventKind::Tracking { order, .. } => {
                let parcel = self.store.parcel_of_event(event.id).await?;
                let known = match &parcel {
                    Some(number) => self.store.find_shipment(number).await?,
                    None => None,
                };
                let (shipment, its_order) = known.unzip();
                (order.clone().or(its_order.flatten()), shipment)
            }
        };
        let order = match &order_number {
            Some(number) => self.store.find_order(number).await?,
            None => None,
        };
        if let Some(record) = &order {
            order_number = Some(record.order.number.clone());
        }
        let customer = match order.as_ref().and_then(|record| record.customer) {
            Some(id) => self.store.find_customer(id).await?,
            None => None,
        };
        Ok(Matter {
            event,
            order,
            order_number,
            shipment,
            customer,
        })
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
            (CommerceEventKind::Tracking { event, .. }, Some(shipment)) => Some(News {
                tracking_number: shipment.tracking_number.clone(),
                status: event.status,
                occurred_at: event.occurred_at,
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
            }),
            _ => None,
        }
    }

    /// Names the news: the template and the parcel or order it is about.
    pub(super) fn dedupe_key(&self, rule: &Rule) -> String {
        let template = &rule.template;
        let order = self.order_number.as_ref();
        match (rule.once_per, &self.shipment, order) {
            (OncePer::Parcel, Some(shipment), _) => {
                format!("{template}:parcel:{}", shipment.tracking_number)
            }
            (_, _, Some(order)) => format!("{template}:order:{order}"),
            _ => format!("{template}:event:{}", self.event.id),
        }
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
        let told_by_carrier = eta.filter(|eta| eta.source.starts_with("carrier:"));
        let status_at = self
            .shipment
            .as_ref()
            .and_then(|shipment| shipment.status_at);
        if let (Some(eta), Some(as_of)) = (told_by_carrier, status_at) {
            sources.push(FactSource {
                name: eta.source.clone(),
                as_of,
            });
        }
        sources
    }
}
