//! Templates that a provider approves, compared with ours: as the provider's list was when it was last read, asking nobody.

use doorstep_core::{ChannelName, Timestamp, message::ApprovedTemplate};

/// What one of our messages needs of a provider's template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateUse {
    /// Its name.
    pub name: String,
    /// Its language, as the provider writes it: `en`, `pt_BR`.
    pub language: String,
    /// How many parameters fill its header.
    pub header: usize,
    /// How many fill its body.
    pub body: usize,
    /// How many fill the addresses of its buttons.
    pub buttons: usize,
}

impl From<&ApprovedTemplate> for TemplateUse {
    fn from(template: &ApprovedTemplate) -> Self {
        Self {
            name: template.name.clone(),
            language: template.language.clone(),
            header: template.header.len(),
            body: template.body.len(),
            buttons: template.buttons.len(),
        }
    }
}

/// One of ours that the provider's list does not bear out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateMismatch {
    /// What we need.
    pub wanted: TemplateUse,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// What a provider's list says of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateCheck {
    /// Whose list.
    pub channel: ChannelName,
    /// When it was read; `None`: never, so that nothing was compared.
    pub read_at: Option<Timestamp>,
    /// What it does not bear out.
    pub mismatches: Vec<TemplateMismatch>,
}

/// The list could not be read from where it is kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}; remove the file and run `doorstep channels test {channel}`")]
pub struct UnreadableList {
    pub(crate) path: String,
    pub(crate) reason: String,
    pub(crate) channel: &'static str,
}
