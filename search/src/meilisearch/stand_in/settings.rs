//! Settings of an index and the embedders among them.

use serde_json::{Value, json};

use super::{Done, Failed, Object, index::Index};

impl Index {
    /// All settings.
    pub(super) fn all_settings(&self) -> Value {
        let mut all = json!({
            "displayedAttributes": ["*"], "searchableAttributes": ["*"], "filterableAttributes": [],
            "sortableAttributes": [], "distinctAttribute": null, "embedders": {},
            "searchCutoffMs": null, "localizedAttributes": null,
        });
        merge(&mut all, &Value::Object(self.settings.clone()));
        all
    }

    /// Whether settings make sense in themselves: what the server says at once.
    pub(super) fn check_settings(&self, patch: &Value) -> Result<(), Failed> {
        let embedders = patch["embedders"].as_object();
        for (name, embedder) in embedders.into_iter().flatten() {
            let Some(embedder) = embedder.as_object() else {
                continue;
            };
            if embedder.get("source") != Some(&json!("userProvided")) {
                continue;
            }
            let wrong = |what: String| {
                Failed::new(
                    "invalid_settings_embedders",
                    format!("`.embedders.{name}`: {what}"),
                )
            };
            let fields = ["source", "dimensions", "distribution", "binaryQuantized"];
            if let Some(other) = embedder
                .keys()
                .find(|field| !fields.contains(&field.as_str()))
            {
                return Err(wrong(format!(
                    "Field `{other}` unavailable for source `userProvided`."
                )));
            }
            if self.dimensions(name).is_none() && !embedder.contains_key("dimensions") {
                return Err(wrong(
                    "Missing field `dimensions` (note: this field is mandatory for source `userProvided`)"
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Changes settings, or nothing.
    pub(super) fn set(&mut self, uid: &str, patch: &Value) -> Done {
        let mut changed = self.clone();
        let mut settings = Value::Object(changed.settings);
        merge(&mut settings, patch);
        changed.settings = settings.as_object().cloned().unwrap_or_default();
        let sources: Vec<&Value> = changed.embedders().map(|(_, own)| &own["source"]).collect();
        if sources.iter().any(|source| **source != "userProvided") {
            return Err(Failed::new(
                "vector_embedding_error",
                format!("Index `{uid}`: the stand-in reaches no embedding server"),
            ));
        }
        changed.embeds(uid, changed.documents.iter())?;
        let names: Vec<String> = changed.embedders().map(|(name, _)| name.clone()).collect();
        for document in &mut changed.documents {
            document.vectors.retain(|name, _| names.contains(name));
        }
        *self = changed;
        Ok(())
    }
}

/// Lays `patch` over `value`; `null` takes a setting back.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Object::new());
    }
    let Value::Object(own) = value else {
        return;
    };
    for (name, patch) in patch {
        match patch {
            Value::Null => {
                own.remove(name);
            }
            patch => merge(own.entry(name.clone()).or_insert(Value::Null), patch),
        }
    }
}
