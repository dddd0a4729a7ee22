//! A mail as it came in: a customer's message, news about one of ours, or nothing to act upon.

mod authentication;
pub(super) mod automatic;
pub(super) mod bounce;
mod html;
mod reply;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use doorstep_core::{
    ChannelName, Timestamp,
    attachment::{Attachment, AttachmentKind, AttachmentPlace},
    channel::ReceiptUpdate,
    customer::Proof,
    message::{Address, InboundMessage},
};
use mail_parser::{HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use sha2::{Digest, Sha256};

use self::{automatic::Automatic, bounce::Report};
use super::{
    compose::parse_address,
    ids::{self, OwnMail, ReplyTokens},
    subject,
};

/// Longer texts are not one message that anyone answers; the rest is cut off.
const MAX_TEXT_CHARS: usize = 20_000;
/// Longer `Message-ID`s are named by their hash.
const MAX_ID_BYTES: usize = 200;
/// As many files of one mail are taken.
const MAX_ATTACHMENTS: usize = 20;
/// Longer subject lines are cut.
const MAX_SUBJECT_CHARS: usize = 300;

/// How mails are read.
pub(super) struct Reader {
    pub(super) channel: ChannelName,
    /// The domain of our `Message-ID`s.
    pub(super) domain: String,
    /// The addresses we write from and are answered at, in lower case.
    pub(super) own_addresses: Vec<String>,
    pub(super) tokens: Option<ReplyTokens>,
    /// The receiving server's name in `Authentication-Results`.
    pub(super) authserv_id: Option<String>,
    /// Larger files are left out.
    pub(super) max_attachment_bytes: usize,
}

/// What a mail is.
#[derive(Debug, PartialEq)]
pub(super) enum Mail {
    Message(Box<InboundMessage>),
    Settles(Vec<ReceiptUpdate>),
    /// Nothing is done about it.
    Skipped(Skip),
}

/// Why nothing is done about a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    Automatic(Automatic),
    /// A delivery is late; the server goes on trying.
    Delayed,
    /// A report of a mail that is not ours.
    StrangeReport,
    /// It has no sender who could be answered.
    NoSender,
    /// Neither words nor files.
    Empty,
    /// It cannot be read at all.
    Unreadable,
}

