//! For whom and in which case a rule tells its news: `audience` asks about the customer, `when` about order and parcel.
//!
//! ```yaml
//! rules:
//!   - on: delayed
//!     audience:
//!       country: [ES, PT]              # of delivery, ISO 3166-1; or country_not
//!       language: [es, pt]             # in which they are written to; or language_not
//!       channel: [whatsapp]            # on which they have an address; or channel_not
//!       customer: returning            # ordered before this order; or new
//!     when:
//!       carrier: [Correos, SEUR]       # of the parcel; or carrier_not
//!       service: [express]             # the carrier's product, in its own word; or service_not
//!       value: {at_least: 50 EUR, at_most: 200 EUR}   # of the order
//!       days_late: {at_least: 2}       # after the promised day, as it is expected now
//!     template: delayed
//!     channels: [whatsapp, email]
//! ```
//!
//! All of them have to hold; of a list, one word. What is not known fulfils none, a `_not` neither.

use doorstep_core::{Language, Money};
use iso_currency::Currency;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::rules::Reader;
use crate::yaml;

/// More would be another year's order.
const MOST_DAYS: i64 = 365;

/// ISO 3166-1 alpha-2, <https://www.iso.org/iso-3166-country-codes.html>; XK is Kosovo's, as carriers write it.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ \
    FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT \
    JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP \
    MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE \
    RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV \
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// As the rule names it: `when.carrier`.
    pub field: String,
    /// What it asks.
    pub test: Test,
}

/// What a condition asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Whether a fact is one of these words, or none of them.
    Among {
        /// Of what.
        fact: Fact,
        /// The words, as [`Fact`] writes them.
        words: Vec<String>,
        /// Whether it is to be one of them.
        wanted: bool,
    },
    /// Whether the order costs so much.
    Value(Bounds<Money>),
    /// Whether it comes so many days after the promised one.
    DaysLate(Bounds<i64>),
    /// Whether the customer ordered before.
    Returning(bool),
}

/// What is one word, or some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Of delivery, two capital letters.
    Country,
    /// BCP 47; `pt` is `pt-BR` too.
    Language,
    /// The channels on which the customer has an address.
    Channel,
    /// As shop or carrier name it.
    Carrier,
    /// The carrier's product, in its own word.
    Service,
}

/// Both ends included; one at least is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds<T> {
    /// The lower one.
    pub at_least: Option<T>,
    /// The upper one.
    pub at_most: Option<T>,
}

/// What is known of that which a condition asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// None: it is not known.
    Words(Vec<String>),
    Value(Money),
    DaysLate(Option<i64>),
    Returning(bool),
}

impl Fact {
    fn name(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Language => "language",
            Self::Channel => "channel",
            Self::Carrier => "carrier",
            Self::Service => "service",
        }
    }

    fn is(self, found: &str, word: &str) -> bool {
        match self {
            Self::Language => {
                let primary = found.split('-').next();
                found.eq_ignore_ascii_case(word) || primary == Some(word)
            }
            _ => found.to_lowercase() == word.to_lowercase(),
        }
    }
}

impl Test {
    pub(super) fn holds(&self, found: &Found) -> bool {
        match (self, found) {
            (
                Self::Among {
                    fact,
                    words,
                    wanted,
                },
                Found::Words(found),
            ) => {
                let mut found_words = found.iter();
                let is_among = found_words.any(|one| words.iter().any(|word| fact.is(one, word)));
                !found.is_empty() && is_among == *wanted
            }
            (Self::Value(bounds), Found::Value(value)) => {
                let comparable = |bound: &Money| bound.currency == value.currency;
                bounds
                    .at_least
                    .is_none_or(|bound| comparable(&bound) && value.minor >= bound.minor)
                    && bounds
                        .at_most
                        .is_none_or(|bound| comparable(&bound) && value.minor <= bound.minor)
            }
            (Self::DaysLate(bounds), Found::DaysLate(Some(days))) => {
                bounds.at_least.is_none_or(|bound| *days >= bound)
                    && bounds.at_most.is_none_or(|bound| *days <= bound)
            }
            (Self::Returning(wanted), Found::Returning(found)) => wanted == found,
            _ => false,
        }
    }

    /// What is known, as explanations say it.
    pub(super) fn told(&self, found: &Found) -> String {
        match (self, found) {
            (Self::Among { fact, .. }, Found::Words(words)) => match words.as_slice() {
                [] => format!("the {} is not known", fact.name()),
                [word] => format!("the {} is {word}", fact.name()),
                words => format!("the {}s are {}", fact.name(), words.join(", ")),
            },
            (_, Found::Value(value)) => format!("the order's value is {value}"),
            (_, Found::DaysLate(Some(1))) => "it is 1 day late".to_owned(),
            (_, Found::DaysLate(Some(days))) => format!("it is {days} days late"),
            (_, Found::Returning(true)) => "the customer ordered before".to_owned(),
            (_, Found::Returning(false)) => "the customer is new".to_owned(),
            (_, Found::DaysLate(None)) => "no day was promised".to_owned(),
            (_, Found::Words(_)) => "it is not known".to_owned(),
        }
    }

