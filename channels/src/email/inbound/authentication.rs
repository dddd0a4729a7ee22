//! Whether the receiving server vouches for the sender: `Authentication-Results` (RFC 8601).
//!
//! Anyone can write any `From`. The server that received the mail checks it against what the sender's domain published
//! (SPF, DKIM, DMARC) and writes down the outcome, under its own name. Only that name's results count, and only those it
//! put on top: whoever receives mail must remove forged ones (section 5), but a sender's own lines can only be further
//! down, below the server's `Received`.

/// What the header fields of a mail are, from the top: name and unfolded value.
pub(super) type Fields<'a> = [(&'a str, String)];

/// Whether the server `authserv_id` found that the mail comes from `domain`: DMARC passes, or, where it says nothing of
/// DMARC, a DKIM signature or the SPF check passes for that domain itself or one that it belongs to.
pub(super) fn vouches_for(fields: &Fields<'_>, authserv_id: &str, domain: &str) -> bool {
    let results: Vec<Finding> = topmost(fields, authserv_id)
        .iter()
        .flat_map(|value| findings(value))
        .collect();
    let aligned = |finding: &Finding, properties: &[&str]| {
        let named = finding.properties.iter();
        let mut named = named.filter(|(name, _)| properties.contains(&name.as_str()));
        named.any(|(_, value)| belongs_to(domain, value))
    };
    let passes = |finding: &Finding| finding.result == "pass";
    let dmarc: Vec<&Finding> = of(&results, "dmarc").collect();
    if !dmarc.is_empty() {
        let same = |finding: &&Finding| {
            let mut from = finding.properties.iter();
            let from = from.find(|(name, _)| name == "header.from");
            from.is_none_or(|(_, value)| value.eq_ignore_ascii_case(domain))
        };
        return dmarc.iter().all(|finding| passes(finding) && same(finding));
    }
    of(&results, "dkim")
        .any(|finding| passes(finding) && aligned(finding, &["header.d", "header.i"]))
        || of(&results, "spf")
            .any(|finding| passes(finding) && aligned(finding, &["smtp.mailfrom"]))
}

/// The results that the server put above everything else: from its first header field on, until the next hop.
fn topmost<'a>(fields: &'a Fields<'_>, authserv_id: &str) -> Vec<&'a str> {
    let is_result = |name: &str| name.eq_ignore_ascii_case("Authentication-Results");
    let own = |value: &str| {
        let plain = without_comments(value);
        let id = plain.split(';').next().unwrap_or_default();
        let id = id.split_whitespace().next().unwrap_or_default();
        id.trim_matches('"').eq_ignore_ascii_case(authserv_id)
    };
    let mut found = Vec::new();
    let mut hops = 0;
    for (name, value) in fields {
        if name.eq_ignore_ascii_case("Received") {
            hops += 1;
            if !found.is_empty() {
                break;
            }
        } else if is_result(name) && own(value) {
            found.push(value.as_str());
        } else if is_result(name) && hops > 0 && !found.is_empty() {
            break;
        }
    }
    found
}

/// One `method=result` with its properties, in lower case.
#[derive(Debug, PartialEq)]
struct Finding {
    method: String,
    result: String,
    /// `header.d` and its value.
    properties: Vec<(String, String)>,
}

fn of<'a>(findings: &'a [Finding], method: &'static str) -> impl Iterator<Item = &'a Finding> {
    findings
        .iter()
        .filter(move |finding| finding.method == method)
}

fn findings(value: &str) -> Vec<Finding> {
    let plain = without_comments(value);
    split_unquoted(&plain, |c| c == ';')
        .skip(1)
        .filter_map(finding)
        .collect()
}

fn finding(text: &str) -> Option<Finding> {
    // "spf = pass" may have white space around its signs.
    let text = text.replace(" =", "=").replace("= ", "=");
    let mut words = split_unquoted(&text, char::is_whitespace).filter(|word| !word.is_empty());
    let (method, result) = words.next()?.split_once('=')?;
    let method = method.split('/').next().unwrap_or_default();
    let properties = words.filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        let value = value.trim_matches('"');
        Some((name.to_lowercase(), value.to_lowercase()))
    });
    Some(Finding {
        method: method.to_lowercase(),
        result: result.to_lowercase(),
        properties: properties.collect(),
    })
}

