//! When customers are left in peace: the section `limits` of `rules/*.yaml`.
//!
//! ```yaml
//! limits:
//!   quiet_hours: {from: "21:00", until: "08:00"}   # in the customer's time zone
//!   per_day: 5                                     # notifications a customer hears a day
//!   told_in_chat: 15m                              # the default
//! ```

use std::time::Duration;

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use doorstep_core::{Problem, Timestamp};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::yaml;

/// How long an answer in a conversation stands for the news.
const TOLD_IN_CHAT: Duration = Duration::from_mins(15);
/// The hour of the morning at which a customer hears what was too much the day before.
const MORNING: u32 = 9;
/// The longest that anything in rules may wait.
const LONGEST: Duration = Duration::from_hours(24 * 90);

/// When customers are left in peace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// When nothing is told that is not urgent.
    pub quiet_hours: Option<QuietHours>,
    /// How many notifications a customer hears a day, urgent ones aside.
    pub per_day: Option<u32>,
    /// How long an answer in a conversation stands for the news it told.
    pub told_in_chat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            quiet_hours: None,
            per_day: None,
            told_in_chat: TOLD_IN_CHAT,
        }
    }
}

/// Hours of the customer's day in which nothing is told; they may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// When they begin.
    pub from: NaiveTime,
    /// When they end.
    pub until: NaiveTime,
}

impl QuietHours {
    /// When the quiet hours end in which `now` lies; `None` when it lies in none.
    pub fn end(&self, now: Timestamp, zone: Tz) -> Option<Timestamp> {
        let local = now.with_timezone(&zone).naive_local();
        let time = local.time();
        let over_midnight = self.from > self.until;
        let quiet = match over_midnight {
            true => time >= self.from || time < self.until,
            false => time >= self.from && time < self.until,
        };
        if !quiet {
            return None;
        }
        let next_day = over_midnight && time >= self.from;
        let day = local.date() + Days::new(u64::from(next_day));
        let end = day.and_time(self.until);
        // A clock that is put forward skips an hour: what would end in it ends after it.
        let found = zone.from_local_datetime(&end).earliest();
        let found = found.or_else(|| {
            zone.from_local_datetime(&(end + TimeDelta::hours(1)))
                .earliest()
        });
        found.map(|end| end.to_utc()).filter(|end| *end > now)
    }
}

/// When the customer's day began.
pub(super) fn start_of_day(now: Timestamp, zone: Tz) -> Timestamp {
    beginning(now.with_timezone(&zone).date_naive(), zone).unwrap_or(now - TimeDelta::days(1))
}

/// When the customer's day ends.
pub(super) fn end_of_day(now: Timestamp, zone: Tz) -> Timestamp {
    let today = now.with_timezone(&zone).date_naive();
    let tomorrow = today.checked_add_days(Days::new(1));
    // A source may name the last day there is.
    tomorrow
        .and_then(|day| beginning(day, zone))
        .unwrap_or(Timestamp::MAX_UTC)
}

fn beginning(day: NaiveDate, zone: Tz) -> Option<Timestamp> {
    let midnight = day.and_time(NaiveTime::MIN);
    let found = zone.from_local_datetime(&midnight).earliest();
    // Where a clock is put forward at midnight, the day begins an hour later.
    let found = found.or_else(|| {
        zone.from_local_datetime(&(midnight + TimeDelta::hours(1)))
            .earliest()
    });
    found.map(|start| start.to_utc())
}

/// When a customer who heard enough today hears the rest: the next morning, and not in quiet hours.
pub(super) fn next_morning(now: Timestamp, zone: Tz, quiet_hours: Option<QuietHours>) -> Timestamp {
    let tomorrow = now.with_timezone(&zone).date_naive() + Days::new(1);
    let morning = tomorrow.and_hms_opt(MORNING, 0, 0);
    let morning = morning.and_then(|morning| zone.from_local_datetime(&morning).earliest());
    // No zone puts its clock forward at this hour; if one ever does, the same time tomorrow is as good.
    let morning = morning.map_or(now + TimeDelta::days(1), |morning| morning.to_utc());
    let quiet = quiet_hours.and_then(|hours| hours.end(morning, zone));
    quiet.unwrap_or(morning)
}

