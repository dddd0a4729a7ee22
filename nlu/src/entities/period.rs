//! Periods: "this week", "en los próximos 10 días", "zwischen dem 3. und 5. Dezember", "до пятницы".
//!
//! A period's value is an ISO 8601 interval of days, both of them included. Weeks begin on Monday (ISO 8601), also where
//! the calendar on the wall begins them on Sunday.

use std::{ops::Range, sync::LazyLock};

use chrono::{Datelike, NaiveDate};
use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{
    Found, Reading,
    date::{FURTHEST, nearest},
    fixed,
    time_words::{self, COUNT, UNIT, Unit, shift, shift_months},
    words::Lexicon,
};

/// What a phrase says of a period.
#[derive(Clone, Copy)]
enum Meaning {
    /// So many weeks from this one.
    Week(i64),
    /// So many weekends from this one, or from the coming one.
    Weekend(i64),
    /// So many months from this one.
    Month(i64),
    /// So many years from this one.
    Year(i32),
    /// The nearest month of that number.
    Named(u32),
}

/// The shorter phrases need no article before them: it would only make the span longer.
const PHRASES: [(Meaning, &str); 12] = [
    (
        Meaning::Week(0),
        "this week|esta semana|cette semaine|diese woche|dieser woche|questa settimana|на этой неделе|этой неделе|эту неделю|этой недели",
    ),
    (
        Meaning::Week(1),
        "next week|semana que viene|próxima semana|semana próxima|semana que vem|semana seguinte|semaine prochaine|nächste woche|nächster woche|nächsten woche|kommende woche|kommender woche|prossima settimana|settimana prossima|на следующей неделе|следующей неделе|следующую неделю|следующей недели|будущей неделе",
    ),
    (
        Meaning::Week(-1),
        "last week|semana pasada|pasada semana|semana passada|semaine dernière|semaine passée|letzte woche|letzter woche|letzten woche|vergangene woche|vergangener woche|vorige woche|settimana scorsa|scorsa settimana|на прошлой неделе|прошлой неделе|прошлую неделю|прошлой недели",
    ),
    (
        Meaning::Weekend(0),
        "this weekend|the weekend|over the weekend|at the weekend|on the weekend|weekend|fin de semana|este fin de semana|finde|fim de semana|este fim de semana|neste fim de semana|week-end|ce week-end|wochenende|am wochenende|dieses wochenende|fine settimana|questo fine settimana|questo weekend|выходные|выходных|на выходных|на выходные|в выходные|эти выходные",
    ),
    (
        Meaning::Weekend(1),
        "next weekend|próximo fin de semana|fin de semana que viene|próximo fim de semana|fim de semana que vem|week-end prochain|nächstes wochenende|nächsten wochenende|prossimo fine settimana|prossimo weekend|следующие выходные|следующих выходных",
    ),
    (
        Meaning::Weekend(-1),
        "last weekend|fin de semana pasado|pasado fin de semana|fim de semana passado|week-end dernier|letztes wochenende|letzten wochenende|vergangenes wochenende|vergangenen wochenende|scorso fine settimana|scorso weekend|прошлые выходные|прошлых выходных",
    ),
    (
        Meaning::Month(0),
        "this month|este mes|este mês|neste mês|ce mois|ce mois-ci|diesen monat|diesem monat|dieser monat|questo mese|этот месяц|этом месяце|в этом месяце",
    ),
    (
        Meaning::Month(1),
        "next month|mes que viene|próximo mes|mes próximo|mês que vem|próximo mês|mois prochain|nächsten monat|nächster monat|nächstem monat|kommenden monat|prossimo mese|mese prossimo|следующий месяц|следующем месяце|в следующем месяце",
    ),
    (
        Meaning::Month(-1),
        "last month|mes pasado|pasado mes|mês passado|mois dernier|mois passé|letzten monat|letzter monat|vergangenen monat|vorigen monat|mese scorso|scorso mese|прошлый месяц|прошлом месяце|в прошлом месяце",
    ),
    (
        Meaning::Year(0),
        "this year|este año|este ano|cette année|dieses jahr|quest'anno|этом году|в этом году",
    ),
    (
        Meaning::Year(1),
        "next year|año que viene|próximo año|ano que vem|próximo ano|année prochaine|nächstes jahr|prossimo anno|anno prossimo|следующем году|в следующем году",
    ),
    (
        Meaning::Year(-1),
        "last year|año pasado|ano passado|année dernière|letztes jahr|scorso anno|anno scorso|прошлом году|в прошлом году",
    ),
];

