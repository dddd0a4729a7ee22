//! Pictures of our messages: read from the shop and uploaded, so that Telegram never has to reach an address of the shop,
//! and uploaded once: afterwards Telegram's own identifier stands for them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use chrono::TimeDelta;
use doorstep_core::Timestamp;
use reqwest::Client;

use super::api::told;

/// Largest photo that Telegram takes. <https://core.telegram.org/bots/api#sendphoto>
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// How long a shop may take to give a picture.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an uploaded picture is taken for the one that is still at its address.
const FRESH: TimeDelta = TimeDelta::hours(24);

/// Pictures that are remembered.
const MAX_KNOWN: usize = 2000;

/// What a photo can be sent as.
#[derive(Debug)]
pub(super) enum Picture {
    /// Telegram has it under this identifier.
    Known(String),
    /// It has to be uploaded.
    New(Bytes),
}

/// Pictures by address.
#[derive(Default)]
pub(super) struct Pictures {
    known: Mutex<HashMap<String, (String, Timestamp)>>,
}

impl Pictures {
    /// The picture at `url`; what is wrong with it when it cannot be sent as a photo.
    pub(super) async fn get(
        &self,
        http: &Client,
        url: &str,
        now: Timestamp,
    ) -> Result<Picture, String> {
        let known = self.lock().get(url).cloned();
        if let Some((id, _)) = known.filter(|(_, at)| now - *at < FRESH) {
            return Ok(Picture::Known(id));
        }
        let bytes = read(http, url).await?;
        match is_photo(&bytes) {
            true => Ok(Picture::New(bytes)),
            false => Err("it is no JPEG, PNG, GIF or WebP".to_owned()),
        }
    }

    /// Telegram has the picture under this identifier.
    pub(super) fn remember(&self, url: &str, id: String, now: Timestamp) {
        let mut known = self.lock();
        if known.len() >= MAX_KNOWN {
            known.retain(|_, (_, at)| now - *at < FRESH);
        }
        if known.len() < MAX_KNOWN {
            known.insert(url.to_owned(), (id, now));
        }
    }

    /// The identifier is no longer good.
    pub(super) fn forget(&self, url: &str) {
        self.lock().remove(url);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (String, Timestamp)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(http: &Client, url: &str) -> Result<Bytes, String> {
    let response = http.get(url).timeout(PATIENCE).send().await.map_err(told)?;
    let mut response = response.error_for_status().map_err(told)?;
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(format!("it is larger than {MAX_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Told by its first bytes, whatever its server says.
pub(super) fn is_photo(bytes: &[u8]) -> bool {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    starts(b"\xff\xd8\xff")
        || starts(b"\x89PNG\r\n\x1a\n")
        || starts(b"GIF8")
        || (starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"))
}
