//! What is learnt from: parcels that were on their way; and what was learnt, shared by all instances.

use async_trait::async_trait;
use doorstep_core::{Timestamp, TrackingNumber, order::Order, shipment::ParcelFacts};
use sea_orm::DbErr;

use super::{Row, Store, StoreError, Transaction, execute, row::at, write::Write};

/// The one model there is.
const NAME: &str = "shop";

/// A parcel that was handed over, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastParcel {
    /// Its carrier; empty when nobody told.
    pub carrier: String,
    /// What was told of itself.
    pub facts: ParcelFacts,
    /// Its order, if we know it.
    pub order: Option<Order>,
    /// When the carrier got it.
    pub handed_over_at: Timestamp,
    /// When it was there.
    pub delivered_at: Option<Timestamp>,
}

/// What carriers say of a parcel only once they have it.
const HANDED_OVER: &str =
    "'in_transit', 'out_for_delivery', 'delivery_attempt', 'ready_for_pickup', 'delayed'";

/// After these nothing learnt is told of a parcel.
const PROBLEMS: &str = "'delayed', 'exception', 'damaged', 'lost', 'returned_to_sender'";

impl Store {
    /// The parcels that carriers told of since `since`, the youngest first, `limit` at most.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn past_parcels(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<PastParcel>, StoreError> {
        let sql = format!(
            "SELECT s.carrier, s.origin, s.service, s.weight_g, o.body, t.handed_over_at, t.delivered_at
                FROM (SELECT tracking_number,
                        MIN(CASE WHEN status IN ({HANDED_OVER}) THEN occurred_at END) AS handed_over_at,
                        MIN(CASE WHEN status = 'delivered' THEN occurred_at END) AS delivered_at
                    FROM tracking_events WHERE occurred_at >= $1 GROUP BY tracking_number) t
                JOIN shipments s ON s.tracking_number = t.tracking_number
                LEFT JOIN orders o ON o.number = s.order_number
                WHERE t.handed_over_at IS NOT NULL
                ORDER BY t.handed_over_at DESC, t.tracking_number LIMIT $2"
        );
        let rows = self
            .query(&sql, [at(since), i64::from(limit).into()])
            .await?;
        let read = rows.iter().map(|row| {
            Ok::<_, DbErr>(PastParcel {
                carrier: row.get("carrier")?,
                facts: read_facts(row)?,
                order: row.optional_json("body")?,
                handed_over_at: row.time("handed_over_at")?,
                delivered_at: row.optional_time("delivered_at")?,
            })
        });
        Ok(read.collect::<Result<_, _>>()?)
    }

    /// When the carrier got a parcel and what was told of itself, if it told and has told of no problem since: how parcels fare
    /// that had one is not learnt.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn on_its_way_since(
        &self,
        parcel: &TrackingNumber,
    ) -> Result<Option<(Timestamp, ParcelFacts)>, StoreError> {
        let sql = format!(
            "SELECT s.origin, s.service, s.weight_g, (
                SELECT CASE WHEN SUM(CASE WHEN status IN ({PROBLEMS}) THEN 1 ELSE 0 END) = 0
                    THEN MIN(CASE WHEN status IN ({HANDED_OVER}) THEN occurred_at END) END
                FROM tracking_events t WHERE t.tracking_number = s.tracking_number) AS since
            FROM shipments s WHERE s.tracking_number = $1"
        );
        let rows = self.query(&sql, [parcel.as_str().into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let facts = read_facts(row)?;
        Ok(row.optional_time("since")?.map(|since| (since, facts)))
    }

    /// What was learnt last, and when, if that is after `known`.
    ///
    /// # Errors
    /// The store could not be read.
    pub(crate) async fn eta_model(
        &self,
        known: Option<Timestamp>,
    ) -> Result<Option<(Timestamp, String)>, StoreError> {
        let sql = "SELECT learned_at, body FROM eta_models WHERE name = $1 AND learned_at > $2";
        let known = known.unwrap_or_default();
        let rows = self.query(sql, [NAME.into(), at(known)]).await?;
        let read = rows
            .first()
            .map(|row| Ok::<_, DbErr>((row.time("learned_at")?, row.get("body")?)));
        Ok(read.transpose()?)
    }

    /// Takes it upon this instance to learn, if nothing was learnt since `learned` and nobody has begun since `begun`.
    ///
    /// # Errors
    /// Nobody took it upon them.
    pub(crate) async fn claim_learning(
        &self,
        learned: Timestamp,
        begun: Timestamp,
    ) -> Result<bool, StoreError> {
        let now = self.ambient().now();
        self.write(ClaimLearning {
            now,
            learned,
            begun,
        })
        .await
    }

    /// Keeps what was learnt; nothing, when there was too little.
    ///
    /// # Errors
    /// What was learnt before is kept.
    pub(crate) async fn keep_eta_model(
        &self,
        learned_at: Timestamp,
        body: String,
    ) -> Result<(), StoreError> {
        self.write(KeepEtaModel { learned_at, body }).await
    }
}

fn read_facts(row: &Row) -> Result<ParcelFacts, DbErr> {
    let weight_g: Option<i64> = row.get("weight_g")?;
    Ok(ParcelFacts {
        origin: row.get("origin")?,
        service: row.get("service")?,
        weight_g: weight_g.and_then(|grams| u32::try_from(grams).ok()),
    })
}

struct ClaimLearning {
    now: Timestamp,
    learned: Timestamp,
    begun: Timestamp,
}

#[async_trait]
impl Write for ClaimLearning {
    type Output = bool;
    const NAME: &'static str = "claim_learning";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let sql =
            "INSERT INTO eta_models (name, claimed_at, learned_at, body) VALUES ($1, $2, 0, '')
            ON CONFLICT (name) DO UPDATE SET claimed_at = excluded.claimed_at
                WHERE eta_models.learned_at <= $3 AND eta_models.claimed_at <= $4";
        let values = [NAME.into(), at(self.now), at(self.learned), at(self.begun)];
        Ok(execute(transaction, sql, values).await? == 1)
    }
}

struct KeepEtaModel {
    learned_at: Timestamp,
    body: String,
}

#[async_trait]
impl Write for KeepEtaModel {
    type Output = ();
    const NAME: &'static str = "keep_eta_model";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        let sql = "UPDATE eta_models SET learned_at = $1, body = $2 WHERE name = $3";
        let values = [at(self.learned_at), self.body.as_str().into(), NAME.into()];
        execute(transaction, sql, values).await.map(drop)
    }
}
