//! `doorstep preview`

use doorstep_core::{OutboundMessageId, message::OutboundMessage};
use doorstep_engine::notify::Notifier;
use serde_json::json;

use super::{Failure, config_or_temporary, print};
use crate::{
    ambient,
    cli::{Cli, Preview},
    merchant::MerchantFiles,
    nowhere,
    opening::with_kept_secrets,
};

pub(super) async fn run(cli: &Cli, arguments: &Preview) -> Result<(), Failure> {
    let (config, _folder) = config_or_temporary(cli)?;
    let ambient = ambient::system();
    let merchant = MerchantFiles::load(&config).map_err(Failure::Problems)?;
    let config = with_kept_secrets(config, &ambient)?;
    let channels = nowhere::open_channels(&config, &ambient).map_err(Failure::finding)?;
    let content = Notifier::preview(
        &merchant.rules,
        &merchant.templates,
        &arguments.template,
        &arguments.locale,
        ambient.now(),
    )
    .map_err(|error| {
        let known: Vec<_> = merchant.templates.notification_names().collect();
        Failure::Misuse(format!("{error}; templates: {}", known.join(", ")))
    })?;
    let message = OutboundMessage {
        id: OutboundMessageId::new(&*ambient.clock, &*ambient.entropy),
        content,
        language: arguments.locale.clone(),
        in_reply_to: None,
        thread: Default::default(),
    };
    let wanted = |name: &str| {
        arguments
            .channel
            .as_deref()
            .is_none_or(|wanted| wanted == name)
    };
    let mut shown = 0;
    for (name, channel) in &channels.all {
        if !wanted(name.as_str()) {
            continue;
        }
        shown += 1;
        match channel.preview(&message) {
            Ok(parts) => show(cli, arguments, name.as_str(), &message, &parts)?,
            Err(error) => print(json!({"channel": name.as_str(), "error": error.to_string()}))?,
        }
    }
    if shown == 0 {
        let known: Vec<_> = channels.all.keys().map(|name| name.as_str()).collect();
        return Err(Failure::Misuse(format!(
            "no such channel is configured; configured: {}",
            known.join(", ")
        )));
    }
    Ok(())
}

fn show(
    cli: &Cli,
    arguments: &Preview,
    name: &str,
    message: &OutboundMessage,
    parts: &[doorstep_core::channel::Preview],
) -> Result<(), Failure> {
    let subject = message.content.subject.as_deref();
    if cli.json {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| json!({"text": part.text, "payload": part.payload}))
            .collect();
        return print(json!({"channel": name, "subject": subject, "parts": parts}));
    }
    print(format!("== {name}"))?;
    for part in parts {
        print(&part.text)?;
        if arguments.payload && !part.payload.is_empty() {
            print(format!("-- as the provider gets it\n{}", part.payload))?;
        }
    }
    Ok(())
}
