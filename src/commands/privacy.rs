//! `doorstep privacy`

use std::sync::Arc;

use doorstep_engine::{Store, store::PrivacyRecord};
use doorstep_jobs::Queue;

use super::{Failure, load_config, print};
use crate::{ambient, app::open_database, cli::Cli};

pub(super) async fn run(cli: &Cli) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let database = open_database(&config).await.map_err(Failure::finding)?;
    let ambient = ambient::system();
    let queue = Arc::new(Queue::new(ambient.clone()));
    let store = Store::new(database, queue, ambient)
        .await
        .map_err(Failure::finding)?;
    let records = store.privacy_records().await.map_err(Failure::finding)?;
    if cli.json {
        let records = serde_json::to_string(&records).map_err(Failure::finding)?;
        return print(records);
    }
    if records.is_empty() {
        return print("nothing was asked about customers' data");
    }
    for record in records {
        print(line(&record))?;
    }
    Ok(())
}

fn line(record: &PrivacyRecord) -> String {
    let at = record.at.format("%Y-%m-%d %H:%M");
    let PrivacyRecord {
        actor,
        action,
        subject,
        detail,
        ..
    } = record;
    format!("{at}  {actor}  {action}  {subject}  {detail}")
}
