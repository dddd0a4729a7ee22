//! Telegram's HTML as its server reads it (<https://core.telegram.org/bots/api#html-style>): only the tags named there,
//! closed in order, and four named entities.

/// Tags that may be used.
const TAGS: [&str; 16] = [
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "code",
    "pre",
    "a",
    "span",
    "tg-spoiler",
    "tg-emoji",
    "blockquote",
];

/// The text without its markup.
///
/// # Errors
/// What Telegram says of markup that it does not take.
pub(super) fn read(html: &str) -> Result<String, String> {
    let mut text = String::with_capacity(html.len());
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '>', '&']) {
        let (before, found) = rest.split_at(at);
        text.push_str(before);
        rest = match found.as_bytes()[0] {
            b'<' => tag(found, &mut open)?,
            b'&' => entity(found, &mut text),
            _ => {
                text.push('>');
                &found[1..]
            }
        };
    }
    text.push_str(rest);
    match open.last() {
        Some(tag) => Err(format!(
            "Can't find end tag corresponding to start tag {tag}"
        )),
        None => Ok(text),
    }
}

fn tag<'a>(found: &'a str, open: &mut Vec<&'a str>) -> Result<&'a str, String> {
    let end = found
        .find('>')
        .ok_or_else(|| "Unclosed start tag".to_owned())?;
    let inner = &found[1..end];
    if let Some(name) = inner.strip_prefix('/') {
        let expected = open.pop();
        if expected != Some(name.trim()) {
            return Err(format!("Unmatched end tag, expected {expected:?}"));
        }
        return Ok(&found[end + 1..]);
    }
    let name = inner.split_whitespace().next().unwrap_or_default();
    if !TAGS.contains(&name) {
        return Err(format!("Unsupported start tag \"{name}\""));
    }
    open.push(name);
    Ok(&found[end + 1..])
}

fn entity<'a>(found: &'a str, text: &mut String) -> &'a str {
    let named = [
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&amp;", '&'),
        ("&quot;", '"'),
    ];
    for (name, letter) in named {
        if let Some(rest) = found.strip_prefix(name) {
            text.push(letter);
            return rest;
        }
    }
    text.push('&');
    &found[1..]
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn markup_is_read_as_telegram_documents_it() {
        let html = "<b>A &amp; B</b> &lt;3 <a href=\"https://x.example/?a&amp;b\">here</a>";
        assert_eq!(read(html).unwrap(), "A & B <3 here");
        for broken in ["<b>x", "x</b>", "<p>x</p>", "a <b", "<b><i>x</b></i>"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