/// What stands before a month that is meant as a whole, and the months, language by language.
const MONTHS: [(&[&str], &str); 7] = [
    (
        &["in", "during", "throughout"],
        "january|february|march|april|may|june|july|august|september|october|november|december",
    ),
    (
        &["en", "durante"],
        "enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre",
    ),
    (
        &["em", "durante"],
        "janeiro|fevereiro|março|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro",
    ),
    (
        &["en", "au mois de", "au mois d'"],
        "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre",
    ),
    (
        &["im", "im monat"],
        "januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember",
    ),
    (
        &["a", "ad", "in", "nel mese di"],
        "gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre",
    ),
    (
        &["в"],
        "январе|феврале|марте|апреле|мае|июне|июле|августе|сентябре|октябре|ноябре|декабре",
    ),
];

static NAMED: LazyLock<Lexicon<Meaning>> = LazyLock::new(|| {
    let mut entries: Vec<(String, Meaning)> = Vec::new();
    for (meaning, phrases) in PHRASES {
        entries.extend(
            phrases
                .split('|')
                .map(|phrase| (phrase.to_owned(), meaning)),
        );
    }
    for (prepositions, months) in MONTHS {
        for (number, month) in (1..).zip(months.split('|')) {
            let phrases = prepositions
                .iter()
                .map(|before| format!("{before} {month}"));
            entries.extend(phrases.map(|phrase| (phrase, Meaning::Named(number))));
        }
    }
    Lexicon::fixed(entries)
});

/// Words that stand, in folded text, before a number of days to come or past.
const TO_COME: &str = "(?:in |over |during |for )?(?:the )?(?:next|coming)|within(?: the next)?|no later than in|(?:en )?(?:los |las )?proxim[oa]s|en un plazo de|en menos de|(?:n?[oa]s )?proxim[oa]s|em ate|no prazo de|d ici|sous|(?:in )?(?:den |die )?(?:nachsten|kommenden)|innerhalb von|binnen|(?:nei |nelle |i |le )?prossim[ie]|entro|в течение|(?:в )?(?:ближаиши[ех]|следующи[ех])";
const PAST: &str = "(?:in |over |during |for )?(?:the )?(?:last|past)|(?:en )?(?:los |las )?ultim[oa]s|(?:n?[oa]s )?ultim[oa]s|(?:in )?(?:den |die )?(?:letzten|vergangenen)|(?:negli |nelle |gli |le )?ultim[ie]|(?:за |в )?последни[ех]";

/// `in the next 10 days`, `dans les 10 prochains jours`, `за последние 3 дня`, in folded text.
static COUNTED: LazyLock<Regex> = LazyLock::new(|| {
    fixed(&format!(
        "(?:^| )(?P<whole>(?:(?P<next>{TO_COME})|(?P<last>{PAST})) (?P<n>{count}) (?P<unit>{UNIT})|(?:dans |durant |pendant |ces )?(?:les |ces )?(?P<n2>{count}) (?:(?P<next2>prochaine?s)|(?P<last2>derniere?s|derniers)) (?P<unit2>{UNIT})) ",
        count = *COUNT,
    ))
});

/// Periods that are named on their own; [`join`] makes the others of days.
pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = NAMED
        .find(&reading.folded)
        .filter_map(|hit| named(*hit.meaning, hit.range, reading))
        .collect();
    if time_words::speaks_of_units(&reading.folded) {
        found.extend(counted(reading));
    }
    found
}

fn period(
    first: NaiveDate,
    last: NaiveDate,
    range: Range<usize>,
    today: NaiveDate,
) -> Option<Found> {
    let is_near = |day: NaiveDate| day.signed_duration_since(today).num_days().abs() <= FURTHEST;
    (first <= last && is_near(first) && is_near(last))
        .then(|| Found::new(EntityKind::Period, format!("{first}/{last}"), range))
}

fn named(meaning: Meaning, mut range: Range<usize>, reading: &Reading<'_>) -> Option<Found> {
    let today = reading.today;
    let monday = shift(today, -i64::from(today.weekday().num_days_from_monday()))?;
    let (first, last) = match meaning {
        Meaning::Week(weeks) => {
            let monday = shift(monday, 7 * weeks)?;
            (monday, shift(monday, 6)?)
        }
        Meaning::Weekend(weeks) => {
            let saturday = shift(monday, 5 + 7 * weeks)?;
            (saturday, shift(saturday, 1)?)
        }
        Meaning::Month(months) => whole_month(shift_months(today.with_day(1)?, months)?)?,
        Meaning::Year(years) => {
            let year = today.year() + years;
            (
                NaiveDate::from_ymd_opt(year, 1, 1)?,
                NaiveDate::from_ymd_opt(year, 12, 31)?,
            )
        }
        Meaning::Named(month) => {
            let year = year_after(&reading.folded.as_str()[range.end..], &mut range)?;
            let first = match year {
                Some(year) => NaiveDate::from_ymd_opt(year, month, 1)?,
                None => nearest(month, 15, today)?.with_day(1)?,
            };
            whole_month(first)?
        }
    };
    period(first, last, reading.folded.origin(range)?, today)
}

