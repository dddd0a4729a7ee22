//! The requests that are made, one function each.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use serenity::{
    builder::{CreateCommand, CreateInteractionResponse, CreateThread},
    model::{
        channel::{AutoArchiveDuration, ChannelType},
        id::{ApplicationId, ChannelId, GuildId, InteractionId, MessageId, UserId},
    },
};

use super::{
    limits::Route,
    rest::{Body, CallError, Rest},
    wire::{Channel, Gateway, Message, MessageStub, User},
};

/// What a request answers of which nothing is read.
type Nothing = serde::de::IgnoredAny;

/// What the application is, as far as `diagnose` looks
/// (<https://discord.com/developers/docs/resources/application#application-object>).
#[derive(Debug, Deserialize)]
pub(super) struct Application {
    #[serde(default)]
    pub(super) flags: u64,
    #[serde(default)]
    pub(super) verify_key: String,
    #[serde(default)]
    pub(super) interactions_endpoint_url: Option<String>,
}

impl Application {
    /// Whether the message-content intent is granted, or switched on for fewer than 100 servers.
    pub(super) fn reads_content(&self) -> bool {
        self.flags & ((1 << 18) | (1 << 19)) != 0
    }
}

/// A role of a server.
#[derive(Debug, Deserialize)]
pub(super) struct Role {
    pub(super) id: String,
    #[serde(default)]
    pub(super) permissions: String,
}

/// A member's roles.
#[derive(Debug, Deserialize)]
pub(super) struct Roles {
    #[serde(default)]
    pub(super) roles: Vec<String>,
}

/// A registered slash command.
#[derive(Debug, Deserialize)]
pub(super) struct Registered {
    pub(super) name: String,
}

fn route(name: &'static str, major: impl ToString) -> Route {
    Route {
        name,
        major: major.to_string(),
        global: true,
    }
}

