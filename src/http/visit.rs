//! A visit of one of the customers' pages: what a token opens, for whom and in which language. All pages count visits, answer
//! wrong links alike and choose their language in the same way.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, request::Parts},
    response::{IntoResponse, Response},
};
use doorstep_core::{Timestamp, customer::Customer};
use serde::{Deserialize, Serialize};

use super::{
    ApiError, Shared,
    chat::Caller,
    html::{Page, Speech},
};

/// The query that all pages take.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    /// The language.
    lang: Option<String>,
    /// What a one-click POST is about; marketing unless it says `order`.
    pub(super) topic: Option<String>,
}

/// Somebody follows a link to a page.
pub(super) struct Visit {
    pub(super) app: Shared,
    /// What the link carries.
    pub(super) token: String,
    pub(super) asked: Asked,
    pub(super) headers: HeaderMap,
}

/// Counts the visit; one too many is refused (429).
impl FromRequestParts<Shared> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, app)
            .await
            .map_err(IntoResponse::into_response)?;
        app.take_page_visit(caller.ip)
            .map_err(IntoResponse::into_response)?;
        let path = Path::from_request_parts(parts, app).await;
        let query = Query::from_request_parts(parts, app).await;
        // A link that cannot be read opens nothing, as any other wrong one: the empty token is nobody's.
        let (token, asked) = match (path, query) {
            (Ok(Path(token)), Ok(Query(asked))) => (token, asked),
            _ => Default::default(),
        };
        Ok(Self {
            app: app.clone(),
            token,
            asked,
            headers: parts.headers.clone(),
        })
    }
}

impl Visit {
    pub(super) fn now(&self) -> Timestamp {
        self.app.ambient.now()
    }

    /// The language of the page: as its reader wishes, else as the customer's or the shop's is known.
    pub(super) fn speech(&self, customer: Option<&Customer>) -> Speech<'_> {
        let theirs = customer.and_then(|customer| customer.language.as_ref());
        let known = [theirs, Some(&self.app.config.shop.default_language)];
        let asked = self.asked.lang.as_deref();
        self.app.html.speak(asked, &self.headers, &known)
    }

    /// A page in its layout.
    pub(super) fn render<T: Serialize>(
        &self,
        speech: Speech<'_>,
        page: Page<'_, T>,
    ) -> Result<Response, ApiError> {
        self.app.html.render(&self.app.config.shop, speech, page)
    }

    /// The one answer to every link that opens nothing: wrong, expired, or of somebody who is gone.
    pub(super) fn missing(&self) -> Result<Response, ApiError> {
        let speech = self.speech(None);
        self.render(speech, Page::missing(speech))
    }
}
