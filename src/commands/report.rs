//! `doorstep report`

use std::collections::BTreeMap;

use chrono::TimeDelta;
use doorstep_engine::{
    notify::{Estimate, Share},
    store::{Deeds, HOLDOUT},
};
use serde::Serialize;
use serde_json::json;

use super::{Failure, load_config, open_store, print};
use crate::cli::{Cli, Experiments};

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

/// An outcome: its name, its words, how many did it, and whether those held out can have done it.
type Question = (&'static str, &'static str, fn(&Deeds) -> u64, bool);

const QUESTIONS: [Question; 6] = [
    (
        "asked",
        "asked where their order is",
        |deeds| deeds.asked,
        true,
    ),
    (
        "handed_over",
        "went to a person",
        |deeds| deeds.handed_over,
        true,
    ),
    ("opened", "opened the message", |deeds| deeds.opened, false),
    (
        "followed",
        "opened the tracking page",
        |deeds| deeds.followed,
        false,
    ),
    (
        "bought_again",
        "bought again",
        |deeds| deeds.bought_again,
        true,
    ),
    (
        "returned",
        "sent something back",
        |deeds| deeds.returned,
        true,
    ),
];

pub(super) async fn experiments(cli: &Cli, arguments: &Experiments) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let store = open_store(&config).await?;
    let since = store.ambient().now() - arguments.since;
    let within = TimeDelta::from_std(arguments.within).map_err(Failure::finding)?;
    let outcomes = store.outcomes(since, within).await;
    let outcomes = outcomes.map_err(Failure::finding)?;
    let mut all = BTreeMap::new();
    for (experiment, variants) in &outcomes {
        let told = compare(variants);
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

/// With whom the others are compared: those who heard nothing, else the first.
fn base(variants: &BTreeMap<String, Deeds>) -> Option<&str> {
    let held_out = variants.contains_key(HOLDOUT).then_some(HOLDOUT);
    held_out.or_else(|| variants.keys().next().map(String::as_str))
}

fn compare(variants: &BTreeMap<String, Deeds>) -> BTreeMap<&str, Told> {
    let base = base(variants);
    let mut all = BTreeMap::new();
    for (name, deeds) in variants {
        let mut outcomes = BTreeMap::new();
        for (question, _, count, held_out_too) in QUESTIONS {
            if name == HOLDOUT && !held_out_too {
                continue;
            }
            let share = |deeds: &Deeds| Share {
                count: count(deeds),
                of: deeds.customers,
            };
            let against = base.filter(|base| base != name && (held_out_too || *base != HOLDOUT));
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

    #[test]
    fn variants_are_compared_with_those_held_out_where_they_can_be() {
        let variants = BTreeMap::from([
            (HOLDOUT.to_owned(), deeds(1000, 120, 0)),
            ("short".to_owned(), deeds(1000, 80, 400)),
        ]);
        let told = compare(&variants);
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
        let told = compare(&variants);
        assert!(told["a"].outcomes["asked"].difference.is_none());
        assert!(told["b"].outcomes["asked"].share.is_none(), "of nobody");
    }
}
