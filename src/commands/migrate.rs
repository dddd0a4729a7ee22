//! `doorstep migrate`

use serde_json::json;

use super::{Failure, load_config, print};
use crate::{app::open_database, cli::Cli};

pub(super) async fn run(cli: &Cli) -> Result<(), Failure> {
    let config = load_config(cli)?;
    crate::observe::start_logging(&config.log);
    let database = open_database(&config).await.map_err(Failure::finding)?;
    let pending = database
        .pending_migrations()
        .await
        .map_err(Failure::finding)?;
    database.migrate().await.map_err(Failure::finding)?;
    doorstep_jobs::Queue::migrate(&database)
        .await
        .map_err(Failure::finding)?;
    if cli.json {
        return print(json!({ "applied": pending }));
    }
    match pending.len() {
        0 => print("the schema was up to date"),
        count => print(format!(
            "applied {count} migration(s): {}",
            pending.join(", ")
        )),
    }
}
