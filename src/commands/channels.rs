//! `doorstep channels`

use doorstep_core::{ChannelName, Health};
use serde_json::json;

use super::{Failure, load_config, print};
use crate::{
    ambient,
    cli::{ChannelsCommand, Cli},
    nowhere,
    opening::with_kept_secrets,
};

pub(super) async fn run(cli: &Cli, command: &ChannelsCommand) -> Result<(), Failure> {
    match command {
        ChannelsCommand::Test { name } => test(cli, name).await,
    }
}

/// Asks the provider what works. Nothing is sent to customers.
async fn test(cli: &Cli, name: &str) -> Result<(), Failure> {
    let ambient = ambient::system();
    let config = with_kept_secrets(load_config(cli)?, &ambient)?;
    let channels = nowhere::open_channels(&config, &ambient).map_err(Failure::finding)?;
    let channel = channels.get(&ChannelName::from(name)).ok_or_else(|| {
        let known: Vec<_> = channels.all.keys().map(|name| name.as_str()).collect();
        Failure::Misuse(format!(
            "no channel `{name}` is configured; configured: {}",
            known.join(", ")
        ))
    })?;
    let looked_at = channel.diagnose().await;
    let missing = looked_at
        .iter()
        .filter(|diagnosis| diagnosis.health != Health::Ok)
        .count();
    if cli.json {
        let list: Vec<_> = looked_at
            .iter()
            .map(|diagnosis| json!({"what": diagnosis.what, "health": diagnosis.health}))
            .collect();
        print(json!({"channel": name, "looked_at": list}))?;
    } else {
        for diagnosis in &looked_at {
            let line = match &diagnosis.health {
                Health::Ok => format!("ok       {}", diagnosis.what),
                Health::Degraded { reason } => format!("limited  {}: {reason}", diagnosis.what),
                Health::Down { reason } => format!("missing  {}: {reason}", diagnosis.what),
            };
            print(line)?;
        }
    }
    match missing {
        0 => Ok(()),
        1 => Err(Failure::Finding(format!("{name}: one thing is missing"))),
        more => Err(Failure::Finding(format!(
            "{name}: {more} things are missing"
        ))),
    }
}
