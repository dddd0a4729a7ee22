//! Going on elsewhere: tokens that link an address to the customer of another.

use std::time::Duration;

use async_trait::async_trait;
use doorstep_core::{Ambient, CustomerId, Timestamp, message::Address};
use sea_orm::DbErr;

use super::{Store, StoreError, Transaction, execute, people, query_one, row::at, write::Write};

impl Store {
    /// Keeps a token's hash: whoever brings the token from elsewhere within `lifetime` is the customer of `address`.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn keep_link(
        &self,
        hash: String,
        address: &Address,
        lifetime: Duration,
    ) -> Result<(), StoreError> {
        let now = self.ambient().now();
        self.write(KeepLink {
            hash,
            address: address.clone(),
            expires_at: now + lifetime,
            now,
        })
        .await
    }

    /// Undoes a link: the address is nobody's until it is proven again. `false`: it was nobody's.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn unlink(&self, address: &Address, actor: &str) -> Result<bool, StoreError> {
        self.write(Unlink {
            address: address.clone(),
            actor: actor.to_owned(),
            ambient: self.ambient().clone(),
        })
        .await
    }

    /// The addresses that are the same customer's as this one, with how each was proven, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn linked_to(&self, address: &Address) -> Result<Vec<(Address, String)>, StoreError> {
        let sql = "SELECT o.channel, o.address, o.proven_by FROM identities i
            JOIN identities o ON o.customer_id = i.customer_id
            WHERE i.channel = $1 AND i.address = $2 ORDER BY o.proven_at";
        let values = [address.channel.as_str().into(), address.id.as_str().into()];
        let rows = self.query(sql, values).await?;
        rows.iter()
            .map(|row| {
                let channel: String = row.get("channel")?;
                let linked = Address::new(channel, row.get::<String>("address")?);
                Ok((linked, row.get("proven_by")?))
            })
            .collect()
    }
}

/// Opens a token's link for the address that brought it: it is the customer's who was given the token, and the dialogue
/// goes on where it was. A token that is unknown, old or used changes nothing.
pub(super) async fn redeem(
    transaction: &Transaction<'_>,
    ambient: &Ambient,
    hash: &str,
    by: &Address,
    now: Timestamp,
) -> Result<(), DbErr> {
    let opened = query_one(
        transaction,
        "UPDATE link_tokens SET used_at = $1, used_channel = $2, used_address = $3
            WHERE hash = $4 AND used_at IS NULL AND expires_at > $1 AND NOT (channel = $2 AND address = $3)
            RETURNING channel, address",
        [
            at(now),
            by.channel.as_str().into(),
            by.id.as_str().into(),
            hash.into(),
        ],
    )
    .await?;
    let Some(row) = opened else {
        metrics::counter!("doorstep_links_total", "outcome" => "refused").increment(1);
        return Ok(());
    };
    let origin = Address::new(row.get::<String>("channel")?, row.get::<String>("address")?);
    let new = CustomerId::new(&*ambient.clock, &*ambient.entropy);
    let customer = people::ensure_customer_of(transaction, &origin, new, now).await?;
    people::set_identity(transaction, by, customer, "link", now).await?;
    carry_dialogue(transaction, &origin, by).await?;
    people::audit(
        transaction,
        ambient,
        "customer",
        "link",
        &by.channel.to_string(),
        by,
    )
    .await?;
    metrics::counter!("doorstep_links_total", "outcome" => "opened").increment(1);
    Ok(())
}

/// The new conversation remembers what the old one did.
async fn carry_dialogue(
    transaction: &Transaction<'_>,
    from: &Address,
    to: &Address,
) -> Result<(), DbErr> {
    execute(
        transaction,
        "UPDATE conversations SET
                state = (SELECT o.state FROM conversations o WHERE o.channel = $1 AND o.address = $2),
                state_at = (SELECT o.state_at FROM conversations o WHERE o.channel = $1 AND o.address = $2),
                language = (SELECT o.language FROM conversations o WHERE o.channel = $1 AND o.address = $2),
                time_zone = (SELECT o.time_zone FROM conversations o WHERE o.channel = $1 AND o.address = $2)
            WHERE channel = $3 AND address = $4",
        [
            from.channel.as_str().into(),
            from.id.as_str().into(),
            to.channel.as_str().into(),
            to.id.as_str().into(),
        ],
    )
    .await?;
    Ok(())
}

