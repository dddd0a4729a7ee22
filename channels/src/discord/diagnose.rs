//! What works at Discord and what is missing, without writing to anyone.

use doorstep_core::{Health, channel::Diagnosis};
use serenity::model::{
    Permissions,
    id::{ChannelId, GuildId, UserId},
};

use super::{
    Discord,
    calls::{Application, Role},
    rest::CallError,
    signature::from_hex,
    wire::{Channel, Overwrite},
    words,
};

/// What the bot needs in the support channel, and what for.
const NEEDED: [(Permissions, &str); 6] = [
    (Permissions::VIEW_CHANNEL, "View Channel"),
    (Permissions::SEND_MESSAGES, "Send Messages"),
    (
        Permissions::CREATE_PRIVATE_THREADS,
        "Create Private Threads",
    ),
    (
        Permissions::SEND_MESSAGES_IN_THREADS,
        "Send Messages in Threads",
    ),
    (Permissions::EMBED_LINKS, "Embed Links"),
    (Permissions::ATTACH_FILES, "Attach Files"),
];

/// What is lost without the message-content intent.
const WITHOUT_CONTENT: &str = "without the message-content intent the bot reads direct messages, messages that mention \
    it, commands and buttons; in threads, messages that do not mention it stay unread, and their customers are told so \
    once";

impl Discord {
    pub(super) async fn look_at_everything(&self) -> Vec<Diagnosis> {
        let mut found = Vec::new();
        let mut add = |what: &str, health: Health| {
            found.push(Diagnosis {
                what: what.to_owned(),
                health,
            });
        };
        let me = match self.rest.me().await {
            Ok(me) => me,
            Err(error) => {
                add("the token is valid", failed(&error));
                return found;
            }
        };
        self.learn_me(me.id);
        add("the token is valid", Health::Ok);
        add(
            "a gateway session can be begun",
            self.look_at_gateway().await,
        );
        match self.rest.application().await {
            Ok(application) => {
                add(
                    "customers' messages can be read",
                    self.look_at_content(&application),
                );
                add(
                    "interactions are received",
                    self.look_at_endpoint(&application),
                );
            }
            Err(error) => add("the application can be read", failed(&error)),
        }
        add(
            "the slash commands are registered",
            self.look_at_commands().await,
        );
        add(
            "the support channel can be used",
            self.look_at_support_channel(me.id).await,
        );
        found
    }

    async fn look_at_gateway(&self) -> Health {
        match self.rest.gateway().await {
            Ok(gateway) if gateway.session_start_limit.remaining == 0 => Health::Degraded {
                reason: format!(
                    "no more sessions may be begun for {} s",
                    gateway.session_start_limit.reset_after / 1000
                ),
            },
            Ok(_) if !self.config.gateway => Health::Degraded {
                reason: "this instance does not connect (gateway = false): another one must, or messages stay unread"
                    .to_owned(),
            },
            Ok(_) => Health::Ok,
            Err(error) => failed(&error),
        }
    }

    fn look_at_content(&self, application: &Application) -> Health {
        match (self.config.message_content, application.reads_content()) {
            (true, true) => Health::Ok,
            (true, false) => Health::Down {
                reason: "message_content is set, but the intent is not granted: switch it on in the developer portal, \
                    page `Bot`"
                    .to_owned(),
            },
            (false, _) => Health::Degraded {
                reason: WITHOUT_CONTENT.to_owned(),
            },
        }
    }

    fn look_at_endpoint(&self, application: &Application) -> Health {
        let down = |reason: &str| Health::Down {
            reason: reason.to_owned(),
        };
        let endpoint = application.interactions_endpoint_url.as_deref();
        let ours: Option<[u8; 32]> = from_hex(&self.config.public_key);
        match (endpoint, ours) {
            (None, _) => match self.config.gateway {
                true => Health::Ok,
                false => down("no instance connects and no Interactions Endpoint URL is set"),
            },
            (Some(_), None) => down(
                "an Interactions Endpoint URL is set in the developer portal, so interactions do not come over the \
                    gateway, but public_key is not set here: set it, or remove the URL",
            ),
            (Some(_), ours) if ours != from_hex(&application.verify_key) => {
                down("public_key is not the application's: copy it from `General Information`")
            }
            (Some(_), _) => Health::Ok,
        }
    }

