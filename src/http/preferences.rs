//! `/preferences/{token}`: what a customer wants to hear, by topic and channel. Reading never changes anything; a POST of
//! `List-Unsubscribe=One-Click` (RFC 8058) stops a topic everywhere at once, as a mail program sends it.

use std::collections::BTreeSet;

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use doorstep_core::{ChannelName, CustomerId, customer::Customer, notification::Topic};
use doorstep_engine::store::Preference;
use serde::Serialize;
use url::form_urlencoded;

use super::{
    ApiError, Shared,
    html::{Page, Words},
    visit::Visit,
};

const TOPICS: [Topic; 2] = [Topic::Order, Topic::Marketing];
const ONE_CLICK: (&str, &str) = ("List-Unsubscribe", "One-Click");

/// What was just done, for the page to say.
#[derive(Clone, Copy)]
enum Done {
    Nothing,
    Saved,
    Stopped(Topic),
}

#[derive(Serialize)]
struct PreferenceFacts<'a> {
    said: Option<&'a str>,
    topics: Vec<TopicFacts<'a>>,
}

#[derive(Serialize)]
struct TopicFacts<'a> {
    title: &'a str,
    why: &'a str,
    channels: Vec<ChannelFacts<'a>>,
}

#[derive(Serialize)]
struct ChannelFacts<'a> {
    field: String,
    label: &'a str,
    allowed: bool,
}

/// `GET /preferences/{token}`
pub(super) async fn show(visit: Visit) -> Result<Response, ApiError> {
    match open(&visit).await? {
        Some(customer) => page(&visit, &customer, Done::Nothing).await,
        None => visit.missing(),
    }
}

/// `POST /preferences/{token}`: the page's form, or one click.
pub(super) async fn change(visit: Visit, body: Bytes) -> Result<Response, ApiError> {
    let Some(customer) = open(&visit).await? else {
        return visit.missing();
    };
    let app = &visit.app;
    let (wanted, how, done) = if is_one_click(&visit.headers, &body) {
        let topic = match visit.asked.topic.as_deref() {
            Some("order") => Topic::Order,
            _ => Topic::Marketing,
        };
        let stopped = stop_everywhere(app, customer.id, topic).await?;
        (stopped, "one click", Done::Stopped(topic))
    } else {
        let chosen = chosen_in(app, customer.id, &body).await?;
        (chosen, "preference page", Done::Saved)
    };
    if !app.store.set_preferences(customer.id, wanted, how).await? {
        return visit.missing();
    }
    page(&visit, &customer, done).await
}

async fn open(visit: &Visit) -> Result<Option<Customer>, ApiError> {
    let app = &visit.app;
    match app.page_key.open_preferences(&visit.token, visit.now()) {
        Some(customer) => Ok(app.store.find_customer(customer).await?),
        None => Ok(None),
    }
}

/// RFC 8058, section 3.2: the body is `multipart/form-data` or `application/x-www-form-urlencoded`.
fn is_one_click(headers: &HeaderMap, body: &[u8]) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (name, value) = ONE_CLICK;
    if kind.starts_with("multipart/form-data") {
        // It has this one part, so what stands around it does not matter.
        let text = String::from_utf8_lossy(body);
        return text.contains(&format!("name=\"{name}\"")) && text.contains(value);
    }
    form_urlencoded::parse(body).any(|(found, is)| found == name && is == value)
}

/// "No" on every channel there is, and on those where something was said before.
async fn stop_everywhere(
    app: &Shared,
    customer: CustomerId,
    topic: Topic,
) -> Result<Vec<Preference>, ApiError> {
    let said = app.store.preferences_of(customer).await?;
    let mut channels: BTreeSet<ChannelName> = app.channels.all.keys().cloned().collect();
    channels.extend(said.into_iter().map(|preference| preference.channel));
    let no = |channel| Preference {
        topic,
        channel,
        allowed: false,
    };
    Ok(channels.into_iter().map(no).collect())
}

