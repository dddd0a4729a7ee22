//! A language model behind an endpoint that speaks OpenAI's chat completions: OpenAI itself, Mistral, vLLM, llama.cpp,
//! Ollama and most others.
//!
//! <https://platform.openai.com/docs/api-reference/chat>

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use doorstep_core::language_model::{
    Completion, CompletionRequest, LanguageModel, LanguageModelError, ModelSize, PromptLine,
    ToolCall, ToolSpec, Usage,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take at most; who asks is mostly less patient.
const ANSWER: Duration = Duration::from_secs(60);
/// More than any answer within its tokens.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// As many tools as are run for one answer.
const MAX_CALLS: usize = 8;
/// Little: an answer is to be right, not new.
const TEMPERATURE: f32 = 0.2;
/// What some models refuse: those that think first want another limit and a temperature of their own.
const REFUSED: [&str; 2] = ["max_tokens", "temperature"];
/// The status of such a refusal.
const BAD_REQUEST: u16 = 400;

/// Where the models are.
#[derive(Debug, Clone)]
pub struct ChatCompletionsConfig {
    /// The endpoint, below which `/chat/completions` lies: `https://api.example.com/v1`.
    pub url: String,
    /// The key; empty for an endpoint without one.
    pub key: SecretString,
    /// The model for most answers.
    pub small_model: String,
    /// The model for hard ones.
    pub large_model: String,
}

/// The models of one endpoint.
pub struct ChatCompletions {
    client: reqwest::Client,
    config: ChatCompletionsConfig,
    /// Whether the small and the large model refuse the usual parameters.
    is_choosy: [AtomicBool; 2],
}

/// How a request says how much may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As all endpoints understood once: `max_tokens` and a temperature.
    Usual,
    /// As some models want it: `max_completion_tokens` and no temperature.
    Choosy,
}

impl ChatCompletions {
    /// Speaks with the endpoint of `config`. Nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(config: ChatCompletionsConfig) -> Result<Self, LanguageModelError> {
        // A second call finds the provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // An endpoint does not send us elsewhere with customers' words.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(away)?;
        Ok(Self {
            client,
            config,
            is_choosy: Default::default(),
        })
    }

    fn model(&self, size: ModelSize) -> &str {
        match size {
            ModelSize::Small => &self.config.small_model,
            ModelSize::Large => &self.config.large_model,
        }
    }

    fn is_choosy(&self, size: ModelSize) -> &AtomicBool {
        let [small, large] = &self.is_choosy;
        match size {
            ModelSize::Small => small,
            ModelSize::Large => large,
        }
    }

    async fn post(
        &self,
        request: &CompletionRequest,
        form: Form,
    ) -> Result<reqwest::Response, LanguageModelError> {
        let url = format!("{}/chat/completions", self.config.url.trim_end_matches('/'));
        let body = body(self.model(request.size), request, form);
        let mut sent = self.client.post(url).json(&body);
        if !self.config.key.expose_secret().is_empty() {
            sent = sent.bearer_auth(self.config.key.expose_secret());
        }
        sent.send().await.map_err(away)
    }
}

#[async_trait]
impl LanguageModel for ChatCompletions {
    async fn complete(
        &self,
        request: &CompletionRequest,
    ) -> Result<Completion, LanguageModelError> {
        let is_choosy = self.is_choosy(request.size);
        let form = match is_choosy.load(Ordering::Relaxed) {
            true => Form::Choosy,
            false => Form::Usual,
        };
        let mut response = self.post(request, form).await?;
        if form == Form::Usual && response.status().as_u16() == BAD_REQUEST {
            let refusal = whole(response).await?;
            if !names_parameter(&refusal) {
                return Err(LanguageModelError::Refused(BAD_REQUEST));
            }
            response = self.post(request, Form::Choosy).await?;
            // What the model takes once, it takes from now on.
            is_choosy.store(response.status().is_success(), Ordering::Relaxed);
        }
        if !response.status().is_success() {
            return Err(LanguageModelError::Refused(response.status().as_u16()));
        }
        read(&whole(response).await?)
    }
}

/// The body of an answer.
async fn whole(mut response: reqwest::Response) -> Result<Vec<u8>, LanguageModelError> {
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_BODY_BYTES {
            let reason = format!("more than {MAX_BODY_BYTES} bytes");
            return Err(LanguageModelError::Garbled(reason));
        }
    }
    Ok(text)
}

/// Whether a refusal is about one of the parameters that some models do not take.
fn names_parameter(refusal: &[u8]) -> bool {
    let refusal = String::from_utf8_lossy(refusal);
    REFUSED.iter().any(|parameter| refusal.contains(parameter))
}

fn away(error: reqwest::Error) -> LanguageModelError {
    // The address may hold a key.
    LanguageModelError::Away(error.without_url().to_string())
}

