//! Whose a parcel is: what was said of its having been packed for an order, and of its having been taken back.
//!
//! All that was said is kept with its time, and whose the parcel is follows from it, the same in every order of arrival. A
//! parcel that was taken back is nobody's, so it counts nowhere, until it is packed or listed again.

use std::collections::BTreeSet;

use doorstep_core::{OrderNumber, ShopOrderId, Timestamp, TrackingNumber, order::OrderRef};
use sea_orm::{DbErr, Value};

use super::{
    Store, StoreError, Transaction, execute, query, query_one,
    row::{Row, at, optional_text},
};

/// The order, in SQL, that a row of `shipments` belongs to: of several the smallest. An order that named its parcels later
/// and this one no more has taken it back; a label that a carrier called void is none until it is packed or scanned again.
const OWNER: &str = "SELECT COALESCE(c.order_number, i.number) FROM parcel_claims c
        LEFT JOIN orders o ON o.number = c.order_number
        LEFT JOIN orders i ON c.order_number IS NULL AND i.shop_id = c.order_shop_id
    WHERE c.tracking_number = shipments.tracking_number
    GROUP BY COALESCE(c.order_number, i.number)
    HAVING COALESCE(c.order_number, i.number) IS NOT NULL
        AND (MAX(c.taken_back_at) IS NULL OR MAX(c.packed_at) > MAX(c.taken_back_at)
            OR MAX(c.listed_at) > MAX(c.taken_back_at))
        AND (MAX(c.listed_at) IS NULL OR MAX(o.parcels_listed_at) IS NULL
            OR MAX(c.listed_at) >= MAX(o.parcels_listed_at) OR MAX(c.packed_at) >= MAX(o.parcels_listed_at))
        AND (shipments.void_at IS NULL OR MAX(c.packed_at) > shipments.void_at
            OR EXISTS (SELECT 1 FROM tracking_events t WHERE t.told_as = shipments.tracking_number
                AND t.status NOT IN ('pre_transit', 'exception') AND t.occurred_at > shipments.void_at))
    ORDER BY 1 LIMIT 1";

/// The parcels of which something was said with an order, by its number `$1` or the shop's identifier `$2`.
const OF_ORDER: &str = "tracking_number IN
    (SELECT tracking_number FROM parcel_claims WHERE order_number = $1 OR order_shop_id = $2)";

/// A parcel that was taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct ParcelTakenBack {
    /// Which; [`ParcelUpdate::nameless`](super::ParcelUpdate::nameless) when nobody told.
    pub tracking_number: TrackingNumber,
    /// Of which order, as far as told and known; of none: its label is void.
    pub order: Option<OrderNumber>,
    /// The shop's identifier of its order, where the source named it so.
    pub order_shop_id: Option<ShopOrderId>,
    /// When.
    pub at: Timestamp,
}

/// What was said of a parcel and an order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Claim {
    /// It is its parcel.
    Named,
    /// The shop packed it then.
    Packed(Timestamp),
    /// The order listed it then.
    Listed(Timestamp),
    /// The shop took it back then.
    TakenBack(Timestamp),
}

impl Store {
    /// Whether an order's shop took a parcel back, or its label is void: it is nobody's, though it was named with an order
    /// that is known.
    ///
    /// # Errors
    /// The store could not be read.
    pub(crate) async fn was_taken_back(&self, parcel: &TrackingNumber) -> Result<bool, StoreError> {
        let rows = self.query(TAKEN_BACK, [parcel.as_str().into()]).await?;
        Ok(!rows.is_empty())
    }
}

/// A parcel that has claims of known orders and belongs to none.
const TAKEN_BACK: &str =
    "SELECT 1 AS one FROM shipments s JOIN parcel_claims c ON c.tracking_number = s.tracking_number
    WHERE s.tracking_number = $1 AND s.order_number IS NULL AND (c.order_number IS NOT NULL
        OR EXISTS (SELECT 1 FROM orders i WHERE i.shop_id = c.order_shop_id)) LIMIT 1";

/// As [`Store::was_taken_back`], within a transaction.
pub(super) async fn was_taken_back(
    transaction: &Transaction<'_>,
    parcel: &TrackingNumber,
) -> Result<bool, DbErr> {
    let row = query_one(transaction, TAKEN_BACK, [parcel.as_str().into()]).await?;
    Ok(row.is_some())
}

