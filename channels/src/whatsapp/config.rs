//! The section `[channels.whatsapp]`.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{NAME, address};
use crate::InvalidSetting;

/// The section `[channels.whatsapp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The token of a system user with `whatsapp_business_messaging` and `whatsapp_business_management`.
    pub access_token: SecretString,
    /// The app's secret: webhooks are signed with it.
    pub app_secret: SecretString,
    /// What Meta must show when it verifies the webhook's address; any text of your own.
    pub verify_token: SecretString,
    /// The WhatsApp business account (WABA) that the templates belong to. Empty: templates are not looked at.
    pub business_account: String,
    /// The shop's numbers; customers are answered by the one they wrote to, and written to first by the first one.
    pub numbers: Vec<Number>,
    /// The version of the Graph API: `v26.0`.
    pub api_version: String,
    /// Where the Graph API is.
    pub api_url: String,
    /// How pictures are handed over.
    pub pictures: Pictures,
    /// What stands in the customer's message before a link's code.
    pub link_text: String,
    /// How long the Graph API may take to answer, in seconds.
    pub timeout_s: u32,
}

/// One of the shop's numbers: `[[channels.whatsapp.numbers]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// Meta's identifier of the number, from the app's page "API Setup".
    pub phone_number_id: String,
    /// The number itself in international form, for `wa.me` links.
    #[serde(default)]
    pub number: String,
}

/// How pictures are handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pictures {
    /// Read here and uploaded once: they reach the customer also where Meta cannot read the shop's pictures.
    #[default]
    Upload,
    /// Meta reads them from their address.
    Link,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            access_token: SecretString::default(),
            app_secret: SecretString::default(),
            verify_token: SecretString::default(),
            business_account: String::new(),
            numbers: Vec::new(),
            api_version: "v26.0".to_owned(),
            api_url: "https://graph.facebook.com".to_owned(),
            pictures: Pictures::default(),
            link_text: "👋".to_owned(),
            timeout_s: 20,
        }
    }
}

impl Config {
    /// Settings that reach nobody, to look at messages before the channel is connected.
    pub(crate) fn unconnected() -> Self {
        Self {
            access_token: "unconnected".into(),
            app_secret: "unconnected".into(),
            verify_token: "unconnected".into(),
            numbers: vec![Number {
                phone_number_id: "1".to_owned(),
                number: String::new(),
            }],
            ..Self::default()
        }
    }

    /// # Errors
    /// The first setting that the channel cannot work with.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        check_secret(
            "access_token",
            &self.access_token,
            "make a system user in Meta's business settings and a token with whatsapp_business_messaging and \
             whatsapp_business_management for it",
        )?;
        check_secret(
            "app_secret",
            &self.app_secret,
            "copy it from the app's page \"App settings, Basic\"",
        )?;
        check_secret(
            "verify_token",
            &self.verify_token,
            "make one with `openssl rand -hex 16` and write the same into the app's webhook settings",
        )?;
        check_digits("business_account", &self.business_account)?;
        self.check_numbers()?;
        self.check_api()
    }

    fn check_numbers(&self) -> Result<(), InvalidSetting> {
        if self.numbers.is_empty() {
            return Err(InvalidSetting::new(
                NAME,
                "numbers",
                "there is no number to write from",
                "add a section [[channels.whatsapp.numbers]] with phone_number_id",
            ));
        }
        for (index, number) in self.numbers.iter().enumerate() {
            let field = format!("numbers[{index}].phone_number_id");
            if number.phone_number_id.is_empty() {
                return Err(InvalidSetting::new(
                    NAME,
                    &field,
                    "it is empty",
                    "copy it from the app's page \"API Setup\"",
                ));
            }
            check_digits(&field, &number.phone_number_id)?;
            let same = |other: &&Number| other.phone_number_id == number.phone_number_id;
            if self.numbers.iter().filter(same).count() > 1 {
                let message = format!("`{}` stands there twice", number.phone_number_id);
                return Err(InvalidSetting::new(NAME, &field, message, "remove one"));
            }
            if !number.number.is_empty() && address::digits(&number.number).is_none() {
                return Err(InvalidSetting::new(
                    NAME,
                    &format!("numbers[{index}].number"),
                    format!("`{}` is not a telephone number", number.number),
                    "write it with its country code, like \"+49 30 1234567\"",
                ));
            }
        }
        Ok(())
    }

    fn check_api(&self) -> Result<(), InvalidSetting> {
        let version = self.api_version.strip_prefix('v').unwrap_or_default();
        let known = version.split_once('.').is_some_and(|(major, minor)| {
            major.parse::<u16>().is_ok() && minor.parse::<u16>().is_ok()
        });
        if !known {
            return Err(InvalidSetting::new(
                NAME,
                "api_version",
                format!("`{}` is not a version of the Graph API", self.api_version),
                "write one like \"v26.0\"",
            ));
        }
        let url = reqwest::Url::parse(&self.api_url);
        if !url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(InvalidSetting::new(
                NAME,
                "api_url",
                format!("`{}` is not an address", self.api_url),
                "leave it out for \"https://graph.facebook.com\"",
            ));
        }
        if self.timeout_s == 0 {
            return Err(InvalidSetting::new(
                NAME,
                "timeout_s",
                "0 would let nothing through",
                "write a number from 1 up, less than delivery.timeout_s",
            ));
        }
        Ok(())
    }
}

fn check_secret(field: &str, secret: &SecretString, fix: &str) -> Result<(), InvalidSetting> {
    let text = secret.expose_secret();
    if text.is_empty() {
        return Err(InvalidSetting::new(NAME, field, "it is empty", fix));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "it holds spaces, line breaks or letters outside ASCII";
        return Err(InvalidSetting::new(NAME, field, message, fix));
    }
    Ok(())
}

fn check_digits(field: &str, text: &str) -> Result<(), InvalidSetting> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let message = format!("`{text}` is not one of Meta's identifiers");
    let fix = "write the digits that Meta shows, in quotes";
    Err(InvalidSetting::new(NAME, field, message, fix))
}
