//! What of a customer's orders is late, whatever carriers call it: no moment to sell.

use std::{collections::HashMap, time::Duration};

use chrono::TimeDelta;
use chrono_tz::Tz;
use doorstep_core::{
    CustomerId, Timestamp,
    order::{DateWindow, Order, OrderStatus},
    shipment::TrackingStatus,
};
use sea_orm::DbErr;

use super::{
    Store, StoreError,
    parcels::read_status,
    row::{Row, at},
    schedule::{PAID_AT, end_of_day, end_of_promise, labelled, may_be_packed_since, stays},
};

/// From when on silence is too long, and where days end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long a parcel on its way may have no scan.
    pub no_scan: Duration,
    /// How long an order may take until it is handed over.
    pub dispatch: Duration,
    /// The customer's time zone.
    pub zone: Tz,
}

/// A parcel of the customer, as far as lateness goes.
struct Parcel {
    status: TrackingStatus,
    status_at: Timestamp,
    /// The days its customer was told, else the carrier's.
    window: Option<DateWindow>,
    /// Whether anybody said anything of it.
    told: bool,
    handed_over: bool,
}

/// Something that is late, since when.
type Late = (Timestamp, String);

impl Store {
    /// An order of the customer that is late this moment, in words: not handed over, without a scan, or past its days. A
    /// refund since then closes it, and so do `lasts` days.
    ///
    /// # Errors
    /// The store could not be read.
    pub(super) async fn late_order(
        &self,
        customer: CustomerId,
        patience: Patience,
        lasts: TimeDelta,
    ) -> Result<Option<String>, StoreError> {
        let now = self.ambient().now();
        let since = now - lasts;
        let sql = format!(
            "SELECT o.body, (SELECT MAX(f.occurred_at) FROM notifications r
                        JOIN commerce_events f ON f.id = r.event_id AND f.kind = 'refund_issued'
                        WHERE r.customer_id = $1 AND r.order_number = o.number) AS refunded_at, {labelled} AS labelled,
                        {PAID_AT} AS paid_at
                    FROM orders o WHERE o.customer_id = $1 AND o.as_of >= $2 ORDER BY o.number",
            labelled = labelled("o.number")
        );
        let orders = self.query(&sql, [customer.0.into(), at(since)]).await?;
        if orders.is_empty() {
            return Ok(None);
        }
        let mut parcels = self.parcels_by_order(customer, since).await?;
        for row in &orders {
            let order: Order = row.json("body")?;
            let refunded_at = row.optional_time("refunded_at")?;
            let parcels = parcels.remove(order.number.as_str()).unwrap_or_default();
            let packable = may_be_packed_since(&order, row.optional_time("paid_at")?);
            let labelled = row.get("labelled")?;
            let mut late = late(&order, packable, &parcels, labelled, patience).into_iter();
            let open = late.find(|(began, _)| {
                (since..=now).contains(began)
                    && refunded_at.is_none_or(|refunded| refunded < *began)
            });
            if let Some((_, words)) = open {
                return Ok(Some(words));
            }
        }
        Ok(None)
    }

    async fn parcels_by_order(
        &self,
        customer: CustomerId,
        since: Timestamp,
    ) -> Result<HashMap<String, Vec<Parcel>>, StoreError> {
        let said = "SELECT 1 FROM tracking_events t WHERE t.tracking_number = s.tracking_number";
        let sql = format!(
            "SELECT s.order_number, s.status, s.status_at, s.estimated, s.told_window, EXISTS ({said}) AS told,
                    EXISTS ({said} AND t.status <> 'pre_transit') AS handed_over
                FROM shipments s JOIN orders o ON o.number = s.order_number
                WHERE o.customer_id = $1 AND o.as_of >= $2"
        );
        let rows = self.query(&sql, [customer.0.into(), at(since)]).await?;
        let mut parcels: HashMap<String, Vec<Parcel>> = HashMap::new();
        for row in &rows {
            let order: String = row.get("order_number")?;
            parcels.entry(order).or_default().push(read_parcel(row)?);
        }
        Ok(parcels)
    }
}

fn read_parcel(row: &Row) -> Result<Parcel, DbErr> {
    let told_window: Option<DateWindow> = row.optional_json("told_window")?;
    let estimated: Option<DateWindow> = row.optional_json("estimated")?;
    Ok(Parcel {
        status: read_status(&row.get::<String>("status")?)?,
        status_at: row.time("status_at")?,
        window: told_window.or(estimated),
        told: row.get("told")?,
        handed_over: row.get("handed_over")?,
    })
}

/// Everything about an order that is or will be late, which the shop may pack since `packable`; `labelled`: a carrier said
/// that it has a parcel's label.
fn late(
    order: &Order,
    packable: Timestamp,
    parcels: &[Parcel],
    labelled: bool,
    patience: Patience,
) -> Vec<Late> {
    let number = &order.number;
    let mut late = Vec::new();
    if !matches!(order.status, OrderStatus::Processing | OrderStatus::Shipped) {
        return late;
    }
    let handed_over = parcels.iter().any(|parcel| parcel.handed_over);
    let packing = stays(order.status, labelled) && !handed_over;
    if packing {
        let end = packable + patience.dispatch;
        late.push((end, format!("order {number} is not handed over yet")));
    }
    // Of an order that was sent without any parcel that we know, nobody knows whether it arrived.
    if (packing || parcels.iter().any(Parcel::is_on_its_way))
        && let Some(end) = end_of_promise(order)
    {
        late.push((end, format!("order {number} is past its promised day")));
    }
    for parcel in parcels.iter().filter(|parcel| parcel.is_on_its_way()) {
        let end = parcel
            .window
            .and_then(|window| end_of_day(window.to, patience.zone));
        late.extend(end.map(|end| {
            let words = format!("a parcel of order {number} is past its expected days");
            (end, words)
        }));
        if parcel.told && parcel.handed_over {
            let end = parcel.status_at + patience.no_scan;
            late.push((end, format!("a parcel of order {number} has no news")));
        }
    }
    late
}

impl Parcel {
    /// Whether it is still expected: not there, not waiting for its customer, not given up.
    fn is_on_its_way(&self) -> bool {
        match self.status {
            TrackingStatus::PreTransit
            | TrackingStatus::InTransit
            | TrackingStatus::OutForDelivery
            | TrackingStatus::DeliveryAttempt
            | TrackingStatus::Delayed
            | TrackingStatus::Exception => true,
            TrackingStatus::ReadyForPickup
            | TrackingStatus::Delivered
            | TrackingStatus::ReturnedToSender
            | TrackingStatus::Lost
            | TrackingStatus::Damaged => false,
        }
    }
}
