//! `doorstep say`

use doorstep_core::message::OutboundMessage;
use serde_json::json;

use super::{Failure, config_or_demo, conversation::Conversation, print, texts};
use crate::{
    ambient,
    app::App,
    catalog,
    cli::{Cli, Say},
};

pub(super) async fn run(cli: &Cli, arguments: &Say) -> Result<(), Failure> {
    let (mut config, _folder) = config_or_demo(cli)?;
    config.log.filter = "error".to_owned();
    crate::observe::start_logging(&config.log);
    let app = App::start_for_command(config, ambient::system()).await?;
    catalog::indexed(&app).await;
    app.taught().await;
    let mut conversation = Conversation::new(&app);
    conversation.language.clone_from(&arguments.language);
    conversation.customer.clone_from(&arguments.customer);
    let joined: Vec<String> = match arguments.text.is_empty() {
        true => Vec::new(),
        false => vec![arguments.text.join(" ")],
    };
    for text in texts(&joined) {
        let text = text.map_err(|error| Failure::Misuse(format!("standard input: {error}")))?;
        for answer in conversation.say(&text).await? {
            show(cli, &answer)?;
        }
    }
    app.shut_down().await;
    Ok(())
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
