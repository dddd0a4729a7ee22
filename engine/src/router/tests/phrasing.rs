//! Answers in a language model's words: only what passes the check is said, and otherwise what the dialogue says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{NaiveDate, TimeDelta};
use doorstep_core::{
    Language,
    health::PortError,
    language_model::{
        Completion, CompletionRequest, LanguageModel, LanguageModelError, ModelSize, PromptLine,
        ToolCall, Usage,
    },
    search::SearchHit,
};
use serde_json::Value;

use super::{Chat, first, said};
use crate::phrasing::{Budget, Ledger, ModelPrice, Phrasing, PhrasingConfig, Spending};

/// What the model does next.
enum Act {
    Says(&'static str),
    Calls(&'static str, &'static str),
    Fails,
    Hangs,
}

/// A model that does what a test wrote, and keeps what it was asked.
#[derive(Default)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<CompletionRequest>>,
}

#[async_trait]
impl LanguageModel for Script {
    async fn complete(
        &self,
        request: &CompletionRequest,
    ) -> Result<Completion, LanguageModelError> {
        self.asked.lock().unwrap().push(request.clone());
        let act = self.acts.lock().unwrap().pop_front();
        let usage = Some(Usage {
            prompt: 90,
            completion: 10,
        });
        match act {
            None | Some(Act::Fails) => Err(LanguageModelError::Refused(500)),
            Some(Act::Hangs) => std::future::pending().await,
            Some(Act::Says(text)) => Ok(Completion {
                text: text.to_owned(),
                usage,
                ..Completion::default()
            }),
            Some(Act::Calls(name, arguments)) => Ok(Completion {
                calls: vec![ToolCall {
                    id: "call-1".into(),
                    name: name.into(),
                    arguments: arguments.into(),
                }],
                usage,
                ..Completion::default()
            }),
        }
    }
}

impl Script {
    /// What the tools answered, by all requests.
    fn results(&self) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        let last = asked.last().unwrap();
        let results = last.lines.iter().filter_map(|line| match line {
            PromptLine::Tool { result, .. } => serde_json::from_str(result).ok(),
            _ => None,
        });
        results.collect()
    }

    fn sizes(&self) -> Vec<ModelSize> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(|request| request.size)
            .collect()
    }
}

/// A day's books in memory.
#[derive(Default)]
struct Books(Mutex<Spending>);

#[async_trait]
impl Ledger for Books {
    async fn book(&self, _: NaiveDate, spending: Spending) -> Result<Spending, PortError> {
        let mut sum = self.0.lock().unwrap();
        sum.tokens += spending.tokens;
        sum.cost_micros += spending.cost_micros;
        Ok(*sum)
    }
}

struct Stage {
    chat: Chat,
    model: Arc<Script>,
    books: Arc<Books>,
}

/// A chat whose shop has a returns policy, and a model that does `acts`.
fn stage(acts: impl IntoIterator<Item = Act>) -> Stage {
    stage_within(acts, 0)
}

fn stage_within(acts: impl IntoIterator<Item = Act>, tokens_per_day: u64) -> Stage {
    let chat = Chat::new();
    let passage = SearchHit {
        id: "passage:returns.en#0".into(),
        language: Language::ENGLISH,
        title: "How long do I have to return something?".into(),
        body: "You have 30 days from the day the parcel arrives. Shipping back costs €3.90.".into(),
        source: "returns.en.md#how-long".into(),
        score: 1.0,
        similarity: Some(0.8),
        word_share: 0.5,
    };
    chat.ports
        .index
        .passages
        .lock()
        .unwrap()
        .push((Language::ENGLISH, passage));
    chat.teach("en", QUESTION, &[("return_policy", 0.9)]);
    let model = Arc::new(Script {
        acts: Mutex::new(acts.into_iter().collect()),
        ..Script::default()
    });
    let books = Arc::new(Books::default());
    let config = PhrasingConfig {
        timeout: Duration::from_secs(5),
        max_chars: 300,
        budget: Budget {
            tokens_per_day,
            cost_per_day: 0.0,
            small: ModelPrice::default(),
            large: ModelPrice::default(),
        },
    };
    let phrasing = Phrasing::new(model.clone(), books.clone(), config);
    chat.router
        .change(|parts| parts.phrasing = Some(Arc::new(phrasing)));
    Stage { chat, model, books }
}

const QUESTION: &str = "how long can I send it back?";
/// What the dialogue says.
const OWN: &str = "You have 30 days from the day the parcel arrives. Shipping back costs €3.90.";
const GOOD: &str = "Of course: you can send it back within 30 days of the parcel's arrival.";

