//! `doorstep catalog import`
//!
//! The feed goes into the store, whether a server runs or not; every server that runs over it takes it up.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use doorstep_engine::{
    Store,
    store::{Import, ImportError, Imported, Kept, Removals},
};
use iso_currency::Currency;
use serde_json::{Value, json};
use tokio::time::interval;

use super::{Failure, load_config, print, progress::Progress, report};
use crate::{
    ambient,
    cli::{CatalogImport, Cli},
    config::{Config, DatabaseKind},
    feed::{self, Feed, Refused},
    unpack,
};

/// So many refused rows are told one by one; a file of another make has nothing but such.
const MOST_TOLD: usize = 20;
/// How often is looked how far the storing is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn import(cli: &Cli, arguments: &CatalogImport) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let feed = read(arguments, config.shop.currency)?;
    tell_refused(&arguments.file, &feed.refused);
    let removals = match arguments.allow_removals {
        true => Removals::Any,
        false => Removals::UpToHalf,
    };
    if feed.products.is_empty() && feed.refused.is_empty() && removals == Removals::UpToHalf {
        return Err(Failure::Misuse(format!(
            "{}: there is no product in it, so nothing is changed; add --allow-removals if every imported product is to go",
            arguments.file.display()
        )));
    }
    let rows: Vec<Value> = feed.refused.iter().map(as_json).collect();
    let import = what_to_import(feed, config.shop.currency, removals);
    if import.kept == Kept::All {
        report("nothing is removed: a row that cannot be read does not say which product it is");
    }
    let not_shown = import.products.iter();
    let not_shown = not_shown
        .filter(|imported| imported.units.is_empty())
        .count();
    if not_shown > 0 {
        report(&format!(
            "{not_shown} product(s) came without a price or without stock; customers are not shown them unless the shop \
             knows them"
        ));
    }
    let brought = import.products.len();
    let imported = store(&config, import).await?;
    let unchanged = brought - imported.changed;
    let kept_in = kept_in(&config);
    if cli.json {
        print(json!({
            "imported": imported.changed,
            "unchanged": unchanged,
            "deleted": imported.deleted,
            "refused": rows.len(),
            "not_shown": not_shown,
            "kept_in": kept_in,
            "rows": rows,
        }))?;
    } else {
        print(format!(
            "{} imported, {unchanged} unchanged, {} deleted, {} refused",
            imported.changed,
            imported.deleted,
            rows.len()
        ))?;
        print(format!("kept in {kept_in}; {}", who_serves(cli)))?;
    }
    match rows.len() {
        0 => Ok(()),
        count => Err(Failure::Finding(format!(
            "{count} row(s) were refused; the rest is imported"
        ))),
    }
}

fn read(arguments: &CatalogImport, currency: Currency) -> Result<Feed, Failure> {
    let misuse = |reason: &dyn std::fmt::Display| {
        Failure::Misuse(format!("{}: {reason}", arguments.file.display()))
    };
    let source = unpack::open(&arguments.file).map_err(|error| misuse(&error))?;
    let mut progress = Progress::new("rows read", None);
    let feed = feed::read(source, arguments.format, currency, &mut || progress.add(1));
    feed.map_err(|error| misuse(&error))
}

fn tell_refused(file: &Path, refused: &[Refused]) {
    for row in refused.iter().take(MOST_TOLD) {
        report(&format!("{}:{row}", file.display()));
    }
    if let Some(more) = refused
        .len()
        .checked_sub(MOST_TOLD)
        .filter(|more| *more > 0)
    {
        report(&format!("… and {more} more; --json prints every one"));
    }
}

fn as_json(row: &Refused) -> Value {
    json!({ "line": row.line, "column": row.column, "reason": row.reason })
}

/// What the rows say. A product with a refused row is left as it was; a row that does not say which product it is may be any
/// of them, so then nothing is removed.
fn what_to_import(feed: Feed, currency: Currency, removals: Removals) -> Import {
    let is_said = feed.refused.iter().all(|row| row.product.is_some());
    let products = feed.products.into_iter();
    Import {
        products: products.map(|listed| listed.imported(currency)).collect(),
        kept: match is_said {
            true => Kept::Only(feed.broken),
            false => Kept::All,
        },
        removals,
    }
}

/// Stores an import and tells how far it is.
async fn store(config: &Config, import: Import) -> Result<Imported, Failure> {
    let store = open_migrated_store(config).await?;
    let brought = import.products.len();
    let written = Arc::new(AtomicUsize::new(0));
    let mut progress = Progress::new("products stored", Some(brought));
    let mut looks = interval(LOOK_EVERY);
    let mut storing = Box::pin(store.import_counting(import, written.clone()));
    let outcome = loop {
        tokio::select! {
            outcome = &mut storing => break outcome,
            _ = looks.tick() => progress.set(written.load(Ordering::Relaxed)),
        }
    };
    outcome.map_err(|error| match error {
        ImportError::TooManyRemovals { removed, stored } => Failure::Finding(format!(
            "nothing is changed: {removed} of the {stored} imported products are not among the {brought} of this file. If \
             it is whole and they are to go, add --allow-removals"
        )),
        ImportError::Store(error) => Failure::finding(error),
    })
}

/// Where the products are now.
fn kept_in(config: &Config) -> String {
    match config.database.kind {
        // As it is written where the folder of the process is gone.
        DatabaseKind::Sqlite => std::path::absolute(&config.data_dir)
            .unwrap_or_else(|_| config.data_dir.clone())
            .display()
            .to_string(),
        DatabaseKind::Postgres => "the configured PostgreSQL database".to_owned(),
    }
}

/// The command whose search has them.
fn who_serves(cli: &Cli) -> String {
    let config = cli.config.as_ref();
    let config = config.map(|file| format!(" --config {}", file.display()));
    let set = match cli.set.is_empty() {
        true => "",
        false => " with the same --set",
    };
    let demo = match config {
        None => " (`doorstep demo` keeps to itself and does not)",
        Some(_) => "",
    };
    format!(
        "`doorstep serve{}`{set} has them in its search within seconds if it runs, else when it starts{demo}",
        config.unwrap_or_default()
    )
}

/// A server may never have run over it.
async fn open_migrated_store(config: &Config) -> Result<Store, Failure> {
    let database = crate::app::open_database(config).await;
    let database = database.map_err(Failure::finding)?;
    database.migrate().await.map_err(Failure::finding)?;
    let ambient = ambient::system();
    let queue = Arc::new(doorstep_jobs::Queue::new(ambient.clone()));
    Store::new(database, queue, ambient)
        .await
        .map_err(Failure::finding)
}
