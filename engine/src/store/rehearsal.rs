//! What a rehearsal takes from the store: past events and the people they are about. It reads; the rehearsal writes to a
//! store of its own.

use async_trait::async_trait;
use doorstep_core::{CommerceEventId, Timestamp, event::CommerceEvent};
use sea_orm::{DbErr, Value};

use super::{
    Store, StoreError, Transaction, execute,
    row::{Column, Row, at, placeholders},
    write::Write,
};

/// An event that was admitted.
#[derive(Debug, Clone, PartialEq)]
pub struct PastEvent {
    /// Our identifier.
    pub id: CommerceEventId,
    /// What we read in it.
    pub event: CommerceEvent,
    /// When it was admitted.
    pub admitted_at: Timestamp,
}

/// Customers, their addresses, and what they want to hear, as rows to be copied.
#[derive(Debug, Clone, Default)]
pub struct People {
    tables: Vec<(&'static Table, Vec<Vec<Value>>)>,
}

/// The columns of a table that are copied, in an order that every reference finds its row.
#[derive(Debug)]
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    /// Which rows.
    from: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Id,
    Text,
    Time,
    Flag,
}

const TABLES: [Table; 4] = [
    Table {
        name: "customers",
        columns: &[
            ("id", Kind::Id),
            ("shop_id", Kind::Text),
            ("name", Kind::Text),
            ("email", Kind::Text),
            ("language", Kind::Text),
            ("time_zone", Kind::Text),
            ("created_at", Kind::Time),
        ],
        from: "customers",
    },
    Table {
        name: "identities",
        columns: &[
            ("channel", Kind::Text),
            ("address", Kind::Text),
            ("customer_id", Kind::Id),
            ("proven_by", Kind::Text),
            ("proven_at", Kind::Time),
        ],
        from: "identities",
    },
    Table {
        name: "preferences",
        columns: &[
            ("customer_id", Kind::Id),
            ("topic", Kind::Text),
            ("channel", Kind::Text),
            ("allowed", Kind::Flag),
            ("changed_at", Kind::Time),
        ],
        from: "preferences",
    },
    Table {
        name: "conversations",
        columns: &[
            ("id", Kind::Id),
            ("channel", Kind::Text),
            ("address", Kind::Text),
            ("language", Kind::Text),
            ("closed_at", Kind::Time),
            ("closed_reason", Kind::Text),
            ("created_at", Kind::Time),
        ],
        // Those of strangers hear nothing.
        from: "conversations c WHERE EXISTS
            (SELECT 1 FROM identities i WHERE i.channel = c.channel AND i.address = c.address)",
    },
];
/// How many rows one statement copies.
const BATCH: usize = 64;

impl Store {
    /// Events that were admitted from `since` on and before `until`, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn events_between(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<PastEvent>, StoreError> {
        let sql = "SELECT id, parsed, admitted_at FROM commerce_events
            WHERE admitted_at >= $1 AND admitted_at < $2 ORDER BY admitted_at, id";
        let rows = self.query(sql, [at(since), at(until)]).await?;
        let events = rows.iter().map(|row| {
            Ok::<_, DbErr>(PastEvent {
                id: CommerceEventId(row.get("id")?),
                event: row.json("parsed")?,
                admitted_at: row.time("admitted_at")?,
            })
        });
        Ok(events.collect::<Result<_, _>>()?)
    }

    /// Everybody who may hear something.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn people(&self) -> Result<People, StoreError> {
        let mut people = People::default();
        for table in &TABLES {
            let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
            let sql = format!("SELECT {} FROM {}", columns.join(", "), table.from);
            let rows = self.query(&sql, []).await?;
            let values = rows.iter().map(|row| {
                let columns = table.columns.iter();
                columns
                    .map(|(name, kind)| kind.value(row, name))
                    .collect::<Result<Vec<_>, _>>()
            });
            people
                .tables
                .push((table, values.collect::<Result<_, _>>()?));
        }
        Ok(people)
    }

    /// Takes everybody in, into a store that knows nobody.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn take_in(&self, people: People) -> Result<(), StoreError> {
        self.write(TakeIn { people }).await
    }
}

impl Kind {
    fn value(self, row: &Row, column: &str) -> Result<Value, DbErr> {
        fn read<T: Column>(row: &Row, column: &str) -> Result<T, DbErr> {
            row.get(column)
        }
        Ok(match self {
            Self::Id => Value::Uuid(read(row, column)?),
            Self::Text => Value::String(read(row, column)?),
            Self::Time => Value::BigInt(read(row, column)?),
            Self::Flag => read::<bool>(row, column)?.into(),
        })
    }
}

struct TakeIn {
    people: People,
}

#[async_trait]
impl Write for TakeIn {
    type Output = ();
    const NAME: &'static str = "take_in";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<(), DbErr> {
        for (table, rows) in &self.people.tables {
            let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
            for rows in rows.chunks(BATCH) {
                let mut sql = format!(
                    "INSERT INTO {} ({}) VALUES ",
                    table.name,
                    columns.join(", ")
                );
                placeholders(&mut sql, rows.len(), columns.len());
                execute(transaction, &sql, rows.iter().flatten().cloned()).await?;
            }
        }
        Ok(())
    }
}
