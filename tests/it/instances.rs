//! Several instances on one PostgreSQL: they share the work, and nobody sees that they are several.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    chat::{Visitor, http},
    database::Database,
    hooks::{Hook, order_placed, parcel_news},
    server::{Kind, Launch, Place, Process},
    wait::{eventually, within},
};

/// Two instances over one database, the first with `role`.
struct Pair {
    first_place: Place,
    second_place: Place,
    a: Process,
    b: Process,
    database: Database,
}

impl Pair {
    async fn start(roles: [&str; 2]) -> Option<Self> {
        let first_place = Place::new(Kind::Postgres).await?;
        let second_place = first_place.beside();
        let launch = |place: &Place, role: &str| {
            Launch::serve(place)
                .role(role)
                .set("channels.webchat.messages.burst", "100000")
                .set("channels.webchat.sessions_per_ip.burst", "100000")
        };
        let (a, b) = tokio::join!(
            launch(&first_place, roles[0]).start(),
            launch(&second_place, roles[1]).start()
        );
        let database = first_place.database().await;
        Some(Self {
            first_place,
            second_place,
            a,
            b,
            database,
        })
    }

    /// Recipients of all e-mails, whichever instance wrote them.
    async fn mailed(&self) -> Vec<String> {
        let mut mailed = Vec::new();
        for place in [&self.first_place, &self.second_place] {
            let mails = doorstep_channels::email::outbox::list(&place.outbox(), usize::MAX)
                .await
                .unwrap();
            mailed.extend(mails.into_iter().map(|mail| mail.to));
        }
        mailed.sort_unstable();
        mailed
    }

