//! Order numbers, in the merchant's formats or the usual ones.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::{Regex, RegexBuilder};

use super::{Found, Reading, fixed, stands_alone};
use crate::NluStartError;

/// What most shops use: 5 to 8 digits, or a prefix of up to four letters before 4 to 10 digits.
const USUAL: [&str; 2] = [r"#?[0-9]{5,8}", r"#?[a-z]{1,4}-?[0-9]{4,10}"];

/// A merchant's pattern may not compile to more than this; it is far more than any format needs.
const LARGEST_PATTERN: usize = 1 << 18;

/// So many characters before a number may announce it.
const NEAR: usize = 24;

/// Words that announce an order's number, in seven languages.
static ORDER: LazyLock<Regex> = LazyLock::new(|| {
    fixed(r"(?i)order|pedido|compra|encomenda|commande|bestell|auftrag|ordine|заказ")
});

/// A number of three or four digits that its words call an order's: `#1001`, `order no. 512`, `número de pedido 5001`.
static ANNOUNCED: LazyLock<Regex> = LazyLock::new(|| {
    let number = r"(?:number|nummer|n[uú]mero|num[eé]ro|номер|no\.?|nr\.?|n[º°]\.?|№)";
    let order = r"(?:order|pedido|compra|encomenda|commande|bestellung|bestell|auftrags?|ordine|заказ\p{L}*)";
    let of = r"(?: of| de la| de| do| di|)[ ](?:(?:your|my|the) )?(?:d['’]|dell['’])?";
    fixed(&format!(
        r"(?i)(?:#|(?:^|[^\p{{L}}])(?:{order}[ -]{{0,2}}{number}|{number}{of}{order})[ :]{{0,2}}#?)([0-9]{{3,4}})"
    ))
});

/// One of four digits right behind the word, which may also be how many are to be ordered.
static BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:^|[^\p{L}])(?:order|pedido|compra|encomenda|commande|bestellung|auftrag|ordine|заказ\p{L}*) ([0-9]{4})",
    )
});

/// Words that announce a telephone number and hardly anything else.
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)t[eé]l[eéè](?:f|ph)|телеф|(?:^|[^\p{L}])(?:(?:phone|mobile|m[óo]vil|handy|celular|cellulare|telem[óo]vel|whatsapp)(?: ?n(?:umber|ummer|o|r))?|tel|тел)(?:$|[^\p{L}])|call me (?:on|at)|ll[áa]mame al|appelez-moi au|ruf mich an|chiamami al|звоните",
    )
});

/// Compiled formats.
#[derive(Debug)]
pub(super) struct Patterns {
    formats: Vec<Regex>,
    /// Whether digits alone are an order's number. A shop whose numbers look otherwise has no short ones either.
    plain: bool,
}

impl Patterns {
    pub(super) fn new(patterns: &[String]) -> Result<Self, NluStartError> {
        let sources: Vec<&str> = if patterns.is_empty() {
            USUAL.to_vec()
        } else {
            patterns.iter().map(String::as_str).collect()
        };
        let formats = sources
            .into_iter()
            .enumerate()
            .map(|(place, pattern)| compile(place + 1, pattern))
            .collect::<Result<Vec<_>, _>>()?;
        let takes = |format: &Regex| format.find("10234").is_some_and(|found| found.len() == 5);
        let plain = formats.iter().any(takes);
        Ok(Self { formats, plain })
    }

    pub(super) fn find(&self, reading: &Reading<'_>) -> Vec<Found> {
        let text = reading.text;
        let mut found: Vec<Found> = self
            .formats
            .iter()
            .flat_map(|pattern| pattern.find_iter(text))
            .filter(|number| !number.is_empty())
            // A merchant who writes `\d{10}` says nothing of what may stand beside it.
            .filter(|number| {
                stands_alone(text, number.start(), number.end())
                    || is_after_a_sign(text, number.start())
            })
            .filter(|number| !is_a_phone_number(text, number.start()))
            .map(|number| {
                let value = number.as_str().trim_start_matches('#').to_uppercase();
                Found::new(EntityKind::OrderNumber, value, number.range())
            })
            .collect();
        if self.plain && text.contains(|c: char| c.is_ascii_digit()) {
            found.extend(short(text));
        }
        found
    }
}

