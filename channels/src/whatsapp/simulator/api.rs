//! The Graph API: messages, media, templates, numbers.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{Media, World, rules};
use crate::whatsapp::{
    address::{is_phone, is_user_id},
    config::Number,
    error::known,
    inbound::string,
    webhook::sign,
};

/// Meta's bound for documents.
const LARGEST_FILE: usize = 100 * 1024 * 1024;
const LONGEST_CALLBACK_DATA: usize = 512;

type Shared = State<Arc<World>>;
type Asked = Query<HashMap<String, String>>;

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/media/{id}", get(download))
        .route("/{version}/{id}", get(object))
        .route("/{version}/{id}/messages", post(messages))
        .route("/{version}/{id}/media", post(upload))
        .route("/{version}/{id}/message_templates", get(templates))
        .route("/{version}/{id}/subscribed_apps", get(subscribed_apps))
        .layer(DefaultBodyLimit::max(LARGEST_FILE))
        .with_state(world)
}

/// An error as the Graph API writes it.
fn refusal(status: u16, code: i64, details: &str) -> Response {
    let meaning = known(code).map_or("unknown", |known| known.meaning);
    let error = json!({
        "error": {
            "message": format!("(#{code}) {meaning}"),
            "type": "OAuthException",
            "code": code,
            "error_data": { "messaging_product": "whatsapp", "details": details },
            "fbtrace_id": "ASimulatedTraceId",
        }
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(error)).into_response()
}

/// The HTTP status that Meta's page names beside a code.
fn status_of(code: i64) -> u16 {
    match code {
        0 | 190 => 401,
        3 | 131_000 | 131_016 | 135_000 => 500,
        2 | 133_004 => 503,
        10 | 200..=299 | 368 | 130_403 | 130_497 | 131_005 | 131_031 => 403,
        132_001 => 404,
        _ => 400,
    }
}

/// The token, and where it is shown, the proof that the app secret belongs to it.
fn authorise(
    world: &World,
    headers: &HeaderMap,
    asked: &HashMap<String, String>,
) -> Option<Response> {
    let expected = format!("Bearer {}", world.options.access_token);
    let shown = headers.get(header::AUTHORIZATION);
    let right = shown.is_some_and(|shown| shown.as_bytes() == expected.as_bytes());
    if !right || world.state().faults.revoked {
        return Some(refusal(401, 190, "The access token could not be decrypted"));
    }
    let options = &world.options;
    let proof = || {
        sign(
            options.app_secret.as_bytes(),
            options.access_token.as_bytes(),
        )
    };
    match asked.get("appsecret_proof") {
        Some(shown) if *shown != proof() => Some(refusal(
            400,
            100,
            "Invalid appsecret_proof provided in the API argument",
        )),
        _ => None,
    }
}

fn number<'a>(world: &'a World, id: &str) -> Option<&'a Number> {
    let mut numbers = world.options.numbers.iter();
    numbers.find(|number| number.phone_number_id == id)
}

fn unknown_object(id: &str) -> Response {
    let details = format!("Object with ID '{id}' does not exist or cannot be loaded");
    refusal(400, 100, &details)
}

async fn messages(
    State(world): Shared,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refused) = authorise(&world, &headers, &asked) {
        return refused;
    }
    let Some(number) = number(&world, &id) else {
        return unknown_object(&id);
    };
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return refusal(400, 100, "the body is not JSON");
    };
    if body["messaging_product"] != "whatsapp" {
        return refusal(400, 100, "messaging_product must be whatsapp");
    }
    if body["status"] == "read" {
        return mark(&world, &body);
    }
    if let Some(fault) = fault(&world) {
        return fault;
    }
    match take(&world, number, &body) {
        Ok((answer, lost)) => match lost {
            false => Json(answer).into_response(),
            true => never_arrives(),
        },
        Err((code, details)) => refusal(status_of(code), code, &details),
    }
}

fn mark(world: &World, body: &Value) -> Response {
    let known = string(body, "/message_id").is_some_and(|id| id.starts_with("wamid.SIM"));
    if !known {
        return refusal(400, 131_009, "message_id is not known");
    }
    world.state().counts.marks += 1;
    world.changed();
    Json(json!({ "success": true })).into_response()
}

