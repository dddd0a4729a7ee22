//! An index of the stand-in: its documents and their vectors.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Done, Failed, Object, filter, tasks::Addition};

#[derive(Default, Clone)]
pub(super) struct Index {
    pub(super) primary_key: Option<String>,
    pub(super) settings: Object,
    /// In the order they came first.
    pub(super) documents: Vec<Document>,
}

/// Several for each embedder, or `None` where the document does without.
type Vectors = BTreeMap<String, Option<Vec<Vec<f32>>>>;

#[derive(Clone)]
pub(super) struct Document {
    pub(super) key: String,
    pub(super) fields: Object,
    pub(super) vectors: Vectors,
}

impl Document {
    pub(super) fn vectors_of(&self, embedder: &str) -> &[Vec<f32>] {
        let vectors = self.vectors.get(embedder).and_then(Option::as_deref);
        vectors.unwrap_or_default()
    }

    /// Its fields, or those of `wanted`, and where asked for its vectors.
    pub(super) fn shown(&self, wanted: Option<&[Value]>, with_vectors: bool) -> Object {
        let is_wanted =
            |name: &str| wanted.is_none_or(|all| all.iter().any(|one| *one == name || *one == "*"));
        let fields = self.fields.iter().filter(|(name, _)| is_wanted(name));
        let mut shown: Object = fields.map(|(k, v)| (k.clone(), v.clone())).collect();
        if with_vectors {
            let vectors = self.vectors.iter().filter_map(|(name, vectors)| {
                let vectors = json!({ "embeddings": vectors.as_ref()?, "regenerate": false });
                Some((name.clone(), vectors))
            });
            shown.insert("_vectors".to_owned(), Value::Object(vectors.collect()));
        }
        shown
    }
}

impl Index {
    pub(super) fn embedders(&self) -> impl Iterator<Item = (&String, &Value)> {
        let embedders = self.settings.get("embedders").and_then(Value::as_object);
        embedders.into_iter().flatten()
    }

    /// How long the vectors of an embedder are.
    pub(super) fn dimensions(&self, embedder: &str) -> Option<usize> {
        let found = self.embedders().find(|(name, _)| *name == embedder);
        Some(found?.1["dimensions"].as_u64()? as usize)
    }

    pub(super) fn embedded_documents(&self) -> usize {
        let has_any = |document: &&Document| document.vectors.values().any(Option::is_some);
        self.documents.iter().filter(has_any).count()
    }

    pub(super) fn stats(&self) -> Value {
        let mut distribution: BTreeMap<&String, usize> = BTreeMap::new();
        for name in self.documents.iter().flat_map(|one| one.fields.keys()) {
            *distribution.entry(name).or_default() += 1;
        }
        let sizes = self
            .documents
            .iter()
            .map(|one| json!(one.fields).to_string().len());
        let size: usize = sizes.sum();
        let vectors = self.documents.iter().flat_map(|one| one.vectors.values());
        let vectors: usize = vectors.flatten().map(Vec::len).sum();
        json!({
            "numberOfDocuments": self.documents.len(), "isIndexing": false,
            "rawDocumentDbSize": size, "avgDocumentSize": size / self.documents.len().max(1),
            "numberOfEmbeddings": vectors,
            "numberOfEmbeddedDocuments": self.embedded_documents(),
            "fieldDistribution": distribution,
        })
    }

    /// Writes documents; nothing is to be kept where one is refused.
    pub(super) fn add(&mut self, uid: &str, addition: &Addition) -> Done {
        let guessed = addition.documents.first().and_then(|first| {
            let names = first.keys();
            names.into_iter().find(|name| name.ends_with("id"))
        });
        let key = self.primary_key.clone();
        let key = key.or(addition.primary_key.clone()).or(guessed.cloned());
        let key = key.unwrap_or_else(|| "id".to_owned());
        let mut written = BTreeSet::new();
        for fields in &addition.documents {
            written.insert(self.put(uid, &key, fields.clone(), addition.is_update)?);
        }
        self.primary_key = Some(key);
        let is_written = |document: &&Document| written.contains(&document.key);
        self.embeds(uid, self.documents.iter().filter(is_written))
    }

    /// Writes one document and returns its key.
    fn put(
        &mut self,
        uid: &str,
        primary_key: &str,
        mut fields: Object,
        is_update: bool,
    ) -> Result<String, Failed> {
        let key = key_of(&fields, primary_key)?;
        let given = fields.remove("_vectors").unwrap_or_default();
        let mut vectors = BTreeMap::new();
        for (name, given) in given.as_object().into_iter().flatten() {
            vectors.insert(name.clone(), vectors_of(given));
        }
        self.fit(uid, &key, &vectors)?;
        let found = self
            .documents
            .iter_mut()
            .find(|document| document.key == key);
        match found {
            Some(found) if is_update => {
                found.fields.extend(fields);
                found.vectors.extend(vectors);
            }
            Some(found) => (found.fields, found.vectors) = (fields, vectors),
            None => self.documents.push(Document {
                key: key.clone(),
                fields,
                vectors,
            }),
        }
        Ok(key)
    }

