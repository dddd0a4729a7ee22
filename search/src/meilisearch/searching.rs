//! A search: the lists that the server is asked for, in two or three rounds, and what is chosen from them.

use std::collections::BTreeSet;

use doorstep_core::search::{Facet, Facets, SearchAnswer, SearchHit, SearchQuery, SearchSort};
use meilisearch_sdk::search::Selectors;
use serde_json::Value;

use super::{
    Inner, MAX_LIMIT,
    documents::{SHOWN, Stored, among, conditions, field_of},
    lists::{Batch, Lists},
    question::Question,
    ranking::{self, Ranked},
    server::{Index, ServerError},
};
use crate::{facets::Tally, ranking::sort};

/// How deep each list goes at least.
const MIN_DEPTH: usize = 100;
/// How deep the lists go from which hits are sorted by price and counted.
const ALL_DEPTH: usize = 500;
/// As much of a query's text as is read.
const MAX_QUERY_BYTES: usize = 2048;
/// The field of prices.
const PRICE: &str = "price";

impl Inner {
    pub(super) async fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, ServerError> {
        let index = self.prepared().await?;
        let limit = query.limit.min(MAX_LIMIT);
        let read = query.text.floor_char_boundary(MAX_QUERY_BYTES);
        let question = Question::read(
            &query.text[..read],
            self.analysers(query).into_iter(),
            &self.synonyms(),
        );
        let vector = self.comparable(query);
        let filter = conditions(query.kind, query.language.as_ref(), &query.filters);
        if limit == 0 && query.facets.is_empty() {
            return Ok(SearchAnswer::default());
        }
        if question.is_empty() && vector.is_none() {
            return self.by_filters_alone(index, query, &filter, limit).await;
        }
        let lists = self.lists(index, query, &question, &filter).await?;
        let guesses = question.guesses(&lists);
        let wanted = question.wanted(&lists, &guesses);
        let ranked = ranking::ranked(&lists, &wanted, vector.is_some());
        let mut facets = None;
        let mut shown: Vec<&Ranked<'_>> = ranked.iter().collect();
        if query.is_about_all() {
            let mut good = ranking::good_enough(&ranked);
            if !query.facets.is_empty() {
                facets = Some(self.facets_of(index, &good, &query.facets).await?);
            }
            if query.sort != SearchSort::Relevance {
                sort(&mut good, query.sort, |one| one.stored.price);
                shown = good;
            }
        }
        let hits = shown.into_iter().take(limit).map(Ranked::hit);
        Ok(SearchAnswer {
            hits: hits.collect(),
            facets,
        })
    }

    /// Everything that words and meaning find.
    async fn lists(
        &self,
        index: &Index,
        query: &SearchQuery,
        question: &Question,
        filter: &[String],
    ) -> Result<Lists, ServerError> {
        let vector = self.comparable(query);
        let depth = query.limit.clamp(MIN_DEPTH, MAX_LIMIT);
        let batch = |depth: usize| Batch::new(filter, vector, depth);
        let mut lists = Lists::default();
        let mut first = batch(depth);
        first.count();
        for term in question.terms() {
            first.word(term);
        }
        if vector.is_some() {
            first.meaning();
        }
        self.ask(index, first, &mut lists).await?;

        let is_about_all = query.is_about_all();
        let mut second = batch(if is_about_all {
            depth.max(ALL_DEPTH)
        } else {
            depth
        });
        for held in question.held(&lists) {
            if held.len() > 1 || (is_about_all && !held.is_empty()) {
                second.all(&held);
            }
            if let Some(order) = order(query.sort)
                && !held.is_empty()
            {
                second.all_by(&held, order);
            }
        }
        let mut parts = BTreeSet::new();
        let guesses = question.guesses(&lists);
        for guess in &guesses {
            if guess.is_typo {
                second.typo(&guess.term);
            }
            parts.extend(guess.parts.iter().flatten());
        }
        for part in parts {
            second.word(part);
        }
        self.ask(index, second, &mut lists).await?;

        if vector.is_some() {
            self.compare(index, batch(depth), &mut lists).await?;
        }
        Ok(lists)
    }

    /// The similarity of what the words found and the vector list did not reach.
    async fn compare(
        &self,
        index: &Index,
        mut batch: Batch<'_>,
        lists: &mut Lists,
    ) -> Result<(), ServerError> {
        let is_without = |stored: &&Stored| {
            stored.model == self.config.model && !lists.similarities.contains_key(&stored.id)
        };
        let without = lists.candidates.values().filter(is_without);
        let without: Vec<&str> = without.map(|stored| stored.id.as_str()).collect();
        for keys in without.chunks(MIN_DEPTH) {
            batch.similarity(among(keys.iter().copied()));
        }
        self.ask(index, batch, lists).await
    }

