//! 17TRACK's interface: what it knows of registered parcels (`gettrackinfo`); those that are not are registered
//! (`register`), which costs one of the account's registrations each. What it knows of a parcel is what it would push.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doorstep_core::{Ambient, Clock, Health, TrackingNumber, shop::LookupError};
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::parse::{TRACKING_UPDATED, read_push};
use crate::{
    BuildError, SourceConfig,
    api::Api,
    lookup::{Answer, Heard, Lookup, PollConfig},
};

const URL: &str = "https://api.17track.net/track/v2.4";
/// Three requests a second are allowed.
const SPACING: Duration = Duration::from_millis(350);
/// How many characters a number has, by the documentation.
const NUMBER_LENGTH: std::ops::RangeInclusive<usize> = 5..=50;

const ALREADY_REGISTERED: i64 = -18_019_901;
const NOT_REGISTERED: i64 = -18_019_902;
const NO_INFORMATION_YET: i64 = -18_019_909;

/// What 17TRACK's codes ask for, where somebody can do something.
const REMEDIES: &[(i64, &str)] = &[
    (-18_010_001, "allow this server's address at 17TRACK"),
    (-18_010_002, "check the API key"),
    (-18_010_004, "the account is disabled: ask 17TRACK"),
    (-18_010_005, "check what the API key may do"),
    (-18_010_012, "this is not the form of a parcel's number"),
    (
        -18_019_903,
        "17TRACK does not know which carrier's number it is: register it there by hand",
    ),
    (-18_019_907, "the day's registrations are used up"),
    (
        -18_019_908,
        "the account's registrations are used up: buy more, or name fewer carriers in poll.carriers",
    ),
];

/// The interface of an account.
pub(crate) struct SeventeenTrackLookup {
    api: Api,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Envelope {
    code: i64,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    accepted: Vec<Value>,
    #[serde(default)]
    rejected: Vec<Rejected>,
    /// What is wrong with the whole request.
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Rejected {
    number: String,
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
}

#[derive(Deserialize)]
struct Named {
    number: String,
}

#[async_trait]
impl Lookup for SeventeenTrackLookup {
    const AT_ONCE: usize = 40;

    fn of(source: &SourceConfig, poll: &PollConfig, ambient: &Ambient) -> Result<Self, BuildError> {
        let key = HeaderValue::from_str(source.secret.expose_secret().trim()).ok();
        let key = key.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| BuildError::UnsendableSecret {
            name: source.name.clone(),
        })?;
        let key = Some((HeaderName::from_static("17token"), key));
        Ok(Self {
            api: poll.api(&source.name, URL, SPACING, key)?,
            clock: Arc::clone(&ambient.clock),
        })
    }

    async fn ask(&self, parcels: &[TrackingNumber]) -> Result<Vec<Answer>, LookupError> {
        let (asked, strange): (Vec<_>, Vec<_>) = parcels.iter().cloned().partition(fits);
        let mut answers = Answers::new(strange);
        if asked.is_empty() {
            return Ok(answers.finish(&[]));
        }
        let data = self.post("/gettrackinfo", &asked).await?;
        let mut unregistered = Vec::new();
        for rejected in data.rejected {
            match rejected.error.code {
                NOT_REGISTERED => unregistered.push(TrackingNumber(rejected.number)),
                NO_INFORMATION_YET => {}
                code => answers.refuse(&rejected.number, code),
            }
        }
        for item in data.accepted {
            self.read(item, &mut answers);
        }
        if !unregistered.is_empty() {
            // What it will know of them, the next question brings.
            let data = self.post("/register", &unregistered).await?;
            for rejected in data.rejected {
                if rejected.error.code != ALREADY_REGISTERED {
                    answers.refuse(&rejected.number, rejected.error.code);
                }
            }
        }
        Ok(answers.finish(&asked))
    }

    fn health(&self) -> Health {
        self.api.health()
    }
}

impl SeventeenTrackLookup {
    async fn post(&self, path: &str, parcels: &[TrackingNumber]) -> Result<Data, LookupError> {
        let numbers = parcels
            .iter()
            .map(|parcel| json!({"number": parcel.as_str()}));
        let numbers = Value::from_iter(numbers);
        let answer = self.api.query_or_refusal(path, &numbers).await?;
        let envelope: Envelope = answer.json()?;
        let data = envelope.data.unwrap_or(Data {
            accepted: Vec::new(),
            rejected: Vec::new(),
            errors: Vec::new(),
        });
        let fault = data.errors.first().map(|fault| fault.code);
        match fault.or((envelope.code != 0).then_some(envelope.code)) {
            None => Ok(data),
            Some(code) => {
                let error = self.api.error(format!("{path}: {}", reason(code)));
                Err(error.into())
            }
        }
    }

