//! Reports that a mail could not be delivered: delivery status notifications (RFC 3464) and those that servers write in
//! prose (qmail, Exim, old Exchange). A report counts only when it names one of our mails, whose identifiers nobody can
//! guess; so a forged one closes nobody's address.

use std::sync::LazyLock;

use doorstep_core::{
    OutboundMessageId, Timestamp,
    channel::{ReceiptStatus, ReceiptUpdate},
};
use mail_parser::{Message, MimeHeaders, PartType};
use regex::Regex;

use super::authentication::Fields;
use crate::email::ids;

macro_rules! pattern {
    ($name:ident, $pattern:expr) => {
        #[allow(clippy::expect_used)] // constant, and read by a test
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($pattern).expect("a constant pattern"));
    };
}

// Enhanced status codes (RFC 3463).
pattern!(STATUS, r"\b([245])\.(\d{1,3})\.(\d{1,3})\b");
// An SMTP reply within prose: "550 user unknown", "550-5.1.1".
pattern!(REPLY, r"(?:^|[^\d.])([45]\d\d)[ -]");
pattern!(
    NOBODY,
    r"(?ix) user\ unknown | unknown\ user | no\ such\ (?:user|mailbox|recipient|address|person) | unknown\ recipient
        | unknown\ or\ illegal\ alias | recipient\ (?:unknown|not\ found) | (?:mailbox|address|user|account|recipient)\ (?:does\ not|doesn't|not)\ exist
        | (?:mailbox|account|user)\ (?:is\ )?(?:not\ found|disabled|inactive|unavailable|unknown) | invalid\ (?:recipient|mailbox|address)
        | no\ mailbox\ here | address\ rejected | doesn't\ have\ an?\ .{1,30}\ account | host\ or\ domain\ name\ not\ found
        | domain\ .{1,80}\ does\ not\ (?:exist|accept\ mail) | not\ a\ valid\ mailbox"
);
pattern!(
    DELAYED,
    r"(?ix) has\ been\ delayed | delivery\ (?:is\ )?delayed | delayed\ (?:mail|24) | will\ (?:be\ )?(?:continue|retr(?:y|ied)|keep\ trying)
        | not\ yet\ been\ delivered | still\ (?:trying|being\ retried) | warning:\ (?:message|could\ not\ send)\ .{0,40}(?:delayed|4\ hours|hours)
        | you\ do\ not\ need\ to\ resend | this\ is\ a\ warning\ message\ only"
);
pattern!(
    SUBJECT,
    r"(?ix) undeliver | delivery\ (?:status|failure|report|has\ failed|incomplete) | failure\ notice | returned\ (?:mail|to\ sender)
        | mail\ delivery | delivery\ (?:notification|subsystem) | could\ not\ be\ delivered | mail\ system\ error | not\ delivered
        | unzustellbar | nicht\ zugestellt | non\ remis | no\ entregado | não\ entregue | mancato\ recapito | не\ доставлено"
);

/// What a report says.
#[derive(Debug, PartialEq)]
pub(in crate::email) enum Report {
    /// What became of our mails.
    Settles(Vec<ReceiptUpdate>),
    /// Nothing is final yet.
    Delayed,
    /// It names no mail of ours.
    Strange,
}

/// Whether nobody ever reads mail at the address to which an answer with this code or text was given.
pub(in crate::email) fn is_gone(text: &str) -> bool {
    let permanent = |status: regex::Captures<'_>| {
        let number = |index: usize| status[index].parse::<u16>().unwrap_or_default();
        // X.1.1 no such mailbox, X.1.2 no such system, X.1.3 no address, X.1.6 moved, X.1.10 takes no mail, X.2.1 disabled.
        (number(1) == 5).then(|| matches!((number(2), number(3)), (1, 1 | 2 | 3 | 6 | 10) | (2, 1)))
    };
    let mut codes = STATUS.captures_iter(text).filter_map(permanent).peekable();
    match codes.peek() {
        // 5.0.0 says nothing, so the words do.
        Some(_) if !text.contains("5.0.0") => codes.any(|gone| gone),
        _ => NOBODY.is_match(text) && !text.contains(" 4."),
    }
}

