//! Templates: those that Meta approved, what ours need of them, and how one is sent.
//!
//! Meta: "Template management" (`GET /{business account}/message_templates`), "Template messages" and "Components".

use std::{collections::BTreeSet, path::PathBuf, sync::Mutex, time::Duration};

use doorstep_core::{Timestamp, message::ApprovedTemplate};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{error::CallError, graph::Graph, list::KeptList, plan::is_link};
use crate::templates::{TemplateMismatch, TemplateUse};

/// How long the list counts as known.
const FRESH: Duration = Duration::from_hours(1);
/// How soon after that it is read again when a template is not in it: it may have been approved a moment ago.
const PATIENCE: Duration = Duration::from_mins(1);
/// Meta's own bound on templates of a business account is 6,000.
const MOST_PAGES: usize = 100;

/// A template as Meta lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) language: String,
    pub(super) status: String,
    /// `TEXT`, `IMAGE`, `VIDEO`, `DOCUMENT`, `LOCATION`; none without a header.
    header_format: Option<String>,
    header: Vec<String>,
    body: Vec<String>,
    /// Places of the buttons whose address has a parameter.
    buttons: Vec<usize>,
    /// Whether parameters are named instead of counted.
    named: bool,
}

impl Listed {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |field: &str| value[field].as_str().map(str::to_owned);
        let components = value["components"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let component = |kind: &str| {
            let is = |found: &&Value| {
                found["type"]
                    .as_str()
                    .is_some_and(|found| found.eq_ignore_ascii_case(kind))
            };
            components.iter().find(is)
        };
        let parameters = |kind| {
            let text = component(kind).and_then(|found| found["text"].as_str());
            text.map(parameters_of).unwrap_or_default()
        };
        let header_format = component("HEADER").and_then(|header| header["format"].as_str());
        let buttons = component("BUTTONS").and_then(|found| found["buttons"].as_array());
        Some(Self {
            name: text("name")?,
            language: text("language")?,
            status: text("status").unwrap_or_default(),
            header: match header_format {
                Some(format) if !format.eq_ignore_ascii_case("TEXT") => vec![String::new()],
                _ => parameters("HEADER"),
            },
            header_format: header_format.map(str::to_ascii_uppercase),
            body: parameters("BODY"),
            buttons: buttons
                .into_iter()
                .flatten()
                .enumerate()
                .filter(|(_, button)| {
                    let url = button["url"].as_str().unwrap_or_default();
                    !parameters_of(url).is_empty()
                })
                .map(|(index, _)| index)
                .collect(),
            named: text("parameter_format").is_some_and(|format| format == "NAMED"),
        })
    }

    pub(super) fn is_approved(&self) -> bool {
        self.status == "APPROVED"
    }

    /// Why it cannot be used so.
    fn mismatch(&self, wanted: &TemplateUse) -> Option<(String, &'static str)> {
        if !self.is_approved() {
            let fix = "open it in WhatsApp Manager; what Meta asks for is said there";
            return Some((format!("its status at Meta is {}", self.status), fix));
        }
        let places = [
            ("header", self.header.len(), wanted.header),
            ("body", self.body.len(), wanted.body),
            ("set of buttons", self.buttons.len(), wanted.buttons),
        ];
        let wrong = places.iter().find(|(_, theirs, ours)| theirs != ours)?;
        let (place, theirs, ours) = wrong;
        Some((
            format!("its {place} has {theirs} parameters at Meta and {ours} here"),
            "make both alike: a changed template needs a new approval",
        ))
    }
}

/// The names of the parameters in a text, `{{1}}` or `{{first_name}}`, in order and each once.
fn parameters_of(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        let name = name.trim().to_owned();
        if !found.contains(&name) {
            found.push(name);
        }
        rest = after;
    }
    // Counted ones fill by their number, wherever it stands.
    if found.iter().all(|name| name.parse::<u32>().is_ok()) {
        found.sort_by_key(|name| name.parse::<u32>().unwrap_or_default());
    }
    found
}

