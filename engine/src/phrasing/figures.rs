//! What a text says in figures: numbers, prices, shares, codes, links; and its words.

use super::words::{CURRENCIES, PERCENT};

/// One thing that a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Figure {
    /// A number, written one way: `15,000` and `15.000` are `15000`, `3.90` is `3.9`.
    Number(String),
    /// A number beside a currency.
    Price(String),
    /// A number beside a percent sign.
    Share(String),
    /// Letters and digits in one: an order's number, a voucher.
    Code(String),
    /// An address of a page or a mailbox.
    Link(String),
    /// A word as it is written, and whether it begins a sentence.
    Word(String, bool),
}

/// What stands in a text, before its neighbours are looked at.
#[derive(Debug, PartialEq)]
enum Token {
    Number(String),
    Code(String),
    Word(String),
    Sign(char),
}

/// Everything that `text` says, in order.
pub(super) fn figures(text: &str) -> Vec<Figure> {
    let (links, rest) = links(text);
    let tokens = tokens(&rest);
    let mut figures: Vec<Figure> = links.into_iter().map(Figure::Link).collect();
    let mut begins = true;
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign(sign) => begins |= ends_sentence(*sign),
            Token::Word(word) => {
                figures.push(Figure::Word(word.clone(), begins));
                begins = false;
            }
            Token::Code(code) => {
                figures.push(Figure::Code(code.to_lowercase()));
                begins = false;
            }
            Token::Number(number) => {
                let before = place.checked_sub(1).and_then(|before| tokens.get(before));
                figures.push(kind(number, before, tokens.get(place + 1)));
                begins = false;
            }
        }
    }
    figures
}

fn ends_sentence(sign: char) -> bool {
    matches!(
        sign,
        '.' | '!'
            | '?'
            | ':'
            | '…'
            | '\n'
            | '“'
            | '”'
            | '"'
            | '«'
            | '»'
            | '('
            | '•'
            | '–'
            | '—'
            | '-'
            | '¿'
            | '¡'
            | '„'
            | '*'
    )
}

fn kind(number: &str, before: Option<&Token>, after: Option<&Token>) -> Figure {
    let is_currency = |token: Option<&Token>| match token {
        Some(Token::Sign(sign)) => matches!(sign, '€' | '$' | '£' | '¥' | '₽' | '₹' | '¢'),
        Some(Token::Word(word)) => CURRENCIES.contains(&word.to_lowercase().as_str()),
        _ => false,
    };
    let is_share = match after {
        Some(Token::Sign(sign)) => matches!(sign, '%' | '‰'),
        Some(Token::Word(word)) => PERCENT.contains(&word.to_lowercase().as_str()),
        _ => false,
    };
    let number = canonical(number);
    match (is_currency(before) || is_currency(after), is_share) {
        (true, _) => Figure::Price(number),
        (_, true) => Figure::Share(number),
        _ => Figure::Number(number),
    }
}

/// Takes addresses out of a text; what is left keeps its length in words.
fn links(text: &str) -> (Vec<String>, String) {
    let mut links = Vec::new();
    let mut rest = String::with_capacity(text.len());
    for line in text.split('\n') {
        for chunk in line.split(' ') {
            let trimmed = chunk.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
            if is_link(trimmed) {
                links.push(trimmed.trim_end_matches('/').to_lowercase());
            } else {
                rest.push_str(chunk);
            }
            rest.push(' ');
        }
        rest.push('\n');
    }
    (links, rest)
}

fn is_link(chunk: &str) -> bool {
    if chunk.contains("://") || chunk.starts_with("www.") || chunk.contains('@') {
        return true;
    }
    // `shop.example/x`: a label with a letter, a dot, a label of letters.
    chunk.match_indices('.').any(|(at, _)| {
        let ends = |c: char| !(c.is_alphanumeric() || c == '-');
        let before = chunk[..at].rsplit(ends).next().unwrap_or_default();
        let after = chunk[at + 1..].split(ends).next().unwrap_or_default();
        before.chars().any(char::is_alphabetic)
            && after.chars().count() >= 2
            && after.chars().all(char::is_alphabetic)
    })
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if !c.is_alphanumeric() {
            if c == '\n' || !c.is_whitespace() {
                tokens.push(Token::Sign(c));
            }
            at += 1;
            continue;
        }
        let end = run_end(&chars, at);
        let run = chars.get(at..end).unwrap_or_default();
        push_run(run, &mut tokens);
        at = end;
    }
    tokens
}

/// Where the letters and digits that belong together end.
fn run_end(chars: &[char], start: usize) -> usize {
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut end = start + 1;
    while let Some(&c) = chars.get(end) {
        let before = chars.get(start..end).unwrap_or_default();
        let joins = match c {
            c if c.is_alphanumeric() => true,
            '.' | ',' | '\'' | '’' | ':' => digit(end - 1) && digit(end + 1),
            // Spaces that do not break part thousands.
            '\u{a0}' | '\u{202f}' | '\u{2009}' => {
                before.iter().all(|c| !c.is_alphabetic())
                    && digit(end - 1)
                    && (1..=3).all(|more| digit(end + more))
                    && !digit(end + 4)
            }
            '-' | '_' => {
                before.iter().any(|c| c.is_alphabetic())
                    && chars.get(end + 1).is_some_and(|c| c.is_alphanumeric())
                    && (before.iter().any(char::is_ascii_digit) || digit(end + 1))
            }
            _ => false,
        };
        if !joins {
            break;
        }
        end += 1;
    }
    end
}

