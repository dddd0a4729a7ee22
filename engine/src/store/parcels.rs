//! Parcels as shops and carriers told them.
//!
//! A parcel's state is computed from all that was said of it, never from the last arrival: events that come late or
//! twice lead to the same state in every order.

use doorstep_core::{
    CommerceEventId, OrderNumber, ShopOrderId, TrackingNumber,
    order::{Order, OrderRef},
    shipment::{Shipment, TrackingEvent, TrackingStatus},
};
use sea_orm::DbErr;
use serde::{Deserialize, de::IntoDeserializer};

use super::{
    Store, StoreError, Transaction, execute, query,
    row::{Row, at, optional_json, optional_text},
};

/// Marks parcels whose carrier number nobody told; no carrier's number holds a space.
const NAMELESS: &str = "order ";

/// What an event says of a parcel.
#[derive(Debug, Clone, PartialEq)]
pub struct ParcelUpdate {
    /// Which; see [`ParcelUpdate::nameless`] when nobody told.
    pub tracking_number: TrackingNumber,
    /// Its order, as far as known.
    pub order: Option<OrderNumber>,
    /// The shop's identifier of its order, where the source named it so: the order may come later.
    pub order_shop_id: Option<ShopOrderId>,
    /// Its carrier, as far as known.
    pub carrier: Option<String>,
    /// The news.
    pub event: TrackingEvent,
}

impl ParcelUpdate {
    /// Stands for the parcel of an order whose carrier number nobody told.
    pub fn nameless(order: &OrderRef) -> TrackingNumber {
        TrackingNumber(format!("{NAMELESS}{order}"))
    }

    /// Whether the number is the carrier's and may be told.
    pub fn is_named(number: &TrackingNumber) -> bool {
        !number.as_str().starts_with(NAMELESS)
    }
}

impl Store {
    /// A parcel and its order, as far as known.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find_shipment(
        &self,
        number: &TrackingNumber,
    ) -> Result<Option<(Shipment, Option<OrderNumber>)>, StoreError> {
        let sql = "SELECT * FROM shipments WHERE tracking_number = $1";
        let rows = self.query(sql, [number.as_str().into()]).await?;
        let read = |row: &Row| {
            let order: Option<String> = row.get("order_number")?;
            Ok::<_, DbErr>((read_shipment(row)?, order.map(OrderNumber)))
        };
        Ok(rows.first().map(read).transpose()?)
    }

    /// The carrier's product that a parcel travels by, in the carrier's own word.
    ///
    /// # Errors
    /// The store could not be read.
    pub(crate) async fn service_of(
        &self,
        number: &TrackingNumber,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT service FROM shipments WHERE tracking_number = $1";
        let rows = self.query(sql, [number.as_str().into()]).await?;
        let service = rows.first().map(|row| row.get::<Option<String>>("service"));
        Ok(service.transpose()?.flatten())
    }

    /// All parcels of an order that we know of, also those of which no carrier told yet, in order of their numbers.
    ///
    /// # Errors
    /// The store could not be read.
    pub(crate) async fn parcels_of(
        &self,
        order: &OrderNumber,
    ) -> Result<Vec<Shipment>, StoreError> {
        let sql = format!(
            "SELECT * FROM shipments s WHERE order_number = $1 AND {} ORDER BY tracking_number",
            is_parcel("s")
        );
        let rows = self.query(&sql, [order.as_str().into()]).await?;
        let shipments = rows.iter().map(read_shipment);
        let mut shipments = shipments.collect::<Result<Vec<_>, _>>()?;
        let is_named = |one: &Shipment| ParcelUpdate::is_named(&one.tracking_number);
        if shipments.iter().any(is_named) {
            // What was told of some parcel of the order is about one of these.
            shipments.retain(is_named);
        }
        Ok(shipments)
    }

    /// The parcels of an order that carriers told us about, in order of their numbers.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn shipments_of(&self, order: &OrderNumber) -> Result<Vec<Shipment>, StoreError> {
        let sql = "SELECT * FROM shipments s WHERE order_number = $1
            AND EXISTS (SELECT 1 FROM tracking_events t WHERE t.tracking_number = s.tracking_number)
            ORDER BY tracking_number";
        let rows = self.query(sql, [order.as_str().into()]).await?;
        let shipments: Result<Vec<_>, _> = rows.iter().map(read_shipment).collect();
        let mut shipments = shipments?;
        shipments.retain(|shipment| ParcelUpdate::is_named(&shipment.tracking_number));
        Ok(shipments)
    }
}

/// That a row of `shipments` is a parcel, in SQL: of news that named only an order, its row stays after they found their
/// parcel.
pub(super) fn is_parcel(alias: &str) -> String {
    format!(
        "({alias}.tracking_number NOT LIKE '{NAMELESS}%' OR EXISTS (SELECT 1 FROM tracking_events told
            WHERE told.tracking_number = {alias}.tracking_number))"
    )
}

