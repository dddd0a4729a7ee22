//! The figures, and which of them are bounds.

use crate::run::Run;

/// A figure of the table.
pub(crate) struct Figure {
    pub(crate) label: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: fn(&Run) -> f64,
    /// What it is divided by for its ratio.
    pub(crate) beside: Option<fn(&Run) -> f64>,
    pub(crate) bound: Option<Bound>,
}

/// What must hold: for the ratio where there is one, else for the value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub(crate) fn is_met(self, found: f64) -> bool {
        match self {
            Self::AtMost(most) => found <= most,
            Self::AtLeast(least) => found >= least,
        }
    }
}

fn bare_p50(run: &Run) -> f64 {
    run.bare.ms.p50
}

fn bare_rate(run: &Run) -> f64 {
    run.bare.texts_per_s
}

fn bare_rss(run: &Run) -> f64 {
    run.bare.rss_mb
}

impl Figure {
    const fn new(label: &'static str, unit: &'static str, value: fn(&Run) -> f64) -> Self {
        Self {
            label,
            unit,
            value,
            beside: None,
            bound: None,
        }
    }

    const fn beside(mut self, beside: fn(&Run) -> f64) -> Self {
        self.beside = Some(beside);
        self
    }

    const fn bound(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }
}

/// All of them, in the order of the table; the bounds are those of issue 2.
pub(crate) const FIGURES: &[Figure] = {
    use Bound::{AtLeast, AtMost};
    &[
        Figure::new("bare: p50", "ms", bare_p50),
        Figure::new("bare: p99", "ms", |run| run.bare.ms.p99).beside(bare_p50),
        Figure::new("bare: one thread", "texts/s", bare_rate),
        Figure::new("bare: RSS", "MB", bare_rss),
        Figure::new("one conversation: p50", "ms", |run| run.one.ms.p50)
            .beside(bare_p50)
            .bound(AtMost(1.5)),
        Figure::new("one conversation: p95", "ms", |run| run.one.ms.p95).beside(bare_p50),
        Figure::new("one conversation: p99", "ms", |run| run.one.ms.p99)
            .beside(bare_p50)
            .bound(AtMost(2.5)),
        Figure::new("64 conversations: rate", "messages/s", |run| run.many.per_s)
            .beside(bare_rate)
            .bound(AtLeast(1.6)),
        Figure::new("64 conversations: p50", "ms", |run| run.many.ms.p50).beside(bare_p50),
        Figure::new("64 conversations: p99", "ms", |run| run.many.ms.p99).beside(bare_p50),
        Figure::new("webhooks: rate", "events/s", |run| run.webhooks.per_s)
            .beside(bare_rate)
            .bound(AtLeast(20.0)),
        Figure::new("webhooks: p50", "ms", |run| run.webhooks.ms.p50).beside(bare_p50),
        Figure::new("webhooks: p99", "ms", |run| run.webhooks.ms.p99)
            .beside(bare_p50)
            .bound(AtMost(4.0)),
        Figure::new("idle: RSS", "MB", |run| run.start.rss_mb).bound(AtMost(160.0)),
        Figure::new("start-up on an existing database", "s", |run| {
            run.start.again_s
        })
        .bound(AtMost(0.6)),
        Figure::new("an idle WebSocket", "kB", |run| run.idle.kb_each).bound(AtMost(16.0)),
        Figure::new("idle: RSS beside bare", "MB", |run| run.start.rss_mb).beside(bare_rss),
        Figure::new("first start, empty folder", "s", |run| run.start.first_s),
        Figure::new("first start: RSS once indexed", "MB", |run| {
            run.start.first_rss_mb
        }),
        Figure::new("idle WebSockets opened", "sockets/s", |run| {
            run.idle.connect_per_s
        }),
        Figure::new("RSS at the end", "MB", |run| run.rss_end_mb),
        Figure::new("a small write made durable", "ms", |run| run.sync_ms),
        Figure::new("webhooks: jobs done afterwards in", "s", |run| {
            run.worked_on_s
        }),
        Figure::new("one conversation: handed to a person", "times", |run| {
            run.one.handed_over as f64
        }),
        Figure::new("64 conversations: handed to a person", "times", |run| {
            run.many.handed_over as f64
        }),
        Figure::new("64 conversations: client's processor time", "s", |run| {
            client_cpu(run, "many conversations")
        }),
        Figure::new("webhooks: client's processor time", "s", |run| {
            client_cpu(run, "webhooks")
        }),
        Figure::new(
            "other work on the machine, at most",
            "cores",
            Run::other_work,
        ),
    ]
};

fn client_cpu(run: &Run, phase: &str) -> f64 {
    run.processor
        .get(phase)
        .map_or(0.0, |seen| seen.client_cpu_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_includes_its_limit() {
        assert!(Bound::AtMost(1.5).is_met(1.5) && !Bound::AtMost(1.5).is_met(1.51));
        assert!(Bound::AtLeast(20.0).is_met(20.0) && !Bound::AtLeast(20.0).is_met(19.9));
    }

    #[test]
    fn every_bound_of_the_issue_is_there() {
        let bounds = FIGURES.iter().filter(|figure| figure.bound.is_some());
        assert_eq!(bounds.count(), 8);
    }
}
