//! `doorstep explain`

use doorstep_core::{CommerceEventId, OutboundMessageId};
use doorstep_engine::{
    Store,
    store::{Explained, ExplainedMessage},
};
use serde_json::json;

use super::{Failure, load_config, open_store, print};
use crate::cli::{Cli, Explain};

pub(super) async fn run(cli: &Cli, arguments: &Explain) -> Result<(), Failure> {
    let id = arguments.id.as_deref().map(identifier).transpose()?;
    let config = load_config(cli)?;
    let store = open_store(&config).await?;
    let explained = match (id, &arguments.order) {
        (Some(message), _) => by_id(&store, message).await?,
        (None, order) => by_order(&store, order.as_deref().unwrap_or_default()).await?,
    };
    for (place, decision) in explained.iter().enumerate() {
        match cli.json {
            true => print(json!(decision))?,
            false => {
                if place > 0 {
                    print("")?;
                }
                tell(decision)?;
            }
        }
    }
    Ok(())
}

fn identifier(id: &str) -> Result<OutboundMessageId, Failure> {
    id.parse().map_err(|_| {
        Failure::Misuse(format!(
            "`{id}` is no identifier; messages and events have ones like 019aa58e-0c1f-7b3e-8d43-5d2f0c9a7b11; \
             `--order NUMBER` finds them"
        ))
    })
}

async fn by_order(store: &Store, order: &str) -> Result<Vec<Explained>, Failure> {
    let explained = store.explain_order(&order.into()).await;
    let explained = explained.map_err(Failure::finding)?;
    if explained.is_empty() {
        let sentence = format!("nothing was decided about an order `{order}` yet");
        return Err(Failure::Finding(sentence));
    }
    Ok(explained)
}

async fn by_id(store: &Store, message: OutboundMessageId) -> Result<Vec<Explained>, Failure> {
    let event = CommerceEventId(message.0);
    let of_message = store.explain_message(message).await;
    let explained = match of_message.map_err(Failure::finding)? {
        Some(decision) => vec![decision],
        None => {
            let of_event = store.explain_event(event).await;
            of_event.map_err(Failure::finding)?
        }
    };
    if explained.is_empty() {
        return Err(unknown(store, event).await?);
    }
    Ok(explained)
}

/// Nothing was decided: either not yet, or there is nothing of this name.
async fn unknown(store: &Store, id: CommerceEventId) -> Result<Failure, Failure> {
    let event = store.load_event(id).await;
    Ok(Failure::Finding(
        match event.map_err(Failure::finding)? {
            Some(event) if event.enriched_at.is_none() => {
                "the event waits: its order and parcel were not looked up yet"
            }
            Some(_) => "the event waits: it was not decided yet who hears of it",
            None => {
                "there is no notification's message and no event with this identifier; \
                 answers in a conversation are explained by what the customer wrote"
            }
        }
        .to_owned(),
    ))
}

fn tell(decision: &Explained) -> Result<(), Failure> {
    let event = &decision.event;
    print(format!(
        "event     {} ({}), told by {} as {}",
        event.kind.label(),
        decision.event_id,
        event.source,
        event.external_id
    ))?;
    print(format!(
        "          happened {}, admitted {}",
        event.occurred_at, decision.admitted_at
    ))?;
    print(format!(
        "rule      {} with template {}",
        decision.rule.as_deref().unwrap_or("none"),
        decision.template
    ))?;
    print(format!(
        "decision  {} at {}: {}",
        decision.decision, decision.decided_at, decision.reason
    ))?;
    if let Some((experiment, variant)) = &decision.experiment {
        print(format!(
            "variant   `{variant}` of the experiment `{experiment}`"
        ))?;
    }
    if decision.decision == "waits"
        && let Some(due) = decision.due_at
    {
        print(format!("          decided again at {due}"))?;
    }
    if let Some(other) = decision.told_with {
        print(format!("          in the message of notification {other}"))?;
    }
    for message in &decision.messages {
        tell_message(message)?;
    }
    Ok(())
}

fn tell_message(message: &ExplainedMessage) -> Result<(), Failure> {
    print(format!(
        "message   {} on {} in {}, written {}",
        message.id, message.channel, message.language, message.created_at
    ))?;
    for line in message.content.text.lines() {
        print(format!("          | {line}"))?;
    }
    for source in &message.content.sources {
        print(format!("data      {} as of {}", source.name, source.as_of))?;
    }
    let Some(delivery) = &message.delivery else {
        return print("delivery  fetched by the customer's device");
    };
    let reason = delivery.reason.as_deref();
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    print(format!(
        "delivery  {} {}{reason}",
        delivery.id, delivery.status
    ))?;
    for (number, (at, outcome, reason)) in delivery.attempts.iter().enumerate() {
        let outcome = outcome.as_deref().unwrap_or("running");
        let reason = reason.as_deref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        print(format!(
            "attempt   {} at {at}: {outcome}{reason}",
            number + 1
        ))?;
    }
    let receipts = [
        ("delivered", delivery.delivered_at),
        ("read", delivery.read_at),
    ];
    for (what, at) in receipts {
        if let Some(at) = at {
            print(format!("receipt   {what} at {at}"))?;
        }
    }
    match delivery.fallback_at {
        Some(at) => print(format!(
            "fallback  the next channel gets it at {at}, unless it arrives"
        )),
        None => Ok(()),
    }
}
