//! Parcels as shops and carriers told them.
//!
//! A parcel's state is computed from all that was said of it, never from the last arrival: events that come late or
//! twice lead to the same state in every order.

use std::collections::BTreeSet;

use doorstep_core::{
    CommerceEventId, OrderNumber, ShopOrderId, Timestamp, TrackingNumber,
    order::{Order, OrderRef},
    shipment::{Shipment, TrackingEvent, TrackingStatus},
};
use sea_orm::DbErr;
use serde::{Deserialize, de::IntoDeserializer};

use super::{
    ParcelTakenBack, Store, StoreError, Transaction,
    claims::{self, Claim, keep_claim},
    execute, query, query_one,
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
    /// Whether the source itself says that it was packed for this order.
    pub packed: bool,
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
/// understood; `as_of` is when the order was told so, whose row is there. Returns the parcels that did not know it, or
/// whose order was not known. Locks all of them.
pub(super) async fn link_parcels(
    transaction: &Transaction<'_>,
    order: &Order,
    as_of: Timestamp,
    first_time: bool,
) -> Result<Vec<String>, DbErr> {
    let parcels = parcels(order);
    for (number, carrier) in &parcels {
        execute(
            transaction,
            // Status and time are read only once a carrier told of the parcel; then they are computed.
            "INSERT INTO shipments (tracking_number, carrier, status, status_at) VALUES ($1, $2, 'pre_transit', 0)
                ON CONFLICT (tracking_number) DO UPDATE SET carrier = CASE WHEN shipments.carrier = ''
                    OR (excluded.carrier <> '' AND excluded.carrier < shipments.carrier)
                    THEN excluded.carrier ELSE shipments.carrier END",
            [(*number).into(), (*carrier).into()],
        )
        .await?;
        let its = (Some(&order.number), None);
        keep_claim(transaction, number, its, Claim::Listed(as_of)).await?;
    }
    if !parcels.is_empty() {
        claims::keep_listed_at(transaction, &order.number, as_of).await?;
    }
    let shop_id = order.shop_id.as_ref();
    let owners = claims::find_owners(transaction, &order.number, shop_id, first_time).await?;
    let mut linked = owners.linked;
    let mut orders = owners.orders;
    orders.insert(order.number.as_str().to_owned());
    for order in orders {
        linked.extend(settle_nameless(transaction, &order).await?);
    }
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

/// News that named only an order are its only parcel's, once one is known, and nobody's again when a second one turns up or
/// it is taken back: whatever came first. Returns the parcels whose news changed.
async fn settle_nameless(transaction: &Transaction<'_>, order: &str) -> Result<Vec<String>, DbErr> {
    // What named only the order stays known by its name, also where the shop took that parcel back.
    let sql = "SELECT tracking_number, order_number FROM shipments WHERE order_number = $1 OR tracking_number = $2
            OR tracking_number = (SELECT $3 || shop_id FROM orders WHERE number = $1) ORDER BY tracking_number";
    let by_number = ParcelUpdate::nameless(&order.into());
    let by_shop_id = ParcelUpdate::nameless(&OrderRef::shop_id(""));
    let values = [
        order.into(),
        by_number.as_str().into(),
        by_shop_id.as_str().into(),
    ];
    let mut named = Vec::new();
    let mut nameless = Vec::new();
    for row in query(transaction, sql, values).await? {
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
        let elsewhere = query(
            transaction,
            "SELECT DISTINCT tracking_number FROM tracking_events WHERE told_as = $1 AND tracking_number <> $2
                ORDER BY tracking_number",
            [told.as_str().into(), owner.into()],
        )
        .await?;
        if elsewhere.is_empty() {
            continue;
        }
        execute(
            transaction,
            "UPDATE tracking_events SET tracking_number = $1 WHERE told_as = $2 AND tracking_number <> $1",
            [owner.into(), told.as_str().into()],
        )
        .await?;
        for row in &elsewhere {
            let former: String = row.get("tracking_number")?;
            execute(transaction, &compute_state(), [former.into()]).await?;
        }
        execute(transaction, &compute_state(), [owner.into()]).await?;
        changed.push(owner.to_owned());
    }
    Ok(changed)
}

/// Adds what was said of a parcel and computes its state, and whose it is, from all that was said.
pub(super) async fn keep_parcel(
    transaction: &Transaction<'_>,
    event: CommerceEventId,
    news: &ParcelUpdate,
) -> Result<(), DbErr> {
    let number = news.tracking_number.as_str();
    let facts = &news.event.parcel;
    // Locks the parcel's row on PostgreSQL, so that the state below is computed over every committed event.
    let row = query_one(
        transaction,
        // Of two that contradict each other the smaller counts, whichever came first.
        "INSERT INTO shipments (tracking_number, carrier, status, status_at, origin, service, weight_g)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (tracking_number) DO UPDATE SET
                origin = CASE WHEN excluded.origin < shipments.origin
                    THEN excluded.origin ELSE COALESCE(shipments.origin, excluded.origin) END,
                service = CASE WHEN excluded.service < shipments.service
                    THEN excluded.service ELSE COALESCE(shipments.service, excluded.service) END,
                weight_g = CASE WHEN excluded.weight_g < shipments.weight_g
                    THEN excluded.weight_g ELSE COALESCE(shipments.weight_g, excluded.weight_g) END,
                carrier = CASE WHEN shipments.carrier = ''
                    OR (excluded.carrier <> '' AND excluded.carrier < shipments.carrier)
                    THEN excluded.carrier ELSE shipments.carrier END
            RETURNING order_number, void_at",
        [
            number.into(),
            news.carrier.as_deref().unwrap_or_default().into(),
            news.event.status.as_str().into(),
            at(news.event.occurred_at),
            optional_text(facts.origin.as_ref()),
            optional_text(facts.service.as_ref()),
            facts.weight_g.map(i64::from).into(),
        ],
    )
    .await?;
    let row = row.ok_or(DbErr::RecordNotInserted)?;
    let before: Option<String> = row.get("order_number")?;
    let is_void = row.optional_time("void_at")?.is_some();
    let order = news.order.as_ref();
    let is_its = before.is_some() && before.as_deref() == order.map(OrderNumber::as_str);
    let says_whose = (news.packed || !is_its) && (order.is_some() || news.order_shop_id.is_some());
    if says_whose {
        let claim = match news.packed {
            true => Claim::Packed(news.event.occurred_at),
            false => Claim::Named,
        };
        let named = (order, news.order_shop_id.as_ref());
        keep_claim(transaction, number, named, claim).await?;
    }
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
    execute(transaction, &compute_state(), [number.into()]).await?;
    let after = match says_whose || is_void {
        true => claims::find_owner(transaction, number).await?,
        false => before.clone(),
    };
    settle_all(transaction, [before, after], order).await
}

/// Keeps that a parcel is none any more, and computes whose it is then. What was said of it stays.
pub(super) async fn take_back(
    transaction: &Transaction<'_>,
    parcel: &ParcelTakenBack,
) -> Result<(), DbErr> {
    let number = parcel.tracking_number.as_str();
    let order = parcel.order.as_ref();
    let named = (order, parcel.order_shop_id.as_ref());
    let void_at = (named == (None, None)).then(|| parcel.at.timestamp_millis());
    let row = query_one(
        transaction,
        "INSERT INTO shipments (tracking_number, carrier, status, status_at, void_at) VALUES ($1, '', 'pre_transit', 0, $2)
            ON CONFLICT (tracking_number) DO UPDATE SET void_at = CASE WHEN shipments.void_at > excluded.void_at
                THEN shipments.void_at ELSE COALESCE(excluded.void_at, shipments.void_at) END
            RETURNING order_number",
        [number.into(), sea_orm::Value::BigInt(void_at)],
    )
    .await?;
    let before = row.map_or(Ok(None), |row| row.get("order_number"))?;
    keep_claim(transaction, number, named, Claim::TakenBack(parcel.at)).await?;
    let after = claims::find_owner(transaction, number).await?;
    settle_all(transaction, [before, after], order).await
}

/// Settles what named only one of the orders that a parcel was and is of, or was named with.
async fn settle_all(
    transaction: &Transaction<'_>,
    owners: [Option<String>; 2],
    named: Option<&OrderNumber>,
) -> Result<(), DbErr> {
    let named = named.map(|order| order.as_str().to_owned());
    let orders: BTreeSet<String> = owners.into_iter().chain([named]).flatten().collect();
    for order in orders {
        settle_nameless(transaction, &order).await?;
    }
    Ok(())
}

/// The newest status; and the newest estimate that no later problem made void. Of the parcel `$1`.
fn compute_state() -> String {
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
        WHERE tracking_number = $1"
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
