//! An outbound message as a mail (RFC 5322, RFC 2045).

use std::time::SystemTime;

use doorstep_core::{
    Timestamp,
    accent::Accent,
    channel::SendError,
    message::{Address, OutboundMessage},
};
use lettre::{
    Address as MailAddress, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use sha2::{Digest, Sha256};

use super::{
    NAME,
    config::Config,
    dkim::Signer,
    ids::{self, ReplyTokens},
    layout::{self, Look},
    subject,
};
use crate::InvalidSetting;

/// Longer subjects are cut by mail programs anyway, and some servers refuse very long header lines.
const MAX_SUBJECT_CHARS: usize = 150;
/// Longest name before the @ (RFC 5321, section 4.5.3.1.1), and what a token takes of it.
const MAX_LOCAL_PART: usize = 64;
const TOKEN_CHARS: usize = 42;

/// Makes mails.
pub(super) struct Composer {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    tokens: Option<ReplyTokens>,
    domain: String,
    signer: Option<Signer>,
    accent: Option<Accent>,
}

/// A finished mail.
pub(super) struct Mail {
    /// `Message-ID` without brackets.
    pub(super) message_id: String,
    pub(super) envelope: Envelope,
    /// ASCII, with CRLF line ends.
    pub(super) bytes: Vec<u8>,
    /// As its text part says it.
    pub(super) text: String,
    /// As its HTML part shows it.
    pub(super) html: String,
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
        let answered_at = reply_to.as_ref().unwrap_or(&from);
        if config.reply_tokens && answered_at.user().len() > MAX_LOCAL_PART - 1 - TOKEN_CHARS {
            return Err(InvalidSetting::new(
                NAME,
                "reply_tokens",
                format!(
                    "`{}` with a token would be longer than addresses may be",
                    answered_at.user()
                ),
                "choose a shorter `reply_to`, or leave the tokens out",
            ));
        }
        let signer = config.dkim.as_ref();
        let signer = signer
            .map(|section| Signer::new(section, from.domain()))
            .transpose()?;
        let name = one_line(&config.from_name);
        Ok(Self {
            domain: domain.to_owned(),
            from: Mailbox::new((!name.is_empty()).then_some(name), from),
            reply_to: reply_to.map(|address| Mailbox::new(None, address)),
            tokens: tokens(config),
            signer,
            accent: None,
        })
    }

    /// In the shop's colour.
    pub(super) fn with_accent(self, accent: Option<Accent>) -> Self {
        Self { accent, ..self }
    }

    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    /// The addresses that we write from and are answered at, in lower case.
    pub(super) fn own_addresses(&self) -> Vec<String> {
        let own = [Some(&self.from), self.reply_to.as_ref()];
        own.into_iter()
            .flatten()
            .map(|mailbox| mailbox.email.to_string().to_lowercase())
            .collect()
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
        let content = &message.content;
        let line = subject_of(message);
        let message_id = ids::message_id(&message.id, subject::topic(&line), &self.domain);
        let answers = message.in_reply_to.is_some();
        let parent = message
            .thread
            .answers
            .as_deref()
            .filter(|id| answers && is_message_id(id));
        let parent = parent.map(|id| format!("<{id}>"));
        let thread = self.thread_of(address);

        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .date(SystemTime::from(now))
            .subject(line)
            .message_id(Some(format!("<{message_id}>")))
            .references(match &parent {
                Some(parent) => format!("{thread} {parent}"),
                None => thread.clone(),
            });
        if answers {
            builder = builder.in_reply_to(parent.unwrap_or(thread));
        }
        if let Some(reply_to) = self.reply_to(message, &address.id) {
            builder = builder.reply_to(reply_to);
        }
        for (name, value) in headers(message, &message_id) {
            builder = builder.raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str(name),
                value,
            ));
        }
        let html = match &content.html {
            Some(html) => html.clone(),
            None => {
                let look = Look::new(self.shop_name(), self.accent);
                look.html(&message.language, content)
            }
        };
        let text = layout::plain(&message.language, content);
        let parts = MultiPart::alternative()
            .boundary(format!("doorstep-{}", message.id))
            .singlepart(SinglePart::plain(text.clone()))
            .singlepart(SinglePart::html(html.clone()));
        let mut mail = builder.multipart(parts).map_err(|error| SendError::Fail {
            reason: format!("the mail could not be written: {error}"),
        })?;
        if let Some(signer) = &self.signer {
            signer.sign(&mut mail);
        }
        Ok(Mail {
            message_id,
            envelope: mail.envelope().clone(),
            bytes: mail.formatted(),
            text,
            html,
        })
    }

    /// Where this mail is answered, when not at the address it comes from.
    fn reply_to(&self, message: &OutboundMessage, recipient: &str) -> Option<Mailbox> {
        let Some(tokens) = &self.tokens else {
            return self.reply_to.clone();
        };
        let at = &self.reply_to.as_ref().unwrap_or(&self.from).email;
        let local = format!("{}+{}", at.user(), tokens.make(&message.id, recipient));
        let address = MailAddress::new(local, at.domain()).ok()?;
        Some(Mailbox::new(None, address))
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

/// Makes and reads the tokens in reply addresses, where they are wanted.
pub(super) fn tokens(config: &Config) -> Option<ReplyTokens> {
    let key = config.reply_secret.clone();
    config.reply_tokens.then(|| ReplyTokens::new(key))
}

/// Header fields that lettre has no words for.
fn headers(message: &OutboundMessage, message_id: &str) -> Vec<(&'static str, String)> {
    // RFC 3834: holiday notices answer neither. Exchange needs to be told in its own way.
    let automatic = match message.in_reply_to {
        Some(_) => "auto-replied",
        None => "auto-generated",
    };
    let mut headers = vec![
        ("Auto-Submitted", automatic.to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        // Some relays replace `Message-ID`; bounces return this one.
        ("X-Doorstep-Message", message_id.to_owned()),
    ];
    let page = message.content.unsubscribe.as_deref();
    if let Some(page) = page.filter(|page| is_web_address(page)) {
        headers.push(("List-Unsubscribe", format!("<{page}>")));
        // RFC 8058, section 3.1: by HTTPS only.
        if page.starts_with("https://") {
            headers.push((
                "List-Unsubscribe-Post",
                "List-Unsubscribe=One-Click".to_owned(),
            ));
        }
    }
    headers
}

/// Whether an address can stand between angle brackets in a header field.
fn is_web_address(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ',' | '"'))
}