    /// Whether vectors are as long as they have to be.
    fn fit(&self, uid: &str, key: &str, vectors: &Vectors) -> Done {
        for (name, vectors) in vectors {
            let Some(wanted) = self.dimensions(name) else {
                continue;
            };
            for (number, vector) in vectors.iter().flatten().enumerate() {
                let found = vector.len();
                if found != wanted {
                    return Err(Failed::new(
                        "invalid_vector_dimensions",
                        format!(
                            "Index `{uid}`: Invalid vector dimensions in document with id `{key}` in `._vectors.{name}`.\n  \
                             - note: embedding #{number} has dimensions {found}\n  \
                             - note: embedder `{name}` requires {wanted}"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether documents say of every embedder what their vectors are, or that they have none.
    pub(super) fn embeds<'a>(
        &self,
        uid: &str,
        documents: impl Iterator<Item = &'a Document> + Clone,
    ) -> Done {
        for (name, _) in self.embedders() {
            let mut without = documents
                .clone()
                .filter(|document| !document.vectors.contains_key(name));
            let Some(first) = without.next() else {
                continue;
            };
            let others = match without.count() {
                0 => String::new(),
                others => format!(" and at least {others} other document(s)"),
            };
            return Err(Failed::new(
                "vector_embedding_error",
                format!(
                    "Index `{uid}`: While embedding documents for embedder `{name}`: no vectors provided for document \
                     `{}`{others}\n- Note: `{name}` has `source: userProvided`, so documents must provide embeddings as an \
                     array in `_vectors.{name}`.\n- Hint: opt-out for a document with `_vectors.{name}: null`",
                    first.key
                ),
            ));
        }
        Ok(())
    }

    /// Removes documents and returns how many there were.
    pub(super) fn remove(&mut self, is_gone: impl Fn(&Document) -> bool) -> usize {
        let before = self.documents.len();
        self.documents.retain(|document| !is_gone(document));
        before - self.documents.len()
    }

    /// The documents that fulfil every condition; `code` is that of a filter which cannot be used.
    pub(super) fn filtered(
        &self,
        uid: &str,
        filter: &Value,
        code: &'static str,
    ) -> Result<Vec<&Document>, Failed> {
        let names = self.settings.get("filterableAttributes");
        let names = names.and_then(Value::as_array).cloned().unwrap_or_default();
        let conditions = filter::conditions(filter);
        if let Some(wrong) = conditions
            .iter()
            .find(|one| !names.contains(&json!(one.name)))
        {
            let names: Vec<String> = names
                .iter()
                .map(|name| format!("`{}`", name.as_str().unwrap()))
                .collect();
            let message = format!(
                "Index `{uid}`: Attribute `{}` is not filterable. Available filterable attribute patterns are: {}.",
                wrong.name,
                names.join(", ")
            );
            return Err(Failed::new(code, message));
        }
        let holds = |document: &&Document| {
            let mut conditions = conditions.iter();
            conditions.all(|condition| condition.holds(&document.fields))
        };
        Ok(self.documents.iter().filter(holds).collect())
    }

    /// A page of documents.
    pub(super) fn fetch(&self, uid: &str, asked: &Value) -> Result<Value, Failed> {
        let offset = asked["offset"].as_u64().unwrap_or(0) as usize;
        let limit = asked["limit"].as_u64().unwrap_or(20) as usize;
        let found = self.filtered(uid, &asked["filter"], "invalid_document_filter")?;
        let fields = asked["fields"].as_array().map(Vec::as_slice);
        let page = found.iter().skip(offset).take(limit);
        let page: Vec<Object> = page
            .map(|document| document.shown(fields, asked["retrieveVectors"] == true))
            .collect();
        Ok(json!({ "results": page, "offset": offset, "limit": limit, "total": found.len() }))
    }
}

/// Under which key a document is stored.
fn key_of(fields: &Object, primary_key: &str) -> Result<String, Failed> {
    match fields.get(primary_key) {
        Some(Value::String(text)) if is_key(text) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(other) => Err(Failed::new(
            "invalid_document_id",
            format!(
                "Document identifier `{other}` is invalid. A document identifier can be of type integer or string, \
                 only composed of alphanumeric characters (a-z A-Z 0-9), hyphens (-) and underscores (_), and can \
                 not be more than 511 bytes."
            ),
        )),
        None => Err(Failed::new(
            "missing_document_id",
            format!(
                "Document doesn't have a `{primary_key}` attribute: `{}`.",
                json!(fields)
            ),
        )),
    }
}

fn is_key(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= 511 && text.bytes().all(is_allowed)
}

/// Vectors as a document may give them: none, one, several, or several as `embeddings`.
fn vectors_of(given: &Value) -> Option<Vec<Vec<f32>>> {
    let given = given.get("embeddings").unwrap_or(given);
    if given.is_null() {
        return None;
    }
    let several = serde_json::from_value(given.clone());
    Some(several.unwrap_or_else(|_| vec![serde_json::from_value(given.clone()).unwrap()]))
}
