//! What was decided about an erased customer's news, and what became of its messages.

use std::collections::BTreeSet;

use sea_orm::{DbErr, Value};
use uuid::Uuid;

use super::super::{Transaction, execute, query};

/// Has nothing more told that waits, and overwrites why things were told or held: reasons name time zones and channels.
pub(super) async fn erase_decisions(
    transaction: &Transaction<'_>,
    customers: &BTreeSet<Uuid>,
    orders: &BTreeSet<String>,
) -> Result<(), DbErr> {
    for customer in customers {
        erase_where(transaction, "customer_id", (*customer).into()).await?;
    }
    for order in orders {
        erase_where(transaction, "order_number", order.as_str().into()).await?;
    }
    Ok(())
}

async fn erase_where(
    transaction: &Transaction<'_>,
    column: &str,
    value: Value,
) -> Result<(), DbErr> {
    let sql = format!(
        "UPDATE notifications SET decision = 'held', due_at = NULL WHERE {column} = $1 AND decision = 'waits'"
    );
    execute(transaction, &sql, [value.clone()]).await?;
    let sql = format!("UPDATE notifications SET reason = 'erased' WHERE {column} = $1");
    execute(transaction, &sql, [value]).await?;
    Ok(())
}

/// Passes no message of a conversation on to the next channel, and overwrites what providers said of them: their words and
/// their identifiers may hold the address.
pub(super) async fn erase_traces_of_sending(
    transaction: &Transaction<'_>,
    conversation: Uuid,
) -> Result<(), DbErr> {
    let deliveries = query(
        transaction,
        "UPDATE deliveries SET fallback_at = NULL, provider_id = NULL, delivered_at = NULL, read_at = NULL,
                reason = CASE WHEN reason IS NULL THEN NULL ELSE 'erased' END
            WHERE outbound_id IN (SELECT id FROM outbound_messages WHERE conversation_id = $1) RETURNING id",
        [conversation.into()],
    )
    .await?;
    for row in deliveries {
        let delivery: Uuid = row.get("id")?;
        let sql = "UPDATE delivery_attempts SET reason = NULL WHERE delivery_id = $1";
        execute(transaction, sql, [delivery.into()]).await?;
        execute(
            transaction,
            "UPDATE audit SET detail = '\"erased\"'
                WHERE action IN ('fail_delivery', 'lose_track_of_delivery') AND subject = $1",
            [delivery.to_string().into()],
        )
        .await?;
    }
    execute(
        transaction,
        "UPDATE conversations SET closed_reason = 'erased' WHERE id = $1 AND closed_reason IS NOT NULL",
        [conversation.into()],
    )
    .await?;
    Ok(())
}
