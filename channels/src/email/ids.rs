//! The identifiers that our mails carry and that come back in answers and bounces.
//!
//! A `Message-ID` of ours is `<message.topic@domain>`: the outbound message's identifier, and a fingerprint of the subject
//! it was sent with, so that an answer under another subject is known to be another matter. The address that answers go to
//! may carry a token as well (`help+TOKEN@domain`): the message's identifier and a keyed hash over it and the recipient.
//! It comes back also from mail programs and servers that lose or replace `Message-ID`s, and only the recipient can have
//! it.

use doorstep_core::OutboundMessageId;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// What the keyed hash is for, so that it fits nothing else that is made with the same key.
const CONTEXT: &[u8] = b"doorstep e-mail reply token v1";
/// Bytes of the identifier in a token, and of its keyed hash: 80 bits, which nobody guesses by sending mail.
const ID_BYTES: usize = 16;
const MAC_BYTES: usize = 10;
/// Lower case only: some servers do not keep the case of addresses.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Characters of a UUID with hyphens.
const UUID_CHARS: usize = 36;

/// One of our mails, as its `Message-ID` or a token names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnMail {
    pub(super) message: OutboundMessageId,
    /// [`super::subject::topic`] of its subject, where the identifier tells.
    pub(super) topic: Option<u32>,
}

/// The `Message-ID`, without brackets.
pub(super) fn message_id(message: &OutboundMessageId, topic: u32, domain: &str) -> String {
    format!("{message}.{topic:08x}@{domain}")
}

/// The mail of ours that has this `Message-ID` (without brackets).
pub(super) fn parse(message_id: &str, domain: &str) -> Option<OwnMail> {
    let (local, at) = message_id.trim().rsplit_once('@')?;
    if !at.eq_ignore_ascii_case(domain) {
        return None;
    }
    let (id, topic) = match local.split_once('.') {
        Some((id, topic)) => (id, Some(u32::from_str_radix(topic, 16).ok()?)),
        None => (local, None),
    };
    if id.len() != UUID_CHARS {
        return None;
    }
    let id: Uuid = id.parse().ok()?;
    Some(OwnMail {
        message: OutboundMessageId(id),
        topic,
    })
}

/// All of our mails that a text names, in its order.
pub(super) fn find_all<'a>(
    text: &'a str,
    domain: &'a str,
) -> impl Iterator<Item = (&'a str, OwnMail)> {
    let part_of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    text.match_indices('@').filter_map(move |(at, _)| {
        let before = &text[..at];
        let start = before.rfind(|c| !part_of_id(c)).map_or(0, |last| {
            last + before[last..].chars().next().map_or(1, char::len_utf8)
        });
        let after = &text[at + 1..];
        let end = after.find(|c| !part_of_id(c)).unwrap_or(after.len());
        let named = text[start..at + 1 + end].trim_end_matches('.');
        parse(named, domain).map(|own| (named, own))
    })
}

/// Makes and reads the tokens in the addresses that answers go to.
pub(super) struct ReplyTokens {
    key: SecretString,
}

impl ReplyTokens {
    pub(super) fn new(key: SecretString) -> Self {
        Self { key }
    }

    /// The token of a mail to `recipient`.
    pub(super) fn make(&self, message: &OutboundMessageId, recipient: &str) -> String {
        let mut bytes = [0; ID_BYTES + MAC_BYTES];
        bytes[..ID_BYTES].copy_from_slice(message.0.as_bytes());
        bytes[ID_BYTES..].copy_from_slice(&self.mac(&message.0, recipient));
        encode(&bytes)
    }

    /// The mail to `sender` that the token was made for.
    pub(super) fn read(&self, token: &str, sender: &str) -> Option<OwnMail> {
        let bytes = decode(token)?;
        let (id, mac) = bytes.split_at(ID_BYTES);
        let id = Uuid::from_slice(id).ok()?;
        let known = bool::from(self.mac(&id, sender)[..].ct_eq(mac));
        known.then_some(OwnMail {
            message: OutboundMessageId(id),
            topic: None,
        })
    }

    fn mac(&self, message: &Uuid, recipient: &str) -> [u8; MAC_BYTES] {
        let key = self.key.expose_secret().as_bytes();
        #[allow(clippy::expect_used)]
        // RFC 2104: keys of every length are taken, the crate's error is never made
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
        mac.update(CONTEXT);
        mac.update(message.as_bytes());
        mac.update(recipient.to_lowercase().as_bytes());
        let hash = mac.finalize().into_bytes();
        std::array::from_fn(|index| hash[index])
    }
}

/// Base 32 (RFC 4648, section 6) in lower case, without padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits) as usize & 31]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits)) as usize & 31]));
    }
    text
}

fn decode(text: &str) -> Option<[u8; ID_BYTES + MAC_BYTES]> {
    let mut bytes = [0; ID_BYTES + MAC_BYTES];
    if text.len() != (bytes.len() * 8).div_ceil(5) {
        return None;
    }
    let (mut held, mut bits, mut next) = (0u32, 0, 0);
    for letter in text.bytes() {
        let value = ALPHABET
            .iter()
            .position(|known| *known == letter.to_ascii_lowercase())?;
        held = (held << 5) | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(next)? = (held >> bits) as u8;
            next += 1;
            held &= (1 << bits) - 1;
        }
    }
    (next == bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> OutboundMessageId {
        "01936c00-0000-7000-8000-000000000001".parse().unwrap()
    }

    #[test]
    fn a_message_id_is_found_again_wherever_it_stands() {
        let own = message_id(&id(), 0xabcd, "shop.example");
        assert_eq!(
            own,
            "01936c00-0000-7000-8000-000000000001.0000abcd@shop.example"
        );
        let text = format!("é<{own}>, x@shop.example <{}@other.example>\n{own}.", id());
        let found: Vec<_> = find_all(&text, "Shop.example").collect();
        let mail = OwnMail {
            message: id(),
            topic: Some(0xabcd),
        };
        assert_eq!(found, [(own.as_str(), mail), (own.as_str(), mail)]);
    }

    #[test]
    fn a_token_is_only_its_recipients() {
        let tokens = ReplyTokens::new("a key".into());
        let token = tokens.make(&id(), "Ana@example.com");
        assert_eq!(token.len(), 42);
        let read = tokens
            .read(&token.to_uppercase(), "ana@example.com")
            .unwrap();
        assert_eq!(read.message, id());
        assert_eq!(tokens.read(&token, "ben@example.com"), None);
        assert_eq!(
            ReplyTokens::new("other".into()).read(&token, "ana@example.com"),
            None
        );
        for wrong in ["", "a", "é", &token[1..], &token.replace(&token[..1], "1")] {
            assert_eq!(tokens.read(wrong, "ana@example.com"), None);
        }
    }
}
