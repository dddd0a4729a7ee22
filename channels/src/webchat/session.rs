//! One open socket.

use std::{collections::VecDeque, sync::Arc};

use doorstep_core::{channel::Subscription, message::MailboxEntry};

use super::{
    PAGE,
    error::WebChatError,
    protocol::{ClientFrame, MessageFrame, Refusal, ServerFrame},
    visitor::{Shared, Visitor},
};

/// After so many wrong frames in a row the socket is closed.
const MAX_ERRORS: u8 = 10;

/// A frame as the transport received it; pings and closes are the transport's own business.
#[derive(Debug, Clone, Copy)]
pub enum Incoming<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame, which the protocol does not have.
    Binary,
}

/// One open socket: the transport alternates between [`Session::receive`] and [`Session::next`] until `next` says
/// that it is over.
///
/// ```text
/// loop {
///     select! {
///         frame = socket.receive() => session.receive(frame).await,
///         frame = session.next()   => socket.send(frame).await,
///     }
/// }
/// ```
///
/// `next` may be dropped while it waits: nothing is lost or repeated. An idle session holds no buffers.
pub struct Session {
    shared: Arc<Shared>,
    visitor: Visitor,
    news: Subscription,
    /// Everything up to here was sent, or written on this socket.
    cursor: i64,
    /// Positions beyond the cursor of messages written on this socket, which are not echoed.
    own: Vec<i64>,
    /// Frames to send.
    ready: VecDeque<String>,
    /// Whether there may be entries after the cursor.
    behind: bool,
    /// Whether the client follows the conversation: it has a session or names its messages. One that does neither
    /// wants answers alone and gets no receipts and no typing.
    attentive: bool,
    /// Whether an answer is being made.
    typing: bool,
    /// What the client last heard about that.
    told_typing: bool,
    last_read: i64,
    errors: u8,
    closing: bool,
    _counted: SocketCount,
}

impl Session {
    /// A socket of a visitor who has written nothing yet.
    pub(super) fn anonymous(shared: Arc<Shared>, visitor: Visitor, news: Subscription) -> Self {
        Self::starting_at(shared, visitor, news, 0, 0, false)
    }

    /// A socket of a visitor whose conversation has come to `newest`, of which the client has shown `after`.
    pub(super) fn resumed(
        shared: Arc<Shared>,
        visitor: Visitor,
        news: Subscription,
        after: Option<i64>,
        newest: i64,
    ) -> Self {
        // A cursor from the future (of a database that was restored) would hide everything to come.
        let cursor = after.map_or(newest, |after| after.clamp(0, newest));
        Self::starting_at(shared, visitor, news, cursor, newest, true)
    }

    fn starting_at(
        shared: Arc<Shared>,
        visitor: Visitor,
        news: Subscription,
        cursor: i64,
        newest: i64,
        attentive: bool,
    ) -> Self {
        let mut session = Self {
            shared,
            visitor,
            news,
            cursor,
            own: Vec::new(),
            ready: VecDeque::new(),
            behind: cursor < newest,
            attentive,
            typing: false,
            told_typing: false,
            last_read: 0,
            errors: 0,
            closing: false,
            _counted: SocketCount::new(),
        };
        session.hear_news();
        session
    }

    /// The visitor's identifier: [`doorstep_core::message::Address::id`] on this channel, for logs.
    pub fn visitor(&self) -> &str {
        &self.visitor.address.id
    }

    /// Takes a frame of the client; what there is to answer comes out of [`Self::next`]. A message that got a receipt
    /// is stored.
    pub async fn receive(&mut self, frame: Incoming<'_>) {
        if self.closing {
            return;
        }
        match self.handle(frame).await {
            Ok(()) => self.errors = 0,
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// The next frame to send; `None` when the socket is to be closed.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            self.ready.shrink_to_fit();
            if self.closing {
                return None;
            }
            if self.behind {
                self.read_on().await;
                continue;
            }
            if self.news.news.has_changed().unwrap_or(false) {
                self.hear_news();
                continue;
            }
            // After the messages: an answer comes before we stop typing it.
            self.tell_typing();
            if self.ready.is_empty() {
                // The watch remembers what was not seen yet, so dropping this future here loses nothing.
                self.news.news.changed().await.ok()?;
                self.hear_news();
            }
        }
    }

