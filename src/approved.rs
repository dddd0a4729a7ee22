//! Templates that providers approved, as `doorstep check` holds ours against them.

use std::collections::BTreeMap;

use doorstep_channels::templates::{TemplateCheck, TemplateUse, UnreadableList};
use doorstep_core::{Problem, Timestamp};
use doorstep_engine::templates::{ApprovedForm, Templates};

use crate::config::Config;

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

/// What is to be said of them: where a template is missing, rejected or otherwise filled, where none is named, and that the
/// list is old.
pub(crate) fn warnings(
    lists: &[TemplateCheck],
    templates: &Templates,
    now: Timestamp,
) -> Vec<Problem> {
    lists
        .iter()
        .flat_map(|list| {
            let mut found = mismatches(list, templates);
            found.extend(unnamed(list, templates));
            found.extend(old(list, now));
            found
        })
        .collect()
}

fn mismatches(list: &TemplateCheck, templates: &Templates) -> Vec<Problem> {
    let forms = templates.approved_forms().filter_map(|form| {
        let wanted = use_of(form);
        let wrong = list.mismatches.iter().find(|one| one.wanted == wanted)?;
        Some(Problem {
            file: form.file.clone(),
            line: form.line,
            field: "approved".to_owned(),
            message: format!(
                "{} cannot send `{}` ({}): {}",
                list.channel, form.name, form.language, wrong.message
            ),
            fix: wrong.fix.clone(),
        })
    });
    forms.collect()
}

/// One line for all, because a shop that begins has named none.
fn unnamed(list: &TemplateCheck, templates: &Templates) -> Option<Problem> {
    let mut languages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, language) in templates.without_approved() {
        languages.entry(name).or_default().push(language);
    }
    if languages.is_empty() {
        return None;
    }
    let named: Vec<String> = languages
        .iter()
        .map(|(name, languages)| format!("{name} ({})", languages.join(", ")))
        .collect();
    Some(Problem {
        file: "templates".to_owned(),
        line: 0,
        field: "approved".to_owned(),
        message: format!(
            "no approved template is named, so {} tells these only while customers write: {}",
            list.channel,
            named.join("; ")
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
