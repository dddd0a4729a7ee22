//! Providers' limits as schedules that all instances share.

use std::time::Duration;

use async_trait::async_trait;
use doorstep_core::{ChannelName, DeliveryId, Timestamp, message::Address};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{Store, StoreError, Transaction, query_one, write::Write};
use crate::delivery::Limit;

impl Store {
    /// Takes a send's place in each schedule; returns how long to wait for the latest of them. A place that was taken
    /// and not used is lost, which only makes sending slower.
    ///
    /// # Errors
    /// No place was taken.
    pub async fn take_places(&self, limits: Vec<Limit>) -> Result<Duration, StoreError> {
        if limits.is_empty() {
            return Ok(Duration::ZERO);
        }
        self.write(TakePlaces {
            limits,
            now: self.ambient().now(),
        })
        .await
    }

    /// Forgets schedules that nobody has used since `before`.
    ///
    /// # Errors
    /// Nothing was forgotten.
    pub async fn forget_schedules(&self, before: Timestamp) -> Result<(), StoreError> {
        let sql = "DELETE FROM send_schedules WHERE next_at < $1";
        self.keep_books(sql, vec![before.timestamp_micros().into()])
            .await
            .map(drop)
    }

    /// Where a waiting delivery goes and whether we write first; `None` when it does not wait.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find_waiting_delivery(
        &self,
        delivery: DeliveryId,
        made: i32,
    ) -> Result<Option<(Address, bool)>, StoreError> {
        let sql = "SELECT d.channel, d.address, o.in_reply_to FROM deliveries d
            JOIN outbound_messages o ON o.id = d.outbound_id
            WHERE d.id = $1 AND d.status = 'pending' AND d.attempts = $2";
        let rows = self.query(sql, [delivery.0.into(), made.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let channel = ChannelName(row.get("channel")?);
        let address = Address::new(channel, row.get::<String>("address")?);
        let news = row.get::<Option<Uuid>>("in_reply_to")?.is_none();
        Ok(Some((address, news)))
    }
}

struct TakePlaces {
    limits: Vec<Limit>,
    now: Timestamp,
}

#[async_trait]
impl Write for TakePlaces {
    type Output = Duration;
    const NAME: &'static str = "take_places";
    const DURABLE: bool = false;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Duration, DbErr> {
        let now = self.now.timestamp_micros();
        let mut wait = 0;
        for limit in &self.limits {
            let interval = micros(limit.interval);
            let moved = query_one(
                transaction,
                "INSERT INTO send_schedules (scope, next_at) VALUES ($1, $2 + $3)
                    ON CONFLICT (scope) DO UPDATE SET next_at = $3 + CASE
                        WHEN send_schedules.next_at > $2 THEN send_schedules.next_at ELSE $2 END
                    RETURNING next_at",
                [limit.scope.as_str().into(), now.into(), interval.into()],
            )
            .await?
            .ok_or(DbErr::RecordNotInserted)?;
            let mine = moved.get::<i64>("next_at")? - interval - micros(limit.tolerance);
            wait = wait.max(mine - now);
        }
        Ok(Duration::from_micros(u64::try_from(wait).unwrap_or(0)))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