/// Meta's list of our templates, as last read.
pub(super) struct Templates {
    business_account: String,
    /// Where the list is kept for `doorstep check`.
    kept_at: Option<PathBuf>,
    read: Mutex<Option<(Timestamp, Vec<Listed>)>>,
}

/// What is known of a template.
pub(super) enum Known {
    /// As listed.
    Listed(Listed),
    /// The list is known and does not have it.
    Missing,
    /// No list can be read.
    Unknown,
}

impl Templates {
    pub(super) fn new(business_account: &str) -> Self {
        Self {
            business_account: business_account.to_owned(),
            kept_at: None,
            read: Mutex::default(),
        }
    }

    /// Keeps the list there whenever it was read.
    pub(super) fn keep_at(&mut self, path: PathBuf) {
        self.kept_at = Some(path);
    }

    /// Whether there is a business account to read from.
    pub(super) fn are_read(&self) -> bool {
        !self.business_account.is_empty()
    }

    /// Reads the whole list anew.
    pub(super) async fn refresh(
        &self,
        graph: &Graph,
        now: Timestamp,
    ) -> Result<Vec<Listed>, CallError> {
        let path = format!("{}/message_templates", self.business_account);
        let fields = "name,language,status,category,components,parameter_format";
        let mut after = String::new();
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut query = vec![("fields", fields), ("limit", "250")];
            if !after.is_empty() {
                query.push(("after", &after));
            }
            let page = graph.get(&path, &query).await?;
            let data = page["data"].as_array().map_or(&[][..], Vec::as_slice);
            all.extend(data.iter().filter_map(Listed::read));
            let next = page.pointer("/paging/next").is_some();
            let cursor = page
                .pointer("/paging/cursors/after")
                .and_then(Value::as_str);
            match cursor.filter(|cursor| next && *cursor != after) {
                Some(cursor) => after = cursor.to_owned(),
                None => break,
            }
        }
        if let Ok(mut read) = self.read.lock() {
            *read = Some((now, all.clone()));
        }
        if let Some(path) = &self.kept_at {
            let kept = KeptList {
                read_at: now,
                templates: all.clone(),
            };
            if let Err(error) = kept.keep(path).await {
                tracing::warn!(%error, path = %path.display(), "WhatsApp's list of templates could not be kept for `doorstep check`");
            }
        }
        Ok(all)
    }

    /// What is known of a template; the list is read when it is old, or does not have it.
    pub(super) async fn find(
        &self,
        graph: &Graph,
        wanted: &ApprovedTemplate,
        now: Timestamp,
    ) -> Known {
        if !self.are_read() {
            return Known::Unknown;
        }
        let find = |all: &[Listed]| {
            let same =
                |listed: &&Listed| listed.name == wanted.name && listed.language == wanted.language;
            all.iter().find(same).cloned()
        };
        let kept = self.read.lock().ok().and_then(|read| {
            let (at, all) = read.as_ref()?;
            let age = (now - *at).to_std().unwrap_or_default();
            Some((age, find(all)))
        });
        match kept {
            Some((age, Some(listed))) if age < FRESH && listed.is_approved() => {
                Known::Listed(listed)
            }
            Some((age, found)) if age < PATIENCE => found.map_or(Known::Missing, Known::Listed),
            _ => match self.refresh(graph, now).await {
                Ok(all) => find(&all).map_or(Known::Missing, Known::Listed),
                Err(error) => {
                    tracing::warn!(%error, "WhatsApp's list of templates could not be read");
                    Known::Unknown
                }
            },
        }
    }
}

