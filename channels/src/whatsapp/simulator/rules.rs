//! What the Graph API takes, and what a customer's device makes of it.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use doorstep_core::Timestamp;
use serde_json::{Value, json};

use super::customers::{Reply, Sent};
use crate::{
    simulator::Shown,
    whatsapp::{
        inbound::string,
        plan::{
            LONGEST_BODY, LONGEST_DESCRIPTION, LONGEST_REPLY, LONGEST_ROW, LONGEST_TEXT,
            LONGEST_VALUE, MOST_REPLIES, MOST_ROWS,
        },
    },
};

/// A refusal: Meta's code and its details.
pub(super) type Refusal = (i64, String);

fn refuse<T>(code: i64, details: impl Into<String>) -> Result<T, Refusal> {
    Err((code, details.into()))
}

/// Checks a message and renders it.
pub(super) fn render(
    body: &Value,
    templates: &[Value],
    has_media: impl Fn(&str) -> bool,
) -> Result<Sent, Refusal> {
    let sent = match string(body, "/type") {
        Some("text") | None => text(body),
        Some(kind @ ("image" | "video" | "audio" | "document" | "sticker")) => {
            let picture = media(&body[kind], &has_media)?;
            let caption = string(&body[kind], "/caption").unwrap_or_default();
            at_most(caption, LONGEST_BODY, "caption")?;
            Ok(shown(caption, vec![picture]))
        }
        Some("interactive") => interactive(&body["interactive"], &has_media),
        Some("template") => template(&body["template"], templates),
        Some(other) => refuse(
            100,
            format!("Param type `{other}` is not one that is played here"),
        ),
    }?;
    Ok(sent)
}

fn shown(text: &str, images: Vec<String>) -> Sent {
    Sent {
        shown: Shown {
            text: text.to_owned(),
            images,
            ..Shown::default()
        },
        replies: Vec::new(),
    }
}

fn text(body: &Value) -> Result<Sent, Refusal> {
    let text = required(body, "/text/body")?;
    at_most(text, LONGEST_TEXT, "text.body")?;
    Ok(shown(text, Vec::new()))
}

/// A picture's name: its media id or its address.
fn media(media: &Value, has_media: &impl Fn(&str) -> bool) -> Result<String, Refusal> {
    match (string(media, "/id"), string(media, "/link")) {
        (Some(id), None) if has_media(id) => Ok(id.to_owned()),
        (Some(id), None) => refuse(100, format!("media {id} does not exist")),
        (None, Some(link)) if link.starts_with("http") => Ok(link.to_owned()),
        _ => refuse(131_009, "media needs either id or link"),
    }
}

fn interactive(interactive: &Value, has_media: &impl Fn(&str) -> bool) -> Result<Sent, Refusal> {
    let kind = required(interactive, "/type")?;
    let body = required(interactive, "/body/text")?;
    at_most(
        body,
        if kind == "list" {
            LONGEST_TEXT
        } else {
            LONGEST_BODY
        },
        "body",
    )?;
    let mut images = Vec::new();
    let mut words = body.to_owned();
    match string(interactive, "/header/type") {
        None => {}
        Some("text") => {
            let header = required(interactive, "/header/text")?;
            at_most(header, 60, "header")?;
            words = format!("{header}\n{body}");
        }
        Some("image") if kind != "list" => {
            images.push(media(&interactive["header"]["image"], has_media)?);
        }
        Some(other) => return refuse(131_009, format!("header `{other}` is not allowed here")),
    }
    let mut sent = shown(&words, images);
    let action = &interactive["action"];
    match kind {
        "button" => sent.replies = reply_buttons(action)?,
        "list" => sent.replies = rows(action)?,
        "cta_url" => {
            let label = required(action, "/parameters/display_text")?;
            at_most(label, LONGEST_REPLY, "display_text")?;
            let url = required(action, "/parameters/url")?;
            if string(action, "/name") != Some("cta_url") || !url.starts_with("http") {
                return refuse(131_009, "the action is no address");
            }
            sent.shown.text = format!("{words}\n{url}");
            sent.shown.buttons.push(label.to_owned());
        }
        other => return refuse(131_009, format!("interactive `{other}` is not played here")),
    }
    let labels = sent.replies.iter().filter_map(|reply| reply.labels.first());
    sent.shown.buttons.extend(labels.cloned());
    Ok(sent)
}