struct KeepLink {
    hash: String,
    address: Address,
    expires_at: Timestamp,
    now: Timestamp,
}

#[async_trait]
impl Write for KeepLink {
    type Output = ();
    const NAME: &'static str = "keep_link";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        execute(
            transaction,
            "DELETE FROM link_tokens WHERE expires_at < $1",
            [at(self.now)],
        )
        .await?;
        execute(
            transaction,
            "INSERT INTO link_tokens (hash, channel, address, expires_at) VALUES ($1, $2, $3, $4)",
            [
                self.hash.as_str().into(),
                self.address.channel.as_str().into(),
                self.address.id.as_str().into(),
                at(self.expires_at),
            ],
        )
        .await?;
        Ok(())
    }
}

struct Unlink {
    address: Address,
    actor: String,
    ambient: Ambient,
}

#[async_trait]
impl Write for Unlink {
    type Output = bool;
    const NAME: &'static str = "unlink";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<bool, DbErr> {
        let values = [
            self.address.channel.as_str().into(),
            self.address.id.as_str().into(),
        ];
        let sql = "DELETE FROM identities WHERE channel = $1 AND address = $2";
        if execute(transaction, sql, values.clone()).await? == 0 {
            return Ok(false);
        }
        // What was opened for the customer is forgotten with the link.
        let sql = "UPDATE conversations SET state = NULL, state_at = NULL WHERE channel = $1 AND address = $2";
        execute(transaction, sql, values).await?;
        let channel = self.address.channel.to_string();
        people::audit(
            transaction,
            &self.ambient,
            &self.actor,
            "unlink",
            &channel,
            &self.address,
        )
        .await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use doorstep_core::{customer::Proof, message::InboundMessage};

    use super::*;
    use crate::{
        link::LinkKey,
        testing::{TestEntropy, TestStore, stores},
    };

    async fn bring(test: &TestStore, id: &str, token_hash: Option<String>, to: &Address) {
        let now = test.store.ambient().now();
        let message = InboundMessage {
            link: token_hash,
            ..InboundMessage::text(to.clone(), id, "hello", now)
        };
        test.store.admit_message(message, Vec::new()).await.unwrap();
    }

