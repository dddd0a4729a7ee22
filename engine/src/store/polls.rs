//! Which parcels a source's carriers are asked for, and whose turn it is to ask.
//!
//! A turn is a lease: of all instances one asks a source, and when it dies the turn ends by itself. What a parcel's answer
//! brought is admitted before the parcel is settled, so a crash between the two only has it asked for again.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use doorstep_core::{SourceName, Timestamp, TrackingNumber};
use sea_orm::{DbErr, Value};

use super::{Store, StoreError, Transaction, execute, query, row::at, write::Write};

/// After so long a parcel that has not arrived is not asked for any more.
const GIVE_UP: TimeDelta = TimeDelta::days(60);
/// How long it is remembered that a parcel was asked for.
const REMEMBERED: TimeDelta = TimeDelta::days(180);
/// How long a turn lasts unless it is ended before: longer than a batch of parcels takes.
const TURN: TimeDelta = TimeDelta::minutes(10);

/// Whose parcels a source is asked for, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollPlan {
    /// The source.
    pub source: SourceName,
    /// Carriers as shops name them, in upper or lower case; none: everybody's.
    pub carriers: Vec<String>,
    /// How long at least between two questions for one parcel.
    pub every: Duration,
}

/// A turn to ask a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollTurn {
    /// The parcels that are due, longest first.
    pub parcels: Vec<DueParcel>,
    /// How often in a row the source did not answer.
    pub failures: u32,
}

/// A parcel that is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueParcel {
    /// Its number.
    pub number: TrackingNumber,
    /// How often in a row nothing could be learnt of it.
    pub failures: u32,
}

/// A parcel that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedParcel {
    /// Its number.
    pub number: TrackingNumber,
    /// When it is asked for again.
    pub due_at: Timestamp,
    /// How often in a row nothing could be learnt of it.
    pub failures: u32,
}

impl Store {
    /// How many parcels a source could be asked for now; 0 also while another instance asks or the source is left alone.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn parcels_to_poll(&self, plan: &PollPlan) -> Result<u64, StoreError> {
        let now = self.ambient().now();
        let Selection { condition, values } = Selection::new(plan, now);
        let sql = format!(
            "SELECT COUNT(*) AS due FROM shipments s JOIN orders o ON o.number = s.order_number
                LEFT JOIN polled_parcels p ON p.source = $1 AND p.tracking_number = s.tracking_number
                WHERE {condition} AND (p.due_at IS NULL OR (p.due_at <= $2 AND p.since > $3))
                    AND NOT EXISTS (SELECT 1 FROM poll_turns t WHERE t.source = $1
                        AND (t.claimed_until > $2 OR t.held_until > $2))"
        );
        let rows = self.query(&sql, values).await?;
        let due: i64 = rows.first().map_or(Ok(0), |row| row.get("due"))?;
        Ok(u64::try_from(due).unwrap_or_default())
    }

    /// Takes the turn to ask a source for up to `limit` parcels that are due. `None`: another instance asks, or the source
    /// is left alone for now.
    ///
    /// # Errors
    /// Nobody's turn changed.
    pub async fn claim_polls(
        &self,
        plan: &PollPlan,
        limit: u32,
    ) -> Result<Option<PollTurn>, StoreError> {
        self.write(ClaimPolls {
            plan: plan.clone(),
            instance: self.instance().to_owned(),
            now: self.ambient().now(),
            limit,
        })
        .await
    }

    /// Ends this instance's turn: writes down when the parcels that were asked for are asked for again, and that the source
    /// is left alone until `held_until` after `failures` in a row. `false`: the turn was over and nothing was changed.
    ///
    /// # Errors
    /// Nothing was changed; the turn ends by itself.
    pub async fn settle_polls(
        &self,
        source: &SourceName,
        asked: Vec<AskedParcel>,
        held_until: Option<Timestamp>,
        failures: u32,
    ) -> Result<bool, StoreError> {
        self.write(SettlePolls {
            source: source.clone(),
            instance: self.instance().to_owned(),
            asked,
            held_until,
            failures,
        })
        .await
    }

    /// Ends the turns of a process that is gone. A SQLite file has one instance: whoever has a turn at its start is no more.
    ///
    /// # Errors
    /// The turns end by themselves.
    pub async fn end_left_turns(&self) -> Result<(), StoreError> {
        if self.database().is_postgres() {
            return Ok(());
        }
        let sql = "UPDATE poll_turns SET claimed_until = 0 WHERE claimed_until > 0";
        self.keep_books(sql, Vec::new()).await.map(drop)
    }
}

/// The parcels `s` of orders `o` that a source may be asked for: on their way, told of lately, and of somebody who could be
/// told (which those whose customer was erased are not).
struct Selection {
    condition: String,
    /// Of `$1` to `$3` (source, now, and before when a parcel is given up) and what the condition adds.
    values: Vec<Value>,
}