fn reply_buttons(action: &Value) -> Result<Vec<Reply>, Refusal> {
    let buttons = action["buttons"].as_array().map_or(&[][..], Vec::as_slice);
    if !(1..=MOST_REPLIES).contains(&buttons.len()) {
        return refuse(
            131_009,
            format!("{} buttons; 1 to 3 are allowed", buttons.len()),
        );
    }
    let mut replies = Vec::new();
    for button in buttons {
        let title = required(button, "/reply/title")?;
        let id = required(button, "/reply/id")?;
        at_most(title, LONGEST_REPLY, "title of a button")?;
        at_most(id, 256, "id of a button")?;
        replies.push(reply("button_reply", id, title, None)?);
    }
    unique(&replies, "button_reply", true)?;
    Ok(replies)
}

fn rows(action: &Value) -> Result<Vec<Reply>, Refusal> {
    at_most(required(action, "/button")?, LONGEST_REPLY, "button")?;
    let sections = action["sections"].as_array().map_or(&[][..], Vec::as_slice);
    let mut replies = Vec::new();
    for section in sections {
        if sections.len() > 1 {
            at_most(
                required(section, "/title")?,
                LONGEST_ROW,
                "title of a section",
            )?;
        }
        for row in section["rows"].as_array().map_or(&[][..], Vec::as_slice) {
            let title = required(row, "/title")?;
            let id = required(row, "/id")?;
            at_most(title, LONGEST_ROW, "title of a row")?;
            at_most(id, LONGEST_VALUE, "id of a row")?;
            let description = string(row, "/description");
            at_most(
                description.unwrap_or_default(),
                LONGEST_DESCRIPTION,
                "description of a row",
            )?;
            replies.push(reply("list_reply", id, title, description)?);
        }
    }
    if !(1..=MOST_ROWS).contains(&replies.len()) {
        return refuse(
            131_009,
            format!("{} rows; 1 to 10 are allowed", replies.len()),
        );
    }
    unique(&replies, "list_reply", false)?;
    Ok(replies)
}

fn reply(kind: &str, id: &str, title: &str, description: Option<&str>) -> Result<Reply, Refusal> {
    if id.trim() != id {
        return refuse(131_009, "an id may not begin or end with a space");
    }
    let mut reply = json!({ "id": id, "title": title });
    if let Some(description) = description {
        reply["description"] = json!(description);
    }
    let labels = [Some(title), description];
    Ok(Reply {
        labels: labels.into_iter().flatten().map(str::to_owned).collect(),
        message: json!({
            "type": "interactive",
            "interactive": { "type": kind, kind: reply },
        }),
    })
}

fn unique(replies: &[Reply], kind: &str, titles: bool) -> Result<(), Refusal> {
    let of = |field: &str| -> BTreeSet<&str> {
        let pointer = format!("/interactive/{kind}/{field}");
        replies
            .iter()
            .filter_map(|reply| string(&reply.message, &pointer))
            .collect()
    };
    if of("id").len() < replies.len() {
        return refuse(131_009, "two ids are alike");
    }
    if titles && of("title").len() < replies.len() {
        return refuse(131_009, "two titles are alike");
    }
    Ok(())
}

