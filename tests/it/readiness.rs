//! Whether an instance is taken out of service, as load balancers decide it.

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{
    chat::http,
    server::{Kind, Launch, Place},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_away_takes_no_instance_out_of_service() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let server = Launch::serve(&place)
        .set("channels.email.smtp.host", "127.0.0.1")
        // Nobody listens there.
        .set("channels.email.smtp.port", "9")
        .set("channels.email.smtp.tls", "none")
        .start()
        .await;
    let answer = http()
        .get(format!("http://{}/readyz", server.address()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let ready: Value = answer.json().await.unwrap();
    assert_eq!(ready["status"], "degraded", "{ready}");
    let email = &ready["parts"]["channel:email"];
    assert_eq!(email["status"], "degraded", "{ready}");
    let reason = email["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("it is away, the rest works: "),
        "{reason}"
    );
    assert_eq!(ready["parts"]["database"]["status"], "ok", "{ready}");
}
