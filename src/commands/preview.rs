//! `doorstep preview`

use doorstep_channels::Channels;
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
    picture,
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
    if arguments.html.is_some() || arguments.picture.is_some() {
        return draw(arguments, &channels, &message).await;
    }
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
            Ok(parts) => {
                let subject = message.content.subject.as_deref();
                let subject = subject.filter(|_| channel.capabilities().subject);
                show(cli, arguments, name.as_str(), subject, &parts)?;
            }
            Err(error) => print(json!({"channel": name.as_str(), "error": error.to_string()}))?,
        }
    }
    match shown {
        0 => Err(no_such_channel(&channels)),
        _ => Ok(()),
    }
}

fn no_such_channel(channels: &Channels) -> Failure {
    let known: Vec<_> = channels.all.keys().map(|name| name.as_str()).collect();
    Failure::Misuse(format!(
        "no such channel is configured; configured: {}",
        known.join(", ")
    ))
}

/// Writes the page that the customer's program shows, and a picture of it.
async fn draw(
    arguments: &Preview,
    channels: &Channels,
    message: &OutboundMessage,
) -> Result<(), Failure> {
    let page = find_page(arguments, channels, message)?;
    let subject = message.content.subject.as_deref().unwrap_or_default();
    let page = picture::with_subject(&page, subject);
    if let Some(file) = &arguments.html {
        std::fs::write(file, &page)
            .map_err(|error| Failure::finding(format!("{}: {error}", file.display())))?;
        print(file.display())?;
    }
    if let Some(file) = arguments.picture.clone() {
        let shown = file.display().to_string();
        tokio::task::spawn_blocking(move || picture::take(&page, &file))
            .await
            .map_err(Failure::finding)?
            .map_err(Failure::finding)?;
        print(shown)?;
    }
    Ok(())
}

fn find_page(
    arguments: &Preview,
    channels: &Channels,
    message: &OutboundMessage,
) -> Result<String, Failure> {
    let wanted = arguments.channel.as_deref();
    let named = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    let mut known = false;
    for (_, channel) in channels.all.iter().filter(|(name, _)| named(name.as_str())) {
        known = true;
        let parts = channel.preview(message).map_err(Failure::finding)?;
        if let Some(page) = parts.into_iter().find_map(|part| part.html) {
            return Ok(page);
        }
    }
    match (known, wanted) {
        (true, Some(name)) => Err(Failure::Misuse(format!(
            "messages on {name} are no page; leave --html and --picture out to see its words"
        ))),
        (true, None) => Err(Failure::Misuse(
            "no configured channel shows pages; e-mail does".to_owned(),
        )),
        (false, _) => Err(no_such_channel(channels)),
    }
}

fn show(
    cli: &Cli,
    arguments: &Preview,
    name: &str,
    subject: Option<&str>,
    parts: &[doorstep_core::channel::Preview],
) -> Result<(), Failure> {
    if cli.json {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| json!({"text": part.text, "payload": part.payload}))
            .collect();
        return print(json!({"channel": name, "subject": subject, "parts": parts}));
    }
    print(format!("== {name}"))?;
    if let Some(subject) = subject {
        print(format!("Subject: {subject}\n"))?;
    }
    for part in parts {
        print(&part.text)?;
        if arguments.payload && !part.payload.is_empty() {
            print(format!("-- as the provider gets it\n{}", part.payload))?;
        }
    }
    Ok(())
}
