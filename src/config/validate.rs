//! What only makes sense across fields, or needs a look at the world.

use std::collections::BTreeSet;

use doorstep_core::{
    Problem,
    accent::{Accent, Colour, LEAST_CONTRAST},
};
use secrecy::ExposeSecret;

use super::{
    Config, DatabaseKind, Located, NluBackend, SearchKind, ShopKind,
    locate::{as_written, place},
};

/// Every problem, in the order of the sections. `from_files` names the values that stand in files of their own.
pub(super) fn problems(
    config: &Config,
    file: &Located<'_>,
    from_files: &BTreeSet<Vec<String>>,
) -> Vec<Problem> {
    let mut found = Found {
        file,
        from_files,
        problems: Vec::new(),
    };
    files(config, &mut found);
    shop(config, &mut found);
    http(config, &mut found);
    database(config, &mut found);
    nlu(config, &mut found);
    search(config, &mut found);
    phrasing(config, &mut found);
    limits(config, &mut found);
    for setting in doorstep_channels::check(&config.channels) {
        found.add(&setting.field, setting.message, setting.fix);
    }
    sources(config, &mut found);
    polls(config, &mut found);
    found.problems
}

struct Found<'a> {
    file: &'a Located<'a>,
    from_files: &'a BTreeSet<Vec<String>>,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn add(&mut self, field: &str, message: impl Into<String>, fix: impl Into<String>) {
        let path: Vec<String> = field.split('.').map(str::to_owned).collect();
        let (file, line) = place(self.file, &as_written(&path, self.from_files));
        self.problems.push(Problem {
            file,
            line,
            field: field.to_owned(),
            message: message.into(),
            fix: fix.into(),
        });
    }
}

fn files(config: &Config, found: &mut Found<'_>) {
    let Some(folder) = &config.files_dir else {
        return;
    };
    if !folder.is_dir() {
        found.add(
            "files_dir",
            format!("there is no folder `{}`", folder.display()),
            "make it, or correct the path; one without / at its beginning counts from the folder you are in",
        );
    }
}

fn sources(config: &Config, found: &mut Found<'_>) {
    let known = doorstep_commerce::registry::SOURCES;
    for (name, source) in &config.commerce {
        let Some(kind) = known.iter().find(|kind| kind.name == source.kind) else {
            let kinds: Vec<&str> = known.iter().map(|kind| kind.name).collect();
            found.add(
                &format!("commerce.{name}.kind"),
                format!("`{}` is not a kind of source", source.kind),
                super::locate::suggest(&source.kind, &kinds),
            );
            continue;
        };
        if kind.provider_makes_secret && source.secret.expose_secret().trim().is_empty() {
            found.add(
                &format!("commerce.{name}.secret"),
                format!("{} makes this secret, and there is none", kind.name),
                format!(
                    "copy it from there, as secret or into the file that secret_file names; docs/shops/{}.md says where",
                    kind.name
                ),
            );
        }
    }
}

/// The sections `[commerce.<name>.poll]`.
fn polls(config: &Config, found: &mut Found<'_>) {
    let known = doorstep_commerce::lookup::LOOKUPS;
    for (name, source) in &config.commerce {
        let Some(poll) = &source.poll else { continue };
        let section = format!("commerce.{name}.poll");
        let Some(kind) = known.iter().find(|kind| kind.name == source.kind) else {
            let kinds: Vec<&str> = known.iter().map(|kind| kind.name).collect();
            found.add(
                &section,
                format!(
                    "a source of kind `{}` cannot be asked for parcels",
                    source.kind
                ),
                format!("remove the section; those that can: {}", kinds.join(", ")),
            );
            continue;
        };
        if poll.every_h == 0 {
            found.add(
                &format!("{section}.every_h"),
                "with 0 a parcel would be asked for without end",
                "write how many hours pass between two questions, 1 or more",
            );
        }
        if poll.timeout_s == 0 {
            found.add(
                &format!("{section}.timeout_s"),
                "with 0 nothing would ever be answered",
                "write 1 or more",
            );
        }
        let url = poll.url.as_deref().unwrap_or("https://");
        if !is_to_itself(url) && !url.starts_with("https://") {
            found.add(
                &format!("{section}.url"),
                format!("`{url}` is not an https address"),
                "leave it out for the provider's own; over plain http the credentials could be read on their way",
            );
        }
        if kind.has_client {
            if poll.client_id.trim().is_empty() {
                found.add(
                    &format!("{section}.client_id"),
                    "no OAuth client is named",
                    format!(
                        "copy its id; docs/shops/{}.md says where it is found",
                        kind.name
                    ),
                );
            }
            let field = format!("{section}.client_secret");
            secret(found, &field, &poll.client_secret, kind.name);
        }
    }
}