/// Interactions are outside the global limit.
fn interaction_route(name: &'static str, major: impl ToString) -> Route {
    Route {
        global: false,
        ..route(name, major)
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, CallError> {
    serde_json::to_value(value).map_err(|error| CallError::Refused {
        status: 0,
        code: 0,
        message: format!("it could not be written as JSON: {error}"),
    })
}

impl Rest {
    /// Who the token belongs to.
    pub(super) async fn me(&self) -> Result<User, CallError> {
        let route = route("GET /users/@me", "");
        self.call(Method::GET, route, "/users/@me", Body::Empty)
            .await
    }

    /// Where the gateway is.
    pub(super) async fn gateway(&self) -> Result<Gateway, CallError> {
        let route = route("GET /gateway/bot", "");
        self.call(Method::GET, route, "/gateway/bot", Body::Empty)
            .await
    }

    pub(super) async fn application(&self) -> Result<Application, CallError> {
        let route = route("GET /applications/@me", "");
        self.call(Method::GET, route, "/applications/@me", Body::Empty)
            .await
    }

    /// The channel of direct messages with a user.
    pub(super) async fn open_dm(&self, user: UserId) -> Result<ChannelId, CallError> {
        let body = Body::Json(json!({ "recipient_id": user.to_string() }));
        let route = route("POST /users/@me/channels", "");
        let channel: Channel = self
            .call(Method::POST, route, "/users/@me/channels", body)
            .await?;
        Ok(channel.id)
    }

    pub(super) async fn create_message(
        &self,
        channel: ChannelId,
        body: Body,
    ) -> Result<MessageId, CallError> {
        let path = format!("/channels/{channel}/messages");
        let route = route("POST /channels/{id}/messages", channel);
        let message: MessageStub = self.call(Method::POST, route, &path, body).await?;
        Ok(message.id)
    }

    pub(super) async fn message(
        &self,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Message, CallError> {
        let path = format!("/channels/{channel}/messages/{message}");
        let route = route("GET /channels/{id}/messages/{id}", channel);
        self.call(Method::GET, route, &path, Body::Empty).await
    }

    /// Messages after another one, at most a hundred, newest first.
    pub(super) async fn messages_after(
        &self,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Vec<Value>, CallError> {
        let path = format!("/channels/{channel}/messages?after={message}&limit=100");
        let route = route("GET /channels/{id}/messages", channel);
        self.call(Method::GET, route, &path, Body::Empty).await
    }

    pub(super) async fn type_in(&self, channel: ChannelId) -> Result<(), CallError> {
        let path = format!("/channels/{channel}/typing");
        let route = route("POST /channels/{id}/typing", channel);
        let _: Nothing = self.call(Method::POST, route, &path, Body::Empty).await?;
        Ok(())
    }

    pub(super) async fn channel(&self, channel: ChannelId) -> Result<Channel, CallError> {
        let path = format!("/channels/{channel}");
        let route = route("GET /channels/{id}", channel);
        self.call(Method::GET, route, &path, Body::Empty).await
    }

    /// Opens a private thread below a channel.
    pub(super) async fn create_thread(
        &self,
        channel: ChannelId,
        name: &str,
    ) -> Result<ChannelId, CallError> {
        let thread = CreateThread::new(name)
            .kind(ChannelType::PrivateThread)
            .invitable(false)
            .auto_archive_duration(AutoArchiveDuration::OneWeek);
        let path = format!("/channels/{channel}/threads");
        let route = route("POST /channels/{id}/threads", channel);
        let body = Body::Json(to_json(&thread)?);
        let thread: Channel = self.call(Method::POST, route, &path, body).await?;
        Ok(thread.id)
    }

    pub(super) async fn unarchive(&self, thread: ChannelId) -> Result<(), CallError> {
        let path = format!("/channels/{thread}");
        let route = route("PATCH /channels/{id}", thread);
        let body = Body::Json(json!({ "archived": false }));
        let _: Nothing = self.call(Method::PATCH, route, &path, body).await?;
        Ok(())
    }

    pub(super) async fn add_to_thread(
        &self,
        thread: ChannelId,
        user: UserId,
    ) -> Result<(), CallError> {
        let path = format!("/channels/{thread}/thread-members/{user}");
        let route = route("PUT /channels/{id}/thread-members/{id}", thread);
        let _: Nothing = self.call(Method::PUT, route, &path, Body::Empty).await?;
        Ok(())
    }

    /// The first answer to an interaction.
    pub(super) async fn respond(
        &self,
        interaction: InteractionId,
        token: &str,
        response: &CreateInteractionResponse,
    ) -> Result<(), CallError> {
        let path = format!("/interactions/{interaction}/{}/callback", segment(token));
        let route = interaction_route("POST /interactions/{id}/{token}/callback", interaction);
        let body = Body::Json(to_json(response)?);
        let _: Nothing = self.call(Method::POST, route, &path, body).await?;
        Ok(())
    }

    /// Puts the answer to an acknowledged interaction in place.
    pub(super) async fn edit_response(
        &self,
        application: ApplicationId,
        token: &str,
        body: Body,
    ) -> Result<MessageId, CallError> {
        let path = format!(
            "/webhooks/{application}/{}/messages/@original",
            segment(token)
        );
        // Limited by webhook and token together; a token is used once.
        let route = interaction_route("PATCH /webhooks/{id}/{token}/messages/@original", "");
        let message: MessageStub = self.call(Method::PATCH, route, &path, body).await?;
        Ok(message.id)
    }

    pub(super) async fn commands(
        &self,
        application: ApplicationId,
    ) -> Result<Vec<Registered>, CallError> {
        let path = format!("/applications/{application}/commands?with_localizations=true");
        let route = route("GET /applications/{id}/commands", "");
        self.call(Method::GET, route, &path, Body::Empty).await
    }

    /// Replaces all slash commands.
    pub(super) async fn set_commands(
        &self,
        application: ApplicationId,
        commands: &[CreateCommand],
    ) -> Result<(), CallError> {
        let path = format!("/applications/{application}/commands");
        let route = route("PUT /applications/{id}/commands", "");
        let mut commands = to_json(&commands)?;
        prune(&mut commands, |value| {
            matches!(value, Value::Null | Value::Bool(false))
                || value.as_array().is_some_and(Vec::is_empty)
        });
        let body = Body::Json(commands);
        let _: Nothing = self.call(Method::PUT, route, &path, body).await?;
        Ok(())
    }

    pub(super) async fn roles(&self, guild: GuildId) -> Result<Vec<Role>, CallError> {
        let path = format!("/guilds/{guild}/roles");
        let route = route("GET /guilds/{id}/roles", guild);
        self.call(Method::GET, route, &path, Body::Empty).await
    }

    pub(super) async fn member(&self, guild: GuildId, user: UserId) -> Result<Roles, CallError> {
        let path = format!("/guilds/{guild}/members/{user}");
        let route = route("GET /guilds/{id}/members/{id}", guild);
        self.call(Method::GET, route, &path, Body::Empty).await
    }
}

/// Without the fields that say nothing: serenity writes some that Discord's description knows of other kinds only.
pub(super) fn prune(value: &mut Value, says_nothing: fn(&Value) -> bool) {
    match value {
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| prune(value, says_nothing)),
        Value::Object(fields) => {
            fields.retain(|_, value| !says_nothing(value));
            fields
                .values_mut()
                .for_each(|value| prune(value, says_nothing));
        }
        _ => {}
    }
}

/// A token as one segment of a path, whatever is in it.
fn segment(token: &str) -> String {
    token
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
