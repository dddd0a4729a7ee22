//! Searching by words, by vectors, and by both.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Contents, Failed, Object,
    index::{Document, Index},
};

const REQUEST: &str = "00000000-0000-7000-8000-000000000000";

/// A document that was found.
struct Found<'a> {
    document: &'a Document,
    score: f64,
    /// Its score by the rules that count before the order that is asked for.
    before_sort: f64,
    details: Value,
    is_semantic: bool,
}

/// What was found, best first.
struct List<'a> {
    all: Vec<Found<'a>>,
    /// Whether it is said how many hits are there for their vectors.
    counts_semantic: bool,
}

/// What `hybrid` and `vector` of a query ask for.
struct Semantic<'a> {
    embedder: &'a str,
    vector: Option<Vec<f32>>,
    ratio: f64,
}

impl Index {
    pub(super) fn search(&self, uid: &str, query: &Value) -> Result<Value, Failed> {
        let number = |name: &str| query[name].as_u64().map(|number| number as usize);
        let list = self.list(uid, query)?;
        let total = list.all.len();
        let per_page = number("hitsPerPage");
        let limit = per_page.or(number("limit")).unwrap_or(20);
        let page = number("page").unwrap_or(1);
        let offset = match per_page {
            Some(size) => (page - 1) * size,
            None => number("offset").unwrap_or(0),
        };
        let threshold = query["rankingScoreThreshold"].as_f64().unwrap_or(0.0);
        let good = list.all.iter().filter(|found| found.score >= threshold);
        let shown: Vec<&Found<'_>> = good.skip(offset).take(limit).collect();
        let hits: Vec<Object> = shown.iter().map(|found| found.shown(query)).collect();
        let mut answer = json!({
            "hits": hits, "query": query["q"].as_str().unwrap_or_default(),
            "processingTimeMs": 0, "requestUid": REQUEST,
        });
        match per_page {
            Some(size) => {
                answer["hitsPerPage"] = json!(size);
                answer["page"] = json!(page);
                answer["totalPages"] = json!(total.div_ceil(size));
                answer["totalHits"] = json!(total);
            }
            None => {
                answer["limit"] = json!(limit);
                answer["offset"] = json!(offset);
                answer["estimatedTotalHits"] = json!(total);
            }
        }
        if list.counts_semantic {
            let semantic = shown.iter().filter(|found| found.is_semantic).count();
            answer["semanticHitCount"] = json!(semantic);
        }
        if query["retrieveVectors"] == true && query["vector"].is_array() {
            answer["queryVector"] = query["vector"].clone();
        }
        if query["showPerformanceDetails"] == true {
            answer["performanceDetails"] = json!({ "search": "0.00µs" });
        }
        if let Some(names) = query["facets"].as_array() {
            let all: Vec<&Document> = list.all.iter().map(|found| found.document).collect();
            let (distribution, stats) = self.facets(uid, names, &all)?;
            answer["facetDistribution"] = distribution;
            answer["facetStats"] = stats;
        }
        Ok(answer)
    }

    /// The documents whose vectors are like that of one.
    pub(super) fn similar(&self, uid: &str, query: &Value) -> Result<Value, Failed> {
        let id = match &query["id"] {
            Value::String(id) => id.clone(),
            id => id.to_string(),
        };
        let embedder = query["embedder"].as_str().unwrap_or_default();
        let own = self.documents.iter().find(|document| document.key == id);
        let own = own.ok_or_else(|| {
            Failed::new(
                "not_found_similar_id",
                format!("Document `{id}` not found."),
            )
        })?;
        let among = self.filtered(uid, &query["filter"], "invalid_similar_filter")?;
        let others = among
            .into_iter()
            .filter(|other| other.key != own.key && !other.vectors_of(embedder).is_empty());
        let vector = own.vectors_of(embedder).first().cloned();
        let found = by_meaning(others, embedder, &vector.unwrap_or_default());
        let limit = query["limit"].as_u64().unwrap_or(20) as usize;
        let hits: Vec<Object> = found
            .iter()
            .take(limit)
            .map(|one| one.shown(query))
            .collect();
        Ok(json!({
            "hits": hits, "id": id, "processingTimeMs": 0, "limit": limit, "offset": 0,
            "estimatedTotalHits": found.len(),
        }))
    }

