//! `doorstep handoffs`

use doorstep_core::{HandoffId, Language, mask::mask_card_numbers};
use doorstep_engine::{
    Store,
    dialogue::handed_back,
    store::{Farewell, Handoff},
};
use doorstep_jobs::Queue;
use serde_json::{Value, json};

use super::{Failure, load_config, open_store, print};
use crate::{
    ambient,
    cli::{Cli, Handoffs},
    config::Config,
    merchant::MerchantFiles,
    nowhere,
    opening::{shop_profile, with_kept_secrets},
};

/// Who closes requests, in the audit.
const ACTOR: &str = "operator";

pub(super) async fn run(cli: &Cli, command: &Handoffs) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let store = open_store(&config).await?;
    match command {
        Handoffs::List => list(cli, &store).await,
        Handoffs::Show { id } => {
            let handoff = find(&store, *id).await?;
            match cli.json {
                true => print(as_json(&handoff)),
                false => print(format!("{}\n\n{}", line(&handoff), handoff.summary.trim())),
            }
        }
        Handoffs::Close { id, say } => {
            let handoff = find(&store, *id).await?;
            close(cli, config, &store, &handoff, say.as_deref()).await
        }
    }
}

async fn find(store: &Store, id: HandoffId) -> Result<Handoff, Failure> {
    let handoff = store.find_handoff(id).await.map_err(Failure::finding)?;
    handoff.ok_or_else(|| {
        Failure::Finding(format!(
            "nobody waits as `{id}`; `doorstep handoffs list` names who does"
        ))
    })
}

async fn list(cli: &Cli, store: &Store) -> Result<(), Failure> {
    let open = store.open_handoffs().await.map_err(Failure::finding)?;
    if open.is_empty() && !cli.json {
        return print("nobody waits for a person");
    }
    for handoff in &open {
        match cli.json {
            true => print(as_json(handoff))?,
            false => print(line(handoff))?,
        }
    }
    Ok(())
}

async fn close(
    cli: &Cli,
    config: Config,
    store: &Store,
    handoff: &Handoff,
    said: Option<&str>,
) -> Result<(), Failure> {
    let farewell = farewell(config, handoff, said)?;
    // The message is sent by a job.
    Queue::migrate(store.database())
        .await
        .map_err(Failure::finding)?;
    let told = farewell.as_ref().map(|farewell| farewell.language.clone());
    let closed = store.close_handoff(handoff.id, farewell, ACTOR);
    if !closed.await.map_err(Failure::finding)? {
        return Err(Failure::Finding(format!(
            "`{}` was closed before",
            handoff.id
        )));
    }
    if cli.json {
        return print(json!({ "closed": handoff.id, "told_in": told }));
    }
    let told = told.as_ref().map(Language::to_string);
    print(match told {
        Some(language) => {
            format!("closed: the assistant answers there again, and says so ({language})")
        }
        None => format!(
            "closed: the assistant answers there again; the customer is not told, for `{}` is not configured any more",
            handoff.address.channel
        ),
    })
}

/// What the customer is told; nothing on a channel that is not there any more.
fn farewell(
    config: Config,
    handoff: &Handoff,
    said: Option<&str>,
) -> Result<Option<Farewell>, Failure> {
    let ambient = ambient::system();
    let merchant = MerchantFiles::load(&config).map_err(Failure::Problems)?;
    let config = with_kept_secrets(config, &ambient)?;
    let channels = nowhere::open_channels(&config, &ambient).map_err(Failure::finding)?;
    let Some(channel) = channels.all.get(&handoff.address.channel) else {
        return Ok(None);
    };
    let said = said.map(|said| mask_card_numbers(said.trim()));
    let (content, language) = handed_back(
        &merchant.templates,
        &shop_profile(&config),
        handoff,
        said.as_deref().filter(|said| !said.is_empty()),
        ambient.now(),
    )
    .map_err(Failure::finding)?;
    Ok(Some(Farewell {
        content,
        language,
        delivers: !channel.capabilities().mailbox,
    }))
}

fn line(handoff: &Handoff) -> String {
    let urgent = if handoff.urgent { "URGENT  " } else { "" };
    let since = handoff.requested_at.format("%Y-%m-%d %H:%M");
    let who = match (&handoff.name, &handoff.email) {
        (Some(name), Some(email)) => format!("{name} <{email}>"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => format!("{} (not known)", handoff.address.id),
    };
    let closed = match handoff.closed_at {
        Some(at) => format!("  closed {} UTC", at.format("%Y-%m-%d %H:%M")),
        None => String::new(),
    };
    format!(
        "{}  {urgent}since {since} UTC{closed}\n    {who} on {}: {}",
        handoff.id, handoff.address.channel, handoff.reason
    )
}

fn as_json(handoff: &Handoff) -> Value {
    json!({
        "id": handoff.id,
        "channel": handoff.address.channel,
        "address": handoff.address.id,
        "name": handoff.name,
        "email": handoff.email,
        "language": handoff.language,
        "reason": handoff.reason,
        "urgent": handoff.urgent,
        "since": handoff.requested_at,
        "closed_at": handoff.closed_at,
        "summary": handoff.summary,
    })
}
