//! Experiments: one rule told in several ways, and to some customers not at all, to see what it is worth.
//!
//! ```yaml
//! rules:
//!   - on: out_for_delivery
//!     template: out_for_delivery
//!     channels: [webchat, email]
//!     experiment:
//!       name: short_words       # what reports and explanations call it; the rule's name by default
//!       holdout: 10%            # of customers, who hear nothing of this rule; 0% by default
//!       variants:               # each may change template, channels or both, or wait
//!         - {name: as_before, weight: 2}
//!         - {name: short, template: out_for_delivery_short}
//!         - {name: later, wait: 2h, channels: [email]}
//! ```
//!
//! A customer keeps their variant: it follows from the names of experiment and customer alone, on every instance, for
//! every parcel. Another experiment deals anew, and another hold-out does not mix the variants.

mod compare;

use std::{borrow::Cow, time::Duration};

use doorstep_core::{ChannelName, CustomerId, customer::Customer};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_saphyr::Spanned;
use sha2::Sha256;

pub use compare::{Estimate, Share};

use super::{Rule, rules::Reader};
use crate::{
    store::{Audience, HOLDOUT, Trial},
    templates::Templates,
    yaml,
};

/// More than half without news would be a switch, not an experiment.
const MOST_HELD_OUT: f64 = 50.0;
const MOST_WEIGHT: i64 = 1000;

/// Ways to tell a rule's news, dealt to customers by chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// Its name; no two experiments have the same.
    pub name: String,
    /// Of a thousand customers, how many hear nothing.
    pub holdout: u32,
    /// At least one.
    pub variants: Vec<Variant>,
}

/// One way to tell it; what it does not name is as the rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its name; no two of an experiment have the same.
    pub name: String,
    /// How many customers get it, against the others' weights.
    pub weight: u32,
    /// Its template.
    pub template: Option<String>,
    /// Its channels, best first.
    pub channels: Option<Vec<ChannelName>>,
    /// How long it waits before it is told.
    pub wait: Option<Duration>,
}

/// A rule as it is for one customer.
pub(super) struct Dealt<'a> {
    pub(super) rule: Cow<'a, Rule>,
    pub(super) trial: Option<Trial>,
}

impl Experiment {
    /// What a customer gets; `None`: nothing.
    fn deal(&self, customer: CustomerId) -> Option<&Variant> {
        let (held_out, place) = draw(&self.name, customer);
        if held_out * 1000.0 < f64::from(self.holdout) {
            return None;
        }
        let weight = |variant: &Variant| f64::from(variant.weight);
        let mut left = place * self.variants.iter().map(weight).sum::<f64>();
        let found = self.variants.iter().find(|variant| {
            left -= weight(variant);
            left < 0.0
        });
        found.or(self.variants.last())
    }
}

/// Two numbers from 0 to 1 that are chance's but always the same for a customer.
fn draw(experiment: &str, customer: CustomerId) -> (f64, f64) {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(experiment.as_bytes()) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(customer.0.as_bytes());
    let bytes = mac.finalize().into_bytes();
    let number = |from: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[from..from + 8]);
        // 53 bits: as many as a float between 0 and 1 holds.
        (u64::from_be_bytes(eight) >> 11) as f64 / (1u64 << 53) as f64
    };
    (number(0), number(8))
}

impl Rule {
    /// The rule as this customer's variant of its experiment changes it.
    pub(super) fn dealt(&self, customer: Option<&Customer>) -> Dealt<'_> {
        let (Some(experiment), Some(customer)) = (&self.experiment, customer) else {
            return Dealt {
                rule: Cow::Borrowed(self),
                trial: None,
            };
        };
        let variant = experiment.deal(customer.id);
        let trial = Trial {
            experiment: experiment.name.clone(),
            variant: variant.map_or(HOLDOUT, |variant| &variant.name).to_owned(),
        };
        let mut rule = self.clone();
        if let Some(variant) = variant {
            rule.template = variant.template.clone().unwrap_or(rule.template);
            rule.channels = variant.channels.clone().unwrap_or(rule.channels);
            rule.wait = variant.wait;
        }
        Dealt {
            rule: Cow::Owned(rule),
            trial: Some(trial),
        }
    }

    /// Every template that somebody may get.
    pub(super) fn templates(&self) -> impl Iterator<Item = &str> {
        self.ways().map(|(template, _)| template)
    }

    /// Every way in which somebody may get it: the template and the channels, best first.
    pub fn ways(&self) -> impl Iterator<Item = (&str, &[ChannelName])> {
        let variants = self.experiment.iter().flat_map(|found| &found.variants);
        let own = variants.map(|variant| {
            let template = variant.template.as_deref();
            let channels = variant.channels.as_deref();
            (
                template.unwrap_or(&self.template),
                channels.unwrap_or(&self.channels),
            )
        });
        std::iter::once((self.template.as_str(), self.channels.as_slice())).chain(own)
    }
}

