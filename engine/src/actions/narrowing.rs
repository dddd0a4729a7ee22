//! What a message adds to a search of before ("in blue?", "in M?", "wool?"), as filters on the catalog's own values.
//!
//! Catalogs call their attributes and values as they like, in their own language. Which there are is counted over what the
//! search finds, and which of them is the colour that was said is told by who reads colours in messages.

use std::collections::BTreeMap;

use doorstep_core::{
    health::PortError,
    nlu::NluContext,
    product::{COLOUR_NAMES as COLOURS, SIZE_NAMES as SIZES},
    search::{Facet, Facets},
    understanding::{Entity, EntityKind},
};

use super::{
    Call, catalog,
    searching::{self, CatalogWords, Wanted},
};
use crate::dialogue::{memory::Search, shown};

/// So many values are read for colours at once,
const READ_AT_ONCE: usize = 20;
/// with a word between them, so that no two are read as one.
const BETWEEN: &str = " x ";

/// What a message adds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Narrowing {
    /// Attributes of which one of the values must be there.
    pub(super) attributes: BTreeMap<String, Vec<String>>,
    /// What the customer wrote for them.
    pub(super) said: Option<String>,
    /// What is wished and nothing has, as the customer wrote it.
    pub(super) lacking: Option<String>,
    /// What is wished and no attribute says: words of the search.
    pub(super) words: Vec<String>,
}

/// Reads what the message adds to `search`, whose words are `words`, by what it names of these kinds. A colour or a size that
/// was wished before is let go for another one.
pub(super) async fn read(
    call: &Call<'_>,
    search: &mut Search,
    words: &CatalogWords,
    kinds: &[EntityKind],
) -> Result<Narrowing, PortError> {
    let mut narrowing = Narrowing::default();
    let entities = call.scene.understanding.entities.iter();
    let said: Vec<&Entity> = entities
        .filter(|entity| kinds.contains(&entity.kind) && !shown::is_kind(entity))
        .collect();
    let says = |kind| said.iter().any(|entity| entity.kind == kind);
    let mut wanted = Vec::new();
    if says(EntityKind::Colour) {
        wanted.extend(COLOURS);
    }
    if says(EntityKind::Size) {
        wanted.extend(SIZES);
    }
    search
        .attributes
        .retain(|name, _| !wanted.contains(&name.as_str()));
    let counted = match wanted.is_empty() {
        true => Facets::default(),
        false => count(call, search, words, &wanted).await?,
    };
    for entity in said {
        let written = call
            .scene
            .waiting
            .text
            .get(entity.start..entity.end)
            .unwrap_or(&entity.value);
        match entity.kind {
            EntityKind::Colour => {
                let values = values(&counted, &COLOURS);
                let found = of_colour(call, &values, &entity.value);
                if values.is_empty() {
                    narrowing.words.push(written.to_owned());
                } else if found.is_empty() {
                    narrowing.lacking = Some(written.to_owned());
                } else {
                    narrowing.add(written, found);
                }
            }
            EntityKind::Size => {
                let values = values(&counted, &SIZES);
                let is_it = |value: &str| catalog::is_size(value, &entity.value);
                narrowing.add(written, fitting(&values, is_it));
            }
            _ => {
                if let Some((name, value)) = entity.value.split_once('=') {
                    narrowing.add(written, vec![(name.to_owned(), value.to_owned())]);
                }
            }
        }
    }
    Ok(narrowing)
}

impl Narrowing {
    /// One of these values, for what the customer wrote.
    fn add(&mut self, written: &str, values: Vec<(String, String)>) {
        // Of several attributes that say the same, one: all of them together no product has.
        let Some(name) = values.first().map(|(name, _)| name.clone()) else {
            return;
        };
        let own = values.into_iter().filter(|(own, _)| *own == name);
        let own = own.map(|(_, value)| value);
        self.said = Some(written.to_owned());
        self.attributes
            .entry(name.to_lowercase())
            .or_default()
            .extend(own);
    }
}

/// The colours that a search wishes for, in the catalog's words.
pub(super) fn colours(search: &Search) -> Vec<String> {
    let attributes = search.attributes.iter();
    attributes
        .filter(|(name, _)| COLOURS.contains(&name.to_lowercase().as_str()))
        .flat_map(|(_, values)| values.iter().cloned())
        .collect()
}

/// The values that the attributes `names` have among what the search finds.
async fn count(
    call: &Call<'_>,
    search: &Search,
    words: &CatalogWords,
    names: &[&str],
) -> Result<Facets, PortError> {
    let facets = names
        .iter()
        .map(|name| Facet::Attribute((*name).to_owned()));
    let wanted = Wanted {
        filters: searching::filters(search),
        facets: facets.collect(),
        ..Wanted::default()
    };
    let found = searching::search(call, words, wanted).await?;
    Ok(found.facets.unwrap_or_default())
}

/// Attribute and value of everything that was counted under these names.
fn values(counted: &Facets, names: &[&str]) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for (facet, own) in &counted.values {
        if let Facet::Attribute(name) = facet
            && names.contains(&name.as_str())
        {
            values.extend(own.iter().map(|value| (name.clone(), value.value.clone())));
        }
    }
    values
}

fn fitting(values: &[(String, String)], is_it: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let fitting = values.iter().filter(|(_, value)| is_it(value));
    fitting.cloned().collect()
}

/// Those of a catalog's values that are the colour of this English base word: `blue`, `blue stripe`, `Azul`.
pub(super) fn of_colour(
    call: &Call<'_>,
    values: &[(String, String)],
    base: &str,
) -> Vec<(String, String)> {
    let named = fitting(values, |value| {
        format!(" {} ", value.to_lowercase()).contains(&format!(" {base} "))
    });
    if !named.is_empty() {
        return named;
    }
    // In another language than English.
    let some = values.chunks(READ_AT_ONCE);
    some.flat_map(|values| read_as_colour(call, values, base))
        .collect()
}

/// Those of some values that are read as the colour in messages.
fn read_as_colour(
    call: &Call<'_>,
    values: &[(String, String)],
    base: &str,
) -> Vec<(String, String)> {
    let mut text = String::new();
    let mut places = Vec::with_capacity(values.len());
    for (_, value) in values {
        places.push((text.len(), text.len() + value.len()));
        text.push_str(value);
        text.push_str(BETWEEN);
    }
    let parts = call.scene.parts;
    let context = NluContext {
        language_hint: Some(parts.shop_profile.default_language.clone()),
        time_zone: parts.time_zone_of(call.scene.waiting),
        now: call.scene.now,
    };
    let read = parts.nlu.understand_by_rules(&text, &context);
    let is_it = |place: &(usize, usize)| {
        let mut entities = read.entities.iter();
        entities.any(|entity| {
            entity.kind == EntityKind::Colour
                && entity.value == base
                && (entity.start, entity.end) == *place
        })
    };
    let found = values.iter().zip(&places).filter(|(_, place)| is_it(place));
    found.map(|(value, _)| value.clone()).collect()
}
