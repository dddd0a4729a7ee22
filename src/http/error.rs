//! The one place where errors become HTTP.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use doorstep_channels::webchat::WebChatError;
use doorstep_core::{channel::AdmitError, webhook::WebhookRejection};
use doorstep_engine::StoreError;
use serde_json::json;

/// What a caller is told: a status, a fixed code for machines, a sentence for people.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<u64>,
}

impl ApiError {
    /// An error of a status, a code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Nothing is here.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The request is not understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// Too many requests; try again after so many seconds.
    pub fn rate_limited(message: impl Into<String>, retry_after: u64) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
        Self {
            retry_after: Some(retry_after),
            ..error
        }
    }

    /// We are at fault; logged here, once, with what a caller is not told.
    pub fn internal(what: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        let message = format!("{what}; nothing was changed, try again");
        Self {
            retry_after: Some(2),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<WebhookRejection> for ApiError {
    fn from(rejection: WebhookRejection) -> Self {
        use WebhookRejection as R;
        let status = match rejection {
            R::MissingHeader { .. } | R::BadSignature | R::OutsideReplayWindow { .. } => {
                StatusCode::UNAUTHORIZED
            }
            R::Malformed { .. } => StatusCode::BAD_REQUEST,
            R::Unsupported { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            R::NotHere => StatusCode::NOT_FOUND,
        };
        Self::new(status, rejection.label(), rejection.to_string())
    }
}

impl From<WebChatError> for ApiError {
    fn from(error: WebChatError) -> Self {
        let status = match &error {
            WebChatError::ForeignOrigin { .. } => StatusCode::FORBIDDEN,
            WebChatError::InvalidSession | WebChatError::InvalidIdentity { .. } => {
                StatusCode::UNAUTHORIZED
            }
            WebChatError::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            WebChatError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            WebChatError::Invalid { .. } => StatusCode::BAD_REQUEST,
            WebChatError::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        };
        let retry_after = error.retry_after();
        Self {
            retry_after,
            ..Self::new(status, error.code(), error.to_string())
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal("the store did not take it", &error)
    }
}

impl From<AdmitError> for ApiError {
    fn from(error: AdmitError) -> Self {
        Self::internal("the message was not admitted", &error)
    }
}

pub(super) async fn no_such_page() -> ApiError {
    ApiError::not_found("there is no such page; /openapi.json lists what there is")
}

pub(super) async fn not_on_a_worker() -> ApiError {
    ApiError::not_found(
        "this instance is a worker and answers /healthz, /readyz and /metrics alone; ask one that runs with --role web",
    )
}

pub(super) async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "this page does not take that method; /openapi.json says which",
    )
}