/// Reads `90s`, `30m`, `2h` or `5d`; `None` when it is none of these, nothing, or more than 90 days.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    let duration = Duration::from_secs(number.checked_mul(seconds)?);
    (!duration.is_zero() && duration <= LONGEST).then_some(duration)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsSource {
    quiet_hours: Option<QuietHoursSource>,
    per_day: Option<Spanned<i64>>,
    told_in_chat: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuietHoursSource {
    from: Spanned<String>,
    until: Spanned<String>,
}

/// Collects limits over all files; each may be set once.
#[derive(Default)]
pub(super) struct LimitsReader {
    limits: Limits,
    set: Vec<(&'static str, String)>,
}

impl LimitsReader {
    pub(super) fn add(&mut self, file: &str, source: LimitsSource, problems: &mut Vec<Problem>) {
        let mut problem = |line: usize, field: &str, message: String, fix: &str| {
            problems.push(Problem {
                file: file.to_owned(),
                line,
                field: format!("limits.{field}"),
                message,
                fix: fix.to_owned(),
            });
        };
        if let Some(hours) = source.quiet_hours {
            let line = yaml::line(&hours.from);
            let mut read = |field: &str, found: &Spanned<String>| {
                let time = NaiveTime::parse_from_str(&found.value, "%H:%M").ok();
                if time.is_none() {
                    problem(
                        yaml::line(found),
                        &format!("quiet_hours.{field}"),
                        format!("`{}` is no time of day", found.value),
                        "write one in quotes, like \"21:00\"",
                    );
                }
                time
            };
            let (from, until) = (read("from", &hours.from), read("until", &hours.until));
            if let (Some(from), Some(until)) = (from, until) {
                if from == until {
                    let message = "from and until are the same time".to_owned();
                    problem(line, "quiet_hours", message, "remove them, or change one");
                }
                self.limits.quiet_hours = Some(QuietHours { from, until });
            }
            if let Some(other) = self.set_before("quiet_hours", file) {
                let message = format!("quiet hours are also set in {other}");
                problem(line, "quiet_hours", message, "set them in one file");
            }
        }
        if let Some(per_day) = source.per_day {
            let line = yaml::line(&per_day);
            match u32::try_from(per_day.value).ok().filter(|limit| *limit > 0) {
                Some(limit) => self.limits.per_day = Some(limit),
                None => problem(
                    line,
                    "per_day",
                    format!("{} is no number of messages", per_day.value),
                    "write 1 or more, or remove it",
                ),
            }
            if let Some(other) = self.set_before("per_day", file) {
                let message = format!("it is also set in {other}");
                problem(line, "per_day", message, "set it in one file");
            }
        }
        if let Some(told) = source.told_in_chat {
            let line = yaml::line(&told);
            match duration(&told.value) {
                Some(duration) => self.limits.told_in_chat = duration,
                None => problem(
                    line,
                    "told_in_chat",
                    format!("`{}` is no time", told.value),
                    "write one like 90s, 30m, 2h or 5d",
                ),
            }
            if let Some(other) = self.set_before("told_in_chat", file) {
                let message = format!("it is also set in {other}");
                problem(line, "told_in_chat", message, "set it in one file");
            }
        }
    }

    pub(super) fn finish(self) -> Limits {
        self.limits
    }

    fn set_before(&mut self, key: &'static str, file: &str) -> Option<String> {
        let other = self.set.iter().find(|(set, _)| *set == key);
        let other = other.map(|(_, file)| file.clone());
        self.set.push((key, file.to_owned()));
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(now: &str, zone: Tz) -> Option<String> {
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let night = QuietHours {
            from: time(21),
            until: time(8),
        };
        let end = night.end(now.parse().unwrap(), zone)?;
        Some(end.format("%m-%dT%H:%M").to_string())
    }

    #[test]
    fn the_night_ends_in_the_customers_morning() {
        let madrid = chrono_tz::Europe::Madrid;
        assert_eq!(end("2026-11-20T19:59:00Z", madrid), None);
        assert_eq!(end("2026-11-20T20:00:00Z", madrid).unwrap(), "11-21T07:00");
        assert_eq!(end("2026-11-21T06:59:00Z", madrid).unwrap(), "11-21T07:00");
        assert_eq!(end("2026-11-21T07:00:00Z", madrid), None);
        assert_eq!(
            end("2026-11-21T06:59:00Z", chrono_tz::America::New_York).unwrap(),
            "11-21T13:00"
        );
        // The clocks are put forward within this night.
        assert_eq!(end("2026-03-28T22:00:00Z", madrid).unwrap(), "03-29T06:00");
    }

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("30m"), Some(Duration::from_mins(30)));
        assert_eq!(duration("5d"), Some(Duration::from_hours(120)));
        for wrong in [
            "",
            "m",
            "30",
            "0m",
            "-1h",
            "1w",
            "99999999999999999999d",
            "é",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
