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

use super::{Store, StoreError, parcels::read_status, row::at};

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
            // Who waits for another parcel of the order is asked about all of them, and who sends something back has said
            // how it was.
            Due::WasItFine => {
                let kept = "s.status = 'delivered' AND NOT EXISTS (SELECT 1 FROM shipments x
                    WHERE x.order_number = s.order_number
                        AND (x.status NOT IN ('delivered', 'returned_to_sender', 'lost') OR x.status_at > $1)
                        AND EXISTS (SELECT 1 FROM tracking_events y WHERE y.tracking_number = x.tracking_number))
                    AND NOT EXISTS (SELECT 1 FROM notifications r JOIN commerce_events b ON b.id = r.event_id
                        AND b.kind IN ('return_requested', 'return_received', 'refund_issued')
                    JOIN orders o ON o.number = r.order_number AND o.customer_id = r.customer_id
                    WHERE o.number = s.order_number)";
                self.parcels_due(due, after, kept).await
            }
            Due::ReviewRequest => self.parcels_due(due, after, "s.status = 'delivered'").await,
            Due::LateDispatch => {
                let kept = "NOT EXISTS (SELECT 1 FROM shipments s JOIN tracking_events t
                    ON t.tracking_number = s.tracking_number AND t.status <> 'pre_transit'
                    WHERE s.order_number = o.number)";
                let orders = self.orders_to_look_at(due, kept).await?;
                let waits = |order: &Order| {
                    let began = order.placed_at;
                    (order.status == OrderStatus::Processing).then_some(began)
                };
                Ok(self.orders_due(due, after, orders, waits))
            }
            Due::PromiseMissed => {
                let open = "(NOT EXISTS (SELECT 1 FROM shipments s WHERE s.order_number = o.number)
                    OR EXISTS (SELECT 1 FROM shipments s WHERE s.order_number = o.number
                        AND s.status NOT IN ('delivered', 'returned_to_sender', 'lost')))";
                let orders = self.orders_to_look_at(due, open).await?;
                Ok(self.orders_due(due, after, orders, end_of_promise))
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

    async fn orders_to_look_at(&self, due: Due, condition: &str) -> Result<Vec<Order>, StoreError> {
        // An order that nobody told of for so long is not late, it is forgotten by the shop too.
        let told_since = self.ambient().now() - TimeDelta::days(60);
        let sql = format!(
            "SELECT o.body FROM orders o WHERE o.as_of > $1 AND {condition}
                AND NOT EXISTS (SELECT 1 FROM commerce_events e WHERE e.source = $2
                    AND e.external_id = $3 || o.number)
                ORDER BY o.as_of"
        );
        let values = [
            at(told_since),
            SOURCE.into(),
            format!("{}:", due.as_str()).into(),
        ];
        let rows = self.query(&sql, values).await?;
        let orders = rows.iter().map(|row| row.json("body"));
        Ok(orders.collect::<Result<_, _>>()?)
    }

    /// Those of the orders whose time is over; `began` says when it began to run, if it runs.
    fn orders_due(
        &self,
        due: Due,
        after: Duration,
        orders: Vec<Order>,
        began: impl Fn(&Order) -> Option<Timestamp>,
    ) -> Vec<CommerceEvent> {
        let now = self.ambient().now();
        let events = orders.into_iter().filter_map(|order| {
            let began = began(&order)?;
            let end = began + after;
            (end <= now && end > now - STILL_NEWS).then(|| CommerceEvent {
                source: SourceName::from(SOURCE),
                external_id: format!("{}:{}", due.as_str(), order.number),
                occurred_at: began,
                kind: CommerceEventKind::Due {
                    what: due,
                    order: order.number,
                    tracking_number: None,
                    status: None,
                },
            })
        });
        events
            .take(usize::try_from(LIMIT).unwrap_or(usize::MAX))
            .collect()
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