fn body(model: &str, request: &CompletionRequest, form: Form) -> Value {
    let lines: Vec<Value> = request.lines.iter().map(line).collect();
    let mut body = json!({
        "model": model,
        "messages": lines,
    });
    match form {
        Form::Usual => {
            body["max_tokens"] = json!(request.max_tokens);
            body["temperature"] = json!(TEMPERATURE);
        }
        Form::Choosy => body["max_completion_tokens"] = json!(request.max_tokens),
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    body
}

fn line(line: &PromptLine) -> Value {
    match line {
        PromptLine::System(text) => json!({ "role": "system", "content": text }),
        PromptLine::User(text) => json!({ "role": "user", "content": text }),
        PromptLine::Tool { call, result } => {
            json!({ "role": "tool", "tool_call_id": call, "content": result })
        }
        PromptLine::Model { text, calls } if calls.is_empty() => {
            json!({ "role": "assistant", "content": text })
        }
        PromptLine::Model { text, calls } => {
            let call = |call: &ToolCall| {
                json!({
                    "id": call.id,
                    "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments },
                })
            };
            let calls: Vec<Value> = calls.iter().map(call).collect();
            json!({ "role": "assistant", "content": text, "tool_calls": calls })
        }
    }
}

fn tool(tool: &ToolSpec) -> Value {
    let mut properties = Map::new();
    for parameter in tool.parameters {
        let property = json!({ "type": "string", "description": parameter.description });
        properties.insert(parameter.name.to_owned(), property);
    }
    let required = tool
        .parameters
        .iter()
        .filter(|parameter| parameter.required);
    let required: Vec<&str> = required.map(|parameter| parameter.name).collect();
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            },
        },
    })
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
    usage: Option<Used>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Deserialize)]
struct Used {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

fn read(text: &[u8]) -> Result<Completion, LanguageModelError> {
    let garbled = |reason: String| LanguageModelError::Garbled(reason);
    let answer: Answer = serde_json::from_slice(text)
        // What was found stays out: it may repeat a customer's words.
        .map_err(|error| garbled(format!("line {}, column {}", error.line(), error.column())))?;
    let choice = answer.choices.into_iter().next();
    let message = choice
        .ok_or_else(|| garbled("no choice".to_owned()))?
        .message;
    let calls = message.tool_calls.unwrap_or_default().into_iter();
    let call = |call: Call| ToolCall {
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments,
    };
    Ok(Completion {
        text: message.content.unwrap_or_default(),
        calls: calls.take(MAX_CALLS).map(call).collect(),
        usage: answer.usage.map(|used| Usage {
            prompt: used.prompt_tokens,
            completion: used.completion_tokens,
        }),
    })
}

#[cfg(test)]
mod tests {
    use doorstep_core::language_model::ToolParameter;

    use super::*;

    #[test]
    fn a_request_is_written_as_the_protocol_has_it() {
        const PARAMETERS: &[ToolParameter] = &[ToolParameter {
            name: "question",
            description: "What is asked",
            required: true,
        }];
        let call = ToolCall {
            id: "c1".into(),
            name: "get_policy".into(),
            arguments: r#"{"question":"returns"}"#.into(),
        };
        let request = CompletionRequest {
            size: ModelSize::Large,
            lines: vec![
                PromptLine::System("Rules".into()),
                PromptLine::User("Hello".into()),
                PromptLine::Model {
                    text: String::new(),
                    calls: vec![call],
                },
                PromptLine::Tool {
                    call: "c1".into(),
                    result: "{}".into(),
                },
            ],
            tools: vec![ToolSpec {
                name: "get_policy",
                description: "What the shop says",
                parameters: PARAMETERS,
            }],
            max_tokens: 100,
        };
        let body = body("big", &request, Form::Usual);
        assert_eq!(body["model"], "big");
        assert_eq!(body["max_tokens"], 100);
        let roles: Vec<&str> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool"]);
        let asked = &body["messages"][2]["tool_calls"][0];
        assert_eq!(asked["function"]["name"], "get_policy");
        assert_eq!(body["messages"][3]["tool_call_id"], "c1");
        let tool = &body["tools"][0]["function"];
        assert_eq!(tool["parameters"]["required"], json!(["question"]));
    }

    #[test]
    fn an_answer_is_read_and_what_is_none_is_told_without_its_words() {
        let read = |text: &str| super::read(text.as_bytes());
        let answer = read(
            r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"get_stock","arguments":"{}"}}]}}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#,
        )
        .unwrap();
        assert_eq!(answer.calls[0].name, "get_stock");
        assert_eq!(answer.text, "");
        let usage = Usage {
            prompt: 7,
            completion: 2,
        };
        assert_eq!(answer.usage, Some(usage));
        for garbage in [
            "",
            "Marta lives in Madrid",
            r#"{"choices":[]}"#,
            r#"{"choices":[{"message":{"content":7}}]}"#,
        ] {
            let error = read(garbage).unwrap_err().to_string();
            assert!(!error.contains("Madrid"), "{error}");
        }
    }
}