impl Skip {
    /// For logs and metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Automatic(automatic) => automatic.as_str(),
            Self::Delayed => "delayed",
            Self::StrangeReport => "strange_report",
            Self::NoSender => "no_sender",
            Self::Empty => "empty",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Reader {
    /// Reads a mail. `whole` is false when only its beginning is there, because it is too large. Whatever it holds, this
    /// returns: one mail must not stop those behind it.
    pub(super) fn read(&self, raw: &[u8], whole: bool, now: Timestamp) -> Mail {
        // Parsers of mail and HTML meet everything here; a fault in one of them costs this mail only.
        catch_unwind(AssertUnwindSafe(|| self.read_mail(raw, whole, now)))
            .unwrap_or(Mail::Skipped(Skip::Unreadable))
    }

    fn read_mail(&self, raw: &[u8], whole: bool, now: Timestamp) -> Mail {
        let raw = after_mbox_line(raw);
        let Some(mail) = MessageParser::default().parse(raw) else {
            return Mail::Skipped(Skip::Unreadable);
        };
        let fields = fields(&mail);
        let sender = Sender::of(&mail);
        let address = sender.as_ref().map_or("", |sender| sender.address.as_str());
        match bounce::read(&mail, &fields, address, &self.domain, now) {
            Some(Report::Settles(updates)) => return Mail::Settles(updates),
            Some(Report::Delayed) => return Mail::Skipped(Skip::Delayed),
            Some(Report::Strange) => return Mail::Skipped(Skip::StrangeReport),
            None => {}
        }
        let Some(sender) = sender else {
            return Mail::Skipped(Skip::NoSender);
        };
        let line = mail.subject().unwrap_or_default();
        if self.is_own(&mail, &sender) {
            return Mail::Skipped(Skip::Automatic(Automatic::Own));
        }
        if let Some(automatic) = automatic::find(&fields, &sender.address, line) {
            return Mail::Skipped(Skip::Automatic(automatic));
        }
        self.message(&mail, &fields, sender, whole, now)
            .map_or(Mail::Skipped(Skip::Empty), |message| {
                Mail::Message(Box::new(message))
            })
    }

    fn is_own(&self, mail: &Message<'_>, sender: &Sender) -> bool {
        let id = mail.message_id().unwrap_or_default();
        ids::parse(id, &self.domain).is_some() || self.own_addresses.contains(&sender.address)
    }

    fn message(
        &self,
        mail: &Message<'_>,
        fields: &authentication::Fields<'_>,
        sender: Sender,
        whole: bool,
        now: Timestamp,
    ) -> Option<InboundMessage> {
        let by_token = self.token_of(mail, &sender.address);
        let answers = self.answered_of(mail).or(by_token);
        let line: String = printable(mail.subject().unwrap_or_default())
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let line: String = line.chars().take(MAX_SUBJECT_CHARS).collect();
        let is_answer = answers.is_some()
            || subject::is_reply(&line)
            || has_ids(mail.in_reply_to())
            || has_ids(mail.references());
        let attachments = self.attachments(mail, whole);
        let mut text = printable(&reply::own_words(&text_of(mail)));
        if text.trim().is_empty() && !is_answer {
            // Some write everything into the subject line.
            text = line.clone();
        }
        if text.trim().is_empty() && attachments.is_empty() {
            return None;
        }
        let changed = answers.and_then(|own| own.topic).is_some_and(|topic| {
            !subject::base(&line).is_empty() && topic != subject::topic(&line)
        });
        let text: String = text.trim().chars().take(MAX_TEXT_CHARS).collect();
        let sent_at = mail
            .date()
            .and_then(|date| Timestamp::from_timestamp(date.to_timestamp(), 0));
        let proof = self.proof(fields, &sender, by_token.is_some());
        Some(InboundMessage {
            proof,
            subject: (!line.is_empty()).then_some(line),
            attachments,
            // A token does not tell the whole identifier under which the mail was sent.
            answers: answers.and_then(|own| {
                let topic = own.topic?;
                Some(ids::message_id(&own.message, topic, &self.domain))
            }),
            new_topic: changed || !is_answer,
            ..InboundMessage::text(
                Address::new(self.channel.clone(), sender.address),
                external_id(mail),
                text,
                sent_at.filter(|sent| *sent <= now).unwrap_or(now),
            )
        })
    }

    /// What is proven of the sender: the mailbox, where the receiving server vouches for it; nothing new, where the mail
    /// came to an address that only they know; else that it may be anyone.
    fn proof(
        &self,
        fields: &authentication::Fields<'_>,
        sender: &Sender,
        by_token: bool,
    ) -> Option<Proof> {
        let domain = sender.address.rsplit('@').next().unwrap_or_default();
        let vouched = self.authserv_id.as_deref().is_some_and(|server| {
            sender.single && authentication::vouches_for(fields, server, domain)
        });
        if vouched {
            return Some(Proof::mailbox(sender.address.clone(), sender.name.clone()));
        }
        (!by_token).then(Proof::nobody)
    }

    /// The mail of ours whose token stands in an address that this one was sent to.
    fn token_of(&self, mail: &Message<'_>, sender: &str) -> Option<OwnMail> {
        let tokens = self.tokens.as_ref()?;
        let other = ["Delivered-To", "X-Original-To", "Envelope-To"];
        let other = other
            .iter()
            .filter_map(|name| mail.header_raw(*name))
            .map(|value| value.trim().trim_matches(['<', '>']).to_owned());
        let to = mail.all_to().chain(mail.all_cc());
        let to = to.flat_map(|list| {
            list.iter()
                .filter_map(|one| one.address().map(str::to_owned))
        });
        to.chain(other).take(100).find_map(|address| {
            let (local, _) = address.rsplit_once('@')?;
            let (_, token) = local.rsplit_once('+')?;
            tokens.read(token, sender)
        })
    }

    /// The mail of ours that this one says it answers.
    fn answered_of(&self, mail: &Message<'_>) -> Option<OwnMail> {
        let parent = ids_of(mail.in_reply_to());
        let earlier = ids_of(mail.references());
        let mut newest_first = parent.iter().chain(earlier.iter().rev());
        newest_first.find_map(|id| ids::parse(id, &self.domain))
    }

    fn attachments(&self, mail: &Message<'_>, whole: bool) -> Vec<Attachment> {
        let mut parts: Vec<_> = mail.attachments().collect();
        if !whole {
            // The last one is where the mail was cut off.
            parts.pop();
        }
        let count = parts.len();
        let taken: Vec<Attachment> = parts
            .into_iter()
            .filter_map(|part| attachment(part, self.max_attachment_bytes))
            .take(MAX_ATTACHMENTS)
            .collect();
        if taken.len() < count || !whole {
            let left_out = count - taken.len() + usize::from(!whole);
            tracing::info!(
                left_out,
                "files of a mail are left out: too large or too many"
            );
        }
        taken
    }
}

/// Who wrote a mail.
struct Sender {
    /// In lower case.
    address: String,
    name: Option<String>,
    /// The mail names one sender, once. What names several can be vouched for by none.
    single: bool,
}

impl Sender {
    /// Answers go to `From` and never to `Reply-To`: whoever forges a customer's name must not get the answer.
    fn of(mail: &Message<'_>) -> Option<Self> {
        let fields = mail.headers().iter();
        let count = fields
            .filter(|field| field.name == mail_parser::HeaderName::From)
            .count();
        let from = mail.from()?;
        let first = from.first()?;
        let address = first.address()?.trim().to_lowercase();
        parse_address(&address).ok()?;
        let name = first.name().map(printable);
        let name = name.map(|name| name.trim().chars().take(200).collect::<String>());
        Some(Self {
            address,
            name: name.filter(|name| !name.is_empty()),
            single: count == 1 && from.iter().count() == 1,
        })
    }
}

/// The header fields from the top: names and unfolded values.
fn fields<'a>(mail: &'a Message<'_>) -> Vec<(&'a str, String)> {
    mail.headers_raw()
        .map(|(name, value)| {
            let value: Vec<&str> = value.split_whitespace().collect();
            (name, value.join(" "))
        })
        .collect()
}

