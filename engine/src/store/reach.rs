//! Whether an address can be reached, and how far the channels that listen have read.

use async_trait::async_trait;
use doorstep_core::{ChannelName, Timestamp, message::Address};
use sea_orm::DbErr;

use super::{
    Store, StoreError, Transaction, execute,
    row::{at, optional_text},
    write::Write,
};

impl Store {
    /// Sends nothing more to an address until its customer writes again.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn close_address(&self, address: &Address, reason: &str) -> Result<(), StoreError> {
        self.write(CloseAddress {
            address: address.clone(),
            reason: reason.to_owned(),
            now: self.ambient().now(),
        })
        .await
    }

    /// How far a listening channel has read, as [`Self::set_cursor`] stored it last.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn cursor(
        &self,
        channel: &ChannelName,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM cursors WHERE channel = $1 AND name = $2";
        let rows = self
            .query(sql, [channel.as_str().into(), name.into()])
            .await?;
        Ok(rows.first().map(|row| row.get("value")).transpose()?)
    }

    /// Every cursor of a channel whose name begins with `prefix`, by name.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn cursors(
        &self,
        channel: &ChannelName,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT name, value FROM cursors WHERE channel = $1 AND substr(name, 1, CAST($2 AS INTEGER)) = $3 ORDER BY name";
        let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
        let values = [channel.as_str().into(), length.into(), prefix.into()];
        let rows = self.query(sql, values).await?;
        let pairs = rows
            .iter()
            .map(|row| Ok((row.get("name")?, row.get("value")?)));
        pairs.collect()
    }

    /// Stores how far a listening channel has read. An empty value forgets it.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn set_cursor(
        &self,
        channel: &ChannelName,
        name: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        self.write(SetCursor {
            channel: channel.clone(),
            name: name.to_owned(),
            value: value.to_owned(),
            now: self.ambient().now(),
        })
        .await
    }
}

/// Marks the address's conversation; the next admitted message opens it again.
pub(super) async fn close(
    transaction: &Transaction<'_>,
    address: &Address,
    reason: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    execute(
        transaction,
        "UPDATE conversations SET closed_at = $1, closed_reason = $2 WHERE channel = $3 AND address = $4",
        [
            at(now),
            optional_text(Some(reason)),
            address.channel.as_str().into(),
            address.id.as_str().into(),
        ],
    )
    .await?;
    Ok(())
}

struct CloseAddress {
    address: Address,
    reason: String,
    now: Timestamp,
}

#[async_trait]
impl Write for CloseAddress {
    type Output = ();
    const NAME: &'static str = "close_address";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        close(transaction, &self.address, &self.reason, self.now).await
    }
}

struct SetCursor {
    channel: ChannelName,
    name: String,
    value: String,
    now: Timestamp,
}

#[async_trait]
impl Write for SetCursor {
    type Output = ();
    const NAME: &'static str = "set_cursor";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        if self.value.is_empty() {
            let sql = "DELETE FROM cursors WHERE channel = $1 AND name = $2";
            let values = [self.channel.as_str().into(), self.name.as_str().into()];
            execute(transaction, sql, values).await?;
            return Ok(());
        }
        execute(
            transaction,
            "INSERT INTO cursors (channel, name, value, changed_at) VALUES ($1, $2, $3, $4)
                ON CONFLICT (channel, name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
            [
                self.channel.as_str().into(),
                self.name.as_str().into(),
                self.value.as_str().into(),
                at(self.now),
            ],
        )
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use doorstep_core::ChannelName;

    use crate::testing::stores;

    #[tokio::test]
    async fn what_a_channel_keeps_is_found_by_its_prefix_until_it_is_forgotten() {
        for test in stores().await {
            let telegram = ChannelName::from("telegram");
            let email = ChannelName::from("email");
            for (channel, name) in [
                (&telegram, "album:2"),
                (&telegram, "album:1"),
                (&telegram, "album-closed:1"),
                (&telegram, "ALBUM:1"),
                (&telegram, "albu%"),
                (&email, "album:3"),
            ] {
                test.store.set_cursor(channel, name, "x").await.unwrap();
            }
            test.store
                .set_cursor(&telegram, "album:2", "y")
                .await
                .unwrap();
            let found = test.store.cursors(&telegram, "album:").await.unwrap();
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            assert_eq!(found, [pair("album:1", "x"), pair("album:2", "y")]);
            test.store
                .set_cursor(&telegram, "album:1", "")
                .await
                .unwrap();
            let found = test.store.cursors(&telegram, "album:").await.unwrap();
            assert_eq!(found, [pair("album:2", "y")]);
            let one = test.store.cursor(&telegram, "album:1").await.unwrap();
            assert_eq!(one, None);
        }
    }
}