/// Whether a mail of `domain` may be vouched for by `value`: a domain, or an address at one. The domain itself, or one
/// above it (`shop.example` for `mail.shop.example`), but never a top-level domain.
fn belongs_to(domain: &str, value: &str) -> bool {
    let by = value.rsplit('@').next().unwrap_or_default();
    let by = by.trim_end_matches('.').to_lowercase();
    let domain = domain.to_lowercase();
    if !by.contains('.') {
        return false;
    }
    domain == by
        || domain
            .strip_suffix(&by)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// Comments in parentheses go, nested ones too (RFC 5322, section 3.2.2).
fn without_comments(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for letter in value.chars() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
            continue;
        } else if letter == '"' && depth == 0 {
            quoted = !quoted;
        } else if letter == '(' && !quoted {
            depth += 1;
            continue;
        } else if letter == ')' && !quoted && depth > 0 {
            depth -= 1;
            plain.push(' ');
            continue;
        }
        if depth == 0 {
            plain.push(letter);
        }
    }
    plain
}

/// Splits where `at` holds outside quotation marks.
fn split_unquoted<'a>(
    text: &'a str,
    at: impl Fn(char) -> bool + 'a,
) -> impl Iterator<Item = &'a str> {
    let mut quoted = false;
    text.split(move |letter: char| {
        quoted ^= letter == '"';
        !quoted && at(letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "mx.shop.example";

    fn vouches(values: &[(&'static str, &str)], domain: &str) -> bool {
        let fields: Vec<(&str, String)> = values
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        vouches_for(&fields, US, domain)
    }

    fn result(value: &str) -> bool {
        vouches(&[("Authentication-Results", value)], "mail.example.com")
    }

    #[test]
    fn dmarc_decides_and_without_it_an_aligned_signature_or_path() {
        for good in [
            "mx.shop.example; dmarc=pass header.from=mail.example.com",
            "mx.shop.example 1; spf=fail; dkim=fail; DMARC=Pass (p=REJECT sp=REJECT dis=NONE) header.from=Mail.Example.com",
            "mx.shop.example; dkim=pass (2048-bit key) header.d=example.com header.i=@example.com header.s=s1",
            "mx.shop.example; dkim=fail header.d=example.com; dkim=pass header.i=\"@mail.example.com\"",
            "MX.shop.example; spf=pass (a; comment \\) (nested)) smtp.mailfrom=bounce@mail.example.com",
            "mx.shop.example (x); spf = pass smtp.mailfrom=mail.example.com",
        ] {
            assert!(result(good), "{good}");
        }
        for bad in [
            "",
            "mx.shop.example; none",
            "other.example; dmarc=pass header.from=mail.example.com",
            "mx.shop.example.evil.example; dmarc=pass",
            "mx.shop.example; dmarc=fail header.from=mail.example.com; dkim=pass header.d=example.com",
            "mx.shop.example; dmarc=pass header.from=evil.example",
            "mx.shop.example; dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=x@evil.example",
            "mx.shop.example; dkim=pass header.d=com",
            "mx.shop.example; dkim=pass header.d=ample.com",
            "mx.shop.example; spf=softfail smtp.mailfrom=mail.example.com",
            "mx.shop.example; spf=pass smtp.helo=mail.example.com",
            "mx.shop.example; x=\"; dmarc=pass\"",
            "mx.shop.example; (dmarc=pass",
        ] {
            assert!(!result(bad), "{bad}");
        }
    }

    #[test]
    fn what_the_sender_wrote_below_our_servers_lines_does_not_count() {
        let good = "mx.shop.example; dmarc=pass header.from=a.example";
        let bad = "mx.shop.example; dmarc=fail header.from=a.example";
        let ours = ("Authentication-Results", bad);
        let forged = ("Authentication-Results", good);
        let hop = ("Received", "from x");
        assert!(!vouches(&[ours, hop, forged], "a.example"));
        assert!(!vouches(&[hop, ours, hop, forged], "a.example"));
        assert!(vouches(&[hop, forged, hop, ours], "a.example"));
    }
}
