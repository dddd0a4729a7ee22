//! `doorstep report`

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use doorstep_core::ChannelName;
use doorstep_engine::{
    notify::{Estimate, Share},
    store::{Deeds, HOLDOUT, Means},
};
use serde::Serialize;
use serde_json::json;

use super::{Failure, load_config, open_store, print};
use crate::{
    ambient,
    cli::{Cli, Experiments},
    config::Config,
    nowhere,
};

/// What customers of a variant did, and how that differs from the variant compared with.
#[derive(Serialize)]
struct Told {
    customers: u64,
    /// By outcome; those that cannot be known of a variant are left out.
    outcomes: BTreeMap<&'static str, Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    count: u64,
    share: Option<Estimate>,
    /// Against the variant compared with; none of itself.
    difference: Option<Estimate>,
}

/// Of whom an outcome can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Of everybody, those held out too.
    OfAll,
    /// Of who was told on a channel that tells what was read.
    ByReading,
    /// Of who was told where the tracking page is.
    ByLink,
}

/// An outcome: its name, its words, how many did it, and of whom it can be known.
type Question = (&'static str, &'static str, fn(&Deeds) -> u64, Known);

const QUESTIONS: [Question; 6] = [
    (
        "asked",
        "asked where their order is",
        |deeds| deeds.asked,
        Known::OfAll,
    ),
    (
        "handed_over",
        "went to a person",
        |deeds| deeds.handed_over,
        Known::OfAll,
    ),
    (
        "opened",
        "opened the message",
        |deeds| deeds.opened,
        Known::ByReading,
    ),
    (
        "followed",
        "opened the tracking page",
        |deeds| deeds.followed,
        Known::ByLink,
    ),
    (
        "bought_again",
        "bought again",
        |deeds| deeds.bought_again,
        Known::OfAll,
    ),
    (
        "returned",
        "sent something back",
        |deeds| deeds.returned,
        Known::OfAll,
    ),
];

impl Known {
    /// Of a variant whose customers were told like this; `None`: they were told nothing. `reads` are the channels that tell
    /// what was read.
    fn of(self, means: Option<&Means>, reads: &BTreeSet<ChannelName>) -> bool {
        match self {
            Self::OfAll => true,
            Self::ByReading => means.is_some_and(|means| !means.channels.is_disjoint(reads)),
            Self::ByLink => means.is_some_and(|means| means.links),
        }
    }
}

pub(super) async fn experiments(cli: &Cli, arguments: &Experiments) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let store = open_store(&config).await?;
    let since = store.ambient().now() - arguments.since;
    let within = TimeDelta::from_std(arguments.within).map_err(Failure::finding)?;
    let outcomes = store.outcomes(since, within).await;
    let outcomes = outcomes.map_err(Failure::finding)?;
    let means = store.means_of_experiments(since).await;
    let means = means.map_err(Failure::finding)?;
    let reads = reading_channels(&config)?;
    let untold = BTreeMap::new();
    let mut all = BTreeMap::new();
    for (experiment, variants) in &outcomes {
        let told = compare(variants, means.get(experiment).unwrap_or(&untold), &reads);
        match cli.json {
            true => drop(all.insert(experiment, told)),
            false => tell(experiment, &told)?,
        }
    }
    if cli.json {
        let within = within.num_seconds();
        return print(json!({ "since": since, "within_s": within, "experiments": all }));
    }
    match outcomes.is_empty() {
        true => print("no customer was in an experiment in this time"),
        false => print(format!(
            "\nEach customer counts once, with what they did within {} days of the first news; in brackets where the \
             share lies with 95 % confidence. * marks a difference that chance hardly makes.",
            within.num_days()
        )),
    }
}

/// The channels that tell what was read, configured or not: they may have been.
fn reading_channels(config: &Config) -> Result<BTreeSet<ChannelName>, Failure> {
    let channels = nowhere::open_every_kind(config, &ambient::system());
    let channels = channels.map_err(Failure::finding)?.all.into_iter();
    let reads = channels.filter(|(_, channel)| channel.capabilities().reads);
    Ok(reads.map(|(name, _)| name).collect())
}

/// With whom the others are compared: those who heard nothing, else the first.
fn base(variants: &BTreeMap<String, Deeds>) -> Option<&str> {
    let held_out = variants.contains_key(HOLDOUT).then_some(HOLDOUT);
    held_out.or_else(|| variants.keys().next().map(String::as_str))
}

