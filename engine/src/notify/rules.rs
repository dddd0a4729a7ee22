//! Which news is told, where, and how often: `rules/*.yaml`.
//!
//! ```yaml
//! rules:
//!   - on: out_for_delivery         # what happened: a tracking status, order_updated, order_cancelled, fulfilled,
//!                                  # return_requested, return_declined, return_cancelled, return_received, refund_issued,
//!                                  # eta_moved
//!     template: out_for_delivery   # templates/out_for_delivery.<language>.md
//!     audience: {}                 # for whom, and
//!     when: {}                     # in which case: see conditions.rs
//!     topic: order                 # order (the default) or marketing (needs consent)
//!     channels: [webchat, email]   # where, best first
//!     send: every                  # every channel of the list (the default), or the first the customer has
//!     once_per: parcel             # parcel (the default) or order
//!     after: 5d                    # of no_scan, late_dispatch, promise_missed, was_it_fine and review_request: how long to wait
//!     urgent: true                 # also in quiet hours, and however much was told today
//!     fallback_after: 30m          # with `send: first`: the next channel gets what did not arrive by then
//!     unless: delivered            # what keeps it from the next channel: delivered (the default), or read
//!     digest: 10m                  # parcels of one order with the same news by then share a message; one alone waits for none
//!     name: on_the_van             # what explanations call it; <on>:<template> by default
//!     experiment: {}               # several ways to tell it: see experiments.rs
//! ```

use std::time::Duration;

use doorstep_core::{ChannelName, ConfigFiles, Problem, event::Due, notification::Topic};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    conditions::{AudienceSource, Condition, WhenSource},
    experiments::{Experiment, ExperimentSource},
    limits::{self, Limits, LimitsReader, LimitsSource},
};
use crate::{
    templates::{Facts, Templates},
    yaml::{self, suggestion},
};

/// A parcel's expected days moved from what its customer was told.
pub(super) const ETA_MOVED: &str = "eta_moved";

/// What can happen, as rules name it.
pub const EVENTS: [&str; 25] = [
    "pre_transit",
    "in_transit",
    "out_for_delivery",
    "delivery_attempt",
    "ready_for_pickup",
    "delivered",
    "delayed",
    "exception",
    "returned_to_sender",
    "lost",
    "damaged",
    "order_updated",
    "order_cancelled",
    "fulfilled",
    "return_requested",
    "return_declined",
    "return_cancelled",
    "return_received",
    "refund_issued",
    ETA_MOVED,
    "no_scan",
    "late_dispatch",
    "promise_missed",
    "was_it_fine",
    "review_request",
];

/// All rules of all files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
    limits: Limits,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name; no two rules have the same.
    pub name: String,
    /// What happened; one of [`EVENTS`].
    pub on: String,
    /// What has to hold for it; all of them.
    pub conditions: Vec<Condition>,
    /// The notification template.
    pub template: String,
    /// What it is about.
    pub topic: Topic,
    /// Where it may be told, best first.
    pub channels: Vec<ChannelName>,
    /// On how many of them.
    pub send: Send,
    /// What it is told once for.
    pub once_per: OncePer,
    /// Whether it is told in quiet hours too, and however much was told today.
    pub urgent: bool,
    /// On schedule: how long after the waiting began.
    pub after: Option<Duration>,
    /// How long a message may take to arrive before the next channel gets it.
    pub fallback_after: Option<Duration>,
    /// What keeps it from the next channel.
    pub unless: Arrival,
    /// How long it waits for the same news of other parcels of its order, to be told in one message.
    pub digest: Option<Duration>,
    /// How long it waits in any case: as the customer's variant of the experiment says.
    pub wait: Option<Duration>,
    /// Ways to tell it that are compared.
    pub experiment: Option<Experiment>,
}

/// On how many channels of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// All on which the customer has an address.
    Every,
    /// The first on which the customer has one.
    First,
}

/// What keeps a message from the next channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It arrived.
    Delivered,
    /// It was read.
    Read,
}

/// What news is told once for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OncePer {
    /// Each parcel.
    Parcel,
    /// The order, however many parcels it has.
    Order,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rules: Vec<Source>,
    limits: Option<LimitsSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    on: Spanned<String>,
    audience: Option<AudienceSource>,
    when: Option<WhenSource>,
    template: Spanned<String>,
    topic: Option<Spanned<String>>,
    channels: Vec<Spanned<String>>,
    send: Option<Spanned<String>>,
    once_per: Option<Spanned<String>>,
    urgent: Option<bool>,
    after: Option<Spanned<String>>,
    fallback_after: Option<Spanned<String>>,
    unless: Option<Spanned<String>>,
    digest: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    experiment: Option<ExperimentSource>,
}