    async fn wait_for_quiet(&self) {
        let open = "SELECT (SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL)
            + (SELECT COUNT(*) FROM deliveries WHERE settled_at IS NULL)";
        eventually("all work to be done", async || {
            (self.database.number(open).await == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_taken_by_one_instance_is_answered_through_the_others_socket() {
    let Some(pair) = Pair::start(["all", "all"]).await else {
        return;
    };
    let visitor = Visitor::anonymous(pair.a.address(), "en").await;
    let mut socket = visitor.connect(pair.b.address(), 0).await;
    let (status, receipt) = visitor
        .post(pair.a.address(), &json!({ "id": "m1", "text": "Hello" }))
        .await
        .unwrap();
    assert_eq!(status, 200, "{receipt}");
    let own = socket.next_of("message").await;
    assert_eq!(
        (own["from"].as_str(), own["client_id"].as_str()),
        (Some("customer"), Some("m1"))
    );
    let answer = socket.next_of("message").await;
    assert_eq!(
        (answer["from"].as_str(), answer["in_reply_to"].as_str()),
        (Some("shop"), Some("m1"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_conversation_that_alternate_between_instances_are_answered_in_order() {
    const MESSAGES: usize = 30;
    let Some(pair) = Pair::start(["all", "all"]).await else {
        return;
    };
    let visitor = Visitor::anonymous(pair.a.address(), "en").await;
    let mut socket = visitor.connect(pair.b.address(), 0).await;
    for number in 0..MESSAGES {
        let server = if number % 2 == 0 {
            pair.a.address()
        } else {
            pair.b.address()
        };
        let frame = json!({ "id": format!("m{number}"), "text": "Hello" });
        let (status, receipt) = visitor.post(server, &frame).await.unwrap();
        assert_eq!(status, 200, "{receipt}");
    }
    let mut answered = Vec::new();
    let mut position = 0;
    let reading = async {
        while answered.len() < MESSAGES {
            let message = socket.next_of("message").await;
            let at = message["position"].as_i64().unwrap();
            assert_eq!(at, position + 1, "positions have no gaps");
            position = at;
            if message["from"] == "shop" {
                answered.push(message["in_reply_to"].as_str().unwrap().to_owned());
            }
        }
    };
    within("all answers", reading).await;
    let expected: Vec<String> = (0..MESSAGES).map(|number| format!("m{number}")).collect();
    assert_eq!(answered, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_events_sent_to_both_instances_are_worked_off_once_each() {
    const ORDERS: usize = 100;
    let Some(pair) = Pair::start(["all", "all"]).await else {
        return;
    };
    let mut sending = Vec::new();
    for number in 0..ORDERS {
        let order = format!("{}", 7_000_000 + number);
        let parcel = format!("PAIR{number}");
        let placed = order_placed(
            &order,
            &format!("P-{number}"),
            &format!("p-{number}@example.com"),
            &parcel,
        );
        let news = parcel_news("shipment.delivered", &order, &parcel, 3);
        let (a, b) = (pair.a.address(), pair.b.address());
        sending.push(async move {
            let placed = Hook::generic(&format!("placed-{number}"), &placed);
            let news = Hook::generic(&format!("news-{number}"), &news);
            // Each to both: one of the two finds it stored.
            tokio::join!(
                placed.deliver(a),
                placed.deliver(b),
                news.deliver(b),
                news.deliver(a)
            );
        });
    }
    for chunk in in_chunks(sending, 10) {
        within("the events to be taken", futures::future::join_all(chunk)).await;
    }
    pair.wait_for_quiet().await;
    let number = async |sql: &str| pair.database.number(sql).await;
    assert_eq!(
        number("SELECT COUNT(*) FROM commerce_events").await,
        2 * ORDERS as i64
    );
    assert_eq!(
        number("SELECT COUNT(*) FROM notifications WHERE decision = 'told'").await,
        ORDERS as i64
    );
    assert_eq!(
        number("SELECT COUNT(*) FROM deliveries WHERE status = 'sent'").await,
        ORDERS as i64
    );
    assert_eq!(
        number("SELECT COUNT(*) FROM deliveries WHERE attempts <> 1").await,
        0,
        "one attempt each"
    );
    let mut expected: Vec<String> = (0..ORDERS)
        .map(|number| format!("p-{number}@example.com"))
        .collect();
    expected.sort_unstable();
    assert_eq!(pair.mailed().await, expected);
    let jobs = pair.database.jobs_table();
    let repeated = format!("SELECT COUNT(*) FROM {jobs} WHERE attempts > 1");
    assert_eq!(number(&repeated).await, 0, "a job ran twice");
    // Workers are named after their instance: `<instance>/<queue>/<restarts>`.
    let sharing = pair
        .database
        .texts(&format!(
            "SELECT DISTINCT split_part(lock_by, '/', 1) FROM {jobs} WHERE lock_by IS NOT NULL"
        ))
        .await;
    println!(
        "{} events worked off by {} instances",
        2 * ORDERS,
        sharing.len()
    );
    assert_eq!(sharing.len(), 2, "one of the two did nothing");
}

fn in_chunks<T>(items: Vec<T>, size: usize) -> Vec<Vec<T>> {
    let mut chunks: BTreeMap<usize, Vec<T>> = BTreeMap::new();
    for (index, item) in items.into_iter().enumerate() {
        chunks.entry(index / size).or_default().push(item);
    }
    chunks.into_values().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_instance_answers_and_a_worker_instance_does_the_jobs() {
    let Some(pair) = Pair::start(["web", "worker"]).await else {
        return;
    };
    let web = pair.a.address();
    let visitor = Visitor::signed_in(web, "en", "W-1").await;
    let mut conversation = visitor.talk(web).await;
    assert!(!conversation.ask("Hello").await.text().is_empty());
    let placed = order_placed("7100001", "W-1", "w-1@example.com", "WORK1");
    Hook::generic("worker-placed", &placed).deliver(web).await;
    pair.wait_for_quiet().await;
    let news = parcel_news("shipment.out_for_delivery", "7100001", "WORK1", 3);
    Hook::generic("worker-news", &news).deliver(web).await;
    let told = conversation.next_message().await;
    assert_eq!(told["proactive"], true, "{told}");
    pair.wait_for_quiet().await;
    assert_eq!(pair.mailed().await, ["w-1@example.com"]);
    let first = doorstep_channels::email::outbox::list(&pair.first_place.outbox(), 10)
        .await
        .unwrap();
    assert!(first.is_empty(), "the web instance does no jobs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_answers_what_watches_over_it_and_leaves_mail_and_visitors_to_web_instances() {
    const MAIL: &str = "From: Ana <ana@customers.example>\r\nTo: hello@fernweh.example\r\nSubject: Hello\r\n\
                        Message-ID: <waits@customers.example>\r\n\r\nWhat are your opening hours?\r\n";
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let mailbox = place.data_dir().join("mail");
    std::fs::create_dir_all(mailbox.join("new")).unwrap();
    let unread = mailbox.join("new").join("1");
    std::fs::write(&unread, MAIL).unwrap();
    let launch = |role: &str| {
        Launch::serve(&place)
            .role(role)
            .set("channels.email.maildir.path", "mail")
            .set("channels.email.maildir.poll_milliseconds", "10")
    };

    let worker = launch("worker").start().await;
    let url = format!("http://{}", worker.address());
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = http().get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    for path in ["/chat/session", "/webhooks/commerce/generic", "/track/x"] {
        let request = http().post(format!("{url}{path}")).json(&json!({}));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        let told: Value = answer.json().await.unwrap();
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains("--role web"), "{path}: {message}");
    }
    // Long enough to read a mail: the model reads the catalog meanwhile.
    eventually("the catalog to be read", async || {
        let answer = http().get(format!("{url}/readyz")).send().await.unwrap();
        let ready: Value = answer.json().await.unwrap();
        (ready["parts"]["catalog"]["status"] == "ok").then_some(())
    })
    .await;
    assert!(unread.exists(), "the worker read the mail");
    worker.kill().await;

    let _web = launch("web").start().await;
    let read = mailbox.join("cur").join("1:2,S");
    eventually("the mail to be read", async || read.exists().then_some(())).await;
}
