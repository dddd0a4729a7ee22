//! Facts that merchants write out where answers look them up: a price in a reply stays the same whatever the shop says.

use std::collections::BTreeSet;

use doorstep_core::{ConfigFiles, Language, Problem};

use super::{Key, Kind, Templates};
use crate::{
    intents::OwnIntent,
    phrasing::{Literal, LiteralKind, literals},
};

impl Templates {
    /// Prices, days and states that replies and notification templates write out. What the built-in text of the same name says
    /// as well is said only once it was looked up; so is what stands beside a fact of the same kind.
    pub fn written_out(&self, built_in: &Self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, place) in &self.places {
            let Some(text) = self.text_of(key) else {
                continue;
            };
            let known = known_kinds(key, &text, built_in);
            let found = literals_of(key, &text).into_iter();
            let unknown = found.filter(|literal| !known.contains(&literal.kind));
            problems.extend(unknown.map(|literal| Problem {
                file: place.file.clone(),
                line: place.first_line + literal.line,
                field: place.field.clone(),
                message: message(&literal),
                fix: format!(
                    "{}, or write it into a page of knowledge/, which answers quote with its source",
                    fact(literal.kind)
                ),
            }));
        }
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        problems
    }

    /// A template as it is written; none of what fills a provider's template, which others approve.
    fn text_of(&self, key: &Key) -> Option<String> {
        if key.kind == Kind::Approved {
            return None;
        }
        let template = self.environment.get_template(&key.path()).ok()?;
        Some(template.source().to_owned())
    }
}

/// Prices, days and states that the answers of the merchant's own intents write out.
pub fn written_out_in_answers(own: &[OwnIntent], files: &ConfigFiles) -> Vec<Problem> {
    let mut problems = Vec::new();
    for intent in own {
        for (tag, answer) in &intent.answer {
            let Ok(language) = tag.parse::<Language>() else {
                continue;
            };
            problems.extend(literals(answer, &language).into_iter().map(|literal| Problem {
                file: intent.file.clone(),
                line: line_of(intent, answer, &literal, files),
                field: format!("{}.answer.{tag}", intent.name),
                message: message(&literal),
                fix: "write it into a page of knowledge/, which answers quote with its source, or answer the intent by a \
                      flow that looks it up"
                    .to_owned(),
            }));
        }
    }
    problems
}

/// The line of the file in which a literal of an answer stands; that of the intent where the file folds its lines.
fn line_of(intent: &OwnIntent, answer: &str, literal: &Literal, files: &ConfigFiles) -> usize {
    let text = files.files.get(&intent.file).map_or("", String::as_str);
    let wanted = answer.lines().nth(literal.line).unwrap_or_default().trim();
    let mut after = text.lines().enumerate().skip(intent.line.saturating_sub(1));
    let found = after.find(|(_, line)| line.contains(wanted));
    found.map_or(intent.line, |(at, _)| at + 1)
}

fn message(literal: &Literal) -> String {
    let what = match literal.kind {
        LiteralKind::Price => "the price",
        LiteralKind::Date => "the day",
        LiteralKind::Stock | LiteralKind::Order => "the words",
    };
    format!(
        "{what} `{}` is written out, and stays so whatever the shop says",
        literal.words
    )
}

/// What says it after a look-up.
fn fact(kind: LiteralKind) -> &'static str {
    match kind {
        LiteralKind::Price => "say a fact, like {{ product.price | money }}",
        LiteralKind::Date => "say a fact, like {{ order.eta | window }}",
        LiteralKind::Stock => "say it of {{ product.title }} where a flow found it by check_stock",
        LiteralKind::Order => "say it of {{ order.number }} where a flow found it by find_order",
    }
}

/// The kinds of facts that whoever says a template has looked up.
fn known_kinds(key: &Key, text: &str, built_in: &Templates) -> BTreeSet<LiteralKind> {
    let english = Key::new(key.kind, "en", &key.name);
    let mut known: BTreeSet<LiteralKind> = [key, &english]
        .into_iter()
        .filter_map(|key| Some((key, built_in.text_of(key)?)))
        .flat_map(|(key, text)| literals_of(key, &text))
        .map(|literal| literal.kind)
        .collect();
    // A notification tells an event of an order.
    if key.kind != Kind::Reply || text.contains("order.") {
        known.insert(LiteralKind::Order);
    }
    if text.contains("product.") {
        known.insert(LiteralKind::Stock);
    }
    known
}

fn literals_of(key: &Key, text: &str) -> Vec<Literal> {
    match key.language.parse() {
        Ok(language) => literals(&without_expressions(text), &language),
        Err(_) => Vec::new(),
    }
}

/// The words of a template that stand there whatever is filled in, on their lines.
fn without_expressions(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = ["{{", "{%", "{#"]
        .iter()
        .filter_map(|open| rest.find(open))
        .min()
    {
        let (before, expression) = rest.split_at(start);
        let close = match expression.as_bytes().get(1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => "#}",
        };
        let end = expression
            .find(close)
            .map_or(expression.len(), |at| at + close.len());
        let (expression, after) = expression.split_at(end);
        plain.push_str(before);
        plain.extend(expression.chars().map(|c| if c == '\n' { c } else { ' ' }));
        rest = after;
    }
    plain.push_str(rest);
    plain
}