impl Rules {
    /// Reads `rules/*.yaml`. `channels` are the configured ones; `samples` gives facts that a template of a rule on
    /// this event may be given, first with everything known.
    ///
    /// # Errors
    /// Everything that is wrong in the files and in the notification templates, also those that no rule names.
    pub fn load(
        files: &ConfigFiles,
        templates: &Templates,
        channels: &[ChannelName],
        samples: impl Fn(&str) -> Vec<Facts>,
    ) -> Result<Self, Vec<Problem>> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut problems = Vec::new();
        let mut limits = LimitsReader::default();
        for (file, text) in files.under("rules", "yaml") {
            match yaml::read::<File>(file, text) {
                Ok(parsed) => {
                    if let Some(source) = parsed.limits {
                        limits.add(file, source, &mut problems);
                    }
                    for (index, source) in parsed.rules.into_iter().enumerate() {
                        let mut reader = Reader {
                            file,
                            index,
                            problems: &mut problems,
                        };
                        let named = source.name.is_some();
                        let line = source.name.as_ref().map(yaml::line);
                        let trial_line =
                            source.experiment.as_ref().map_or(0, ExperimentSource::line);
                        let after_line = source.after.as_ref().map_or(0, yaml::line);
                        let Some(mut rule) = reader.rule(source, templates, channels) else {
                            continue;
                        };
                        if named && rules.iter().any(|other| other.name == rule.name) {
                            let message = format!("another rule is named `{}`", rule.name);
                            let fix = "give each rule a name of its own".to_owned();
                            reader.problem("name", line.unwrap_or(0), message, fix);
                        }
                        let other = rules.iter().find(|other| other.on == rule.on);
                        if other.is_some_and(|other| other.after != rule.after) {
                            let message = format!("another rule on `{}` waits otherwise", rule.on);
                            let fix = "give both the same time".to_owned();
                            reader.problem("after", after_line, message, fix);
                        }
                        let trial = rule.experiment.as_ref().map(|trial| &trial.name);
                        let mut others = rules.iter().filter_map(|rule| rule.experiment.as_ref());
                        if others.any(|other| Some(&other.name) == trial) {
                            let message = "another experiment has this name".to_owned();
                            let fix = "give each experiment a name of its own".to_owned();
                            reader.problem("experiment.name", trial_line, message, fix);
                        }
                        rule.name = free_name(&rules, rule.name);
                        rules.push(rule);
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        let mut checked = std::collections::BTreeSet::new();
        for rule in &rules {
            for template in rule.templates() {
                if checked.insert((template, rule.on.as_str())) {
                    problems.extend(templates.check_notification(template, &samples(&rule.on)));
                }
            }
        }
        for template in templates.every_notification() {
            if !checked.iter().any(|(named, _)| *named == template) {
                problems.extend(check_unnamed(templates, template, &samples));
            }
        }
        problems.sort_by(|a, b| (&a.file, a.line, &a.field).cmp(&(&b.file, b.line, &b.field)));
        problems.dedup();
        if problems.is_empty() {
            Ok(Self {
                rules,
                limits: limits.finish(),
            })
        } else {
            Err(problems)
        }
    }

    /// All rules, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rules on an event of this name.
    pub fn on(&self, event: &str) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.on == event)
    }

    /// The rule of this name.
    pub fn named(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// Which of the several things that rules say of one event a rule says, counted from 0: rules with the same words say the
    /// same. It does not change with a template's name.
    pub(super) fn place(&self, rule: &Rule) -> usize {
        let mut before: Vec<&str> = Vec::new();
        for other in &self.rules {
            if happening(&other.on) != happening(&rule.on) {
                continue;
            }
            if other.template == rule.template {
                break;
            }
            if !before.contains(&other.template.as_str()) {
                before.push(&other.template);
            }
        }
        before.len()
    }

    /// When customers are left in peace.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The first event on which a template is used.
    pub fn event_of(&self, template: &str) -> Option<&str> {
        let mut rules = self.rules.iter();
        let rule = rules.find(|rule| rule.templates().any(|own| own == template));
        rule.map(|rule| rule.on.as_str())
    }
}

/// What happened, by a rule's `on`: that a shop packed a parcel and that its label exists are the same.
fn happening(on: &str) -> &str {
    match on {
        "fulfilled" => "pre_transit",
        on => on,
    }
}

/// Checks a template that no rule names yet. One that is named like an event will be told of that; of any other there has to
/// be one event at least that it can tell of, with everything known.
fn check_unnamed(
    templates: &Templates,
    template: &str,
    samples: &impl Fn(&str) -> Vec<Facts>,
) -> Vec<Problem> {
    if EVENTS.contains(&template) {
        return templates.check_notification(template, &samples(template));
    }
    let mut first = None;
    for event in EVENTS {
        let mut full = samples(event);
        full.truncate(1);
        let found = templates.check_notification(template, &full);
        if found.is_empty() {
            return found;
        }
        first.get_or_insert(found);
    }
    first.unwrap_or_default()
}

/// A name that no rule has yet: rules without one are named by event and template.
fn free_name(rules: &[Rule], name: String) -> String {
    let taken = |name: &str| rules.iter().any(|rule| rule.name == name);
    if !taken(&name) {
        return name;
    }
    let numbered = (2..).map(|number| format!("{name}#{number}"));
    let mut free = numbered.filter(|name| !taken(name));
    free.next().unwrap_or(name)
}

/// Turns the YAML of one rule into the rule, collecting what is wrong.
pub(super) struct Reader<'a> {
    file: &'a str,
    index: usize,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn rule(
        &mut self,
        source: Source,
        templates: &Templates,
        channels: &[ChannelName],
    ) -> Option<Rule> {
        let before = self.problems.len();
        self.known("on", &source.on, &EVENTS);
        let names: Vec<&str> = templates.notification_names().collect();
        self.known("template", &source.template, &names);
        let configured: Vec<&str> = channels.iter().map(ChannelName::as_str).collect();
        for (place, channel) in source.channels.iter().enumerate() {
            self.known(&format!("channels[{place}]"), channel, &configured);
        }
        if source.channels.is_empty() {
            let fix = suggestion("", configured.iter().copied());
            self.problem(
                "channels",
                yaml::line(&source.on),
                "is empty".to_owned(),
                fix,
            );
        }
        let conditions = self.conditions(source.audience, source.when, &configured);
        let topic = self.choice(
            "topic",
            source.topic.as_ref(),
            &[("order", Topic::Order), ("marketing", Topic::Marketing)],
        );
        let send = self.choice(
            "send",
            source.send.as_ref(),
            &[("every", Send::Every), ("first", Send::First)],
        );
        let once_per = self.choice(
            "once_per",
            source.once_per.as_ref(),
            &[("parcel", OncePer::Parcel), ("order", OncePer::Order)],
        );
        let after = self.duration("after", source.after.as_ref());
        let scheduled = Due::ALL.iter().any(|due| due.as_str() == source.on.value);
        match (&source.after, scheduled) {
            (None, true) => self.problem(
                "after",
                yaml::line(&source.on),
                format!("`{}` needs a time to wait", source.on.value),
                "add one, like `after: 5d`".to_owned(),
            ),
            (Some(after), false) => self.problem(
                "after",
                yaml::line(after),
                format!("`{}` is told when it happens", source.on.value),
                "remove it".to_owned(),
            ),
            _ => {}
        }
        let fallback_after = self.duration("fallback_after", source.fallback_after.as_ref());
        if let Some(after) = &source.fallback_after
            && (send != Send::First || source.channels.len() < 2)
        {
            self.problem(
                "fallback_after",
                yaml::line(after),
                "there is no channel to fall back to".to_owned(),
                "write `send: first` and two channels or more".to_owned(),
            );
        }
        let unless = self.choice(
            "unless",
            source.unless.as_ref(),
            &[("delivered", Arrival::Delivered), ("read", Arrival::Read)],
        );
        if let (Some(unless), None) = (&source.unless, &source.fallback_after) {
            self.problem(
                "unless",
                yaml::line(unless),
                "there is no `fallback_after` that it could end".to_owned(),
                "add one, like `fallback_after: 2h`, or remove it".to_owned(),
            );
        }
        let digest = self.duration("digest", source.digest.as_ref());
        if let Some(digest) = &source.digest
            && once_per == OncePer::Order
        {
            self.problem(
                "digest",
                yaml::line(digest),
                "news that is told once for an order needs none".to_owned(),
                "remove it, or `once_per: order`".to_owned(),
            );
        }
        let name = source.name.map_or_else(
            || format!("{}:{}", source.on.value, source.template.value),
            |name| name.value,
        );
        let experiment = source
            .experiment
            .map(|source| source.read(&name, self, templates, channels));
        (self.problems.len() == before).then_some(Rule {
            name,
            conditions,
            experiment,
            wait: None,
            urgent: source.urgent.unwrap_or(false),
            after,
            fallback_after,
            unless,
            digest,
            on: source.on.value,
            template: source.template.value,
            topic,
            channels: source
                .channels
                .into_iter()
                .map(|channel| channel.value.into())
                .collect(),
            send,
            once_per,
        })
    }

    pub(super) fn duration(
        &mut self,
        field: &str,
        found: Option<&Spanned<String>>,
    ) -> Option<Duration> {
        let found = found?;
        let duration = limits::duration(&found.value);
        if duration.is_none() {
            let message = format!("`{}` is no time", found.value);
            let fix = "write one like 90s, 30m, 2h or 5d".to_owned();
            self.problem(field, yaml::line(found), message, fix);
        }
        duration
    }

    pub(super) fn known(&mut self, field: &str, found: &Spanned<String>, known: &[&str]) {
        if !known.contains(&found.value.as_str()) {
            let fix = suggestion(&found.value, known.iter().copied());
            let message = format!("`{}` is not known", found.value);
            self.problem(field, yaml::line(found), message, fix);
        }
    }

    /// The named choice; the first when none is named.
    fn choice<T: Copy>(
        &mut self,
        field: &str,
        found: Option<&Spanned<String>>,
        choices: &[(&str, T)],
    ) -> T {
        if let Some(found) = found {
            if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == found.value) {
                return *choice;
            }
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.known(field, found, &names);
        }
        choices[0].1
    }

    pub(super) fn problem(&mut self, field: &str, line: usize, message: String, fix: String) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line,
            field: format!("rules[{}].{field}", self.index),
            message,
            fix,
        });
    }
}
