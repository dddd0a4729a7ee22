//! `doorstep preview`

use std::sync::Arc;

use doorstep_channels::Channels;
use doorstep_core::{
    Ambient, ChannelName, OutboundMessageId, channel::Channel, message::OutboundMessage,
};
use doorstep_engine::notify::Notifier;
use serde_json::json;

use super::{Failure, config_or_temporary, print};
use crate::{
    ambient, bubbles,
    cli::{Cli, Preview},
    config::Config,
    merchant::MerchantFiles,
    nowhere,
    opening::with_kept_secrets,
    picture,
};

/// A channel to look at messages on.
struct Stage {
    name: ChannelName,
    channel: Arc<dyn Channel>,
    /// Whether it is; else it has settings that reach nobody.
    configured: bool,
}

pub(super) async fn run(cli: &Cli, arguments: &Preview) -> Result<(), Failure> {
    let (config, _folder) = config_or_temporary(cli)?;
    let ambient = ambient::system();
    let merchant = MerchantFiles::load(&config).map_err(Failure::Problems)?;
    let config = with_kept_secrets(config, &ambient)?;
    let stages = stages(arguments, &config, &ambient)?;
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
        return draw(arguments, &stages, &message).await;
    }
    for stage in &stages {
        match stage.channel.preview(&message) {
            Ok(parts) => {
                let subject = message.content.subject.as_deref();
                let subject = subject.filter(|_| stage.channel.capabilities().subject);
                show(cli, arguments, stage, subject, &parts)?;
            }
            Err(error) => {
                let error = error.to_string();
                print(json!({"channel": stage.name.as_str(), "error": error}))?;
            }
        }
    }
    Ok(())
}

/// The channel that was named, configured or not; all that are configured where none was.
fn stages(arguments: &Preview, config: &Config, ambient: &Ambient) -> Result<Vec<Stage>, Failure> {
    let configured = nowhere::open_channels(config, ambient).map_err(Failure::finding)?;
    let others = nowhere::open_unconfigured(config, ambient).map_err(Failure::finding)?;
    let known = |(channels, configured): (Channels, bool)| {
        let all = channels.all.into_iter();
        all.map(move |(name, channel)| Stage {
            name,
            channel,
            configured,
        })
    };
    let all: Vec<Stage> = [(configured, true), (others, false)]
        .into_iter()
        .flat_map(known)
        .collect();
    let names: Vec<&str> = all.iter().map(|stage| stage.name.as_str()).collect();
    let known = names.join(", ");
    let wanted = |stage: &Stage| match &arguments.channel {
        Some(name) => stage.name.as_str() == name,
        None => stage.configured,
    };
    let stages: Vec<Stage> = all.into_iter().filter(wanted).collect();
    match (stages.is_empty(), &arguments.channel) {
        (false, _) => Ok(stages),
        (true, Some(name)) => Err(Failure::Misuse(format!(
            "there is no channel `{name}`; channels: {known}"
        ))),
        (true, None) => Err(Failure::Misuse(format!(
            "no channel is configured; name one with --channel: {known}"
        ))),
    }
}

/// Writes the page that the customer's program shows, or its words in bubbles, and a picture of it.
async fn draw(
    arguments: &Preview,
    stages: &[Stage],
    message: &OutboundMessage,
) -> Result<(), Failure> {
    let page = find_page(stages, message)?;
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

/// The page of the first channel that shows one, else the words on the first channel.
fn find_page(stages: &[Stage], message: &OutboundMessage) -> Result<String, Failure> {
    let mut in_bubbles = None;
    for stage in stages {
        let parts = stage.channel.preview(message).map_err(Failure::finding)?;
        if let Some(page) = parts.iter().find_map(|part| part.html.as_deref()) {
            let subject = message.content.subject.as_deref().unwrap_or_default();
            return Ok(picture::with_subject(page, subject));
        }
        in_bubbles
            .get_or_insert_with(|| bubbles::page(stage.name.as_str(), &message.language, &parts));
    }
    in_bubbles.ok_or_else(|| Failure::Misuse("no channel is configured".to_owned()))
}

fn show(
    cli: &Cli,
    arguments: &Preview,
    stage: &Stage,
    subject: Option<&str>,
    parts: &[doorstep_core::channel::Preview],
) -> Result<(), Failure> {
    let name = stage.name.as_str();
    if cli.json {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| json!({"text": part.text, "payload": part.payload}))
            .collect();
        let configured = stage.configured;
        return print(
            json!({"channel": name, "configured": configured, "subject": subject, "parts": parts}),
        );
    }
    match stage.configured {
        true => print(format!("== {name}"))?,
        false => print(format!("== {name} (not configured)"))?,
    }
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
