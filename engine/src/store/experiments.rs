//! What experiments leave behind: who was in which variant, and what these customers did then.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::TimeDelta;
use doorstep_core::{ChannelName, Timestamp, order::Order};
use sea_orm::DbErr;
use serde::Serialize;
use uuid::Uuid;

use super::{
    Store, StoreError, Transaction, execute,
    row::{Row, at},
    write::Write,
};
use crate::page_token::{TRACKING_PATH, TrackingScope};

/// The variant of customers who hear nothing.
pub const HOLDOUT: &str = "holdout";

/// A customer's place in an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The experiment's name.
    pub experiment: String,
    /// The variant's, or [`HOLDOUT`].
    pub variant: String,
}

/// What customers of a variant did within some days of the first news that the experiment was about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Deeds {
    /// Customers in the variant. Each counts once, however much they heard.
    pub customers: u64,
    /// Who asked where their order is all the same.
    pub asked: u64,
    /// Whose conversation went to a person.
    pub handed_over: u64,
    /// Who opened a message, on channels that tell. The web chat tells how far somebody has read, and not when.
    pub opened: u64,
    /// Who opened the tracking page.
    pub followed: u64,
    /// Who placed another order.
    pub bought_again: u64,
    /// Who sent something back, or wants to.
    pub returned: u64,
}

/// By experiment and variant.
pub type Outcomes = BTreeMap<String, BTreeMap<String, Deeds>>;

/// How a variant's messages reached its customers: what can be known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Means {
    /// The channels they were told on.
    pub channels: BTreeSet<ChannelName>,
    /// Whether any message named the tracking page.
    pub links: bool,
}

/// Asking where the order is. The likeliest intent stands first in what was understood.
const ASKED: [&str; 2] = ["order_status", "not_received"];

impl Store {
    /// What became of the experiments of customers whose first news was decided since `since`: what they did within
    /// `within` of it.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn outcomes(
        &self,
        since: Timestamp,
        within: TimeDelta,
    ) -> Result<Outcomes, StoreError> {
        let rows = self
            .query(&exposed(), [at(since), within.num_milliseconds().into()])
            .await?;
        let mut orders = self.later_orders(since).await?;
        let mut outcomes = Outcomes::new();
        for row in &rows {
            let customer: Uuid = row.get("customer_id")?;
            let first = row.time("since")?;
            let placed = orders.entry(customer).or_default();
            let again = placed
                .iter()
                .any(|placed| *placed > first && *placed <= first + within);
            let variants = outcomes.entry(row.get("experiment")?).or_default();
            let deeds = variants.entry(row.get("variant")?).or_default();
            count(deeds, row, again)?;
        }
        Ok(outcomes)
    }

    /// How the news of experiments was told since `since`, by experiment and variant.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn means_of_experiments(
        &self,
        since: Timestamp,
    ) -> Result<BTreeMap<String, BTreeMap<String, Means>>, StoreError> {
        let sql = format!(
            "SELECT n.experiment, n.variant, c.channel,
                MAX(CASE WHEN o.content LIKE '%{TRACKING_PATH}%' THEN CAST(1 AS BIGINT) ELSE 0 END) AS links
            FROM notifications n JOIN outbound_messages o ON o.notification_id = n.id
            JOIN conversations c ON c.id = o.conversation_id
            WHERE n.experiment IS NOT NULL AND n.created_at >= $1 GROUP BY n.experiment, n.variant, c.channel"
        );
        let mut all: BTreeMap<String, BTreeMap<String, Means>> = BTreeMap::new();
        for row in self.query(&sql, [at(since)]).await? {
            let variants = all.entry(row.get("experiment")?).or_default();
            let means = variants.entry(row.get("variant")?).or_default();
            means.channels.insert(ChannelName(row.get("channel")?));
            means.links |= row.get::<i64>("links")? > 0;
        }
        Ok(all)
    }

    /// When the customers of experiments placed orders.
    async fn later_orders(
        &self,
        since: Timestamp,
    ) -> Result<HashMap<Uuid, Vec<Timestamp>>, StoreError> {
        let sql = "SELECT o.customer_id, o.body FROM orders o WHERE o.customer_id IN
            (SELECT customer_id FROM notifications WHERE experiment IS NOT NULL AND created_at >= $1)";
        let mut orders: HashMap<Uuid, Vec<Timestamp>> = HashMap::new();
        for row in self.query(sql, [at(since)]).await? {
            let order: Order = row.json("body")?;
            orders
                .entry(row.get("customer_id")?)
                .or_default()
                .push(order.placed_at);
        }
        Ok(orders)
    }

    /// Notes that a customer opened an order's tracking page, for the experiments that told of it. Mostly there are
    /// none, and nothing is written.
    ///
    /// # Errors
    /// Nothing was noted.
    pub async fn note_followed(&self, scope: &TrackingScope) -> Result<(), StoreError> {
        let values = [scope.customer.0.into(), scope.order.as_str().into()];
        let sql = format!("SELECT 1 AS one FROM notifications WHERE {UNFOLLOWED} LIMIT 1");
        if self.query(&sql, values).await?.is_empty() {
            return Ok(());
        }
        let now = self.ambient().now();
        self.write(NoteFollowed {
            scope: scope.clone(),
            now,
        })
        .await
    }
}

