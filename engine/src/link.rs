//! Link tokens: with one, a customer goes on with a conversation on another channel (`https://t.me/shop_bot?start=…`).
//!
//! `base64url(random 128 bits, first 128 bits of HMAC-SHA256(key, CONTEXT random))`: 43 characters, which every provider's
//! deep links take. Strangers' guesses fall at the signature; the store keeps only a hash, an end, and whether it was used:
//! each opens once, and soon no more.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorstep_core::Entropy;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const CONTEXT: &[u8] = b"doorstep link 1\n";
const HALF: usize = 16;

/// How long a link opens.
pub const LIFETIME: Duration = Duration::from_mins(15);

/// Signs link tokens.
#[derive(Clone)]
pub struct LinkKey(SecretString);

impl LinkKey {
    /// Over a secret of the program's own.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// A new token.
    pub(crate) fn make(&self, entropy: &dyn Entropy) -> String {
        let mut bytes = [0; 2 * HALF];
        entropy.fill(&mut bytes[..HALF]);
        let signature = self.sign(&bytes[..HALF]);
        bytes[HALF..].copy_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The hash under which the store knows a token; `None` when we never made it.
    pub(crate) fn hash(&self, token: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (random, signature) = bytes.split_at_checked(HALF)?;
        let ours = self.sign(random);
        bool::from(ours.ct_eq(signature)).then(|| {
            let digest = Sha256::digest(&bytes);
            URL_SAFE_NO_PAD.encode(digest)
        })
    }

    fn sign(&self, random: &[u8]) -> [u8; HALF] {
        // Keys of any length are taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(CONTEXT);
        mac.update(random);
        let signature = mac.finalize().into_bytes();
        std::array::from_fn(|index| signature[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestEntropy;

    #[test]
    fn only_our_own_tokens_are_known() {
        let key = LinkKey::new("a secret of this program".into());
        let entropy = TestEntropy::default();
        let token = key.make(&entropy);
        assert_eq!(token.len(), 43);
        assert!(key.hash(&token).is_some());
        assert_ne!(key.hash(&token), key.hash(&key.make(&entropy)));
        let other = LinkKey::new("another secret".into());
        for stranger in [
            other.make(&entropy).as_str(),
            "",
            "x",
            &token[1..],
            &token.repeat(2),
        ] {
            assert_eq!(key.hash(stranger), None, "{stranger}");
        }
    }
}