/// A line that mailbox files put before a mail.
fn after_mbox_line(raw: &[u8]) -> &[u8] {
    if !raw.starts_with(b"From ") {
        return raw;
    }
    let end = raw.iter().position(|byte| *byte == b'\n');
    end.map_or(raw, |end| &raw[end + 1..])
}

fn ids_of<'a>(value: &'a HeaderValue<'_>) -> Vec<&'a str> {
    value
        .as_text_list()
        .map(|list| list.iter().map(AsRef::as_ref).collect())
        .unwrap_or_default()
}

fn has_ids(value: &HeaderValue<'_>) -> bool {
    ids_of(value).iter().any(|id| !id.trim().is_empty())
}

/// What makes the mail unique: its `Message-ID`, else its content.
fn external_id(mail: &Message<'_>) -> String {
    let id = mail.message_id().unwrap_or_default().trim();
    let usable =
        id.contains('@') && id.len() <= MAX_ID_BYTES && id.chars().all(|c| c.is_ascii_graphic());
    if usable {
        return id.to_owned();
    }
    // Servers add lines above, so they do not count: the same mail fetched from another place is the same.
    let mut hash = Sha256::new();
    let stable = ["from", "to", "date", "subject", "message-id"];
    for (name, value) in mail.headers_raw() {
        if stable.contains(&name.to_lowercase().as_str()) {
            hash.update(name.to_lowercase());
            hash.update(value.trim());
        }
    }
    let body = mail.parts.first().map_or(0, |part| part.offset_body) as usize;
    hash.update(mail.raw_message.get(body..).unwrap_or_default());
    let hash: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hash}")
}

/// All that is written in the mail: its text, else its HTML as text.
fn text_of(mail: &Message<'_>) -> String {
    let parts = |ids: &[u32]| -> String {
        let texts = ids.iter().filter_map(|id| match &mail.part(*id)?.body {
            PartType::Text(text) => Some(plain_of(mail.part(*id)?, text)),
            PartType::Html(html) => Some(html::to_text(html)),
            _ => None,
        });
        let texts: Vec<String> = texts.take(MAX_ATTACHMENTS).collect();
        texts.join("\n")
    };
    let text = parts(&mail.text_body);
    match text.trim().is_empty() {
        true => parts(&mail.html_body),
        false => text,
    }
}

/// A text part; lines that were wrapped for transport are whole again (RFC 3676).
fn plain_of(part: &MessagePart<'_>, text: &str) -> String {
    let attribute = |name: &str| {
        let kind = part.content_type()?;
        kind.attribute(name).map(str::to_lowercase)
    };
    if attribute("format").as_deref() != Some("flowed") {
        return text.to_owned();
    }
    let joined_without_space = attribute("delsp").as_deref() == Some("yes");
    let mut whole = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        let flows = line.ends_with(' ') && line != "-- " && !line.starts_with('>');
        match flows {
            true if joined_without_space => whole.push_str(&line[..line.len() - 1]),
            true => whole.push_str(line),
            false => {
                whole.push_str(line);
                whole.push('\n');
            }
        }
    }
    whole
}

/// Without control characters, which no store and no screen wants; line breaks and tabs stay.
fn printable(text: &str) -> String {
    let keep = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.replace('\u{a0}', " ").chars().filter(keep).collect()
}

fn attachment(part: &MessagePart<'_>, max: usize) -> Option<Attachment> {
    let kind = part.content_type();
    let media_type = kind.map(|kind| {
        let sub = kind.subtype().unwrap_or("octet-stream");
        format!("{}/{sub}", kind.ctype()).to_lowercase()
    });
    let bytes: &[u8] = match &part.body {
        PartType::Message(inner) => inner.raw_message(),
        _ => part.contents(),
    };
    if bytes.is_empty() || bytes.len() > max {
        return None;
    }
    let name = part.attachment_name().map(printable);
    let name = name.map(|name| {
        let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
        last.trim().chars().take(200).collect::<String>()
    });
    Some(Attachment {
        kind: kind_of(media_type.as_deref().unwrap_or_default()),
        size: Some(bytes.len() as u64),
        place: AttachmentPlace::Inline(Bytes::copy_from_slice(bytes)),
        name: name.filter(|name| !name.is_empty()),
        media_type,
    })
}

fn kind_of(media_type: &str) -> AttachmentKind {
    match media_type.split('/').next().unwrap_or_default() {
        "image" => AttachmentKind::Image,
        "audio" => AttachmentKind::Audio,
        "video" => AttachmentKind::Video,
        _ => AttachmentKind::Document,
    }
}

#[cfg(test)]
mod tests;
