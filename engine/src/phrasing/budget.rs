//! What a day's phrasing may cost.

use async_trait::async_trait;
use chrono::NaiveDate;
use doorstep_core::{
    health::PortError,
    language_model::{Completion, CompletionRequest, ModelSize, PromptLine, Usage},
};

/// A token has at least as many bytes in most texts: what is read is rather over- than underestimated.
const BYTES_PER_TOKEN: usize = 3;

/// What was spent, or is about to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spending {
    /// Tokens, read and written.
    pub tokens: i64,
    /// Millionths of the unit that prices are in.
    pub cost_micros: i64,
}

/// Adds up what all instances spend in a day. Implemented by the store.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Books `spending`, which may be negative, and tells the day's sum with it.
    ///
    /// # Errors
    /// Nothing was booked.
    async fn book(&self, day: NaiveDate, spending: Spending) -> Result<Spending, PortError>;
}

/// What a model costs, in any one currency, for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ModelPrice {
    /// For those read.
    pub prompt: f64,
    /// For those written.
    pub completion: f64,
}

/// The limits of a day (UTC), and what counts against them.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Tokens, read and written; 0 is no limit.
    pub tokens_per_day: u64,
    /// Cost, in the currency of the prices; 0 is no limit.
    pub cost_per_day: f64,
    /// The small model's price.
    pub small: ModelPrice,
    /// The large model's price.
    pub large: ModelPrice,
}

impl Budget {
    /// What a request costs at most.
    pub(super) fn most(&self, request: &CompletionRequest) -> Spending {
        let bytes: usize = request.lines.iter().map(bytes_of).sum();
        let usage = Usage {
            prompt: (bytes / BYTES_PER_TOKEN + 1) as u64,
            completion: u64::from(request.max_tokens),
        };
        self.cost(request.size, usage)
    }

    /// What an answer cost; what the endpoint does not tell costs the most.
    pub(super) fn spent(&self, request: &CompletionRequest, answer: &Completion) -> Spending {
        match answer.usage {
            Some(usage) => self.cost(request.size, usage),
            None => self.most(request),
        }
    }

    fn cost(&self, size: ModelSize, usage: Usage) -> Spending {
        let price = match size {
            ModelSize::Small => self.small,
            ModelSize::Large => self.large,
        };
        // A price for a million tokens is one of millionths for a token.
        let micros =
            usage.prompt as f64 * price.prompt + usage.completion as f64 * price.completion;
        Spending {
            tokens: i64::try_from(usage.prompt.saturating_add(usage.completion))
                .unwrap_or(i64::MAX),
            // Casts of floats stop at the limits.
            cost_micros: micros.ceil() as i64,
        }
    }

    /// Whether a day's sum keeps within it.
    pub(super) fn allows(&self, sum: Spending) -> bool {
        let tokens = i64::try_from(self.tokens_per_day).unwrap_or(i64::MAX);
        (tokens == 0 || sum.tokens <= tokens)
            && (self.cost_per_day <= 0.0 || sum.cost_micros as f64 <= self.cost_per_day * 1e6)
    }
}

impl Spending {
    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            cost_micros: self.cost_micros.saturating_sub(other.cost_micros),
        }
    }
}

fn bytes_of(line: &PromptLine) -> usize {
    match line {
        PromptLine::System(text) | PromptLine::User(text) => text.len(),
        PromptLine::Model { text, calls } => {
            let calls = calls
                .iter()
                .map(|call| call.name.len() + call.arguments.len());
            text.len() + calls.sum::<usize>()
        }
        PromptLine::Tool { result, .. } => result.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_keeps_within_tokens_and_cost() {
        let budget = Budget {
            tokens_per_day: 1000,
            cost_per_day: 0.5,
            small: ModelPrice {
                prompt: 1.0,
                completion: 2.0,
            },
            large: ModelPrice {
                prompt: 100.0,
                completion: 400.0,
            },
        };
        let request = CompletionRequest {
            size: ModelSize::Small,
            lines: vec![PromptLine::User("x".repeat(300))],
            tools: Vec::new(),
            max_tokens: 100,
        };
        let most = budget.most(&request);
        assert_eq!((most.tokens, most.cost_micros), (201, 301));
        let answer = Completion {
            usage: Some(Usage {
                prompt: 10,
                completion: 5,
            }),
            ..Completion::default()
        };
        let spent = budget.spent(&request, &answer);
        assert_eq!((spent.tokens, spent.cost_micros), (15, 20));
        assert_eq!(budget.spent(&request, &Completion::default()), most);
        assert!(budget.allows(Spending {
            tokens: 1000,
            cost_micros: 500_000
        }));
        assert!(!budget.allows(Spending {
            tokens: 1001,
            cost_micros: 0
        }));
        assert!(!budget.allows(Spending {
            tokens: 0,
            cost_micros: 500_001
        }));
    }
}
