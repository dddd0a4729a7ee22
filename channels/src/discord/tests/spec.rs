//! The simulator and what we send, held against Discord's published OpenAPI description and captured payloads.

use std::{collections::BTreeSet, path::PathBuf};

use doorstep_core::{
    channel::Channel,
    message::{Button, Card, Content},
};
use serde_json::Value;

use super::Fixture;
use crate::simulator::Act;

/// A folder of the shared payloads.
fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("DOORSTEP_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let path = root.join("payloads").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {folder} is not here (set DOORSTEP_SHARED)");
    None
}

/// Every captured frame of the gateway.
pub(super) fn captured() -> Option<Vec<Value>> {
    let folder = shared("discord-gateway")?;
    let mut frames = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("gateway_") && name.ends_with(".json") {
            let text = std::fs::read_to_string(&path).unwrap();
            frames.extend(serde_json::from_str::<Vec<Value>>(&text).unwrap());
        }
    }
    Some(frames)
}

fn openapi() -> Option<Value> {
    let path = shared("discord-openapi")?.join("openapi.json");
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

/// A channel that has done everything it does.
async fn busy() -> Fixture {
    let fixture = Fixture::new().await;
    let simulator = &fixture.simulator;
    fixture.write("ada", "Hello").await;
    let first = fixture.admitted_are(1).await.remove(0);
    let buttons: Vec<Button> = (0..7)
        .map(|at| Button {
            label: format!("Choice {at}"),
            value: format!("choose:{at}"),
        })
        .collect();
    let card = Card {
        title: "Rain jacket".to_owned(),
        subtitle: Some("Waterproof".to_owned()),
        image: Some("https://shop.example/jacket.png".to_owned()),
        price: Some("€89.00".to_owned()),
        stock: Some("3 left".to_owned()),
        url: Some("https://shop.example/p/1".to_owned()),
        buttons: buttons[..2].to_vec(),
    };
    let content = Content {
        buttons: buttons.clone(),
        cards: vec![card],
        ..Content::text("Which one?")
    };
    let message = fixture.message(content, Some(&first));
    fixture.channel.send(&first.from, &message).await.unwrap();
    fixture
        .channel
        .show_typing(&first.from, &first.external_id)
        .await;
    fixture.act("ada", Act::Press("Choice 3".to_owned())).await;
    fixture.act("ada", Act::Edit("Hello!".to_owned())).await;
    fixture.act("ada", Act::DoSomethingElse).await;
    simulator
        .use_command("ada", "order", Some(("number", "FW-1")), "de")
        .await
        .unwrap();
    let asked = fixture.admitted_are(4).await.remove(3);
    let answer = fixture.message(Content::text("In Madrid."), Some(&asked));
    fixture.channel.send(&asked.from, &answer).await.unwrap();
    fixture.write("#bob", "Hello").await;
    fixture.admitted_are(5).await;
    simulator
        .use_command("#bob", "person", None, "fr")
        .await
        .unwrap();
    fixture.admitted_are(6).await;
    fixture.channel.diagnose().await;
    fixture
}

#[tokio::test]
async fn every_request_is_in_the_description_and_every_body_fits_it() {
    let Some(spec) = openapi() else { return };
    let fixture = busy().await;
    let mut checked = BTreeSet::new();
    for (method, path, body) in fixture.simulator.requests() {
        let (template, operation) = find_operation(&spec, &method, &path)
            .unwrap_or_else(|| panic!("{method} {path} is not in the description"));
        if !body.is_null() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert!(!schema.is_null(), "{method} {template} takes no body");
            fits(&spec, schema, &body)
                .unwrap_or_else(|why| panic!("{method} {template}: {why}\n{body:#}"));
        }
        checked.insert(format!("{method} {template}"));
    }
    println!("{checked:#?}");
    assert!(checked.len() >= 12, "{checked:#?}");
}

fn find_operation<'a>(spec: &'a Value, method: &str, path: &str) -> Option<(&'a str, &'a Value)> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let matching = spec["paths"]
        .as_object()?
        .iter()
        .filter(|(template, item)| {
            let template: Vec<&str> = template.trim_matches('/').split('/').collect();
            let same = |(wanted, found): (&&str, &&str)| wanted.starts_with('{') || wanted == found;
            template.len() == segments.len()
                && template.iter().zip(&segments).all(same)
                && !item[method.to_lowercase()].is_null()
        });
    // `@me` beats `{id}`.
    let best = matching.min_by_key(|(template, _)| template.matches('{').count())?;
    Some((best.0.as_str(), &best.1[method.to_lowercase()]))
}

