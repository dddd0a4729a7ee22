//! What `doorstep check` says of a merchant's own intents: that they cannot be learnt, which pairs will be confused, which
//! intents cannot be told from the others, and which examples look misfiled. Warnings, not problems: only the merchant knows what customers mean.

use std::collections::{BTreeMap, BTreeSet};

use doorstep_core::Problem;
use doorstep_engine::intents::OwnIntent;
use doorstep_nlu::{Basis, Doubt, LearnError, LocalNlu};

use crate::merchant::MerchantFiles;

/// So many examples of a pair read as each other make it one that will be confused.
const CONFUSED: usize = 2;
/// An example that leads by so much belongs elsewhere, as a difference of cosines.
const MISFILED: f32 = 0.1;

/// Every warning, in the order of the files.
///
/// # Errors
/// The model did not read the examples.
pub(crate) async fn warnings(
    merchant: &MerchantFiles,
    nlu: &LocalNlu,
) -> Result<Vec<Problem>, LearnError> {
    let review = nlu.review(&merchant.lesson()).await?;
    let own = merchant.flows.own_intents();
    let mut warnings = of(own, &review.doubts);
    if let Some(warning) = unlearnt(own, &review.doubts, review.learnt)? {
        warnings.insert(0, warning);
    }
    Ok(warnings)
}

/// That no own intent would ever be acted on; told where the first stands whose examples are in doubt, else at the first.
fn unlearnt(
    own: &[OwnIntent],
    doubts: &[Doubt],
    learnt: Result<Basis, LearnError>,
) -> Result<Option<Problem>, LearnError> {
    let message = match learnt {
        Ok(Basis::Impossible) => "the own intents will not be acted on: too many held-out examples are taken for another intent for any confidence to keep the wrong answers within `nlu.max_wrong`".to_owned(),
        Err(LearnError::Head(reason)) => format!("the own intents cannot be learnt: {reason}"),
        Err(other) => return Err(other),
        Ok(Basis::Proven | Basis::TooFew) => return Ok(None),
    };
    let misread = misread(own, doubts);
    let first = misread.first().map(|misread| misread.intent);
    Ok(first.or(own.first()).map(|intent| Problem {
        file: intent.file.clone(),
        line: intent.line,
        field: intent.name.clone(),
        message,
        fix: "give each intent more examples that differ from those of the others, put together what means the same, or let nlu.max_wrong be larger".to_owned(),
    }))
}

/// An example with what it is read as.
struct Misread<'a> {
    intent: &'a OwnIntent,
    line: usize,
    text: &'a str,
    doubt: &'a Doubt,
}

fn of(own: &[OwnIntent], doubts: &[Doubt]) -> Vec<Problem> {
    let misread = misread(own, doubts);
    // Both ways between two intents are one pair, told where the first of its examples stands.
    let mut pairs: BTreeMap<[&str; 2], Vec<&Misread<'_>>> = BTreeMap::new();
    for misread in &misread {
        let mut pair = [misread.intent.name.as_str(), misread.doubt.read_as.as_str()];
        pair.sort_unstable();
        pairs.entry(pair).or_default().push(misread);
    }
    let mut warnings: Vec<Problem> = scattered(&misread, &pairs);
    for misread in pairs.into_values() {
        if misread.len() >= CONFUSED {
            warnings.extend(confused(own, &misread));
        } else {
            warnings.extend(misread.into_iter().filter_map(misfiled));
        }
    }
    warnings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    warnings
}

