//! News that nobody tells, found in what we keep: parcels without a scan, orders that stay, promises that are missed, and
//! parcels that arrived some days ago.

use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use doorstep_core::{
    OrderNumber, SourceName, Timestamp, TrackingNumber,
    event::{CommerceEvent, CommerceEventKind, Due},
    order::{Order, OrderStatus},
};

use sea_orm::DbErr;

use super::{
    Store, StoreError,
    parcels::{is_parcel, read_status},
    row::at,
};

/// Who tells of it.
pub(crate) const SOURCE: &str = "doorstep";
/// How long after its time it is still news: a rule that is new tells nothing of last year.
const STILL_NEWS: TimeDelta = TimeDelta::days(14);
/// How many of a kind are found at once.
const LIMIT: u64 = 500;

impl Store {
    /// What became due since `after` has passed and was not found before. Admitting the events makes them found.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find_due(
        &self,
        due: Due,
        after: Duration,
    ) -> Result<Vec<CommerceEvent>, StoreError> {
        match due {
            Due::NoScan => {
                let open = "('in_transit', 'out_for_delivery', 'delivery_attempt', 'delayed', 'exception')";
                self.parcels_due(due, after, &format!("s.status IN {open}"))
                    .await
            }
            // Who waits for another parcel of the order is asked about all of them.
            Due::WasItFine => {
                let kept = arrived_and_kept("'delivered', 'returned_to_sender', 'lost'");
                self.parcels_due(due, after, &kept).await
            }
            // And nobody is asked to praise what did not come.
            Due::ReviewRequest => {
                let kept = arrived_and_kept("'delivered'");
                self.parcels_due(due, after, &kept).await
            }
            Due::LateDispatch => {
                let kept = "NOT EXISTS (SELECT 1 FROM shipments s JOIN tracking_events t
                    ON t.tracking_number = s.tracking_number AND t.status <> 'pre_transit'
                    WHERE s.order_number = o.number)";
                let asked = Asked {
                    due,
                    after,
                    condition: kept,
                    fact: &labelled("o.number"),
                };
                let waits = |looked_at: &LookedAt| {
                    let order = &looked_at.order;
                    stays(order.status, looked_at.fact)
                        .then(|| may_be_packed_since(order, looked_at.paid_at))
                };
                self.orders_due(&asked, waits).await
            }
            Due::PromiseMissed => {
                let open = format!(
                    "(NOT {known} OR EXISTS (SELECT 1 FROM shipments s WHERE s.order_number = o.number AND {parcel}
                        AND s.status NOT IN ('ready_for_pickup', 'delivered', 'returned_to_sender', 'lost')))",
                    known = has_parcels("o.number"),
                    parcel = is_parcel("s"),
                );
                let known = has_parcels("o.number");
                let asked = Asked {
                    due,
                    after,
                    condition: &open,
                    fact: &known,
                };
                // Of an order that was sent without any parcel that we know, nobody knows whether it arrived.
                let promised = |looked_at: &LookedAt| {
                    let order = &looked_at.order;
                    let open = looked_at.fact || order.status == OrderStatus::Processing;
                    end_of_promise(order).filter(|_| open)
                };
                self.orders_due(&asked, promised).await
            }
        }
    }

    async fn parcels_due(
        &self,
        due: Due,
        after: Duration,
        condition: &str,
    ) -> Result<Vec<CommerceEvent>, StoreError> {
        let latest = self.ambient().now() - after;
        let sql = format!(
            "SELECT s.tracking_number, s.order_number, s.status, s.status_at FROM shipments s
                WHERE s.order_number IS NOT NULL AND {condition} AND s.status_at <= $1 AND s.status_at > $2
                    AND EXISTS (SELECT 1 FROM tracking_events t WHERE t.tracking_number = s.tracking_number)
                    AND NOT EXISTS (SELECT 1 FROM commerce_events e WHERE e.source = $3
                        AND e.external_id = $4 || s.tracking_number || ':' || s.status_at)
                ORDER BY s.status_at LIMIT $5"
        );
        let values = [
            at(latest),
            at(latest - STILL_NEWS),
            SOURCE.into(),
            format!("{}:", due.as_str()).into(),
            LIMIT.into(),
        ];
        let rows = self.query(&sql, values).await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let tracking_number = TrackingNumber(row.get("tracking_number")?);
            let since = row.time("status_at")?;
            let what = due.as_str();
            events.push(CommerceEvent {
                source: SourceName::from(SOURCE),
                external_id: format!("{what}:{tracking_number}:{}", since.timestamp_millis()),
                occurred_at: since,
                kind: CommerceEventKind::Due {
                    what: due,
                    order: OrderNumber(row.get("order_number")?),
                    status: Some(read_status(&row.get::<String>("status")?)?),
                    tracking_number: Some(tracking_number),
                },
            });
        }
        Ok(events)
    }

    /// Those of the orders whose time is over; `began` says when it began to run, if it runs, by the order and what else was
    /// asked about it. Some at a time: a shop may have more open orders than fit into memory.
    async fn orders_due(
        &self,
        asked: &Asked<'_>,
        began: impl Fn(&LookedAt) -> Option<Timestamp> + Send,
    ) -> Result<Vec<CommerceEvent>, StoreError> {
        let now = self.ambient().now();
        let limit = usize::try_from(LIMIT).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut last = String::new();
        loop {
            let orders = self.orders_to_look_at(asked, &last).await?;
            let Some(looked_at) = orders.last() else {
                return Ok(found);
            };
            last = looked_at.order.number.as_str().to_owned();
            for looked_at in orders {
                let Some(began) = began(&looked_at) else {
                    continue;
                };
                let end = began + asked.after;
                if end <= now && end > now - STILL_NEWS {
                    found.push(late(asked.due, looked_at.order.number, began));
                }
            }
            if found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// Orders after one that were not found before.
    async fn orders_to_look_at(
        &self,
        asked: &Asked<'_>,
        last: &str,
    ) -> Result<Vec<LookedAt>, StoreError> {
        // An order that nobody told of for so long is not late, it is forgotten by the shop too.
        let told_since = self.ambient().now() - TimeDelta::days(60);
        let Asked {
            condition, fact, ..
        } = asked;
        let sql = format!(
            "SELECT o.body, {fact} AS holds, {PAID_AT} AS paid_at FROM orders o WHERE o.as_of > $1 AND o.number > $4 AND {condition}
                AND NOT EXISTS (SELECT 1 FROM commerce_events e WHERE e.source = $2
                    AND e.external_id = $3 || o.number)
                ORDER BY o.number LIMIT $5"
        );
        let values = [
            at(told_since),
            SOURCE.into(),
            format!("{}:", asked.due.as_str()).into(),
            last.into(),
            LIMIT.into(),
        ];
        let rows = self.query(&sql, values).await?;
        let orders = rows.iter().map(|row| {
            Ok::<_, DbErr>(LookedAt {
                order: row.json("body")?,
                fact: row.get("holds")?,
                paid_at: row.optional_time("paid_at")?,
            })
        });
        Ok(orders.collect::<Result<_, _>>()?)
    }
}

/// Since when an order `o` is paid that was not when it was placed, in SQL.
pub(super) const PAID_AT: &str = "CASE WHEN o.awaited_payment THEN o.paid_at END";

/// Since when a shop could pack an order: whoever pays by transfer is not waited for.
pub(super) fn may_be_packed_since(order: &Order, paid_at: Option<Timestamp>) -> Timestamp {
    paid_at.map_or(order.placed_at, |paid_at| paid_at.max(order.placed_at))
}

/// An order that may be late.
struct LookedAt {
    order: Order,
    /// Whether what was asked about it holds.
    fact: bool,
    /// Since when it is paid, if it was not when it was placed.
    paid_at: Option<Timestamp>,
}

/// What is looked for among orders.
struct Asked<'a> {
    due: Due,
    after: Duration,
    /// Which orders, in SQL.
    condition: &'a str,
    /// What else is to be known of each, in SQL.
    fact: &'a str,
}

