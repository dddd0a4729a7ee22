//! Customers, their proven addresses, and what they want to hear.

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, CustomerId, Language, Timestamp,
    customer::{Customer, MarketingConsent, Proof},
    message::Address,
    notification::Topic,
};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Store, StoreError, Transaction, execute, query, query_one,
    row::{Row, at, json, optional_text},
    write::Write,
};

impl Store {
    /// Links an address to the customer it was proven to be.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn prove(
        &self,
        address: &Address,
        proof: &Proof,
        language: Option<&Language>,
    ) -> Result<(), StoreError> {
        self.write(Prove {
            address: address.clone(),
            proof: proof.clone(),
            language: language.cloned(),
            now: self.ambient().now(),
        })
        .await
    }

    /// All proven addresses of a customer that can be reached, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn addresses_of(&self, customer: CustomerId) -> Result<Vec<Address>, StoreError> {
        let sql = "SELECT i.channel, i.address FROM identities i
                LEFT JOIN conversations c ON c.channel = i.channel AND c.address = i.address
                WHERE i.customer_id = $1 AND c.closed_at IS NULL ORDER BY i.proven_at";
        let rows = self.query(sql, [customer.0.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(Address::new(
                    row.get::<String>("channel")?,
                    row.get::<String>("address")?,
                ))
            })
            .collect()
    }

    /// A customer by our identifier.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find_customer(&self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        let rows = self
            .query("SELECT * FROM customers WHERE id = $1", [id.0.into()])
            .await?;
        Ok(rows
            .first()
            .map(|row| read_customer(row, id.0, "language"))
            .transpose()?)
    }

    /// Whether the customer wants to hear about a topic on a channel; `None` when they never said.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn preference(
        &self,
        customer: CustomerId,
        topic: Topic,
        channel: &ChannelName,
    ) -> Result<Option<bool>, StoreError> {
        let sql = "SELECT allowed FROM preferences WHERE customer_id = $1 AND topic = $2 AND channel = $3";
        let values = [
            customer.0.into(),
            topic.as_str().into(),
            channel.as_str().into(),
        ];
        let rows = self.query(sql, values).await?;
        Ok(rows.first().map(|row| row.get("allowed")).transpose()?)
    }
}

struct Prove {
    address: Address,
    proof: Proof,
    language: Option<Language>,
    now: Timestamp,
}

#[async_trait]
impl Write for Prove {
    type Output = ();
    const NAME: &'static str = "prove";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        let language = self.language.as_ref();
        link(
            transaction,
            &self.address,
            &self.proof,
            "signed_token",
            language,
            self.now,
        )
        .await?;
        Ok(())
    }
}

/// Makes an address the customer's who was proven to write from it; `None` when the proof names no customer that we know.
pub(crate) async fn link(
    transaction: &Transaction<'_>,
    address: &Address,
    proof: &Proof,
    proven_by: &str,
    language: Option<&Language>,
    now: Timestamp,
) -> Result<Option<CustomerId>, DbErr> {
    let Some(shop_id) = &proof.customer else {
        return match proof.proven_mailbox() {
            Some(mailbox) => link_mailbox(transaction, address, mailbox, now).await,
            None => Ok(None),
        };
    };
    let known = query_one(
        transaction,
        "SELECT p.id FROM identities i JOIN customers p ON p.id = i.customer_id
            WHERE i.channel = $1 AND i.address = $2 AND p.shop_id = $3",
        [
            address.channel.as_str().into(),
            address.id.as_str().into(),
            shop_id.as_str().into(),
        ],
    )
    .await?;
    if let Some(row) = known {
        return Ok(Some(CustomerId(row.get("id")?)));
    }
    let customer = ShopCustomer {
        shop_id: shop_id.as_str(),
        name: proof.name.as_deref(),
        email: proof.email.as_deref(),
        language: language.map(ToString::to_string),
        time_zone: None,
    };
    let customer = customer.upsert(transaction, now).await?;
    set_identity(transaction, address, customer, proven_by, now).await?;
    Ok(Some(customer))
}

