//! What a text writes out that answers look up: a price, a day, how stock and orders stand.

use doorstep_core::Language;

use super::{
    figures::{Figure, figures},
    states,
};

/// The beginnings of months' names in the languages we speak.
const MONTHS: [&str; 67] = [
    "januar",
    "februar",
    "march",
    "märz",
    "april",
    "may",
    "mai",
    "june",
    "juni",
    "july",
    "juli",
    "august",
    "septemb",
    "octob",
    "oktob",
    "novemb",
    "decemb",
    "dezemb",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "setiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "janeiro",
    "fevereiro",
    "março",
    "maio",
    "junho",
    "julho",
    "setembro",
    "outubro",
    "dezembro",
    "janvier",
    "février",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "décemb",
    "gennaio",
    "febbraio",
    "maggio",
    "giugno",
    "luglio",
    "settembre",
    "ottobre",
    "dicembre",
    "январ",
    "феврал",
    "март",
    "апрел",
    "мая",
    "июн",
    "июл",
    "август",
    "сентябр",
    "октябр",
    "ноябр",
];

/// What kind of fact it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiteralKind {
    /// What something costs.
    Price,
    /// A day of a month.
    Date,
    /// Whether something can be had.
    Stock,
    /// Where an order stands.
    Order,
}

/// A fact that a text writes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// What kind of fact it is.
    pub kind: LiteralKind,
    /// The text's words for it; of a price, its number.
    pub words: String,
    /// The line of the text that it stands in, from 0.
    pub line: usize,
}

/// The prices, days and states that `text` writes out, in order. Questions write nothing out, nor do conditions.
pub fn literals(text: &str, language: &Language) -> Vec<Literal> {
    let mut literals = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let mut add = |kind, words| literals.push(Literal { kind, words, line });
        for sentence in sentences(text).filter(|sentence| !sentence.ends_with('?')) {
            let figures = figures(sentence);
            for figure in &figures {
                if let Figure::Price(price) = figure {
                    add(LiteralKind::Price, price.clone());
                }
            }
            for date in dates(&figures) {
                add(LiteralKind::Date, date);
            }
        }
        for (state, words) in states::stated(text, language) {
            let kind = match state.is_of_stock() {
                true => LiteralKind::Stock,
                false => LiteralKind::Order,
            };
            add(kind, words);
        }
    }
    literals
}

/// Sentences with the sign that ends them. A dot within a number or a date ends none: `3.90`, `24. Dezember`.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let ends = |(at, c): (usize, char)| {
            let after = rest.get(at + c.len_utf8()..).unwrap_or_default();
            let is_end = match c {
                '!' | '?' => true,
                '.' => {
                    !after.starts_with(|c: char| c.is_ascii_digit()) && !begins_with_month(after)
                }
                _ => false,
            };
            is_end.then_some(at + c.len_utf8())
        };
        let end = rest.char_indices().find_map(ends).unwrap_or(rest.len());
        let (sentence, after) = rest.split_at(end);
        rest = after;
        Some(sentence)
    })
}

/// `24 December`, `5 de enero`, `December 24`, `24.12.2026`. A month alone is no day.
fn dates(figures: &[Figure]) -> Vec<String> {
    let number = |figure: Option<&Figure>| match figure {
        Some(Figure::Number(number)) if number.len() <= 2 => Some(number.clone()),
        _ => None,
    };
    let mut dates = Vec::new();
    for (at, figure) in figures.iter().enumerate() {
        match figure {
            Figure::Number(number) if is_date(number) => dates.push(number.clone()),
            Figure::Word(word, _) if is_month(word) => {
                let before = |back: usize| at.checked_sub(back).and_then(|at| figures.get(at));
                let day = number(before(1))
                    .or_else(|| number(before(2)))
                    .or_else(|| number(figures.get(at + 1)));
                dates.extend(day.map(|day| format!("{day} {word}")));
            }
            _ => {}
        }
    }
    dates
}

/// Day, month and year in numbers.
fn is_date(number: &str) -> bool {
    let parts: Vec<&str> = number.split('.').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    matches!(lengths[..], [1..=2, 1..=2, 4])
}

fn begins_with_month(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(is_month)
}

/// Short names are taken as they stand: `mai` begins other words too.
fn is_month(word: &str) -> bool {
    let word = word.to_lowercase();
    MONTHS.iter().any(|month| match month.len() <= 4 {
        true => word == *month,
        false => word.starts_with(month),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(language: &str, text: &str) -> Vec<(LiteralKind, String)> {
        let literals = literals(text, &language.parse().unwrap()).into_iter();
        literals
            .map(|literal| (literal.kind, literal.words))
            .collect()
    }

    #[test]
    fn prices_days_and_states_are_found() {
        use LiteralKind::{Date, Order, Price, Stock};
        for (language, text, kind, words) in [
            ("en", "Yes, for €3 an item.", Price, "3"),
            ("de", "Der Versand kostet 3,90 €.", Price, "3.9"),
            ("en", "Everything is in stock!", Stock, "in stock"),
            ("es", "Todo está disponible.", Stock, "disponible"),
            ("en", "Your order was shipped.", Order, "shipped"),
            ("en", "We send it on 24 December.", Date, "24 December"),
            ("en", "We send it on December 24.", Date, "24 December"),
            ("es", "Llega el 5 de enero.", Date, "5 enero"),
            ("de", "Bis zum 24.12.2026.", Date, "24.12.2026"),
            (
                "de",
                "Wir liefern bis zum 24. Dezember.",
                Date,
                "24 Dezember",
            ),
            ("ru", "Придёт 5 января.", Date, "5 января"),
        ] {
            assert_eq!(found(language, text), [(kind, words.to_owned())], "{text}");
        }
    }

    #[test]
    fn questions_conditions_and_hours_write_no_fact_out() {
        for text in [
            "Do you have rain jackets under €100?",
            "Is it in stock?",
            "I write as soon as it is in stock.",
            "We are here from Monday to Friday, 9 to 17.",
            "In December we take 2 days longer.",
            "Two years of warranty, 30 days to return.",
        ] {
            assert_eq!(found("en", text), [], "{text}");
        }
    }

    #[test]
    fn the_line_is_that_of_the_text() {
        let text = "Hello.\nIt costs €3.90. Really?\nIt is sold out.";
        let lines: Vec<usize> = literals(text, &Language::ENGLISH)
            .iter()
            .map(|literal| literal.line)
            .collect();
        assert_eq!(lines, [1, 2]);
    }
}
