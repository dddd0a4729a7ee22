//! Conversations through [`Router::answer`], with the flows and replies that are shipped.

mod counting;
mod doubles;
mod fake_nlu;
mod orders;
mod phrasing;
mod several;
mod shop;
mod talk;

use std::sync::Arc;

use doorstep_core::{
    Ambient, ConversationId, InboundMessageId, Language,
    customer::{Customer, Proof},
    message::{Address, Content},
    understanding::Escalation,
};
use iso_currency::Currency;

use self::{
    doubles::{FakeClock, FakeIndex, FakeNews, FakeShop, FakeTries, NoEntropy, Ports},
    fake_nlu::{FakeNlu, Taught},
};
use super::{Renewal, Router, RouterParts, ShopProfile};
use crate::{
    flows::{self, Flows},
    templates::Templates,
    turn::{Conversation, Effect, Turn, Waiting},
};

/// A conversation of one visitor, as store and channel would hold it.
struct Chat {
    router: Router,
    ports: Ports,
    conversation: Conversation,
    proof: Option<Proof>,
    ordinal: i64,
}

impl Chat {
    fn new() -> Self {
        Self::with(&[])
    }

    /// With more of the merchant's files than those that are shipped.
    fn with(more: &[(&str, &str)]) -> Self {
        let clock = Arc::new(FakeClock::new());
        let ports = Ports {
            clock: clock.clone(),
            nlu: Arc::new(FakeNlu::default()),
            shop: Arc::new(FakeShop::new()),
            index: Arc::new(FakeIndex::default()),
            news: Arc::new(FakeNews::new(clock.clone())),
            tries: Arc::new(FakeTries::new(clock)),
        };
        let (templates, flows) = words(more);
        let ambient = Ambient {
            clock: ports.clock.clone(),
            entropy: Arc::new(NoEntropy),
        };
        let conversation = Conversation {
            id: ConversationId::new(&*ports.clock, &NoEntropy),
            address: Address::new("webchat", "visitor-1"),
            customer: None,
            language: None,
            time_zone: None,
            state: None,
            state_at: None,
            handled_count: 0,
            handed_over: false,
        };
        let router = Router::new(RouterParts {
            nlu: ports.nlu.clone(),
            shop: ports.shop.clone(),
            search: ports.index.clone(),
            flows: Arc::new(flows),
            templates: Arc::new(templates),
            shop_profile: ShopProfile {
                name: "Fjellro".into(),
                default_language: Language::ENGLISH,
                merchant_language: Language::ENGLISH,
                time_zone: chrono_tz::Europe::Madrid,
                currency: Currency::EUR,
                staff: None,
            },
            margin: 0.15,
            ambient,
            facts: ports.news.clone(),
            tries: ports.tries.clone(),
            phrasing: None,
        });
        Self {
            router,
            ports,
            conversation,
            proof: None,
            ordinal: 0,
        }
    }

    /// From here on somebody else writes, whom nobody knows.
    fn another_visitor(&mut self, id: &str) {
        self.conversation = Conversation {
            address: Address::new("webchat", id),
            customer: None,
            language: None,
            time_zone: None,
            state: None,
            state_at: None,
            handled_count: 0,
            handed_over: false,
            ..self.conversation.clone()
        };
    }

    /// Has the router answer by other files.
    fn renew(&self, more: &[(&str, &str)]) {
        let (templates, flows) = words(more);
        self.router.renew(Renewal {
            nlu: self.ports.nlu.clone(),
            flows,
            templates: Arc::new(templates),
        });
    }

    /// What the model makes of a text.
    fn teach(&self, language: &'static str, text: &str, intents: &[(&'static str, f32)]) {
        self.teach_escalated(language, text, intents, Escalation::Normal);
    }

    fn teach_escalated(
        &self,
        language: &'static str,
        text: &str,
        intents: &[(&'static str, f32)],
        escalation: Escalation,
    ) {
        let taught = Taught {
            language,
            intents: intents.to_vec(),
            asks: Vec::new(),
            escalation,
        };
        self.learn(text, taught);
    }

    /// A text that asks for more than one thing, in this order, each of them as sure as the others.
    fn teach_several(&self, language: &'static str, text: &str, asks: &[&'static str]) {
        let share = 0.9 / asks.len() as f32;
        let taught = Taught {
            language,
            intents: asks.iter().map(|intent| (*intent, share)).collect(),
            asks: asks.to_vec(),
            escalation: Escalation::Normal,
        };
        self.learn(text, taught);
    }

    fn learn(&self, text: &str, taught: Taught) {
        self.ports
            .nlu
            .texts
            .lock()
            .unwrap()
            .insert(text.to_owned(), taught);
    }

    async fn turn(&mut self, text: &str, button: Option<&str>) -> Turn {
        self.ordinal += 1;
        let now = doorstep_core::Clock::now(&*self.ports.clock);
        let waiting = Waiting {
            id: InboundMessageId::new(&*self.ports.clock, &NoEntropy),
            external_id: format!("m{}", self.ordinal),
            ordinal: self.ordinal,
            position: self.ordinal,
            text: text.to_owned(),
            button: button.map(str::to_owned),
            language_hint: None,
            proof: self.proof.clone(),
            sent_at: now,
            new_topic: false,
            files: 0,
            more: false,
            conversation: self.conversation.clone(),
        };
        let turn = self.router.answer(&waiting).await;
        self.conversation.state = turn.state.clone();
        self.conversation.state_at = Some(now);
        self.conversation.language = Some(turn.language.clone());
        self.conversation.handled_count += 1;
        self.conversation.handed_over |= turn
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::HandOff { .. }));
        turn
    }

    /// Understood as one sure intent.
    async fn asks(&mut self, language: &'static str, text: &str, intent: &'static str) -> String {
        self.teach(language, text, &[(intent, 0.9), ("out_of_scope", 0.02)]);
        said(&self.turn(text, None).await)
    }

    async fn says(&mut self, text: &str) -> String {
        said(&self.turn(text, None).await)
    }

    async fn presses(&mut self, value: &str) -> String {
        said(&self.turn("(label)", Some(value)).await)
    }

    fn sign_in(&mut self, id: &str) {
        self.conversation.customer = Some(Customer {
            id: doorstep_core::CustomerId::new(&*self.ports.clock, &NoEntropy),
            shop_id: Some(id.into()),
            name: Some("Marta Ruiz".into()),
            email: Some("marta.ruiz@example.com".into()),
            language: None,
            time_zone: None,
        });
    }
}

/// The shipped files with more of them.
fn words(more: &[(&str, &str)]) -> (Templates, Flows) {
    let mut files = flows::tests::shipped();
    let glossary = ("glossary/es.yaml", "chaqueta: jacket\n");
    for (file, text) in more.iter().chain([&glossary]) {
        files.files.insert((*file).into(), (*text).into());
    }
    flows::load(&files, &Language::ENGLISH).unwrap()
}

fn said(turn: &Turn) -> String {
    let texts: Vec<&str> = turn
        .replies
        .iter()
        .map(|reply| reply.text.as_str())
        .collect();
    texts.join("\n---\n")
}

fn first(turn: &Turn) -> &Content {
    turn.replies.first().unwrap()
}

fn summary(turn: &Turn) -> (&str, &str, bool) {
    turn.effects
        .iter()
        .find_map(|effect| match effect {
            Effect::HandOff {
                reason,
                summary,
                urgent,
                ..
            } => Some((reason.as_str(), summary.as_str(), *urgent)),
            _ => None,
        })
        .unwrap()
}
