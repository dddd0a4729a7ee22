//! Files: pictures that we send, uploaded once, and what customers send, read with patience.
//!
//! Meta: "Media" (uploaded media lives 30 days; an address to download from lives 5 minutes) and "Image messages" (JPEG
//! and PNG, 5 MB).

use std::{num::NonZeroUsize, sync::Mutex, time::Duration};

use bytes::{Bytes, BytesMut};
use chrono::TimeDelta;
use doorstep_core::{
    Timestamp,
    attachment::{AttachmentStream, FetchError},
};
use futures::{StreamExt, stream};
use lru::LruCache;
use sha2::{Digest, Sha256};

use super::{
    config,
    error::{CallError, Step},
    graph::Graph,
    plan::{Picture, Pictures, is_link},
};

/// How long an uploaded file is used; Meta keeps it for 30 days.
const UPLOAD_LIVES: TimeDelta = TimeDelta::days(29);
/// How long what lies at a picture's address counts as known.
const ADDRESS_LIVES: TimeDelta = TimeDelta::hours(1);
/// Largest picture that WhatsApp takes, in bytes.
const LARGEST_PICTURE: usize = 5 * 1024 * 1024;
const MOST_KNOWN: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(most) => most,
    None => NonZeroUsize::MIN,
};

type Hash = [u8; 32];

/// Which pictures were uploaded.
pub(super) struct Uploads {
    mode: config::Pictures,
    known: Mutex<Caches>,
}

struct Caches {
    /// (our number, hash) → media id and when it was uploaded.
    uploaded: LruCache<(String, Hash), (String, Timestamp)>,
    /// Address → hash and when it was read.
    read: LruCache<String, (Hash, Timestamp)>,
}

impl Uploads {
    pub(super) fn new(mode: config::Pictures) -> Self {
        Self {
            mode,
            known: Mutex::new(Caches {
                uploaded: LruCache::new(MOST_KNOWN),
                read: LruCache::new(MOST_KNOWN),
            }),
        }
    }

    /// The pictures as the API takes them. One that cannot be had is left out: it is said in words.
    ///
    /// # Errors
    /// An upload failed in a way that would fail the message as well.
    pub(super) async fn pictures<'a>(
        &self,
        graph: &Graph,
        number: &str,
        addresses: impl IntoIterator<Item = &'a str>,
        now: Timestamp,
    ) -> Result<Pictures, CallError> {
        let mut pictures = Pictures::new();
        for address in addresses.into_iter().filter(|address| is_link(address)) {
            let picture = match self.mode {
                config::Pictures::Link => Some(Picture::Link(address.to_owned())),
                config::Pictures::Upload => self.upload(graph, number, address, now).await?,
            };
            if let Some(picture) = picture {
                pictures.insert(address.to_owned(), picture);
            }
        }
        Ok(pictures)
    }

    async fn upload(
        &self,
        graph: &Graph,
        number: &str,
        address: &str,
        now: Timestamp,
    ) -> Result<Option<Picture>, CallError> {
        if let Some(id) = self.known_by_address(number, address, now) {
            return Ok(Some(Picture::Id(id)));
        }
        let bytes = match read_picture(graph, address).await {
            Ok(bytes) => bytes,
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "a picture could not be read; Meta is given its address"
                );
                // Meta takes pictures by https alone.
                let link = address.starts_with("https://");
                return Ok(link.then(|| Picture::Link(address.to_owned())));
            }
        };
        let Some(media_type) = media_type(&bytes) else {
            tracing::warn!("a picture is neither JPEG nor PNG; its address is sent in words");
            return Ok(None);
        };
        let hash: Hash = Sha256::digest(&bytes).into();
        let id = match self.known_by_hash(number, &hash, now) {
            Some(id) => id,
            None => {
                let name = file_name(media_type);
                match graph.upload(number, bytes, media_type, name).await {
                    Ok(id) => id,
                    Err(CallError::Refused(error)) if error.step() == Step::Fail => {
                        tracing::warn!(%error, "a picture was refused; its address is sent in words");
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        self.remember(number, address, hash, &id, now);
        Ok(Some(Picture::Id(id)))
    }

    fn known_by_address(&self, number: &str, address: &str, now: Timestamp) -> Option<String> {
        let hash = {
            let mut known = self.known.lock().ok()?;
            let (hash, at) = known.read.get(address)?;
            (now - *at < ADDRESS_LIVES).then_some(*hash)?
        };
        self.known_by_hash(number, &hash, now)
    }

    fn known_by_hash(&self, number: &str, hash: &Hash, now: Timestamp) -> Option<String> {
        let mut known = self.known.lock().ok()?;
        let (id, at) = known.uploaded.get(&(number.to_owned(), *hash))?;
        (now - *at < UPLOAD_LIVES).then(|| id.clone())
    }

    fn remember(&self, number: &str, address: &str, hash: Hash, id: &str, now: Timestamp) {
        let Ok(mut known) = self.known.lock() else {
            return;
        };
        known.read.put(address.to_owned(), (hash, now));
        let key = (number.to_owned(), hash);
        if known.uploaded.get(&key).is_none_or(|(kept, _)| kept != id) {
            known.uploaded.put(key, (id.to_owned(), now));
        }
    }
}

async fn read_picture(graph: &Graph, address: &str) -> Result<Bytes, String> {
    let failed = |error: reqwest::Error| error.without_url().to_string();
    let request = graph.plain().get(address);
    let mut response = request.send().await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(format!("its server answered {}", response.status()));
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST_PICTURE {
            return Err(format!("it is larger than {LARGEST_PICTURE} bytes"));
        }
    }
    Ok(bytes.freeze())
}

/// What the picture is, by its first bytes; `None` for what WhatsApp does not take.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else {
        None
    }
}