    fn list(&self, uid: &str, query: &Value) -> Result<List<'_>, Failed> {
        let asked = query["q"].as_str().unwrap_or_default();
        let semantic = self.semantic(query, asked)?;
        let among = self.filtered(uid, &query["filter"], "invalid_search_filter")?;
        let sort = self.sort(uid, &query["sort"])?;
        let by_word = || -> Vec<Found<'_>> {
            let found = among.iter().filter_map(|document| {
                let matched = match asked.trim() {
                    "" => None,
                    _ => Some(self.matched(&document.fields, query)?),
                };
                Some(Found {
                    document,
                    score: matched.as_ref().map_or(1.0, |matched| matched.score()),
                    before_sort: matched
                        .as_ref()
                        .map_or(1.0, |matched| matched.before_sort()),
                    details: matched.map_or(json!({}), |matched| matched.details()),
                    is_semantic: false,
                })
            });
            let mut found: Vec<Found<'_>> = found.collect();
            found.sort_by(|a, b| b.score.total_cmp(&a.score));
            sort.apply(&mut found, |one| (&one.document.fields, one.before_sort));
            found
        };
        let Some(semantic) = semantic else {
            let all = by_word();
            return Ok(List {
                all,
                counts_semantic: false,
            });
        };
        let vector = semantic.vector.filter(|_| semantic.ratio > 0.0);
        let Some(vector) = vector else {
            return Ok(List {
                all: by_word(),
                counts_semantic: semantic.ratio > 0.0 && !asked.is_empty(),
            });
        };
        let by_vector = by_meaning(among.iter().copied(), semantic.embedder, &vector);
        let all = if asked.is_empty() || semantic.ratio == 1.0 {
            by_vector
        } else {
            let by_vector = by_vector.into_iter();
            let has_vector =
                |found: &Found<'_>| !found.document.vectors_of(semantic.embedder).is_empty();
            let weighed = by_vector
                .filter(has_vector)
                .map(|found| (found.score * semantic.ratio, found));
            let by_word = by_word().into_iter();
            let by_word = by_word.map(|found| (found.score * (1.0 - semantic.ratio), found));
            best_of(weighed.chain(by_word).collect())
                .into_iter()
                .map(|(_, found)| found)
                .collect()
        };
        Ok(List {
            all,
            counts_semantic: true,
        })
    }

    fn semantic<'a>(&self, query: &'a Value, asked: &str) -> Result<Option<Semantic<'a>>, Failed> {
        let vector: Option<Vec<f32>> = serde_json::from_value(query["vector"].clone()).unwrap();
        let hybrid = match &query["hybrid"] {
            Value::Null if vector.is_some() => {
                return Err(Failed::new(
                    "missing_search_hybrid",
                    "Invalid request: missing `hybrid` parameter when `vector` or `media` are present.",
                ));
            }
            Value::Null => return Ok(None),
            hybrid => hybrid,
        };
        let embedder = hybrid["embedder"].as_str().ok_or_else(|| {
            Failed::new(
                "invalid_search_hybrid_query",
                "Missing field `embedder` inside `.hybrid`",
            )
        })?;
        let ratio = hybrid["semanticRatio"].as_f64().unwrap_or(0.5);
        if !(0.0..=1.0).contains(&ratio) {
            return Err(Failed::new(
                "invalid_search_semantic_ratio",
                "Invalid value at `.hybrid.semanticRatio`: the value of `semanticRatio` is invalid, expected a float \
                 between `0.0` and `1.0`.",
            ));
        }
        let expected = self.dimensions(embedder).ok_or_else(|| {
            let message = format!("Cannot find embedder with name `{embedder}`.");
            Failed::new("invalid_search_embedder", message)
        })?;
        match vector.as_ref().map(Vec::len) {
            Some(found) if found != expected => Err(Failed::new(
                "invalid_vector_dimensions",
                format!("Invalid vector dimensions: expected: `{expected}`, found: `{found}`."),
            )),
            None if ratio == 1.0 && !asked.is_empty() => Err(Failed::new(
                "vector_embedding_error",
                format!(
                    "Error while generating embeddings: user error: attempt to embed the following text in a \
                     configuration where embeddings must be user provided:\n  - `{asked}`"
                ),
            )),
            _ => Ok(Some(Semantic {
                embedder,
                vector,
                ratio,
            })),
        }
    }
}