/// The shop's colour, if it chose one: whether it is one, and whether white can be read on it.
fn accent(chosen: &str, found: &mut Found<'_>) {
    if chosen.is_empty() {
        return;
    }
    let colour: Colour = match chosen.parse() {
        Ok(colour) => colour,
        Err(error) => {
            let fix = "write its red, green and blue as on the web, or leave it empty";
            return found.add("shop.accent", error.to_string(), fix);
        }
    };
    if let Err(nearest) = Accent::of(colour) {
        let contrast = colour.contrast(Colour::WHITE);
        found.add(
            "shop.accent",
            format!("white on `{chosen}` has a contrast of {contrast:.2}:1, and {LEAST_CONTRAST}:1 is needed to be read"),
            format!("the nearest colour with enough is \"{nearest}\""),
        );
    }
}

/// Where the shop's people are mailed, if anywhere.
fn handoff_mail(config: &Config, found: &mut Found<'_>) {
    let mail = config.shop.handoff_mail.trim();
    if mail.is_empty() {
        return;
    }
    let is_address = mail
        .split_once('@')
        .is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'));
    if !is_address || mail.contains(|c: char| c.is_whitespace() || c == ',') {
        found.add(
            "shop.handoff_mail",
            format!("`{mail}` is not one e-mail address"),
            "write one like \"desk@shop.example\", or leave it empty",
        );
    } else if config.channels.email.is_none() {
        found.add(
            "shop.handoff_mail",
            "mail cannot be sent without the section [channels.email]",
            "add the section, or leave this empty",
        );
    }
}

fn shop(config: &Config, found: &mut Found<'_>) {
    let shop = &config.shop;
    accent(&shop.accent, found);
    handoff_mail(config, found);
    match shop.kind {
        ShopKind::Demo | ShopKind::Webhooks => {}
        ShopKind::Shopify => match &shop.shopify {
            None => missing_section(found, "shop.shopify", "shop and access_token"),
            Some(section) => {
                let host = section.shop.trim().trim_end_matches('/');
                if host.is_empty() || format!("https://{host}").parse::<http::Uri>().is_err() {
                    found.add(
                        "shop.shopify.shop",
                        format!("`{host}` is not a shop's address"),
                        "write the one at Shopify, like \"fernweh.myshopify.com\"",
                    );
                }
                secret(
                    found,
                    "shop.shopify.access_token",
                    &section.access_token,
                    "shopify",
                );
            }
        },
        ShopKind::WooCommerce => match &shop.woocommerce {
            None => missing_section(
                found,
                "shop.woocommerce",
                "url, consumer_key and consumer_secret",
            ),
            Some(section) => {
                let is_safe = section.url.starts_with("https://") || is_to_itself(&section.url);
                if !is_safe || section.url.parse::<http::Uri>().is_err() {
                    found.add(
                        "shop.woocommerce.url",
                        format!("`{}` is not an https address", section.url),
                        "write one like \"https://shop.example\"; over plain http the keys could be read on their way",
                    );
                }
                let keys = [
                    ("consumer_key", &section.consumer_key),
                    ("consumer_secret", &section.consumer_secret),
                ];
                for (name, value) in keys {
                    let field = format!("shop.woocommerce.{name}");
                    secret(found, &field, value, "woocommerce");
                }
            }
        },
    }
}