/// The year that follows a month, and the range with it. None where a day follows: "in november 24" is no month.
fn year_after(rest: &str, range: &mut Range<usize>) -> Option<Option<i32>> {
    let mut words = rest.split_whitespace();
    let Some(word) = words
        .next()
        .filter(|word| word.as_bytes()[0].is_ascii_digit())
    else {
        return Some(None);
    };
    let year = word
        .parse()
        .ok()
        .filter(|year| (2000..2100).contains(year))?;
    range.end += 1 + word.len();
    Some(Some(year))
}

fn whole_month(first: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    Some((first, shift(shift_months(first, 1)?, -1)?))
}

fn counted(reading: &Reading<'_>) -> Vec<Found> {
    COUNTED
        .captures_iter(reading.folded.as_str())
        .filter_map(|captures| {
            let named = |one, other| captures.name(one).or_else(|| captures.name(other));
            let count = time_words::count(named("n", "n2")?.as_str())?;
            let unit = Unit::of(named("unit", "unit2")?.as_str())?;
            let is_past = named("last", "last2").is_some();
            let other = unit.from(reading.today, if is_past { -count } else { count })?;
            let range = reading.folded.origin(captures.name("whole")?.range())?;
            let (first, last) = (reading.today.min(other), reading.today.max(other));
            period(first, last, range, reading.today)
        })
        .collect()
}

/// Words between two days that make a period of them; the second group only after [`OPENING`] "between".
static BETWEEN: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)^,?\s?(?:(?P<to>to|until|till|through|-|–|—|al?|à|hasta|até|au|jusqu[’']au|bis|fino\sa[l]?|по|до)|(?P<and>and|y|e|et|und|и))(?:\s(?:the|el|la|le|il|zum|dem|den|o))?\s?$",
    )
});

/// The word before the first day.
static OPENING: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:^|[^\p{L}\p{N}])(?P<cue>(?P<between>between|entre|zwischen|tra|fra|между)|from|desde|del?|do?|da|du|vom|von|dal?|со?)(?:\s(?:the|el|la|le|les|il|o|dem|den))?\s$",
    )
});

/// `3 to ` before "5 december": a day of the same month.
static DAY_BEFORE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:^|[^\p{L}\p{N}.,/-])(?P<day>[0-9]{1,2})(?:st|nd|rd|th|er|º|\.)?(?P<between>\s?[-–—]\s?|,?\s(?:to|until|through|and|al?|y|hasta|e|até|et|au|bis|und|по|и|до)(?:\s(?:the|el|le|il|zum|dem|den|o))?\s)$",
    )
});

/// ` to 5` after "december 3".
static DAY_AFTER: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)^(?P<between>\s?[-–—]\s?|\s(?:to|until|through|and)\s(?:the\s)?)(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?(?:$|[^\p{L}\p{N}.,/:-]|[.,](?:\s|$))",
    )
});

/// Words before a day that make it the last of a period that begins today.
static DEADLINE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:^|[^\p{L}\p{N}])(?P<cue>before|by|until|till|up\sto|no(?:t)?\slater\sthan|antes\sd(?:e|el|o|a)|hasta|a\smás\stardar|até|ate|avant|d[’']ici(?:\sà|\sau)?|jusqu[’'](?:à|au)|au\splus\stard|vor|bis(?:\szum)?|spätestens(?:\sam)?|prima\sd(?:i|el)|entro|fino\sa(?:l)?|non\soltre|до|ко?|не\sпозднее)(?:\s(?:the|el|la|le|il|lo|o|a|dem|den|am|next))?\s$",
    )
});

