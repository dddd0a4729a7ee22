//! Every decision Doorstep makes: what to answer, what to tell unasked, and that each happens once.
//!
//! | module | what it decides |
//! |---|---|
//! | [`store`] | what is durable; every transaction of both roads is one function there |
//! | [`inbound`] | admission of messages, one lane a conversation |
//! | [`router`], [`dialogue`] | what a message means for the conversation and what is answered |
//! | [`flows`], `actions` | what is done about an intent, as merchants write it |
//! | [`intents`] | merchants' own intents and answers |
//! | [`imported`] | what is answered of products that a feed brought |
//! | [`knowledge`], [`synonyms`] | what the search index holds of a shop, and which words mean one thing |
//! | [`notify`], [`eta`] | which news a customer hears, where, in which language, when |
//! | [`phrasing`] | whether a language model's wording of an answer may be seen |
//! | [`poll`] | which parcels a carrier is asked for, and when again |
//! | [`delivery`] | that a message leaves once |
//! | [`templates`] | the words, as merchants edit them |
//! | [`page_token`], [`second_factor`] | who may open a customer's pages and an order |
//! | [`queue`] | what is asked of the job queue |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod actions;
pub mod attachments;
pub mod delivery;
pub mod dialogue;
pub mod enrich;
pub mod eta;
pub mod flows;
pub mod imported;
pub mod inbound;
pub mod intents;
pub mod knowledge;
pub mod link;
pub mod notify;
pub mod page_token;
pub mod phrasing;
pub mod poll;
pub mod queue;
pub mod router;
pub mod second_factor;
pub mod store;
pub mod synonyms;
pub mod templates;
#[cfg(test)]
mod testing;
pub mod told;
pub mod turn;
mod yaml;

pub use store::{Store, StoreError};