    /// What the rule asks for.
    pub(super) fn wants(&self) -> String {
        match self {
            Self::Among { words, wanted, .. } => {
                let word = if *wanted { "one of" } else { "none of" };
                format!("{word} {}", words.join(", "))
            }
            Self::Value(bounds) => bounds.told(),
            Self::DaysLate(bounds) => bounds.told(),
            Self::Returning(true) => "one who ordered before".to_owned(),
            Self::Returning(false) => "a new one".to_owned(),
        }
    }
}

impl<T: std::fmt::Display> Bounds<T> {
    fn told(&self) -> String {
        let ends = [("at least", &self.at_least), ("at most", &self.at_most)];
        let ends = ends
            .into_iter()
            .filter_map(|(name, end)| end.as_ref().map(|end| format!("{name} {end}")));
        ends.collect::<Vec<_>>().join(" and ")
    }
}

type Words = Option<Spanned<Vec<Spanned<String>>>>;

/// `audience:`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AudienceSource {
    country: Words,
    country_not: Words,
    language: Words,
    language_not: Words,
    channel: Words,
    channel_not: Words,
    customer: Option<Spanned<String>>,
}

/// `when:`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenSource {
    carrier: Words,
    carrier_not: Words,
    service: Words,
    service_not: Words,
    value: Option<Spanned<BoundsSource<String>>>,
    days_late: Option<Spanned<BoundsSource<i64>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundsSource<T> {
    at_least: Option<Spanned<T>>,
    at_most: Option<Spanned<T>>,
}

/// Why a word is none: what is wrong, and what to do.
type Wrong = (String, String);

impl Reader<'_> {
    /// The conditions of both sections, collecting what is wrong.
    pub(super) fn conditions(
        &mut self,
        audience: Option<AudienceSource>,
        when: Option<WhenSource>,
        channels: &[&str],
    ) -> Vec<Condition> {
        let mut into = Vec::new();
        if let Some(audience) = audience {
            let country = [audience.country, audience.country_not];
            self.among("audience", Fact::Country, country, country_code, &mut into);
            let language = [audience.language, audience.language_not];
            self.among(
                "audience",
                Fact::Language,
                language,
                language_tag,
                &mut into,
            );
            let channel = [audience.channel, audience.channel_not];
            let known = |word: &str| known_channel(word, channels);
            self.among("audience", Fact::Channel, channel, known, &mut into);
            if let Some(customer) = &audience.customer {
                self.known("audience.customer", customer, &["new", "returning"]);
                into.push(Condition {
                    field: "audience.customer".to_owned(),
                    test: Test::Returning(customer.value == "returning"),
                });
            }
        }
        if let Some(when) = when {
            let carrier = [when.carrier, when.carrier_not];
            self.among("when", Fact::Carrier, carrier, any_word, &mut into);
            let service = [when.service, when.service_not];
            self.among("when", Fact::Service, service, any_word, &mut into);
            if let Some(value) = when.value {
                let bounds = self.bounds("when.value", value, |text: &String| amount(text));
                into.extend(bounds.map(|bounds| self.value(bounds)));
            }
            if let Some(days) = when.days_late {
                let bounds = self.bounds("when.days_late", days, |days| days_late(*days));
                into.extend(bounds.map(|(bounds, line)| {
                    self.in_order("when.days_late", bounds.at_least, bounds.at_most, line);
                    Condition {
                        field: "when.days_late".to_owned(),
                        test: Test::DaysLate(bounds),
                    }
                }));
            }
        }
        into
    }

    /// A list of words that are wanted, or one of words that are not.
    fn among(
        &mut self,
        section: &str,
        fact: Fact,
        [only, but]: [Words; 2],
        read: impl Fn(&str) -> Result<String, Wrong>,
        into: &mut Vec<Condition>,
    ) {
        if let (Some(_), Some(but)) = (&only, &but) {
            let name = fact.name();
            let message = format!("`{name}` stands beside it");
            let fix = "keep one of the two".to_owned();
            self.problem(
                &format!("{section}.{name}_not"),
                yaml::line(but),
                message,
                fix,
            );
        }
        for (list, wanted) in [(only, true), (but, false)] {
            let Some(list) = list else { continue };
            let not = if wanted { "" } else { "_not" };
            let field = format!("{section}.{}{not}", fact.name());
            if list.value.is_empty() {
                let fix = "name one or more, or remove it".to_owned();
                self.problem(&field, yaml::line(&list), "is empty".to_owned(), fix);
            }
            let mut words = Vec::with_capacity(list.value.len());
            for (place, word) in list.value.into_iter().enumerate() {
                match read(&word.value) {
                    Ok(word) => words.push(word),
                    Err((message, fix)) => {
                        let field = format!("{field}[{place}]");
                        self.problem(&field, yaml::line(&word), message, fix);
                    }
                }
            }
            let test = Test::Among {
                fact,
                words,
                wanted,
            };
            into.push(Condition { field, test });
        }
    }

    /// Both ends and their line; `None` where something is wrong with them.
    fn bounds<S, T>(
        &mut self,
        field: &str,
        source: Spanned<BoundsSource<S>>,
        read: impl Fn(&S) -> Result<T, Wrong>,
    ) -> Option<(Bounds<T>, usize)> {
        let line = yaml::line(&source);
        let ends = [
            ("at_least", source.value.at_least),
            ("at_most", source.value.at_most),
        ];
        let [at_least, at_most] = ends.map(|(name, end)| {
            let end = end?;
            match read(&end.value) {
                Ok(end) => Some(Ok(end)),
                Err((message, fix)) => {
                    self.problem(&format!("{field}.{name}"), yaml::line(&end), message, fix);
                    Some(Err(()))
                }
            }
        });
        if at_least.is_none() && at_most.is_none() {
            let fix = "add `at_least`, `at_most` or both".to_owned();
            self.problem(field, line, "names no bound".to_owned(), fix);
            return None;
        }
        let bounds = Bounds {
            at_least: at_least.transpose().ok()?,
            at_most: at_most.transpose().ok()?,
        };
        Some((bounds, line))
    }

    fn value(&mut self, (bounds, line): (Bounds<Money>, usize)) -> Condition {
        let ends = bounds.at_least.zip(bounds.at_most);
        match ends {
            Some((least, most)) if least.currency != most.currency => self.problem(
                "when.value",
                line,
                "its bounds are in two currencies".to_owned(),
                "write both in the currency of your orders".to_owned(),
            ),
            _ => {
                let minor = |money: Money| money.minor;
                let least = bounds.at_least.map(minor);
                self.in_order("when.value", least, bounds.at_most.map(minor), line);
            }
        }
        Condition {
            field: "when.value".to_owned(),
            test: Test::Value(bounds),
        }
    }

    fn in_order(&mut self, field: &str, least: Option<i64>, most: Option<i64>, line: usize) {
        if least.zip(most).is_some_and(|(least, most)| least > most) {
            let message = "nothing lies between its bounds".to_owned();
            let fix = "`at_least` is the smaller one".to_owned();
            self.problem(field, line, message, fix);
        }
    }
}

