//! Logs and metrics.

use std::{io::IsTerminal, sync::OnceLock};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSection};

/// Upper bounds of duration histograms, in seconds.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Upper bounds of the histogram of the model's confidence, 0 to 1.
const CONFIDENCES: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging to stderr, once; later calls change nothing. Standard output belongs to results.
pub fn start_logging(log: &LogSection) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // An error here means that a test or an embedding program has a subscriber already.
    let _ = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.try_init()
    };
}

/// Starts counting, once for the process; several servers in one process (tests) share the numbers.
pub fn start_metrics() {
    METRICS.get_or_init(|| {
        // Only an empty list is refused.
        let builder = with_buckets().unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        describe();
        handle
    });
}

fn with_buckets() -> Result<PrometheusBuilder, BuildError> {
    let confidence = Matcher::Full("doorstep_nlu_confidence".to_owned());
    PrometheusBuilder::new()
        .set_buckets(SECONDS)?
        .set_buckets_for_metric(confidence, CONFIDENCES)
}

/// All metrics in Prometheus text format.
pub fn render_metrics() -> String {
    METRICS
        .get()
        .map(|handle| {
            handle.run_upkeep();
            handle.render()
        })
        .unwrap_or_default()
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        "doorstep_messages_total",
        "Messages by direction and channel"
    );
    describe_counter!(
        "doorstep_turns_stale_total",
        "Turns that another instance had committed first"
    );
    describe_counter!(
        "doorstep_http_requests_total",
        "HTTP requests by route and status"
    );
    describe_counter!(
        "doorstep_http_late_total",
        "Requests whose head or body did not arrive within http.request_timeout_s"
    );
    describe_counter!(
        "doorstep_config_reloads_total",
        "Changes of the merchant's files: applied, refused for a problem, or failed"
    );
    describe_counter!("doorstep_webhooks_total", "Webhooks admitted, by source");
    describe_counter!(
        "doorstep_webhooks_rejected_total",
        "Webhooks refused, by source and reason"
    );
    describe_counter!(
        "doorstep_polls_total",
        "Parcels that carriers were asked for, by source and outcome: known, unknown, refused, or the carrier unreachable"
    );
    describe_gauge!(
        "doorstep_search_standby",
        "1 while the embedded index stands in for the search server"
    );
    describe_gauge!("doorstep_documents", "Searchable documents");
    describe_histogram!(
        "doorstep_nlu_seconds",
        "Time to understand a message with the model"
    );
    describe_histogram!(
        "doorstep_nlu_confidence",
        "Confidence in the likeliest intent of messages, 0 to 1"
    );
    describe_counter!(
        "doorstep_nlu_intents_total",
        "Messages by their likeliest intent"
    );
    describe_counter!(
        "doorstep_nlu_by_rules_total",
        "Messages understood by rules, because the model was overloaded or failed"
    );
    describe_counter!(
        "doorstep_nlu_overloaded_total",
        "Texts that the model refused because too many waited"
    );
    describe_gauge!("doorstep_nlu_queue_depth", "Texts that wait for the model");
    describe_gauge!(
        "doorstep_nlu_backend",
        "1 for the backend that runs the model, 0 for the others"
    );
    describe_gauge!(
        "doorstep_nlu_drift",
        "How far the last 1000 messages' confidence is from that of the model's held-out messages: population stability index, up to 0.1 nothing changed, above 0.25 much"
    );
    describe_gauge!(
        "doorstep_nlu_intent_drift",
        "How far the last 1000 messages' likeliest intents are from those of the model's held-out messages: population stability index; watch whether it moves"
    );
    describe_gauge!("doorstep_handoffs_open", "Customers who wait for a person");
    describe_counter!(
        "doorstep_second_factor_refused_total",
        "Second factors that were not looked at, because too many had missed for the order"
    );
}