/// What the form says differently from what holds.
async fn chosen_in(
    app: &Shared,
    customer: CustomerId,
    body: &[u8],
) -> Result<Vec<Preference>, ApiError> {
    let checked: BTreeSet<String> = form_urlencoded::parse(body)
        .map(|(name, _)| name.into_owned())
        .collect();
    let mut wanted = offered(app, customer).await?;
    wanted.retain_mut(|preference| {
        let chosen = checked.contains(&field(preference));
        let differs = chosen != preference.allowed;
        preference.allowed = chosen;
        differs
    });
    Ok(wanted)
}

/// Everything that can be chosen, as it holds now: the channels on which the customer has an address or said something;
/// without any, all there are. Orders are told of unless refused, selling only with consent.
async fn offered(app: &Shared, customer: CustomerId) -> Result<Vec<Preference>, ApiError> {
    let said = app.store.preferences_of(customer).await?;
    let addresses = app.store.addresses_of(customer).await?;
    let is_theirs = |channel: &ChannelName| {
        addresses.iter().any(|address| address.channel == *channel)
            || said.iter().any(|preference| preference.channel == *channel)
    };
    let all: Vec<&ChannelName> = app.channels.all.keys().collect();
    let mut channels = all.clone();
    channels.retain(|channel| is_theirs(channel));
    if channels.is_empty() {
        channels = all;
    }
    let mut offered = Vec::new();
    for topic in TOPICS {
        for channel in &channels {
            let said = said
                .iter()
                .find(|said| said.topic == topic && said.channel == **channel);
            offered.push(Preference {
                topic,
                channel: (*channel).clone(),
                allowed: said.map_or(topic == Topic::Order, |said| said.allowed),
            });
        }
    }
    Ok(offered)
}

fn field(preference: &Preference) -> String {
    format!("{}.{}", preference.topic.as_str(), preference.channel)
}

async fn page(visit: &Visit, customer: &Customer, done: Done) -> Result<Response, ApiError> {
    let speech = visit.speech(Some(customer));
    let words = speech.words;
    let offered = offered(&visit.app, customer.id).await?;
    let facts = PreferenceFacts {
        said: match done {
            Done::Nothing => None,
            Done::Saved => Some(&words.saved),
            Done::Stopped(Topic::Order) => Some(&words.stopped_order),
            Done::Stopped(Topic::Marketing) => Some(&words.stopped),
        },
        topics: TOPICS
            .iter()
            .map(|topic| topic_facts(*topic, &offered, words))
            .collect(),
    };
    let page = Page {
        status: StatusCode::OK,
        template: "preferences.html",
        title: &words.preferences,
        scripts: &[],
        facts,
    };
    visit.render(speech, page)
}

fn topic_facts<'a>(topic: Topic, offered: &'a [Preference], words: &'a Words) -> TopicFacts<'a> {
    let (title, why) = match topic {
        Topic::Order => (&words.order_topic, &words.order_why),
        Topic::Marketing => (&words.marketing_topic, &words.marketing_why),
    };
    let channels = offered
        .iter()
        .filter(|preference| preference.topic == topic);
    TopicFacts {
        title,
        why,
        channels: channels
            .map(|preference| ChannelFacts {
                field: field(preference),
                label: words.channel(preference.channel.as_str()),
                allowed: preference.allowed,
            })
            .collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_click_is_known_in_both_forms_that_mail_programs_send() {
        let sent = |kind: &'static str, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            is_one_click(&headers, body)
        };
        let form = "application/x-www-form-urlencoded";
        assert!(sent(form, b"List-Unsubscribe=One-Click"));
        assert!(!sent(form, b"order.email=yes"));
        let parts = b"--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        assert!(sent("multipart/form-data; boundary=b", parts));
        assert!(!sent("multipart/form-data; boundary=b", b"--b--\r\n"));
    }
}
