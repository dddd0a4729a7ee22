//! A visitor who was let in: what they write and read, whichever transport brought it.

use std::{net::IpAddr, sync::Arc};

use doorstep_core::{
    Ambient, ChannelName, Language,
    channel::{Capabilities, Inbox, Mailbox},
    message::{Address, InboundMessage, MailboxEntry},
};

use super::{
    PAGE,
    config::Config,
    error::WebChatError,
    limit::Limiter,
    protocol::{self, ClientFrame, Refusal, ServerFrame, Written},
    token::{DatedProof, SessionTokens, VisitorId},
};

/// What every socket of the web chat shares.
pub(super) struct Shared {
    pub(super) name: ChannelName,
    pub(super) capabilities: Capabilities,
    pub(super) config: Config,
    pub(super) tokens: SessionTokens,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) mailbox: Arc<dyn Mailbox>,
    pub(super) ambient: Ambient,
    pub(super) messages: Limiter<VisitorId>,
    pub(super) sessions: Limiter<IpAddr>,
}

/// Who a socket or request speaks for.
pub(super) struct Visitor {
    pub(super) id: VisitorId,
    pub(super) address: Address,
    pub(super) proof: Option<DatedProof>,
    pub(super) language: Option<Language>,
}

impl Shared {
    pub(super) fn address(&self, visitor: VisitorId) -> Address {
        Address::new(self.name.clone(), visitor.to_string())
    }

    pub(super) fn visitor(
        &self,
        id: VisitorId,
        proof: Option<DatedProof>,
        language: Option<Language>,
    ) -> Visitor {
        Visitor {
            id,
            address: self.address(id),
            proof,
            language,
        }
    }

    pub(super) fn visitor_of(
        &self,
        session: &str,
        language: Option<Language>,
    ) -> Result<Visitor, WebChatError> {
        let claims = self
            .tokens
            .verify(session, self.ambient.now())
            .map_err(WebChatError::counted)?;
        Ok(self.visitor(claims.visitor, claims.proof, language.or(claims.language)))
    }

    pub(super) async fn newest_position(&self, address: &Address) -> Result<i64, WebChatError> {
        let newest = self.mailbox.newest_position(address).await;
        newest.map_err(|error| WebChatError::from(error).counted())
    }

    pub(super) async fn entries_after(
        &self,
        address: &Address,
        position: i64,
    ) -> Result<Vec<MailboxEntry>, WebChatError> {
        let entries = self.mailbox.entries_after(address, position, PAGE).await;
        entries.map_err(|error| WebChatError::from(error).counted())
    }

    pub(super) fn parse(&self, frame: &[u8]) -> Result<ClientFrame, Refusal> {
        protocol::parse(
            frame,
            self.config.max_frame_bytes,
            self.config.max_text_chars,
        )
    }

    /// Admits what a visitor wrote.
    pub(super) async fn write(&self, visitor: &Visitor, written: Written) -> Result<Admitted, Refusal> {
        let Written {
            id,
            text,
            button,
            time_zone,
        } = written;
        let refuse = |error: WebChatError| Refusal {
            id: id.clone(),
            error,
        };
        self.take_message_token(visitor).map_err(&refuse)?;
        let now = self.ambient.now();
        let external_id = match &id {
            Some(id) => protocol::external_id(visitor.id, id),
            None => protocol::random_external_id(visitor.id, &*self.ambient.entropy),
        };
        let proof = visitor.proof.as_ref().and_then(|proof| proof.current(now));
        let admission = self.inbox.admit(InboundMessage {
            button,
            language_hint: visitor.language.clone(),
            // A name that is none of IANA's tells nothing.
            time_zone: time_zone.and_then(|name| name.parse().ok()),
            proof: proof.cloned(),
            ..InboundMessage::text(visitor.address.clone(), external_id, text, now)
        });
        let admission = admission.await.map_err(|error| refuse(error.into()))?;
        Ok(Admitted {
            id,
            position: admission.position,
            duplicate: admission.duplicate,
        })
    }

    pub(super) fn take_message_token(&self, visitor: &Visitor) -> Result<(), WebChatError> {
        self.messages
            .take(visitor.id)
            .map_err(|retry_after| WebChatError::RateLimited {
                what: "messages",
                limit: self.config.messages,
                retry_after,
            })
    }

    /// A socket knows what it sent and marks each position once; HTTP does not, so its marks are rated.
    pub(super) async fn read_over_http(&self, visitor: &Visitor, position: i64) -> Result<String, Refusal> {
        let refuse = |error| Refusal { id: None, error };
        self.take_message_token(visitor).map_err(refuse)?;
        let newest = self.newest_position(&visitor.address).await;
        let position = position.min(newest.map_err(refuse)?);
        self.mark_read(&visitor.address, position).await
    }

    pub(super) async fn mark_read(&self, address: &Address, position: i64) -> Result<String, Refusal> {
        let marked = self.mailbox.mark_read(address, position).await;
        marked.map_err(|error| Refusal {
            id: None,
            error: error.into(),
        })?;
        let status = "read";
        let id = None;
        Ok(ServerFrame::Receipt {
            id,
            status,
            position,
        }
        .render())
    }
}

/// A message that is stored now.
pub(super) struct Admitted {
    id: Option<String>,
    pub(super) position: i64,
    pub(super) duplicate: bool,
}

impl Admitted {
    pub(super) fn receipt(&self) -> String {
        let receipt = ServerFrame::Receipt {
            id: self.id.as_deref(),
            status: if self.duplicate {
                "duplicate"
            } else {
                "admitted"
            },
            position: self.position,
        };
        receipt.render()
    }
}
