//! What a customer wants to hear, as they say it on the page for it.

use async_trait::async_trait;
use doorstep_core::{Ambient, ChannelName, CustomerId, notification::Topic};
use sea_orm::DbErr;

use super::{Store, StoreError, Transaction, people, query_one, write::Write};

/// Whether a customer wants to hear about a topic on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// About what.
    pub topic: Topic,
    /// Where.
    pub channel: ChannelName,
    /// Whether.
    pub allowed: bool,
}

impl Store {
    /// Everything that a customer said they want to hear or not.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn preferences_of(
        &self,
        customer: CustomerId,
    ) -> Result<Vec<Preference>, StoreError> {
        let sql = "SELECT topic, channel, allowed FROM preferences WHERE customer_id = $1 ORDER BY topic, channel";
        let rows = self.query(sql, [customer.0.into()]).await?;
        let mut preferences = Vec::new();
        for row in rows {
            let topic: String = row.get("topic")?;
            preferences.push(Preference {
                topic: match topic.as_str() {
                    "marketing" => Topic::Marketing,
                    _ => Topic::Order,
                },
                channel: ChannelName(row.get("channel")?),
                allowed: row.get("allowed")?,
            });
        }
        Ok(preferences)
    }

    /// Writes down what a customer wants, and beside each change the consent that it gives or revokes; `how` says where
    /// they said it. What is so already changes nothing. `false`: there is no such customer (any more).
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn set_preferences(
        &self,
        customer: CustomerId,
        preferences: Vec<Preference>,
        how: &'static str,
    ) -> Result<bool, StoreError> {
        self.write(SetPreferences {
            customer,
            preferences,
            how,
            ambient: self.ambient().clone(),
        })
        .await
    }
}

struct SetPreferences {
    customer: CustomerId,
    preferences: Vec<Preference>,
    how: &'static str,
    ambient: Ambient,
}

#[async_trait]
impl Write for SetPreferences {
    type Output = bool;
    const NAME: &'static str = "set_preferences";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        // Locks the customer where there are locks, so that two clicks are one after the other.
        let lock = if transaction.is_postgres() {
            "SELECT 1 AS one FROM customers WHERE id = $1 FOR UPDATE"
        } else {
            "SELECT 1 AS one FROM customers WHERE id = $1"
        };
        if query_one(transaction, lock, [self.customer.0.into()])
            .await?
            .is_none()
        {
            return Ok(false);
        }
        for wanted in &self.preferences {
            let said = query_one(
                transaction,
                "SELECT allowed FROM preferences WHERE customer_id = $1 AND topic = $2 AND channel = $3",
                [
                    self.customer.0.into(),
                    wanted.topic.as_str().into(),
                    wanted.channel.as_str().into(),
                ],
            )
            .await?;
            let said: Option<bool> = said.map(|row| row.get("allowed")).transpose()?;
            if said == Some(wanted.allowed) {
                continue;
            }
            people::set_preference(
                transaction,
                &self.ambient,
                self.customer,
                wanted.topic,
                &wanted.channel,
                wanted.allowed,
                &format!("{} for {}", self.how, wanted.channel),
            )
            .await?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use doorstep_core::customer::Proof;

    use super::*;
    use crate::testing::stores;

    #[tokio::test]
    async fn a_wish_is_kept_with_its_consent_once_however_often_it_is_said() {
        for test in stores().await {
            let visitor = doorstep_core::message::Address::new("webchat", "visitor-1");
            let ada = Proof {
                customer: Some("C-1".into()),
                email: None,
                name: None,
            };
            test.store.prove(&visitor, &ada, None).await.unwrap();
            let rows = test.store.query("SELECT id FROM customers", []).await;
            let ada = CustomerId(rows.unwrap()[0].get("id").unwrap());
            let no = Preference {
                topic: Topic::Marketing,
                channel: "email".into(),
                allowed: false,
            };
            for _ in 0..2 {
                let known = test
                    .store
                    .set_preferences(ada, vec![no.clone()], "one-click");
                assert!(known.await.unwrap());
            }
            assert_eq!(
                test.store.preferences_of(ada).await.unwrap(),
                std::slice::from_ref(&no)
            );
            let rows = test
                .store
                .query("SELECT how FROM consents", [])
                .await
                .unwrap();
            let how: Vec<String> = rows.iter().map(|row| row.get("how").unwrap()).collect();
            assert_eq!(how, ["one-click for email"]);
            let nobody = CustomerId(uuid::Uuid::from_u128(1));
            let known = test.store.set_preferences(nobody, vec![no], "one-click");
            assert!(!known.await.unwrap());
        }
    }
}
