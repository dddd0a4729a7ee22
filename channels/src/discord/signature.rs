//! Signed requests: Ed25519 over timestamp and raw body
//! (<https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint-validating-security-request-headers>).

use doorstep_core::webhook::{WebhookRejection, WebhookRequest};
use ring::signature::{ED25519, UnparsedPublicKey};

/// How far Discord's clock may be from ours, in seconds. Discord waits 3 s for an answer and never asks again, so what is
/// older was recorded by somebody.
const REPLAY_WINDOW: i64 = 60;

/// Checks signatures made with the application's key.
pub(super) struct Verifier(UnparsedPublicKey<[u8; 32]>);

impl Verifier {
    pub(super) fn new(public_key: [u8; 32]) -> Self {
        Self(UnparsedPublicKey::new(&ED25519, public_key))
    }

    /// # Errors
    /// The request does not come from Discord, or not now.
    pub(super) fn verify(&self, request: &WebhookRequest) -> Result<(), WebhookRejection> {
        let signature = request.header("x-signature-ed25519")?;
        let timestamp = request.header("x-signature-timestamp")?;
        let signature: [u8; 64] = from_hex(signature).ok_or(WebhookRejection::BadSignature)?;
        let mut signed = Vec::with_capacity(timestamp.len() + request.body.len());
        signed.extend_from_slice(timestamp.as_bytes());
        signed.extend_from_slice(&request.body);
        self.0
            .verify(&signed, &signature)
            .map_err(|_| WebhookRejection::BadSignature)?;
        // Only now, so that nobody without the key learns what our clock says.
        let sent: i64 = timestamp
            .parse()
            .map_err(|_| WebhookRejection::BadSignature)?;
        let seconds = request.received_at.timestamp().saturating_sub(sent);
        if seconds.saturating_abs() > REPLAY_WINDOW {
            return Err(WebhookRejection::OutsideReplayWindow {
                seconds,
                allowed: REPLAY_WINDOW,
            });
        }
        Ok(())
    }
}

/// Bytes written in hexadecimal; `None` when it is something else or of another length.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}
