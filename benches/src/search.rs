//! How fast the embedded index is, and how much memory it takes, at any size: `--search DOCUMENTS`.
//!
//! Texts and vectors are made up: words by Zipf's law, as in catalogs, and vectors that point anywhere, which is the worst
//! case for whatever leaves some of them out. How good the order is, `doorstep eval search` measures on real products.

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use doorstep_core::{
    Language, Timestamp,
    search::{DocumentKind, SearchDocument, SearchFilters, SearchIndex, SearchQuery, SearchSort},
};
use doorstep_search::EmbeddedIndex;

use crate::{Outcome, figures::Spread, machine};

/// As long as the vectors of the model that ships.
const DIMENSIONS: usize = 384;
/// Different words.
const VOCABULARY: f64 = 60_000.0;
/// Words of a title, of a text, and attributes of a product.
const TITLE: usize = 9;
const TEXT: usize = 20;
const ATTRIBUTES: usize = 12;
/// Products in one write.
const CHUNK: usize = 1024;
const WARM_UP: usize = 20;
const QUERIES: usize = 300;

/// The bounds, for an index of 200,000 products.
const MAX_P50_MS: f64 = 15.0;
const MAX_RSS_MB: f64 = 1000.0;

/// Repeatable numbers: a linear congruential generator (Knuth, MMIX).
struct Numbers(u64);

impl Numbers {
    /// 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A word; one of rank r comes about as often as 1 / r.
    fn word(&mut self) -> String {
        format!("w{}", VOCABULARY.powf(self.next()) as u64)
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSIONS)
            .map(|_| (self.next() + self.next() + self.next() - 1.5) as f32)
            .collect()
    }

    fn product(&mut self, number: usize) -> SearchDocument {
        let attributes: BTreeMap<String, Vec<String>> = (0..ATTRIBUTES)
            .map(|place| (format!("attribute {place}"), vec![self.word()]))
            .collect();
        SearchDocument {
            id: format!("p{number}"),
            kind: DocumentKind::Product,
            language: Language::ENGLISH,
            title: self.words(TITLE),
            body: self.words(TEXT),
            brand: Some(format!("brand {}", (self.next() * 300.0) as u32)),
            price: Some((self.next() * 100_000.0) as i64),
            in_stock: self.next() < 0.8,
            attributes,
            source: format!("catalog:p{number}"),
            as_of: Timestamp::default(),
            vector: Some(self.vector()),
        }
    }

    fn query(&mut self, filters: SearchFilters) -> SearchQuery {
        let words = 2 + (self.next() * 4.0) as usize;
        SearchQuery {
            text: self.words(words),
            vector: Some(self.vector()),
            kind: DocumentKind::Product,
            language: None,
            filters,
            sort: SearchSort::Relevance,
            facets: Vec::new(),
            limit: 10,
        }
    }
}

/// Measures and prints; exits with 1 if a bound is missed.
pub(crate) fn measure(documents: usize) -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let index = EmbeddedIndex::open(folder.path(), "made-up@1").await?;
        let mut numbers = Numbers(1);
        let started = Instant::now();
        let mut writing_s = 0.0;
        for first in (0..documents).step_by(CHUNK) {
            let chunk = first..documents.min(first + CHUNK);
            let products: Vec<SearchDocument> = chunk.map(|n| numbers.product(n)).collect();
            let writing = Instant::now();
            index.upsert(products).await?;
            writing_s += writing.elapsed().as_secs_f64();
        }
        println!("documents            {documents}");
        println!(
            "index                {writing_s:.1} s of {:.1} s",
            started.elapsed().as_secs_f64()
        );
        let narrow = SearchFilters {
            max_price: Some(20_000),
            in_stock: true,
            ..SearchFilters::default()
        };
        let all = ask(&index, &mut numbers, &SearchFilters::default()).await?;
        println!("search p50, p95      {:.2} ms, {:.2} ms", all.p50, all.p95);
        let filtered = ask(&index, &mut numbers, &narrow).await?;
        println!(
            "filtered p50, p95    {:.2} ms, {:.2} ms",
            filtered.p50, filtered.p95
        );
        let rss_mb = machine::rss_mb(std::process::id())?;
        println!("resident memory      {rss_mb:.0} MB");
        let is_met = all.p50 <= MAX_P50_MS && rss_mb <= MAX_RSS_MB;
        println!(
            "bounds               p50 ≤ {MAX_P50_MS} ms, memory ≤ {MAX_RSS_MB} MB: {}",
            if is_met { "met" } else { "missed" }
        );
        Ok(if is_met {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

async fn ask(
    index: &EmbeddedIndex,
    numbers: &mut Numbers,
    filters: &SearchFilters,
) -> Outcome<Spread> {
    let mut times = Vec::with_capacity(QUERIES);
    for number in 0..WARM_UP + QUERIES {
        let query = numbers.query(filters.clone());
        let started = Instant::now();
        index.search(&query).await?;
        if number >= WARM_UP {
            times.push(started.elapsed());
        }
    }
    Spread::of(&times).ok_or_else(|| "nothing was asked".into())
}