/// What Meta's list does not bear out of what we need, each template once.
pub(super) fn compare(ours: &[TemplateUse], theirs: &[Listed]) -> Vec<TemplateMismatch> {
    let ours: BTreeSet<&TemplateUse> = ours.iter().collect();
    let judge = |wanted: &TemplateUse| {
        let same = |listed: &&Listed| listed.name == wanted.name;
        let mut named = theirs.iter().filter(same).peekable();
        if named.peek().is_none() {
            let fix = "create it in WhatsApp Manager and wait for its approval";
            return Some(("Meta's list does not have it".to_owned(), fix));
        }
        match named.find(|listed| listed.language == wanted.language) {
            Some(listed) => listed.mismatch(wanted),
            None => Some((
                "Meta's list has it in other languages only".to_owned(),
                "add the language to it in WhatsApp Manager",
            )),
        }
    };
    ours.into_iter()
        .filter_map(|wanted| {
            let (message, fix) = judge(wanted)?;
            Some(TemplateMismatch {
                wanted: wanted.clone(),
                message,
                fix: fix.to_owned(),
            })
        })
        .collect()
}

/// Why the template certainly cannot be sent, if so.
pub(super) fn refuse(template: &ApprovedTemplate, known: &Known) -> Option<String> {
    let name = format!("template {} ({})", template.name, template.language);
    match known {
        Known::Unknown => None,
        Known::Missing => Some(format!("{name} is not in Meta's list of ours")),
        Known::Listed(listed) => listed
            .mismatch(&template.into())
            .map(|(message, _)| format!("{name}: {message}")),
    }
}

/// The message that sends the template, still without its recipient.
pub(super) fn body(template: &ApprovedTemplate, known: &Known) -> Value {
    let listed = match known {
        Known::Listed(listed) => Some(listed),
        _ => None,
    };
    let mut components = Vec::new();
    if !template.header.is_empty() {
        let names = listed.map(|listed| (listed.named, listed.header.as_slice()));
        let format = listed.and_then(|listed| listed.header_format.as_deref());
        let parameters: Vec<Value> = match template.header.as_slice() {
            [media] if is_media(media, format) => vec![media_parameter(media, format)],
            texts => text_parameters(texts, names),
        };
        components.push(json!({ "type": "header", "parameters": parameters }));
    }
    if !template.body.is_empty() {
        let names = listed.map(|listed| (listed.named, listed.body.as_slice()));
        let parameters = text_parameters(&template.body, names);
        components.push(json!({ "type": "body", "parameters": parameters }));
    }
    for (index, text) in template.buttons.iter().enumerate() {
        let place = listed.and_then(|listed| listed.buttons.get(index).copied());
        components.push(json!({
            "type": "button",
            "sub_type": "url",
            "index": place.unwrap_or(index).to_string(),
            "parameters": [{ "type": "text", "text": fit(text) }],
        }));
    }
    let mut object = json!({
        "name": template.name,
        "language": { "code": template.language },
    });
    if !components.is_empty() {
        object["components"] = json!(components);
    }
    json!({ "type": "template", "template": object })
}

fn is_media(value: &str, format: Option<&str>) -> bool {
    is_link(value) && format.is_none_or(|format| format != "TEXT")
}

fn media_parameter(link: &str, format: Option<&str>) -> Value {
    let kind = match format {
        Some("VIDEO") => "video",
        Some("DOCUMENT") => "document",
        _ => "image",
    };
    json!({ "type": kind, kind: { "link": link } })
}

fn text_parameters(texts: &[String], names: Option<(bool, &[String])>) -> Vec<Value> {
    let named = names.and_then(|(named, names)| named.then_some(names));
    let parameter = |(index, text): (usize, &String)| {
        let mut parameter = json!({ "type": "text", "text": fit(text) });
        if let Some(name) = named.and_then(|names| names.get(index)) {
            parameter["parameter_name"] = json!(name);
        }
        parameter
    };
    texts.iter().enumerate().map(parameter).collect()
}

/// A parameter may not be empty, nor hold line breaks, tabs or more than four spaces in a row.
fn fit(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.is_empty() {
        true => "–".to_owned(),
        false => words.join(" "),
    }
}