    async fn look_at_commands(&self) -> Health {
        let registered = match self.rest.commands(self.application).await {
            Ok(registered) => registered,
            Err(error) => return failed(&error),
        };
        let missing: Vec<&str> = words::command_names()
            .filter(|name| !registered.iter().any(|command| command.name == *name))
            .collect();
        match missing.is_empty() {
            true => Health::Ok,
            false => Health::Degraded {
                reason: format!(
                    "missing: {}; they are registered when the program starts with register_commands = true",
                    missing.join(", ")
                ),
            },
        }
    }

    async fn look_at_support_channel(&self, me: UserId) -> Health {
        let Ok(id) = self.config.support_channel.parse::<std::num::NonZeroU64>() else {
            return Health::Degraded {
                reason:
                    "none is set: customers who write on the server are answered in direct messages"
                        .to_owned(),
            };
        };
        let looked = async {
            let channel = self.rest.channel(ChannelId::from(id)).await?;
            let Some(guild) = channel.guild_id.filter(|_| channel.kind == 0) else {
                return Ok(Health::Down {
                    reason: "it is not a text channel of a server".to_owned(),
                });
            };
            let permissions = self.permissions(guild, &channel, me).await?;
            let missing = NEEDED
                .iter()
                .filter(|(needed, _)| !permissions.contains(*needed));
            let missing: Vec<&str> = missing.map(|(_, name)| *name).collect();
            Ok(match missing.is_empty() {
                true => Health::Ok,
                false => Health::Down {
                    reason: format!("the bot's role lacks there: {}", missing.join(", ")),
                },
            })
        };
        looked
            .await
            .unwrap_or_else(|error: CallError| failed(&error))
    }

    /// What the bot may do in a channel
    /// (<https://discord.com/developers/docs/topics/permissions#permission-overwrites>).
    async fn permissions(
        &self,
        guild: GuildId,
        channel: &Channel,
        me: UserId,
    ) -> Result<Permissions, CallError> {
        let roles = self.rest.roles(guild).await?;
        let own = self.rest.member(guild, me).await?.roles;
        Ok(computed(guild, channel, me, &roles, &own))
    }
}

fn computed(
    guild: GuildId,
    channel: &Channel,
    me: UserId,
    roles: &[Role],
    own: &[String],
) -> Permissions {
    let everyone = guild.to_string();
    let has = |id: &str| id == everyone || own.iter().any(|role| role == id);
    let mut permissions = Permissions::empty();
    for role in roles.iter().filter(|role| has(&role.id)) {
        permissions |= bits(&role.permissions);
    }
    if permissions.contains(Permissions::ADMINISTRATOR) {
        return Permissions::all();
    }
    let overwrites = &channel.permission_overwrites;
    let me = me.to_string();
    // For everyone, then for the roles together, then for the member.
    apply(
        &mut permissions,
        overwrites
            .iter()
            .filter(|overwrite| overwrite.id == everyone),
    );
    let of_roles = overwrites
        .iter()
        .filter(|overwrite| overwrite.id != everyone && has(&overwrite.id));
    apply(&mut permissions, of_roles);
    apply(
        &mut permissions,
        overwrites.iter().filter(|overwrite| overwrite.id == me),
    );
    permissions
}

fn apply<'a>(permissions: &mut Permissions, overwrites: impl Iterator<Item = &'a Overwrite>) {
    let (mut allow, mut deny) = (Permissions::empty(), Permissions::empty());
    for overwrite in overwrites {
        allow |= bits(&overwrite.allow);
        deny |= bits(&overwrite.deny);
    }
    *permissions = (*permissions - deny) | allow;
}

fn bits(text: &str) -> Permissions {
    Permissions::from_bits_truncate(text.parse().unwrap_or(0))
}

fn failed(error: &CallError) -> Health {
    Health::Down {
        reason: match error {
            CallError::Refused { status: 401, .. } => {
                "the bot's token is not valid: set a new one".to_owned()
            }
            error => error.to_string(),
        },
    }
}