/// Makes an address the customer's whose e-mail address the shop says is the proven mailbox. Where several share it (a
/// family's), it is nobody's in particular.
async fn link_mailbox(
    transaction: &Transaction<'_>,
    address: &Address,
    mailbox: &str,
    now: Timestamp,
) -> Result<Option<CustomerId>, DbErr> {
    let holders = query(
        transaction,
        "SELECT p.id, EXISTS (SELECT 1 FROM identities i WHERE i.customer_id = p.id AND i.channel = $1
                AND i.address = $2) AS linked
            FROM customers p WHERE p.email = $3 AND p.shop_id IS NOT NULL LIMIT 2",
        [
            address.channel.as_str().into(),
            address.id.as_str().into(),
            mailbox.to_lowercase().into(),
        ],
    )
    .await?;
    let [only] = &holders[..] else {
        return Ok(None);
    };
    let customer = CustomerId(only.get("id")?);
    if !only.get::<bool>("linked")? {
        set_identity(transaction, address, customer, "proven_mailbox", now).await?;
    }
    Ok(Some(customer))
}

/// Writes down whose an address is.
pub(crate) async fn set_identity(
    transaction: &Transaction<'_>,
    address: &Address,
    customer: CustomerId,
    proven_by: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    carry_wishes(transaction, address, customer).await?;
    execute(
        transaction,
        "INSERT INTO identities (channel, address, customer_id, proven_by, proven_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (channel, address) DO UPDATE SET customer_id = excluded.customer_id,
                proven_by = excluded.proven_by, proven_at = excluded.proven_at",
        [
            address.channel.as_str().into(),
            address.id.as_str().into(),
            customer.0.into(),
            proven_by.into(),
            at(now),
        ],
    )
    .await?;
    Ok(())
}

/// What a stranger said they want to hear still counts once their address is proven to be a customer's.
async fn carry_wishes(
    transaction: &Transaction<'_>,
    address: &Address,
    customer: CustomerId,
) -> Result<(), DbErr> {
    execute(
        transaction,
        "INSERT INTO preferences (customer_id, topic, channel, allowed, changed_at)
            SELECT $1, p.topic, p.channel, p.allowed, p.changed_at
            FROM identities i JOIN preferences p ON p.customer_id = i.customer_id
            WHERE i.channel = $2 AND i.address = $3 AND i.proven_by = 'own_address' AND i.customer_id <> $1
            ON CONFLICT (customer_id, topic, channel) DO NOTHING",
        [
            customer.0.into(),
            address.channel.as_str().into(),
            address.id.as_str().into(),
        ],
    )
    .await?;
    Ok(())
}

/// What the shop says of a customer.
pub(crate) struct ShopCustomer<'a> {
    pub(crate) shop_id: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) email: Option<&'a str>,
    pub(crate) language: Option<String>,
    pub(crate) time_zone: Option<String>,
}

impl ShopCustomer<'_> {
    /// Stores the customer; what is unknown now does not erase what was known.
    pub(crate) async fn upsert(
        &self,
        transaction: &Transaction<'_>,
        now: Timestamp,
    ) -> Result<CustomerId, DbErr> {
        // Derived from the shop's identifier, so that two instances that meet a customer at once agree.
        let id = uuid::Builder::from_custom_bytes(digest(self.shop_id)).into_uuid();
        let row = query_one(
            transaction,
            "INSERT INTO customers (id, shop_id, name, email, language, time_zone, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (shop_id) DO UPDATE SET
                    name = COALESCE(excluded.name, customers.name),
                    email = COALESCE(excluded.email, customers.email),
                    language = COALESCE(excluded.language, customers.language),
                    time_zone = COALESCE(excluded.time_zone, customers.time_zone)
                RETURNING id",
            [
                id.into(),
                self.shop_id.into(),
                optional_text(self.name),
                optional_text(self.email.map(str::to_lowercase)),
                optional_text(self.language.as_deref()),
                optional_text(self.time_zone.as_deref()),
                at(now),
            ],
        )
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
        Ok(CustomerId(row.get("id")?))
    }
}

/// 128 bits of SHA-256.
fn digest(text: &str) -> [u8; 16] {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(text.as_bytes());
    std::array::from_fn(|index| hash[index])
}

