//! What every rule would say on every channel that it names: as `doorstep check` looks at it.

use std::sync::Arc;

use doorstep_channels::Channels;
use doorstep_core::{
    ChannelName, Language, OutboundMessageId, Problem, Timestamp,
    channel::Channel,
    message::{Content, OutboundMessage},
};
use doorstep_engine::notify::{Notifier, Rule};

use crate::merchant::MerchantFiles;

/// What is wrong, and what a person should know.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What must not go live.
    pub(crate) problems: Vec<Problem>,
    /// What may.
    pub(crate) warnings: Vec<Problem>,
}

/// Makes the messages of all rules, in every language that their templates have and for every channel that they name, for a
/// customer of whom everything is known.
pub(crate) fn check(merchant: &MerchantFiles, channels: &Channels, now: Timestamp) -> Findings {
    let mut findings = Findings::default();
    for rule in merchant.rules.iter() {
        for (template, own_channels) in rule.ways() {
            for tag in merchant.templates.languages_of(template) {
                let Ok(language) = tag.parse::<Language>() else {
                    continue;
                };
                let filled = Notifier::fill_in_sample(
                    &merchant.templates,
                    template,
                    &rule.on,
                    &language,
                    now,
                );
                // What cannot be filled in was refused before this.
                let Ok(content) = filled else { continue };
                let said = Said {
                    rule,
                    channels: own_channels,
                    file: format!("templates/{template}.{tag}.md"),
                    language,
                    content,
                };
                for channel in own_channels {
                    if let Some(opened) = channels.all.get(channel) {
                        said.look_at(channel, opened, &mut findings);
                    }
                }
            }
        }
    }
    for found in [&mut findings.problems, &mut findings.warnings] {
        found.sort_by(|a, b| (&a.file, &a.field).cmp(&(&b.file, &b.field)));
        found.dedup();
    }
    findings
}

/// Makes the messages of all templates in all their languages for channels that no rule can name yet, because they are not
/// configured: what could not be sent there once they are.
pub(crate) fn check_unconfigured(
    merchant: &MerchantFiles,
    channels: &Channels,
    now: Timestamp,
) -> Vec<Problem> {
    let mut found = Vec::new();
    for template in merchant.templates.every_notification() {
        for tag in merchant.templates.languages_of(template) {
            let Ok(language) = tag.parse::<Language>() else {
                continue;
            };
            let (rules, templates) = (&merchant.rules, &merchant.templates);
            // What cannot be filled in was refused before this.
            let Ok(content) = Notifier::preview(rules, templates, template, &language, now) else {
                continue;
            };
            let message = message(content, &language);
            for (name, channel) in &channels.all {
                if let Err(error) = channel.preview(&message) {
                    found.push(Problem {
                        file: format!("templates/{template}.{tag}.md"),
                        line: 1,
                        field: "text".to_owned(),
                        message: format!(
                            "could not be sent on {name}, were it configured: {error}"
                        ),
                        fix: format!("change it before a rule tells it on {name}"),
                    });
                }
            }
        }
    }
    found
}

/// As it is handed to a channel when we write first.
fn message(content: Content, language: &Language) -> OutboundMessage {
    OutboundMessage {
        id: OutboundMessageId(Default::default()),
        content,
        language: language.clone(),
        in_reply_to: None,
        thread: Default::default(),
    }
}

/// One template of a rule in one language, filled in.
struct Said<'a> {
    rule: &'a Rule,
    channels: &'a [ChannelName],
    file: String,
    language: Language,
    content: Content,
}

impl Said<'_> {
    fn look_at(&self, name: &ChannelName, channel: &Arc<dyn Channel>, findings: &mut Findings) {
        let capabilities = channel.capabilities();
        let message = message(self.content.clone(), &self.language);
        if let Err(error) = channel.preview(&message) {
            let fix = format!("change it, or take {name} out of the rule");
            let message = format!("cannot be sent on {name}: {error}");
            findings.problems.push(self.problem("text", message, fix));
        }
        let length = self.content.text.chars().count();
        if length > capabilities.max_text {
            let limit = capabilities.max_text;
            let message = format!("has {length} characters, {name} takes {limit} in a message");
            let fix = "shorten it, or customers get it in parts".to_owned();
            findings.warnings.push(self.problem("text", message, fix));
        }
        if capabilities.reply_window.is_some() && self.content.approved.is_none() {
            self.needs_approved(name, findings);
        }
    }

    /// The channel lets us write first only in words that its provider approved.
    fn needs_approved(&self, name: &ChannelName, findings: &mut Findings) {
        let rule = &self.rule.name;
        let fix = format!("name the approved template, see docs/channels/{name}.md");
        match self.channels {
            [_] => {
                let message = format!(
                    "`{rule}` tells it on {name} alone, where nobody hears it who has not just written"
                );
                findings
                    .problems
                    .push(self.problem("approved", message, fix));
            }
            [first, ..] if first == name => {
                let message = format!(
                    "`{rule}` tells it on {name} first, which passes over who has not just written"
                );
                findings
                    .warnings
                    .push(self.problem("approved", message, fix));
            }
            _ => {}
        }
    }

    fn problem(&self, field: &str, message: String, fix: String) -> Problem {
        Problem {
            file: self.file.clone(),
            line: 1,
            field: field.to_owned(),
            message,
            fix,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use doorstep_core::{
        Health,
        channel::{Capabilities, Inbox, Preview, Receipt, SendError, WebhookOutcome},
        message::Address,
        webhook::{WebhookRejection, WebhookRequest},
    };
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::config::Config;

    /// Takes no message that says "delivered".
    struct Picky(ChannelName, Capabilities);

    #[async_trait]
    impl Channel for Picky {
        fn name(&self) -> &ChannelName {
            &self.0
        }

        fn capabilities(&self) -> &Capabilities {
            &self.1
        }

        async fn listen(&self, _: Arc<dyn Inbox>, _: CancellationToken) {}

        async fn receive_webhook(
            &self,
            _: &WebhookRequest,
        ) -> Result<WebhookOutcome, WebhookRejection> {
            unreachable!("nobody sends one")
        }

        async fn send(&self, _: &Address, _: &OutboundMessage) -> Result<Receipt, SendError> {
            unreachable!("a check sends nothing")
        }

        fn preview(&self, message: &OutboundMessage) -> Result<Vec<Preview>, SendError> {
            match message.content.text.contains("delivered") {
                true => Err(SendError::Fail {
                    reason: "too good to be true".to_owned(),
                }),
                false => Ok(Vec::new()),
            }
        }

        async fn healthcheck(&self) -> Health {
            Health::Ok
        }
    }

    #[test]
    fn what_could_not_be_sent_on_a_channel_that_is_not_configured_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::apart(&[], folder.path()).unwrap();
        let merchant = MerchantFiles::load(&config).unwrap();
        let mut channels = Channels::default();
        channels.add(Arc::new(Picky("pigeon".into(), Capabilities::default())));
        let found = check_unconfigured(&merchant, &channels, Timestamp::UNIX_EPOCH);
        let delivered = found
            .iter()
            .find(|problem| problem.file == "templates/delivered.en.md");
        let message = &delivered.expect("it says so").message;
        let told = "could not be sent on pigeon, were it configured: not sent for good: too good to be true";
        assert_eq!(message, told);
        assert!(
            found
                .iter()
                .all(|problem| !problem.file.starts_with("templates/refund_issued")),
            "{found:?}"
        );
    }
}