/// Makes periods of the days in `found`, which are in order: "from 3 to 5 december" replaces its days; "by friday" is a
/// period that begins today, beside the day that ends it, because some ask for the one and some for the other.
pub(super) fn join(found: &mut Vec<Found>, reading: &Reading<'_>) {
    let mut at = 0;
    while at < found.len() {
        if found[at].kind == EntityKind::Date {
            let joined = two_days(found, at, reading).or_else(|| one_day(&found[at], reading));
            if let Some(joined) = joined {
                found.retain(|other| !other.overlaps(&joined));
                at = found.partition_point(|other| other.start < joined.start);
                found.insert(at, joined);
            } else if let Some(deadline) = deadline(&found[at], reading)
                && !found
                    .iter()
                    .any(|other| other.end <= found[at].start && other.overlaps(&deadline))
            {
                found.insert(at, deadline);
                at += 1;
            }
        }
        at += 1;
    }
}

fn day_of(found: &Found) -> Option<NaiveDate> {
    found
        .value
        .parse()
        .ok()
        .filter(|_| found.kind == EntityKind::Date)
}

/// "Monday to friday", "between 3 december and 5 january".
fn two_days(found: &[Found], at: usize, reading: &Reading<'_>) -> Option<Found> {
    let (one, other) = (&found[at], found.get(at + 1)?);
    let (first, mut last) = (day_of(one)?, day_of(other)?);
    let words = BETWEEN.captures(reading.text.get(one.end..other.start)?)?;
    let opening = opening(&reading.text[..one.start]);
    let needs_between = words.name("and").is_some();
    if needs_between && !opening.as_ref().is_some_and(|(_, is_between)| *is_between) {
        return None;
    }
    if last < first {
        // From Monday to Friday, said on a Wednesday, is next week's Friday as well.
        last = shift(last, 7).filter(|last| *last >= first)?;
    }
    let start = opening.map_or(one.start, |(start, _)| start);
    period(first, last, start..other.end, reading.today)
}

/// "Between 3 and 5 december", "3-5 december", "december 3-5".
fn one_day(date: &Found, reading: &Reading<'_>) -> Option<Found> {
    let day = day_of(date)?;
    let written = reading.text.get(date.start..date.end)?;
    if !written.contains(|c: char| c.is_ascii_digit()) || !written.contains(char::is_alphabetic) {
        return None;
    }
    let before = &reading.text[..date.start];
    if let Some(captures) = DAY_BEFORE.captures(tail(before)) {
        let number = captures.name("day")?;
        let first = day.with_day(number.as_str().parse().ok()?)?;
        let start = date.start - (tail(before).len() - number.start());
        let opening = opening(&reading.text[..start]);
        let is_to = is_to(&captures["between"]);
        if !is_to && !opening.as_ref().is_some_and(|(_, is_between)| *is_between) {
            return None;
        }
        let start = opening.map_or(start, |(start, _)| start);
        return period(first, day, start..date.end, reading.today);
    }
    if !written.starts_with(char::is_alphabetic) {
        return None;
    }
    let captures = DAY_AFTER.captures(&reading.text[date.end..])?;
    let number = captures.name("day")?;
    let last = day.with_day(number.as_str().parse().ok()?)?;
    let opening = opening(before);
    if !is_to(&captures["between"]) && !opening.as_ref().is_some_and(|(_, is_between)| *is_between)
    {
        return None;
    }
    let start = opening.map_or(date.start, |(start, _)| start);
    period(day, last, start..date.end + number.end(), reading.today)
}

/// Whether the words between two numbers say "to", and not only "and".
fn is_to(words: &str) -> bool {
    let words = words.trim_start_matches(',').trim().to_lowercase();
    let first = words.split_whitespace().next().unwrap_or_default();
    !matches!(first, "and" | "y" | "e" | "et" | "und" | "и")
}

/// Where the word before a period begins, and whether it is "between".
fn opening(before: &str) -> Option<(usize, bool)> {
    let tail = tail(before);
    let captures = OPENING.captures(tail)?;
    let start = before.len() - tail.len() + captures.name("cue")?.start();
    Some((start, captures.name("between").is_some()))
}

fn deadline(date: &Found, reading: &Reading<'_>) -> Option<Found> {
    let before = &reading.text[..date.start];
    let tail = tail(before);
    let cue = DEADLINE.captures(tail)?.name("cue")?;
    let start = before.len() - tail.len() + cue.start();
    period(reading.today, day_of(date)?, start..date.end, reading.today)
}

/// The last words of `text`: no cue is longer, and a long text need not be searched for one at its end.
fn tail(text: &str) -> &str {
    let start = text
        .char_indices()
        .rev()
        .nth(31)
        .map_or(0, |(start, _)| start);
    &text[start..]
}

#[cfg(test)]
#[path = "period_tests.rs"]
mod tests;
