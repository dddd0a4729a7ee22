//! Files that customers send.

use bytes::Bytes;
use doorstep_core::attachment::{Attachment, AttachmentKind, AttachmentPlace, FetchError};
use futures::TryStreamExt;

use super::*;
use crate::simulator::Faults;

impl Fixture {
    async fn fetched(&self, attachment: &Attachment) -> Result<Vec<u8>, FetchError> {
        let stream = self.telegram.fetch(attachment).await?;
        let chunks: Vec<Bytes> = stream.try_collect().await?;
        Ok(chunks.concat())
    }

    async fn received(&self, name: &str, media_type: &str, bytes: &'static [u8]) -> Attachment {
        self.act(Act::Send {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: Bytes::from_static(bytes),
            caption: Some("see".to_owned()),
        })
        .await;
        let update = self.simulator.updates().pop().unwrap();
        let message = self.webhook(&update).await.unwrap().messages.remove(0);
        assert_eq!(message.text, "see");
        message.attachments.into_iter().next().unwrap()
    }
}

#[tokio::test]
async fn photos_documents_and_voice_notes_are_fetched_by_upload_identifier() {
    let fixture = Fixture::new().await;
    for (name, media_type, bytes, kind) in [
        (
            "a.jpg",
            "image/jpeg",
            &b"\xff\xd8\xffphoto"[..],
            AttachmentKind::Image,
        ),
        ("v.ogg", "audio/ogg", b"OggSvoice", AttachmentKind::Voice),
        (
            "f.pdf",
            "application/pdf",
            b"%PDF-1.7",
            AttachmentKind::Document,
        ),
        ("m.mp4", "video/mp4", b"film", AttachmentKind::Video),
    ] {
        let attachment = fixture.received(name, media_type, bytes).await;
        assert_eq!(attachment.kind, kind);
        assert_eq!(attachment.size, Some(bytes.len() as u64));
        assert_eq!(fixture.fetched(&attachment).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_now_is_tried_again_and_one_that_never_can_is_not() {
    let fixture = Fixture::new().await;
    let attachment = fixture
        .received("f.pdf", "application/pdf", b"%PDF-1.7")
        .await;
    fixture.simulator.inject(Faults {
        media_away: true,
        ..Faults::default()
    });
    let Err(FetchError::Retry { reason, .. }) = fixture.fetched(&attachment).await else {
        panic!("the media server is away for now");
    };
    assert!(!reason.contains("simulated-token"), "{reason}");
    fixture.simulator.inject(Faults::default());
    assert_eq!(fixture.fetched(&attachment).await.unwrap(), b"%PDF-1.7");

    let unknown = Attachment {
        place: AttachmentPlace::Provider("nothing".to_owned()),
        ..attachment
    };
    assert!(matches!(
        fixture.fetched(&unknown).await,
        Err(FetchError::Fail { .. })
    ));
}