pub(super) fn read_shipment(row: &Row) -> Result<Shipment, DbErr> {
    Ok(Shipment {
        carrier: row.get("carrier")?,
        tracking_number: TrackingNumber(row.get("tracking_number")?),
        status: read_status(&row.get::<String>("status")?)?,
        status_at: Some(row.time("status_at")?),
        estimated: row.optional_json("estimated")?,
    })
}

/// A status by its stored name.
pub(crate) fn read_status(name: &str) -> Result<TrackingStatus, DbErr> {
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        name.into_deserializer();
    TrackingStatus::deserialize(deserializer)
        .map_err(|_| DbErr::Type(format!("`{name}` is no tracking status of this version")))
}

/// Tells parcels their order, also those that no carrier told of yet, so that one who names only the parcel is
/// understood. Returns the parcels that did not know it, or whose order was not known. Locks all of them.
pub(super) async fn link_parcels(
    transaction: &Transaction<'_>,
    order: &Order,
    first_time: bool,
) -> Result<Vec<String>, DbErr> {
    let mut linked = Vec::new();
    for (number, carrier) in parcels(order) {
        let rows = query(
            transaction,
            // Status and time are read only once a carrier told of the parcel; then they are computed.
            "INSERT INTO shipments (tracking_number, order_number, carrier, status, status_at)
                VALUES ($1, $2, '', 'pre_transit', 0)
                ON CONFLICT (tracking_number) DO UPDATE SET order_number = excluded.order_number
                    WHERE shipments.order_number IS NULL OR excluded.order_number < shipments.order_number
                RETURNING tracking_number",
            [number.into(), order.number.as_str().into()],
        )
        .await?;
        for row in rows {
            linked.push(row.get("tracking_number")?);
        }
        execute(
            transaction,
            "UPDATE shipments SET carrier = $2 WHERE tracking_number = $1 AND $2 <> ''
                AND (carrier = '' OR $2 < carrier)",
            [number.into(), carrier.into()],
        )
        .await?;
    }
    if let Some(shop_id) = &order.shop_id {
        // What was told of parcels of an order that was known by its shop's identifier alone.
        let rows = query(
            transaction,
            "UPDATE shipments SET order_number = $1 WHERE order_shop_id = $2
                AND (order_number IS NULL OR order_number > $1) RETURNING tracking_number",
            [order.number.as_str().into(), shop_id.as_str().into()],
        )
        .await?;
        for row in rows {
            linked.push(row.get("tracking_number")?);
        }
    }
    if first_time {
        let rows = query(
            transaction,
            "UPDATE shipments SET order_number = order_number WHERE order_number = $1 RETURNING tracking_number",
            [order.number.as_str().into()],
        )
        .await?;
        for row in rows {
            linked.push(row.get("tracking_number")?);
        }
    }
    linked.extend(settle_nameless(transaction, order.number.as_str()).await?);
    linked.sort_unstable();
    linked.dedup();
    Ok(linked)
}

/// Numbers and carriers, always in the same order, so that two transactions never lock each other out.
fn parcels(order: &Order) -> Vec<(&str, &str)> {
    let mut parcels: Vec<(&str, &str)> = order
        .shipments
        .iter()
        .map(|shipment| (shipment.tracking_number.as_str(), shipment.carrier.as_str()))
        .collect();
    parcels.sort_unstable();
    parcels.dedup();
    parcels
}

/// News that named only an order are its only parcel's, once one is known, and nobody's again when a second one turns up:
/// whatever came first. Returns the parcels whose news changed.
async fn settle_nameless(transaction: &Transaction<'_>, order: &str) -> Result<Vec<String>, DbErr> {
    let sql =
        "SELECT tracking_number FROM shipments WHERE order_number = $1 ORDER BY tracking_number";
    let mut named = Vec::new();
    let mut nameless = Vec::new();
    for row in query(transaction, sql, [order.into()]).await? {
        let number: String = row.get("tracking_number")?;
        match number.starts_with(NAMELESS) {
            true => nameless.push(number),
            false => named.push(number),
        }
    }
    let mut changed = Vec::new();
    for told in nameless {
        let owner = match named.as_slice() {
            [only] => only.as_str(),
            _ => told.as_str(),
        };
        let moved = execute(
            transaction,
            "UPDATE tracking_events SET tracking_number = $1 WHERE told_as = $2 AND tracking_number <> $1",
            [owner.into(), told.as_str().into()],
        )
        .await?;
        if moved > 0 {
            changed.push(owner.to_owned());
        }
    }
    if !changed.is_empty() {
        let sql = compute_state("order_number");
        execute(transaction, &sql, [order.into()]).await?;
    }
    Ok(changed)
}

