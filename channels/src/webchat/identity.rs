//! Identity tokens: how a shop tells us which of its customers is looking at its page.
//!
//! A compact JWS (RFC 7515) with HMAC-SHA256 and the claims of RFC 7519. Written out here rather than taken from a
//! JWT crate: one algorithm, fixed by us and never chosen by the token (RFC 8725, section 3.1), and forty lines.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorstep_core::{Timestamp, customer::Proof};
use hmac::Mac;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    error::WebChatError,
    token::{CLOCK_SKEW_SECONDS, keyed, to_json},
};

const MAX_TOKEN_BYTES: usize = 4096;
const MAX_CLAIM_CHARS: usize = 254;

/// What a shop says about the customer on its page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdentityClaims {
    /// The shop's identifier of the customer.
    pub sub: String,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Until when the token may be used, in Unix seconds; minutes from now are enough.
    pub exp: i64,
    /// When it was made, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
}

/// Signs an identity token, as a shop's page does.
pub fn sign_identity(secret: &SecretString, claims: &IdentityClaims) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let body = URL_SAFE_NO_PAD.encode(to_json(claims));
    let signed = format!("{header}.{body}");
    let mut mac = keyed(secret);
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Subject,
    email: Option<String>,
    name: Option<String>,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
}

/// Shops whose customer numbers are numbers sign them as such.
#[derive(Deserialize)]
#[serde(untagged)]
enum Subject {
    Text(String),
    Number(i64),
}

/// Who the token proves the visitor to be.
///
/// # Errors
/// [`WebChatError::InvalidIdentity`] naming the part that does not hold.
pub(super) fn verify_identity(
    secret: &SecretString,
    token: &str,
    now: Timestamp,
) -> Result<Proof, WebChatError> {
    let claims: Claims = decoded(verified_body(secret, token)?, "body")?;
    check_dates(&claims, now)?;
    let sub = match claims.sub {
        Subject::Text(text) => text.trim().to_owned(),
        Subject::Number(number) => number.to_string(),
    };
    if sub.is_empty() || sub.chars().count() > MAX_CLAIM_CHARS || sub.contains(char::is_control) {
        return Err(refused(
            "its `sub` must be the shop's customer id, 1 to 254 printable characters",
        ));
    }
    Ok(Proof {
        customer: Some(sub.into()),
        email: cleaned(claims.email).map(|email| email.to_lowercase()),
        name: cleaned(claims.name),
    })
}

/// The signed part between the dots, after its signature was checked.
fn verified_body<'a>(secret: &SecretString, token: &'a str) -> Result<&'a str, WebChatError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(refused("it is longer than 4096 bytes"));
    }
    let parts = token
        .rsplit_once('.')
        .and_then(|(signed, signature)| Some((signed, signed.split_once('.')?, signature)));
    let Some((signed, (header, body), signature)) = parts else {
        return Err(refused("it is not a compact JWS of three parts"));
    };
    let header: Header = decoded(header, "header")?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(refused("its algorithm must be HS256, without `crit`"));
    }
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| refused("its signature is not base64url"))?;
    let mut mac = keyed(secret);
    mac.update(signed.as_bytes());
    mac.verify_slice(&signature).map_err(|_| {
        refused("its signature does not fit; is it signed with channels.webchat.identity_secret")
    })?;
    Ok(body)
}

fn decoded<T: for<'de> Deserialize<'de>>(part: &str, name: &str) -> Result<T, WebChatError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| refused(&format!("its {name} is not base64url")))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| refused(&format!("its {name} is not understood ({error})")))
}

fn check_dates(claims: &Claims, now: Timestamp) -> Result<(), WebChatError> {
    let now = now.timestamp() as f64;
    let skew = CLOCK_SKEW_SECONDS as f64;
    if claims.exp <= now - skew {
        return Err(refused("it has expired (`exp`)"));
    }
    for (name, date) in [("nbf", claims.nbf), ("iat", claims.iat)] {
        if date.is_some_and(|date| date > now + skew) {
            return Err(refused(&format!("its `{name}` lies in the future")));
        }
    }
    Ok(())
}

