//! Products that a feed brought, with price and stock as it told them; and whose turn it is to compare the catalog.
//!
//! An import is one transaction: all that it brings is there, and all that it takes away is gone, or nothing is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use chrono::TimeDelta;
use doorstep_core::{
    Money, Sku, Timestamp,
    product::{Product, StockLevel},
};
use sea_orm::{DbErr, Value};
use serde::{Deserialize, Serialize};

use super::{
    Row, Store, StoreError, Transaction, execute, query, query_one,
    row::{at, json},
    write::Write,
};

/// How many values one statement takes.
const AT_ONCE: usize = 500;
/// How long a turn lasts unless it is taken again: longer than a page of a shop's catalog takes.
const TURN: TimeDelta = TimeDelta::minutes(10);

/// A product of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedProduct {
    /// The product.
    pub product: Product,
    /// What the feed tells of its variants; of those that are not here it tells nothing.
    pub units: Vec<ImportedUnit>,
}

/// Price and stock of one variant, as a feed tells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedUnit {
    /// Which variant.
    pub sku: Sku,
    /// Its price.
    pub price: Money,
    /// How many can be bought.
    pub quantity: u32,
}

impl ImportedProduct {
    fn levels(&self, as_of: Timestamp) -> impl Iterator<Item = StockLevel> {
        self.units.iter().map(move |unit| StockLevel {
            sku: unit.sku.clone(),
            price: unit.price,
            quantity: unit.quantity,
            as_of,
        })
    }
}

/// What an import is to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// What the feed brings.
    pub products: Vec<ImportedProduct>,
    /// What of the former imports stays as it is though the feed does not bring it.
    pub kept: Kept,
    /// How much it may take away.
    pub removals: Removals,
}

/// How much of what is there an import may remove: a feed that was cut off looks like a shop that sells little.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Removals {
    /// Half of the imported products at most.
    #[default]
    UpToHalf,
    /// Every one.
    Any,
}

/// What an import leaves as it is of what it does not bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The products of these ids.
    Only(BTreeSet<String>),
    /// Every product.
    All,
}

impl Default for Kept {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

/// What an import changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Products that were new or came differently.
    pub changed: usize,
    /// Products that the feed no longer brings.
    pub deleted: usize,
}

/// An import that changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It would take away more than it may ([`Import::removals`]).
    #[error("it would remove {removed} of {stored} imported products")]
    TooManyRemovals {
        /// How many imported products are there that it neither brings nor keeps.
        removed: usize,
        /// How many are there.
        stored: usize,
    },
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Puts the products of a feed in the place of those that the imports before it brought. All that it brings is of now.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn import(&self, import: Import) -> Result<Imported, ImportError> {
        self.import_counting(import, Arc::default()).await
    }

    /// As [`Store::import`]; `written` holds, while it runs, how many products are written so far.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn import_counting(
        &self,
        import: Import,
        written: Arc<AtomicUsize>,
    ) -> Result<Imported, ImportError> {
        let now = self.ambient().now();
        let write = WriteImport {
            import,
            now,
            written,
        };
        let outcome = self.write(write).await?;
        outcome
            .map_err(|TooMany { removed, stored }| ImportError::TooManyRemovals { removed, stored })
    }

    /// How many imports there have been: whoever has seen fewer has something to index.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn imports(&self) -> Result<i64, StoreError> {
        let rows = self.query("SELECT imports FROM catalog_turns", []).await?;
        let imports = rows.first().map(|row| row.get::<i64>("imports"));
        Ok(imports.transpose()?.unwrap_or_default())
    }

    /// A page of imported products after the id `after`, in the order of their ids; an empty one is the end.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn list_imported(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ImportedProduct>, StoreError> {
        let sql = "SELECT body FROM imported_products WHERE id > $1 ORDER BY id LIMIT $2";
        let values = [after.unwrap_or_default().into(), i64::from(limit).into()];
        let rows = self.query(sql, values).await?;
        let read = rows.iter().map(|row| row.json("body"));
        Ok(read.collect::<Result<Vec<_>, DbErr>>()?)
    }

    /// The imported products of `ids` by id; unknown ones are left out.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn find_imported(
        &self,
        ids: &[String],
    ) -> Result<BTreeMap<String, ImportedProduct>, StoreError> {
        let mut found = BTreeMap::new();
        for ids in ids.chunks(AT_ONCE) {
            let sql = format!(
                "SELECT body FROM imported_products WHERE id IN ({})",
                places(ids)
            );
            let ids = ids.iter().map(|id| id.as_str().into());
            for row in self.query(&sql, ids.collect::<Vec<Value>>()).await? {
                let imported: ImportedProduct = row.json("body")?;
                found.insert(imported.product.id.clone(), imported);
            }
        }
        Ok(found)
    }

    /// Price and stock of `skus`, of the time when they were imported; unknown ones are left out.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn imported_stock(
        &self,
        skus: &[Sku],
    ) -> Result<BTreeMap<Sku, StockLevel>, StoreError> {
        let mut found = BTreeMap::new();
        for skus in skus.chunks(AT_ONCE) {
            let sql = format!(
                "SELECT body, imported_at FROM imported_products
                    WHERE id IN (SELECT product_id FROM imported_units WHERE sku IN ({}))",
                places(skus)
            );
            let values = skus.iter().map(|sku| sku.as_str().into());
            for row in self.query(&sql, values.collect::<Vec<Value>>()).await? {
                let imported: ImportedProduct = row.json("body")?;
                let levels = imported.levels(row.time("imported_at")?);
                found.extend(
                    levels
                        .filter(|level| skus.contains(&level.sku))
                        .map(|level| (level.sku.clone(), level)),
                );
            }
        }
        Ok(found)
    }

    /// Takes the turn to compare the catalog, or keeps it. `false`: another instance has it. A SQLite file has one
    /// instance, whose turn it always is.
    ///
    /// # Errors
    /// Nobody's turn changed.
    pub async fn claim_catalog(&self) -> Result<bool, StoreError> {
        if !self.database().is_postgres() {
            return Ok(true);
        }
        let now = self.ambient().now();
        let sql = "UPDATE catalog_turns SET claimed_by = $1, claimed_until = $2
            WHERE claimed_until <= $3 OR claimed_by = $1 RETURNING name";
        let values = vec![self.instance().into(), at(now + TURN), at(now)];
        Ok(!self.keep_books(sql, values).await?.is_empty())
    }

    /// Ends this instance's turn.
    ///
    /// # Errors
    /// The turn ends by itself.
    pub async fn release_catalog(&self) -> Result<(), StoreError> {
        let sql = "UPDATE catalog_turns SET claimed_until = 0 WHERE claimed_by = $1 RETURNING name";
        let values = vec![self.instance().into()];
        self.keep_books(sql, values).await.map(drop)
    }
}

