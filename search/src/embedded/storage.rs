//! Documents at rest: one tantivy document each, which holds the words, the whole document and its vector. So text and
//! vector come and go in one commit and cannot disagree after a crash.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use doorstep_core::{
    Language,
    search::{DocumentKind, SearchDocument, SearchFilters},
};
use serde::{Deserialize, de::DeserializeOwned};
use tantivy::{
    DocAddress, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument,
    TantivyError, Term,
    directory::MmapDirectory,
    indexer::{IndexWriterOptions, LogMergePolicy},
    schema::{
        Field, IndexRecordOption, NumericOptions, STORED, STRING, Schema, TextFieldIndexing,
        TextOptions, Value,
    },
};

use super::facets;
use crate::analysis::{Analyser, filter_key};

/// Of the stored form and of the analysis: raise it when either changes, and every index is filled anew.
const FORMAT: u32 = 3;

/// The column of what is counted.
pub(super) const VALUES: &str = "values";

/// The least tantivy allows for an indexing thread; it is taken for the time of a write only.
const WRITER_BYTES: usize = 15_000_000;

/// So many segments of one size become one. Every search looks each word up in each segment, and writes are rare.
const MERGED_SEGMENTS: usize = 4;

/// As much of a text as is made searchable by word; a passage or a description is far shorter.
const MAX_INDEXED_BYTES: usize = 64 * 1024;

/// Why an index could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be used.
    #[error(
        "the search index in {path} cannot be opened: {source}; check that the directory can be written"
    )]
    Directory {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The vectors live in one process, so a second one would not see what this one writes.
    #[error("the search index in {0} is in use by another process; give each its own directory")]
    InUse(PathBuf),
    /// A fresh index could not be made.
    #[error("the search index cannot be created: {0}; check that the disk has room")]
    Create(String),
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        Self::Create(error.to_string())
    }
}

/// Why a read or a write failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StorageError {
    /// The engine said no.
    #[error(transparent)]
    Engine(#[from] TantivyError),
    /// What is stored is not what was written.
    #[error("the stored index is not whole: {0}")]
    Damaged(String),
    /// A document cannot be taken.
    #[error("document `{id}` is refused: {reason}")]
    Refused {
        /// Which one.
        id: String,
        /// Why.
        reason: String,
    },
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        Self::Engine(error.into())
    }
}

/// The fields of the schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    id: Field,
    /// What is searched by word, apart so that each field has a weight of its own.
    pub(super) title: Field,
    pub(super) body: Field,
    pub(super) brand: Field,
    pub(super) attributes: Field,
    /// The words of a product's title as they are written, for suggestions: a word begun has no stem yet.
    pub(super) names: Field,
    /// What filters ask for: [`brand_fact`] and [`attribute_fact`].
    pub(super) facts: Field,
    /// What is counted, as it is written.
    values: Field,
    /// The document's place in [`Contents`](super::contents::Contents).
    number: Field,
    document: Field,
    vector: Field,
}

impl Fields {
    fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer("whitespace")
            .set_index_option(IndexRecordOption::WithFreqs);
        let words = TextOptions::default().set_indexing_options(words);
        let exact = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic);
        let fields = Self {
            id: schema.add_text_field("id", STRING),
            title: schema.add_text_field("title", words.clone()),
            body: schema.add_text_field("body", words.clone()),
            brand: schema.add_text_field("brand", words.clone()),
            attributes: schema.add_text_field("attributes", words.clone()),
            names: schema.add_text_field("names", words),
            facts: schema
                .add_text_field("facts", TextOptions::default().set_indexing_options(exact)),
            values: schema.add_text_field(VALUES, TextOptions::default().set_fast("raw")),
            number: schema.add_u64_field("number", NumericOptions::default().set_fast()),
            document: schema.add_bytes_field("document", STORED),
            vector: schema.add_bytes_field("vector", STORED),
        };
        (schema.build(), fields)
    }

    /// The fields whose words are searched.
    pub(super) fn words(self) -> [Field; 4] {
        [self.title, self.body, self.brand, self.attributes]
    }
}

/// Parts the name and the value of a fact; no text holds it once it is normalised.
const FACT: char = '\u{1f}';

/// What is indexed of a brand.
pub(crate) fn brand_fact(brand: &str) -> String {
    format!("brand{FACT}{}", filter_key(brand))
}

/// What is indexed of an attribute's value.
pub(crate) fn attribute_fact(name: &str, value: &str) -> String {
    format!("{FACT}{}{FACT}{}", filter_key(name), filter_key(value))
}

