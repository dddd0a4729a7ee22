//! The web chat: the protocol between the widget and us, without a transport.
//!
//! The front door owns HTTP and WebSocket and speaks with this room in text frames: [`WebChat::create_session`] for
//! `POST /chat/session`, [`WebChat::open`] for a socket (then [`Session::receive`] and [`Session::next`]),
//! [`WebChat::post_message`] and [`WebChat::poll`] for HTTP. The frames are described in `docs/channels/webchat.md`.
//!
//! Messages reach the customer through the [`Mailbox`]: committing an outbound message hands it over, and every device
//! reads by cursor. So a lost connection loses nothing and repeats nothing, and [`Channel::send`] has nothing to do.

mod config;
mod error;
mod identity;
mod limit;
mod origin;
mod protocol;
mod session;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod visitor;

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, Health, Language,
    channel::{
        Capabilities, Channel, Inbox, Mailbox, Receipt, SendError, Subscription, WebhookOutcome,
    },
    customer::Proof,
    message::{Address, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use self::{
    config::{Config, RateLimit},
    error::WebChatError,
    identity::{IdentityClaims, sign_identity},
    limit::network_of,
    session::{Incoming, Session},
};
use self::{
    identity::verify_identity,
    limit::Limiter,
    protocol::{ClientFrame, PollAnswer, ServerFrame},
    token::{DatedProof, SessionClaims, SessionTokens, VisitorId},
    visitor::Shared,
};
use crate::{Channels, InvalidSetting, Surroundings};

/// The configured name.
pub const NAME: &str = "webchat";

/// The longest a poll waits, below the 30 s after which proxies commonly give up.
pub const MAX_POLL_WAIT: Duration = Duration::from_secs(25);

/// How many entries a poll answers with and a socket reads at once.
const PAGE: u64 = 50;

/// Visitors and networks whose rate is remembered at most; a forgotten one starts afresh.
const REMEMBERED: usize = 20_000;

/// The web chat. Cloning shares it.
#[derive(Clone)]
pub struct WebChat(Arc<Shared>);

/// Asks for a session: `POST /chat/session`.
#[derive(Debug, Clone)]
pub struct CreateSession {
    /// The page's or browser's language.
    pub locale: Option<Language>,
    /// The shop's identity token of a signed-in customer.
    pub identity: Option<String>,
    /// The session token the widget kept from its last visit.
    pub session: Option<String>,
    /// Header `Origin`.
    pub origin: Option<String>,
    /// Header `Host`.
    pub host: Option<String>,
    /// Who asks, behind trusted proxies.
    pub ip: IpAddr,
}

/// A session, as the widget gets it (serialises to the answer's body).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionCreated {
    /// The token to open sockets with; opaque to the widget, which keeps it.
    pub session: String,
    /// The visitor's identifier: [`Address::id`] on this channel. Cached history belongs to it.
    pub visitor: String,
    /// Whether the visitor is new: nothing kept from an earlier session belongs to it.
    pub fresh: bool,
    /// Whether the visitor is proven to be a customer now.
    pub proven: bool,
    /// The language the visitor is met in, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

/// Opens a socket: `GET /chat/ws`.
#[derive(Debug, Clone)]
pub struct OpenSocket {
    /// The session token; without it the socket is an anonymous visitor of its own.
    pub session: Option<String>,
    /// The newest position the widget has shown; without it only what is new is sent.
    pub after: Option<i64>,
    /// Header `Origin`.
    pub origin: Option<String>,
    /// Header `Host`.
    pub host: Option<String>,
    /// Who asks, behind trusted proxies.
    pub ip: IpAddr,
    /// The browser's language; the session's when it says none.
    pub language: Option<Language>,
}

impl WebChat {
    /// A web chat that admits into `inbox` and reads from `mailbox`.
    ///
    /// # Errors
    /// A setting that would make it unsafe or useless.
    pub fn new(
        config: Config,
        inbox: Arc<dyn Inbox>,
        mailbox: Arc<dyn Mailbox>,
        ambient: Ambient,
    ) -> Result<Self, InvalidSetting> {
        config.check()?;
        metrics::describe_gauge!("doorstep_webchat_sockets", "Open web chat sockets");
        metrics::describe_counter!(
            "doorstep_webchat_rejected_total",
            "Web chat requests and frames that were refused, by reason"
        );
        metrics::describe_counter!(
            "doorstep_webchat_gone_total",
            "Web chat sockets whose client fell silent"
        );
        Ok(Self(Arc::new(Shared {
            name: NAME.into(),
            capabilities: Capabilities {
                mailbox: true,
                reads: true,
                buttons: true,
                cards: true,
                images: true,
                html: false,
                subject: false,
                idempotent: true,
                max_text: config.max_text_chars,
                ..Capabilities::default()
            },
            tokens: SessionTokens::new(config.signing_secret.clone(), config.session_days),
            messages: Limiter::new(config.messages, REMEMBERED, ambient.clock.clone()),
            sessions: Limiter::new(config.sessions_per_ip, REMEMBERED, ambient.clock.clone()),
            config,
            inbox,
            mailbox,
            ambient,
        })))
    }

    /// The longest frame or request body in bytes. Transports should let a little more through, so that the visitor
    /// gets a sentence instead of a broken connection.
    pub fn max_frame_bytes(&self) -> usize {
        self.0.config.max_frame_bytes
    }

    /// Whether products are suggested while a visitor types.
    pub fn suggests(&self) -> bool {
        self.0.config.suggestions
    }

    /// After how long a silent socket is asked whether its client is still there.
    pub fn ping_every(&self) -> Duration {
        Duration::from_secs(self.0.config.ping_s)
    }

    /// Whether pages of `origin` may use the chat; a request without `Origin` comes from no page and may. Also the
    /// answer to a CORS preflight.
    ///
    /// # Errors
    /// [`WebChatError::ForeignOrigin`].
    pub fn check_origin(
        &self,
        origin: Option<&str>,
        host: Option<&str>,
    ) -> Result<(), WebChatError> {
        match origin {
            Some(origin) if !self.allows_origin(origin, host) => {
                Err(WebChatError::ForeignOrigin {
                    origin: origin.chars().take(100).collect(),
                }
                .counted())
            }
            _ => Ok(()),
        }
    }

    /// Whether pages of `origin` may use the chat and read its answers; `host` is the request's own.
    pub fn allows_origin(&self, origin: &str, host: Option<&str>) -> bool {
        origin::allows(&self.0.config.allowed_origins, origin, host)
    }

    /// Gives a visitor a session: the one they had, if it is still valid and belongs to the same customer, else a new
    /// one. A signed-in customer's proof goes into the session and to the [`Inbox`] at once, so that they can be
    /// written to before they wrote.
    ///
    /// # Errors
    /// A foreign origin, an identity token that does not hold, too many sessions from one network, or a store that is
    /// away; then the visitor keeps what they had.
    pub async fn create_session(
        &self,
        request: CreateSession,
    ) -> Result<SessionCreated, WebChatError> {
        self.check_origin(request.origin.as_deref(), request.host.as_deref())?;
        let now = self.0.ambient.now();
        let proof = request
            .identity
            .as_deref()
            .map(|token| self.prove_identity(token))
            .transpose()
            .map_err(WebChatError::counted)?;
        let known = request
            .session
            .as_deref()
            .and_then(|token| self.0.tokens.verify(token, now).map_err(WebChatError::counted).ok())
            // Another customer at the same browser must not see the first one's conversation.
            .filter(|claims| claims.may_belong_to(proof.as_ref().map(|dated| &dated.proof)));

        let fresh = known.is_none();
        let already_proven = |claims: &SessionClaims, dated: &DatedProof| {
            claims.current_proof(now) == Some(&dated.proof)
        };
        let to_prove = match (&known, &proof) {
            (Some(claims), Some(dated)) if already_proven(claims, dated) => None,
            (_, dated) => dated.clone(),
        };
        if fresh || to_prove.is_some() {
            self.take_session_token(request.ip)?;
        }

        let mut claims = known.unwrap_or_else(|| SessionClaims::new(self.new_visitor(), now));
        claims.language = request.locale.or(claims.language);
        if let Some(dated) = to_prove {
            self.link(&claims, &dated.proof).await?;
        }
        claims.renew(now, proof);
        Ok(SessionCreated {
            visitor: claims.visitor.to_string(),
            fresh,
            proven: claims.current_proof(now).is_some(),
            session: self.0.tokens.sign(&claims),
            language: claims.language,
        })
    }

    /// Opens a socket.
    ///
    /// # Errors
    /// A foreign origin, a session that is not ours any more (ask for a new one), too many anonymous sockets from one
    /// network, or a store that is away.
    pub async fn open(&self, request: OpenSocket) -> Result<Session, WebChatError> {
        self.check_origin(request.origin.as_deref(), request.host.as_deref())?;
        let Some(token) = &request.session else {
            self.take_session_token(request.ip)?;
            let visitor = self.0.visitor(self.new_visitor(), None, request.language);
            let news = self.0.mailbox.subscribe(&visitor.address);
            return Ok(Session::anonymous(self.0.clone(), visitor, news));
        };
        let visitor = self.0.visitor_of(token, request.language)?;
        // Subscribed before the position is read: whatever is committed in between wakes the socket.
        let news = self.0.mailbox.subscribe(&visitor.address);
        let newest = self.0.newest_position(&visitor.address).await?;
        Ok(Session::resumed(
            self.0.clone(),
            visitor,
            news,
            request.after,
            newest,
        ))
    }

    /// Takes one frame over HTTP and answers with one: a receipt.
    ///
    /// # Errors
    /// What a socket would have said in an `error` frame; [`WebChatError::frame`] is the answer's body.
    pub async fn post_message(&self, session: &str, frame: &[u8]) -> Result<String, WebChatError> {
        let visitor = self.0.visitor_of(session, None)?;
        let receipt = match self.0.parse(frame) {
            Ok(ClientFrame::Write(written)) => {
                let done = self.0.write(&visitor, written).await;
                done.map(|done| done.receipt())
            }
            Ok(ClientFrame::Read { position }) => self.0.read_over_http(&visitor, position).await,
            Ok(ClientFrame::Typing) => Ok(ServerFrame::Typing { on: false }.render()),
            Err(refusal) => Err(refusal),
        };
        receipt.map_err(|refusal| refusal.error.counted())
    }

    /// The address of a session's visitor, for a link to another channel. Counts as a message, so that nobody makes
    /// thousands.
    ///
    /// # Errors
    /// A session that is not ours any more, or too many messages.
    pub fn address_to_link(&self, session: &str) -> Result<Address, WebChatError> {
        let visitor = self.0.visitor_of(session, None)?;
        self.0.take_message_token(&visitor).map_err(WebChatError::counted)?;
        Ok(visitor.address)
    }

    /// Entries after `after` (or only what comes from now on), as the body of `GET /chat/messages`:
    /// `{"messages": […], "position": …}`. Waits up to `wait` (at most [`MAX_POLL_WAIT`]) for the first one.
    ///
    /// # Errors
    /// A session that is not ours any more, or a store that is away.
    pub async fn poll(
        &self,
        session: &str,
        after: Option<i64>,
        wait: Duration,
    ) -> Result<String, WebChatError> {
        let visitor = self.0.visitor_of(session, None)?;
        let mut news = self.0.mailbox.subscribe(&visitor.address);
        let newest = self.0.newest_position(&visitor.address).await?;
        let after = after.map_or(newest, |after| after.clamp(0, newest));
        if after == newest {
            // A poll that ends without news is answered with no messages: the outcome does not matter.
            let _ =
                tokio::time::timeout(wait.min(MAX_POLL_WAIT), newer_than(newest, &mut news)).await;
        }
        let entries = self.0.entries_after(&visitor.address, after).await?;
        Ok(PollAnswer::new(after, &entries, visitor.id).render())
    }

    fn prove_identity(&self, token: &str) -> Result<DatedProof, WebChatError> {
        let secret = self.0.config.identity_secret.as_ref().ok_or_else(|| {
            WebChatError::InvalidIdentity {
                reason: "this shop has set no channels.webchat.identity_secret".to_owned(),
            }
        })?;
        let now = self.0.ambient.now();
        let proof = verify_identity(secret, token, now)?;
        let until = now.timestamp() + 3600 * i64::from(self.0.config.proof_hours);
        Ok(DatedProof { proof, until })
    }

    async fn link(&self, claims: &SessionClaims, proof: &Proof) -> Result<(), WebChatError> {
        let address = self.0.address(claims.visitor);
        self.0
            .inbox
            .prove(&address, proof, claims.language.as_ref())
            .await
            .map_err(|error| WebChatError::from(error).counted())
    }

    fn take_session_token(&self, ip: IpAddr) -> Result<(), WebChatError> {
        self.0.sessions.take(network_of(ip)).map_err(|wait| {
            WebChatError::RateLimited {
                what: "new sessions from your network",
                limit: self.0.config.sessions_per_ip,
                retry_after: wait,
            }
            .counted()
        })
    }

    fn new_visitor(&self) -> VisitorId {
        VisitorId::new(&*self.0.ambient.entropy)
    }
}

/// Waits until something newer than `position` is committed, or nothing more will be.
async fn newer_than(position: i64, subscription: &mut Subscription) {
    while subscription.news.borrow_and_update().position <= position {
        if subscription.news.changed().await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Channel for WebChat {
    fn name(&self) -> &ChannelName {
        &self.0.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn listen(&self, _inbox: Arc<dyn Inbox>, _stop: CancellationToken) {}

    async fn receive_webhook(
        &self,
        _request: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        Err(WebhookRejection::NotHere)
    }

    /// Committing a message has handed it over already.
    async fn send(
        &self,
        _address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        Ok(Receipt {
            provider_id: message.id.to_string(),
        })
    }

    async fn healthcheck(&self) -> Health {
        Health::Ok
    }
}

/// Whether the web chat could be opened with the section.
pub(crate) fn check(config: &Config) -> Result<(), InvalidSetting> {
    config.check_written()
}

/// Opens the web chat of the configuration.
pub(crate) fn open(
    config: Config,
    surroundings: &Surroundings,
    channels: &mut Channels,
) -> Result<(), InvalidSetting> {
    let chat = WebChat::new(
        config,
        surroundings.inbox.clone(),
        surroundings.mailbox.clone(),
        surroundings.ambient.clone(),
    )?;
    channels.add(Arc::new(chat.clone()));
    channels.web_chat = Some(chat);
    Ok(())
}
