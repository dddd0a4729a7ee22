//! How often a second factor may be tried for an order: one count for all channels, conversations and instances.
//!
//! Kept as a schedule like a provider's limit (the generic cell rate algorithm, ITU-T I.371), so that a try is one statement,
//! taken before the factor is looked at: strangers who try at once get no more tries than one who tries again and again.

use async_trait::async_trait;
use doorstep_core::health::PortError;

use super::{Store, StoreError};
use crate::second_factor::{COOL_DOWN, MAX_WRONG_TRIES, Tries, Try, scope_of};

/// No row comes back where there is no try left.
const BEGIN: &str = "INSERT INTO send_schedules (scope, next_at) VALUES ($1, $2 + $3)
    ON CONFLICT (scope) DO UPDATE SET next_at = $3 + CASE
        WHEN send_schedules.next_at > $2 THEN send_schedules.next_at ELSE $2 END
    WHERE send_schedules.next_at <= $2 + $4
    RETURNING next_at";

impl Store {
    /// Takes a try of a second factor for an order, whether or not there is such an order.
    ///
    /// # Errors
    /// None was taken.
    pub async fn begin_try(&self, order: &str) -> Result<Try, StoreError> {
        let now = self.ambient().now().timestamp_micros();
        let cool_down = COOL_DOWN.num_microseconds().unwrap_or(i64::MAX / 4);
        let interval = cool_down / i64::from(MAX_WRONG_TRIES);
        let tolerance = cool_down - interval;
        let values = vec![
            scope_of(order).into(),
            now.into(),
            interval.into(),
            tolerance.into(),
        ];
        let rows = self.keep_books(BEGIN, values).await?;
        let Some(row) = rows.first() else {
            metrics::counter!("doorstep_second_factor_refused_total").increment(1);
            return Ok(Try::Refused);
        };
        Ok(match row.get::<i64>("next_at")? > now + tolerance {
            true => Try::Last,
            false => Try::Allowed,
        })
    }

    /// Forgets the tries for an order: its second factor was given.
    ///
    /// # Errors
    /// They still count.
    pub async fn forget_tries(&self, order: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM send_schedules WHERE scope = $1";
        self.keep_books(sql, vec![scope_of(order).into()])
            .await
            .map(drop)
    }
}

#[async_trait]
impl Tries for Store {
    async fn begin_try(&self, order: &str) -> Result<Try, PortError> {
        let begun = Self::begin_try(self, order).await;
        begun.map_err(|error| PortError::new("store", error))
    }

    async fn forget_tries(&self, order: &str) -> Result<(), PortError> {
        let forgotten = Self::forget_tries(self, order).await;
        forgotten.map_err(|error| PortError::new("store", error))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;

    use super::*;
    use crate::testing::{TestStore, stores};

    async fn tries(test: &TestStore, count: usize) -> Vec<Try> {
        let mut made = Vec::new();
        for _ in 0..count {
            made.push(test.store.begin_try("10234").await.unwrap());
        }
        made
    }

    #[tokio::test]
    async fn after_three_misses_of_anybody_an_order_is_left_alone() {
        for test in stores().await {
            let three = [Try::Allowed, Try::Allowed, Try::Last];
            assert_eq!(tries(&test, 3).await, three);
            assert_eq!(tries(&test, 2).await, [Try::Refused, Try::Refused]);
            // However it is written, and no other one.
            assert_eq!(test.store.begin_try("#10234").await.unwrap(), Try::Refused);
            assert_eq!(test.store.begin_try("10235").await.unwrap(), Try::Allowed);
            test.clock.advance(Duration::from_mins(9));
            assert_eq!(tries(&test, 1).await, [Try::Refused]);
            test.clock.advance(Duration::from_mins(1));
            assert_eq!(tries(&test, 2).await, [Try::Last, Try::Refused]);
            test.clock.advance(Duration::from_mins(30));
            assert_eq!(tries(&test, 3).await, three);
            test.store.forget_tries("10234").await.unwrap();
            assert_eq!(tries(&test, 1).await, [Try::Allowed]);
        }
    }

    #[tokio::test]
    async fn strangers_who_try_at_once_get_no_more_tries() {
        for test in stores().await {
            let at_once = (0..20).map(|_| test.store.begin_try("10234"));
            let made = join_all(at_once).await;
            let refused = made
                .iter()
                .filter(|made| *made.as_ref().unwrap() == Try::Refused);
            assert_eq!(refused.count(), 17);
        }
    }
}
