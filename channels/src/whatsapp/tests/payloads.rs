//! Captured webhooks (`payloads/whatsapp-cloud` of the shared data): each parses to what it says.

use std::path::PathBuf;

use doorstep_core::{attachment::AttachmentKind, channel::ReceiptStatus};

use super::*;

/// The number that most of them are for.
const NUMBER: &str = "1122334455667";

fn folder() -> PathBuf {
    let shared = std::env::var_os("DOORSTEP_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    shared.join("payloads/whatsapp-cloud")
}

/// The webhooks of one file, by name.
fn file(name: &str) -> Option<serde_json::Map<String, Value>> {
    let text = std::fs::read_to_string(folder().join(name)).ok()?;
    match serde_json::from_str(&text).unwrap() {
        Value::Object(webhooks) => Some(webhooks),
        other => panic!("{name} is no object: {other}"),
    }
}

/// The bodies of all of them; none where the data is not here.
pub(super) fn shared_bodies() -> Vec<Vec<u8>> {
    let Ok(files) = std::fs::read_dir(folder()) else {
        eprintln!("skipped: no captured payloads of WhatsApp (set DOORSTEP_SHARED)");
        return Vec::new();
    };
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.ends_with(".json"))
        .flat_map(|name| file(&name).unwrap())
        .map(|(_, body)| body.to_string().into_bytes())
        .collect()
}

/// What a webhook brings, received a minute after its newest message.
async fn bring(body: &Value) -> WebhookOutcome {
    let channel = deaf(&[NUMBER, "106540352242922"]);
    let stamps = body.to_string();
    let newest = stamps
        .split("\"timestamp\":")
        .skip(1)
        .filter_map(|rest| {
            let digits = rest.trim_start_matches('"');
            digits.split(|letter: char| !letter.is_ascii_digit()).next()
        })
        .filter_map(|digits| digits.parse::<i64>().ok())
        .max();
    let at = Timestamp::from_timestamp(newest.unwrap_or(1_763_719_200) + 60, 0).unwrap();
    receive(&channel, body, at).await
}

/// The messages of a file: text, button, what is answered.
#[tokio::test]
async fn messages_say_what_they_say() {
    let Some(messages) = file("message.json") else {
        eprintln!("skipped: no captured payloads of WhatsApp (set DOORSTEP_SHARED)");
        return;
    };
    let order = "3 × HAMBURGER (30 ILS)\n2 × FRENCH_FRIES (35 ILS)\n2 × SODA (10 ILS)";
    let contacts =
        "Chandler Bing: +1 555-555-5555\nMonica: +1 666-666-6666\nRachel Green: +1 777-777-7777";
    let place = "Facebook HQ, 1 Hacker Way, Menlo Park, CA 94025 (37.4611978, -122.2164385)";
    let wanted: &[(&str, &str, Option<AttachmentKind>, Option<&str>)] = &[
        ("text", "Body Text", None, None),
        ("image", "", Some(AttachmentKind::Image), None),
        ("media_with_url", "", Some(AttachmentKind::Image), None),
        ("video", "caption", Some(AttachmentKind::Video), None),
        ("document", "caption", Some(AttachmentKind::Document), None),
        ("audio", "", Some(AttachmentKind::Audio), None),
        ("voice", "", Some(AttachmentKind::Voice), None),
        ("static_sticker", "", Some(AttachmentKind::Sticker), None),
        ("animated_sticker", "", Some(AttachmentKind::Sticker), None),
        ("reaction", "😮", None, Some("wamid.yzxyzx=")),
        ("current_location", "(12.25089, 43.90539)", None, None),
        ("chosen_location", place, None, None),
        ("contacts", contacts, None, None),
        ("order", order, None, None),
        ("unsupported", "", None, None),
        ("unsupported_with_type", "", None, None),
        ("reply", "replied text", None, Some("wamid.xyzxyz==")),
        ("forwarded", "forwarded text", None, None),
        (
            "forwarded_many_times",
            "text forwarded many times",
            None,
            None,
        ),
        (
            "interactive_message_with_err",
            "",
            None,
            Some("wamid.gvwegfretge=="),
        ),
        ("referral", "BODY", None, None),
    ];
    for (name, text, attachment, answers) in wanted {
        let message = only_message(name, &messages[*name]).await;
        assert_eq!(message.from.id, format!("{NUMBER}:972987654321"), "{name}");
        assert_eq!(&message.text, text, "{name}");
        let kinds: Vec<AttachmentKind> = message.attachments.iter().map(|file| file.kind).collect();
        assert_eq!(
            kinds,
            attachment.iter().copied().collect::<Vec<_>>(),
            "{name}"
        );
        assert_eq!(message.answers.as_deref(), *answers, "{name}");
        assert!(message.external_id.starts_with("wamid."), "{name}");
        assert_eq!(message.button, None, "{name}");
    }
    let silent = ["unreaction_empty", "unreaction_no_emoji"];
    for name in silent {
        assert!(bring(&messages[name]).await.messages.is_empty(), "{name}");
    }
    assert_eq!(
        messages.len(),
        wanted.len() + silent.len(),
        "one has no expectation"
    );
}

