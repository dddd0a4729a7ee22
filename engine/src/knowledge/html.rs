//! A page of a shop as Markdown: its headings and its words, without navigation, scripts and forms.
//!
//! Where a page says which part is its own (`main`), only that is read.

use html2text::{Element, Handle, RcDom, config};

/// A page above this is no page of a shop; more of it is not read.
const MAX_HTML: usize = 2 * 1024 * 1024;
/// Elements nested deeper than anybody writes are left out.
const MAX_DEPTH: usize = 200;
/// Wide enough that nobody's paragraph is wrapped.
const WIDTH: usize = 10_000;

/// What is no part of what a page says; what a picture shows is not quoted.
const DROPPED: [&str; 17] = [
    "aside", "button", "canvas", "dialog", "form", "head", "iframe", "img", "nav", "noscript",
    "object", "script", "select", "style", "svg", "template", "video",
];
/// What these roles mark is dropped too (WAI-ARIA landmarks).
const DROPPED_ROLES: [&str; 5] = [
    "banner",
    "complementary",
    "contentinfo",
    "navigation",
    "search",
];
/// The site's own, unless they stand within an article or the main part.
const FRAME: [&str; 2] = ["header", "footer"];

/// The Markdown of a page; nothing where it cannot be laid out.
pub(super) fn to_markdown(html: &str) -> Option<String> {
    let html = &html[..html.floor_char_boundary(MAX_HTML)];
    // Its marks of links and stress stand beside the words, and are not in the string.
    let layout = config::rich()
        .raw_mode(true)
        .no_table_borders()
        .no_link_wrapping()
        .allow_width_overflow();
    let page = layout.parse_html(html.as_bytes()).ok()?;
    keep_main(&page);
    prune(&page.document, 0, false);
    let tree = layout.dom_to_render_tree(&page).ok()?;
    layout.render_to_string(tree, WIDTH).ok()
}

/// Leaves nothing in the body but the main part, where the page has one.
fn keep_main(page: &RcDom) {
    let is_main = |node: &Handle| {
        name(node).as_deref() == Some("main") || attribute(node, "role").as_deref() == Some("main")
    };
    let (Some(body), Some(main)) = (
        find(&page.document, &|node| {
            name(node).as_deref() == Some("body")
        }),
        find(&page.document, &is_main),
    ) else {
        return;
    };
    *body.children.borrow_mut() = vec![main];
}

/// The first element for which `is` holds, in the order of the page.
fn find(root: &Handle, is: &dyn Fn(&Handle) -> bool) -> Option<Handle> {
    let mut waiting = vec![root.clone()];
    while let Some(node) = waiting.pop() {
        if is(&node) {
            return Some(node);
        }
        waiting.extend(node.children.borrow().iter().rev().cloned());
    }
    None
}

fn prune(node: &Handle, depth: usize, within: bool) {
    let own = matches!(name(node).as_deref(), Some("main" | "article"));
    let within = within || own;
    node.children
        .borrow_mut()
        .retain(|child| depth < MAX_DEPTH && !is_dropped(child) && (within || !is_frame(child)));
    for child in node.children.borrow().iter() {
        prune(child, depth + 1, within);
    }
}

fn is_dropped(node: &Handle) -> bool {
    let role = attribute(node, "role");
    name(node).is_some_and(|name| DROPPED.contains(&name.as_str()))
        || role.is_some_and(|role| DROPPED_ROLES.contains(&role.as_str()))
        || attribute(node, "hidden").is_some()
        || attribute(node, "aria-hidden").as_deref() == Some("true")
}

fn is_frame(node: &Handle) -> bool {
    name(node).is_some_and(|name| FRAME.contains(&name.as_str()))
}

fn name(node: &Handle) -> Option<String> {
    match &node.data {
        Element { name, .. } => Some(name.local.to_string()),
        _ => None,
    }
}

fn attribute(node: &Handle, wanted: &str) -> Option<String> {
    let Element { attrs, .. } = &node.data else {
        return None;
    };
    let attributes = attrs.borrow();
    let found = attributes
        .iter()
        .find(|attribute| &*attribute.name.local == wanted)?;
    Some(found.value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_words_are_kept_and_what_surrounds_them_is_not() {
        let html = "<!doctype html><html><head><title>Shop</title><style>p{color:red}</style></head><body>\
<header><p>Our shop</p></header><nav><ul><li><a href='/'>Home</a></li></ul></nav>\
<article><header><h1>Returns</h1></header><p>Within <b>30&nbsp;days</b>.</p>\
<h2>Who <em>pays</em>?</h2><p>We <a href='/us'>do</a>.<img src='us.png' alt='A team' title='Us'></p><ul><li>Germany</li><li>Spain</li></ul><p hidden>Secret</p></article>\
<form><p>Newsletter</p></form><script>alert(1)</script><footer>Imprint</footer></body></html>";
        let text = to_markdown(html).unwrap();
        assert!(text.contains("# Returns\n"), "{text}");
        assert!(text.contains("## Who pays?\n\nWe do.\n"), "{text}");
        assert!(text.contains("* Germany\n* Spain"), "{text}");
        for gone in [
            "Our shop",
            "Home",
            "Secret",
            "Newsletter",
            "alert",
            "Imprint",
            "color",
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
    }

    #[test]
    fn of_a_page_with_a_main_part_only_that_is_read() {
        let html = "<div><p>Free shipping today!</p></div><main><h1>Size guide</h1><p>True to size.</p></main><p>More</p>";
        let text = to_markdown(html).unwrap();
        assert_eq!(text.trim(), "# Size guide\n\nTrue to size.");
    }

    #[test]
    fn broken_and_endless_html_is_read() {
        for html in [
            "<".repeat(100_000),
            "<div>".repeat(5_000) + "x",
            "<table><tr><td>".repeat(300) + "x",
            "<blockquote>".repeat(300) + "x",
            "&#x110000;\u{0}<p".to_owned(),
        ] {
            let _ = to_markdown(&html);
        }
    }
}