    /// An item of the answer is the `data` of a push.
    fn read(&self, item: Value, answers: &mut Answers) {
        let Ok(named) = Named::deserialize(&item) else {
            return;
        };
        let raw = json!({"event": TRACKING_UPDATED, "data": item})
            .to_string()
            .into_bytes();
        match read_push(&raw, self.clock.now()) {
            Ok(Some(told)) => answers.hear(&named.number, Heard { raw, told }),
            Ok(None) => {}
            Err(error) => answers.fail(&named.number, error.to_string()),
        }
    }
}

/// A number that 17TRACK takes; it refuses a whole request for one that it does not.
fn fits(parcel: &TrackingNumber) -> bool {
    let number = parcel.as_str();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    NUMBER_LENGTH.contains(&number.len()) && number.bytes().all(known)
}

fn reason(code: i64) -> String {
    match REMEDIES.iter().find(|(known, _)| *known == code) {
        Some((_, remedy)) => format!("17TRACK refuses it ({code}): {remedy}"),
        None => format!("17TRACK refuses it ({code})"),
    }
}

/// Answers as they come together. 17TRACK may know a number with two carriers: then it answers twice.
struct Answers {
    heard: Vec<(TrackingNumber, Result<Vec<Heard>, String>)>,
}

impl Answers {
    fn new(strange: Vec<TrackingNumber>) -> Self {
        let reason = || Err("this is not the form of a parcel's number".to_owned());
        Self {
            heard: strange
                .into_iter()
                .map(|parcel| (parcel, reason()))
                .collect(),
        }
    }

    fn hear(&mut self, number: &str, heard: Heard) {
        match self.of(number) {
            Some(Ok(known)) => known.push(heard),
            Some(refused) => *refused = Ok(vec![heard]),
            None => {
                let parcel = TrackingNumber(number.to_uppercase());
                self.heard.push((parcel, Ok(vec![heard])));
            }
        }
    }

    fn refuse(&mut self, number: &str, code: i64) {
        self.fail(number, reason(code));
    }

    /// What was heard counts more than what could not be.
    fn fail(&mut self, number: &str, reason: String) {
        if self.of(number).is_none() {
            let parcel = TrackingNumber(number.to_uppercase());
            self.heard.push((parcel, Err(reason)));
        }
    }

    fn of(&mut self, number: &str) -> Option<&mut Result<Vec<Heard>, String>> {
        let own = |parcel: &TrackingNumber| parcel.as_str().eq_ignore_ascii_case(number);
        let found = self.heard.iter_mut().find(|(parcel, _)| own(parcel));
        found.map(|(_, heard)| heard)
    }

    /// One answer for each parcel that was asked for; of those that nothing was said of, nothing is known.
    fn finish(mut self, asked: &[TrackingNumber]) -> Vec<Answer> {
        for parcel in asked {
            if self.of(parcel.as_str()).is_none() {
                self.heard.push((parcel.clone(), Ok(Vec::new())));
            }
        }
        let answers = self.heard.into_iter();
        answers
            .map(|(parcel, heard)| Answer { parcel, heard })
            .collect()
    }
}
