//! Templates that providers approved, as `doorstep check` holds ours against them.

use std::collections::{BTreeMap, BTreeSet};

use doorstep_channels::templates::{TemplateCheck, TemplateUse, UnreadableList};
use doorstep_core::{ChannelName, Language, Problem, Timestamp};
use doorstep_engine::templates::{ApprovedForm, Templates};

use crate::{config::Config, merchant::MerchantFiles};

/// An older list may not have what was approved, paused or rejected since.
const OLD_DAYS: i64 = 7;

/// Compares what our templates name with the lists that were read last. Nobody is asked.
///
/// # Errors
/// A list that was kept is unreadable.
pub(crate) fn check(
    config: &Config,
    templates: &Templates,
) -> Result<Vec<TemplateCheck>, UnreadableList> {
    let ours: Vec<TemplateUse> = templates.approved_forms().map(use_of).collect();
    doorstep_channels::check_templates(&config.channels, &config.data_dir, &ours)
}

fn use_of(form: &ApprovedForm) -> TemplateUse {
    TemplateUse {
        name: form.name.clone(),
        language: form.language.clone(),
        header: form.header,
        body: form.body,
        buttons: form.buttons,
    }
}

/// What is to be said of them, of the templates that rules tell there in the languages that the shop speaks: where one is
/// missing, rejected or otherwise filled, where none is named, and that the list is old.
pub(crate) fn warnings(
    lists: &[TemplateCheck],
    merchant: &MerchantFiles,
    spoken: &[Language],
    now: Timestamp,
) -> Vec<Problem> {
    lists
        .iter()
        .flat_map(|list| {
            let told = told_on(&list.channel, merchant, spoken);
            let mut found = mismatches(list, &told, &merchant.templates);
            found.extend(unnamed(list, &told, &merchant.templates));
            found.extend(old(list, now));
            found
        })
        .collect()
}

/// Notification templates and languages that rules tell on a channel.
fn told_on<'a>(
    channel: &ChannelName,
    merchant: &'a MerchantFiles,
    spoken: &[Language],
) -> BTreeSet<(&'a str, &'a str)> {
    let is_spoken = |tag: &str| {
        let mut languages = spoken.iter();
        spoken.is_empty()
            || languages.any(|language| language.to_string() == tag || language.primary() == tag)
    };
    let ways = merchant.rules.iter().flat_map(|rule| rule.ways());
    let there = ways.filter(|(_, channels)| channels.contains(channel));
    there
        .flat_map(|(template, _)| {
            let languages = merchant.templates.languages_of(template).into_iter();
            languages.map(move |tag| (template, tag))
        })
        .filter(|(_, tag)| is_spoken(tag))
        .collect()
}

/// One line for all of which the same is wrong.
fn mismatches(
    list: &TemplateCheck,
    told: &BTreeSet<(&str, &str)>,
    templates: &Templates,
) -> Vec<Problem> {
    let mut by_reason: BTreeMap<(&str, &str), Vec<&ApprovedForm>> = BTreeMap::new();
    for (template, tag) in told {
        let Some(form) = templates.approved_form(template, tag) else {
            continue;
        };
        let wanted = use_of(form);
        if let Some(wrong) = list.mismatches.iter().find(|one| one.wanted == wanted) {
            let reason = (wrong.message.as_str(), wrong.fix.as_str());
            by_reason.entry(reason).or_default().push(form);
        }
    }
    let problems = by_reason.into_iter().filter_map(|((message, fix), forms)| {
        let first = forms.first()?;
        let names = forms
            .iter()
            .map(|form| (form.name.as_str(), form.language.as_str()));
        let names = by_name(names, "`");
        Some(Problem {
            file: first.file.clone(),
            line: first.line,
            field: "approved".to_owned(),
            message: format!("{} cannot send {names}: {message}", list.channel),
            fix: fix.to_owned(),
        })
    });
    problems.collect()
}

/// `shipped (de, en), delayed (en)`
fn by_name<'a>(names: impl Iterator<Item = (&'a str, &'a str)>, quote: &str) -> String {
    let mut languages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, language) in names {
        languages.entry(name).or_default().push(language);
    }
    let named = languages
        .iter()
        .map(|(name, languages)| format!("{quote}{name}{quote} ({})", languages.join(", ")));
    named.collect::<Vec<_>>().join(", ")
}

/// One line for all, because a shop that begins has named none.
fn unnamed(
    list: &TemplateCheck,
    told: &BTreeSet<(&str, &str)>,
    templates: &Templates,
) -> Option<Problem> {
    let without = told
        .iter()
        .filter(|(template, tag)| templates.approved_form(template, tag).is_none());
    let names = by_name(without.copied(), "");
    (!names.is_empty()).then(|| Problem {
        file: "templates".to_owned(),
        line: 0,
        field: "approved".to_owned(),
        message: format!(
            "no approved template is named, so {} tells these only while customers write: {names}",
            list.channel
        ),
        fix: format!(
            "name one in the front matter of each, see docs/channels/{}.md",
            list.channel
        ),
    })
}

fn old(list: &TemplateCheck, now: Timestamp) -> Option<Problem> {
    let message = match list.read_at {
        Some(read_at) if (now - read_at).num_days() >= OLD_DAYS => format!(
            "the list of approved templates is {} days old",
            (now - read_at).num_days()
        ),
        Some(_) => return None,
        None => {
            "the list of approved templates was never read, nothing was compared with it".to_owned()
        }
    };
    Some(Problem {
        file: "data_dir".to_owned(),
        line: 0,
        field: format!("channels.{}", list.channel),
        message,
        fix: format!("run `doorstep channels test {}`", list.channel),
    })
}
