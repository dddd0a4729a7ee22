//! The simulator, the fixtures and the channel's own requests against the published description of the Bot API, when that
//! lies in the folder of shared data; and the fixtures against teloxide.

use std::path::PathBuf;

use serde_json::Map;
use teloxide_core::types::UpdateKind;

use super::{inbound::button, *};
use crate::telegram::{simulator::methods_offered, update::KINDS};

pub(super) struct Description(Value);

/// The description, or a visible skip.
pub(super) fn description() -> Option<Description> {
    let shared = std::env::var_os("DOORSTEP_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let path = shared.unwrap_or_else(beside);
    let path = path.join("payloads/telegram-bot-api-spec/api.json");
    match std::fs::read(&path) {
        Ok(bytes) => Some(Description(serde_json::from_slice(&bytes).unwrap())),
        Err(error) => {
            eprintln!(
                "skipped: the Bot API's description, {}: {error}",
                path.display()
            );
            None
        }
    }
}

impl Description {
    fn fields(&self, of: &Value) -> Vec<Value> {
        of["fields"].as_array().cloned().unwrap_or_default()
    }

    /// Every field of a type with an example of its value.
    pub(super) fn examples(&self, kind: &str) -> Vec<(String, Value)> {
        let fields = self.fields(&self.0["types"][kind]);
        let example = |field: &Value| {
            let name = field["name"].as_str().unwrap().to_owned();
            (name, self.example(field["types"][0].as_str().unwrap(), 0))
        };
        fields.iter().map(example).collect()
    }

    /// A value of a type with the fields that it must have; beyond a depth, with none.
    fn example(&self, kind: &str, depth: usize) -> Value {
        if let Some(inner) = kind.strip_prefix("Array of ") {
            return Value::Array(vec![self.example(inner, depth)]);
        }
        match kind {
            "Integer" | "Float" => return 7.into(),
            "String" | "InputFile" => return "x".into(),
            "Boolean" | "True" => return true.into(),
            _ => {}
        }
        let described = &self.0["types"][kind];
        if let Some(first) = described["subtypes"][0].as_str() {
            return self.example(first, depth + 1);
        }
        let fields = self.fields(described).into_iter();
        let required = fields.filter(|field| field["required"] == true && depth < 4);
        let example = |field: Value| {
            let name = field["name"].as_str().unwrap().to_owned();
            (
                name,
                self.example(field["types"][0].as_str().unwrap(), depth + 1),
            )
        };
        Value::Object(required.map(example).collect())
    }

    /// What is wrong with an object of a type or the parameters of a method.
    fn object(&self, given: &Map<String, Value>, described: &Value, place: &str) -> Vec<String> {
        let fields = self.fields(described);
        let mut wrong = Vec::new();
        for field in &fields {
            let name = field["name"].as_str().unwrap();
            if field["required"] == true && !given.contains_key(name) {
                wrong.push(format!("{place}.{name} is missing"));
            }
        }
        for (name, value) in given {
            let Some(field) = fields.iter().find(|field| field["name"] == name.as_str()) else {
                wrong.push(format!("{place}.{name} is not described"));
                continue;
            };
            let place = format!("{place}.{name}");
            let kinds = field["types"].as_array().unwrap().iter();
            let tried: Vec<Vec<String>> = kinds
                .map(|kind| self.value(value, kind.as_str().unwrap(), &place))
                .collect();
            if !tried.iter().any(Vec::is_empty) {
                wrong.extend(tried.into_iter().next().unwrap());
            }
        }
        wrong
    }

    /// What is wrong with a value of a type.
    fn value(&self, value: &Value, kind: &str, place: &str) -> Vec<String> {
        if let Some(inner) = kind.strip_prefix("Array of ") {
            let Some(items) = value.as_array() else {
                return vec![format!("{place} is no array")];
            };
            return items
                .iter()
                .flat_map(|item| self.value(item, inner, place))
                .collect();
        }
        let fits = match kind {
            "Integer" => value.is_i64() || value.is_u64(),
            "Float" => value.is_number(),
            "String" => value.is_string(),
            "Boolean" | "True" => value.is_boolean(),
            "InputFile" => value.is_string(),
            _ => return self.typed(value, kind, place),
        };
        match fits {
            true => Vec::new(),
            false => vec![format!("{place} is no {kind}: {value}")],
        }
    }

    fn typed(&self, value: &Value, kind: &str, place: &str) -> Vec<String> {
        let described = &self.0["types"][kind];
        assert!(!described.is_null(), "{kind} is not described");
        if let Some(subtypes) = described["subtypes"].as_array() {
            let tried: Vec<Vec<String>> = subtypes
                .iter()
                .map(|subtype| self.value(value, subtype.as_str().unwrap(), place))
                .collect();
            let best = tried.into_iter().min_by_key(Vec::len);
            return best.unwrap_or_default();
        }
        match value.as_object() {
            Some(object) => self.object(object, described, place),
            None => vec![format!("{place} is no {kind}")],
        }
    }
}

#[test]
fn the_fixtures_are_updates_as_described_and_as_teloxide_reads_them() {
    for update in updates() {
        let read: teloxide_core::types::Update = serde_json::from_str(&update.to_string()).unwrap();
        assert!(!matches!(read.kind, UpdateKind::Error(_)), "{update}");
    }
    let Some(description) = description() else {
        return;
    };
    for update in updates() {
        let wrong = description.value(&update, "Update", "update");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn the_simulator_offers_methods_that_exist() {
    let Some(description) = description() else {
        return;
    };
    for method in methods_offered() {
        assert!(!description.0["methods"][method].is_null(), "{method}");
    }
    let update = description.fields(&description.0["types"]["Update"]);
    for kind in KINDS {
        assert!(update.iter().any(|field| field["name"] == kind), "{kind}");
    }
}

/// Plays what customers and shop do, then looks at every call, every answer and every update.
#[tokio::test]
async fn all_that_is_said_is_described() {
    let Some(description) = description() else {
        return;
    };
    let fixture = Fixture::new().await;
    let guard = fixture.listen();
    let front = Front::listen(&fixture.clock, &fixture.memory).await;
    let photo = bytes::Bytes::from_static(b"\xff\xd8\xff");
    let image = || doorstep_core::message::Image {
        url: front.picture(),
        alt: "a picture".to_owned(),
    };
    let content = Content {
        buttons: vec![button("Yes", "handoff")],
        images: vec![image(), image()],
        ..Content::text("Hello <you>")
    };
    let address = fixture.simulator.address_of("ana");
    fixture
        .telegram
        .send(&address, &fixture.message(content))
        .await
        .unwrap();
    let content = Content {
        images: vec![image()],
        ..Content::default()
    };
    fixture
        .telegram
        .send(&address, &fixture.message(content))
        .await
        .unwrap();
    fixture.telegram.show_typing(&address, "1:1").await;
    fixture.telegram.diagnose().await;
    for media_type in ["image/png", "audio/ogg", "video/mp4", "text/plain"] {
        fixture
            .act(Act::Send {
                name: "file".to_owned(),
                media_type: media_type.to_owned(),
                bytes: photo.clone(),
                caption: None,
            })
            .await;
    }
    for act in [
        Act::Write("/order @x".to_owned()),
        Act::Edit("order".to_owned()),
        Act::Press("Yes".to_owned()),
        Act::Follow("abc".to_owned()),
        Act::DoSomethingElse,
        Act::Block,
        Act::Unblock,
    ] {
        fixture.act(act).await;
    }
    fixture
        .simulator
        .send_album("ana", &[photo.clone(), photo], Some("album"));
    fixture
        .simulator
        .write_in_group("flat", "ana", "@simulated_shop_bot hi", Some(3));
    fixture.simulator.press_stale("ana", "old");
    fixture
        .until("the stale press is answered", |fixture| {
            fixture.simulator.answers_to_presses().len() == 2
        })
        .await;
    drop(guard);

    for update in fixture.simulator.updates() {
        let wrong = description.value(&update, "Update", "update");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    let mut methods = Vec::new();
    for (method, parameters) in fixture.simulator.calls() {
        let described = &description.0["methods"][&method];
        assert!(!described.is_null(), "{method}");
        let wrong = description.object(parameters.as_object().unwrap(), described, &method);
        let written_as_text = |wrong: &String| wrong.ends_with("\"true\"");
        assert!(wrong.iter().all(written_as_text), "{wrong:#?}");
        methods.push(method);
    }
    for method in [
        "setMyCommands",
        "sendMessage",
        "sendPhoto",
        "sendMediaGroup",
        "sendChatAction",
        "getWebhookInfo",
    ] {
        assert!(methods.iter().any(|called| called == method), "{method}");
    }
    for (method, answer) in fixture.simulator.results() {
        let described = &description.0["methods"][&method];
        let kinds = described["returns"].as_array().unwrap().iter();
        let tried: Vec<Vec<String>> = kinds
            .map(|kind| description.value(&answer, kind.as_str().unwrap(), &method))
            .collect();
        assert!(tried.iter().any(Vec::is_empty), "{tried:#?}");
    }
}
