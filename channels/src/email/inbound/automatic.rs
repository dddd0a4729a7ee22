//! Mail that no person wrote, which must never be answered (RFC 3834, section 2): two programs that answer each other do
//! not stop.

use super::authentication::Fields;

/// Why a mail is nobody's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::email) enum Automatic {
    /// It says so, or an answering machine is known by its header.
    Autoresponder,
    /// A list, a newsletter or other mail to many.
    Bulk,
    /// Nobody takes an answer: no return path, or a sender like `noreply@`.
    NoReturn,
    /// A report of a mail server or program: reading receipts, complaints, reports of bounces that concern no mail of ours.
    Report,
    /// We sent it ourselves.
    Own,
}

impl Automatic {
    /// For logs and metrics.
    pub(in crate::email) fn as_str(self) -> &'static str {
        match self {
            Self::Autoresponder => "autoresponder",
            Self::Bulk => "bulk",
            Self::NoReturn => "no_return",
            Self::Report => "report",
            Self::Own => "own",
        }
    }
}

/// Beginnings of the subjects that answering machines write without saying so in a header.
const SUBJECTS: &[&str] = &[
    "automatic reply",
    "auto reply",
    "autoreply",
    "auto-reply",
    "out of office",
    "automatische antwort",
    "abwesenheitsnotiz",
    "abwesenheit:",
    "automatische abwesenheit",
    "réponse automatique",
    "absence du bureau",
    "respuesta automática",
    "fuera de la oficina",
    "risposta automatica",
    "fuori ufficio",
    "resposta automática",
    "ausência temporária",
    "автоматический ответ",
    "автоответ",
];

/// Names before the @ that nobody reads.
const DEAF: &[&str] = &[
    "mailer-daemon",
    "maildaemon",
    "postmaster",
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "do_not_reply",
    "nicht-antworten",
    "ne-pas-repondre",
    "nepasrepondre",
    "no-responder",
    "nao-responda",
    "bounce",
    "bounces",
];

/// Whether the header fields say that no person wrote the mail.
pub(super) fn find(fields: &Fields<'_>, sender: &str, subject: &str) -> Option<Automatic> {
    for (name, value) in fields {
        let value = value.trim().to_lowercase();
        let found = match name.to_lowercase().as_str() {
            "auto-submitted" if !value.is_empty() && !value.starts_with("no") => {
                Some(Automatic::Autoresponder)
            }
            "x-autoreply" | "x-autorespond" | "x-autoresponder" | "x-auto-reply-from"
            | "x-mail-autoreply"
                if value != "no" =>
            {
                Some(Automatic::Autoresponder)
            }
            // Exchange's own automatic mail asks not to be answered by others.
            "x-auto-response-suppress" if value.contains("all") || value.contains("autoreply") => {
                Some(Automatic::Autoresponder)
            }
            "precedence" => match value.as_str() {
                "auto_reply" | "auto-reply" => Some(Automatic::Autoresponder),
                "bulk" | "junk" | "list" => Some(Automatic::Bulk),
                _ => None,
            },
            "list-id" | "list-post" | "list-unsubscribe" | "feedback-id" | "x-mailing-list" => {
                Some(Automatic::Bulk)
            }
            "return-path" if value.is_empty() || value.replace(char::is_whitespace, "") == "<>" => {
                Some(Automatic::NoReturn)
            }
            "content-type"
                if value.starts_with("multipart/report")
                    || value.starts_with("message/disposition-notification") =>
            {
                Some(Automatic::Report)
            }
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    let local = sender.split('@').next().unwrap_or_default().to_lowercase();
    if DEAF.contains(&local.as_str())
        || local.starts_with("mailer-daemon")
        || local.starts_with("bounce+")
    {
        return Some(Automatic::NoReturn);
    }
    let subject = subject.trim().to_lowercase();
    SUBJECTS
        .iter()
        .any(|beginning| subject.starts_with(beginning))
        .then_some(Automatic::Autoresponder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, value: &str) -> Option<Automatic> {
        find(&[(name, value.to_owned())], "ana@example.com", "My parcel")
    }

    #[test]
    fn what_no_person_wrote_is_told_apart() {
        use Automatic::*;
        for (name, value, expected) in [
            (
                "Auto-Submitted",
                "auto-replied; owner-email=x",
                Some(Autoresponder),
            ),
            ("auto-submitted", "auto-generated", Some(Autoresponder)),
            ("Auto-Submitted", "no", None),
            ("X-Autoreply", "yes", Some(Autoresponder)),
            (
                "X-Auto-Response-Suppress",
                "DR, OOF, AutoReply",
                Some(Autoresponder),
            ),
            ("X-Auto-Response-Suppress", "DR", None),
            ("Precedence", "bulk", Some(Bulk)),
            ("Precedence", "first-class", None),
            ("List-Id", "<a.example>", Some(Bulk)),
            ("Return-Path", "<>", Some(NoReturn)),
            ("Return-Path", "<ana@example.com>", None),
            (
                "Content-Type",
                "multipart/report; report-type=disposition-notification",
                Some(Report),
            ),
            ("Subject", "x", None),
        ] {
            assert_eq!(judged(name, value), expected, "{name}: {value}");
        }
        assert_eq!(find(&[], "No-Reply@shop.example", "x"), Some(NoReturn));
        assert_eq!(
            find(&[], "a@b.example", "Respuesta automática: Re: x"),
            Some(Autoresponder)
        );
        assert_eq!(find(&[], "bob@b.example", "Where is my answer?"), None);
    }
}