    async fn ask(
        &self,
        index: &Index,
        batch: Batch<'_>,
        lists: &mut Lists,
    ) -> Result<(), ServerError> {
        if batch.is_empty() {
            return Ok(());
        }
        let request = batch.request(index);
        let answers = index.client.execute_multi_search_query(&request).await?;
        lists.take(&batch, answers, &self.config.model);
        Ok(())
    }

    /// Without words and vector, filters alone choose; what can be bought stands first.
    async fn by_filters_alone(
        &self,
        index: &Index,
        query: &SearchQuery,
        filter: &[String],
        limit: usize,
    ) -> Result<SearchAnswer, ServerError> {
        let filters = &query.filters;
        let is_narrow = filters.min_price.is_some()
            || filters.max_price.is_some()
            || filters.in_stock
            || filters.brand.is_some()
            || !filters.attributes.is_empty();
        if !is_narrow && query.sort == SearchSort::Relevance {
            let none = (!query.facets.is_empty()).then(|| none_of(&query.facets));
            return Ok(SearchAnswer {
                facets: none,
                ..SearchAnswer::default()
            });
        }
        let by_price = order(query.sort).map(|order| [order]);
        let filter: Vec<&str> = filter.iter().map(String::as_str).collect();
        let mut fetch = index.search();
        fetch
            .with_query("")
            .with_attributes_to_retrieve(Selectors::Some(&SHOWN))
            .with_limit(limit);
        if let Some(by_price) = &by_price {
            fetch.with_sort(by_price);
        }
        fetch.with_array_filter(filter.clone());
        let found = fetch.execute::<Stored>().await?;
        let mut found: Vec<Stored> = found.hits.into_iter().map(|hit| hit.result).collect();
        if by_price.is_none() {
            found.sort_by_key(|stored| !stored.in_stock);
        }
        let hit = |stored: Stored| {
            let score = f32::from(u8::from(stored.in_stock));
            stored.into_hit(score, None)
        };
        let facets = match query.facets.as_slice() {
            [] => None,
            wanted => Some(self.counted(index, filter, wanted).await?),
        };
        let hits: Vec<SearchHit> = found.into_iter().map(hit).collect();
        Ok(SearchAnswer { hits, facets })
    }

    /// What there is among these documents.
    async fn facets_of(
        &self,
        index: &Index,
        documents: &[&Ranked<'_>],
        wanted: &[Facet],
    ) -> Result<Facets, ServerError> {
        if documents.is_empty() {
            return Ok(none_of(wanted));
        }
        let keys = documents.iter().map(|one| one.stored.id.as_str());
        let among = among(keys);
        let mut facets = self.counted(index, vec![among.as_str()], wanted).await?;
        let prices = documents.iter().filter_map(|one| one.stored.price);
        facets.prices = prices.collect();
        facets.prices.sort_unstable();
        Ok(facets)
    }

    /// What there is among the documents that fulfil `filter`, as the server counts it.
    async fn counted(
        &self,
        index: &Index,
        filter: Vec<&str>,
        wanted: &[Facet],
    ) -> Result<Facets, ServerError> {
        let fields: Vec<String> = wanted.iter().map(field_of).collect();
        let asked: Vec<&str> = fields.iter().map(String::as_str).chain([PRICE]).collect();
        let mut query = index.search();
        query
            .with_query("")
            .with_limit(0)
            .with_facets(Selectors::Some(&asked))
            .with_array_filter(filter);
        let answer = query.execute::<Value>().await?;
        let distribution = answer.facet_distribution.unwrap_or_default();
        let values_of = |field: &str| distribution.get(field).into_iter().flatten();
        let mut tally = Tally::of(wanted);
        for (facet, field) in wanted.iter().zip(&fields) {
            for (value, count) in values_of(field) {
                tally.add(facet, value, *count);
            }
        }
        let whole = |price: f64| price.round() as i64;
        let mut prices: Vec<i64> = values_of(PRICE)
            .filter_map(|(price, count)| Some((whole(price.parse().ok()?), *count)))
            .flat_map(|(price, count)| std::iter::repeat_n(price, count))
            .collect();
        // Of many different prices it tells the most frequent ones, and always the range.
        let stats = answer.facet_stats.unwrap_or_default();
        let range = stats.get(PRICE).map(|stats| [stats.min, stats.max]);
        for end in range.into_iter().flatten().map(whole) {
            if !prices.contains(&end) {
                prices.push(end);
            }
        }
        prices.sort_unstable();
        Ok(Facets {
            count: answer.estimated_total_hits.unwrap_or_default(),
            prices,
            values: tally.told(),
        })
    }
}

/// Nothing has been found.
fn none_of(wanted: &[Facet]) -> Facets {
    Facets {
        values: Tally::of(wanted).told(),
        ..Facets::default()
    }
}

/// An order other than the best first, as the server is told it.
fn order(sort: SearchSort) -> Option<&'static str> {
    match sort {
        SearchSort::Relevance => None,
        SearchSort::PriceAscending => Some("price:asc"),
        SearchSort::PriceDescending => Some("price:desc"),
    }
}