#[tokio::test]
async fn an_answer_that_says_what_was_looked_up_is_said() {
    let mut stage = stage([Act::Says(GOOD)]);
    let turn = stage.chat.turn(QUESTION, None).await;
    assert_eq!(first(&turn).text, GOOD);
    assert_eq!(
        first(&turn).sources[0].name,
        "policy:returns.en.md#how-long"
    );
    assert_eq!(stage.model.sizes(), [ModelSize::Small]);
    assert_eq!(stage.books.0.lock().unwrap().tokens, 100);
    // A greeting tells no facts and costs nothing.
    stage.chat.asks("en", "hi", "greeting").await;
    assert_eq!(stage.model.sizes().len(), 1);
}

#[tokio::test]
async fn what_does_not_pass_is_asked_for_once_more_by_the_larger_model() {
    let mut stage = stage([Act::Says("You have 60 days."), Act::Says(GOOD)]);
    assert_eq!(first(&stage.chat.turn(QUESTION, None).await).text, GOOD);
    assert_eq!(stage.model.sizes(), [ModelSize::Small, ModelSize::Large]);
    let asked = stage.model.asked.lock().unwrap();
    let Some(PromptLine::User(correction)) = asked[1].lines.last() else {
        panic!("no correction");
    };
    assert!(
        correction.contains("`60` is not in what was looked up"),
        "{correction}"
    );
}

#[tokio::test]
async fn no_customer_sees_what_a_model_invents() {
    for wrong in [
        "It costs €1.90 to send it back.",
        "You have until Friday.",
        "See https://evil.example/returns.",
        "As an AI language model I cannot say.",
        "Ignore that. The parcel of Marta Ruiz is in Madrid.",
        "<script>alert(30)</script>",
        "",
        "{\"answer\": \"30 days\"}",
    ] {
        let mut stage = stage([Act::Says(wrong), Act::Says(wrong)]);
        let text = said(&stage.chat.turn(QUESTION, None).await);
        assert!(text.contains(OWN), "{wrong}: {text}");
        assert_eq!(stage.model.sizes().len(), 2);
    }
}

#[tokio::test]
async fn a_page_in_another_language_is_not_compared_word_by_word_whatever_kind_of_file_it_is() {
    const ASKED: &str = "¿cuánto tiempo tengo para devolverlo?";
    const SAID: &str =
        "Puede devolverlo hasta 30 días después de recibirlo; enviarlo de vuelta cuesta €3.90.";
    for source in ["returns.en.md#how-long", "returns.en.html#how-long"] {
        let mut stage = stage([Act::Says(SAID)]);
        stage.chat.ports.index.passages.lock().unwrap()[0].1.source = source.into();
        stage.chat.teach("es", ASKED, &[("return_policy", 0.9)]);
        let turn = stage.chat.turn(ASKED, None).await;
        assert_eq!(first(&turn).text, SAID, "{source}");
    }
}

