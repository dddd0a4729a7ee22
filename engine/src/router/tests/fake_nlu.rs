//! What the model understands, scripted.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use doorstep_core::{
    Language,
    nlu::{Foresight, Nlu, NluContext, NluError},
    understanding::{
        Backend, Entity, EntityKind, Escalation, ScoredIntent, Sentiment, Understanding,
    },
};
use regex::Regex;

use super::doubles::products;

/// Understands the texts it was taught; entities by a few patterns.
#[derive(Default)]
pub(super) struct FakeNlu {
    pub(super) overloaded: AtomicBool,
    pub(super) texts: Mutex<HashMap<String, Taught>>,
    /// What was named to be read beside messages, and what was read.
    pub(super) foreseen: Mutex<Vec<String>>,
    pub(super) embedded: Mutex<Vec<String>>,
}

#[derive(Clone)]
pub(super) struct Taught {
    pub(super) language: &'static str,
    pub(super) intents: Vec<(&'static str, f32)>,
    pub(super) asks: Vec<&'static str>,
    pub(super) escalation: Escalation,
}

#[async_trait]
impl Nlu for FakeNlu {
    async fn understand(
        &self,
        text: &str,
        context: &NluContext,
    ) -> Result<Understanding, NluError> {
        if self.overloaded.load(Ordering::Relaxed) {
            return Err(NluError::Overloaded { waiting: 64 });
        }
        let taught = self.texts.lock().unwrap().get(text).cloned();
        let mut understanding = self.understand_by_rules(text, context);
        if let Some(taught) = taught {
            understanding.language = taught.language.parse().unwrap();
            understanding.escalation = taught.escalation;
            understanding.asks = taught.asks.iter().map(ToString::to_string).collect();
            understanding.intents = taught
                .intents
                .iter()
                .map(|(name, confidence)| ScoredIntent {
                    name: (*name).to_owned(),
                    confidence: *confidence,
                })
                .collect();
        }
        understanding.backend = Backend::Tract;
        Ok(understanding)
    }

    async fn understand_with(
        &self,
        text: &str,
        context: &NluContext,
        foresight: &Foresight<'_>,
    ) -> Result<Understanding, NluError> {
        let understanding = self.understand(text, context).await?;
        let foreseen = foresight(&understanding.language, &understanding.entities);
        self.foreseen.lock().unwrap().extend(foreseen);
        Ok(understanding)
    }

    fn understand_by_rules(&self, text: &str, context: &NluContext) -> Understanding {
        Understanding {
            language: context.language_hint.clone().unwrap_or(Language::ENGLISH),
            intents: vec![ScoredIntent {
                name: "out_of_scope".into(),
                confidence: 0.2,
            }],
            asks: Vec::new(),
            accept: 0.5,
            escalation: Escalation::Normal,
            sentiment: Sentiment::Neutral,
            entities: entities(text),
            vector: None,
            backend: Backend::Rules,
        }
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, NluError> {
        self.embedded.lock().unwrap().extend_from_slice(texts);
        Ok(vec![Vec::new(); texts.len()])
    }

    fn backend(&self) -> Backend {
        Backend::Tract
    }

    fn queue_depth(&self) -> usize {
        0
    }
}

fn entities(text: &str) -> Vec<Entity> {
    let patterns = [
        (
            EntityKind::Postcode,
            r"(?:postcode is|código postal es) (\d{5})",
        ),
        (EntityKind::Postcode, r"\b(\d{5}) Madrid"),
        (EntityKind::Email, r"(\S+@\S+)"),
        (EntityKind::OrderNumber, r"\b(\d{5})\b"),
        (EntityKind::Size, r"\b(?:in|talla) (S|M|L|XL)\b"),
        (EntityKind::MaxPrice, r"under (\d+)"),
        (EntityKind::Colour, r"\bin (blue|purple)\b"),
        (EntityKind::Attribute, r"\bin (pine|slate)\b"),
    ];
    let mut found: Vec<Entity> = Vec::new();
    for (kind, pattern) in patterns {
        for captures in Regex::new(pattern).unwrap().captures_iter(text) {
            let value = captures.get(1).unwrap();
            let free = found.iter().all(|other| other.start != value.start());
            if free {
                found.push(Entity {
                    kind,
                    value: match kind {
                        EntityKind::Attribute => format!("colour={}", value.as_str()),
                        _ => value.as_str().to_owned(),
                    },
                    start: value.start(),
                    end: value.end(),
                });
            }
        }
    }
    for product in products() {
        if let Some(start) = text.find(&product.title) {
            found.push(Entity {
                kind: EntityKind::Product,
                value: product.id,
                start,
                end: start + product.title.len(),
            });
        }
    }
    // Five digits alone are an order's number and a postcode, as the real rules have it.
    if let [only] = found.as_slice()
        && only.kind == EntityKind::OrderNumber
        && only.value.len() == text.trim().len()
    {
        let postcode = Entity {
            kind: EntityKind::Postcode,
            ..only.clone()
        };
        found.push(postcode);
    }
    found.sort_by_key(|entity| entity.start);
    found
}