    #[tokio::test]
    async fn a_link_opens_once_and_can_be_undone() {
        let entropy = TestEntropy::default();
        let key = LinkKey::new("a secret of this program".into());
        for test in stores().await {
            let chat = Address::new("webchat", "visitor");
            let telegram = Address::new("telegram", "7");
            let thief = Address::new("telegram", "8");
            let proof = Proof {
                customer: Some("C-1".into()),
                email: None,
                name: None,
            };
            bring(&test, "w1", None, &chat).await;
            test.store.prove(&chat, &proof, None).await.unwrap();
            let hash = key.hash(&key.make(&entropy));
            let lifetime = Duration::from_mins(15);
            let keep = test.store.keep_link(hash.clone().unwrap(), &chat, lifetime);
            keep.await.unwrap();
            bring(&test, "t1", hash.clone(), &telegram).await;
            bring(&test, "t2", hash, &thief).await;
            let linked = test.store.linked_to(&telegram).await.unwrap();
            let linked: Vec<_> = linked
                .iter()
                .map(|(address, how)| (address, how.as_str()))
                .collect();
            assert_eq!(linked, [(&chat, "signed_token"), (&telegram, "link")]);
            assert_eq!(test.store.linked_to(&thief).await.unwrap(), []);
            assert!(test.store.unlink(&telegram, "operator").await.unwrap());
            assert!(!test.store.unlink(&telegram, "operator").await.unwrap());
            assert_eq!(test.store.linked_to(&telegram).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn a_proven_mailbox_is_the_customer_whom_the_shop_knows_by_it() {
        for test in stores().await {
            let chat = Address::new("webchat", "visitor");
            let ana = Proof {
                customer: Some("C-1".into()),
                email: Some("ana@example.com".into()),
                name: None,
            };
            test.store.prove(&chat, &ana, None).await.unwrap();
            let mail = |id: &str| Address::new("email", id.to_owned());
            let now = test.store.ambient().now();
            let write = async |from: &Address, id: &str, proof: Proof| {
                let message = InboundMessage {
                    proof: Some(proof),
                    ..InboundMessage::text(from.clone(), id, "hello", now)
                };
                test.store.admit_message(message, Vec::new()).await.unwrap();
            };
            let (known, strange) = (mail("ana@example.com"), mail("eve@example.com"));
            write(&known, "m1", Proof::nobody()).await;
            assert_eq!(test.store.linked_to(&known).await.unwrap(), []);
            write(&strange, "m2", Proof::mailbox("eve@example.com", None)).await;
            assert_eq!(test.store.linked_to(&strange).await.unwrap(), []);
            for id in ["m3", "m4"] {
                write(&known, id, Proof::mailbox("Ana@example.com", None)).await;
                let linked = test.store.linked_to(&known).await.unwrap();
                let how: Vec<&str> = linked.iter().map(|(_, how)| how.as_str()).collect();
                assert_eq!(how, ["signed_token", "proven_mailbox"]);
            }
        }
    }

    #[tokio::test]
    async fn an_old_link_opens_nothing() {
        let entropy = TestEntropy::default();
        let key = LinkKey::new("a secret of this program".into());
        for test in stores().await {
            let chat = Address::new("webchat", "visitor");
            let telegram = Address::new("telegram", "7");
            bring(&test, "w1", None, &chat).await;
            let hash = key.hash(&key.make(&entropy)).unwrap();
            let lifetime = Duration::from_mins(15);
            test.store
                .keep_link(hash.clone(), &chat, lifetime)
                .await
                .unwrap();
            test.clock.advance(Duration::from_mins(16));
            bring(&test, "t1", Some(hash), &telegram).await;
            assert_eq!(test.store.linked_to(&telegram).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn limits_hold_over_all_instances() {
        for test in stores().await {
            let limit = crate::delivery::Limit {
                scope: "telegram".to_owned(),
                interval: Duration::from_millis(100),
                tolerance: Duration::from_millis(100),
            };
            let mut waits = Vec::new();
            for _ in 0..4 {
                let wait = test.store.take_places(vec![limit.clone()]).await.unwrap();
                waits.push(wait.as_millis());
            }
            assert_eq!(waits, [0, 0, 100, 200]);
            test.clock.advance(Duration::from_secs(10));
            let later = test.store.take_places(vec![limit]).await.unwrap();
            assert_eq!(later, Duration::ZERO);
        }
    }

    #[tokio::test]
    async fn a_closed_address_is_open_again_once_its_customer_writes() {
        for test in stores().await {
            let telegram = Address::new("telegram", "7");
            let proof = Proof {
                customer: Some("C-1".into()),
                email: None,
                name: None,
            };
            bring(&test, "t1", None, &telegram).await;
            test.store.prove(&telegram, &proof, None).await.unwrap();
            let customer = test
                .store
                .query("SELECT customer_id FROM identities", [])
                .await
                .unwrap();
            let customer = CustomerId(customer[0].get("customer_id").unwrap());
            assert_eq!(
                test.store.addresses_of(customer).await.unwrap(),
                std::slice::from_ref(&telegram)
            );
            test.store
                .close_address(&telegram, "blocked")
                .await
                .unwrap();
            assert_eq!(test.store.addresses_of(customer).await.unwrap(), []);
            bring(&test, "t2", None, &telegram).await;
            assert_eq!(test.store.addresses_of(customer).await.unwrap(), [telegram]);
        }
    }
}
