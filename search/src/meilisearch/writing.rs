//! Writes documents, so that one which the server refuses holds up no other.

use std::collections::BTreeMap;

use doorstep_core::search::SearchDocument;
use serde_json::Value;

use super::{
    CHUNK, Inner,
    documents::{Sent, is_key, keys},
    server::ServerError,
};
use crate::analysis::Analyser;

/// How often a document is sent again that the server refused for another one's sake.
const MAX_REPEATS: usize = 3;

impl Inner {
    pub(super) async fn upsert(&self, documents: Vec<SearchDocument>) -> Result<(), ServerError> {
        if documents.is_empty() {
            return Ok(());
        }
        self.prepared().await?;
        for document in &documents {
            self.learn(document.kind, [Analyser::of(&document.language)]);
        }
        let without = documents
            .iter()
            .filter(|document| document.vector.is_none());
        let without: Vec<String> = without.map(|document| document.id.clone()).collect();
        let known = self.known(&without).await?;
        // Of two with one id the last counts.
        let mut sent: BTreeMap<String, Sent> = BTreeMap::new();
        for document in documents {
            let document = Sent::of(document, &known, &self.config.model);
            sent.insert(document.stored.id.clone(), document);
        }
        let (refused, sent): (Vec<Sent>, Vec<Sent>) = sent
            .into_values()
            .partition(|sent| !is_key(&sent.stored.id));
        let mut last = None;
        for refused in &refused {
            let error = ServerError::Refused {
                code: "invalid_document_id".to_owned(),
                message: "an id has 1 byte to about 500".to_owned(),
            };
            last = Some(told(&refused.stored.document, error));
        }
        // A task that replaces a document drops its vector, one that updates it keeps it.
        let (kept, replaced): (Vec<Sent>, Vec<Sent>) =
            sent.into_iter().partition(|sent| sent.keeps_vector);
        let mut taken = 0;
        for chunk in replaced.chunks(CHUNK).chain(kept.chunks(CHUNK)) {
            let (some, error) = self.put(chunk).await?;
            taken += some;
            last = error.or(last);
        }
        match last {
            Some(error) if taken == 0 => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes documents; where the task fails, each half apart, until what is refused stands alone and its neighbours are
    /// written. Returns how many were taken, and why one was not.
    async fn put(&self, documents: &[Sent]) -> Result<(usize, Option<ServerError>), ServerError> {
        let (mut taken, mut last) = (0, None);
        let mut waiting = vec![documents];
        while let Some(documents) = waiting.pop() {
            let done = match documents {
                [one] => self.put_one(one).await,
                _ => self.write(documents).await,
            };
            match (done, documents) {
                (Ok(()), _) => taken += documents.len(),
                (Err(error @ ServerError::Refused { .. }), [one]) => {
                    last = Some(told(&one.stored.document, error));
                }
                (Err(ServerError::Refused { .. }), _) => {
                    let (first, second) = documents.split_at(documents.len() / 2);
                    waiting.extend([second, first]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok((taken, last))
    }

    /// Writes one document, again where it was refused for what another instance wrote at the same time.
    async fn put_one(&self, document: &Sent) -> Result<(), ServerError> {
        let mut done = self.write(std::slice::from_ref(document)).await;
        for _ in 0..MAX_REPEATS {
            match &done {
                Err(error) if error.blames_another(&document.stored.id) => {
                    done = self.write(std::slice::from_ref(document)).await;
                }
                _ => break,
            }
        }
        done
    }

    /// Writes documents that all keep their vectors or all do not.
    async fn write(&self, documents: &[Sent]) -> Result<(), ServerError> {
        let (server, index) = (&self.server, &self.index);
        let bodies: Vec<Value> = documents.iter().map(Sent::json).collect();
        if documents.iter().any(|document| document.keeps_vector) {
            server.done(index.add_or_update(&bodies, None)).await
        } else {
            server.done(index.add_or_replace(&bodies, None)).await
        }
    }

    pub(super) async fn delete(&self, ids: &[String]) -> Result<(), ServerError> {
        let index = self.prepared().await?;
        for chunk in keys(ids).chunks(CHUNK) {
            self.server.done(index.delete_documents(chunk)).await?;
        }
        Ok(())
    }
}

/// Says in the log which document the server refused.
fn told(id: &str, error: ServerError) -> ServerError {
    let id: String = id.chars().take(80).collect();
    tracing::warn!(%id, %error, "a document is not searchable");
    error
}
