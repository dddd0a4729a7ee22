//! `doorstep jobs`

use doorstep_jobs::{
    DeadLetters, Queue,
    dead_letters::{Done, FailedJob},
};
use serde_json::json;

use super::{Failure, load_config, open_store, print};
use crate::cli::{Cli, Jobs};

pub(super) async fn run(cli: &Cli, command: &Jobs) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let store = open_store(&config).await?;
    Queue::migrate(store.database())
        .await
        .map_err(Failure::finding)?;
    let letters = DeadLetters::of(&store)
        .ok_or_else(|| Failure::Finding("the database has no job queue".to_owned()))?;
    match command {
        Jobs::List => list(cli, &letters).await,
        Jobs::Retry { id } => {
            let done = letters.retry(id).await.map_err(Failure::finding)?;
            told(
                done,
                id,
                "it is tried again within seconds, if the program runs",
            )
        }
        Jobs::Discard { id } => {
            let done = letters.discard(id).await.map_err(Failure::finding)?;
            told(done, id, "given up; the audit names what it was about")
        }
    }
}

async fn list(cli: &Cli, letters: &DeadLetters) -> Result<(), Failure> {
    let failed = letters.list().await.map_err(Failure::finding)?;
    if failed.is_empty() && !cli.json {
        return print("no job has failed");
    }
    for job in &failed {
        match cli.json {
            true => print(json!(job))?,
            false => tell(job)?,
        }
    }
    Ok(())
}

fn tell(job: &FailedJob) -> Result<(), Failure> {
    let next = match job.next_try {
        Some(next) => format!("tried again at {next}"),
        None => "dead: retry or discard it".to_owned(),
    };
    print(format!(
        "{}  {} {}\n    {} attempts; {next}\n    {}",
        job.id, job.queue, job.subject, job.attempts, job.error
    ))
}

fn told(done: Done, id: &str, words: &str) -> Result<(), Failure> {
    match done {
        Done::Done => print(words),
        Done::Unknown => Err(Failure::Finding(format!(
            "no failed job is named `{id}`; `doorstep jobs list` names them"
        ))),
    }
}