/// Numbers that are too short to be an order's wherever they stand, where the words beside them say so: most shops begin at
/// 1001.
fn short(text: &str) -> impl Iterator<Item = Found> {
    let announced = ANNOUNCED.captures_iter(text);
    let announced = announced
        .filter_map(|found| found.get(1))
        .filter(move |number| is_whole(text, number.end()));
    let behind = BEHIND.captures_iter(text);
    let behind = behind
        .filter_map(|found| found.get(1))
        .filter(move |number| ends_a_clause(text, number.end()));
    announced.chain(behind).map(|number| {
        Found::new(
            EntityKind::OrderNumber,
            number.as_str().to_owned(),
            number.range(),
        )
    })
}

/// Whether a number that ends here does not go on, as `1001-2`, `100.50` and `100g` do.
fn is_whole(text: &str, end: usize) -> bool {
    let mut after = text[end..].chars();
    let (next, second) = (after.next(), after.next());
    let goes_on = next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '%'))
        || (next.is_some_and(|c| matches!(c, '.' | ',' | ':'))
            && second.is_some_and(char::is_alphanumeric));
    !goes_on
}

/// Whether nothing follows that could be counted: "where is my order 5001?", but not "I order 1000 screws".
fn ends_a_clause(text: &str, end: usize) -> bool {
    let next = text[end..].trim_start_matches(' ').chars().next();
    is_whole(text, end)
        && next.is_none_or(|c| matches!(c, '?' | '!' | '.' | ',' | ';' | ':' | ')' | '\n' | '\r'))
}

fn compile(number: usize, pattern: &str) -> Result<Regex, NluStartError> {
    let complain = |reason: String| NluStartError::OrderNumberPattern {
        number,
        pattern: pattern.to_owned(),
        reason,
    };
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|error| complain(error.to_string()))?;
    if regex.is_match("") {
        return Err(complain("it also fits no text at all".to_owned()));
    }
    Ok(regex)
}

/// `nº10234`, `№10234`, `no.10234`: the sign is no part of the number, and belongs before it.
fn is_after_a_sign(text: &str, start: usize) -> bool {
    let from = text[..start].char_indices().rev().nth(2);
    let before = text[from.map_or(0, |(at, _)| at)..start].to_lowercase();
    ["nº", "n°", "№", "no.", "nr."]
        .iter()
        .any(|sign| before.ends_with(sign))
}

/// Whether the words just before announce a telephone number, the first groups of it apart.
fn is_a_phone_number(text: &str, start: usize) -> bool {
    let is_in_number =
        |c: char| c.is_ascii_digit() || matches!(c, ' ' | '.' | '-' | '/' | '(' | ')');
    let before = text[..start].trim_end_matches(is_in_number);
    let from = before
        .char_indices()
        .rev()
        .nth(NEAR - 1)
        .map_or(0, |(at, _)| at);
    let before = &before[from..];
    // What stands before another number announces that one.
    let words = before.rfind(|c: char| c.is_ascii_digit());
    let before = &before[words.map_or(0, |digit| digit + 1)..];
    last_end(&PHONE, before).is_some() && !announces_an_order(before, &PHONE)
}

/// Whether an order is what the last words of `before` announce, and not a telephone number, as `phone` has it.
pub(super) fn announces_an_order(before: &str, phone: &Regex) -> bool {
    last_end(&ORDER, before) > last_end(phone, before)
}

fn last_end(words: &Regex, text: &str) -> Option<usize> {
    words.find_iter(text).last().map(|word| word.end())
}

#[cfg(test)]
mod tests {
    use super::super::{
        EntityReader,
        tests::{context, values},
    };
    use super::*;

    fn orders(text: &str) -> Vec<String> {
        values(EntityKind::OrderNumber, "en", text)
    }

    #[test]
    fn usual_formats_are_found_in_upper_case_and_without_the_hash() {
        assert_eq!(orders("where is 10234?"), ["10234"]);
        assert_eq!(orders("order #10234, and fw-10234."), ["10234", "FW-10234"]);
        assert_eq!(orders("pedido nº10234"), ["10234"]);
        assert_eq!(orders("cancela mi pedido 10443 por favor"), ["10443"]);
    }

