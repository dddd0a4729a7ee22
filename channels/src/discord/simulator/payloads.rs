//! Discord's payloads as the simulator tells them: the keys of captured ones.

use doorstep_core::Timestamp;
use serde_json::{Value, json};

/// The bot's user name.
const BOT_NAME: &str = "Fernweh Supply";

/// Identifiers of what every simulated Discord has.
pub(super) const APPLICATION: u64 = 1_100_000_000_000_000_001;
pub(super) const BOT: u64 = 1_100_000_000_000_000_002;
pub(super) const GUILD: u64 = 1_100_000_000_000_000_003;
pub(super) const SUPPORT_CHANNEL: u64 = 1_100_000_000_000_000_004;

/// Discord's way of writing a time.
pub(super) fn time(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

pub(super) fn bot() -> Value {
    json!({
        "id": BOT.to_string(),
        "username": BOT_NAME,
        "discriminator": "7281",
        "global_name": null,
        "avatar": null,
        "bot": true,
        "clan": null,
        "primary_guild": null,
        "public_flags": 0,
        "flags": 0,
        "avatar_decoration_data": null,
        "display_name_styles": null,
    })
}

pub(super) fn user(id: u64, name: &str) -> Value {
    json!({
        "id": id.to_string(),
        "username": name.to_lowercase(),
        "discriminator": "0",
        "global_name": name,
        "avatar": null,
        "clan": null,
        "primary_guild": null,
        "collectibles": null,
        "public_flags": 0,
        "avatar_decoration_data": null,
        "display_name_styles": null,
    })
}

/// A member of the shop's server without its user, as messages have it.
fn member() -> Value {
    json!({
        "roles": [],
        "nick": null,
        "avatar": null,
        "banner": null,
        "flags": 0,
        "joined_at": "2024-02-27T19:50:51.701000+00:00",
        "premium_since": null,
        "pending": false,
        "deaf": false,
        "mute": false,
        "communication_disabled_until": null,
        "display_name_styles": null,
    })
}

/// What a message is made of.
pub(super) struct MessageParts<'a> {
    pub(super) id: u64,
    pub(super) channel: u64,
    pub(super) in_guild: bool,
    pub(super) author: Value,
    pub(super) content: &'a str,
    pub(super) at: Timestamp,
    pub(super) mentions_bot: bool,
}

pub(super) fn message(parts: &MessageParts<'_>) -> Value {
    let mentions = if parts.mentions_bot {
        vec![bot()]
    } else {
        Vec::new()
    };
    let mut message = json!({
        "id": parts.id.to_string(),
        "channel_id": parts.channel.to_string(),
        "channel_type": if parts.in_guild { 0 } else { 1 },
        "type": 0,
        "author": parts.author,
        "content": parts.content,
        "timestamp": time(parts.at),
        "edited_timestamp": null,
        "tts": false,
        "mention_everyone": false,
        "mentions": mentions,
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": false,
        "flags": 0,
    });
    if parts.in_guild {
        message["guild_id"] = GUILD.to_string().into();
        message["member"] = member();
    }
    message
}

/// What an interaction is made of.
pub(super) struct InteractionParts<'a> {
    pub(super) id: u64,
    pub(super) token: &'a str,
    pub(super) kind: u8,
    pub(super) channel: u64,
    pub(super) in_guild: bool,
    pub(super) user: Value,
    pub(super) locale: &'a str,
    pub(super) data: Value,
    pub(super) message: Option<Value>,
}

pub(super) fn interaction(parts: &InteractionParts<'_>) -> Value {
    let mut interaction = json!({
        "id": parts.id.to_string(),
        "application_id": APPLICATION.to_string(),
        "type": parts.kind,
        "token": parts.token,
        "version": 1,
        "channel_id": parts.channel.to_string(),
        "channel": { "id": parts.channel.to_string(), "type": if parts.in_guild { 0 } else { 1 } },
        "locale": parts.locale,
        "data": parts.data,
        "app_permissions": "2248473465835073",
        "attachment_size_limit": 10_485_760,
        "entitlements": [],
        "entitlement_sku_ids": [],
        "authorizing_integration_owners": { "0": GUILD.to_string() },
        "context": if parts.in_guild { 0 } else { 1 },
    });
    if parts.in_guild {
        let mut member = member();
        member["user"] = parts.user.clone();
        member["permissions"] = "2248473465835073".into();
        interaction["member"] = member;
        interaction["guild_id"] = GUILD.to_string().into();
        interaction["guild_locale"] = "en-US".into();
        interaction["guild"] =
            json!({ "id": GUILD.to_string(), "locale": "en-US", "features": [] });
    } else {
        interaction["user"] = parts.user.clone();
    }
    if let Some(message) = &parts.message {
        interaction["message"] = message.clone();
    }
    interaction
}

pub(super) fn ready(session: &str, resume_url: &str) -> Value {
    json!({
        "v": 10,
        "user": bot(),
        "session_id": session,
        "session_type": "normal",
        "resume_gateway_url": resume_url,
        "shard": [0, 1],
        "application": { "id": APPLICATION.to_string(), "flags": 0 },
        "guilds": [{ "id": GUILD.to_string(), "unavailable": true }],
        "private_channels": [],
        "presences": [],
        "relationships": [],
        "user_settings": {},
        "guild_join_requests": [],
        "game_relationships": [],
        "geo_ordered_rtc_regions": [],
        "auth": {},
        "_trace": [],
    })
}

pub(super) fn guild() -> Value {
    json!({
        "id": GUILD.to_string(),
        "name": "The shop's server",
        "owner_id": "1100000000000000009",
        "channels": [support_channel()],
        "threads": [],
        "members": [],
        "roles": roles(),
        "unavailable": false,
        "large": false,
        "member_count": 2,
        "preferred_locale": "en-US",
    })
}

pub(super) fn support_channel() -> Value {
    json!({
        "id": SUPPORT_CHANNEL.to_string(),
        "guild_id": GUILD.to_string(),
        "parent_id": null,
        "name": "support",
        "type": 0,
        "topic": null,
        "position": 0,
        "nsfw": false,
        "flags": 0,
        "permission_overwrites": [],
        "last_message_id": null,
        "rate_limit_per_user": 0,
    })
}

/// The role that everyone has, with what a bot needs.
pub(super) fn roles() -> Value {
    let needed: u64 = (1 << 10) | (1 << 11) | (1 << 14) | (1 << 15) | (1 << 36) | (1 << 38);
    json!([{
        "id": GUILD.to_string(),
        "name": "@everyone",
        "permissions": needed.to_string(),
        "color": 0,
        "hoist": false,
        "managed": false,
        "mentionable": false,
        "position": 0,
        "flags": 0,
    }])
}

pub(super) fn thread(id: u64, name: &str, archived: bool, at: Timestamp) -> Value {
    json!({
        "id": id.to_string(),
        "guild_id": GUILD.to_string(),
        "parent_id": SUPPORT_CHANNEL.to_string(),
        "owner_id": BOT.to_string(),
        "name": name,
        "type": 12,
        "flags": 0,
        "last_message_id": null,
        "message_count": 0,
        "member_count": 1,
        "total_message_sent": 0,
        "rate_limit_per_user": 0,
        "thread_metadata": {
            "archived": archived,
            "locked": false,
            "invitable": false,
            "auto_archive_duration": 10080,
            "archive_timestamp": time(at),
            "create_timestamp": time(at),
        },
    })
}

pub(super) fn dm(id: u64, user: Value) -> Value {
    json!({
        "id": id.to_string(),
        "type": 1,
        "flags": 0,
        "last_message_id": null,
        "recipients": [user],
    })
}