/// Fails as injected.
fn fault(world: &World) -> Option<Response> {
    let mut state = world.state();
    let share = state.faults.rate_limited;
    if state.chance.happens(share) {
        state.counts.rate_limited += 1;
        let mut refused = refusal(
            status_of(130_429),
            130_429,
            "Cloud API message throughput has been reached",
        );
        let seconds = HeaderValue::from(state.faults.retry_after.as_secs());
        refused.headers_mut().insert(header::RETRY_AFTER, seconds);
        return Some(refused);
    }
    let share = state.faults.server_error;
    if state.chance.happens(share) {
        state.counts.server_errors += 1;
        return Some(refusal(
            500,
            131_000,
            "Message failed to send due to an unknown error",
        ));
    }
    let code = state.refusals.pop_front()?;
    Some(refusal(status_of(code), code, "as told"))
}

/// Takes a message: the answer, and whether it gets lost.
fn take(world: &World, number: &Number, body: &Value) -> Result<(Value, bool), rules::Refusal> {
    let refuse = |code: i64, details: &str| Err((code, details.to_owned()));
    let now = world.now();
    // `to` takes precedence (Meta: "Business-scoped user IDs").
    let (recipient, by_phone) = match (string(body, "/to"), string(body, "/recipient")) {
        (Some(to), _) => (to.trim_start_matches('+'), true),
        (None, Some(user_id)) => (user_id, false),
        (None, None) => return refuse(131_008, "required parameter to is missing"),
    };
    let well_formed = match by_phone {
        true => is_phone(recipient),
        false => is_user_id(recipient),
    };
    if !well_formed {
        return refuse(131_009, "the recipient is not valid");
    }
    let data = string(body, "/biz_opaque_callback_data").unwrap_or_default();
    if data.chars().count() > LONGEST_CALLBACK_DATA {
        return refuse(131_009, "biz_opaque_callback_data is too long");
    }
    let mut state = world.state();
    let state = &mut *state;
    let has_media = |id: &str| state.media.contains_key(id);
    let mut sent = rules::render(body, &world.options.templates, has_media)?;
    if recipient.starts_with("999") {
        return refuse(
            131_026,
            "Message undeliverable: this number is not on WhatsApp",
        );
    }
    let customer = state.customers.addressed(recipient);
    if customer.blocked {
        return refuse(131_026, "Message undeliverable");
    }
    let open = customer.window_is_open(&number.phone_number_id, now);
    if body["type"] != "template" && !open {
        return refuse(
            131_047,
            "Message failed to send because more than 24 hours have passed since the customer last replied to this number",
        );
    }
    if world.options.limits {
        state.limits.take(&number.phone_number_id, recipient, now)?;
    }
    let id = state.next_message();
    sent.shown.id.clone_from(&id);
    let customer = state.customers.addressed(recipient);
    customer.sent.push(sent);
    let contact = customer.contact();
    let later = state.later_failures.pop_front();
    let share = state.faults.lost_answer;
    let lost = state.chance.happens(share);
    state.counts.shown += 1;
    state.counts.lost_answers += u64::from(lost);
    let statuses = match later {
        Some(code) => vec![json!({
            "status": "failed",
            "errors": [{
                "code": code,
                "title": known(code).map_or("unknown", |known| known.meaning),
                "message": known(code).map_or("unknown", |known| known.meaning),
                "error_data": { "details": "as told" },
            }],
        })],
        None => vec![
            json!({ "status": "sent" }),
            json!({ "status": "delivered" }),
        ],
    };
    world.tell_statuses(number, &contact, &id, body, statuses);
    world.changed();
    let mut input = json!({ "input": recipient });
    match by_phone {
        true => input["wa_id"] = json!(recipient),
        false => input["user_id"] = json!(recipient),
    }
    let answer = json!({
        "messaging_product": "whatsapp",
        "contacts": [input],
        "messages": [{ "id": id }],
    });
    Ok((answer, lost))
}

/// An answer whose connection breaks before anything of it was said.
fn never_arrives() -> Response {
    let broken = futures::stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("the answer is lost"))
    });
    Body::from_stream(broken).into_response()
}

