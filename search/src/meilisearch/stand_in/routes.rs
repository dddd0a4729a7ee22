//! Which request asks for what.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Contents, Failed, NOW, Object, index::Index, tasks::Addition};

/// Features that can be turned on; none is.
const EXPERIMENTS: [&str; 15] = [
    "metrics",
    "logsRoute",
    "editDocumentsByFunction",
    "containsFilter",
    "dynamicSearchRules",
    "network",
    "getTaskDocumentsRoute",
    "taskQueueCompactionRoute",
    "compositeEmbedders",
    "chatCompletions",
    "multimodal",
    "foreignKeys",
    "disableDocumentsFetchQueue",
    "legacySearch",
    "renderRoute",
];

/// A request whose key was right.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: Vec<&'a str>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Value,
}

impl Request<'_> {
    fn limit(&self) -> usize {
        let limit = self.query.get("limit").and_then(|limit| limit.parse().ok());
        limit.unwrap_or(20)
    }

    /// The documents of a write.
    fn documents(&self) -> Vec<Object> {
        let several = self.body.as_array().cloned();
        let documents = several.unwrap_or_else(|| vec![self.body.clone()]);
        let documents = documents.into_iter();
        documents
            .map(|document| document.as_object().unwrap().clone())
            .collect()
    }

    /// The query as the body of a request that asks the same.
    fn as_body(&self) -> Value {
        let mut body = json!({});
        for (name, value) in &self.query {
            let list = || value.split(',').collect::<Vec<&str>>();
            let number = || serde_json::from_str::<Value>(value).unwrap();
            match name.as_str() {
                "q" | "filter" => body[name] = json!(value),
                "vector" => body[name] = serde_json::from_str(&format!("[{value}]")).unwrap(),
                "hybridEmbedder" => body["hybrid"]["embedder"] = json!(value),
                "hybridSemanticRatio" => body["hybrid"]["semanticRatio"] = number(),
                "fields" | "attributesToRetrieve" => body[name] = json!(list()),
                _ => body[name] = number(),
            }
        }
        body
    }
}

impl Contents {
    pub(super) fn index(&self, uid: &str) -> Result<&Index, Failed> {
        self.indexes.get(uid).ok_or_else(|| Failed::no_index(uid))
    }

    pub(super) fn answer(&mut self, request: &Request<'_>) -> Answer {
        let body = &request.body;
        match (request.method, &request.path[..]) {
            ("GET", ["health"]) => Ok((200, json!({ "status": "available" }))),
            ("GET", ["version"]) => Ok((
                200,
                json!({ "commitSha": "0", "commitDate": NOW, "pkgVersion": "1.50.0" }),
            )),
            ("GET", ["experimental-features"]) => {
                let off = EXPERIMENTS.map(|name| (name.to_owned(), json!(false)));
                Ok((200, Value::Object(Object::from_iter(off))))
            }
            ("GET", ["stats"]) => Ok((200, self.stats())),
            ("GET", ["tasks", uid]) => Ok((200, self.tasks.one(uid)?)),
            ("GET", ["tasks"]) => {
                let index = request.query.get("indexUids");
                Ok((200, self.tasks.list(index, request.limit())))
            }
            ("GET", ["batches"]) => Ok((200, self.tasks.batches(request.limit()))),
            ("GET", ["keys"]) => Ok((
                200,
                json!({
                    "results": self.keys, "offset": 0, "limit": request.limit(),
                    "total": self.keys.len(),
                }),
            )),
            ("POST", ["keys"]) => Ok((201, self.create_key(body))),
            ("POST", ["multi-search"]) => Ok((200, self.multi_search(body)?)),
            ("POST", ["swap-indexes"]) => Ok((202, self.swap(body))),
            ("POST", ["indexes"]) => Ok((202, self.create(body))),
            ("DELETE", ["indexes", uid]) => Ok((202, self.delete(uid))),
            ("GET", ["indexes", uid, rest @ ..]) => Ok((200, self.read(uid, rest, request)?)),
            ("POST", ["indexes", uid, rest @ ("search" | "similar")])
            | ("POST", ["indexes", uid, "documents", rest @ "fetch"]) => {
                let index = self.index(uid)?;
                let answer = match *rest {
                    "search" => index.search(uid, body)?,
                    "similar" => index.similar(uid, body)?,
                    _ => index.fetch(uid, body)?,
                };
                Ok((200, answer))
            }
            (_, ["indexes", uid, rest @ ..]) => Ok((202, self.write(uid, rest, request)?)),
            _ => Err(Failed::new("not_found", "Not found")),
        }
    }

    /// What is read of an index.
    fn read(&self, uid: &str, rest: &[&str], request: &Request<'_>) -> Result<Value, Failed> {
        let index = self.index(uid)?;
        match rest {
            [] => Ok(json!({
                "uid": uid, "createdAt": NOW, "updatedAt": NOW, "primaryKey": index.primary_key,
            })),
            ["settings"] => Ok(index.all_settings()),
            ["settings", "embedders"] => Ok(index.all_settings()["embedders"].clone()),
            ["stats"] => Ok(index.stats()),
            ["search"] => index.search(uid, &request.as_body()),
            ["documents"] => index.fetch(uid, &request.as_body()),
            ["documents", key] => {
                let with_vectors = request.as_body()["retrieveVectors"] == true;
                let found = index.documents.iter().find(|document| document.key == *key);
                let found = found.map(|document| json!(document.shown(None, with_vectors)));
                let message = format!("Document `{key}` not found.");
                found.ok_or_else(|| Failed::new("document_not_found", message))
            }
            _ => Err(Failed::new("not_found", "Not found")),
        }
    }

