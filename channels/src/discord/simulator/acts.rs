//! What simulated customers do: commands, presses, edits, files.

use serde_json::{Value, json};

use super::{
    DiscordSimulator, NAME, payloads, sign,
    world::{id_of, text},
};
use crate::simulator::SimulatorError;

impl DiscordSimulator {
    /// A customer uses a slash command, with their client in the language `locale`.
    ///
    /// # Errors
    /// The channel did not take it.
    pub async fn use_command(
        &self,
        customer: &str,
        name: &str,
        option: Option<(&str, &str)>,
        locale: &str,
    ) -> Result<(), SimulatorError> {
        let options =
            option.map(|(name, value)| json!({ "name": name, "type": 3, "value": value }));
        let options: Vec<Value> = options.into_iter().collect();
        let id = self.shared.world().next_id().to_string();
        let data = json!({ "id": id, "name": name, "type": 1, "options": options });
        self.interact(customer, 2, data, None, locale).await
    }

    pub(super) async fn press(&self, customer: &str, label: &str) -> Result<(), SimulatorError> {
        let found = self.shared.world().find_button(customer, label);
        let (message, id, menu) = found.ok_or_else(|| SimulatorError::NotThere {
            provider: NAME,
            what: format!("press `{label}`, which is not shown"),
        })?;
        let data = match menu {
            Some(menu) => json!({ "custom_id": menu, "component_type": 3, "values": [id] }),
            None => json!({ "custom_id": id, "component_type": 2 }),
        };
        self.interact(customer, 3, data, Some(message), "en-US")
            .await
    }

    async fn interact(
        &self,
        customer: &str,
        kind: u8,
        data: Value,
        message: Option<Value>,
        locale: &str,
    ) -> Result<(), SimulatorError> {
        let (token, payload, webhook) = {
            let mut world = self.shared.world();
            let (token, payload) = world.interaction(customer, kind, data, message, locale);
            let webhook = world.options.webhook.clone();
            if webhook.is_none() {
                world.tell("INTERACTION_CREATE", payload.clone());
            }
            (token, payload, webhook)
        };
        self.shared.change();
        match webhook {
            Some(webhook) => self.post_interaction(&webhook, &token, &payload).await,
            None => Ok(()),
        }
    }

    /// Posts a signed interaction and takes the answer as Discord does: within three seconds, as JSON.
    async fn post_interaction(
        &self,
        webhook: &str,
        token: &str,
        payload: &Value,
    ) -> Result<(), SimulatorError> {
        let failed = |reason: String| SimulatorError::Failed { reason };
        let timestamp = self.shared.world().ambient.now().timestamp().to_string();
        let body = payload.to_string();
        let response = self
            .client
            .post(webhook)
            .header("x-signature-ed25519", sign(&timestamp, &body))
            .header("x-signature-timestamp", timestamp)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let answer: Value = response
            .json()
            .await
            .map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            return Err(failed(format!("the webhook answered {status}: {answer}")));
        }
        let taken = self.shared.world().take_callback(token, &answer);
        self.shared.change();
        taken.map_err(|(code, words)| failed(format!("{words} ({code})")))
    }

    pub(super) fn edit(&self, customer: &str, content: &str) -> Result<(), SimulatorError> {
        let mut world = self.shared.world();
        let last = world.person(customer).last;
        let nothing = || SimulatorError::NotThere {
            provider: NAME,
            what: "edit: nothing was written before".to_owned(),
        };
        let (channel, id) = last.ok_or_else(nothing)?;
        let at = payloads::time(world.ambient.now());
        let known = world
            .rooms
            .get(&channel)
            .into_iter()
            .flat_map(|room| &room.messages);
        let mut message = known
            .into_iter()
            .find(|message| id_of(message) == id)
            .cloned()
            .ok_or_else(nothing)?;
        message["content"] = content.into();
        message["edited_timestamp"] = at.into();
        world.keep(channel, message.clone());
        world.tell("MESSAGE_UPDATE", message);
        Ok(())
    }

    pub(super) fn send_file(
        &self,
        customer: &str,
        name: &str,
        media_type: &str,
        bytes: bytes::Bytes,
        words: &str,
    ) {
        let mut world = self.shared.world();
        let mention = customer.starts_with('#');
        let mut message = world.write(customer, words, mention);
        let id = world.next_id();
        let path = format!(
            "attachments/{}/{id}/{}",
            text(&message["channel_id"]),
            file_name(name)
        );
        message["attachments"] = json!([{
            "id": id.to_string(),
            "filename": name,
            "size": bytes.len(),
            "url": format!("{}/cdn/{path}?ex=0&is=0&hm=0", self.base),
            "proxy_url": format!("{}/cdn/{path}", self.base),
            "content_type": media_type,
        }]);
        world.files.insert(path, (bytes, media_type.to_owned()));
        let channel = text(&message["channel_id"]).parse().unwrap_or(0);
        world.keep(channel, message.clone());
        world.tell("MESSAGE_CREATE", message);
    }

    /// A poll, and an event of a kind that nobody knows.
    pub(super) fn do_something_else(&self, customer: &str) {
        let mut world = self.shared.world();
        let mut poll = world.write(customer, "", false);
        poll["poll"] = json!({ "question": { "text": "Tea or coffee?" }, "answers": [] });
        world.tell("MESSAGE_CREATE", poll);
        world.dispatch("SOMETHING_NEW", &json!({ "id": "1" }));
    }
}

/// A file's name as Discord puts it into addresses.
fn file_name(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    name.chars()
        .map(|letter| if plain(letter) { letter } else { '_' })
        .collect()
}
