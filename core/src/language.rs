//! Languages as BCP 47 tags.

use std::{fmt, str::FromStr};

use icu_locale_core::{LanguageIdentifier, langid};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A language tag such as `es`, `pt-BR` or `ar` (BCP 47, parsed by ICU4X).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Language(LanguageIdentifier);

/// The text is not a BCP 47 language tag.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a language tag; write one like `en` or `pt-BR` (BCP 47)")]
pub struct InvalidLanguage(String);

impl Language {
    /// English, the language of last resort.
    pub const ENGLISH: Self = Self(langid!("en"));

    /// The primary subtag: `pt` of `pt-BR`. Templates and flows are looked up by it when the full tag has none.
    pub fn primary(&self) -> &str {
        self.0.language.as_str()
    }

    /// The tag as ICU4X takes it.
    pub fn as_icu(&self) -> &LanguageIdentifier {
        &self.0
    }

    /// Whether the two share their primary subtag.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.language == other.0.language
    }

    /// Whether the language is written from right to left.
    pub fn is_right_to_left(&self) -> bool {
        matches!(self.primary(), "ar" | "fa" | "he" | "ur" | "yi")
    }
}

impl FromStr for Language {
    type Err = InvalidLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match LanguageIdentifier::try_from_str(text) {
            Ok(tag) if !tag.language.is_unknown() => Ok(Self(tag)),
            _ => Err(InvalidLanguage(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_parsed_and_compared_by_their_primary_subtag() {
        let brazilian: Language = "pt-br".parse().unwrap();
        assert_eq!(brazilian.to_string(), "pt-BR");
        assert!(brazilian.matches(&"pt".parse().unwrap()));
        assert!("not a tag".parse::<Language>().is_err());
        assert!("und".parse::<Language>().is_err());
    }
}
