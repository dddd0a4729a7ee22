//! Overwriting what there is of a person: once this is committed, nothing of it stands in the database.

use doorstep_core::{
    CommerceEventId, Timestamp,
    event::{CommerceEvent, CommerceEventKind, DataSubject},
    message::{Address, Content},
    order::{Order, OrderCustomer},
};
use sea_orm::DbErr;
use serde::Serialize;
use uuid::Uuid;

use super::{
    super::{
        Transaction, attachments, execute, handoffs, query,
        row::{at, json},
    },
    news,
    traces::Traces,
};
use crate::queue::Job;

/// How much was erased.
#[derive(Serialize)]
pub(super) struct Erased {
    customers: usize,
    orders: usize,
    conversations: usize,
    events: usize,
    files: usize,
}

/// Returns how much it was, and the jobs that remove files from the storage.
pub(super) async fn erase(
    transaction: &Transaction<'_>,
    traces: &Traces,
    now: Timestamp,
) -> Result<(Erased, Vec<Job>), DbErr> {
    let mut files = Vec::new();
    for event in &traces.events {
        blank_event(transaction, CommerceEventId(*event)).await?;
    }
    for conversation in &traces.conversations {
        files.extend(attachments::blank(transaction, *conversation, now).await?);
        forget_links(transaction, *conversation).await?;
        blank_conversation(transaction, *conversation, now).await?;
        news::erase_traces_of_sending(transaction, *conversation).await?;
    }
    news::erase_decisions(transaction, &traces.customers, &traces.orders).await?;
    for order in &traces.orders {
        blank_order(transaction, order).await?;
    }
    for customer in &traces.customers {
        forget_customer(transaction, *customer).await?;
    }
    let erased = Erased {
        customers: traces.customers.len(),
        orders: traces.orders.len(),
        conversations: traces.conversations.len(),
        events: traces.events.len(),
        files: files.len(),
    };
    Ok((erased, files))
}

/// Overwrites a webhook's body and what was read in it; what remains still says what kind of thing happened when.
pub(super) async fn blank_event(
    transaction: &Transaction<'_>,
    id: CommerceEventId,
) -> Result<(), DbErr> {
    let sql = "SELECT parsed FROM commerce_events WHERE id = $1";
    for row in query(transaction, sql, [id.0.into()]).await? {
        let mut event: CommerceEvent = row.json("parsed")?;
        blank_kind(&mut event.kind);
        execute(
            transaction,
            "UPDATE commerce_events SET raw = $1, parsed = $2 WHERE id = $3",
            [Vec::<u8>::new().into(), json(&event)?, id.0.into()],
        )
        .await?;
    }
    let sql = "UPDATE tracking_events SET message = NULL, location = NULL WHERE event_id = $1";
    execute(transaction, sql, [id.0.into()]).await?;
    Ok(())
}

fn blank_kind(kind: &mut CommerceEventKind) {
    match kind {
        CommerceEventKind::OrderUpdated { order } => forget_who_ordered(order),
        CommerceEventKind::OrderCancelled { order, reason } => {
            forget_who_ordered(order);
            *reason = None;
        }
        CommerceEventKind::Fulfilled { event, .. } | CommerceEventKind::Tracking { event, .. } => {
            event.message = None;
            event.location = None;
        }
        CommerceEventKind::Remark { words, .. } => words.clear(),
        CommerceEventKind::CustomerDataRequested { person }
        | CommerceEventKind::CustomerRedacted { person } => *person = DataSubject::default(),
        CommerceEventKind::TakenBack { .. }
        | CommerceEventKind::ReturnRequested { .. }
        | CommerceEventKind::ReturnDeclined { .. }
        | CommerceEventKind::ReturnCancelled { .. }
        | CommerceEventKind::ReturnReceived { .. }
        | CommerceEventKind::RefundIssued { .. }
        | CommerceEventKind::ShopRedacted
        | CommerceEventKind::Due { .. } => {}
    }
}

fn forget_who_ordered(order: &mut Order) {
    order.customer = OrderCustomer {
        id: None,
        name: None,
        marketing: None,
        email: None,
        language: None,
        time_zone: None,
    };
    order.postcode = None;
}

