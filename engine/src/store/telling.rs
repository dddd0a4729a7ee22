//! What decisions about news share: whether it is news still, whether the customer hears too much, and putting a message
//! into a conversation.

use doorstep_core::{
    Ambient, ConversationId, CustomerId, DeliveryId, NotificationId, OutboundMessageId, Timestamp,
    TrackingNumber, message::Address, order::DateWindow, shipment::TrackingStatus,
};
use sea_orm::DbErr;

use super::{
    AtMost, Audience, News, Recipient, Store, StoreError, Transaction, Wait,
    admission::ensure_conversation,
    claims, execute,
    mailbox::announce,
    outbound::{NewOutbound, take_positions},
    parcels::{rank, read_status},
    query_one,
    row::{at, json},
};
use crate::queue::Job;

impl Store {
    /// The days that a parcel's customer was told last; `None` when they were told none.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn told_window(
        &self,
        parcel: &TrackingNumber,
    ) -> Result<Option<DateWindow>, StoreError> {
        let sql = "SELECT told_window FROM shipments WHERE tracking_number = $1";
        let rows = self.query(sql, [parcel.as_str().into()]).await?;
        let window = rows.first().map(|row| row.optional_json("told_window"));
        Ok(window.transpose()?.flatten())
    }
}

/// What was said in a transaction, to be announced and sent after it.
#[derive(Default)]
pub(super) struct Said {
    pub(super) positions: Vec<(Address, i64)>,
    pub(super) jobs: Vec<Job>,
    /// Whether the customer hears anything of the event, now or later.
    pub(super) anything: bool,
}

/// Why news is history, if the parcel's state is past it. Locks the parcel, so that two pieces of its news are told in
/// the order they happened.
pub(super) async fn history(
    transaction: &Transaction<'_>,
    news: Option<&News>,
) -> Result<Option<String>, DbErr> {
    let Some(news) = news else {
        return Ok(None);
    };
    let row = query_one(
        transaction,
        "UPDATE shipments SET tracking_number = tracking_number WHERE tracking_number = $1
            RETURNING status, status_at, order_number",
        [news.tracking_number.as_str().into()],
    )
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.get::<Option<String>>("order_number")?.is_none()
        && claims::was_taken_back(transaction, &news.tracking_number).await?
    {
        return Ok(Some("history: the parcel was taken back".to_owned()));
    }
    let newest = read_status(&row.get::<String>("status")?)?;
    let newest_at = row.time("status_at")?;
    let same = newest == news.status;
    // A later scan that says the same leaves it as true as it was.
    let repeats = same && news.again_from.is_none_or(|again| newest_at < again);
    if !repeats && (newest_at, rank(newest)) > (news.occurred_at, rank(news.status)) {
        if same {
            return Ok(Some("history: it happened again since".to_owned()));
        }
        return Ok(Some(format!(
            "history: the parcel is already {}",
            newest.as_str()
        )));
    }
    if is_progress(news.status) && was_final(transaction, news).await? {
        return Ok(Some(
            "history: the parcel had already arrived or was given up".to_owned(),
        ));
    }
    Ok(None)
}

/// Why news is history, if it is first heard of when nothing can be done with it any more: a scan of last week, or
/// yesterday's van after an outage.
pub(super) fn outlived(news: Option<&News>, now: Timestamp) -> Option<String> {
    let news = news.filter(|news| news.news_until.is_some_and(|until| until < now))?;
    Some(match (now - news.occurred_at).num_days() {
        1 => "history: it happened 1 day ago".to_owned(),
        days => format!("history: it happened {days} days ago"),
    })
}

async fn was_final(transaction: &Transaction<'_>, news: &News) -> Result<bool, DbErr> {
    let row = query_one(
        transaction,
        "SELECT 1 AS one FROM tracking_events WHERE tracking_number = $1
            AND status IN ('delivered', 'returned_to_sender', 'lost') LIMIT 1",
        [news.tracking_number.as_str().into()],
    )
    .await?;
    Ok(row.is_some())
}

/// Steps on the way, which nobody wants to hear of once the parcel has arrived.
fn is_progress(status: TrackingStatus) -> bool {
    matches!(
        status,
        TrackingStatus::PreTransit
            | TrackingStatus::InTransit
            | TrackingStatus::OutForDelivery
            | TrackingStatus::DeliveryAttempt
            | TrackingStatus::ReadyForPickup
            | TrackingStatus::Delayed
    )
}