impl Selection {
    fn new(plan: &PollPlan, now: Timestamp) -> Self {
        let mut values = vec![plan.source.as_str().into(), at(now), at(now - GIVE_UP)];
        let mut condition = String::from(
            "s.status NOT IN ('delivered', 'returned_to_sender', 'lost')
                AND s.tracking_number NOT LIKE 'order %' AND o.customer_id IS NOT NULL
                AND (s.status_at > $3 OR o.as_of > $3)",
        );
        if !plan.carriers.is_empty() {
            let mut places = Vec::new();
            for carrier in &plan.carriers {
                values.push(carrier.to_lowercase().into());
                values.push(carrier.as_str().into());
                let last = values.len();
                // Databases differ in what they hold for the lower case of letters that are not ASCII.
                places.push(format!(
                    "LOWER(s.carrier) = ${} OR s.carrier = ${last}",
                    last - 1
                ));
            }
            condition.push_str(&format!(" AND ({})", places.join(" OR ")));
        }
        Self { condition, values }
    }

    fn with(&self, more: impl Into<Value>) -> (Vec<Value>, usize) {
        let mut values = self.values.clone();
        values.push(more.into());
        let place = values.len();
        (values, place)
    }
}

struct ClaimPolls {
    plan: PollPlan,
    instance: String,
    now: Timestamp,
    limit: u32,
}

#[async_trait]
impl Write for ClaimPolls {
    type Output = Option<PollTurn>;
    const NAME: &'static str = "claim_polls";
    const DURABLE: bool = false;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, DbErr> {
        let turn = query(
            transaction,
            "INSERT INTO poll_turns (source, claimed_by, claimed_until, held_until, failures) VALUES ($1, $2, $3, 0, 0)
                ON CONFLICT (source) DO UPDATE SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
                    WHERE poll_turns.claimed_until <= $4 AND poll_turns.held_until <= $4
                RETURNING failures",
            [
                self.plan.source.as_str().into(),
                self.instance.as_str().into(),
                at(self.now + TURN),
                at(self.now),
            ],
        )
        .await?;
        let Some(turn) = turn.first() else {
            return Ok(None);
        };
        let failures = turn.get::<i32>("failures")?;
        self.note_new_parcels(transaction).await?;
        Ok(Some(PollTurn {
            parcels: self.due_parcels(transaction).await?,
            failures: u32::try_from(failures).unwrap_or_default(),
        }))
    }
}

impl ClaimPolls {
    /// Parcels that nobody asked for before are due at once.
    async fn note_new_parcels(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        let selection = Selection::new(&self.plan, self.now);
        let (values, limit) = selection.with(i64::from(self.limit));
        let sql = format!(
            "INSERT INTO polled_parcels (source, tracking_number, since, due_at, failures)
                SELECT $1, s.tracking_number, $2, $2, 0 FROM shipments s JOIN orders o ON o.number = s.order_number
                    WHERE {} AND NOT EXISTS (SELECT 1 FROM polled_parcels p
                        WHERE p.source = $1 AND p.tracking_number = s.tracking_number)
                    ORDER BY s.tracking_number LIMIT ${limit}
                ON CONFLICT (source, tracking_number) DO NOTHING",
            selection.condition
        );
        execute(transaction, &sql, values).await?;
        let sql = "DELETE FROM polled_parcels WHERE source = $1 AND since < $2";
        let before = at(self.now - REMEMBERED);
        execute(transaction, sql, [self.plan.source.as_str().into(), before])
            .await
            .map(drop)
    }

    async fn due_parcels(&self, transaction: &Transaction<'_>) -> Result<Vec<DueParcel>, DbErr> {
        let selection = Selection::new(&self.plan, self.now);
        let (values, limit) = selection.with(i64::from(self.limit));
        let sql = format!(
            "SELECT p.tracking_number, p.failures FROM polled_parcels p
                JOIN shipments s ON s.tracking_number = p.tracking_number JOIN orders o ON o.number = s.order_number
                WHERE p.source = $1 AND p.due_at <= $2 AND p.since > $3 AND {}
                ORDER BY p.due_at, p.tracking_number LIMIT ${limit}",
            selection.condition
        );
        let rows = query(transaction, &sql, values).await?;
        let parcels = rows.iter().map(|row| {
            Ok(DueParcel {
                number: TrackingNumber(row.get("tracking_number")?),
                failures: u32::try_from(row.get::<i32>("failures")?).unwrap_or_default(),
            })
        });
        parcels.collect()
    }
}

struct SettlePolls {
    source: SourceName,
    instance: String,
    asked: Vec<AskedParcel>,
    held_until: Option<Timestamp>,
    failures: u32,
}

#[async_trait]
impl Write for SettlePolls {
    type Output = bool;
    const NAME: &'static str = "settle_polls";
    const DURABLE: bool = false;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let ended = execute(
            transaction,
            "UPDATE poll_turns SET claimed_until = 0, held_until = $1, failures = $2
                WHERE source = $3 AND claimed_by = $4 AND claimed_until > 0",
            [
                self.held_until.map_or_else(|| 0_i64.into(), at),
                i32::try_from(self.failures).unwrap_or(i32::MAX).into(),
                self.source.as_str().into(),
                self.instance.as_str().into(),
            ],
        )
        .await?;
        if ended == 0 {
            return Ok(false);
        }
        for parcel in &self.asked {
            execute(
                transaction,
                "UPDATE polled_parcels SET due_at = $1, failures = $2 WHERE source = $3 AND tracking_number = $4",
                [
                    at(parcel.due_at),
                    i32::try_from(parcel.failures).unwrap_or(i32::MAX).into(),
                    self.source.as_str().into(),
                    parcel.number.as_str().into(),
                ],
            )
            .await?;
        }
        Ok(true)
    }
}
