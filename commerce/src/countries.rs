//! Countries by their three letters, for providers that write them so.

/// Pairs of codes; the file says where they are from.
const COUNTRIES: &str = include_str!("countries.txt");

/// The ISO 3166-1 alpha-2 code of an alpha-3 code; of one that is alpha-2 already, itself in upper case.
pub(crate) fn alpha2(code: &str) -> Option<String> {
    let code = code.trim().to_ascii_uppercase();
    let lines = COUNTRIES.lines().filter(|line| !line.starts_with('#'));
    let mut codes = lines.flat_map(str::split_whitespace);
    while let (Some(three), Some(two)) = (codes.next(), codes.next()) {
        if [three, two].contains(&code.as_str()) {
            return Some(two.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_is_known_by_two_and_by_three_letters() {
        let codes = COUNTRIES.lines().skip(1).flat_map(str::split_whitespace);
        let codes: Vec<&str> = codes.collect();
        assert_eq!(codes.len(), 500);
        for pair in codes.chunks(2) {
            assert_eq!((pair[0].len(), pair[1].len()), (3, 2), "{pair:?}");
            assert_eq!(alpha2(pair[0]).as_deref(), Some(pair[1]));
            assert_eq!(alpha2(pair[1]).as_deref(), Some(pair[1]));
        }
        assert_eq!(alpha2(" esp ").as_deref(), Some("ES"));
        assert_eq!(alpha2("Spain"), None);
        assert_eq!(alpha2(""), None);
    }
}