impl Dealt<'_> {
    /// Who hears it in the end. Held out is only who would have heard it, so that those who did and those who did not
    /// can be compared; what nobody would have heard belongs to no variant.
    pub(super) fn settle(self, audience: Audience) -> (Audience, Option<Trial>) {
        match (audience, self.trial) {
            (Audience::Held(reason), _) => (Audience::Held(reason), None),
            (_, Some(trial)) if trial.variant == HOLDOUT => {
                let reason = format!("held out of the experiment `{}`", trial.experiment);
                (Audience::Held(reason), Some(trial))
            }
            (audience, trial) => (audience, trial),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExperimentSource {
    name: Option<Spanned<String>>,
    holdout: Option<Spanned<String>>,
    variants: Spanned<Vec<VariantSource>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantSource {
    name: Spanned<String>,
    weight: Option<Spanned<i64>>,
    template: Option<Spanned<String>>,
    channels: Option<Vec<Spanned<String>>>,
    wait: Option<Spanned<String>>,
}

impl ExperimentSource {
    pub(super) fn line(&self) -> usize {
        let name = self.name.as_ref().map(yaml::line);
        name.unwrap_or_else(|| yaml::line(&self.variants))
    }

    /// Turns the YAML into the experiment, collecting what is wrong.
    pub(super) fn read(
        self,
        rule: &str,
        reader: &mut Reader<'_>,
        templates: &Templates,
        channels: &[ChannelName],
    ) -> Experiment {
        let line = yaml::line(&self.variants);
        let mut experiment = Experiment {
            name: self.name.map_or_else(|| rule.to_owned(), |name| name.value),
            holdout: self.holdout.map_or(0, |share| held_out(&share, reader)),
            variants: Vec::new(),
        };
        for (place, source) in self.variants.value.into_iter().enumerate() {
            let at = yaml::line(&source.name);
            let variant = source.read(place, reader, templates, channels);
            let others = &experiment.variants;
            if variant.name == HOLDOUT || others.iter().any(|other| other.name == variant.name) {
                let message = format!("`{}` is taken", variant.name);
                let field = format!("experiment.variants[{place}].name");
                let fix = "give each variant a name of its own".to_owned();
                reader.problem(&field, at, message, fix);
            }
            experiment.variants.push(variant);
        }
        let ways = experiment.variants.len() + usize::from(experiment.holdout > 0);
        if ways < 2 || experiment.variants.is_empty() {
            let message = "there is nothing to compare".to_owned();
            let fix = "name two variants, or one and a `holdout`".to_owned();
            reader.problem("experiment.variants", line, message, fix);
        }
        experiment
    }
}

/// How many of a thousand are `10%`.
fn held_out(share: &Spanned<String>, reader: &mut Reader<'_>) -> u32 {
    let percent = share.value.trim().strip_suffix('%');
    let percent = percent.and_then(|number| number.trim().parse::<f64>().ok());
    match percent.filter(|percent| (0.0..=MOST_HELD_OUT).contains(percent)) {
        // At most 500.
        Some(percent) => (percent * 10.0).round() as u32,
        None => {
            let message = format!("`{}` is no share of customers", share.value);
            let fix = format!("write one from 0% to {MOST_HELD_OUT}%");
            reader.problem("experiment.holdout", yaml::line(share), message, fix);
            0
        }
    }
}

impl VariantSource {
    fn read(
        self,
        place: usize,
        reader: &mut Reader<'_>,
        templates: &Templates,
        channels: &[ChannelName],
    ) -> Variant {
        let field = |name: &str| format!("experiment.variants[{place}].{name}");
        if let Some(template) = &self.template {
            let names: Vec<&str> = templates.notification_names().collect();
            reader.known(&field("template"), template, &names);
        }
        let configured: Vec<&str> = channels.iter().map(ChannelName::as_str).collect();
        for channel in self.channels.iter().flatten() {
            reader.known(&field("channels"), channel, &configured);
        }
        if self.channels.as_ref().is_some_and(Vec::is_empty) {
            let fix = "name one, or leave it out for the rule's".to_owned();
            let line = yaml::line(&self.name);
            reader.problem(&field("channels"), line, "is empty".to_owned(), fix);
        }
        let weight = self.weight.as_ref().map_or(1, |weight| weight.value);
        if !(1..=MOST_WEIGHT).contains(&weight) {
            let fix = format!("write a whole number from 1 to {MOST_WEIGHT}");
            let line = self.weight.as_ref().map_or(0, yaml::line);
            reader.problem(
                &field("weight"),
                line,
                format!("{weight} is no weight"),
                fix,
            );
        }
        let wait = reader.duration(&field("wait"), self.wait.as_ref());
        let names = |channels: Vec<Spanned<String>>| {
            let names = channels.into_iter().map(|channel| channel.value.into());
            names.collect()
        };
        Variant {
            name: self.name.value,
            weight: u32::try_from(weight).unwrap_or(1),
            template: self.template.map(|template| template.value),
            channels: self.channels.map(names),
            wait,
        }
    }
}

#[cfg(test)]
mod tests;
