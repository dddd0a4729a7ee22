//! What a button's value means. Values come back from the customer's device, so they are parsed strictly and give no
//! right that the same words typed would not give.

use std::fmt;

/// A pressed button: `handoff`, `flow:order_status`, `flow:stock_check;product=JKT-101`, `slot:order_number=10234`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Press {
    /// A person is asked for.
    HandOff,
    /// A flow is started, some of its slots filled.
    Flow {
        /// Which.
        flow: String,
        /// Slot and value.
        slots: Vec<(String, String)>,
    },
    /// A slot of the flow in hand is filled.
    Slot {
        /// Which.
        name: String,
        /// With what.
        value: String,
    },
}

/// Longest value of a slot that a button may carry.
const MAX_VALUE: usize = 120;

impl Press {
    /// Reads a button's value; `None` when it is not one of ours.
    pub fn parse(value: &str) -> Option<Self> {
        if value == "handoff" {
            return Some(Self::HandOff);
        }
        if let Some(slot) = value.strip_prefix("slot:") {
            let (name, value) = assignment(slot)?;
            return Some(Self::Slot { name, value });
        }
        let mut parts = value.strip_prefix("flow:")?.split(';');
        let flow = parts.next().filter(|flow| is_name(flow))?.to_owned();
        let slots = parts.map(assignment).collect::<Option<Vec<_>>>()?;
        Some(Self::Flow { flow, slots })
    }
}

impl fmt::Display for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HandOff => f.write_str("handoff"),
            Self::Slot { name, value } => write!(f, "slot:{name}={value}"),
            Self::Flow { flow, slots } => {
                write!(f, "flow:{flow}")?;
                slots
                    .iter()
                    .try_for_each(|(name, value)| write!(f, ";{name}={value}"))
            }
        }
    }
}

fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let fits = is_name(name)
        && !value.is_empty()
        && value.len() <= MAX_VALUE
        && !value.contains([';', '='])
        && !value.chars().any(char::is_control);
    fits.then(|| (name.to_owned(), value.to_owned()))
}

/// Whether `text` may name a flow or a slot: lower-case letters, digits and underscores.
pub fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_values_are_read_and_written_alike() {
        for value in [
            "handoff",
            "flow:order_status",
            "flow:stock_check;product=JKT-101;size=EU 42",
            "slot:order_number=10234",
        ] {
            assert_eq!(Press::parse(value).unwrap().to_string(), value);
        }
    }

    #[test]
    fn anything_else_is_no_button_of_ours() {
        let long = format!("slot:a={}", "x".repeat(121));
        for value in [
            "",
            "HANDOFF",
            "flow:",
            "flow:Order",
            "flow:a;b",
            "slot:a=",
            "slot:=x",
            "slot:a=b=c",
            "slot:a=b\nc",
            "flow:../x",
            &long,
        ] {
            assert_eq!(Press::parse(value), None, "{value:?}");
        }
    }
}
