//! Button values in a callback's data, which holds 64 bytes at most
//! (<https://core.telegram.org/bots/api#inlinekeyboardbutton>).
//!
//! A short value goes as it is. A longer one stays here, under a key made from it alone: the same value has the same key
//! after a restart and on every instance, and the button works for as long as the store keeps it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Bytes that a callback's data may have.
const MAX_DATA: usize = 64;

/// Bytes of the hash that make a key: enough that no two values share one.
const KEY_BYTES: usize = 24;

/// What a button carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data<'a> {
    /// Its value.
    Value(&'a str),
    /// The name under which its value is stored.
    Stored(&'a str),
}

/// The data for a value.
pub(super) fn data(value: &str) -> String {
    match stored_under(value) {
        Some(name) => format!("#{name}"),
        None => format!("={value}"),
    }
}

/// The name under which a value has to be stored before a button with it is sent; `None` when it is short.
pub(super) fn stored_under(value: &str) -> Option<String> {
    if value.len() < MAX_DATA {
        return None;
    }
    let hash = Sha256::digest(value.as_bytes());
    Some(format!(
        "button:{}",
        URL_SAFE_NO_PAD.encode(&hash[..KEY_BYTES])
    ))
}

/// Reads a button's data; `None` when it is not one of ours.
pub(super) fn read(data: &str) -> Option<Data<'_>> {
    match data.split_at_checked(1)? {
        ("=", value) if !value.is_empty() => Some(Data::Value(value)),
        ("#", name) if name.starts_with("button:") => Some(Data::Stored(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn data_always_fits_and_says_what_it_stands_for(value in "\\PC{1,100}") {
            let data = data(&value);
            prop_assert!((1..=MAX_DATA).contains(&data.len()));
            match read(&data).unwrap() {
                Data::Value(read) => prop_assert_eq!(read, &value),
                Data::Stored(name) => prop_assert_eq!(Some(name.to_owned()), stored_under(&value)),
            }
        }

        #[test]
        fn foreign_data_is_never_taken_for_ours(data in "\\PC{0,64}") {
            if !data.starts_with(['=', '#']) {
                prop_assert_eq!(read(&data), None);
            }
        }
    }
}