fn country_code(word: &str) -> Result<String, Wrong> {
    let code = word.trim().to_uppercase();
    if code.len() == 2 && COUNTRIES.split_whitespace().any(|known| known == code) {
        return Ok(code);
    }
    let fix = match code.as_str() {
        "UK" => "did you mean `GB`?",
        "EL" => "did you mean `GR`?",
        _ => "write its two letters (ISO 3166-1), like ES",
    };
    Err((format!("`{word}` is no country"), fix.to_owned()))
}

fn language_tag(word: &str) -> Result<String, Wrong> {
    let language = word.trim().parse::<Language>().ok();
    // Longer ones are well-formed, but nobody ever registered one: `spanish` is a slip.
    let language = language.filter(|language| language.primary().len() <= 3);
    let fix = || "write it like `es` or `pt-BR` (BCP 47)".to_owned();
    language
        .map(|language| language.to_string())
        .ok_or_else(|| (format!("`{word}` is no language"), fix()))
}

fn known_channel(word: &str, channels: &[&str]) -> Result<String, Wrong> {
    if channels.contains(&word) {
        return Ok(word.to_owned());
    }
    let fix = yaml::suggestion(word, channels.iter().copied());
    Err((format!("`{word}` is not known"), fix))
}

fn any_word(word: &str) -> Result<String, Wrong> {
    let word = word.trim();
    let fix = || "write the name as explanations show it".to_owned();
    match word.is_empty() {
        true => Err(("is empty".to_owned(), fix())),
        false => Ok(word.to_owned()),
    }
}

fn days_late(days: i64) -> Result<i64, Wrong> {
    match (0..=MOST_DAYS).contains(&days) {
        true => Ok(days),
        false => Err((
            format!("{days} is no number of days late"),
            format!("write one from 0 to {MOST_DAYS}"),
        )),
    }
}

/// Reads `50 EUR` or `49.90 EUR`.
fn amount(text: &str) -> Result<Money, Wrong> {
    read_amount(text).ok_or_else(|| {
        (
            format!("`{text}` is no amount"),
            "write one with its currency, like 50 EUR or 49.90 EUR".to_owned(),
        )
    })
}

fn read_amount(text: &str) -> Option<Money> {
    let (number, code) = text.trim().split_once(' ')?;
    let currency = Currency::from_code(&code.trim().to_ascii_uppercase())?;
    let digits = usize::from(Money::new(0, currency).exponent());
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > digits {
        return None;
    }
    let minor = format!("{whole}{fraction:0<digits$}").parse().ok()?;
    Some(Money::new(minor, currency))
}