fn late(what: Due, order: OrderNumber, began: Timestamp) -> CommerceEvent {
    CommerceEvent {
        source: SourceName::from(SOURCE),
        external_id: format!("{}:{order}", what.as_str()),
        occurred_at: began,
        kind: CommerceEventKind::Due {
            what,
            order,
            tracking_number: None,
            status: None,
        },
    }
}

/// Of a parcel `s` that it arrived, all of its order did or are in one of the other states, none later than `$1`, and nothing
/// of the order is sent or paid back: who sends something back has said how it was.
fn arrived_and_kept(states: &str) -> String {
    format!(
        "s.status = 'delivered' AND NOT EXISTS (SELECT 1 FROM shipments x
            WHERE x.order_number = s.order_number AND (x.status NOT IN ({states}) OR x.status_at > $1)
                AND EXISTS (SELECT 1 FROM tracking_events y WHERE y.tracking_number = x.tracking_number))
            AND NOT EXISTS (SELECT 1 FROM notifications r JOIN commerce_events b ON b.id = r.event_id
                AND b.kind IN ('return_requested', 'return_received', 'refund_issued')
            JOIN orders o ON o.number = r.order_number AND o.customer_id = r.customer_id
            WHERE o.number = s.order_number)"
    )
}

/// Whether we know of any parcel of an order.
fn has_parcels(order: &str) -> String {
    let parcel = is_parcel("p");
    format!("EXISTS (SELECT 1 FROM shipments p WHERE p.order_number = {order} AND {parcel})")
}

/// Whether a carrier said of a parcel of an order that its label exists. That the shop packed it does not count: of a carrier
/// that tells us nothing, nobody knows that it has not scanned the parcel.
pub(super) fn labelled(order: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM shipments l JOIN tracking_events m ON m.tracking_number = l.tracking_number
            JOIN commerce_events n ON n.id = m.event_id AND n.kind = 'pre_transit' WHERE l.order_number = {order})"
    )
}

/// Whether an order of which no parcel was scanned stays at the shop: by its status, or though the shop calls it sent.
pub(super) fn stays(status: OrderStatus, labelled: bool) -> bool {
    match status {
        OrderStatus::Processing => true,
        OrderStatus::Shipped => labelled,
        _ => false,
    }
}

/// The end of the last promised day, where the customer is, while the order is on its way.
pub(super) fn end_of_promise(order: &Order) -> Option<Timestamp> {
    if !matches!(order.status, OrderStatus::Processing | OrderStatus::Shipped) {
        return None;
    }
    let zone = order.time_zone().unwrap_or(chrono_tz::UTC);
    end_of_day(order.promised.as_ref()?.to, zone)
}

/// When a day is over in a time zone.
pub(super) fn end_of_day(day: NaiveDate, zone: Tz) -> Option<Timestamp> {
    let end = day.succ_opt()?.and_time(NaiveTime::MIN);
    let end = zone.from_local_datetime(&end).earliest();
    end.map(|end| end.to_utc())
}