#[tokio::test]
async fn how_stock_and_orders_stand_is_said_only_as_a_tool_says_it() {
    for wrong in [
        "It is in stock.",
        "Your order was delivered.",
        "You have 30 days. Your order was delivered.",
    ] {
        let mut stage = stage([Act::Says(wrong), Act::Says(wrong)]);
        let text = said(&stage.chat.turn(QUESTION, None).await);
        assert!(text.contains(OWN), "{wrong}: {text}");
    }
    for (tool, arguments, wrong, right) in [
        (
            "get_stock",
            r#"{"product": "JKT-101", "size": "M"}"#,
            "You have 30 days. Kolmar Rain Jacket is sold out.",
            "You have 30 days. Kolmar Rain Jacket is available.",
        ),
        (
            "find_order",
            r#"{"order_number": "10234"}"#,
            "You have 30 days. Your order was delivered.",
            "You have 30 days. Your order was shipped and has not been delivered.",
        ),
    ] {
        for (text, passes) in [(wrong, false), (right, true)] {
            let acts = [
                Act::Calls(tool, arguments),
                Act::Says(text),
                Act::Says(text),
            ];
            let mut stage = stage(acts);
            stage.chat.sign_in("C-1004");
            let turn = stage.chat.turn(QUESTION, None).await;
            assert_eq!(first(&turn).text == text, passes, "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_or_fails_is_left_alone_for_a_while() {
    for act in [Act::Hangs, Act::Fails] {
        let mut stage = stage([act, Act::Says(GOOD)]);
        assert!(said(&stage.chat.turn(QUESTION, None).await).contains(OWN));
        assert!(said(&stage.chat.turn(QUESTION, None).await).contains(OWN));
        assert_eq!(stage.model.sizes().len(), 1, "it rests");
        stage.chat.ports.clock.advance(TimeDelta::seconds(31));
        assert_eq!(first(&stage.chat.turn(QUESTION, None).await).text, GOOD);
    }
}

#[tokio::test]
async fn a_day_costs_no_more_than_its_budget() {
    // One request may cost some hundred tokens; it does cost 100.
    let mut stage = stage_within([Act::Says(GOOD), Act::Says(GOOD)], 950);
    assert_eq!(first(&stage.chat.turn(QUESTION, None).await).text, GOOD);
    stage.books.0.lock().unwrap().tokens = 900;
    assert!(said(&stage.chat.turn(QUESTION, None).await).contains(OWN));
    assert_eq!(stage.model.sizes().len(), 1);
    assert_eq!(
        stage.books.0.lock().unwrap().tokens,
        900,
        "what was not asked is not booked"
    );
}

#[tokio::test]
async fn a_model_looks_up_with_the_rights_of_the_customer() {
    // Somebody else's order, whether or not it exists, and whatever second factor the model was told.
    let mut told = Vec::new();
    for arguments in [
        r#"{"order_number": "10234", "second_factor": "28012"}"#,
        r#"{"order_number": "99999", "second_factor": "28012"}"#,
    ] {
        let leak = "Order 10234 is on its way to Madrid with Correos.";
        let mut stage = stage([
            Act::Calls("find_order", arguments),
            Act::Says(leak),
            Act::Says(leak),
        ]);
        let turn = stage.chat.turn(QUESTION, None).await;
        assert!(said(&turn).contains(OWN), "{}", said(&turn));
        assert!(!said(&turn).contains("10234"), "{}", said(&turn));
        told.push(stage.model.results());
    }
    assert_eq!(
        told[0], told[1],
        "the answer tells whether the order exists"
    );
    assert_eq!(told[0][0]["outcome"], "needs_second_factor");

    // Their own.
    let own = "You have 30 days. Your order 10234 is on its way with Correos.";
    let mut stage = stage([
        Act::Calls("find_order", r#"{"order_number": "10234"}"#),
        Act::Says(own),
    ]);
    stage.chat.sign_in("C-1004");
    let turn = stage.chat.turn(QUESTION, None).await;
    assert_eq!(first(&turn).text, own);
    assert!(
        first(&turn)
            .sources
            .iter()
            .any(|source| source.name == "shop:demo")
    );
    assert_eq!(
        stage.model.results()[0]["facts"]["order"]["total"],
        "€129.90"
    );
}

#[tokio::test]
async fn what_a_tool_says_now_may_be_said_and_a_description_sets_no_price() {
    let answer = "You have 30 days. Kolmar Rain Jacket costs €129.90 and is in stock in M.";
    let call = || Act::Calls("get_stock", r#"{"product": "JKT-101", "size": "M"}"#);
    let mut good = stage([call(), Act::Says(answer)]);
    assert_eq!(first(&good.chat.turn(QUESTION, None).await).text, answer);
    for wrong in [
        "Kolmar Rain Jacket costs €1.",
        "Kolmar Rain Jacket costs €15,000.",
    ] {
        let mut bad = stage([call(), Act::Says(wrong), Act::Says(wrong)]);
        assert!(
            said(&bad.chat.turn(QUESTION, None).await).contains(OWN),
            "{wrong}"
        );
    }
    // Tools that are none, and arguments that are none.
    for (name, arguments) in [
        ("delete_order", "{}"),
        ("get_stock", "[1"),
        ("get_policy", "{}"),
    ] {
        let mut odd = stage([Act::Calls(name, arguments), Act::Says(GOOD)]);
        assert_eq!(first(&odd.chat.turn(QUESTION, None).await).text, GOOD);
        assert!(odd.model.results()[0]["error"].is_string());
    }
}

#[tokio::test]
async fn a_model_that_only_calls_tools_must_answer_in_the_end() {
    let call = || Act::Calls("search_products", r#"{"query": "rain jacket"}"#);
    let mut stage = stage([call(), call(), call(), Act::Says(GOOD)]);
    assert_eq!(first(&stage.chat.turn(QUESTION, None).await).text, GOOD);
    let asked = stage.model.asked.lock().unwrap();
    assert!(asked[3].tools.is_empty(), "no more tools");
}

#[tokio::test]
async fn what_a_person_takes_over_and_what_we_ask_is_never_phrased() {
    let mut stage = stage([Act::Says(GOOD)]);
    stage
        .chat
        .asks("en", "I want a person", "human_agent")
        .await;
    let mut asking = self::stage([Act::Says(GOOD)]);
    asking
        .chat
        .asks("en", "where is my order?", "order_status")
        .await;
    assert!(stage.model.sizes().is_empty() && asking.model.sizes().is_empty());
}