fn push_run(run: &[char], tokens: &mut Vec<Token>) {
    let text: String = run.iter().collect();
    if !run.iter().any(|c| c.is_numeric()) {
        return tokens.push(Token::Word(text));
    }
    let letters = run.iter().position(|c| c.is_alphabetic());
    let (head, tail) = run.split_at(letters.unwrap_or(run.len()));
    let is_unit = tail.iter().all(|c| c.is_alphabetic());
    // Other digits than ours are no numbers that could be compared.
    let is_plain = head.iter().all(|c| !c.is_numeric() || c.is_ascii_digit());
    if head.is_empty() || !is_unit || !is_plain {
        return tokens.push(Token::Code(text));
    }
    tokens.push(Token::Number(head.iter().collect()));
    if !tail.is_empty() {
        tokens.push(Token::Word(tail.iter().collect()));
    }
}

/// A number written one way, whatever parts its thousands and its decimals.
fn canonical(number: &str) -> String {
    let groups: Vec<&str> = number.split(|c: char| !c.is_ascii_digit()).collect();
    let separators: Vec<char> = number.chars().filter(|c| !c.is_ascii_digit()).collect();
    let (Some(last), Some(separator)) = (groups.last(), separators.last()) else {
        return number.to_owned();
    };
    if separators.contains(&':') {
        // An hour is an hour: `9:00` is `9`.
        let hour = number
            .strip_suffix(":00")
            .filter(|hour| !hour.contains(':'));
        return hour.unwrap_or(number).to_owned();
    }
    let parts_thousands = |groups: &[&str]| groups.iter().skip(1).all(|group| group.len() == 3);
    let is_same = separators.iter().all(|other| other == separator);
    if is_same && parts_thousands(&groups) {
        return groups.concat();
    }
    let (whole, _) = groups.split_at(groups.len() - 1);
    let has_decimals = matches!(separator, '.' | ',') && last.len() <= 2;
    let is_alone = separators
        .iter()
        .filter(|other| *other == separator)
        .count()
        == 1;
    if has_decimals && is_alone && parts_thousands(whole) {
        let whole = whole.concat();
        return match last.trim_end_matches('0') {
            "" => whole,
            decimals => format!("{whole}.{decimals}"),
        };
    }
    groups.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<String> {
        let figures = figures(text).into_iter();
        let figures = figures.filter_map(|figure| match figure {
            Figure::Word(..) => None,
            Figure::Number(number) => Some(number),
            Figure::Price(price) => Some(format!("price {price}")),
            Figure::Share(share) => Some(format!("share {share}")),
            Figure::Code(code) => Some(format!("code {code}")),
            Figure::Link(link) => Some(format!("link {link}")),
        });
        figures.collect()
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        for text in [
            "15,000 mm",
            "15.000 mm",
            "15\u{202f}000mm",
            "15000 mm",
            "15'000",
        ] {
            assert_eq!(numbers(text), ["15000"], "{text}");
        }
        assert_eq!(numbers("3.90 3,9 12.00"), ["3.9", "3.9", "12"]);
        assert_eq!(numbers("1.299,50 and 1,299.5"), ["1299.5", "1299.5"]);
        assert_eq!(
            numbers("14:00, 9:30, 21.11.2026"),
            ["14", "9:30", "21.11.2026"]
        );
        assert_eq!(
            numbers("1/2 and 2-3 days, the 30-day rule"),
            ["1", "2", "2", "3", "30"]
        );
    }

    #[test]
    fn what_stands_beside_a_number_says_what_it_is() {
        assert_eq!(
            numbers("€129.90, 129,90\u{a0}€, EUR 5, 5 euros, 10 %, 10 Prozent, 410 g"),
            [
                "price 129.9",
                "price 129.9",
                "price 5",
                "price 5",
                "share 10",
                "share 10",
                "410"
            ]
        );
    }

    #[test]
    fn codes_and_links_are_whole() {
        assert_eq!(
            numbers("Use WELCOME10 for JKT-101-M, PQ573186429ES; 00340434161094042557."),
            [
                "code welcome10",
                "code jkt-101-m",
                "code pq573186429es",
                "00340434161094042557"
            ]
        );
        assert_eq!(
            numbers(
                "See https://evil.example/x?a=1, (www.shop.example/) or me@shop.example. Go to track.example/7."
            ),
            [
                "link https://evil.example/x?a=1",
                "link www.shop.example",
                "link me@shop.example",
                "link track.example/7"
            ]
        );
        assert_eq!(numbers("e.g. this. And that"), Vec::<String>::new());
    }

    #[test]
    fn digits_of_other_scripts_are_no_way_around() {
        assert_eq!(
            numbers("１２ € and ٣ and ½"),
            ["code １２", "code ٣", "code ½"]
        );
    }
}
