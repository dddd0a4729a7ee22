//! `doorstep catalog import`
//!
//! The feed goes into the store, whether a server runs or not; every server that runs over it takes it up.

use std::{
    collections::BTreeSet,
    io::{IsTerminal, stderr},
    path::Path,
    sync::Arc,
};

use doorstep_engine::{
    Store,
    store::{Import, Kept},
};
use serde_json::json;

use super::{Failure, load_config, print, report};
use crate::{
    ambient,
    cli::Cli,
    config::Config,
    feed::{self, Feed, Format},
};

pub(super) async fn import(cli: &Cli, file: &Path, format: Format) -> Result<(), Failure> {
    let misuse =
        |reason: &dyn std::fmt::Display| Failure::Misuse(format!("{}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| misuse(&error))?;
    let config = load_config(cli)?;
    let feed = feed::read(&text, format, config.shop.currency).map_err(|error| misuse(&error))?;
    for refused in &feed.refused {
        report(&format!("{}:{refused}", file.display()));
    }
    if stderr().is_terminal() {
        report(&format!("storing {} products …", feed.products.len()));
    }
    let store = open_migrated_store(&config).await?;
    let import = what_to_import(&feed, &config);
    if import.kept == Kept::All {
        report("nothing is removed: a row that cannot be read does not say which product it is");
    }
    let products = import.products.iter();
    let not_shown = products
        .filter(|imported| imported.units.is_empty())
        .count();
    if not_shown > 0 {
        report(&format!(
            "{not_shown} product(s) came without a price or without stock; customers are not shown them unless the shop \
             knows them"
        ));
    }
    let imported = store.import(import).await.map_err(Failure::finding)?;
    let unchanged = feed.products.len() - imported.changed;
    let refused = feed.refused.len();
    if cli.json {
        let rows: Vec<_> = feed
            .refused
            .iter()
            .map(|row| json!({ "line": row.line, "column": row.column, "reason": row.reason }))
            .collect();
        print(json!({
            "imported": imported.changed,
            "unchanged": unchanged,
            "deleted": imported.deleted,
            "refused": refused,
            "not_shown": not_shown,
            "rows": rows,
        }))?;
    } else {
        print(format!(
            "{} imported, {unchanged} unchanged, {} deleted, {refused} refused; a running server has them in its search \
             within seconds, another when it starts",
            imported.changed, imported.deleted
        ))?;
    }
    match refused {
        0 => Ok(()),
        count => Err(Failure::Finding(format!(
            "{count} row(s) were refused; the rest is imported"
        ))),
    }
}

/// What the rows say. A product with a refused row is left as it was; a row that does not say which product it is may be any
/// of them, so then nothing is removed.
fn what_to_import(feed: &Feed, config: &Config) -> Import {
    let broken: Option<BTreeSet<String>> =
        feed.refused.iter().map(|row| row.product.clone()).collect();
    let products = feed.products.iter();
    Import {
        products: products
            .map(|listed| listed.imported(config.shop.currency))
            .collect(),
        kept: broken.map_or(Kept::All, Kept::Only),
    }
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
