//! UPS's Track API (<https://developer.ups.com/api/reference/tracking>): asked for one parcel after another, as an OAuth
//! client. Every activity of its answer is read as Track Alert would tell it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::TimeDelta;
use doorstep_core::{
    Ambient, Clock, Entropy, Health, Timestamp, TrackingNumber, shipment::ParcelFacts,
    shop::LookupError,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::parse::{self, Activity, Event, Location};
use crate::{
    BuildError, SourceConfig,
    api::{Answer as HttpAnswer, Api, Unanswered},
    body::{TextOrNumber, day, number as number_of, shown},
    lookup::{Answer, Heard, Lookup, PollConfig},
    mac::hexadecimal,
    tracking::facts,
};

/// UPS's production environment; its test environment is `https://wwwcie.ups.com`.
const URL: &str = "https://onlinetools.ups.com";
const TOKEN_PATH: &str = "/security/v1/oauth/token";
const TRACK_PATH: &str = "/api/track/v1/details/";
/// UPS publishes no rate; this is far below what it refuses.
const SPACING: Duration = Duration::from_millis(250);
/// How long before its end a token is no longer used.
const TOKEN_MARGIN: TimeDelta = TimeDelta::seconds(60);
const GRAMS_A_POUND: f64 = 453.592_37;
/// How many characters an inquiry number has, by the specification.
const NUMBER_LENGTH: std::ops::RangeInclusive<usize> = 7..=34;

/// The Track API of an account.
pub(crate) struct UpsLookup {
    api: Api,
    /// `Basic …` of the OAuth client.
    client: HeaderValue,
    /// Whoever needs a new one asks for it alone; the others wait for it.
    token: Mutex<Option<Token>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

#[derive(Clone)]
struct Token {
    /// `Bearer …`
    header: HeaderValue,
    until: Timestamp,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    /// Seconds, as text.
    expires_in: TextOrNumber,
}

#[derive(Deserialize)]
struct TrackAnswer {
    #[serde(rename = "trackResponse")]
    response: TrackResponse,
}

#[derive(Deserialize)]
struct TrackResponse {
    #[serde(default)]
    shipment: Vec<Shipment>,
}

#[derive(Deserialize)]
struct Shipment {
    /// None where UPS knows nothing of the number; a warning says so.
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    tracking_number: Option<String>,
    #[serde(default)]
    activity: Vec<Value>,
    #[serde(default)]
    delivery_date: Vec<Value>,
    #[serde(default)]
    package_address: Vec<Value>,
    #[serde(default)]
    service: Value,
    #[serde(default)]
    weight: Value,
}

#[derive(Deserialize)]
struct DeliveryDate {
    #[serde(rename = "type")]
    kind: Option<String>,
    date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackedActivity {
    date: Option<String>,
    time: Option<String>,
    gmt_date: Option<String>,
    gmt_time: Option<String>,
    location: Option<Place>,
    status: Option<Activity>,
}

#[derive(Deserialize)]
struct Place {
    address: Option<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    city: Option<String>,
    state_province: Option<String>,
    country: Option<String>,
    country_code: Option<String>,
}

#[async_trait]
impl Lookup for UpsLookup {
    const AT_ONCE: usize = 1;

    fn of(source: &SourceConfig, poll: &PollConfig, ambient: &Ambient) -> Result<Self, BuildError> {
        let (id, secret) = (
            poll.client_id.trim(),
            poll.client_secret.expose_secret().trim(),
        );
        if id.is_empty() || secret.is_empty() {
            return Err(BuildError::Endpoint {
                name: source.name.clone(),
                reason: "poll.client_id or poll.client_secret is empty".to_owned(),
            });
        }
        let basic = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        Ok(Self {
            // What proves us is a token that the client is given, and changes.
            api: poll.api(&source.name, URL, SPACING, None)?,
            client: secret_value(&format!("Basic {basic}")).ok_or_else(|| {
                BuildError::UnsendableSecret {
                    name: source.name.clone(),
                }
            })?,
            token: Mutex::default(),
            clock: Arc::clone(&ambient.clock),
            entropy: Arc::clone(&ambient.entropy),
        })
    }

    async fn ask(&self, parcels: &[TrackingNumber]) -> Result<Vec<Answer>, LookupError> {
        let mut answers = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            answers.push(Answer {
                parcel: parcel.clone(),
                heard: self.ask_for(parcel).await?,
            });
        }
        Ok(answers)
    }

    fn health(&self) -> Health {
        self.api.health()
    }
}

impl UpsLookup {
    async fn ask_for(
        &self,
        parcel: &TrackingNumber,
    ) -> Result<Result<Vec<Heard>, String>, Unanswered> {
        let number = parcel.as_str();
        let fits = NUMBER_LENGTH.contains(&number.len());
        if !fits || !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Err("this is not the form of a UPS number".to_owned()));
        }
        let answer = match self.track(&format!("{TRACK_PATH}{number}")).await {
            Ok(Some(answer)) => answer,
            // UPS does not know the parcel, or not yet.
            Ok(None) => return Ok(Ok(Vec::new())),
            Err(refused) if refused.status == Some(StatusCode::BAD_REQUEST) => {
                return Ok(Err("UPS refuses the number (400)".to_owned()));
            }
            Err(refused) => return Err(refused),
        };
        let answer: TrackAnswer = match answer.json() {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error.reason)),
        };
        let shipments = answer.response.shipment.into_iter();
        let mut packages: Vec<Package> = shipments.flat_map(|shipment| shipment.package).collect();
        if packages.len() > 1 {
            // Of a shipment of several only the one that was asked for.
            packages.retain(|package| {
                let named = package.tracking_number.as_deref();
                named.is_some_and(|named| named.trim().eq_ignore_ascii_case(number))
            });
        }
        let packages = packages.into_iter();
        Ok(Ok(packages
            .flat_map(|package| self.read(number, package))
            .collect()))
    }

    /// Asks with a token, once more with a new one if UPS does not take it.
    async fn track(&self, path: &str) -> Result<Option<HttpAnswer>, Unanswered> {
        let token = self.token().await?;
        match self.track_as(path, token).await {
            Err(refused) if refused.status == Some(StatusCode::UNAUTHORIZED) => {
                *self.token.lock().await = None;
                let token = self.token().await?;
                self.track_as(path, token).await
            }
            answered => answered,
        }
    }

    async fn track_as(
        &self,
        path: &str,
        token: HeaderValue,
    ) -> Result<Option<HttpAnswer>, Unanswered> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, token);
        headers.insert(
            HeaderName::from_static("transactionsrc"),
            HeaderValue::from_static("doorstep"),
        );
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        // Hexadecimal is visible ASCII.
        if let Ok(id) = HeaderValue::from_str(&hexadecimal(&id)) {
            headers.insert(HeaderName::from_static("transid"), id);
        }
        self.api
            .get_as(path, &[("locale", "en_US")], &headers)
            .await
    }

    async fn token(&self) -> Result<HeaderValue, Unanswered> {
        let mut token = self.token.lock().await;
        if let Some(known) = token
            .as_ref()
            .filter(|known| known.until > self.clock.now())
        {
            return Ok(known.header.clone());
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.client.clone());
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let body = "grant_type=client_credentials".to_owned();
        let answer = self.api.post_as(TOKEN_PATH, &headers, body).await;
        // What UPS finds wrong here, no parcel's number is to blame for.
        let answer = answer.map_err(|refused| Unanswered {
            status: None,
            ..refused
        })?;
        let answer: TokenAnswer = answer.json()?;
        let unusable = || self.api.error("the OAuth token is not as documented");
        let seconds: u32 = answer
            .expires_in
            .into_text()
            .trim()
            .parse()
            .map_err(|_| unusable())?;
        let bearer = format!("Bearer {}", answer.access_token.trim());
        let new = Token {
            header: secret_value(&bearer).ok_or_else(unusable)?,
            until: self.clock.now() + TimeDelta::seconds(i64::from(seconds)) - TOKEN_MARGIN,
        };
        let header = new.header.clone();
        *token = Some(new);
        Ok(header)
    }

    /// What the activities of a package say. One that cannot be read is left out: the others are as true as they were.
    fn read(&self, number: &str, package: Package) -> Vec<Heard> {
        let now = self.clock.now();
        let parcel = facts_of(&package);
        let mut events: Vec<(Timestamp, Event, Value)> = package
            .activity
            .into_iter()
            .filter_map(|raw| {
                let event = event(number, &raw, &parcel)?;
                let at = parse::happened(&event).ok().flatten()?;
                Some((at, event, raw))
            })
            .collect();
        events.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        // The dates are those of now: they belong to where the parcel is now.
        if let Some((_, newest, _)) = events
            .iter_mut()
            .find(|(_, event, _)| parse::is_news(event))
        {
            let of_kind = |kind| day_of(&package.delivery_date, kind);
            newest.scheduled_delivery_date = of_kind("RDD").or_else(|| of_kind("SDD"));
            newest.actual_delivery_date = of_kind("DEL");
        }
        let told = events.into_iter().filter_map(|(_, event, activity)| {
            let told = match parse::tell(&event, now) {
                Ok(told) => told?,
                Err(error) => {
                    let error = shown(&error.to_string());
                    tracing::debug!(%error, "an activity of UPS cannot be read");
                    return None;
                }
            };
            let mut raw = json!({"trackingNumber": number, "activity": activity});
            if event.scheduled_delivery_date.is_some() || event.actual_delivery_date.is_some() {
                raw["deliveryDate"] = Value::from(package.delivery_date.clone());
            }
            let raw = raw.to_string().into_bytes();
            Some(Heard { raw, told })
        });
        told.collect()
    }
}