async fn only_message(name: &str, body: &Value) -> doorstep_core::message::InboundMessage {
    let mut outcome = bring(body).await;
    assert_eq!(outcome.messages.len(), 1, "{name}: {outcome:?}");
    assert!(
        outcome.receipts.is_empty() && outcome.closed.is_empty(),
        "{name}"
    );
    outcome.messages.remove(0)
}

#[tokio::test]
async fn presses_edits_and_forms_say_what_they_say() {
    let (Some(buttons), Some(lists), Some(forms), Some(edits)) = (
        file("callback_button.json"),
        file("callback_selection.json"),
        file("flow_completion.json"),
        file("edited_message.json"),
    ) else {
        eprintln!("skipped: no captured payloads of WhatsApp (set DOORSTEP_SHARED)");
        return;
    };
    for (name, body) in buttons.iter().chain(&lists) {
        let press = only_message(name, body).await;
        assert_eq!(press.text, "title", "{name}");
        assert_eq!(press.button.as_deref(), Some("callback_data"), "{name}");
    }
    for (name, body) in &forms {
        let form = only_message(name, body).await;
        assert!(form.text.contains("comment_text: Comment Text"), "{name}");
        assert!(!form.text.contains("flow_token"), "{name}");
        assert_eq!(
            form.answers.as_deref(),
            Some("wamid.gvwegfretge=="),
            "{name}"
        );
    }
    let edit = only_message("edit", &edits["image"]).await;
    assert_eq!(edit.text, "Updated image caption");
    assert_eq!(edit.attachments[0].kind, AttachmentKind::Image);
    assert!(
        edit.edits
            .as_deref()
            .is_some_and(|id| id.starts_with("wamid.HBgLMTQx"))
    );
    assert_eq!(edit.answers, None);
}

#[tokio::test]
async fn statuses_say_what_became_of_messages() {
    let Some(statuses) = file("message_status.json") else {
        eprintln!("skipped: no captured payloads of WhatsApp (set DOORSTEP_SHARED)");
        return;
    };
    for (name, body) in &statuses {
        let outcome = bring(body).await;
        assert!(outcome.messages.is_empty(), "{name}");
        if name == "group" {
            assert!(outcome.receipts.is_empty(), "{name}");
            continue;
        }
        let [receipt] = &outcome.receipts[..] else {
            panic!("{name}: {outcome:?}");
        };
        assert_eq!(
            receipt.provider_id.as_deref(),
            Some("wamid.xyzxyz"),
            "{name}"
        );
        let as_named = match (name.as_str(), &receipt.status) {
            ("sent" | "with_tracker", ReceiptStatus::Sent)
            | ("delivered", ReceiptStatus::Delivered)
            | ("read" | "played", ReceiptStatus::Read) => true,
            ("failed", ReceiptStatus::Failed { reason, gone }) => {
                reason.contains("130472") && !gone
            }
            _ => false,
        };
        assert!(as_named, "{name}: {receipt:?}");
    }
}

#[tokio::test]
async fn news_of_accounts_calls_and_templates_is_no_conversation() {
    let Some(system) = file("system.json") else {
        eprintln!("skipped: no captured payloads of WhatsApp (set DOORSTEP_SHARED)");
        return;
    };
    let changed = bring(&system["phone_number_change"]).await;
    assert_eq!(changed.closed[0].0.id, format!("{NUMBER}:972987654321"));
    let identity = bring(&system["identity_change"]).await;
    assert!(identity.closed.is_empty() && identity.messages.is_empty());
    for name in [
        "account_update.json",
        "call_connect.json",
        "call_permission_update.json",
        "call_status.json",
        "call_terminate.json",
        "deleted_message.json",
        "outgoing_message.json",
        "template_category_update.json",
        "template_components_update.json",
        "template_quality_update.json",
        "template_status_update.json",
        "user_marketing_preferences.json",
    ] {
        for (which, body) in file(name).unwrap() {
            let outcome = bring(&body).await;
            assert!(outcome.receipts.is_empty(), "{name} {which}: {outcome:?}");
            assert!(outcome.closed.is_empty(), "{name} {which}: {outcome:?}");
            // The answer to a request for calls says nothing in words, and its writer is answered.
            let words = outcome
                .messages
                .iter()
                .all(|message| message.text.is_empty());
            assert!(words, "{name} {which}: {outcome:?}");
        }
    }
}