    async fn handle(&mut self, frame: Incoming<'_>) -> Result<(), Refusal> {
        let Incoming::Text(text) = frame else {
            return Err(Refusal {
                id: None,
                error: WebChatError::Invalid {
                    reason:
                        r#"Binary frames are not understood; send text frames like {"text": "…"}."#
                            .to_owned(),
                },
            });
        };
        match self.shared.parse(text.as_bytes())? {
            ClientFrame::Write(written) => {
                let named = written.id.is_some();
                self.attentive |= named;
                let admitted = self.shared.write(&self.visitor, written).await?;
                if !admitted.duplicate {
                    self.pass_over(admitted.position);
                }
                if named {
                    self.ready.push_back(admitted.receipt());
                }
                Ok(())
            }
            ClientFrame::Read { position } => self.mark_read(position).await,
            ClientFrame::Typing => Ok(()),
        }
    }

    /// Notes that `position` was written here and need not be sent.
    fn pass_over(&mut self, position: i64) {
        if position == self.cursor + 1 {
            self.cursor = position;
        } else if position > self.cursor {
            self.own.push(position);
            self.behind = true;
        }
    }

    async fn mark_read(&mut self, position: i64) -> Result<(), Refusal> {
        // What was not sent cannot have been read.
        let position = position.min(self.cursor);
        if position <= self.last_read {
            return Ok(());
        }
        let address = &self.visitor.address;
        let receipt = self.shared.mark_read(address, position).await?;
        self.last_read = position;
        self.ready.push_back(receipt);
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.ready.push_back(refusal.frame());
        if refusal.error.is_the_clients_fault() {
            self.errors += 1;
            self.closing = self.errors >= MAX_ERRORS;
        }
        refusal.error.counted();
    }

    /// Reads the entries after the cursor. If the store is away the socket is closed: the client comes back with its
    /// position and misses nothing.
    async fn read_on(&mut self) {
        let read = self
            .shared
            .entries_after(&self.visitor.address, self.cursor)
            .await;
        let entries = match read {
            Ok(entries) => entries,
            Err(error) => {
                self.ready.push_back(error.frame());
                self.closing = true;
                return;
            }
        };
        self.behind = entries.len() as u64 == PAGE;
        self.show(&entries);
    }

    /// Has entries sent that follow on the cursor.
    fn show(&mut self, entries: &[MailboxEntry]) {
        for entry in entries {
            self.cursor = entry.position;
            if let Some(written_here) = self.own.iter().position(|own| *own == entry.position) {
                self.own.swap_remove(written_here);
                continue;
            }
            let frame = ServerFrame::Message(MessageFrame::new(entry, self.visitor.id));
            self.ready.push_back(frame.render());
        }
    }

    fn hear_news(&mut self) {
        let news = self.news.news.borrow_and_update().clone();
        let follows = |entry: &MailboxEntry| entry.position == self.cursor + 1;
        if !self.behind && news.entries.first().is_some_and(follows) {
            self.show(&news.entries);
        }
        self.behind |= news.position > self.cursor;
        self.typing = news.typing;
    }

    /// Tells an attentive client that an answer is being made, or no longer.
    fn tell_typing(&mut self) {
        let on = self.typing;
        if self.attentive && on != self.told_typing {
            self.told_typing = on;
            self.ready.push_back(ServerFrame::Typing { on }.render());
        }
    }
}

/// Counts an open socket while it lives.
struct SocketCount;

impl SocketCount {
    fn new() -> Self {
        metrics::gauge!("doorstep_webchat_sockets").increment(1.0);
        Self
    }
}

impl Drop for SocketCount {
    fn drop(&mut self) {
        metrics::gauge!("doorstep_webchat_sockets").decrement(1.0);
    }
}