/// Intents most of whose examples are read as others, but not as one other: no pair tells it.
fn scattered(
    misread: &[Misread<'_>],
    pairs: &BTreeMap<[&str; 2], Vec<&Misread<'_>>>,
) -> Vec<Problem> {
    let mut of_intent: BTreeMap<&str, Vec<&Misread<'_>>> = BTreeMap::new();
    for misread in misread {
        let name = misread.intent.name.as_str();
        of_intent.entry(name).or_default().push(misread);
    }
    let is_in_pair = |name: &str| {
        let confused = pairs.values().filter(|pair| pair.len() >= CONFUSED);
        confused.flatten().any(|one| one.intent.name == name)
    };
    let lost = of_intent.into_iter().filter(|(name, misread)| {
        let all = misread.first().map_or(0, |one| one.intent.examples.len());
        misread.len() >= CONFUSED && misread.len() * 2 > all && !is_in_pair(name)
    });
    lost.filter_map(|(name, misread)| {
        let intent = misread.first()?.intent;
        let others: BTreeSet<String> = misread
            .iter()
            .map(|one| format!("`{}`", one.doubt.read_as))
            .collect();
        let others: Vec<String> = others.into_iter().collect();
        Some(Problem {
            file: intent.file.clone(),
            line: intent.line,
            field: intent.name.clone(),
            message: format!(
                "`{name}` cannot be told from other intents: {} of its {} examples are read as {}",
                misread.len(),
                intent.examples.len(),
                others.join(", "),
            ),
            fix: "let its examples say more plainly what it is about, add more of them, or split it into intents of one matter each".to_owned(),
        })
    })
    .collect()
}

/// The doubts with their intents: a lesson holds the examples in the order of the intents.
fn misread<'a>(own: &'a [OwnIntent], doubts: &'a [Doubt]) -> Vec<Misread<'a>> {
    let examples: Vec<(&OwnIntent, usize, &str)> = own
        .iter()
        .flat_map(|intent| {
            let examples = intent.examples.iter();
            examples.map(move |example| (intent, example.line, example.text.as_str()))
        })
        .collect();
    doubts
        .iter()
        .filter_map(|doubt| {
            let (intent, line, text) = *examples.get(doubt.place)?;
            Some(Misread {
                intent,
                line,
                text,
                doubt,
            })
        })
        .collect()
}

fn confused(own: &[OwnIntent], misread: &[&Misread<'_>]) -> Option<Problem> {
    let first = misread.first()?;
    let worst = misread
        .iter()
        .max_by(|a, b| a.doubt.lead.total_cmp(&b.doubt.lead))?;
    let other = first.doubt.read_as.as_str();
    // The other one's examples are counted when they can be misread as well.
    let of_both = first.intent.examples.len()
        + own
            .iter()
            .find(|intent| intent.name == other)
            .map_or(0, |intent| intent.examples.len());
    Some(Problem {
        file: first.intent.file.clone(),
        line: first.intent.line,
        field: first.intent.name.clone(),
        message: format!(
            "`{}` and `{other}` will be confused: {} of {of_both} examples of one are read as the other",
            first.intent.name,
            misread.len(),
        ),
        fix: format!(
            "make them differ, e.g. “{}” (line {}) and “{}”, or put them together",
            worst.text, worst.line, worst.doubt.like
        ),
    })
}

fn misfiled(misread: &Misread<'_>) -> Option<Problem> {
    (misread.doubt.lead >= MISFILED).then(|| Problem {
        file: misread.intent.file.clone(),
        line: misread.line,
        field: format!("{}.examples", misread.intent.name),
        message: format!(
            "“{}” looks misfiled: it reads like `{}`, as in “{}”",
            misread.text, misread.doubt.read_as, misread.doubt.like
        ),
        fix: "move it there, or say more plainly what it means".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use doorstep_core::ConfigFiles;

    use super::*;

    const OWN: &str = "- name: gifts
  examples:
    - wrap it
    - as a present
    - any vouchers?
  answer: {en: Yes.}
- name: hours
  examples: [when do you open, open on sunday, opening times]
  answer: {en: At nine.}
";

    fn doubt(place: usize, read_as: &str, lead: f32) -> Doubt {
        Doubt {
            place,
            read_as: read_as.to_owned(),
            like: "like this".to_owned(),
            lead,
        }
    }

    fn told(doubts: &[Doubt]) -> Vec<String> {
        let files = ConfigFiles::new([("intents/own.yaml", OWN)]);
        let own = doorstep_engine::intents::load(&files).unwrap();
        of(&own, doubts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_pair_is_told_once_whichever_way_it_is_confused() {
        let told = told(&[doubt(1, "hours", 0.05), doubt(3, "gifts", 0.2)]);
        assert_eq!(
            told,
            [
                "intents/own.yaml:1: gifts: `gifts` and `hours` will be confused: 2 of 6 examples of one are read as the \
                 other; make them differ, e.g. “when do you open” (line 8) and “like this”, or put them together"
            ]
        );
    }

    #[test]
    fn an_intent_read_as_one_thing_here_and_another_there_is_told() {
        let told = told(&[
            doubt(0, "order_status", 0.05),
            doubt(2, "discount_code", 0.05),
        ]);
        assert_eq!(
            told,
            [
                "intents/own.yaml:1: gifts: `gifts` cannot be told from other intents: 2 of its 3 examples are read as \
                 `discount_code`, `order_status`; let its examples say more plainly what it is about, add more of them, or \
                 split it into intents of one matter each"
            ]
        );
    }

    #[test]
    fn intents_that_nothing_can_be_learnt_of_are_told_where_the_doubts_begin() {
        let files = ConfigFiles::new([("intents/own.yaml", OWN)]);
        let own = doorstep_engine::intents::load(&files).unwrap();
        let told = |doubts: &[Doubt], learnt| {
            let warning = unlearnt(&own, doubts, learnt).unwrap();
            warning.map(|warning| warning.to_string())
        };
        let impossible = told(&[doubt(4, "order_status", 0.01)], Ok(Basis::Impossible)).unwrap();
        assert!(
            impossible
                .starts_with("intents/own.yaml:7: hours: the own intents will not be acted on: "),
            "{impossible}"
        );
        assert!(impossible.contains("nlu.max_wrong"), "{impossible}");
        let reason = LearnError::Head("there is nothing to tell apart".to_owned());
        let untrained = told(&[], Err(reason)).unwrap();
        assert!(
            untrained.starts_with(
                "intents/own.yaml:1: gifts: the own intents cannot be learnt: there is nothing to tell apart; give"
            ),
            "{untrained}"
        );
        assert_eq!(told(&[], Ok(Basis::Proven)), None);
        assert_eq!(told(&[], Ok(Basis::TooFew)), None);
    }

    #[test]
    fn one_example_far_from_its_own_is_misfiled_and_one_near_is_let_be() {
        let told = told(&[
            doubt(2, "discount_code", 0.3),
            doubt(4, "order_status", 0.01),
        ]);
        assert_eq!(
            told,
            [
                "intents/own.yaml:5: gifts.examples: “any vouchers?” looks misfiled: it reads like `discount_code`, as in \
                 “like this”; move it there, or say more plainly what it means"
            ]
        );
    }
}