/// What `filters` wants to be there: of each group of facts one.
pub(crate) fn wanted_facts(filters: &SearchFilters) -> Vec<Vec<String>> {
    let brand = filters.brand.iter().map(|brand| vec![brand_fact(brand)]);
    let attributes = filters.attributes.iter().map(|(name, values)| {
        let facts = values.iter().map(|value| attribute_fact(name, value));
        facts.collect()
    });
    brand.chain(attributes).collect()
}

/// An opened tantivy index.
pub(super) struct Storage {
    index: Index,
    reader: IndexReader,
    pub(super) fields: Fields,
    /// Written into every commit: of which format it is and which model made its vectors.
    label: String,
    /// Made by the first write and kept: between writes it holds almost nothing, while a new one for every write would
    /// spread its memory over new threads, of which the system's allocator gives little back.
    writer: Mutex<Option<IndexWriter>>,
    /// Held while the index lives.
    _lock: Option<File>,
}

/// A document to write, with what is remembered of it.
pub(super) struct Change {
    pub(super) number: usize,
    pub(super) document: SearchDocument,
    /// Of unit length.
    pub(super) vector: Option<Vec<f32>>,
}

/// The folder inside the given directory that is ours to remove.
pub(super) fn home(directory: &Path) -> PathBuf {
    directory.join("embedded")
}

/// Locks `directory` for this process, creating it if needed.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Directory {
        path: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("embedded.lock"))
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

impl Storage {
    /// An empty index that lives as long as the process.
    pub(super) fn in_memory() -> Result<Self, StorageError> {
        let (schema, fields) = Fields::schema();
        Self::over(Index::create_in_ram(schema), fields, String::new())
    }

    /// The index in `home`, or `None` where there is none yet.
    pub(super) fn open(home: &Path, model: &str) -> Result<Option<Self>, StorageError> {
        if !home.exists() {
            return Ok(None);
        }
        let directory = MmapDirectory::open(home).map_err(TantivyError::from)?;
        let index = Index::open(directory)?;
        let (schema, fields) = Fields::schema();
        let label = label(model);
        let found = index.load_metas()?.payload.unwrap_or_default();
        if found != label || index.schema() != schema {
            return Err(StorageError::Damaged(format!(
                "it was written as `{found}`, this program writes `{label}`"
            )));
        }
        let damaged = index.validate_checksum()?;
        if let Some(file) = damaged.iter().next() {
            return Err(StorageError::Damaged(format!(
                "the checksum of {} is wrong",
                file.display()
            )));
        }
        Self::over(index, fields, label).map(Some)
    }

    /// An empty index in `home`; what was there is removed.
    pub(super) fn create(home: &Path, model: &str) -> Result<Self, StorageError> {
        if home.exists() {
            fs::remove_dir_all(home)?;
        }
        fs::create_dir_all(home)?;
        let (schema, fields) = Fields::schema();
        let directory = MmapDirectory::open(home).map_err(TantivyError::from)?;
        let index = Index::create(directory, schema, tantivy::IndexSettings::default())?;
        let storage = Self::over(index, fields, label(model))?;
        storage.write(&[], &[])?;
        Ok(storage)
    }

    fn over(index: Index, fields: Fields, label: String) -> Result<Self, StorageError> {
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(8)
            .try_into()?;
        Ok(Self {
            index,
            reader,
            fields,
            label,
            writer: Mutex::default(),
            _lock: None,
        })
    }

    /// Keeps `lock` until the index is dropped.
    pub(super) fn holding(mut self, lock: File) -> Self {
        self._lock = Some(lock);
        self
    }

    /// What is committed now.
    pub(super) fn searcher(&self) -> Result<Searcher, StorageError> {
        self.reader.reload()?;
        Ok(self.reader.searcher())
    }

    /// Removes and writes in one commit.
    pub(super) fn write(&self, removed: &[String], changes: &[Change]) -> Result<(), StorageError> {
        let mut kept = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out and put back only after a success: after a failure the next write starts with a fresh one, and
        // dropping this one forgets what it had not committed.
        let mut writer = match kept.take() {
            Some(writer) => writer,
            None => self.new_writer()?,
        };
        for id in removed {
            writer.delete_term(Term::from_field_text(self.fields.id, id));
        }
        for change in changes {
            let id = &change.document.id;
            writer.delete_term(Term::from_field_text(self.fields.id, id));
            writer.add_document(self.stored(change)?)?;
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&self.label);
        commit.commit()?;
        *kept = Some(writer);
        Ok(())
    }

