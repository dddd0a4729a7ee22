//! Signatures by which receiving servers know that a mail is the shop's (RFC 6376).

use lettre::message::{
    Message,
    dkim::{
        DkimCanonicalization, DkimCanonicalizationType, DkimConfig, DkimSigningAlgorithm,
        DkimSigningKey,
    },
    header::HeaderName,
};

use super::{NAME, config::Dkim};
use crate::InvalidSetting;

/// What is signed: all that a reader sees or a program acts upon (RFC 6376, section 5.4.1; RFC 8058, section 4, wants
/// both `List-Unsubscribe` fields). A field that is not there is signed as absent.
const SIGNED: &[&str] = &[
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Auto-Submitted",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Signs mails.
pub(super) struct Signer(DkimConfig);

impl Signer {
    pub(super) fn new(config: &Dkim, from_domain: &str) -> Result<Self, InvalidSetting> {
        let path = config.key_path.display();
        let wrong = |reason: String| {
            InvalidSetting::new(
                NAME,
                "dkim.key_path",
                format!("no key can be read from `{path}` ({reason})"),
                "make one with `openssl genrsa -traditional -out dkim.pem 2048`",
            )
        };
        let text =
            std::fs::read_to_string(&config.key_path).map_err(|error| wrong(error.to_string()))?;
        let text = text.trim();
        let algorithm = match text.starts_with("-----BEGIN") {
            true => DkimSigningAlgorithm::Rsa,
            false => DkimSigningAlgorithm::Ed25519,
        };
        if text.starts_with("-----BEGIN PRIVATE KEY") {
            return Err(wrong("it is in PKCS#8, and PKCS#1 is needed".to_owned()));
        }
        let key = DkimSigningKey::new(text, algorithm).map_err(|error| wrong(error.to_string()))?;
        let domain = config.domain.as_deref().unwrap_or(from_domain);
        for (field, value) in [
            ("dkim.selector", config.selector.as_str()),
            ("dkim.domain", domain),
        ] {
            if !super::compose::is_domain(value) {
                return Err(InvalidSetting::new(
                    NAME,
                    field,
                    format!("`{value}` cannot be a name in DNS"),
                    "write letters, digits, dots and hyphens",
                ));
            }
        }
        Ok(Self(DkimConfig::new(
            config.selector.clone(),
            domain.to_owned(),
            key,
            SIGNED
                .iter()
                .map(|name| HeaderName::new_from_ascii_str(name))
                .collect(),
            DkimCanonicalization {
                header: DkimCanonicalizationType::Relaxed,
                body: DkimCanonicalizationType::Relaxed,
            },
        )))
    }

    pub(super) fn sign(&self, mail: &mut Message) {
        mail.sign(&self.0);
    }
}