/// Whether what is sent there never leaves the machine.
fn is_to_itself(url: &str) -> bool {
    let own = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    own.iter().any(|own| url.starts_with(own))
}

fn missing_section(found: &mut Found<'_>, section: &str, keys: &str) {
    found.add(
        section,
        "this kind of shop needs the section and there is none",
        format!("add [{section}] with {keys}"),
    );
}

fn secret(found: &mut Found<'_>, field: &str, value: &secrecy::SecretString, page: &str) {
    if value.expose_secret().trim().is_empty() {
        let name = field.rsplit('.').next().unwrap_or(field);
        found.add(
            field,
            "this secret is missing",
            format!("write it, or name its file as {name}_file; docs/shops/{page}.md says where it is found"),
        );
    }
}

fn http(config: &Config, found: &mut Found<'_>) {
    let url = &config.http.public_url;
    let web = url.starts_with("http://") || url.starts_with("https://");
    let usable = url.is_empty() || (web && url.parse::<http::Uri>().is_ok());
    if !usable {
        found.add(
            "http.public_url",
            format!("`{url}` is not an address"),
            "write one like \"https://chat.shop.example\"",
        );
    }
}

fn database(config: &Config, found: &mut Found<'_>) {
    let section = &config.database;
    let url = section.url.expose_secret();
    if section.kind != DatabaseKind::Postgres {
        return;
    }
    if url.is_empty() {
        found.add(
            "database.url",
            "kind = \"postgres\" needs the server's address and there is none",
            "add url = \"postgres://user:password@host:5432/database\", or url_file",
        );
    } else if !url.is_empty()
        && !url.starts_with("postgres://")
        && !url.starts_with("postgresql://")
    {
        found.add(
            "database.url",
            "this is not a PostgreSQL address",
            "write one like \"postgres://user:password@host:5432/database\"",
        );
    }
    if section.connections < 3 {
        found.add(
            "database.connections",
            format!(
                "{} connections are too few: listening for news and jobs takes two",
                section.connections
            ),
            "write 3 or more; 10 is the default",
        );
    }
}

fn nlu(config: &Config, found: &mut Found<'_>) {
    let section = &config.nlu;
    let path = &section.onnxruntime;
    if !path.as_os_str().is_empty() && !path.is_file() {
        found.add(
            "nlu.onnxruntime",
            format!("there is no file at `{}`", path.display()),
            "correct the path, or leave it empty to have it looked for",
        );
    }
    if section.backend == NluBackend::Tract && !path.as_os_str().is_empty() {
        found.add(
            "nlu.backend",
            "\"tract\" does not use the library that nlu.onnxruntime names",
            "write \"auto\" or \"onnxruntime\", or remove nlu.onnxruntime",
        );
    }
    if !(f32::MIN_POSITIVE..=0.5).contains(&section.max_wrong) {
        found.add(
            "nlu.max_wrong",
            format!(
                "{} is no share of wrong answers to accept",
                section.max_wrong
            ),
            "write a number above 0 and up to 0.5; 0.03 lets 3 of 100 answers be wrong",
        );
    }
    for (index, pattern) in section.order_numbers.iter().enumerate() {
        if let Err(error) = regex::Regex::new(pattern) {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or("it cannot be read");
            found.add(
                "nlu.order_numbers",
                format!(
                    "pattern {} (`{pattern}`) is not a regular expression: {reason}",
                    index + 1
                ),
                "correct it; digits are \\d, and quotes '…' keep backslashes as they are",
            );
        }
    }
}