/// `$1, $2, …`, one for each of `values`.
fn places<T>(values: &[T]) -> String {
    let places: Vec<String> = (1..=values.len())
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

struct WriteImport {
    import: Import,
    now: Timestamp,
    /// For whoever watches; the database does not depend on it.
    written: Arc<AtomicUsize>,
}

/// So many of so many imported products would be removed.
struct TooMany {
    removed: usize,
    stored: usize,
}

#[async_trait]
impl Write for WriteImport {
    type Output = Result<Imported, TooMany>;
    const NAME: &'static str = "import_products";

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, DbErr> {
        if transaction.is_postgres() {
            // Another import ends first; SQLite has one writer.
            let lock = "SELECT name FROM catalog_turns FOR UPDATE";
            query(transaction, lock, []).await?;
        }
        let stored = stored_ids(transaction).await?;
        let gone = self.gone(&stored);
        if self.import.removals == Removals::UpToHalf && gone.len() * 2 > stored.len() {
            return Ok(Err(TooMany {
                removed: gone.len(),
                stored: stored.len(),
            }));
        }
        let sql = "UPDATE catalog_turns SET imports = imports + 1";
        execute(transaction, sql, []).await?;
        let mut changed = 0;
        for (place, imported) in self.import.products.iter().enumerate() {
            if self.put(transaction, imported).await? {
                changed += 1;
            }
            self.written.store(place + 1, Ordering::Relaxed);
        }
        remove(transaction, &gone).await?;
        Ok(Ok(Imported {
            changed,
            deleted: gone.len(),
        }))
    }
}

/// The ids of all imported products.
async fn stored_ids(transaction: &Transaction<'_>) -> Result<Vec<String>, DbErr> {
    let rows = query(transaction, "SELECT id FROM imported_products", []).await?;
    rows.iter()
        .map(|row: &Row| row.get::<String>("id"))
        .collect()
}

async fn remove(transaction: &Transaction<'_>, ids: &[&str]) -> Result<(), DbErr> {
    for id in ids {
        for sql in [
            "DELETE FROM imported_units WHERE product_id = $1",
            "DELETE FROM imported_products WHERE id = $1",
        ] {
            execute(transaction, sql, [(*id).into()]).await?;
        }
    }
    Ok(())
}

impl WriteImport {
    /// Whether it was new or another.
    async fn put(
        &self,
        transaction: &Transaction<'_>,
        imported: &ImportedProduct,
    ) -> Result<bool, DbErr> {
        let id = imported.product.id.as_str();
        let known = query_one(
            transaction,
            "SELECT body FROM imported_products WHERE id = $1",
            [id.into()],
        )
        .await?;
        let known = known.map(|row| row.json::<ImportedProduct>("body"));
        // What cannot be read any more is written anew.
        let is_known = known.is_some_and(|known| known.is_ok_and(|known| known == *imported));
        if is_known {
            // The same, told again: it is of now.
            let sql = "UPDATE imported_products SET imported_at = $1 WHERE id = $2";
            execute(transaction, sql, [at(self.now), id.into()]).await?;
            return Ok(false);
        }
        execute(
            transaction,
            "INSERT INTO imported_products (id, body, imported_at) VALUES ($1, $2, $3)
                ON CONFLICT (id) DO UPDATE SET body = excluded.body, imported_at = excluded.imported_at",
            [id.into(), json(imported)?, at(self.now)],
        )
        .await?;
        let sql = "DELETE FROM imported_units WHERE product_id = $1";
        execute(transaction, sql, [id.into()]).await?;
        for unit in &imported.units {
            let sql = "INSERT INTO imported_units (sku, product_id) VALUES ($1, $2)
                ON CONFLICT (sku, product_id) DO NOTHING";
            execute(transaction, sql, [unit.sku.as_str().into(), id.into()]).await?;
        }
        Ok(true)
    }

    /// Which of the `stored` products the feed neither brings nor leaves as they are.
    fn gone<'s>(&self, stored: &'s [String]) -> Vec<&'s str> {
        let Kept::Only(kept) = &self.import.kept else {
            return Vec::new();
        };
        let products = self.import.products.iter();
        let brought: BTreeSet<&str> = products
            .map(|imported| imported.product.id.as_str())
            .collect();
        let ids = stored.iter().map(String::as_str);
        ids.filter(|id| !brought.contains(id) && !kept.contains(*id))
            .collect()
    }
}

#[cfg(test)]
mod tests;