fn compare<'a>(
    variants: &'a BTreeMap<String, Deeds>,
    means: &BTreeMap<String, Means>,
    reads: &BTreeSet<ChannelName>,
) -> BTreeMap<&'a str, Told> {
    let base = base(variants);
    let mut all = BTreeMap::new();
    for (name, deeds) in variants {
        let mut outcomes = BTreeMap::new();
        for (question, _, count, known) in QUESTIONS {
            let is_known = |name: &str| known.of(means.get(name), reads);
            if !is_known(name) {
                continue;
            }
            let share = |deeds: &Deeds| Share {
                count: count(deeds),
                of: deeds.customers,
            };
            let against = base.filter(|base| base != name && is_known(base));
            let against = against.and_then(|base| variants.get(base));
            let own = share(deeds);
            let outcome = Outcome {
                count: own.count,
                share: own.estimate(),
                difference: against.and_then(|against| own.minus(share(against))),
            };
            outcomes.insert(question, outcome);
        }
        let customers = deeds.customers;
        all.insert(
            name.as_str(),
            Told {
                customers,
                outcomes,
            },
        );
    }
    all
}

fn tell(experiment: &str, variants: &BTreeMap<&str, Told>) -> Result<(), Failure> {
    print(experiment)?;
    for (name, told) in variants {
        print(format!("  {name}: {} customers", told.customers))?;
        for (question, words, ..) in QUESTIONS {
            let Some(outcome) = told.outcomes.get(question) else {
                continue;
            };
            let Some(share) = outcome.share else { continue };
            let difference = outcome.difference.map_or_else(String::new, |difference| {
                let sure = if difference.is_sure() { " *" } else { "" };
                format!("   {}{sure}", percent(&difference, true))
            });
            let share = percent(&share, false);
            print(format!(
                "    {words:<27} {:>6}  {share}{difference}",
                outcome.count
            ))?;
        }
    }
    Ok(())
}

/// `12.3 % [10.1, 14.9]`, or with a sign, as percentage points.
fn percent(estimate: &Estimate, difference: bool) -> String {
    let [value, low, high] =
        [estimate.value, estimate.low, estimate.high].map(|share| share * 100.0);
    match difference {
        true => format!("{value:+.1} points [{low:+.1}, {high:+.1}]"),
        false => format!("{value:.1} % [{low:.1}, {high:.1}]"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn deeds(customers: u64, asked: u64, opened: u64) -> Deeds {
        Deeds {
            customers,
            asked,
            opened,
            ..Deeds::default()
        }
    }

    fn reads() -> BTreeSet<ChannelName> {
        BTreeSet::from(["whatsapp".into()])
    }

    /// These variants were told on these channels, with a link or without.
    fn told_on(variants: &[(&str, &str, bool)]) -> BTreeMap<String, Means> {
        let means = variants.iter().map(|(name, channel, links)| {
            let means = Means {
                channels: BTreeSet::from([(*channel).into()]),
                links: *links,
            };
            ((*name).to_owned(), means)
        });
        means.collect()
    }

    #[test]
    fn what_channels_and_words_cannot_show_is_left_out() {
        let variants = BTreeMap::from([
            ("a_mail".to_owned(), deeds(100, 10, 0)),
            ("b_message".to_owned(), deeds(100, 10, 40)),
        ]);
        let means = told_on(&[("a_mail", "email", true), ("b_message", "whatsapp", false)]);
        let told = compare(&variants, &means, &reads());
        let mail = &told["a_mail"].outcomes;
        assert!(
            !mail.contains_key("opened"),
            "no mail says that it was read"
        );
        assert!(mail.contains_key("followed") && mail.contains_key("asked"));
        let message = &told["b_message"].outcomes;
        assert_eq!(message["opened"].count, 40);
        assert!(message["opened"].difference.is_none(), "nothing to compare");
        assert!(!message.contains_key("followed"), "it named no page");
    }

    #[test]
    fn variants_are_compared_with_those_held_out_where_they_can_be() {
        let variants = BTreeMap::from([
            (HOLDOUT.to_owned(), deeds(1000, 120, 0)),
            ("short".to_owned(), deeds(1000, 80, 400)),
        ]);
        let means = told_on(&[("short", "whatsapp", true)]);
        let told = compare(&variants, &means, &reads());
        assert!(!told[HOLDOUT].outcomes.contains_key("opened"));
        assert!(told[HOLDOUT].outcomes["asked"].difference.is_none());
        let short = &told["short"].outcomes;
        assert!(short["opened"].difference.is_none(), "nobody else could");
        let fewer = short["asked"].difference.unwrap();
        assert_eq!(percent(&fewer, true), "-4.0 points [-6.6, -1.4]");
        assert!(fewer.is_sure());
        let share = percent(&short["asked"].share.unwrap(), false);
        assert_eq!(share, "8.0 % [6.5, 9.8]");
    }

    #[test]
    fn without_a_hold_out_the_first_variant_is_compared_with() {
        let variants = BTreeMap::from([
            ("a".to_owned(), deeds(50, 5, 0)),
            ("b".to_owned(), deeds(0, 0, 0)),
        ]);
        let told = compare(&variants, &BTreeMap::new(), &reads());
        assert!(told["a"].outcomes["asked"].difference.is_none());
        assert!(told["b"].outcomes["asked"].share.is_none(), "of nobody");
    }
}