async fn upload(
    State(world): Shared,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refused) = authorise(&world, &headers, &asked) {
        return refused;
    }
    if number(&world, &id).is_none() {
        return unknown_object(&id);
    }
    let boundary = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok()?.split_once("boundary="))
        .map(|(_, boundary)| boundary.trim_matches('"').to_owned());
    let fields = boundary.map(|boundary| form_fields(&body, &boundary));
    let fields = fields.unwrap_or_default();
    let media_type = fields
        .get("type")
        .map(|value| String::from_utf8_lossy(value).into_owned());
    match (fields.get("file"), media_type) {
        (Some(file), Some(media_type)) if fields.contains_key("messaging_product") => {
            let bytes = file.clone();
            let id = world.state().keep(Media { media_type, bytes });
            Json(json!({ "id": id })).into_response()
        }
        _ => refusal(
            400,
            131_008,
            "messaging_product, type and file are required",
        ),
    }
}

/// The fields of a form (RFC 7578).
fn form_fields(body: &Bytes, boundary: &str) -> HashMap<String, Bytes> {
    let mark = format!("--{boundary}");
    let find = |from: usize, wanted: &[u8]| {
        let rest = body.get(from..)?;
        let at = rest
            .windows(wanted.len())
            .position(|window| window == wanted)?;
        Some(from + at)
    };
    let mut fields = HashMap::new();
    let mut at = find(0, mark.as_bytes());
    while let Some(start) = at.map(|at| at + mark.len()) {
        let end = find(start, mark.as_bytes());
        let (Some(end), Some(blank)) = (end, find(start, b"\r\n\r\n")) else {
            break;
        };
        let head = String::from_utf8_lossy(&body[start..blank]);
        let name = head
            .split_once("name=\"")
            .and_then(|(_, rest)| rest.split_once('"'));
        if let Some((name, _)) = name {
            let value = (blank + 4)..end.saturating_sub(2).max(blank + 4);
            fields.insert(name.to_owned(), body.slice(value));
        }
        at = Some(end);
    }
    fields
}

/// A number or a file, told by their ids.
async fn object(
    State(world): Shared,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = authorise(&world, &headers, &asked) {
        return refused;
    }
    if let Some(number) = number(&world, &id) {
        return Json(json!({
            "id": id,
            "display_phone_number": number.number,
            "verified_name": "The Shop",
            "name_status": "APPROVED",
            "quality_rating": "GREEN",
            "webhook_configuration": { "application": world.options.webhook },
        }))
        .into_response();
    }
    let media = world.state().media.get(&id).cloned();
    match media {
        Some(media) => Json(json!({
            "messaging_product": "whatsapp",
            "id": id,
            "mime_type": media.media_type,
            "file_size": media.bytes.len(),
            "url": format!("{}/media/{id}", world.base),
        }))
        .into_response(),
        None => unknown_object(&id),
    }
}

async fn download(State(world): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refused) = authorise(&world, &headers, &HashMap::new()) {
        return refused;
    }
    let state = world.state();
    if state.faults.media_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match state.media.get(&id) {
        Some(media) => {
            let kind = [(header::CONTENT_TYPE, media.media_type.clone())];
            (kind, media.bytes.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn templates(
    State(world): Shared,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = authorise(&world, &headers, &asked) {
        return refused;
    }
    if id != world.options.business_account {
        return unknown_object(&id);
    }
    let number = |name: &str| asked.get(name).and_then(|text| text.parse::<usize>().ok());
    let start = number("after").unwrap_or(0);
    let end = start.saturating_add(number("limit").unwrap_or(25).min(3));
    let all = &world.options.templates;
    let page: Vec<&Value> = all.iter().take(end).skip(start).collect();
    let mut answer = json!({ "data": page, "paging": { "cursors": { "after": end.to_string() } } });
    if end < all.len() {
        answer["paging"]["next"] = json!(format!("{}/next", world.base));
    }
    Json(answer).into_response()
}

async fn subscribed_apps(
    State(world): Shared,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = authorise(&world, &headers, &asked) {
        return refused;
    }
    match id == world.options.business_account {
        true => Json(json!({ "data": [{ "whatsapp_business_api_data": { "name": "Doorstep" } }] }))
            .into_response(),
        false => unknown_object(&id),
    }
}
