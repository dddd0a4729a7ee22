//! Which time zone an address is in: for quiet hours and days told to customers whose shop does not say where they are.

use std::sync::LazyLock;

use chrono_tz::Tz;

/// Countries, states and postcodes; the file says what its lines mean and where they are from.
const ADDRESSES: &str = include_str!("time_zone/addresses.txt");

static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| lines().filter_map(|(_, line)| Rule::parse(line)).collect());

/// What one line says.
struct Rule {
    country: &'static str,
    zone: Tz,
    part: Part,
}

/// Of which part of its country.
enum Part {
    Postcodes(Vec<&'static str>),
    States(Vec<&'static str>),
    Rest,
}

fn lines() -> impl Iterator<Item = (usize, &'static str)> {
    let lines = ADDRESSES.lines().enumerate();
    lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
}

impl Rule {
    fn parse(line: &'static str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let country = words.next()?;
        let kind = words.next()?;
        let part = |zone: &'static str, part| {
            let zone = zone.parse().ok()?;
            Some(Self {
                country,
                zone,
                part,
            })
        };
        match kind {
            "postcode" => part(words.next()?, Part::Postcodes(words.collect())),
            "state" => part(words.next()?, Part::States(words.collect())),
            zone => part(zone, Part::Rest),
        }
    }
}

/// The zone of an address: `country` is ISO 3166-1 alpha-2, `state` the code of a state or province as shops write it. None
/// where the country's people live in several zones and neither postcode nor state tells which. On the border of a zone
/// it may be the neighbouring one.
pub fn of_address(country: &str, state: Option<&str>, postcode: Option<&str>) -> Option<Tz> {
    let country = plain(country);
    let postcode = plain(postcode.unwrap_or_default());
    // `ES-35001`
    let postcode = postcode.strip_prefix(&country).unwrap_or(&postcode);
    let state = plain(state.unwrap_or_default());
    let own = || RULES.iter().filter(|rule| rule.country == country);
    let by_postcode = own().find(|rule| match &rule.part {
        Part::Postcodes(prefixes) => prefixes.iter().any(|prefix| begins(postcode, prefix)),
        _ => false,
    });
    let by_state = || {
        own().find(|rule| match &rule.part {
            Part::States(codes) => codes.contains(&state.as_str()),
            _ => false,
        })
    };
    let rest = || own().find(|rule| matches!(rule.part, Part::Rest));
    let rule = by_postcode.or_else(by_state).or_else(rest)?;
    Some(rule.zone)
}

/// Letters and digits alone, in upper case.
fn plain(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_uppercase).collect()
}

/// Whether a postcode begins with a prefix, or with one of a range of prefixes of one length.
fn begins(postcode: &str, prefix: &str) -> bool {
    let (first, last) = prefix.split_once('-').unwrap_or((prefix, prefix));
    let head = postcode.get(..first.len());
    head.is_some_and(|head| (first..=last).contains(&head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        for (number, line) in lines() {
            let rule = Rule::parse(line);
            assert!(rule.is_some(), "addresses.txt:{}: {line}", number + 1);
            let Some(Part::Postcodes(listed) | Part::States(listed)) = rule.map(|rule| rule.part)
            else {
                continue;
            };
            assert!(!listed.is_empty(), "addresses.txt:{}: {line}", number + 1);
            for (first, last) in listed.iter().filter_map(|range| range.split_once('-')) {
                let fits = first.len() == last.len() && first < last;
                assert!(fits, "addresses.txt:{}: {first}-{last}", number + 1);
            }
        }
    }

    #[test]
    fn an_address_has_the_time_zone_of_its_place() {
        for (country, state, postcode, zone) in [
            ("ES", "", "28012", "Europe/Madrid"),
            ("es", "", "35001", "Atlantic/Canary"),
            ("ES", "TF", "", "Atlantic/Canary"),
            ("ES", "", "ES-38001", "Atlantic/Canary"),
            ("PT", "", "1100-148", "Europe/Lisbon"),
            ("PT", "PT-20", "9500-321", "Atlantic/Azores"),
            ("PT", "", "9000-018", "Atlantic/Madeira"),
            ("DE", "", "", "Europe/Berlin"),
            ("GB", "", "EC1A 1BB", "Europe/London"),
            ("FR", "", "97400", "Indian/Reunion"),
            ("XK", "", "10000", "Europe/Belgrade"),
            ("US", "NY", "10001", "America/New_York"),
            ("US", "", "02139-4307", "America/New_York"),
            // Of a state in two zones the postcode tells which.
            ("US", "FL", "32501", "America/Chicago"),
            ("US", "FL", "33101", "America/New_York"),
            ("US", "TX", "79901", "America/Denver"),
            ("US", "TX", "", "America/Chicago"),
            ("US", "HI", "96801", "Pacific/Honolulu"),
            ("US", "PR", "00901", "America/Puerto_Rico"),
            ("CA", "", "V6B 1A1", "America/Vancouver"),
            ("CA", "", "h2y 1c6", "America/Toronto"),
            ("CA", "NL", "", "America/St_Johns"),
            ("AU", "", "6000", "Australia/Perth"),
            ("AU", "NT", "800", "Australia/Darwin"),
            ("BR", "", "69005-010", "America/Manaus"),
            ("BR", "SP", "01310-100", "America/Sao_Paulo"),
            ("MX", "Q ROO", "", "America/Cancun"),
            ("MX", "", "22000", "America/Tijuana"),
            ("MX", "", "06000", "America/Mexico_City"),
            ("RU", "", "101000", "Europe/Moscow"),
            ("RU", "", "690001", "Asia/Vladivostok"),
            ("RU", "", "236000", "Europe/Kaliningrad"),
            ("ID", "", "80361", "Asia/Makassar"),
        ] {
            let found = of_address(country, Some(state), Some(postcode));
            let found = found.map(|zone| zone.name());
            assert_eq!(found, Some(zone), "{country} {state} {postcode}");
        }
    }

    #[test]
    fn where_several_zones_are_possible_nobody_knows() {
        for (country, state, postcode) in [
            ("US", "", ""),
            ("US", "AE", "09012"),
            ("CA", "", "unknown"),
            ("RU", "Сибирь", ""),
            ("ZZ", "", "1"),
            ("", "", ""),
        ] {
            let found = of_address(country, Some(state), Some(postcode));
            assert_eq!(found, None, "{country} {state} {postcode}");
        }
    }
}
