//! Links that open WhatsApp with a code in the customer's message (`wa.me`, Meta: "Click to chat").
//!
//! WhatsApp hands over nothing but the text that the customer sends, so the token is written there in brackets; it is taken
//! out again when the message arrives.

use reqwest::Url;

/// Longer codes are not ours.
const LONGEST_TOKEN: usize = 512;

/// The message that a customer sends by the link.
pub(super) fn text_with(greeting: &str, token: &str) -> String {
    format!("{greeting} [link:{token}]").trim().to_owned()
}

/// The link; `None` where the token could not come back as it is.
pub(super) fn address(number: &str, greeting: &str, token: &str) -> Option<String> {
    if !is_token(token) {
        return None;
    }
    let mut url = Url::parse("https://wa.me/").ok()?;
    url.set_path(number);
    url.query_pairs_mut()
        .append_pair("text", &text_with(greeting, token));
    // A space as `+` would be shown as one by WhatsApp's own programs.
    Some(url.to_string().replace('+', "%20"))
}

/// The token in a message, and the message without it.
pub(super) fn take(text: &str) -> (String, Option<String>) {
    let found = text.rsplit_once("[link:").and_then(|(before, rest)| {
        let (token, after) = rest.split_once(']')?;
        is_token(token).then_some((before, token, after))
    });
    match found {
        Some((before, token, after)) => {
            let rest = format!("{}{after}", before.trim_end());
            (rest.trim().to_owned(), Some(token.to_owned()))
        }
        None => (text.to_owned(), None),
    }
}

fn is_token(text: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
}