    /// What is written into an index, which need not be there yet.
    fn write(&mut self, uid: &str, rest: &[&str], request: &Request<'_>) -> Result<Value, Failed> {
        let body = &request.body;
        match (request.method, rest) {
            (method @ ("POST" | "PUT"), ["documents"]) => {
                let addition = Addition {
                    documents: request.documents(),
                    is_update: method == "PUT",
                    primary_key: request.query.get("primaryKey").cloned(),
                };
                Ok(self.add_documents(uid, addition))
            }
            ("POST", ["documents", "delete-batch"]) => {
                let ids = body.as_array().unwrap();
                let keys: Vec<String> = ids.iter().map(key).collect();
                let index = self.indexes.entry(uid.to_owned()).or_default();
                let deleted = index.remove(|document| keys.contains(&document.key));
                let details = json!({
                    "providedIds": keys.len(), "deletedDocuments": deleted, "originalFilter": null,
                });
                let tasks = &mut self.tasks;
                Ok(tasks.add(Some(uid), "documentDeletion", details, Ok(())))
            }
            ("POST", ["documents", "delete"]) => {
                let filter = &body["filter"];
                let found = self
                    .index(uid)?
                    .filtered(uid, filter, "invalid_document_filter")?;
                let keys: Vec<String> = found.iter().map(|found| found.key.clone()).collect();
                let index = self.indexes.entry(uid.to_owned()).or_default();
                let deleted = index.remove(|document| keys.contains(&document.key));
                let details = json!({
                    "providedIds": 0, "deletedDocuments": deleted,
                    "originalFilter": filter.to_string(),
                });
                let tasks = &mut self.tasks;
                Ok(tasks.add(Some(uid), "documentDeletion", details, Ok(())))
            }
            ("PATCH", ["settings"]) => self.set(uid, body.clone()),
            ("PATCH", ["settings", part]) => self.set(uid, json!({ *part: body })),
            ("DELETE", ["settings", part]) => self.set(uid, json!({ *part: null })),
            _ => Err(Failed::new("not_found", "Not found")),
        }
    }

    fn set(&mut self, uid: &str, patch: Value) -> Result<Value, Failed> {
        let index = self.indexes.get(uid).cloned().unwrap_or_default();
        index.check_settings(&patch)?;
        let done = self
            .indexes
            .entry(uid.to_owned())
            .or_default()
            .set(uid, &patch);
        Ok(self.tasks.add(Some(uid), "settingsUpdate", patch, done))
    }

    fn create(&mut self, body: &Value) -> Value {
        let uid = body["uid"].as_str().unwrap();
        let primary_key = body["primaryKey"].as_str().map(str::to_owned);
        let details = json!({ "primaryKey": primary_key });
        let done = if self.indexes.contains_key(uid) {
            let message = format!("Index `{uid}` already exists.");
            Err(Failed::new("index_already_exists", message))
        } else {
            let index = Index {
                primary_key,
                ..Index::default()
            };
            self.indexes.insert(uid.to_owned(), index);
            Ok(())
        };
        self.tasks.add(Some(uid), "indexCreation", details, done)
    }

    fn delete(&mut self, uid: &str) -> Value {
        let removed = self.indexes.remove(uid);
        let documents = removed.as_ref().map_or(0, |index| index.documents.len());
        let details = json!({ "deletedDocuments": documents });
        let done = removed.map(|_| ()).ok_or_else(|| Failed::no_index(uid));
        self.tasks.add(Some(uid), "indexDeletion", details, done)
    }

    fn swap(&mut self, body: &Value) -> Value {
        let [first, second] = [0, 1].map(|place| body[0]["indexes"][place].as_str().unwrap());
        let done = match (self.indexes.get(first), self.indexes.get(second)) {
            (Some(a), Some(b)) => {
                let (a, b) = (a.clone(), b.clone());
                self.indexes.insert(first.to_owned(), b);
                self.indexes.insert(second.to_owned(), a);
                Ok(())
            }
            (None, _) => Err(Failed::no_index(first)),
            (_, None) => Err(Failed::no_index(second)),
        };
        let details = json!({ "swaps": body });
        self.tasks.add(None, "indexSwap", details, done)
    }

    fn stats(&self) -> Value {
        let indexes = self.indexes.iter();
        let indexes = indexes.map(|(uid, index)| (uid.clone(), index.stats()));
        json!({
            "databaseSize": 0, "usedDatabaseSize": 0, "lastUpdate": NOW,
            "indexes": Object::from_iter(indexes),
        })
    }

    fn create_key(&mut self, body: &Value) -> Value {
        let key = json!({
            "name": body["name"], "description": body["description"], "key": "another-key",
            "uid": "00000000-0000-4000-8000-000000000000", "actions": body["actions"],
            "indexes": body["indexes"], "expiresAt": body["expiresAt"], "createdAt": NOW,
            "updatedAt": NOW,
        });
        self.keys.push(key.clone());
        key
    }
}

/// A document's key as it is stored.
fn key(id: &Value) -> String {
    match id {
        Value::String(id) => id.clone(),
        id => id.to_string(),
    }
}