fn search(config: &Config, found: &mut Found<'_>) {
    let section = &config.search;
    if section.kind != SearchKind::Meilisearch {
        return;
    }
    let is_web = section.url.starts_with("http://") || section.url.starts_with("https://");
    if !is_web || section.url.parse::<http::Uri>().is_err() {
        found.add(
            "search.url",
            format!("`{}` is not a server's address", section.url),
            "write one like \"http://127.0.0.1:7700\"",
        );
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if section.index.is_empty() || !section.index.bytes().all(is_name) {
        found.add(
            "search.index",
            format!("`{}` is no name for an index", section.index),
            "write one of letters, digits, hyphens and underscores, like \"doorstep\"",
        );
    }
}

fn phrasing(config: &Config, found: &mut Found<'_>) {
    let section = &config.phrasing;
    if !section.enabled {
        return;
    }
    let is_web = section.url.starts_with("http://") || section.url.starts_with("https://");
    if !is_web || section.url.parse::<http::Uri>().is_err() {
        found.add(
            "phrasing.url",
            format!("`{}` is not an endpoint's address", section.url),
            "write the one below which /chat/completions lies, like \"https://api.example.com/v1\"",
        );
    }
    if section.small_model.trim().is_empty() {
        found.add(
            "phrasing.small_model",
            "no model is named",
            "write the name that the endpoint calls it by",
        );
    }
    for (field, value) in [
        ("phrasing.timeout_s", section.timeout_s),
        ("phrasing.max_chars", section.max_chars as u64),
    ] {
        if value == 0 {
            found.add(
                field,
                "with 0 no answer would ever be phrased",
                "write 1 or more",
            );
        }
    }
    let amounts = [
        ("phrasing.cost_per_day", section.cost_per_day),
        ("phrasing.small_price.prompt", section.small_price.prompt),
        (
            "phrasing.small_price.completion",
            section.small_price.completion,
        ),
        ("phrasing.large_price.prompt", section.large_price.prompt),
        (
            "phrasing.large_price.completion",
            section.large_price.completion,
        ),
    ];
    for (field, amount) in amounts {
        if !amount.is_finite() || amount < 0.0 {
            found.add(field, format!("{amount} is no amount"), "write 0 or more");
        }
    }
}

fn limits(config: &Config, found: &mut Found<'_>) {
    let positive = [
        ("http.max_body_bytes", config.http.max_body_bytes as u64),
        (
            "http.webhooks_per_second",
            u64::from(config.http.webhooks_per_second),
        ),
        ("http.request_timeout_s", config.http.request_timeout_s),
        ("nlu.queue", config.nlu.queue as u64),
        ("delivery.timeout_s", config.delivery.timeout_s),
        (
            "delivery.max_attempts",
            u64::from(config.delivery.max_attempts),
        ),
        ("eta.learn_every_h", u64::from(config.eta.learn_every_h)),
        ("sweep.every_s", config.sweep.every_s),
        ("sweep.jobs_at_once", config.sweep.jobs_at_once as u64),
    ];
    for (field, value) in positive {
        if value == 0 {
            found.add(field, "0 would stop everything", "write 1 or more");
        }
    }
    if !(0.5..=0.99).contains(&config.eta.probability) {
        found.add(
            "eta.probability",
            format!(
                "{} is no probability that can be kept",
                config.eta.probability
            ),
            "write a number from 0.5 to 0.99, like 0.8",
        );
    }
    let named = &config.eta.trust;
    if let Some((place, twice)) = named
        .iter()
        .enumerate()
        .find(|(place, one)| named[..*place].contains(one))
    {
        found.add(
            "eta.trust",
            format!("`{twice}` is named again in place {}", place + 1),
            "name each once",
        );
    }
    if config.sweep.worker_lease_s < 2 {
        found.add(
            "sweep.worker_lease_s",
            format!(
                "{} s is shorter than a worker's heartbeat",
                config.sweep.worker_lease_s
            ),
            "write 2 or more",
        );
    }
    if config.delivery.lease_s <= config.delivery.timeout_s {
        found.add(
            "delivery.lease_s",
            format!(
                "a lease of {} s ends before an attempt may ({} s): a running attempt would be taken for dead",
                config.delivery.lease_s, config.delivery.timeout_s
            ),
            "write more than delivery.timeout_s",
        );
    }
}