/// Whose address it is; a nameless customer is made for a stranger, so that their wishes can be kept.
pub(crate) async fn ensure_customer_of(
    transaction: &Transaction<'_>,
    address: &Address,
    new: CustomerId,
    now: Timestamp,
) -> Result<CustomerId, DbErr> {
    let known = query_one(
        transaction,
        "SELECT customer_id FROM identities WHERE channel = $1 AND address = $2",
        [address.channel.as_str().into(), address.id.as_str().into()],
    )
    .await?;
    if let Some(row) = known {
        return Ok(CustomerId(row.get("customer_id")?));
    }
    execute(
        transaction,
        "INSERT INTO customers (id, created_at) VALUES ($1, $2)",
        [new.0.into(), at(now)],
    )
    .await?;
    set_identity(transaction, address, new, "own_address", now).await?;
    Ok(new)
}

/// Writes down a wish, and beside it the consent that it gives or revokes; `how` says where they said it.
pub(crate) async fn set_preference(
    transaction: &Transaction<'_>,
    ambient: &Ambient,
    customer: CustomerId,
    topic: Topic,
    channel: &ChannelName,
    allowed: bool,
    how: &str,
) -> Result<(), DbErr> {
    let now = ambient.now();
    execute(
        transaction,
        "INSERT INTO preferences (customer_id, topic, channel, allowed, changed_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (customer_id, topic, channel) DO UPDATE SET allowed = excluded.allowed,
                changed_at = excluded.changed_at",
        [customer.0.into(), topic.as_str().into(), channel.as_str().into(), allowed.into(), at(now)],
    )
    .await?;
    note_consent(transaction, ambient, customer, topic, allowed, how, now).await
}

/// Writes down what a customer told the shop about offers by e-mail (`channel`), unless they said something later, to the shop
/// or to us. Of two that were said at once, "no" counts; so the end is the same in every order of arrival.
pub(crate) async fn take_consent(
    transaction: &Transaction<'_>,
    ambient: &Ambient,
    customer: CustomerId,
    channel: &ChannelName,
    consent: MarketingConsent,
    how: &str,
) -> Result<(), DbErr> {
    let topic = Topic::Marketing;
    let taken = execute(
        transaction,
        "INSERT INTO preferences (customer_id, topic, channel, allowed, changed_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (customer_id, topic, channel) DO UPDATE SET allowed = excluded.allowed,
                changed_at = excluded.changed_at
            WHERE excluded.changed_at > preferences.changed_at
                OR (excluded.changed_at = preferences.changed_at AND preferences.allowed AND NOT excluded.allowed)",
        [
            customer.0.into(),
            topic.as_str().into(),
            channel.as_str().into(),
            consent.granted.into(),
            at(consent.at),
        ],
    )
    .await?;
    if taken == 0 {
        return Ok(());
    }
    let (granted, when) = (consent.granted, consent.at);
    note_consent(transaction, ambient, customer, topic, granted, how, when).await
}

/// Adds to the history of what a customer agreed to.
async fn note_consent(
    transaction: &Transaction<'_>,
    ambient: &Ambient,
    customer: CustomerId,
    topic: Topic,
    granted: bool,
    how: &str,
    when: Timestamp,
) -> Result<(), DbErr> {
    let id = doorstep_core::NotificationId::new(&*ambient.clock, &*ambient.entropy);
    execute(
        transaction,
        "INSERT INTO consents (id, customer_id, topic, granted, how, at) VALUES ($1, $2, $3, $4, $5, $6)",
        [
            id.0.into(),
            customer.0.into(),
            topic.as_str().into(),
            granted.into(),
            how.into(),
            at(when),
        ],
    )
    .await?;
    Ok(())
}

/// Keeps who did what to whom.
pub(crate) async fn audit<T: serde::Serialize>(
    transaction: &Transaction<'_>,
    ambient: &Ambient,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &T,
) -> Result<(), DbErr> {
    let id = doorstep_core::NotificationId::new(&*ambient.clock, &*ambient.entropy);
    execute(
        transaction,
        "INSERT INTO audit (id, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)",
        [
            id.0.into(),
            at(ambient.now()),
            actor.into(),
            action.into(),
            subject.into(),
            json(detail)?,
        ],
    )
    .await?;
    Ok(())
}

/// Reads a customer from a row that holds one; `language` names its language column.
pub(crate) fn read_customer(row: &Row, id: Uuid, language: &str) -> Result<Customer, DbErr> {
    Ok(Customer {
        id: CustomerId(id),
        shop_id: row.get::<Option<String>>("shop_id")?.map(Into::into),
        name: row.get("name")?,
        email: row.get("email")?,
        language: row.optional_parsed(language)?,
        time_zone: row.time_zone("time_zone")?,
    })
}
