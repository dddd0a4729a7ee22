//! `doorstep catalog import`

use std::path::Path;

use serde_json::json;

use super::{Failure, load_config, print, report};
use crate::{
    ambient,
    app::App,
    catalog,
    cli::{Cli, Role},
    feed::{self, Format},
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
    crate::observe::start_logging(&config.log);
    let app = App::start(config, ambient::system(), Role::Web, false).await?;
    let imported = catalog::import_feed(&app, &feed).await;
    app.shut_down().await;
    let imported = imported.map_err(Failure::finding)?;
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
            "rows": rows,
        }))?;
    } else {
        print(format!(
            "{} imported, {unchanged} unchanged, {} deleted, {refused} refused",
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