    fn new_writer(&self) -> Result<IndexWriter, StorageError> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_BYTES)
            .build();
        let writer = self.index.writer_with_options(options)?;
        let mut merging = LogMergePolicy::default();
        merging.set_min_num_segments(MERGED_SEGMENTS);
        writer.set_merge_policy(Box::new(merging));
        Ok(writer)
    }

    fn stored(&self, change: &Change) -> Result<TantivyDocument, StorageError> {
        let document = &change.document;
        let json = serde_json::to_vec(document).map_err(|error| StorageError::Refused {
            id: document.id.clone(),
            reason: error.to_string(),
        })?;
        let mut stored = TantivyDocument::new();
        stored.add_text(self.fields.id, &document.id);
        self.add_words(&mut stored, document);
        stored.add_u64(self.fields.number, change.number as u64);
        stored.add_bytes(self.fields.document, &json);
        if let Some(vector) = &change.vector {
            let bytes: Vec<u8> = vector
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            stored.add_bytes(self.fields.vector, &bytes);
        }
        Ok(stored)
    }

    fn add_words(&self, stored: &mut TantivyDocument, document: &SearchDocument) {
        let fields = self.fields;
        let analyser = Analyser::of(&document.language);
        let attributes = document.attributes.values().flatten();
        stored.add_text(fields.title, words(analyser, [&document.title]));
        stored.add_text(fields.body, words(analyser, [&document.body]));
        stored.add_text(fields.brand, words(analyser, &document.brand));
        stored.add_text(fields.attributes, words(analyser, attributes));
        if document.kind == DocumentKind::Product {
            stored.add_text(fields.names, words(Analyser::Plain, [&document.title]));
        }
        if let Some(brand) = &document.brand {
            stored.add_text(fields.facts, brand_fact(brand));
        }
        for (name, values) in &document.attributes {
            for value in values {
                stored.add_text(fields.facts, attribute_fact(name, value));
            }
        }
        for value in facets::values_of(document) {
            stored.add_text(fields.values, value);
        }
    }
}

/// Reads a document back, with its vector.
pub(super) fn read(
    searcher: &Searcher,
    fields: Fields,
    address: DocAddress,
) -> Result<SearchDocument, StorageError> {
    let stored: TantivyDocument = searcher.doc(address)?;
    let mut document: SearchDocument = parse(&stored, fields)?;
    let vector = stored.get_first(fields.vector);
    document.vector = vector
        .as_ref()
        .and_then(|value| value.as_bytes())
        .map(floats);
    Ok(document)
}

/// What a hit shows of a document; attributes, of which some have a hundred, are passed over.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) language: Language,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) source: String,
}

/// Reads what a hit shows.
pub(super) fn read_shown(
    searcher: &Searcher,
    fields: Fields,
    address: DocAddress,
) -> Result<Shown, StorageError> {
    parse(&searcher.doc(address)?, fields)
}

fn parse<T: DeserializeOwned>(stored: &TantivyDocument, fields: Fields) -> Result<T, StorageError> {
    let json = stored.get_first(fields.document);
    let json = json.as_ref().and_then(|value| value.as_bytes());
    serde_json::from_slice(json.unwrap_or_default())
        .map_err(|error| StorageError::Damaged(format!("a document is unreadable: {error}")))
}

/// The number of every document of a segment, deleted ones included.
pub(super) fn numbers(searcher: &Searcher, segment: u32) -> Result<Vec<u32>, StorageError> {
    let reader = searcher.segment_reader(segment);
    let numbers = reader.fast_fields().u64("number")?;
    let mut found = Vec::with_capacity(reader.max_doc() as usize);
    for document in 0..reader.max_doc() {
        let number = numbers.first(document).and_then(|n| u32::try_from(n).ok());
        found.push(
            number.ok_or_else(|| StorageError::Damaged("a document has no number".to_owned()))?,
        );
    }
    Ok(found)
}

fn label(model: &str) -> String {
    format!("format {FORMAT}, vectors of {model}")
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

/// The words of `texts` as they are indexed.
fn words<'t>(analyser: Analyser, texts: impl IntoIterator<Item = &'t String>) -> String {
    let mut words = String::new();
    for text in texts {
        for word in analyser.document_words(text, MAX_INDEXED_BYTES) {
            words.push_str(&word.term);
            words.push(' ');
        }
    }
    words
}