/// Keeps what was said of a parcel, whose row is there and locked; nothing where no order is named.
pub(super) async fn keep_claim(
    transaction: &Transaction<'_>,
    parcel: &str,
    (order, order_shop_id): (Option<&OrderNumber>, Option<&ShopOrderId>),
    claim: Claim,
) -> Result<(), DbErr> {
    let told_as = match (order, order_shop_id) {
        (_, Some(id)) => OrderRef::shop_id(id.clone()).to_string(),
        (Some(number), None) => number.to_string(),
        (None, None) => return Ok(()),
    };
    let time = |time: Option<Timestamp>| Value::BigInt(time.map(|time| time.timestamp_millis()));
    let (packed, listed, taken_back) = match claim {
        Claim::Named => (None, None, None),
        Claim::Packed(at) => (Some(at), None, None),
        Claim::Listed(at) => (None, Some(at), None),
        Claim::TakenBack(at) => (None, None, Some(at)),
    };
    let newest = |column: &str| {
        format!(
            "{column} = CASE WHEN parcel_claims.{column} > excluded.{column} THEN parcel_claims.{column}
                ELSE COALESCE(excluded.{column}, parcel_claims.{column}) END"
        )
    };
    let sql = format!(
        "INSERT INTO parcel_claims (tracking_number, told_as, order_number, order_shop_id, packed_at, listed_at, taken_back_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (tracking_number, told_as) DO UPDATE SET
                order_number = COALESCE(parcel_claims.order_number, excluded.order_number), {}, {}, {}",
        newest("packed_at"),
        newest("listed_at"),
        newest("taken_back_at")
    );
    let values = [
        parcel.into(),
        told_as.into(),
        optional_text(order),
        optional_text(order_shop_id),
        time(packed),
        time(listed),
        time(taken_back),
    ];
    execute(transaction, &sql, values).await.map(drop)
}

/// Finds out whose a parcel is now.
pub(super) async fn find_owner(
    transaction: &Transaction<'_>,
    parcel: &str,
) -> Result<Option<String>, DbErr> {
    let sql = format!(
        "UPDATE shipments SET order_number = ({OWNER}) WHERE tracking_number = $1 RETURNING order_number"
    );
    let row = query_one(transaction, &sql, [parcel.into()]).await?;
    row.map_or(Ok(None), |row| row.get("order_number"))
}

/// What changed of whose parcels are.
#[derive(Default)]
pub(super) struct Owners {
    /// Parcels that belong to an order that they did not belong to before.
    pub(super) linked: Vec<String>,
    /// The orders that parcels belonged to and belong to.
    pub(super) orders: BTreeSet<String>,
}

/// Finds out whose the parcels are that were named with an order, by its number and the shop's identifier of it. Locks them.
/// Where it is told `first_time`, all of its parcels count as linked.
pub(super) async fn find_owners(
    transaction: &Transaction<'_>,
    order: &OrderNumber,
    shop_id: Option<&ShopOrderId>,
    first_time: bool,
) -> Result<Owners, DbErr> {
    let values = || [order.as_str().into(), optional_text(shop_id)];
    // Locked first: what another transaction says of them is seen then.
    let sql = format!(
        "UPDATE shipments SET tracking_number = tracking_number WHERE {OF_ORDER} RETURNING tracking_number, order_number"
    );
    let before = query(transaction, &sql, values()).await?;
    if before.is_empty() {
        return Ok(Owners::default());
    }
    let before = before.iter().map(owned).collect::<Result<Vec<_>, _>>()?;
    let sql = format!(
        "UPDATE shipments SET order_number = ({OWNER}) WHERE {OF_ORDER} RETURNING tracking_number, order_number"
    );
    let mut owners = Owners::default();
    for row in query(transaction, &sql, values()).await? {
        let now = owned(&row)?;
        let is_its = now.1.as_deref() == Some(order.as_str());
        if now.1.is_some() && (!before.contains(&now) || (first_time && is_its)) {
            owners.linked.push(now.0);
        }
        owners.orders.extend(now.1);
    }
    let former = before.into_iter().filter_map(|(_, order)| order);
    owners.orders.extend(former);
    Ok(owners)
}

/// A parcel and whose it is.
fn owned(row: &Row) -> Result<(String, Option<String>), DbErr> {
    Ok((row.get("tracking_number")?, row.get("order_number")?))
}

/// Remembers when an order last named its parcels.
pub(super) async fn keep_listed_at(
    transaction: &Transaction<'_>,
    order: &OrderNumber,
    listed_at: Timestamp,
) -> Result<(), DbErr> {
    let sql = "UPDATE orders SET parcels_listed_at = $2
        WHERE number = $1 AND (parcels_listed_at IS NULL OR parcels_listed_at < $2)";
    let values = [order.as_str().into(), at(listed_at)];
    execute(transaction, sql, values).await.map(drop)
}