/// What becomes of news whose customer heard enough today: it is put off, or held. Locks the customer, so that two decisions
/// count each other.
pub(super) async fn too_many(
    transaction: &Transaction<'_>,
    customer: Option<CustomerId>,
    at_most: Option<AtMost>,
) -> Result<Option<Audience>, DbErr> {
    let (Some(customer), Some(at_most)) = (customer, at_most) else {
        return Ok(None);
    };
    let sql = "UPDATE customers SET created_at = created_at WHERE id = $1";
    execute(transaction, sql, [customer.0.into()]).await?;
    let row = query_one(
        transaction,
        // What was told within another's message is one message with it.
        "SELECT COUNT(*) AS told FROM notifications WHERE customer_id = $1 AND decision = 'told' AND NOT urgent
            AND digest_id IS NULL AND COALESCE(due_at, created_at) >= $2",
        [customer.0.into(), at(at_most.since)],
    )
    .await?;
    let told: i64 = row.map(|row| row.get("told")).transpose()?.unwrap_or(0);
    let limit = at_most.notifications;
    let reason = format!("throttled: {limit} told today already");
    Ok(
        (told >= i64::from(limit)).then(|| match at_most.put_off_to {
            Some(until) => Audience::Waits(Wait {
                until,
                reason: format!("{reason}; waits for tomorrow"),
                joins: false,
            }),
            None => Audience::Held(reason),
        }),
    )
}

/// Puts a message for each recipient into their conversation, with its delivery where we must send it.
pub(super) async fn tell(
    transaction: &Transaction<'_>,
    ambient: &Ambient,
    notification: NotificationId,
    recipients: &[Recipient],
    said: &mut Said,
) -> Result<(), DbErr> {
    let now = ambient.now();
    for recipient in recipients {
        let delivery = DeliveryId::new(&*ambient.clock, &*ambient.entropy);
        let position = say(transaction, ambient, notification, recipient, delivery).await?;
        said.positions.push((recipient.address.clone(), position));
        if !recipient.delivers {
            continue;
        }
        said.jobs.push(Job::Deliver {
            delivery,
            channel: recipient.address.channel.clone(),
            news: true,
            attempt: 0,
            not_before: now,
        });
        if let Some(fallback_at) = recipient.fallback_at {
            let sql =
                "UPDATE deliveries SET fallback_at = $1, fallback_until_read = $2 WHERE id = $3";
            let values = [
                at(fallback_at),
                recipient.until_read.into(),
                delivery.0.into(),
            ];
            execute(transaction, sql, values).await?;
            said.jobs.push(Job::FallBack {
                delivery,
                not_before: fallback_at,
            });
        }
    }
    Ok(())
}

/// Remembers of parcels which days their customer was told, so that only days that moved are told again.
pub(super) async fn note_window(
    transaction: &Transaction<'_>,
    parcels: impl IntoIterator<Item = &News> + Send,
    recipients: &[Recipient],
) -> Result<(), DbErr> {
    let Some(window) = recipients.iter().find_map(|recipient| recipient.window) else {
        return Ok(());
    };
    let numbers: Vec<&str> = parcels
        .into_iter()
        .map(|news| news.tracking_number.as_str())
        .collect();
    for number in numbers {
        let sql = "UPDATE shipments SET told_window = $1 WHERE tracking_number = $2";
        execute(transaction, sql, [json(&window)?, number.into()]).await?;
    }
    Ok(())
}

/// Returns the message's position.
async fn say(
    transaction: &Transaction<'_>,
    ambient: &Ambient,
    notification: NotificationId,
    recipient: &Recipient,
    delivery: DeliveryId,
) -> Result<i64, DbErr> {
    let Ambient { clock, entropy } = ambient;
    let now: Timestamp = ambient.now();
    let new = ConversationId::new(&**clock, &**entropy);
    let conversation = ensure_conversation(transaction, &recipient.address, new, now).await?;
    let position = take_positions(transaction, conversation, 1).await?;
    let message = NewOutbound {
        id: OutboundMessageId::new(&**clock, &**entropy),
        conversation,
        position,
        content: &recipient.content,
        language: recipient.language.to_string(),
        in_reply_to: None,
        notification: Some(notification),
        delivery,
        address: &recipient.address,
        delivers: recipient.delivers,
    };
    message.insert(transaction, now).await?;
    announce(transaction, &recipient.address, position).await?;
    Ok(position)
}
