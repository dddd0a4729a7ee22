//! Messages as a chat shows them, for channels whose messages are no pages of their own.

use doorstep_core::{Language, channel::Preview};

use crate::picture::escape;

const STYLE: &str = "body { margin: 0; padding: 24px; background: #e9ecef; color: #1b1f24; font: 16px/1.4 system-ui, sans-serif; }
h1 { margin: 0 0 16px; font-size: 14px; font-weight: 600; color: #4a525c; }
p { width: fit-content; max-width: 440px; margin: 0 0 8px; padding: 10px 14px; border-radius: 14px; background: #fff; \
white-space: pre-wrap; overflow-wrap: anywhere; }";

/// A plain page with a bubble for each message that would be sent, as text: what a provider's program makes of it looks
/// otherwise.
pub(crate) fn page(channel: &str, language: &Language, parts: &[Preview]) -> String {
    let channel = escape(channel);
    let said = parts.iter().map(|part| part.text.trim());
    let bubbles: String = said
        .filter(|text| !text.is_empty())
        .map(|text| format!("<p dir=\"auto\">{}</p>\n", escape(text)))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{channel}</title>\n<style>{STYLE}</style></head>\n<body>\n\
         <h1>{channel}</h1>\n{bubbles}</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_message_is_shown_and_never_run() {
        let part = |text: &str| Preview {
            text: text.to_owned(),
            html: None,
            payload: String::new(),
        };
        let parts = [part("Hi <script>&</script>\n\n[Yes]"), part(" ")];
        let page = page("telegram", &Language::ENGLISH, &parts);
        let bubble = "<p dir=\"auto\">Hi &lt;script&gt;&amp;&lt;/script&gt;\n\n[Yes]</p>";
        assert!(page.contains(bubble), "{page}");
        assert_eq!(page.matches("<p ").count(), 1, "{page}");
        assert!(page.contains("<html lang=\"en\">"), "{page}");
    }
}