fn template(template: &Value, templates: &[Value]) -> Result<Sent, Refusal> {
    let name = required(template, "/name")?;
    let language = required(template, "/language/code")?;
    let listed = templates
        .iter()
        .find(|listed| listed["name"] == name && listed["language"] == language);
    let Some(listed) = listed else {
        return refuse(
            132_001,
            format!("template name ({name}) does not exist in {language}"),
        );
    };
    match string(listed, "/status") {
        Some("APPROVED") => {}
        Some("PAUSED") => return refuse(132_015, "template is paused"),
        Some("DISABLED") => return refuse(132_016, "template is disabled"),
        _ => return refuse(132_001, "template is not approved"),
    }
    let given = template["components"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let mut sent = shown("", Vec::new());
    let mut words = Vec::new();
    for component in listed["components"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
    {
        let kind = string(component, "/type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let given = given.iter().find(|given| given["type"] == kind.as_str());
        let parameters = given.and_then(|given| given["parameters"].as_array());
        let parameters = parameters.map_or(&[][..], Vec::as_slice);
        let format = string(component, "/format")
            .unwrap_or("TEXT")
            .to_ascii_lowercase();
        if kind == "header" && format != "text" {
            let [parameter] = parameters else {
                return refuse(132_012, format!("header: one {format} was expected"));
            };
            let link = string(&parameter[format.as_str()], "/link");
            let Some(link) = link else {
                return refuse(132_012, format!("header: {format} was expected"));
            };
            sent.shown.images.push(link.to_owned());
        } else if kind != "buttons" {
            words.push(fill(
                string(component, "/text").unwrap_or_default(),
                parameters,
                &kind,
            )?);
        }
    }
    sent.shown.text = words.join("\n");
    template_buttons(listed, given, &mut sent)?;
    Ok(sent)
}

fn template_buttons(listed: &Value, given: &[Value], sent: &mut Sent) -> Result<(), Refusal> {
    let components = listed["components"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let buttons = components
        .iter()
        .filter(|component| component["type"] == "BUTTONS")
        .flat_map(|component| component["buttons"].as_array())
        .flatten();
    for (index, button) in buttons.enumerate() {
        let label = string(button, "/text").unwrap_or_default();
        sent.shown.buttons.push(label.to_owned());
        let own = |given: &&Value| {
            given["type"] == "button" && given["index"] == index.to_string().as_str()
        };
        let parameters = given
            .iter()
            .find(own)
            .and_then(|given| given["parameters"].as_array());
        let parameters = parameters.map_or(&[][..], Vec::as_slice);
        match string(button, "/type") {
            Some("URL") => {
                let url = string(button, "/url").unwrap_or_default();
                let url = fill(url, parameters, "button")?;
                sent.shown.text = format!("{}\n{url}", sent.shown.text);
            }
            _ => sent.replies.push(Reply {
                labels: vec![label.to_owned()],
                message: json!({ "type": "button", "button": { "text": label, "payload": label } }),
            }),
        }
    }
    Ok(())
}

/// A text with its parameters, `{{1}}` or `{{name}}`, filled in.
fn fill(text: &str, parameters: &[Value], place: &str) -> Result<String, Refusal> {
    let mut filled = text.to_owned();
    let wanted: BTreeSet<&str> = text
        .split("{{")
        .skip(1)
        .filter_map(|part| part.split_once("}}").map(|(name, _)| name))
        .collect();
    if wanted.len() != parameters.len() {
        return refuse(
            132_000,
            format!(
                "{place}: number of localizable_params ({}) does not match the expected number of params ({})",
                parameters.len(),
                wanted.len()
            ),
        );
    }
    for (index, parameter) in parameters.iter().enumerate() {
        let value = required(parameter, "/text")?;
        let spaces = value.contains(['\n', '\t']) || value.contains("     ");
        if spaces {
            return refuse(
                132_018,
                "a parameter has new-line, tab or more than 4 spaces",
            );
        }
        let counted = (index + 1).to_string();
        let name = string(parameter, "/parameter_name").unwrap_or(&counted);
        if !wanted.contains(name) {
            return refuse(
                132_012,
                format!("{place}: parameter {name} is not expected"),
            );
        }
        filled = filled.replace(&format!("{{{{{name}}}}}"), value);
    }
    Ok(filled)
}

fn required<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, Refusal> {
    match string(value, pointer).filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok(text),
        None => refuse(131_008, format!("required parameter {pointer} is missing")),
    }
}

fn at_most(text: &str, max: usize, what: &str) -> Result<(), Refusal> {
    let length = text.chars().count();
    match length <= max {
        true => Ok(()),
        false => refuse(
            131_009,
            format!("{what} has {length} characters; {max} are allowed"),
        ),
    }
}

/// How fast was sent.
#[derive(Default)]
pub(super) struct Limits {
    /// Number → second and messages in it.
    overall: HashMap<String, (i64, u32)>,
    /// (number, customer) → when all its messages are paid for, at one in 6 seconds.
    pairs: HashMap<(String, String), Timestamp>,
}

impl Limits {
    /// Counts a message; refuses it when it comes too fast.
    pub(super) fn take(
        &mut self,
        number: &str,
        customer: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        const PAIR: TimeDelta = TimeDelta::seconds(6);
        const BURST: i32 = 45;
        let pair = (number.to_owned(), customer.to_owned());
        let paid = self.pairs.get(&pair).copied().unwrap_or(now).max(now);
        if paid - now > PAIR * (BURST - 1) {
            return refuse(
                131_056,
                "(Business Account, Consumer Account) pair rate limit hit",
            );
        }
        let second = self.overall.entry(number.to_owned()).or_default();
        if second.0 != now.timestamp() {
            *second = (now.timestamp(), 0);
        }
        if second.1 >= 80 {
            return refuse(130_429, "rate limit hit");
        }
        second.1 += 1;
        self.pairs.insert(pair, paid + PAIR);
        Ok(())
    }
}
