//! The filters that templates have besides minijinja's own.
//!
//! | filter | on | gives |
//! |---|---|---|
//! | `money` | an amount | `€129.00`, `129,00 €` |
//! | `date` | a day or an instant | `Monday, November 23`; `today` and `tomorrow` by their names |
//! | `window` | a span of days | the same for both ends, once when they are one day |
//! | `plural` | a count | the form for it, `#` being the count: `{{ n | plural(one="# parcel", other="# parcels") }}` |
//! | `first_name` | a full name | its first word |

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use doorstep_core::{Language, Money, order::DateWindow};
use minijinja::{Environment, Error, ErrorKind, State, Value, value::Kwargs};

use super::format;

/// The names of our own filters; the rest of what is allowed comes with minijinja.
pub(super) const NAMES: [&str; 5] = ["money", "date", "window", "plural", "first_name"];

/// What each language calls today and tomorrow: the replies of those names.
pub(super) type NearDays = Arc<BTreeMap<String, NearDayNames>>;

/// `today` and `tomorrow` in one language.
#[derive(Debug, Clone)]
pub(super) struct NearDayNames {
    pub(super) today: String,
    pub(super) tomorrow: String,
}

pub(super) fn add_to(environment: &mut Environment<'static>, near_days: NearDays) {
    environment.add_filter("money", |state: &State<'_, '_>, amount: &Value| {
        let amount: Money = read(amount, "an amount such as `order.total`")?;
        Ok::<_, Error>(format::money(&language(state)?, &amount))
    });
    let names = Arc::clone(&near_days);
    environment.add_filter("date", move |state: &State<'_, '_>, day: &Value| {
        let place = Place::of(state, &names)?;
        Ok::<_, Error>(place.window(day_of(day, place.time_zone)?, None))
    });
    environment.add_filter("window", move |state: &State<'_, '_>, span: &Value| {
        let span: DateWindow = read(span, "a span of days such as `order.eta`")?;
        let place = Place::of(state, &near_days)?;
        Ok::<_, Error>(place.window(span.from, Some(span.to)))
    });
    environment.add_filter("plural", plural);
    environment.add_filter("first_name", |name: &str| {
        name.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    });
}

/// Where and in which language something is told.
struct Place<'a> {
    language: Language,
    time_zone: Tz,
    today: NaiveDate,
    near_days: Option<&'a NearDayNames>,
}

impl<'a> Place<'a> {
    fn of(state: &State<'_, '_>, names: &'a BTreeMap<String, NearDayNames>) -> Result<Self, Error> {
        let language = language(state)?;
        let time_zone: Tz = reserved(state, "time_zone")?;
        let now: DateTime<Utc> = reserved(state, "now")?;
        let near_days = names
            .get(&language.to_string())
            .or_else(|| names.get(language.primary()));
        Ok(Self {
            today: now.with_timezone(&time_zone).date_naive(),
            language,
            time_zone,
            near_days,
        })
    }

    fn window(&self, from: NaiveDate, to: Option<NaiveDate>) -> String {
        format::window(&self.language, from, to.unwrap_or(from), |day| {
            let names = self.near_days?;
            if day == self.today {
                Some(names.today.clone())
            } else if Some(day) == self.today.succ_opt() {
                Some(names.tomorrow.clone())
            } else {
                None
            }
        })
    }
}

fn plural(state: &State<'_, '_>, count: u64, forms: Kwargs) -> Result<String, Error> {
    let category = format::plural_category(&language(state)?, count);
    let chosen: Option<String> = forms.get(category)?;
    let other: Option<String> = forms.get("other")?;
    for name in ["zero", "one", "two", "few", "many"] {
        forms.get::<Option<String>>(name)?;
    }
    forms.assert_all_used()?;
    let form = chosen.or(other).ok_or_else(|| {
        Error::new(
            ErrorKind::MissingArgument,
            "`plural` needs the form `other`: plural(one=\"# item\", other=\"# items\")",
        )
    })?;
    Ok(form.replace('#', &count.to_string()))
}

fn language(state: &State<'_, '_>) -> Result<Language, Error> {
    reserved(state, "language")
}

/// A variable that every rendering has.
fn reserved<T: std::str::FromStr>(state: &State<'_, '_>, name: &str) -> Result<T, Error> {
    let value = state.lookup(name);
    let parsed = value
        .as_ref()
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("`{name}` was overwritten by the template"),
        )
    })
}

fn read<T: serde::de::DeserializeOwned>(value: &Value, what: &str) -> Result<T, Error> {
    T::deserialize(value.clone()).map_err(|_| {
        // As it is written in templates.
        let value = match value.is_none() {
            true => "none".to_owned(),
            false => value.to_string(),
        };
        Error::new(
            ErrorKind::InvalidOperation,
            format!("this filter needs {what}, not `{value}`"),
        )
    })
}

/// A plain day, or the day an instant falls on in `time_zone`.
fn day_of(value: &Value, time_zone: Tz) -> Result<NaiveDate, Error> {
    let text = value.as_str().unwrap_or_default();
    let instant = DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.with_timezone(&time_zone).date_naive());
    instant.or_else(|_| text.parse()).map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("`date` needs a day such as `order.placed_at`, not `{value}`"),
        )
    })
}
