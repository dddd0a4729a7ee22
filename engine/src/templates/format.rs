//! Money, dates and plurals as CLDR writes them, for any language.

use chrono::{Datelike, NaiveDate};
use doorstep_core::{Language, Money};
use icu_datetime::{DateTimeFormatter, fieldsets::MDE, input::Date};
use icu_decimal::{DecimalFormatter, input::Decimal};
use icu_plurals::{PluralCategory, PluralRules};

/// An amount for people: `€129.00` in English, `129,00 €` in German. The space is one that does not break.
pub fn money(language: &Language, amount: &Money) -> String {
    let symbol = amount.currency.symbol().symbol;
    let number = decimal(language, &amount.decimal());
    match symbol_place(language) {
        SymbolPlace::Before => match number.strip_prefix('-') {
            Some(number) => format!("-{symbol}{number}"),
            None => format!("{symbol}{number}"),
        },
        SymbolPlace::BeforeSpaced => format!("{symbol}\u{a0}{number}"),
        SymbolPlace::After => format!("{number}\u{a0}{symbol}"),
    }
}

/// Where CLDR's standard currency pattern puts the symbol. ICU4X formats currencies only experimentally so far.
enum SymbolPlace {
    Before,
    BeforeSpaced,
    After,
}

fn symbol_place(language: &Language) -> SymbolPlace {
    match language.to_string().as_str() {
        "pt-BR" | "de-AT" | "de-CH" | "es-AR" | "es-CL" => return SymbolPlace::BeforeSpaced,
        "es-MX" | "es-US" => return SymbolPlace::Before,
        _ => {}
    }
    match language.primary() {
        "en" | "ga" | "hi" | "ja" | "ko" | "th" | "tr" | "zh" => SymbolPlace::Before,
        "nl" | "no" | "nb" | "ms" | "id" => SymbolPlace::BeforeSpaced,
        _ => SymbolPlace::After,
    }
}

/// A decimal such as `1295.00` with the language's separators and digits.
fn decimal(language: &Language, plain: &str) -> String {
    let formatted = DecimalFormatter::try_new(language.as_icu().into(), Default::default())
        .ok()
        .zip(plain.parse::<Decimal>().ok())
        .map(|(formatter, number)| formatter.format(&number).to_string());
    formatted.unwrap_or_else(|| plain.to_owned())
}

/// A day with its weekday: `Monday, November 23`, `lunes, 23 de noviembre`.
pub fn date(language: &Language, day: NaiveDate) -> String {
    icu_date(language, day).unwrap_or_else(|| day.to_string())
}

fn icu_date(language: &Language, day: NaiveDate) -> Option<String> {
    let month = u8::try_from(day.month()).ok()?;
    let day_of_month = u8::try_from(day.day()).ok()?;
    let date = Date::try_new_iso(day.year(), month, day_of_month).ok()?;
    let formatter = DateTimeFormatter::try_new(language.as_icu().into(), MDE::long()).ok()?;
    Some(formatter.format(&date).to_string())
}

/// A span of days: one day when both are the same, else `Monday, November 23 – Wednesday, November 25`. `name_of`
/// gives near days their names.
pub(super) fn window(
    language: &Language,
    from: NaiveDate,
    to: NaiveDate,
    name_of: impl Fn(NaiveDate) -> Option<String>,
) -> String {
    let named = |day| name_of(day).unwrap_or_else(|| date(language, day));
    if from == to {
        named(from)
    } else {
        format!("{} – {}", named(from), named(to))
    }
}

/// CLDR's plural category of a count: `one`, `few`, `many`, …
pub(super) fn plural_category(language: &Language, count: u64) -> &'static str {
    let category = PluralRules::try_new_cardinal(language.as_icu().into())
        .map_or(PluralCategory::Other, |rules| rules.category_for(count));
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}
