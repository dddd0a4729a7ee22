//! The port to a language model that phrases answers. What it writes is never a fact: `engine` checks every word of it
//! against what was looked up before a customer sees it (G4).

use async_trait::async_trait;

/// Continues a conversation. Implemented by `nlu` for endpoints that speak OpenAI's protocol.
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// What the model says next, or the tools that it asks for.
    ///
    /// # Errors
    /// The model did not answer, or not in its protocol.
    async fn complete(&self, request: &CompletionRequest)
    -> Result<Completion, LanguageModelError>;
}

/// What is asked of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// Which of the configured models.
    pub size: ModelSize,
    /// The conversation so far.
    pub lines: Vec<PromptLine>,
    /// What it may look up.
    pub tools: Vec<ToolSpec>,
    /// The most it may write, in tokens.
    pub max_tokens: u32,
}

/// Which model: one for most answers, one for those that the first failed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelSize {
    /// Fast and cheap.
    Small,
    /// For hard cases.
    Large,
}

impl ModelSize {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }
}

/// One line of the conversation with a model.
#[derive(Debug, Clone, PartialEq)]
pub enum PromptLine {
    /// The rules that it keeps to.
    System(String),
    /// What is asked.
    User(String),
    /// What it said before.
    Model {
        /// Its words.
        text: String,
        /// The tools it asked for.
        calls: Vec<ToolCall>,
    },
    /// What a tool answered.
    Tool {
        /// [`ToolCall::id`].
        call: String,
        /// JSON.
        result: String,
    },
}

/// Something that a model may look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSpec {
    /// Its name.
    pub name: &'static str,
    /// What it tells.
    pub description: &'static str,
    /// What it takes: texts by name.
    pub parameters: &'static [ToolParameter],
}

/// What a tool takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolParameter {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// Whether it must be there.
    pub required: bool,
}

/// A model asks for a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The model's name for this call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object, as the model wrote it: anything at all.
    pub arguments: String,
}

/// What a model said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Completion {
    /// Its words; empty when it only asks for tools.
    pub text: String,
    /// The tools it asks for.
    pub calls: Vec<ToolCall>,
    /// What it cost; none when the endpoint does not say.
    pub usage: Option<Usage>,
}

/// Tokens that were read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read.
    pub prompt: u64,
    /// Written.
    pub completion: u64,
}

/// A model did not answer. Nothing of what was asked is in here: it holds customers' words.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LanguageModelError {
    /// It cannot be reached.
    #[error("the language model cannot be reached: {0}")]
    Away(String),
    /// It refused.
    #[error("the language model answered with HTTP status {0}")]
    Refused(u16),
    /// It answered something that is no answer.
    #[error("the language model answered outside its protocol: {0}")]
    Garbled(String),
}