/// A claim for people: on one line, and absent rather than empty.
fn cleaned(claim: Option<String>) -> Option<String> {
    let claim: String = claim?
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_CLAIM_CHARS)
        .collect();
    let claim = claim.trim();
    (!claim.is_empty()).then(|| claim.to_owned())
}

fn refused(reason: &str) -> WebChatError {
    WebChatError::InvalidIdentity {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SecretString {
        "a secret of the shop, 32 bytes long".into()
    }

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    fn claims() -> IdentityClaims {
        IdentityClaims {
            sub: "C-17".to_owned(),
            email: Some("Ana@Example.com".to_owned()),
            name: Some("Ana\r\nBcc: x".to_owned()),
            exp: now().timestamp() + 300,
            iat: Some(now().timestamp()),
        }
    }

    fn signed(header: &str, body: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(body)
        );
        let mut mac = keyed(&secret());
        mac.update(signed.as_bytes());
        format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        )
    }

    fn reason(token: &str) -> String {
        verify_identity(&secret(), token, now())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_signed_customer_is_proven() {
        let proof = verify_identity(&secret(), &sign_identity(&secret(), &claims()), now());
        let proof = proof.unwrap();
        assert_eq!(proof.customer.as_ref().unwrap().as_str(), "C-17");
        assert_eq!(proof.email.as_deref(), Some("ana@example.com"));
        assert_eq!(proof.name.as_deref(), Some("Ana  Bcc: x"));
    }

    #[test]
    fn numbers_as_customer_ids_and_fractional_dates_are_understood() {
        let token = signed(r#"{"alg":"HS256"}"#, r#"{"sub":17,"exp":1.9e9}"#);
        let proof = verify_identity(&secret(), &token, now()).unwrap();
        assert_eq!(proof.customer.unwrap().as_str(), "17");
    }

    #[test]
    fn an_independent_token_is_understood() {
        // Made with Python's standard library, see docs/channels/webchat.md.
        let token = "eyJhbGciOiAiSFMyNTYifQ.eyJzdWIiOiAiQy0xNyIsICJleHAiOiAxOTAwMDAwMDAwfQ.\
                     e3re0E_ymBLrynn_5DmJmPxcBc8N0dBNCpdrP3Slncc";
        let proof = verify_identity(&secret(), token, now()).unwrap();
        assert_eq!(proof.customer.as_ref().unwrap().as_str(), "C-17");
    }

    #[test]
    fn forged_expired_and_foreign_tokens_are_refused() {
        let other: SecretString = "another secret, also 32 bytes long".into();
        assert!(reason(&sign_identity(&other, &claims())).contains("signature does not fit"));

        let mut late = claims();
        late.exp = now().timestamp() - 61;
        assert!(reason(&sign_identity(&secret(), &late)).contains("expired"));
        late.exp = now().timestamp() - 59;
        assert!(verify_identity(&secret(), &sign_identity(&secret(), &late), now()).is_ok());

        let mut early = claims();
        early.iat = Some(now().timestamp() + 120);
        assert!(reason(&sign_identity(&secret(), &early)).contains("`iat`"));

        let body = r#"{"sub":"C-17","exp":1900000000}"#;
        assert!(reason(&signed(r#"{"alg":"none"}"#, body)).contains("HS256"));
        assert!(reason(&signed(r#"{"alg":"HS256","crit":["x"]}"#, body)).contains("crit"));
        assert!(reason(&signed(r#"{"alg":"HS256"}"#, r#"{"sub":"C-17"}"#)).contains("exp"));
        assert!(
            reason(&signed(
                r#"{"alg":"HS256"}"#,
                r#"{"sub":" ","exp":1900000000}"#
            ))
            .contains("sub")
        );
        for junk in ["", "a", "a.b", "a.b.c", "a.b.c.d", "....", "💥.💥.💥"] {
            assert!(verify_identity(&secret(), junk, now()).is_err(), "{junk:?}");
        }
        assert!(reason(&"x".repeat(5000)).contains("4096"));
    }
}
