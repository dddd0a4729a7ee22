//! Which pages may use the chat.

/// Whether a page of `origin` may use the chat; `host` is the request's own `Host`.
pub(super) fn allows(allowed: &[String], origin: &str, host: Option<&str>) -> bool {
    if allowed.is_empty() {
        return host.is_some_and(|host| is_same(origin, host));
    }
    allowed
        .iter()
        .any(|entry| entry == "*" || entry.eq_ignore_ascii_case(origin))
}

/// Whether `origin` (`https://shop.example`) is the server that was asked as `host` (`shop.example:443`). The scheme
/// is not compared: behind a proxy that ends TLS ours is unknown.
fn is_same(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false; // `null`, of sandboxed frames and files
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    authority.eq_ignore_ascii_case(host)
}

/// Checks an entry of the list.
///
/// # Errors
/// What to write instead.
pub(super) fn check(entry: &str) -> Result<(), String> {
    if entry == "*" {
        return Ok(());
    }
    let authority = entry
        .strip_prefix("https://")
        .or_else(|| entry.strip_prefix("http://"));
    let host_is_plain = |authority: &str| {
        !authority.is_empty()
            && !authority.contains(|c: char| matches!(c, '/' | '?' | '#' | '@' | '*') || c <= ' ')
    };
    match authority {
        Some(authority) if host_is_plain(authority) => Ok(()),
        Some(authority) => {
            let host = authority.split(['/', '?', '#']).next().unwrap_or_default();
            let scheme = &entry[..entry.len() - authority.len()];
            Err(format!("write scheme and host alone: `{scheme}{host}`"))
        }
        None => Err("write it with its scheme, like `https://shop.example`, or `*`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_only_our_own_pages() {
        let ours = |origin, host| allows(&[], origin, Some(host));
        assert!(ours("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(ours("https://Shop.example", "shop.example"));
        assert!(ours("https://shop.example", "shop.example:443"));
        assert!(!ours("https://shop.example", "shop.example:8443"));
        assert!(!ours("https://shop.example.evil", "shop.example"));
        assert!(!ours("null", "shop.example"));
        assert!(!allows(&[], "https://shop.example", None));
    }

    #[test]
    fn a_list_allows_exactly_its_origins() {
        let list = ["https://shop.example".to_owned()];
        assert!(allows(&list, "https://shop.example", Some("chat.example")));
        for foreign in [
            "http://shop.example",
            "https://shop.example:8443",
            "https://www.shop.example",
            "https://chat.example",
        ] {
            assert!(!allows(&list, foreign, Some("chat.example")), "{foreign}");
        }
        assert!(allows(&["*".to_owned()], "null", None));
    }

    #[test]
    fn a_wrong_entry_is_told_its_right_form() {
        assert_eq!(
            check("https://shop.example/").unwrap_err(),
            "write scheme and host alone: `https://shop.example`"
        );
        assert!(check("shop.example").unwrap_err().contains("scheme"));
        assert!(check("https://*.shop.example").is_err());
        assert!(check("http://localhost:8080").is_ok());
    }
}
