//! Templates that a provider approved (WhatsApp's), as the front matter of ours names them:
//!
//! ```yaml
//! subject: "Order {{ order.number }} is on its way"
//! approved:
//!   name: order_shipped
//!   language: en_GB                  # as the provider writes it; without it, the file's
//!   body: ["{{ order.number }}", "{{ parcel.carrier }}"]
//! ```

use doorstep_core::{Language, message::ApprovedTemplate};
use serde::Deserialize;

use super::{Facts, Key, Kind, TemplateError, Templates};

/// Between parameters while they are filled in together (ASCII's unit separator, which no text has).
const SEPARATOR: char = '\u{1f}';

/// `approved:`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    name: String,
    language: Option<String>,
    #[serde(default)]
    header: Vec<String>,
    #[serde(default)]
    body: Vec<String>,
    #[serde(default)]
    buttons: Vec<String>,
}

impl Section {
    /// All parameters as one template.
    pub(super) fn in_one(&self) -> String {
        let all: Vec<&str> = [&self.header, &self.body, &self.buttons]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        all.join(&SEPARATOR.to_string())
    }
}

/// A provider's template that one of ours names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedForm {
    /// The file that names it.
    pub file: String,
    /// The line in it.
    pub line: usize,
    /// Its name at the provider.
    pub name: String,
    /// Its language there.
    pub language: String,
    /// How many parameters fill its header.
    pub header: usize,
    /// How many fill its body.
    pub body: usize,
    /// How many fill the addresses of its buttons.
    pub buttons: usize,
}

impl ApprovedForm {
    pub(super) fn new(file: &str, line: usize, language: &str, section: &Section) -> Self {
        let theirs = || language.replace('-', "_");
        Self {
            file: file.to_owned(),
            line,
            name: section.name.clone(),
            language: section.language.clone().unwrap_or_else(theirs),
            header: section.header.len(),
            body: section.body.len(),
            buttons: section.buttons.len(),
        }
    }

    /// With what fills it.
    fn filled(&self, parameters: &str) -> ApprovedTemplate {
        let mut parameters = parameters
            .split(SEPARATOR)
            .map(|text| text.trim().to_owned());
        let mut next = |count| parameters.by_ref().take(count).collect();
        ApprovedTemplate {
            name: self.name.clone(),
            language: self.language.clone(),
            header: next(self.header),
            body: next(self.body),
            buttons: next(self.buttons),
        }
    }
}

impl Templates {
    /// The providers' templates that ours name.
    pub fn approved_forms(&self) -> impl Iterator<Item = &ApprovedForm> {
        self.approved.values()
    }

    /// The provider's template that a notification names in the file of this language; `None`: providers that demand one are
    /// passed over.
    pub fn approved_form(&self, notification: &str, language: &str) -> Option<&ApprovedForm> {
        let key = Key::new(Kind::Approved, language, notification);
        self.approved.get(&key)
    }

    /// The provider's template of a notification in the language of its text, filled in.
    pub(super) fn approved(
        &self,
        name: &str,
        written_in: &str,
        language: &Language,
        facts: &Facts,
    ) -> Result<Option<Box<ApprovedTemplate>>, TemplateError> {
        let key = Key::new(Kind::Approved, written_in, name);
        let Some(form) = self.approved.get(&key) else {
            return Ok(None);
        };
        let parameters = self.render(&key, language, facts)?;
        Ok(Some(Box::new(form.filled(&parameters))))
    }
}
