//! Finds products and passages by word and by meaning: [`SearchIndex`](doorstep_core::search::SearchIndex).
//!
//! [`EmbeddedIndex`] needs nothing beside the program. It makes two lists and fuses them (`docs/search.md` has the figures):
//!
//! - **by word**: BM25F over the stems of title, brand, attributes and text, with synonyms. Each document is read in its own
//!   language, and so is the query once for each language the documents are written in. A long word that no document holds
//!   is taken for a typo and looked up one edit away.
//! - **by meaning**: the cosine of the query's vector with that of every document, an exact scan over quantised vectors.
//! - **fused by score**: a weighted sum of both, each on a scale of its own. A fused score orders hits and says nothing else;
//!   whether a hit answers the question is told by `similarity` and `word_share`.
//!
//! [`MeilisearchIndex`] gives a server the same words and vectors, asks it for each list apart, and ranks what it finds by the
//! same rules.
//!
//! Filters apply to both lists alike. Without words and vector, filters alone choose; without those there is no hit, unless
//! all there is is wanted by price. What is sorted by price and what is counted for facets are the hits that are good enough,
//! by one rule for all engines ([`SearchSort`](doorstep_core::search::SearchSort)).
//!
//! Text, facts and vector of a document are one stored record in one commit. Vectors and what most filters need are kept in
//! memory (about 1 kB a document at 384 dimensions), the rest stays on disk. A document that comes again with the text it
//! had needs no vector: `known` says which, and the index keeps what it has.
//!
//! To add an engine: a module beside `embedded` that implements `SearchIndex`, `search_index_conformance!` in its tests, and
//! a line where the front door picks one. The vendor's types stay inside the module. Engines that merge the two lists
//! themselves should be asked for each list apart, and merged here: how they are merged matters more than which engine
//! made them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod analysis;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod embedded;
mod facets;
mod meilisearch;
mod ranking;
mod standby;
mod synonyms;

pub use embedded::{EmbeddedIndex, OpenError};
#[cfg(feature = "stand-in")]
pub use meilisearch::stand_in;
pub use meilisearch::{MeilisearchConfig, MeilisearchConfigError, MeilisearchIndex};
pub use standby::Standby;
pub use synonyms::Synonyms;