const UNFOLLOWED: &str =
    "customer_id = $1 AND order_number = $2 AND experiment IS NOT NULL AND decision = 'told'
    AND followed_at IS NULL";

struct NoteFollowed {
    scope: TrackingScope,
    now: Timestamp,
}

#[async_trait]
impl Write for NoteFollowed {
    type Output = ();
    const NAME: &'static str = "note_followed";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        let sql = format!("UPDATE notifications SET followed_at = $3 WHERE {UNFOLLOWED}");
        let scope = &self.scope;
        let values = [
            scope.customer.0.into(),
            scope.order.as_str().into(),
            at(self.now),
        ];
        execute(transaction, &sql, values).await.map(drop)
    }
}

/// Each customer of each experiment, with what they did from their first news ($1: since when it counts) until $2
/// milliseconds later.
fn exposed() -> String {
    let then = |time: &str| format!("{time} > t.since AND {time} <= t.since + $2");
    let theirs = "JOIN conversations c ON c.id = x.conversation_id
        JOIN identities i ON i.channel = c.channel AND i.address = c.address AND i.customer_id = t.customer_id";
    let asked = ASKED
        .map(|intent| format!("x.understanding LIKE '%\"intents\":[{{\"name\":\"{intent}\"%'"));
    let deeds = [
        ("asked", format!("inbound_messages x {theirs} WHERE ({}) AND {}", asked.join(" OR "), then("x.admitted_at"))),
        ("handed_over", format!("handoffs x {theirs} WHERE {}", then("x.requested_at"))),
        (
            "opened",
            format!(
                "notifications n JOIN outbound_messages o ON o.notification_id = n.id
                    JOIN conversations c ON c.id = o.conversation_id
                    LEFT JOIN deliveries d ON d.outbound_id = o.id
                    WHERE n.customer_id = t.customer_id AND n.experiment = t.experiment AND (({}) OR
                        (o.created_at <= t.since + $2 AND o.position <= c.read_position))",
                then("d.read_at")
            ),
        ),
        (
            "followed",
            format!(
                "notifications n WHERE n.customer_id = t.customer_id AND n.experiment = t.experiment AND {}",
                then("n.followed_at")
            ),
        ),
        (
            "returned",
            format!(
                "notifications n JOIN commerce_events e ON e.id = n.event_id WHERE n.customer_id = t.customer_id
                    AND e.kind IN ('return_requested', 'return_received') AND {}",
                then("e.occurred_at")
            ),
        ),
    ];
    let columns = deeds.map(|(name, from)| {
        format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {from}) THEN CAST(1 AS BIGINT) ELSE 0 END AS {name}"
        )
    });
    format!(
        "SELECT t.experiment, t.variant, t.customer_id, t.since, {} FROM
            (SELECT experiment, variant, customer_id, MIN(created_at) AS since FROM notifications
                WHERE experiment IS NOT NULL AND customer_id IS NOT NULL
                GROUP BY experiment, variant, customer_id HAVING MIN(created_at) >= $1) t
            ORDER BY t.experiment, t.variant",
        columns.join(", ")
    )
}

fn count(deeds: &mut Deeds, row: &Row, bought_again: bool) -> Result<(), DbErr> {
    let done = |column: &str| Ok::<_, DbErr>(u64::from(row.get::<i64>(column)? > 0));
    deeds.customers += 1;
    deeds.asked += done("asked")?;
    deeds.handed_over += done("handed_over")?;
    deeds.opened += done("opened")?;
    deeds.followed += done("followed")?;
    deeds.returned += done("returned")?;
    deeds.bought_again += u64::from(bought_again);
    Ok(())
}