async fn blank_order(transaction: &Transaction<'_>, number: &str) -> Result<(), DbErr> {
    let sql = "SELECT body FROM orders WHERE number = $1";
    for row in query(transaction, sql, [number.into()]).await? {
        let mut order: Order = row.json("body")?;
        forget_who_ordered(&mut order);
        execute(
            transaction,
            "UPDATE orders SET body = $1, customer_id = NULL WHERE number = $2",
            [json(&order)?, number.into()],
        )
        .await?;
    }
    // An order opened in chat left the address it was opened from.
    execute(
        transaction,
        "UPDATE audit SET detail = '\"erased\"' WHERE action = 'prove_by_order' AND subject = $1",
        [number.into()],
    )
    .await?;
    Ok(())
}

/// Overwrites everything that was said, and lets nothing more be sent.
async fn blank_conversation(
    transaction: &Transaction<'_>,
    id: Uuid,
    now: Timestamp,
) -> Result<(), DbErr> {
    execute(
        transaction,
        "UPDATE inbound_messages SET text = '', button = NULL, language_hint = NULL, proof = NULL, understanding = NULL,
                subject = NULL, edits = NULL
            WHERE conversation_id = $1",
        [id.into()],
    )
    .await?;
    execute(
        transaction,
        "UPDATE deliveries SET status = 'failed', settled_at = $1, reason = 'erased', claimed_by = NULL, claimed_at = NULL
            WHERE settled_at IS NULL AND outbound_id IN (SELECT id FROM outbound_messages WHERE conversation_id = $2)",
        [at(now), id.into()],
    )
    .await?;
    execute(
        transaction,
        // Providers repeat addresses in what they say.
        "UPDATE deliveries SET address = '', reason = CASE WHEN reason IS NULL THEN NULL ELSE 'erased' END WHERE outbound_id IN
            (SELECT id FROM outbound_messages WHERE conversation_id = $1)",
        [id.into()],
    )
    .await?;
    execute(
        transaction,
        "UPDATE delivery_attempts SET reason = NULL WHERE delivery_id IN
            (SELECT d.id FROM deliveries d JOIN outbound_messages m ON m.id = d.outbound_id WHERE m.conversation_id = $1)",
        [id.into()],
    )
    .await?;
    execute(
        transaction,
        "UPDATE outbound_messages SET content = $1 WHERE conversation_id = $2",
        [json(&Content::default())?, id.into()],
    )
    .await?;
    handoffs::forget(transaction, id, now).await?;
    execute(
        transaction,
        "UPDATE conversations SET address = $1, state = NULL, state_at = NULL, closed_reason = NULL, time_zone = NULL WHERE id = $2",
        [format!("erased {id}").into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Forgets links from and to a conversation's address, which the audit names too.
async fn forget_links(transaction: &Transaction<'_>, conversation: Uuid) -> Result<(), DbErr> {
    let sql = "SELECT channel, address FROM conversations WHERE id = $1";
    for row in query(transaction, sql, [conversation.into()]).await? {
        let channel: String = row.get("channel")?;
        let address = Address::new(channel.as_str(), row.get::<String>("address")?);
        let sql = "DELETE FROM link_tokens
            WHERE channel = $1 AND address = $2 OR used_channel = $1 AND used_address = $2";
        let values = [channel.into(), address.id.as_str().into()];
        execute(transaction, sql, values).await?;
        let sql = "UPDATE audit SET detail = '\"erased\"' WHERE action IN ('link', 'unlink') AND detail = $1";
        execute(transaction, sql, [json(&address)?]).await?;
    }
    Ok(())
}

/// Removes a customer; what pointed at them points at nobody.
async fn forget_customer(transaction: &Transaction<'_>, id: Uuid) -> Result<(), DbErr> {
    for sql in [
        "DELETE FROM identities WHERE customer_id = $1",
        "DELETE FROM preferences WHERE customer_id = $1",
        "DELETE FROM consents WHERE customer_id = $1",
        "UPDATE notifications SET customer_id = NULL, experiment = NULL, variant = NULL, followed_at = NULL
            WHERE customer_id = $1",
        "UPDATE orders SET customer_id = NULL WHERE customer_id = $1",
        "DELETE FROM customers WHERE id = $1",
    ] {
        execute(transaction, sql, [id.into()]).await?;
    }
    Ok(())
}
