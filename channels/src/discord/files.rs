//! Files: customers' from Discord's content network, pictures of ours as uploads.

use std::time::Duration;

use bytes::Bytes;
use doorstep_core::{
    attachment::{Attachment, AttachmentPlace, AttachmentStream, FetchError},
    message::Image,
};
use futures::{StreamExt, stream};
use reqwest::{Response, StatusCode, Url, header::RETRY_AFTER};
use serenity::model::id::{AttachmentId, ChannelId, MessageId};

use super::{
    limits::seconds,
    rest::{CallError, Rest, Upload},
    wire::{File, Message, Sticker},
};

/// Where Discord keeps files (<https://discord.com/developers/docs/reference#image-formatting>). Nothing is fetched from
/// elsewhere, whatever a message says.
const HOSTS: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];

/// Largest picture that is sent along; the limit of a bot without boosts is 10 MiB.
const MAX_PICTURE: usize = 10 * 1024 * 1024 - 64 * 1024;

/// How long a picture of ours may take to come.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a file is: its message, so that its address can be asked for again, and its address, which is good for a day
/// (<https://discord.com/developers/docs/reference#signed-attachment-cdn-urls>).
pub(super) fn place_of(message: &Message, file: &File) -> String {
    format!(
        "{}/{}/{} {}",
        message.channel_id, message.id, file.id, file.url
    )
}

/// Where a sticker is, and its type.
pub(super) fn sticker(sticker: &Sticker) -> (String, &'static str) {
    let id = sticker.id;
    match sticker.format_type {
        3 => (
            format!("sticker https://cdn.discordapp.com/stickers/{id}.json"),
            "application/json",
        ),
        4 => (
            format!("sticker https://media.discordapp.net/stickers/{id}.gif"),
            "image/gif",
        ),
        _ => (
            format!("sticker https://cdn.discordapp.com/stickers/{id}.png"),
            "image/png",
        ),
    }
}

struct FilePlace {
    channel: ChannelId,
    message: MessageId,
    file: AttachmentId,
}

fn parse(place: &str) -> Option<(Option<FilePlace>, &str)> {
    let (ids, url) = place.split_once(' ')?;
    if ids == "sticker" {
        return Some((None, url));
    }
    let mut ids = ids
        .split('/')
        .map(|id| id.parse::<u64>().ok().filter(|id| *id != 0));
    let place = FilePlace {
        channel: ids.next()??.into(),
        message: ids.next()??.into(),
        file: ids.next()??.into(),
    };
    Some((Some(place), url))
}

/// Opens a file that came with a message. An address that is no longer good is asked for again.
///
/// # Errors
/// The error says whether to try again.
pub(super) async fn fetch(
    rest: &Rest,
    attachment: &Attachment,
) -> Result<AttachmentStream, FetchError> {
    let fail = |reason: &str| FetchError::Fail {
        reason: reason.to_owned(),
    };
    let AttachmentPlace::Provider(place) = &attachment.place else {
        return Err(fail("the file came with its message"));
    };
    let (place, url) = parse(place).ok_or_else(|| fail("it has no place at Discord"))?;
    match (open(rest, url).await, place) {
        (Err(Opened::Expired), Some(place)) => {
            let url = fresh_url(rest, &place).await?;
            open(rest, &url).await.map_err(Opened::into_fetch_error)
        }
        (opened, _) => opened.map_err(Opened::into_fetch_error),
    }
}

/// Why a file did not open.
enum Opened {
    /// The address is no longer good, or the file is gone.
    Expired,
    Failed(FetchError),
}

impl Opened {
    fn into_fetch_error(self) -> FetchError {
        match self {
            Self::Expired => FetchError::Fail {
                reason: "Discord no longer has the file".to_owned(),
            },
            Self::Failed(error) => error,
        }
    }
}

async fn open(rest: &Rest, url: &str) -> Result<AttachmentStream, Opened> {
    let url = Url::parse(url).ok().filter(|url| is_discords(rest, url));
    let url = url.ok_or_else(|| {
        Opened::Failed(FetchError::Fail {
            reason: "its address is not one of Discord's".to_owned(),
        })
    })?;
    let response = rest.bare_client().get(url).send().await;
    let response = response.map_err(|error| Opened::Failed(later(None, error.without_url())))?;
    let status = response.status();
    if status.is_success() {
        return Ok(body(response));
    }
    if matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE
    ) {
        return Err(Opened::Expired);
    }
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        let after = response.headers().get(RETRY_AFTER);
        let after = after
            .and_then(|value| value.to_str().ok())
            .and_then(seconds);
        return Err(Opened::Failed(later(after, status)));
    }
    Err(Opened::Failed(FetchError::Fail {
        reason: format!("the file server answered {status}"),
    }))
}

fn is_discords(rest: &Rest, url: &Url) -> bool {
    let known = url.scheme() == "https" && url.host_str().is_some_and(|host| HOSTS.contains(&host));
    known || rest.is_own_host(url)
}

fn body(response: Response) -> AttachmentStream {
    stream::try_unfold(response, |mut response| async move {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| later(None, error.without_url()))?;
        Ok(chunk.map(|chunk| (chunk, response)))
    })
    .boxed()
}

fn later(after: Option<Duration>, reason: impl ToString) -> FetchError {
    FetchError::Retry {
        after,
        reason: reason.to_string(),
    }
}

/// The file's address as its message tells it now.
async fn fresh_url(rest: &Rest, place: &FilePlace) -> Result<String, FetchError> {
    let message = rest.message(place.channel, place.message).await;
    let message = message.map_err(|error| match error {
        CallError::Refused { .. } => FetchError::Fail {
            reason: error.to_string(),
        },
        CallError::Limited { after } => later(Some(after), error),
        error => later(None, error),
    })?;
    let file = message
        .attachments
        .into_iter()
        .find(|file| file.id == place.file);
    file.map(|file| file.url).ok_or_else(|| FetchError::Fail {
        reason: "its message no longer has the file".to_owned(),
    })
}

/// A picture of ours to send along; `None` when it cannot be read or is no picture that Discord shows.
pub(super) async fn picture(rest: &Rest, at: usize, image: &Image) -> Option<Upload> {
    let reading = async {
        let mut response = rest.bare_client().get(&image.url).send().await.ok()?;
        let mut bytes = Vec::new();
        if !response.status().is_success() {
            return None;
        }
        while let Some(chunk) = response.chunk().await.ok()? {
            if bytes.len() + chunk.len() > MAX_PICTURE {
                return None;
            }
            bytes.extend_from_slice(&chunk);
        }
        Some(bytes)
    };
    let bytes = tokio::time::timeout(PICTURE_TIMEOUT, reading)
        .await
        .ok()??;
    let (media_type, end) = sniff(&bytes)?;
    Some(Upload {
        name: format!("picture-{}.{end}", at + 1),
        media_type,
        bytes: Bytes::from(bytes),
    })
}

/// The pictures that Discord shows, by their first bytes.
fn sniff(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some(("image/png", "png")),
        [0xff, 0xd8, 0xff, ..] => Some(("image/jpeg", "jpg")),
        [b'G', b'I', b'F', b'8', ..] => Some(("image/gif", "gif")),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some(("image/webp", "webp")),
        _ => None,
    }
}
