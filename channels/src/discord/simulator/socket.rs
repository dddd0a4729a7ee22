//! The gateway's side of a connection
//! (<https://discord.com/developers/docs/events/gateway#connection-lifecycle>).

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Shared, TOKEN, payloads,
    world::{Out, Session, World},
};

const MESSAGE_CONTENT: u64 = 1 << 15;

pub(super) async fn serve(mut socket: WebSocket, shared: Arc<Shared>) {
    let (sender, mut orders) = mpsc::unbounded_channel();
    let interval = shared.world().options.heartbeat.as_millis();
    let hello = json!({
        "op": 10, "t": null, "s": null,
        "d": { "heartbeat_interval": u64::try_from(interval).unwrap_or(41250), "_trace": [] },
    });
    if say(&mut socket, &hello).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            order = orders.recv() => match order {
                Some(Out::Frame(frame)) => {
                    if say(&mut socket, &frame).await.is_err() {
                        return;
                    }
                }
                Some(Out::Close(code)) => {
                    let frame = CloseFrame { code, reason: "".into() };
                    // The other side may be gone.
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    return;
                }
                None => return,
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => hear(&shared, &text, &sender),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

async fn say(socket: &mut WebSocket, frame: &Value) -> Result<(), axum::Error> {
    socket.send(Message::text(frame.to_string())).await
}

/// Answers what the bot says.
fn hear(shared: &Shared, text: &str, sender: &mpsc::UnboundedSender<Out>) {
    let answer = |out: Out| {
        // The connection that hears is the one that says.
        let _ = sender.send(out);
    };
    let Ok(frame) = serde_json::from_str::<Value>(text) else {
        return answer(Out::Close(4002));
    };
    let mut world = shared.world();
    let data = &frame["d"];
    match frame["op"].as_u64() {
        Some(1) if world.options.acknowledges => {
            answer(Out::Frame(
                json!({ "op": 11, "t": null, "s": null, "d": null }),
            ));
        }
        Some(1) => {}
        Some(2 | 6) if data["token"] != TOKEN || world.faults.revoked => answer(Out::Close(4004)),
        Some(2) => identify(&mut world, data, sender),
        Some(6) => resume(&mut world, data, sender),
        _ => answer(Out::Close(4001)),
    }
    drop(world);
    shared.change();
}

fn identify(world: &mut World, data: &Value, sender: &mpsc::UnboundedSender<Out>) {
    let intents = data["intents"].as_u64().unwrap_or(0);
    let wants_content = intents & MESSAGE_CONTENT != 0;
    if wants_content && !world.options.grants_content {
        let _ = sender.send(Out::Close(4014));
        return;
    }
    let id = format!("simulated-session-{}", world.next_id());
    let url = format!("{}/gateway", world.base.replace("http://", "ws://"));
    let mut session = Session {
        log: Vec::new(),
        reads_content: wants_content,
        sender: Some(sender.clone()),
    };
    session.dispatch("READY", &payloads::ready(&id, &url));
    session.dispatch("GUILD_CREATE", &payloads::guild());
    world.sessions.insert(id, session);
}

fn resume(world: &mut World, data: &Value, sender: &mpsc::UnboundedSender<Out>) {
    let known = data["session_id"]
        .as_str()
        .and_then(|id| world.sessions.get_mut(id));
    let Some(session) = known else {
        let over = json!({ "op": 9, "t": null, "s": null, "d": false });
        let _ = sender.send(Out::Frame(over));
        return;
    };
    let seen = data["seq"].as_u64().unwrap_or(0);
    for (_, frame) in session.log.iter().filter(|(sequence, _)| *sequence > seen) {
        let _ = sender.send(Out::Frame(frame.clone()));
    }
    session.sender = Some(sender.clone());
    session.dispatch("RESUMED", &json!({ "_trace": [] }));
}
