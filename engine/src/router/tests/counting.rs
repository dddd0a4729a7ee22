//! What operators see of how messages are read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use super::{Chat, first};

/// The messages that were read by rules.
#[derive(Default)]
struct ByRules(Arc<Count>);

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Recorder for ByRules {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            "doorstep_nlu_by_rules_total" => Counter::from_arc(Arc::clone(&self.0)),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn only_messages_that_the_model_could_not_read_count_as_read_by_rules() {
    let by_rules = ByRules::default();
    let _here = metrics::set_default_local_recorder(&by_rules);
    let count = || by_rules.0.0.load(Ordering::Relaxed);
    let mut chat = Chat::new();
    chat.teach("en", "hello", &[("greeting", 0.9)]);
    let greeted = chat.turn("hello", None).await;
    let button = first(&greeted).buttons[0].value.clone();
    chat.presses(&button).await;
    chat.says("").await;
    assert_eq!(count(), 0);
    chat.ports.nlu.overloaded.store(true, Ordering::Relaxed);
    chat.says("where is my order?").await;
    assert_eq!(count(), 1);
}