fn file_name(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "picture.png",
        _ => "picture.jpg",
    }
}

/// Opens a customer's file: its address is asked for, and asked for once more when nothing can be read there, because an
/// address lives for minutes only.
pub(super) async fn fetch(graph: &Graph, media_id: &str) -> Result<AttachmentStream, FetchError> {
    let usable = |id: &str| !id.is_empty() && id.len() <= 64;
    if !usable(media_id) || !media_id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FetchError::Fail {
            reason: "this is not a media id of WhatsApp".to_owned(),
        });
    }
    match open(graph, media_id).await {
        Err(FetchError::Retry { .. }) => open(graph, media_id).await,
        outcome => outcome,
    }
}

async fn open(graph: &Graph, media_id: &str) -> Result<AttachmentStream, FetchError> {
    let media = graph.get(media_id, &[]).await.map_err(of_call)?;
    let address = media["url"].as_str().ok_or_else(|| FetchError::Retry {
        after: None,
        reason: "WhatsApp named no address for the file".to_owned(),
    })?;
    let response = graph.download(address).await.map_err(of_download)?;
    let chunks = stream::unfold(Some(response), |response| async move {
        let mut response = response?;
        match response.chunk().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(response))),
            Ok(None) => None,
            Err(error) => {
                let reason = error.without_url().to_string();
                let broken = FetchError::Retry {
                    after: None,
                    reason,
                };
                Some((Err(broken), None))
            }
        }
    });
    Ok(chunks.boxed())
}

fn of_call(error: CallError) -> FetchError {
    let reason = error.to_string();
    let step = match &error {
        CallError::NotSent(_) | CallError::Unknown(_) => Step::Retry(None),
        CallError::Refused(refused) => refused.step(),
    };
    match (step, error) {
        (Step::Retry(seconds), CallError::Refused(refused)) => FetchError::Retry {
            after: refused.after.or(seconds.map(Duration::from_secs)),
            reason,
        },
        (Step::Retry(_), _) => FetchError::Retry {
            after: None,
            reason,
        },
        _ => FetchError::Fail { reason },
    }
}

/// An address may be too old (404) or its server away: a new address is asked for. Only one outside Meta is final.
fn of_download(error: CallError) -> FetchError {
    match error {
        CallError::Refused(refused) if refused.status == 0 => FetchError::Fail {
            reason: refused.to_string(),
        },
        other => FetchError::Retry {
            after: None,
            reason: other.to_string(),
        },
    }
}
