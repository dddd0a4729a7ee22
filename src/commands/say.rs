//! `doorstep say`

use doorstep_core::{
    ShopCustomerId,
    channel::Mailbox,
    customer::Proof,
    message::{Address, InboundMessage, MailboxMessage, OutboundMessage},
};
use serde_json::json;

use super::{Failure, config_or_temporary, print, texts};
use crate::{
    ambient,
    app::App,
    catalog,
    cli::{Cli, Role, Say},
};

/// The conversation's place; a channel of our own, so that it never mixes with a visitor's.
const CHANNEL: &str = "webchat";

pub(super) async fn run(cli: &Cli, arguments: &Say) -> Result<(), Failure> {
    let (mut config, _folder) = config_or_temporary(cli)?;
    config.log.filter = "error".to_owned();
    crate::observe::start_logging(&config.log);
    let app = App::start(config, ambient::system(), Role::Web, false).await?;
    catalog::indexed(&app).await;
    app.taught().await;
    let mut random = [0; 8];
    app.ambient.entropy.fill(&mut random);
    let conversation = Conversation {
        address: Address::new(CHANNEL, format!("say-{:016x}", u64::from_be_bytes(random))),
        arguments,
        app: &app,
    };
    let joined: Vec<String> = match arguments.text.is_empty() {
        true => Vec::new(),
        false => vec![arguments.text.join(" ")],
    };
    for (number, text) in texts(&joined).enumerate() {
        let text = text.map_err(|error| Failure::Misuse(format!("standard input: {error}")))?;
        for answer in conversation.say(&text, number).await? {
            show(cli, &answer)?;
        }
    }
    app.shut_down().await;
    Ok(())
}

struct Conversation<'a> {
    address: Address,
    arguments: &'a Say,
    app: &'a App,
}

impl Conversation<'_> {
    /// Says one message and waits for its answers.
    async fn say(&self, text: &str, number: usize) -> Result<Vec<OutboundMessage>, Failure> {
        let store = &self.app.store;
        let mut subscription = store.subscribe(&self.address);
        let admission = self
            .app
            .inbox
            .admit(InboundMessage {
                language_hint: self.arguments.language.clone(),
                proof: self.arguments.customer.as_ref().map(|customer| Proof {
                    customer: Some(ShopCustomerId(customer.clone())),
                    email: None,
                    name: None,
                }),
                ..InboundMessage::text(
                    self.address.clone(),
                    format!("{}:{number}", self.address.id),
                    text,
                    self.app.ambient.now(),
                )
            })
            .await
            .map_err(Failure::finding)?;
        store
            .handled(admission.id, &mut subscription)
            .await
            .map_err(Failure::finding)?;
        let entries = store
            .entries_after(&self.address, admission.position, 100)
            .await
            .map_err(Failure::finding)?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| match entry.message {
                MailboxMessage::Outbound { message, .. } => Some(message),
                MailboxMessage::Inbound { .. } => None,
            })
            .collect())
    }
}

fn show(cli: &Cli, answer: &OutboundMessage) -> Result<(), Failure> {
    if cli.json {
        return print(json!({
            "text": answer.content.text,
            "language": answer.language,
            "buttons": answer.content.buttons,
            "cards": answer.content.cards,
            "sources": answer.content.sources,
        }));
    }
    print(&answer.content.text)?;
    for card in &answer.content.cards {
        let facts = [&card.price, &card.stock]
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>();
        print(format!("  • {} — {}", card.title, facts.join(", ")))?;
    }
    for button in &answer.content.buttons {
        print(format!("  [{}]", button.label))?;
    }
    Ok(())
}
