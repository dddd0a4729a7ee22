//! Filter expressions: conditions joined by `AND`, as one text or a list of them.

use std::{iter::Peekable, str::Chars};

use serde_json::Value;

use super::Object;

/// One condition.
pub(super) struct Condition {
    pub(super) name: String,
    operator: String,
    values: Vec<String>,
}

/// A piece of an expression; whether it was quoted.
type Piece = (String, bool);

/// The conditions of a filter; all of them must hold.
pub(super) fn conditions(filter: &Value) -> Vec<Condition> {
    let texts: Vec<&str> = match filter {
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap()).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    };
    texts.into_iter().flat_map(read).collect()
}

impl Condition {
    /// Whether a document fulfils it. Texts are compared whatever their case.
    pub(super) fn holds(&self, document: &Object) -> bool {
        let found: Vec<String> = match document.get(&self.name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(all)) => all.iter().map(text).collect(),
            Some(one) => vec![text(one)],
        };
        found.iter().any(|found| {
            let any = |holds: fn(&f64, &f64) -> bool| {
                let wanted: f64 = self.values[0].parse().unwrap();
                found.parse().is_ok_and(|found: f64| holds(&found, &wanted))
            };
            match self.operator.as_str() {
                ">" => any(f64::gt),
                ">=" => any(f64::ge),
                "<" => any(f64::lt),
                "<=" => any(f64::le),
                _ => self.values.contains(found),
            }
        })
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_lowercase(),
        other => other.to_string(),
    }
}

fn read(expression: &str) -> Vec<Condition> {
    let mut pieces = pieces(expression).into_iter().peekable();
    let mut conditions = Vec::new();
    while let Some((name, _)) = pieces.next() {
        let (operator, _) = pieces.next().unwrap();
        let mut values = Vec::new();
        if pieces.next_if(|(piece, _)| piece == "[").is_some() {
            let inner = pieces.by_ref().take_while(|piece| *piece != bare("]"));
            values.extend(inner.filter(|piece| *piece != bare(",")));
        } else {
            values.extend(pieces.next());
        }
        conditions.push(Condition {
            name,
            operator,
            values: values
                .into_iter()
                .map(|(value, _)| value.to_lowercase())
                .collect(),
        });
        assert!(pieces.next().is_none_or(|piece| piece == bare("AND")));
    }
    conditions
}

fn bare(piece: &str) -> Piece {
    (piece.to_owned(), false)
}

fn pieces(expression: &str) -> Vec<Piece> {
    let mut letters = expression.chars().peekable();
    let mut pieces = Vec::new();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' => {}
            '"' => pieces.push((quoted(&mut letters), true)),
            '[' | ']' | ',' => pieces.push(bare(&letter.to_string())),
            _ => {
                let mut piece = String::from(letter);
                while let Some(more) = letters.next_if(|next| !" [],\"".contains(*next)) {
                    piece.push(more);
                }
                pieces.push((piece, false));
            }
        }
    }
    pieces
}

/// The rest of a quoted text, up to its end.
fn quoted(letters: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => text.extend(letters.next()),
            _ => text.push(letter),
        }
    }
    text
}
