//! An outbound message as a mail (RFC 5322, RFC 2045).

use std::time::SystemTime;

use doorstep_core::{
    Timestamp,
    channel::SendError,
    message::{Address, Content, OutboundMessage},
};
use lettre::{
    Address as MailAddress, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{Header, HeaderName, HeaderValue},
    },
};
use sha2::{Digest, Sha256};

use super::{NAME, config::Config, layout};
use crate::InvalidSetting;

/// Longer subjects are cut by mail programs anyway, and some servers refuse very long header lines.
const MAX_SUBJECT_CHARS: usize = 150;

/// Makes mails.
pub(super) struct Composer {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    domain: String,
}

/// A finished mail.
pub(super) struct Mail {
    /// `Message-ID` without brackets.
    pub(super) message_id: String,
    pub(super) envelope: Envelope,
    /// ASCII, with CRLF line ends.
    pub(super) bytes: Vec<u8>,
}

impl Composer {
    pub(super) fn new(config: &Config) -> Result<Self, InvalidSetting> {
        let from = parse_setting("from_address", &config.from_address)?;
        let reply_to = config
            .reply_to
            .as_deref()
            .map(|address| parse_setting("reply_to", address))
            .transpose()?;
        let domain = config.domain.as_deref().unwrap_or(from.domain());
        if !is_domain(domain) {
            return Err(InvalidSetting::new(
                NAME,
                "domain",
                format!("`{domain}` is not a domain"),
                "write one like `shop.example`, in ASCII",
            ));
        }
        let name = one_line(&config.from_name);
        Ok(Self {
            domain: domain.to_owned(),
            from: Mailbox::new((!name.is_empty()).then_some(name), from),
            reply_to: reply_to.map(|address| Mailbox::new(None, address)),
        })
    }

    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    /// The mail that `message` is to `address`. The same message gives the same `Message-ID` and the same parts.
    ///
    /// # Errors
    /// [`SendError::Fail`]: nobody can send to this address.
    pub(super) fn compose(
        &self,
        address: &Address,
        message: &OutboundMessage,
        now: Timestamp,
    ) -> Result<Mail, SendError> {
        let to = parse_address(&address.id).map_err(|error| SendError::Fail {
            reason: format!("the recipient is not an e-mail address we can send to: {error}"),
        })?;
        let message_id = format!("{}@{}", message.id, self.domain);
        let thread = self.thread_of(address);
        let content = &message.content;

        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .date(SystemTime::from(now))
            .subject(subject_of(content))
            .message_id(Some(format!("<{message_id}>")))
            .references(thread.clone())
            .header(AutoSubmitted);
        if message.in_reply_to.is_some() {
            builder = builder.in_reply_to(thread);
        }
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        let html = match &content.html {
            Some(html) => html.clone(),
            None => layout::html(self.shop_name(), &message.language, content),
        };
        let parts = MultiPart::alternative()
            .boundary(format!("doorstep-{}", message.id))
            .singlepart(SinglePart::plain(layout::plain(content)))
            .singlepart(SinglePart::html(html));
        let mail = builder.multipart(parts).map_err(|error| SendError::Fail {
            reason: format!("the mail could not be written: {error}"),
        })?;
        Ok(Mail {
            message_id,
            envelope: mail.envelope().clone(),
            bytes: mail.formatted(),
        })
    }

    /// A `Message-ID` that all mails of one conversation refer to, so that mail programs show them together. No mail
    /// has it; threading (RFC 5256) groups by it all the same.
    fn thread_of(&self, address: &Address) -> String {
        let mut hash = Sha256::new();
        hash.update(address.channel.as_str());
        hash.update([0]);
        hash.update(address.id.to_lowercase());
        let hash = hash.finalize();
        let hash: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
        format!("<conversation.{hash}@{}>", self.domain)
    }

    fn shop_name(&self) -> &str {
        self.from.name.as_deref().unwrap_or(&self.domain)
    }
}

/// The subject, or the beginning of the text, on one line.
fn subject_of(content: &Content) -> String {
    let subject = content.subject.as_deref().map(one_line).unwrap_or_default();
    if subject.is_empty() {
        let first = content.text.lines().find(|line| !line.trim().is_empty());
        return shortened(&one_line(first.unwrap_or_default()), 78);
    }
    shortened(&subject, MAX_SUBJECT_CHARS)
}

/// Without line breaks and other control characters, which would begin a header of their own.
fn one_line(text: &str) -> String {
    let plain = text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max_chars - 1).collect();
    format!("{}…", kept.trim_end())
}

fn parse_setting(field: &str, address: &str) -> Result<MailAddress, InvalidSetting> {
    parse_address(address).map_err(|error| {
        InvalidSetting::new(
            NAME,
            field,
            format!("`{address}` is not an e-mail address ({error})"),
            "write one like `hello@shop.example`",
        )
    })
}

/// An address in ASCII: an international domain becomes its `xn--` form (RFC 5890). A mailbox name in other letters
/// (RFC 6531) is refused, as few servers take it.
fn parse_address(text: &str) -> Result<MailAddress, String> {
    let address: MailAddress = text.parse().map_err(|error| format!("{error}"))?;
    if !address.user().is_ascii() {
        return Err("its part before the @ has letters outside ASCII".to_owned());
    }
    let domain = idna::domain_to_ascii(address.domain()).map_err(|error| error.to_string())?;
    MailAddress::new(address.user(), domain).map_err(|error| error.to_string())
}

fn is_domain(domain: &str) -> bool {
    !domain.is_empty()
        && domain
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

/// `Auto-Submitted: auto-generated` (RFC 3834): holiday notices do not answer it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
