//! Files that customers send.

use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::message::storable;

/// A file that came with a message, before it is fetched. Nothing the sender says of it is trusted: what it is, is told
/// by its first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What the channel calls it.
    pub kind: AttachmentKind,
    /// Where its bytes are.
    pub place: AttachmentPlace,
    /// The sender's file name.
    pub name: Option<String>,
    /// What the sender says it is: `image/jpeg`.
    pub media_type: Option<String>,
    /// What the provider says it measures, in bytes.
    pub size: Option<u64>,
}

impl Attachment {
    /// The same as it may be stored, without a payment card number in its name (G9).
    pub fn storable(self) -> Self {
        let name = self.name.as_deref().map(storable);
        Self { name, ..self }
    }
}

/// Where an attachment's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentPlace {
    /// At the provider, under this identifier: [`crate::channel::Channel::fetch`] opens it.
    Provider(String),
    /// They came with the message (e-mail).
    Inline(Bytes),
}

/// What a channel calls an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// A picture.
    Image,
    /// A recording made for this message.
    Voice,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// A small picture that stands for a feeling.
    Sticker,
    /// Any other file.
    Document,
}

impl AttachmentKind {
    /// Its name in the store and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Sticker => "sticker",
            Self::Document => "document",
        }
    }
}

/// The bytes of an attachment as they come from its provider.
pub type AttachmentStream = BoxStream<'static, Result<Bytes, FetchError>>;

/// Why an attachment could not be read, as the next step to take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The media server did not answer; try again.
    #[error("not fetched, to be tried again: {reason}")]
    Retry {
        /// Not before this; our own back-off when the provider does not say.
        after: Option<std::time::Duration>,
        /// What the provider said.
        reason: String,
    },
    /// It is not there, or not for us.
    #[error("not fetched for good: {reason}")]
    Fail {
        /// What the provider said.
        reason: String,
    },
}
