//! Counting the values of documents. A column holds them as ordinals of a sorted dictionary, so that no document is read.

use std::{
    collections::{BTreeMap, HashMap},
    ops::{Bound, RangeBounds},
};

use doorstep_core::search::{Facet, FacetValue, SearchDocument};
use tantivy::{DocAddress, DocId, Searcher};

use super::storage::{StorageError, VALUES};
use crate::{analysis::filter_key, facets::Tally};

/// Parts the name of a facet and a value; no text holds it once it is normalised.
const PART: char = '\u{1f}';
/// What comes right after it.
const AFTER_PART: char = '\u{20}';

/// How the brand is named in the column.
const BRAND: &str = "brand";

/// A longer value is a text, and tells nothing apart.
const MAX_VALUE_BYTES: usize = 100;

/// What is kept of a document's brand and attributes, each value once.
pub(super) fn values_of(document: &SearchDocument) -> Vec<String> {
    let brand = document.brand.iter();
    let brand = brand.map(|brand| (BRAND.to_owned(), brand));
    let attributes = document.attributes.iter();
    let attributes = attributes.flat_map(|(name, values)| {
        let name = attribute_name(name);
        values.iter().map(move |value| (name.clone(), value))
    });
    let mut kept: Vec<(String, String)> = Vec::new();
    for (name, value) in brand.chain(attributes) {
        let value = value.trim();
        let key = format!("{name}{PART}{}", filter_key(value));
        let is_known = kept.iter().any(|(known, _)| *known == key);
        if !value.is_empty() && value.len() <= MAX_VALUE_BYTES && !is_known {
            kept.push((key, format!("{name}{PART}{value}")));
        }
    }
    kept.into_iter().map(|(_, kept)| kept).collect()
}

/// How an attribute is named in the column, whatever its case.
fn attribute_name(name: &str) -> String {
    format!("attribute {}", filter_key(name))
}

fn name_of(facet: &Facet) -> String {
    match facet {
        Facet::Brand => BRAND.to_owned(),
        Facet::Attribute(name) => attribute_name(name),
    }
}

/// How many of the documents have which values of `wanted`.
pub(super) fn count(
    searcher: &Searcher,
    documents: impl Iterator<Item = DocAddress>,
    wanted: &[Facet],
) -> Result<BTreeMap<Facet, Vec<FacetValue>>, StorageError> {
    let mut by_segment: HashMap<u32, Vec<DocId>> = HashMap::new();
    for address in documents {
        let segment = by_segment.entry(address.segment_ord).or_default();
        segment.push(address.doc_id);
    }
    let mut tally = Tally::of(wanted);
    for (segment, documents) in by_segment {
        count_segment(searcher, segment, &documents, wanted, &mut tally)?;
    }
    Ok(tally.told())
}

fn count_segment(
    searcher: &Searcher,
    segment: u32,
    documents: &[DocId],
    wanted: &[Facet],
    tally: &mut Tally,
) -> Result<(), StorageError> {
    let reader = searcher.segment_reader(segment);
    let Some(column) = reader.fast_fields().str(VALUES)? else {
        return Ok(());
    };
    let mut ranges = Vec::with_capacity(wanted.len());
    for facet in wanted {
        let name = name_of(facet);
        let (first, end) = (format!("{name}{PART}"), format!("{name}{AFTER_PART}"));
        let range = column
            .dictionary()
            .term_bounds_to_ord(Bound::Included(first), Bound::Excluded(end))?;
        ranges.push((facet, range));
    }
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for document in documents {
        for ordinal in column.term_ords(*document) {
            *counts.entry(ordinal).or_default() += 1;
        }
    }
    let mut text = String::new();
    for (ordinal, count) in counts {
        let own = ranges.iter().find(|(_, range)| range.contains(&ordinal));
        let Some((facet, _)) = own else { continue };
        if column.ord_to_str(ordinal, &mut text)?
            && let Some((_, value)) = text.split_once(PART)
        {
            tally.add(facet, value, count);
        }
    }
    Ok(())
}
