//! What decisions about news share: whether it is news still, whether the customer hears too much, and putting a message
//! into a conversation.

use doorstep_core::{
    Ambient, ConversationId, CustomerId, DeliveryId, NotificationId, OutboundMessageId, Timestamp,
    message::Address, shipment::TrackingStatus,
};
use sea_orm::DbErr;

use super::{
    AtMost, News, Recipient, Transaction, execute,
    mailbox::announce,
    messages::{NewOutbound, ensure_conversation, take_positions},
    orders::{rank, read_status},
    query_one,
    row::at,
};
use crate::queue::Job;

/// What was said in a transaction, to be announced and sent after it.
#[derive(Default)]
pub(super) struct Said {
    pub(super) positions: Vec<(Address, i64)>,
    pub(super) jobs: Vec<Job>,
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
            RETURNING status, status_at",
        [news.tracking_number.as_str().into()],
    )
    .await?;
    let Some(row) = row else { return Ok(None) };
    let newest = read_status(&row.get::<String>("status")?)?;
    let newest_at = row.time("status_at")?;
    if (newest_at, rank(newest)) > (news.occurred_at, rank(news.status)) {
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

/// Why the customer hears no more today, if so. Locks the customer, so that two decisions count each other.
pub(super) async fn too_many(
    transaction: &Transaction<'_>,
    customer: Option<CustomerId>,
    at_most: Option<AtMost>,
) -> Result<Option<String>, DbErr> {
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
    Ok((told >= i64::from(limit)).then(|| format!("throttled: {limit} told today already")))
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
            let sql = "UPDATE deliveries SET fallback_at = $1 WHERE id = $2";
            execute(transaction, sql, [at(fallback_at), delivery.0.into()]).await?;
            said.jobs.push(Job::FallBack {
                delivery,
                not_before: fallback_at,
            });
        }
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
