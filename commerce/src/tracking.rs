//! What every carrier and aggregator says in words of its own, put into ours: vocabularies are tables.

use doorstep_core::{
    Timestamp, TrackingNumber,
    event::CommerceEventKind,
    order::{DateWindow, OrderRef},
    shipment::{ParcelFacts, TrackingEvent, TrackingStatus, region},
};

use crate::body::{sentence, shown};

/// A provider's words and what they mean; nothing for words that say that there is no news.
pub(crate) type Vocabulary = &'static [(&'static str, Option<TrackingStatus>)];

/// What a word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A status.
    Status(TrackingStatus),
    /// There is no news: the carrier has not spoken yet, or the provider gave up asking.
    NoNews,
    /// The label is void: nothing will be sent with it.
    Void,
    /// No vocabulary of ours has the word.
    Unknown,
}

/// Looks a word up.
pub(crate) fn meaning(vocabulary: Vocabulary, word: &str) -> Meaning {
    match vocabulary.iter().find(|(known, _)| *known == word) {
        Some((_, Some(status))) => Meaning::Status(*status),
        Some((_, None)) => Meaning::NoNews,
        None => Meaning::Unknown,
    }
}

/// What a source says of one parcel.
pub(crate) struct Report {
    pub(crate) order: Option<OrderRef>,
    pub(crate) carrier: Option<String>,
    pub(crate) tracking_number: TrackingNumber,
    pub(crate) meaning: Meaning,
    /// The provider's own word for the status, kept when nobody knows it.
    pub(crate) word: String,
    pub(crate) occurred_at: Timestamp,
    /// The carrier's own words.
    pub(crate) message: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) estimated: Option<DateWindow>,
    pub(crate) parcel: ParcelFacts,
}

impl Report {
    /// News of a parcel, that it is none any more, a remark where nobody knows the words, or nothing where there is no news.
    pub(crate) fn into_kind(self) -> Option<CommerceEventKind> {
        let carrier = sentence(self.carrier);
        let message = sentence(self.message);
        let tracking_number = Some(self.tracking_number);
        match self.meaning {
            Meaning::NoNews => None,
            Meaning::Void => Some(CommerceEventKind::TakenBack {
                order: None,
                tracking_number,
            }),
            Meaning::Unknown => {
                let word = shown(&self.word);
                let words = match message {
                    Some(message) if word.is_empty() => message,
                    Some(message) => format!("{word}: {message}"),
                    None => word,
                };
                Some(CommerceEventKind::Remark {
                    carrier,
                    tracking_number,
                    words,
                })
            }
            Meaning::Status(status) => Some(CommerceEventKind::Tracking {
                order: self.order,
                carrier,
                tracking_number,
                event: TrackingEvent {
                    status,
                    occurred_at: self.occurred_at,
                    message,
                    location: sentence(self.location),
                    estimated: self.estimated,
                    parcel: self.parcel,
                },
            }),
        }
    }
}

/// Heaviest parcel that is believed, in grams.
const HEAVIEST_G: f64 = 1_000_000.0;
/// Longest name of a carrier's product that is kept, in characters.
const LONGEST_SERVICE: usize = 60;

/// What a source says of a parcel itself, as far as it makes sense: where it comes from (country and postcode), the
/// carrier's product, and grams.
pub(crate) fn facts(
    country: Option<&str>,
    postcode: Option<&str>,
    service: Option<&str>,
    grams: Option<f64>,
) -> ParcelFacts {
    let country = country.map(str::trim).filter(|country| {
        country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let service = sentence(service.map(str::to_owned));
    let grams = grams.map(f64::round);
    ParcelFacts {
        origin: country.map(|country| region(country, postcode)),
        service: service.map(|name| name.chars().take(LONGEST_SERVICE).collect()),
        // Within `u32` by the bounds.
        weight_g: grams
            .filter(|grams| (1.0..=HEAVIEST_G).contains(grams))
            .map(|grams| grams as u32),
    }
}

/// `Edison, NJ, US`, as far as the parts are told.
pub(crate) fn place(parts: &[&Option<String>]) -> Option<String> {
    let told: Vec<&str> = parts
        .iter()
        .filter_map(|part| part.as_deref())
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}