/// Adds what was said of a parcel and computes its state from all that was said.
pub(super) async fn keep_parcel(
    transaction: &Transaction<'_>,
    event: CommerceEventId,
    news: &ParcelUpdate,
) -> Result<(), DbErr> {
    let number = news.tracking_number.as_str();
    let facts = &news.event.parcel;
    // Locks the parcel's row on PostgreSQL, so that the state below is computed over every committed event.
    execute(
        transaction,
        // Of two that contradict each other the smaller counts, whichever came first.
        "INSERT INTO shipments (tracking_number, order_number, carrier, status, status_at, order_shop_id, origin, service, weight_g)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (tracking_number) DO UPDATE SET
                origin = CASE WHEN excluded.origin < shipments.origin
                    THEN excluded.origin ELSE COALESCE(shipments.origin, excluded.origin) END,
                service = CASE WHEN excluded.service < shipments.service
                    THEN excluded.service ELSE COALESCE(shipments.service, excluded.service) END,
                weight_g = CASE WHEN excluded.weight_g < shipments.weight_g
                    THEN excluded.weight_g ELSE COALESCE(shipments.weight_g, excluded.weight_g) END,
                order_shop_id = CASE WHEN excluded.order_shop_id < shipments.order_shop_id
                    THEN excluded.order_shop_id ELSE COALESCE(shipments.order_shop_id, excluded.order_shop_id) END,
                order_number = CASE WHEN excluded.order_number < shipments.order_number
                    THEN excluded.order_number ELSE COALESCE(shipments.order_number, excluded.order_number) END,
                carrier = CASE WHEN shipments.carrier = ''
                    OR (excluded.carrier <> '' AND excluded.carrier < shipments.carrier)
                    THEN excluded.carrier ELSE shipments.carrier END",
        [
            number.into(),
            optional_text(news.order.as_ref()),
            news.carrier.as_deref().unwrap_or_default().into(),
            news.event.status.as_str().into(),
            at(news.event.occurred_at),
            optional_text(news.order_shop_id.as_ref()),
            optional_text(facts.origin.as_ref()),
            optional_text(facts.service.as_ref()),
            facts.weight_g.map(i64::from).into(),
        ],
    )
    .await?;
    execute(
        transaction,
        "INSERT INTO tracking_events (event_id, tracking_number, status, occurred_at, message, location, estimated, told_as)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $2) ON CONFLICT (event_id) DO NOTHING",
        [
            event.0.into(),
            number.into(),
            news.event.status.as_str().into(),
            at(news.event.occurred_at),
            optional_text(news.event.message.as_deref()),
            optional_text(news.event.location.as_deref()),
            optional_json(news.event.estimated.as_ref())?,
        ],
    )
    .await?;
    let sql = compute_state("tracking_number");
    execute(transaction, &sql, [number.into()]).await?;
    let sql = "SELECT order_number FROM shipments WHERE tracking_number = $1 AND order_number IS NOT NULL";
    for row in query(transaction, sql, [number.into()]).await? {
        settle_nameless(transaction, &row.get::<String>("order_number")?).await?;
    }
    Ok(())
}

/// The newest status; and the newest estimate that no later problem made void. `column` says which parcels `$1` names.
fn compute_state(column: &str) -> String {
    let rank = rank_sql();
    let problems = STATUSES
        .iter()
        .filter(|status| status.is_problem())
        .map(|status| format!("'{}'", status.as_str()))
        .collect::<Vec<_>>()
        .join(", ");
    let said = "FROM tracking_events t WHERE t.tracking_number = shipments.tracking_number";
    // A parcel of which nobody said anything keeps what its row began with.
    format!(
        "UPDATE shipments SET
            status = COALESCE((SELECT t.status {said} ORDER BY t.occurred_at DESC, {rank} DESC LIMIT 1), 'pre_transit'),
            status_at = COALESCE((SELECT MAX(t.occurred_at) {said}), 0),
            estimated = (SELECT t.estimated {said} AND t.estimated IS NOT NULL
                AND t.occurred_at >= COALESCE((SELECT MAX(p.occurred_at) FROM tracking_events p
                    WHERE p.tracking_number = shipments.tracking_number AND p.status IN ({problems})), 0)
                ORDER BY t.occurred_at DESC, {rank} DESC, t.estimated DESC LIMIT 1)
        WHERE {column} = $1"
    )
}

/// All statuses, from the least to the most telling: of two of one instant the later in this list counts.
const STATUSES: [TrackingStatus; 11] = [
    TrackingStatus::PreTransit,
    TrackingStatus::InTransit,
    TrackingStatus::Delayed,
    TrackingStatus::OutForDelivery,
    TrackingStatus::DeliveryAttempt,
    TrackingStatus::ReadyForPickup,
    TrackingStatus::Exception,
    TrackingStatus::Damaged,
    TrackingStatus::ReturnedToSender,
    TrackingStatus::Lost,
    TrackingStatus::Delivered,
];

/// A status's place in [`STATUSES`].
pub(crate) fn rank(status: TrackingStatus) -> usize {
    STATUSES
        .iter()
        .position(|known| *known == status)
        .unwrap_or_default()
}

fn rank_sql() -> String {
    let mut sql = String::from("CASE t.status");
    for (rank, status) in STATUSES.iter().enumerate() {
        sql.push_str(&format!(" WHEN '{}' THEN {rank}", status.as_str()));
    }
    sql.push_str(" ELSE -1 END");
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back_under_its_own_name() {
        for status in STATUSES {
            assert_eq!(read_status(status.as_str()).unwrap(), status);
        }
    }
}