/// An activity as Track Alert tells it.
fn event(number: &str, activity: &Value, parcel: &ParcelFacts) -> Option<Event> {
    let activity = TrackedActivity::deserialize(activity).ok()?;
    let address = activity.location.and_then(|place| place.address);
    Some(Event {
        tracking_number: number.to_owned(),
        local_activity_date: activity.date,
        local_activity_time: activity.time,
        gmt_activity_date: activity.gmt_date,
        gmt_activity_time: activity.gmt_time,
        activity_location: address.map(|address| Location {
            city: address.city,
            state_province: address.state_province,
            country: address.country.or(address.country_code),
        }),
        activity_status: activity.status?,
        scheduled_delivery_date: None,
        actual_delivery_date: None,
        parcel: parcel.clone(),
    })
}

/// Of the addresses only where the parcel comes from.
fn facts_of(package: &Package) -> ParcelFacts {
    let mut addresses = package.package_address.iter();
    let origin = addresses.find(|address| address["type"] == "ORIGIN");
    let origin = origin.map(|origin| &origin["address"]);
    let text = |field: &str| origin.and_then(|origin| origin[field].as_str());
    let grams = match package.weight["unitOfMeasurement"].as_str() {
        Some("KGS") => Some(1_000.0),
        Some("LBS") => Some(GRAMS_A_POUND),
        _ => None,
    };
    let weight = number_of(Some(&package.weight["weight"]));
    facts(
        text("countryCode").or(text("country")),
        text("postalCode"),
        package.service["description"].as_str(),
        weight.zip(grams).map(|(weight, grams)| weight * grams),
    )
}

/// The day of the first entry of a kind, as UPS writes it; none where it is no day.
fn day_of(dates: &[Value], kind: &str) -> Option<String> {
    dates.iter().find_map(|date| {
        let date = DeliveryDate::deserialize(date).ok()?;
        let told = date.kind.as_deref()? == kind;
        let is_day = |text: &String| day("deliveryDate", &parse::spelled_day(text.trim())).is_ok();
        date.date.filter(is_day).filter(|_| told)
    })
}

/// A header that no log shows.
fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