impl Found<'_> {
    fn shown(&self, query: &Value) -> Object {
        let wanted = query["attributesToRetrieve"].as_array();
        let with_vectors = query["retrieveVectors"] == true;
        let mut hit = self.document.shown(wanted.map(Vec::as_slice), with_vectors);
        if query["showRankingScore"] == true {
            hit.insert("_rankingScore".to_owned(), json!(self.score));
        }
        if query["showRankingScoreDetails"] == true {
            hit.insert("_rankingScoreDetails".to_owned(), self.details.clone());
        }
        hit
    }
}

impl Contents {
    /// Several searches, each answered apart or all as one list.
    pub(super) fn multi_search(&self, body: &Value) -> Result<Value, Failed> {
        let queries = body["queries"].as_array().cloned().unwrap_or_default();
        if !body["federation"].is_null() {
            return self.federated(&queries, &body["federation"]);
        }
        let mut results = Vec::new();
        for query in &queries {
            let uid = query["indexUid"].as_str().unwrap();
            let mut answer = self.index(uid)?.search(uid, query)?;
            answer["indexUid"] = json!(uid);
            results.push(answer);
        }
        Ok(json!({ "results": results }))
    }

    fn federated(&self, queries: &[Value], federation: &Value) -> Result<Value, Failed> {
        let mut all = Vec::new();
        let mut of_query = BTreeMap::new();
        for (position, query) in queries.iter().enumerate() {
            let uid = query["indexUid"].as_str().unwrap();
            let weight = query["federationOptions"]["weight"].as_f64().unwrap_or(1.0);
            for found in self.index(uid)?.list(uid, query)?.all {
                of_query.insert((found.document.key.clone(), found.is_semantic), position);
                all.push((found.score * weight, found));
            }
        }
        let all = best_of(all);
        let total = all.len();
        let limit = federation["limit"].as_u64().unwrap_or(20) as usize;
        let shown: Vec<&(f64, Found<'_>)> = all.iter().take(limit).collect();
        let hits: Vec<Object> = shown
            .iter()
            .map(|(score, found)| {
                let position = of_query[&(found.document.key.clone(), found.is_semantic)];
                let mut hit = found.shown(&queries[position]);
                let federation = json!({
                    "indexUid": queries[position]["indexUid"], "queriesPosition": position,
                    "weightedRankingScore": score,
                });
                hit.insert("_federation".to_owned(), federation);
                hit
            })
            .collect();
        let semantic = shown.iter().filter(|(_, found)| found.is_semantic).count();
        Ok(json!({
            "hits": hits, "processingTimeMs": 0, "limit": limit, "offset": 0,
            "estimatedTotalHits": total, "requestUid": REQUEST, "semanticHitCount": semantic,
        }))
    }
}

/// Each document once, where it stands best; best first.
fn best_of(mut all: Vec<(f64, Found<'_>)>) -> Vec<(f64, Found<'_>)> {
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut seen = BTreeSet::new();
    all.retain(|(_, found)| seen.insert(found.document.key.clone()));
    all
}

/// By the nearest of their vectors; documents without one end the list.
fn by_meaning<'a>(
    among: impl Iterator<Item = &'a Document>,
    embedder: &str,
    vector: &[f32],
) -> Vec<Found<'a>> {
    let score = |document: &Document| {
        let own = document.vectors_of(embedder).iter();
        own.map(|own| (1.0 + cosine(own, vector)) / 2.0)
            .fold(0.0, f64::max)
    };
    let found = among.map(|document| {
        let score = score(document);
        Found {
            document,
            score,
            before_sort: score,
            details: json!({ "vectorSort": { "order": 0, "similarity": score } }),
            is_semantic: true,
        }
    });
    let mut found: Vec<Found<'_>> = found.collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
