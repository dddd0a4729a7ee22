//! Tasks: every write is one, and says only there what became of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Contents, Done, Failed, NOW, Object};

#[derive(Default)]
pub(super) struct Tasks {
    all: Vec<Task>,
    is_holding: bool,
    /// The writes of documents: `POST documents`.
    pub(super) writes: Vec<String>,
}

struct Task {
    index: Option<String>,
    kind: &'static str,
    details: Value,
    state: State,
}

enum State {
    /// Documents that wait.
    Waiting(Addition),
    Done(Done),
    Canceled,
}

/// Documents to be written.
#[derive(Clone)]
pub(super) struct Addition {
    pub(super) documents: Vec<Object>,
    /// Fields that are not named stay as they are.
    pub(super) is_update: bool,
    pub(super) primary_key: Option<String>,
}

impl Tasks {
    /// Adds a task that is done, and answers as its write does.
    pub(super) fn add(
        &mut self,
        index: Option<&str>,
        kind: &'static str,
        details: Value,
        done: Done,
    ) -> Value {
        self.push(Task {
            index: index.map(str::to_owned),
            kind,
            details,
            state: State::Done(done),
        })
    }

    fn push(&mut self, task: Task) -> Value {
        let answer = json!({
            "taskUid": self.all.len(), "indexUid": task.index, "status": "enqueued",
            "type": task.kind, "enqueuedAt": NOW,
        });
        self.all.push(task);
        answer
    }

    pub(super) fn cancel(&mut self) {
        for task in &mut self.all {
            if matches!(task.state, State::Waiting(_)) {
                task.state = State::Canceled;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let waits = |task: &&Task| matches!(task.state, State::Waiting(_));
        self.all.iter().filter(waits).count()
    }

    pub(super) fn one(&self, uid: &str) -> Result<Value, Failed> {
        let number = uid.parse().unwrap_or(usize::MAX);
        if number < self.all.len() {
            return Ok(self.json(number));
        }
        Err(Failed::new(
            "task_not_found",
            format!("Task `{uid}` not found."),
        ))
    }

    /// The tasks of an index or all, the latest first.
    pub(super) fn list(&self, index: Option<&String>, limit: usize) -> Value {
        let of_index =
            |number: &usize| index.is_none() || self.all[*number].index.as_ref() == index;
        let all: Vec<usize> = (0..self.all.len()).rev().filter(of_index).collect();
        let shown = all.iter().take(limit).map(|number| self.json(*number));
        json!({
            "results": shown.collect::<Vec<Value>>(), "total": all.len(), "limit": limit,
            "from": all.first(), "next": all.get(limit),
        })
    }

    /// The batches, the latest first: one a task.
    pub(super) fn batches(&self, limit: usize) -> Value {
        let batch = |number: usize| {
            let task = self.json(number);
            json!({
                "uid": number, "progress": null, "details": task["details"],
                "stats": { "totalNbTasks": 1 }, "startedAt": NOW, "finishedAt": NOW,
            })
        };
        let total = self.all.len();
        let shown = (0..total).rev().take(limit).map(batch);
        json!({
            "results": shown.collect::<Vec<Value>>(), "total": total, "limit": limit,
            "from": total.checked_sub(1), "next": total.checked_sub(limit + 1),
        })
    }

    fn json(&self, number: usize) -> Value {
        let task = &self.all[number];
        let (status, error) = match &task.state {
            State::Waiting(_) => ("enqueued", None),
            State::Canceled => ("canceled", None),
            State::Done(Ok(())) => ("succeeded", None),
            State::Done(Err(failed)) => ("failed", Some(failed.json())),
        };
        let at = (status != "enqueued").then_some(NOW);
        json!({
            "uid": number, "batchUid": at.map(|_| number), "indexUid": task.index,
            "status": status, "type": task.kind, "canceledBy": null, "details": task.details,
            "error": error, "duration": at.map(|_| "PT0.001S"), "enqueuedAt": NOW,
            "startedAt": at, "finishedAt": at,
        })
    }
}

impl Contents {
    /// Takes in documents, at once or when no longer held.
    pub(super) fn add_documents(&mut self, uid: &str, addition: Addition) -> Value {
        let tasks = &mut self.tasks;
        let method = if addition.is_update { "PUT" } else { "POST" };
        tasks.writes.push(format!("{method} documents"));
        let details = json!({
            "receivedDocuments": addition.documents.len(), "indexedDocuments": null,
        });
        let answer = tasks.push(Task {
            index: Some(uid.to_owned()),
            kind: "documentAdditionOrUpdate",
            details,
            state: State::Waiting(addition),
        });
        if !tasks.is_holding {
            self.take_waiting();
        }
        answer
    }

    /// Whether documents that come in wait.
    pub(super) fn hold(&mut self, is_holding: bool) {
        self.tasks.is_holding = is_holding;
        if !is_holding {
            self.take_waiting();
        }
    }

    /// Takes what waits for each index as one batch: what one task fails of, all do.
    fn take_waiting(&mut self) {
        let mut batches: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, task) in self.tasks.all.iter().enumerate() {
            if matches!(task.state, State::Waiting(_)) {
                let index = task.index.clone().unwrap();
                batches.entry(index).or_default().push(number);
            }
        }
        for (uid, numbers) in batches {
            let index = self.indexes.entry(uid.clone()).or_default();
            let mut changed = index.clone();
            let mut done = Ok(());
            for number in &numbers {
                if let State::Waiting(addition) = &self.tasks.all[*number].state {
                    done = done.and_then(|()| changed.add(&uid, addition));
                }
            }
            if done.is_ok() {
                *index = changed;
            }
            for number in numbers {
                let task = &mut self.tasks.all[number];
                let received = task.details["receivedDocuments"].clone();
                task.details["indexedDocuments"] = if done.is_ok() { received } else { json!(0) };
                task.state = State::Done(done.clone());
            }
        }
    }
}