/// Whether the identifier of a customer's message is a `Message-ID` (mails without one are named otherwise).
fn is_message_id(id: &str) -> bool {
    id.contains('@')
        && id
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>'))
}

/// In an answer, the subject that is answered; else the message's own, or the beginning of its text; on one line.
fn subject_of(message: &OutboundMessage) -> String {
    let content = &message.content;
    let answered = message
        .thread
        .subject
        .as_deref()
        .map(one_line)
        .unwrap_or_default();
    if message.in_reply_to.is_some() && !subject::base(&answered).is_empty() {
        return shortened(&subject::reply_to(&answered), MAX_SUBJECT_CHARS);
    }
    let own = content.subject.as_deref().map(one_line).unwrap_or_default();
    if own.is_empty() {
        let first = content.text.lines().find(|line| !line.trim().is_empty());
        return shortened(&one_line(first.unwrap_or_default()), 78);
    }
    shortened(&own, MAX_SUBJECT_CHARS)
}

/// Without line breaks and other control characters, which would begin a header of their own.
fn one_line(text: &str) -> String {
    let plain = text.replace(
        |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'),
        " ",
    );
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
pub(super) fn parse_address(text: &str) -> Result<MailAddress, String> {
    let address: MailAddress = text.parse().map_err(|error| format!("{error}"))?;
    if !address.user().is_ascii() {
        return Err("its part before the @ has letters outside ASCII".to_owned());
    }
    let domain = idna::domain_to_ascii(address.domain()).map_err(|error| error.to_string())?;
    MailAddress::new(address.user(), domain).map_err(|error| error.to_string())
}

pub(super) fn is_domain(domain: &str) -> bool {
    !domain.is_empty()
        && domain
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}
