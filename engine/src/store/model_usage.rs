//! What language models cost, summed up over all instances.

use async_trait::async_trait;
use chrono::{Datelike, NaiveDate};
use doorstep_core::health::PortError;

use super::{Store, StoreError};
use crate::phrasing::{Ledger, Spending};

#[async_trait]
impl Ledger for Store {
    async fn book(&self, day: NaiveDate, spending: Spending) -> Result<Spending, PortError> {
        let sql = "INSERT INTO model_usage (day, tokens, cost_micros) VALUES ($1, $2, $3)
            ON CONFLICT (day) DO UPDATE SET tokens = model_usage.tokens + $2,
                cost_micros = model_usage.cost_micros + $3
            RETURNING tokens, cost_micros";
        let values = vec![
            i64::from(day.num_days_from_ce()).into(),
            spending.tokens.into(),
            spending.cost_micros.into(),
        ];
        let booked = async {
            let rows = self.keep_books(sql, values).await?;
            let row = rows.first().ok_or(sea_orm::DbErr::RecordNotInserted)?;
            Ok::<_, StoreError>(Spending {
                tokens: row.get("tokens")?,
                cost_micros: row.get("cost_micros")?,
            })
        };
        booked.await.map_err(|error| PortError::new("store", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stores;

    #[tokio::test]
    async fn a_days_spending_is_summed_up() {
        for test in stores().await {
            let day = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
            let spending = |tokens, cost_micros| Spending {
                tokens,
                cost_micros,
            };
            let book = async |day, spending| test.store.book(day, spending).await.unwrap();
            assert_eq!(book(day, spending(100, 7)).await, spending(100, 7));
            assert_eq!(book(day, spending(-40, -2)).await, spending(60, 5));
            let next = day.succ_opt().unwrap();
            assert_eq!(book(next, spending(1, 1)).await, spending(1, 1));
        }
    }
}
