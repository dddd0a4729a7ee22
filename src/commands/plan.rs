//! `doorstep plan`: what changed rules and templates would have done with the past.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use doorstep_engine::{
    Store,
    notify::{
        Rules,
        rehearsal::{
            Deed, Difference, Foreseen, RuleChange, Setting, Span, compare, compare_with_past,
            recorded, rehearse,
        },
    },
    store::{Database, DatabaseConfig},
};
use serde_json::json;

use super::{Failure, load_config, open_store, print};
use crate::{
    ambient,
    cli::{Cli, Plan},
    config::Config,
    merchant::MerchantFiles,
    nowhere,
    opening::{email_channel, eta_config, notify_config, page_links, with_kept_secrets},
};

/// How much of the time before is taken through the road too, so that what was told then is known.
const LEAD_IN: Duration = Duration::from_hours(24 * 30);
/// As the program does.
const LOOK_EVERY: Duration = Duration::from_mins(5);
const A_DAY: Duration = Duration::from_hours(24);

/// What the files that may change things are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The configured files, in a rehearsal of their own.
    Files,
    /// What was really decided: the configured files are those that may change things.
    Past,
}

impl Before {
    fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Past => "past",
        }
    }
}

pub(super) async fn run(cli: &Cli, arguments: &Plan) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let tried = tried_folder(&config, arguments);
    let before = match &tried {
        Some(_) => Some(setting(&config)?),
        None => None,
    };
    let changed = Config {
        files_dir: tried.or_else(|| config.files_dir.clone()),
        ..config.clone()
    };
    let after = setting(&changed)?;
    let store = open_store(&config).await?;
    let until = store.ambient().now();
    let since = until - arguments.since;
    let waits = before.iter().chain([&after]);
    let waits = waits.map(|setting| longest_wait(&setting.rules)).max();
    let span = Span {
        lead_in: since - LEAD_IN.max(waits.unwrap_or_default()),
        since,
        until,
        look_every: LOOK_EVERY,
    };
    let folder = tempfile::tempdir().map_err(Failure::finding)?;
    let after = play(&store, after, span, &folder.path().join("after.db")).await?;
    let (compared_with, changes) = match before {
        Some(before) => {
            let before = play(&store, before, span, &folder.path().join("before.db")).await?;
            (Before::Files, compare(before, after))
        }
        None => {
            let past = recorded(&store, span).await.map_err(Failure::finding)?;
            (Before::Past, compare_with_past(past, after, span))
        }
    };
    match cli.json {
        true => print(json!({
            "since": since,
            "until": until,
            "compared_with": compared_with.as_str(),
            "rules": changes,
        })),
        false => tell(compared_with, &changes),
    }
}

/// The folder that is tried, where it is another than the configured one.
fn tried_folder(config: &Config, arguments: &Plan) -> Option<PathBuf> {
    let tried = arguments.files_dir.as_ref()?;
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let configured = config.files_dir.as_deref().and_then(real);
    let same = configured.is_some() && configured == real(tried);
    (!same).then(|| tried.clone())
}

/// How long ago what a rule on schedule waits for may have begun.
fn longest_wait(rules: &Rules) -> Duration {
    let longest = rules.iter().filter_map(|rule| rule.after).max();
    longest.unwrap_or_default() + A_DAY
}

fn setting(config: &Config) -> Result<Setting, Failure> {
    let ambient = ambient::system();
    let merchant = MerchantFiles::load(config).map_err(Failure::Problems)?;
    let config = with_kept_secrets(config.clone(), &ambient)?;
    let channels = nowhere::open_channels(&config, &ambient).map_err(Failure::finding)?;
    let all = channels.all.iter();
    Ok(Setting {
        rules: merchant.rules,
        templates: Arc::new(merchant.templates),
        capabilities: all
            .map(|(name, channel)| (name.clone(), channel.capabilities().clone()))
            .collect(),
        config: notify_config(&config),
        email: email_channel(&config),
        eta: eta_config(&config),
        pages: Some(page_links(&config)),
    })
}

async fn play(
    store: &Store,
    setting: Setting,
    span: Span,
    path: &Path,
) -> Result<Vec<Foreseen>, Failure> {
    let config = DatabaseConfig::Sqlite {
        path: path.to_owned(),
    };
    let scratch = Database::open(&config).await.map_err(Failure::finding)?;
    rehearse(store, scratch, setting, span)
        .await
        .map_err(Failure::finding)
}

fn tell(compared_with: Before, changes: &BTreeMap<String, RuleChange>) -> Result<(), Failure> {
    if changes.is_empty() {
        return print("nothing happened in this time: nothing was compared");
    }
    if compared_with == Before::Past {
        print("before: what was decided then; after: what the files say as they are now")?;
    }
    let mut different = 0;
    for (rule, change) in changes {
        let name = if rule.is_empty() { "(no rule)" } else { rule };
        different += change.different.len();
        print(format!(
            "{name}: {} different, {} alike",
            change.different.len(),
            change.alike
        ))?;
        for difference in &change.different {
            tell_difference(difference)?;
        }
    }
    match different {
        0 => print("nobody would have got anything else"),
        1 => print("1 event would have been told otherwise"),
        count => print(format!("{count} events would have been told otherwise")),
    }
}

fn tell_difference(difference: &Difference) -> Result<(), Failure> {
    let order = difference.order.as_deref().unwrap_or("not known");
    let customer = difference.customer.as_deref().unwrap_or("nobody we know");
    // What only the rehearsal found to be due is nothing that `explain` could be asked about.
    let event = match difference.event {
        Some(event) => event.to_string(),
        None => format!("due at {}", difference.at),
    };
    print(format!(
        "  order {order} of {customer}: {} {event} ({} {})",
        difference.on, difference.source, difference.external_id
    ))?;
    let nothing = match difference.is_on_schedule() {
        true => "not due, or no such rule",
        false => "no such rule",
    };
    tell_deed('-', difference.before.as_ref(), nothing)?;
    tell_deed('+', difference.after.as_ref(), nothing)
}

fn tell_deed(sign: char, deed: Option<&Deed>, nothing: &str) -> Result<(), Failure> {
    let Some(deed) = deed else {
        return print(format!("  {sign} {nothing}"));
    };
    if deed.messages.is_empty() {
        return print(format!("  {sign} {}: {}", deed.decision, deed.reason));
    }
    for said in &deed.messages {
        let (at, channel, language) = (said.at, &said.channel, &said.language);
        print(format!("  {sign} {channel} ({language}) at {at}"))?;
        if let Some(subject) = &said.subject {
            print(format!("  {sign}   {subject}"))?;
        }
        for line in said.text.lines() {
            print(format!("  {sign}   {line}"))?;
        }
    }
    Ok(())
}