/// Reads the mail as a report, if it is one.
pub(super) fn read(
    mail: &Message<'_>,
    fields: &Fields<'_>,
    sender: &str,
    domain: &str,
    now: Timestamp,
) -> Option<Report> {
    let status = mail
        .parts
        .iter()
        .find(|part| part.is_content_type("message", "delivery-status"));
    if let Some(part) = status {
        return Some(read_status(mail, &lossy(part.contents()), domain, now));
    }
    let subject = mail.subject().unwrap_or_default();
    let daemon = sender.to_lowercase();
    let null_path = fields.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("return-path") && value.trim().trim_matches(['<', '>']).is_empty()
    });
    let failed_header = fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("x-failed-recipients"));
    let by_daemon = daemon.starts_with("mailer-daemon")
        || daemon.starts_with("postmaster")
        || daemon.starts_with("maildaemon")
        || null_path;
    if failed_header || (by_daemon && SUBJECT.is_match(subject)) {
        return Some(read_prose(mail, subject, domain, now));
    }
    None
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A machine-readable report: a group of fields about the mail, then one for each recipient.
fn read_status(mail: &Message<'_>, status: &str, domain: &str, now: Timestamp) -> Report {
    let groups = groups(status);
    let field = |group: &[(String, String)], name: &str| {
        let found = group.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let recipients: Vec<_> = groups
        .iter()
        .filter(|group| group.iter().any(|(name, _)| name == "action"))
        .collect();
    let Some((named, message)) = own_mail(mail, domain) else {
        return Report::Strange;
    };
    // Our mails have one recipient each; a forwarder may have made several of it, and then one that took it is enough.
    let action = |wanted: &str| {
        recipients
            .iter()
            .find(|group| field(group, "action").to_lowercase().starts_with(wanted))
    };
    let status = if action("delivered").is_some() {
        ReceiptStatus::Delivered
    } else if action("relayed").is_some() || action("expanded").is_some() {
        ReceiptStatus::Sent
    } else if let Some(failed) = action("failed") {
        let reason = format!(
            "{} {}",
            field(failed, "status"),
            field(failed, "diagnostic-code")
        );
        ReceiptStatus::Failed {
            gone: is_gone(&reason),
            reason: short(&reason),
        }
    } else {
        return Report::Delayed;
    };
    settles(named, message, status, now)
}

fn settles(
    named: String,
    message: OutboundMessageId,
    status: ReceiptStatus,
    now: Timestamp,
) -> Report {
    Report::Settles(vec![ReceiptUpdate {
        provider_id: Some(named),
        message: Some(message),
        status,
        at: now,
    }])
}

/// Groups of header fields, parted by blank lines; names in lower case.
fn groups(text: &str) -> Vec<Vec<(String, String)>> {
    let mut groups: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() {
            groups.push(Vec::new());
        } else if let Some(group) = groups.last_mut() {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = group.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                group.push((name.trim().to_lowercase(), value.trim().to_owned()));
            }
        }
    }
    groups
}

/// A report in prose: the mail it is about is found by its identifier, the reason by its code or its words.
fn read_prose(mail: &Message<'_>, subject: &str, domain: &str, now: Timestamp) -> Report {
    let Some((named, message)) = own_mail(mail, domain) else {
        return Report::Strange;
    };
    let text: String = mail
        .text_bodies()
        .take(4)
        .map(|part| lossy(part.contents()) + "\n")
        .collect();
    if DELAYED.is_match(&text) || subject.to_lowercase().contains("delay") {
        return Report::Delayed;
    }
    let told = |line: &&str| STATUS.is_match(line) || REPLY.is_match(line) || NOBODY.is_match(line);
    let reason: Vec<&str> = text.lines().filter(told).take(3).map(str::trim).collect();
    let reason = match reason.is_empty() {
        true => subject.to_owned(),
        false => reason.join(" "),
    };
    let status = ReceiptStatus::Failed {
        gone: is_gone(&reason),
        reason: short(&reason),
    };
    settles(named, message, status, now)
}

/// The mail of ours that the report is about: named in what is returned of it, else anywhere in the report.
fn own_mail(mail: &Message<'_>, domain: &str) -> Option<(String, OutboundMessageId)> {
    let find = |text: &str| {
        let first = ids::find_all(text, domain).next();
        first.map(|(named, own)| (named.to_owned(), own.message))
    };
    let returned = mail.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) => find(&lossy(inner.raw_message())),
        _ => None,
    });
    let decoded = || {
        let mut parts = mail.parts.iter();
        parts.find_map(|part| match &part.body {
            PartType::Text(text) | PartType::Html(text) => find(text),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => find(&lossy(bytes)),
            _ => None,
        })
    };
    returned
        .or_else(decoded)
        .or_else(|| find(&lossy(mail.raw_message())))
}

/// A reason of a length fit for logs, without addresses of customers.
fn short(reason: &str) -> String {
    let words = reason
        .split_whitespace()
        .map(|word| match word.contains('@') {
            true => "…",
            false => word,
        });
    let text: Vec<&str> = words.collect();
    text.join(" ").chars().take(300).collect()
}

#[cfg(test)]
#[path = "bounce_tests.rs"]
mod tests;
