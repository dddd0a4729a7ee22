//! Products for words of which the last is only begun.

use std::collections::HashMap;

use doorstep_core::search::Suggestion;
use tantivy::{DocSet, TERMINATED, Term, schema::IndexRecordOption};

use super::{snapshot::Snapshot, storage::StorageError, words::REMOVED};
use crate::{analysis::Analyser, ranking::Best};

/// As many words of a prefix are looked up.
const MAX_WORDS: usize = 8;
/// As many words of the index are tried for a begun one.
const MAX_ENDINGS: usize = 64;
const MAX_SUGGESTIONS: usize = 50;

impl Snapshot {
    /// The products whose titles hold every word of `prefix`, the last of which may be only begun: what is in stock first,
    /// then the shortest title, which is mostly that word.
    pub(super) fn suggest(
        &self,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<Suggestion>, StorageError> {
        let limit = limit.min(MAX_SUGGESTIONS);
        let mut words = Analyser::Plain.words(prefix, usize::MAX);
        words.truncate(MAX_WORDS);
        let Some(last) = words.pop() else {
            return Ok(Vec::new());
        };
        let is_begun = !prefix.ends_with(char::is_whitespace);
        let mut held: HashMap<u32, usize> = HashMap::new();
        let endings = match is_begun {
            true => self.endings(&last.term)?,
            false => vec![last.term],
        };
        for number in self.named_by(&endings)? {
            held.insert(number, 0);
        }
        for word in &words {
            for number in self.named_by(std::slice::from_ref(&word.term))? {
                if let Some(held) = held.get_mut(&number) {
                    *held += 1;
                }
            }
        }
        let mut numbers: Vec<u32> = held
            .into_iter()
            .filter(|(_, held)| *held == words.len())
            .map(|(number, _)| number)
            .collect();
        numbers.sort_unstable();
        let mut best = Best::new(limit);
        for number in numbers {
            let place = number as usize;
            let is_in_stock = self
                .contents
                .facts(place)
                .is_some_and(|facts| facts.in_stock);
            let length = self.name_length(place)?;
            best.offer(
                place,
                1000.0 * f32::from(u8::from(is_in_stock)) - length as f32,
            );
        }
        let mut suggestions = Vec::with_capacity(limit);
        for (number, _) in best.sorted() {
            let document = self.document(number)?;
            suggestions.push(Suggestion {
                id: document.id.clone(),
                title: document.title.clone(),
            });
        }
        Ok(suggestions)
    }

    /// The words of the index that begin with `term`.
    fn endings(&self, term: &str) -> Result<Vec<String>, StorageError> {
        let mut found = Vec::new();
        for reader in self.searcher.segment_readers() {
            let index = reader.inverted_index(self.fields.names)?;
            let mut terms = index.terms().range().ge(term.as_bytes()).into_stream()?;
            while terms.advance() && terms.key().starts_with(term.as_bytes()) {
                found.push((
                    terms.value().doc_freq,
                    String::from_utf8_lossy(terms.key()).into_owned(),
                ));
            }
        }
        // The word itself first, then the frequent ones; a word of several segments may stand twice, which does no harm.
        found.sort_by(|a, b| (b.1 == term).cmp(&(a.1 == term)).then(b.0.cmp(&a.0)));
        found.truncate(MAX_ENDINGS);
        Ok(found.into_iter().map(|(_, word)| word).collect())
    }

    /// The documents with any of `terms` in their names; one may come more than once.
    fn named_by(&self, terms: &[String]) -> Result<Vec<u32>, StorageError> {
        let mut found = std::collections::BTreeSet::new();
        for term in terms {
            let term = Term::from_field_text(self.fields.names, term);
            for (reader, numbers) in self.searcher.segment_readers().iter().zip(&self.numbers) {
                let index = reader.inverted_index(self.fields.names)?;
                let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)?
                else {
                    continue;
                };
                let mut document = postings.doc();
                while document != TERMINATED {
                    found.insert(numbers[document as usize]);
                    document = postings.advance();
                }
            }
        }
        found.remove(&REMOVED);
        Ok(found.into_iter().collect())
    }

    /// How many words a product's title has.
    fn name_length(&self, number: usize) -> Result<u32, StorageError> {
        let address = self.address(number)?;
        let reader = self.searcher.segment_reader(address.segment_ord);
        let lengths = reader.get_fieldnorms_reader(self.fields.names)?;
        Ok(lengths.fieldnorm(address.doc_id))
    }
}