/// Whether a value fits a schema: types, required fields, lengths, limits, choices. Fields that the schema does not know
/// are told as errors too.
fn fits(spec: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return fits(spec, &spec["components"]["schemas"][name], value);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[key].as_array() {
            let tried: Vec<String> = choices
                .iter()
                .filter_map(|choice| fits(spec, choice, value).err())
                .collect();
            if tried.len() == choices.len() {
                return Err(format!(
                    "none of {} choices: {}",
                    tried.len(),
                    tried.join("; ")
                ));
            }
            return Ok(());
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    if !types.contains(&kind) {
        return Err(format!("{kind} instead of {types:?}"));
    }
    if let Some(choices) = schema["enum"].as_array().filter(|_| !value.is_null())
        && !choices.contains(value)
    {
        return Err(format!("{value} is none of {choices:?}"));
    }
    match value {
        Value::String(text) => within(schema, "Length", text.chars().count() as f64),
        Value::Number(number) => within(schema, "imum", number.as_f64().unwrap()),
        Value::Array(items) => {
            within(schema, "Items", items.len() as f64)?;
            let fit = |(at, item)| {
                fits(spec, &schema["items"], item).map_err(|why| format!("[{at}] {why}"))
            };
            items.iter().enumerate().try_for_each(fit)
        }
        Value::Object(fields) => {
            for required in schema["required"].as_array().into_iter().flatten() {
                if !fields.contains_key(required.as_str().unwrap()) {
                    return Err(format!("{required} is missing"));
                }
            }
            for (name, field) in fields {
                let known = &schema["properties"][name];
                let other = &schema["additionalProperties"];
                let schema = if known.is_null() { other } else { known };
                if schema.is_null() {
                    return Err(format!("`{name}` is not known"));
                }
                fits(spec, schema, field).map_err(|why| format!("{name}: {why}"))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn within(schema: &Value, what: &str, found: f64) -> Result<(), String> {
    let least = schema[format!("min{what}")].as_f64();
    let most = schema[format!("max{what}")].as_f64();
    if least.is_some_and(|least| found < least) || most.is_some_and(|most| found > most) {
        return Err(format!("{what} {found} is not from {least:?} to {most:?}"));
    }
    Ok(())
}

#[tokio::test]
async fn the_simulator_tells_what_discord_tells() {
    let Some(captured) = captured() else { return };
    let fixture = busy().await;
    let mut compared = BTreeSet::new();
    for event in fixture.simulator.events() {
        let name = event["t"].as_str().unwrap();
        let alike: Vec<&Value> = captured.iter().filter(|frame| frame["t"] == name).collect();
        if alike.is_empty() {
            continue;
        }
        compared.insert(name.to_owned());
        // Interactions and messages elsewhere than on a server have the same keys but for those of the server.
        for (key, value) in event["d"].as_object().unwrap() {
            let theirs: Vec<&Value> = alike.iter().map(|frame| &frame["d"][key]).collect();
            let known = theirs
                .iter()
                .any(|theirs| !theirs.is_null() || value.is_null());
            let elsewhere = matches!(
                key.as_str(),
                "user" | "message" | "poll" | "nonce" | "edited_timestamp"
            );
            assert!(
                known || elsewhere || value.is_null(),
                "{name} has no `{key}` at Discord"
            );
            let same = theirs
                .iter()
                .any(|theirs| std::mem::discriminant(*theirs) == std::mem::discriminant(value));
            let nullable = value.is_null() || theirs.iter().any(|theirs| theirs.is_null());
            assert!(
                same || nullable || elsewhere,
                "{name}.{key}: {value} instead of {theirs:?}"
            );
        }
    }
    let wanted = [
        "GUILD_CREATE",
        "INTERACTION_CREATE",
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "READY",
        "THREAD_CREATE",
    ];
    assert_eq!(
        compared.iter().map(String::as_str).collect::<Vec<_>>(),
        wanted
    );
}

#[test]
fn every_captured_frame_is_read() {
    // What every frame has: an opcode, and for dispatches a name and a number.
    let Some(captured) = captured() else { return };
    assert!(captured.len() >= 20);
    for frame in captured {
        let read: crate::discord::wire::Frame = serde_json::from_value(frame).unwrap();
        assert_eq!(read.op == 0, read.s.is_some() && read.t.is_some());
    }
}
