//! What readers of days and of periods share: units of time, numbers in words, and the calendar's arithmetic.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use chrono::{Days, Months, NaiveDate};

use super::words::Folded;

/// A number of days, weeks, months or years, in folded text.
pub(super) static COUNT: LazyLock<String> = LazyLock::new(|| {
    let words: Vec<&str> = NUMBERS.iter().map(|(_, words)| *words).collect();
    format!("[0-9]{{1,3}}|{}", words.join("|"))
});

/// Units of time, in folded text.
pub(super) const UNIT: &str = "days?|dias?|jours?|tage?n?|giorn[oi]|дн(?:я|еи)|день|weeks?|semanas?|semaines?|wochen?|settiman[ae]|недел[яюи]|недель|months?|mes|meses|mois|monate?n?|mes[ei]|месяц(?:а|ев)?|years?|anos?|ans?|annees?|jahre?n?|ann[oi]|год|года|лет";

/// Beginnings of the words of [`UNIT`]. Cheap to look for, where its pattern is not.
static BEGINNINGS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let beginnings = [
        "day",
        "dia",
        "jour",
        "tag",
        "giorn",
        "дн",
        "ден",
        "week",
        "seman",
        "semain",
        "woche",
        "settiman",
        "недел",
        "month",
        "mes",
        "mois",
        "monat",
        "месяц",
        "year",
        "ano",
        "un an ",
        "1 an ",
        "ans ",
        "annee",
        "jahr",
        "anni",
        "anno",
        "год",
        "лет",
    ];
    AhoCorasick::new(beginnings).ok()
});

/// Numbers in words, folded, with their values: up to thirty, and those above in which people count days.
const NUMBERS: [(i64, &str); 36] = [
    (
        1,
        "a|an|one|un|una|uno|um|uma|une|ein|eine|einem|einen|einer|один|одна|одну|одного|однои",
    ),
    (
        2,
        "two|couple of|a couple of|dos|un par de|dois|duas|um par de|deux|zwei|due|un paio di|два|две|двух|пару",
    ),
    (3, "three|tres|trois|drei|tre|три|трех"),
    (4, "four|cuatro|quatro|quatre|vier|quattro|четыре|четырех"),
    (5, "five|cinco|cinq|funf|cinque|пять|пяти"),
    (6, "six|seis|sechs|sei|шесть|шести"),
    (7, "seven|siete|sete|sept|sieben|sette|семь|семи"),
    (8, "eight|ocho|oito|huit|acht|otto|восемь|восьми"),
    (9, "nine|nueve|nove|neuf|neun|девять|девяти"),
    (10, "ten|diez|dez|dix|zehn|dieci|десять|десяти"),
    (11, "eleven|once|onze|elf|undici|одиннадцать|одиннадцати"),
    (
        12,
        "twelve|doce|doze|douze|zwolf|dodici|двенадцать|двенадцати",
    ),
    (
        13,
        "thirteen|trece|treze|treize|dreizehn|tredici|тринадцать|тринадцати",
    ),
    (
        14,
        "fourteen|catorce|catorze|quatorze|vierzehn|quattordici|четырнадцать|четырнадцати",
    ),
    (
        15,
        "fifteen|quince|quinze|funfzehn|quindici|пятнадцать|пятнадцати",
    ),
    (
        16,
        "sixteen|dieciseis|dezesseis|dezasseis|seize|sechzehn|sedici|шестнадцать|шестнадцати",
    ),
    (
        17,
        "seventeen|diecisiete|dezessete|dezassete|dix sept|siebzehn|diciassette|семнадцать|семнадцати",
    ),
    (
        18,
        "eighteen|dieciocho|dezoito|dix huit|achtzehn|diciotto|восемнадцать|восемнадцати",
    ),
    (
        19,
        "nineteen|diecinueve|dezenove|dezanove|dix neuf|neunzehn|diciannove|девятнадцать|девятнадцати",
    ),
    (
        20,
        "twenty|veinte|vinte|vingt|zwanzig|venti|двадцать|двадцати",
    ),
    (
        21,
        "twenty one|veintiun|veintiuno|veintiuna|vinte e um|vinte e uma|vingt et un|vingt et une|einundzwanzig|ventuno|двадцать один|двадцать одну|двадцати одного",
    ),
    (
        22,
        "twenty two|veintidos|vinte e dois|vinte e duas|vingt deux|zweiundzwanzig|ventidue|двадцать два|двадцать две|двадцати двух",
    ),
    (
        23,
        "twenty three|veintitres|vinte e tres|vingt trois|dreiundzwanzig|ventitre|двадцать три|двадцати трех",
    ),
    (
        24,
        "twenty four|veinticuatro|vinte e quatro|vingt quatre|vierundzwanzig|ventiquattro|двадцать четыре|двадцати четырех",
    ),
    (
        25,
        "twenty five|veinticinco|vinte e cinco|vingt cinq|funfundzwanzig|venticinque|двадцать пять|двадцати пяти",
    ),
    (
        26,
        "twenty six|veintiseis|vinte e seis|vingt six|sechsundzwanzig|ventisei|двадцать шесть|двадцати шести",
    ),
    (
        27,
        "twenty seven|veintisiete|vinte e sete|vingt sept|siebenundzwanzig|ventisette|двадцать семь|двадцати семи",
    ),
    (
        28,
        "twenty eight|veintiocho|vinte e oito|vingt huit|achtundzwanzig|ventotto|двадцать восемь|двадцати восьми",
    ),
    (
        29,
        "twenty nine|veintinueve|vinte e nove|vingt neuf|neunundzwanzig|ventinove|двадцать девять|двадцати девяти",
    ),
    (
        30,
        "thirty|treinta|trinta|trente|dreissig|trenta|тридцать|тридцати",
    ),
    (
        40,
        "forty|cuarenta|quarenta|quarante|vierzig|quaranta|сорок|сорока",
    ),
    (
        45,
        "forty five|cuarenta y cinco|quarenta e cinco|quarante cinq|funfundvierzig|quarantacinque|сорок пять|сорока пяти",
    ),
    (
        50,
        "fifty|cincuenta|cinquenta|cinquante|funfzig|cinquanta|пятьдесят|пятидесяти",
    ),
    (
        60,
        "sixty|sesenta|sessenta|soixante|sechzig|sessanta|шестьдесят|шестидесяти",
    ),
    (
        90,
        "ninety|noventa|quatre vingt dix|neunzig|novanta|девяносто|девяноста",
    ),
    (100, "a hundred|hundred|cien|cem|cent|hundert|cento|сто|ста"),
];

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Days,
    Weeks,
    Months,
    Years,
}