    #[test]
    fn a_short_number_is_an_orders_where_the_words_say_so() {
        for (text, number) in [
            ("where is my order #1001", "1001"),
            ("where is my order 5001?", "5001"),
            ("track order 5001", "5001"),
            ("order no. 512 has not come", "512"),
            ("my order number is late, #512 I mean", "512"),
            ("número de pedido 5001 por favor", "5001"),
            ("pedido nº 512 sin noticias", "512"),
            ("Bestellnummer 5001 ist noch nicht da", "5001"),
            ("wo ist meine Bestellung 5001 ?", "5001"),
            ("commande n° 512", "512"),
            ("numero d'ordine 5001", "5001"),
            ("номер заказа 5001 уже в пути", "5001"),
            ("где мой заказ №512", "512"),
        ] {
            assert_eq!(orders(text), [number], "{text}");
        }
        for text in [
            "I want to order 1000 screws",
            "order 2 of them",
            "un pedido de 100 euros",
            "pedido 100",
            "border 1234",
            "#12",
            "#1001-5",
            "order no. 100.50",
        ] {
            assert!(orders(text).is_empty(), "{text}: {:?}", orders(text));
        }
        let reader = EntityReader::new(&[r"SO/\d{4}/\d{3}".to_owned()]).unwrap();
        let found = reader.read("order #1001", &context(), &doorstep_core::Language::ENGLISH);
        assert!(
            found.is_empty(),
            "the shop's numbers are none of digits alone"
        );
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "1234",
            "123456789",
            "size 42",
            "12.345,00",
            "2026-11-21",
            "call +34 600 123 456",
            "my phone is 6001234",
            "call me on 020 7946095",
            "3.14159",
            "v10234x",
            "10234-5678-9",
        ] {
            assert!(orders(text).is_empty(), "{text}: {:?}", orders(text));
        }
    }

    /// What `config/default.toml` sets.
    const SHIPPED: [&str; 2] = [r"[A-Za-z]{2,4}-\d{4,8}", r"\d{5,8}"];

    #[test]
    fn a_telephone_number_is_no_order_under_the_shipped_configuration() {
        let shipped = include_str!("../../../config/default.toml");
        let [letters, digits] = SHIPPED;
        assert!(shipped.contains(&format!("order_numbers = ['{letters}', '{digits}']")));
        let reader = EntityReader::new(&SHIPPED.map(str::to_owned)).unwrap();
        for (language, text, phone) in [
            ("de", "Telefon 030 22345678", Some("+493022345678")),
            ("de", "030 22345678", Some("+493022345678")),
            ("en", "07700 900123", Some("+447700900123")),
            ("en", "it's (020) 7946 0958", Some("+442079460958")),
            ("fr", "06 12 34 56 78", Some("+33612345678")),
            ("ru", "телефон 8 916 1234567", Some("+79161234567")),
            ("en", "my phone is 6001234", None),
        ] {
            let found = reader.read(text, &context(), &language.parse().unwrap());
            let found: Vec<_> = found
                .iter()
                .map(|entity| (entity.kind, entity.value.as_str()))
                .collect();
            let expected: Vec<_> = phone
                .map(|phone| (EntityKind::Phone, phone))
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_order_beside_a_telephone_is_an_order() {
        let reader = EntityReader::new(&SHIPPED.map(str::to_owned)).unwrap();
        for (text, expected) in [
            ("the phone from order 10234", &["10234"][..]),
            ("headphones 10234", &["10234"]),
            ("call me at 600 123 456 about 10234", &["10234"]),
            ("the hotel wants 10234", &["10234"]),
            ("orders 07700 and 90012", &["07700", "90012"]),
            ("order 07700 900123", &["07700", "900123"]),
        ] {
            let found = reader.read(text, &context(), &doorstep_core::Language::ENGLISH);
            let orders: Vec<&str> = found
                .iter()
                .filter(|entity| entity.kind == EntityKind::OrderNumber)
                .map(|entity| entity.value.as_str())
                .collect();
            assert_eq!(orders, expected, "{text}");
        }
    }

    #[test]
    fn a_merchants_formats_replace_the_usual_ones() {
        let reader = EntityReader::new(&[r"SO/\d{4}/\d{3}".to_owned()]).unwrap();
        let found = reader.read(
            "so/2026/017 not 10234",
            &context(),
            &doorstep_core::Language::ENGLISH,
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].value, "SO/2026/017");
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let error = EntityReader::new(&[r"\d+".into(), r"FW-(\d+".into()]).unwrap_err();
        assert!(
            error.to_string().contains("pattern 2 (`FW-(\\d+`)"),
            "{error}"
        );
        let error = EntityReader::new(&[r"\d*".into()]).unwrap_err();
        assert!(error.to_string().contains("no text at all"), "{error}");
        let error = EntityReader::new(&[r"(\d{1000}){1000}".into()]).unwrap_err();
        assert!(error.to_string().contains("pattern 1"), "{error}");
    }
}
