//! The parameters of a call, however they come. <https://core.telegram.org/bots/api#making-requests>

use std::collections::HashMap;

use axum::{
    Json,
    extract::{FromRequest, Multipart, Query, Request},
};
use bytes::Bytes;
use serde_json::{Map, Value};

/// Parameters and files.
#[derive(Debug, Default)]
pub(super) struct Params {
    pub(super) fields: Map<String, Value>,
    pub(super) files: HashMap<String, Bytes>,
}

impl Params {
    /// Reads a request's query, JSON or form.
    pub(super) async fn read(request: Request) -> Result<Self, String> {
        let mut params = Self::default();
        let query: Result<Query<HashMap<String, String>>, _> = Query::try_from_uri(request.uri());
        if let Ok(Query(query)) = query {
            params
                .fields
                .extend(query.into_iter().map(|(name, text)| (name, read(text))));
        }
        let kind = request.headers().get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            let body = Json::<Map<String, Value>>::from_request(request, &()).await;
            let Json(fields) = body.map_err(|error| error.body_text())?;
            params.fields.extend(fields);
        } else if kind.starts_with("multipart/form-data") {
            let form = Multipart::from_request(request, &()).await;
            params
                .read_form(form.map_err(|error| error.body_text())?)
                .await?;
        }
        Ok(params)
    }

    async fn read_form(&mut self, mut form: Multipart) -> Result<(), String> {
        while let Some(field) = form.next_field().await.map_err(|error| error.body_text())? {
            let name = field.name().unwrap_or_default().to_owned();
            if field.file_name().is_some() {
                let bytes = field.bytes().await.map_err(|error| error.body_text())?;
                self.files.insert(name, bytes);
            } else {
                let text = field.text().await.map_err(|error| error.body_text())?;
                self.fields.insert(name, read(text));
            }
        }
        Ok(())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let value = self.fields.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }
}

/// In forms and queries everything is text; what is more is JSON in it.
fn read(text: String) -> Value {
    let structured = text.starts_with(['{', '[']);
    let value = structured.then(|| serde_json::from_str(&text).ok());
    value.flatten().unwrap_or(Value::String(text))
}