impl Unit {
    /// The unit that a word of [`UNIT`] names.
    pub(super) fn of(word: &str) -> Option<Self> {
        const BEGINNINGS: [(Unit, &[&str]); 4] = [
            (
                Unit::Weeks,
                &["week", "seman", "semain", "woche", "settiman", "недел"],
            ),
            (Unit::Months, &["month", "mes", "mois", "monat", "месяц"]),
            (
                Unit::Days,
                &["day", "dia", "jour", "tag", "giorn", "дн", "ден"],
            ),
            (Unit::Years, &["year", "an", "jahr", "год", "лет"]),
        ];
        BEGINNINGS
            .iter()
            .find(|(_, beginnings)| {
                beginnings
                    .iter()
                    .any(|beginning| word.starts_with(beginning))
            })
            .map(|(unit, _)| *unit)
    }

    /// The day so many units after `day`, or before it.
    pub(super) fn from(self, day: NaiveDate, count: i64) -> Option<NaiveDate> {
        match self {
            Self::Days => shift(day, count),
            Self::Weeks => shift(day, 7 * count),
            Self::Months => shift_months(day, count),
            Self::Years => shift_months(day, 12 * count),
        }
    }
}

/// The number that a match of [`COUNT`] stands for.
pub(super) fn count(word: &str) -> Option<i64> {
    if let Ok(number) = word.parse() {
        return Some(number);
    }
    NUMBERS
        .iter()
        .find(|(_, words)| words.split('|').any(|known| known == word))
        .map(|(value, _)| *value)
}

/// Whether a word of [`UNIT`] may be in the text.
pub(super) fn speaks_of_units(text: &Folded) -> bool {
    BEGINNINGS
        .as_ref()
        .is_none_or(|beginnings| beginnings.is_match(text.as_str()))
}

/// The day so many days after `day`, or before it.
pub(super) fn shift(day: NaiveDate, by: i64) -> Option<NaiveDate> {
    let days = Days::new(by.unsigned_abs());
    if by < 0 {
        day.checked_sub_days(days)
    } else {
        day.checked_add_days(days)
    }
}

/// The same day so many months later, or earlier; the last of a month that is too short for it.
pub(super) fn shift_months(day: NaiveDate, by: i64) -> Option<NaiveDate> {
    let months = Months::new(u32::try_from(by.unsigned_abs()).ok()?);
    if by < 0 {
        day.checked_sub_months(months)
    } else {
        day.checked_add_months(months)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_found_whole_and_folded() {
        let pattern = super::super::fixed(&format!("^(?:{}) $", *COUNT));
        for (value, words) in NUMBERS {
            for word in words.split('|') {
                assert_eq!(crate::entities::words::fold(word), word);
                assert!(pattern.is_match(&format!("{word} ")), "{word}");
                assert_eq!(count(word), Some(value), "{word}");
            }
        }
        assert_eq!(count("14"), Some(14));
        assert_eq!(count("several"), None);
    }

    #[test]
    fn months_end_where_they_end() {
        let day = NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
        assert_eq!(shift_months(day, 2), NaiveDate::from_ymd_opt(2027, 2, 28));
        assert_eq!(Unit::of("semaines"), Some(Unit::Weeks));
        assert_eq!(Unit::of("mesi"), Some(Unit::Months));
        assert_eq!(Unit::of("дня"), Some(Unit::Days));
        assert_eq!(Unit::of("annees"), Some(Unit::Years));
        let leap_day = NaiveDate::from_ymd_opt(2028, 2, 29).unwrap();
        assert_eq!(
            Unit::Years.from(leap_day, 1),
            NaiveDate::from_ymd_opt(2029, 2, 28)
        );
    }
}
