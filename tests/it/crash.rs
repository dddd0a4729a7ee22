//! Killing the program at every transaction boundary of both roads, and at any moment between: nothing acknowledged is
//! lost (G1), nothing happens twice (G2), everything is in order (G3).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Instant,
};

use tokio::{sync::watch, task::JoinHandle};

use crate::support::{
    database::Database,
    server::{Kind, Launch, Place, Process},
    wait::{eventually, within},
    workload::{Address, Customer, EVENTS, Lived, MESSAGES, Progress, place_of},
};

/// Customers of one batch.
const BATCH: usize = 2;
/// Batches that a crash point gets to be reached.
const TRIES: usize = 4;
/// Kills at moments that nobody chose.
const RANDOM_KILLS: u64 = 24;
/// Where the random moments begin; a failure is repeated with the same one.
const SEED: u64 = 0x00D0_0257_E900_0002;

/// Transactions that this traffic does not have: its channels have no provider, its visitors send no files, follow no links
/// and open no pages, no carrier is asked (`polling.rs` kills that), nobody's data is erased or learnt from, nobody gives a
/// job up, the rules hold nothing back and have no second channel, and a rehearsal's store is thrown away.
const NOT_ON_THE_ROADS: [&str; 21] = [
    "claim_learning",
    "claim_polls",
    "close_address",
    "close_handoff",
    "commit_due",
    "commit_fallback",
    "commit_privacy",
    "forget_attachment",
    "give_up",
    "import_products",
    "keep_eta_model",
    "keep_link",
    "note_followed",
    "set_cursor",
    "set_preferences",
    "settle_attachment",
    "settle_by_receipt",
    "settle_polls",
    "take_in",
    "take_places",
    "unlink",
];
/// Transactions that PostgreSQL does not have: there the job queue commits by itself, on connections of its own.
const SQLITE_ALONE: [&str; 1] = ["keep_books"];
/// The transactions of those connections.
const QUEUE_ON_POSTGRES: [&str; 3] = ["acknowledge_jobs", BEAT, "fetch_jobs"];
/// On SQLite the queue's other transactions are `keep_books`.
const QUEUE_ON_SQLITE: [&str; 1] = [BEAT];
/// A worker says that it lives, and takes over the jobs of those that do not: by the clock, whatever the traffic.
const BEAT: &str = "beat";
/// Transactions that only clear up: they are reached by what an earlier crash left behind.
const CLEARING_UP: [&str; 2] = ["enqueue", "release_claims"];
/// Where a crash leaves an event that nobody works on, for the sweep to enqueue.
const LEAVES_AN_EVENT: &str = "commit_enrichment:before_commit:1";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_repeated_or_reordered_through_kills_on_sqlite() {
    survive(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_repeated_or_reordered_through_kills_on_postgresql() {
    survive(Kind::Postgres).await;
}

async fn survive(kind: Kind) {
    let Some(place) = Place::new(kind).await else {
        return;
    };
    let began = Instant::now();
    let mut ordeal = Ordeal::new(place);
    let mut unreached = Vec::new();
    for point in crash_points(kind) {
        if point.starts_with("enqueue:") {
            ordeal.crash_at(LEAVES_AN_EVENT).await;
        }
        if !ordeal.crash_at(&point).await {
            unreached.push(point);
        }
    }
    let mut random = SplitMix(SEED);
    for _ in 0..RANDOM_KILLS {
        ordeal.kill_after(random.below(24)).await;
    }
    let _last = ordeal.come_to_rest().await;
    let truth = ordeal.truth().await;
    truth.wait_for_quiet().await;
    let harm = truth.harm(&ordeal.place).await;
    // Told before anything is asserted, so that a failure tells how much it is.
    println!(
        "{kind:?}: {} rounds, {} kills ({} at transaction boundaries, {RANDOM_KILLS} at random moments), \
         {} messages, {} events, {} notifications, lost {}, repeated {}, out of order {}, in {:.0} s",
        ordeal.rounds,
        ordeal.kills,
        ordeal.kills - RANDOM_KILLS,
        ordeal.customers * MESSAGES,
        ordeal.customers * EVENTS,
        ordeal.customers,
        harm.lost,
        harm.repeated,
        harm.out_of_order,
        began.elapsed().as_secs_f64(),
    );
    assert_eq!(ordeal.lived.len(), ordeal.customers);
    truth.check_messages().await;
    truth.check_replies().await;
    truth.check_news(&ordeal.place).await;
    assert_eq!(harm, Harm::default());
    assert!(
        unreached.is_empty(),
        "these crash points were never reached: {unreached:?}"
    );
}

/// Every transaction, before and after its commit, at its first and at a later pass. The store's names come from the
/// source, so that a new transaction is crashed at too.
fn crash_points(kind: Kind) -> Vec<String> {
    let mut points = Vec::new();
    let queue: &[&str] = match kind {
        Kind::Sqlite => &QUEUE_ON_SQLITE,
        Kind::Postgres => &QUEUE_ON_POSTGRES,
    };
    let queue = queue.iter().map(|&name| name.to_owned());
    for name in transactions().into_iter().chain(queue) {
        let elsewhere = kind == Kind::Postgres && SQLITE_ALONE.contains(&name.as_str());
        if elsewhere || NOT_ON_THE_ROADS.contains(&name.as_str()) {
            continue;
        }
        let passes: &[u32] = if CLEARING_UP.contains(&name.as_str()) {
            &[1]
        } else {
            &[1, 3]
        };
        for pass in passes {
            for point in ["before_commit", "after_commit"] {
                points.push(format!("{name}:{point}:{pass}"));
            }
        }
    }
    points
}

/// The `NAME` of every `Write` of the store.
fn transactions() -> BTreeSet<String> {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("engine/src/store");
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(store).expect("the store's source") {
        let path = file.expect("a file").path();
        if path.is_dir() {
            continue; // tests
        }
        let text = std::fs::read_to_string(path).expect("text");
        for line in text.lines() {
            if let Some(name) = line.trim().strip_prefix("const NAME: &'static str = \"") {
                names.insert(name.trim_end_matches("\";").to_owned());
            }
        }
    }
    assert!(
        names.len() >= 10,
        "only {names:?} were found: is `NAME` written differently now?"
    );
    names
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// One database and outbox that go through many processes, and the traffic that goes on meanwhile.
struct Ordeal {
    place: Place,
    addresses: watch::Sender<Vec<std::net::SocketAddr>>,
    server: Address,
    progress: Progress,
    batch: Option<JoinHandle<Vec<Lived>>>,
    lived: Vec<Lived>,
    customers: usize,
    rounds: u64,
    kills: u64,
}

/// What must not happen, counted over messages, answers, events, news and e-mails.
#[derive(Debug, Default, PartialEq, Eq)]
struct Harm {
    lost: usize,
    repeated: usize,
    out_of_order: usize,
}

impl Harm {
    /// Holds what was found against what was acknowledged and must be there, once.
    fn compare(&mut self, acknowledged: impl IntoIterator<Item = String>, found: &[String]) {
        let distinct: BTreeSet<&String> = found.iter().collect();
        self.repeated += found.len() - distinct.len();
        let acknowledged = acknowledged.into_iter();
        self.lost += acknowledged.filter(|one| !distinct.contains(one)).count();
    }
}

impl Ordeal {
    fn new(place: Place) -> Self {
        let (addresses, server) = Address::publish();
        Self {
            place,
            addresses,
            server,
            progress: Progress::new(),
            batch: None,
            lived: Vec::new(),
            customers: 0,
            rounds: 0,
            kills: 0,
        }
    }

    fn launch(&self) -> Launch {
        // Short leases: what a crash left behind is taken up within seconds.
        Launch::serve(&self.place)
            .set("sweep.every_s", "1")
            .set("sweep.patience_s", "1")
            .set("sweep.worker_lease_s", "2")
            .set("delivery.timeout_s", "1")
            .set("delivery.lease_s", "2")
            .set("channels.webchat.messages.burst", "100000")
            .set("channels.webchat.sessions_per_ip.burst", "100000")
    }

    /// Lets traffic run into a crash point; whether it was reached.
    async fn crash_at(&mut self, point: &str) -> bool {
        let process = self.begin_round(Some(point.to_owned())).await;
        let mut reached = process.has_ended();
        for _ in 0..TRIES {
            if reached {
                break;
            }
            reached = self.work(&process).await;
        }
        if !reached && point.starts_with(BEAT) {
            within("a heartbeat", process.ended()).await;
            reached = true;
        }
        self.end_round(&process).await;
        reached
    }

    /// Kills the program after so many more acknowledgements and answers.
    async fn kill_after(&mut self, steps: u64) {
        let process = self.begin_round(None).await;
        let progress = self.progress.clone();
        let steps = progress.more(steps);
        tokio::pin!(steps);
        loop {
            self.begin_batch();
            let batch = self.batch.as_mut().expect("begun");
            tokio::select! {
                () = &mut steps => break,
                lived = batch => self.end_batch(lived),
            }
        }
        self.end_round(&process).await;
    }

    async fn begin_round(&mut self, crash_at: Option<String>) -> Process {
        self.rounds += 1;
        let process = self.launch().crash_at(crash_at).spawn();
        if let Some(address) = process.ready().await {
            self.addresses.send_replace(vec![address]);
        }
        process
    }

    async fn end_round(&mut self, process: &Process) {
        self.addresses.send_replace(Vec::new());
        process.kill().await;
        self.kills += 1;
    }

    /// Lets a batch of customers live; `true`: the program died before they were done.
    async fn work(&mut self, process: &Process) -> bool {
        self.begin_batch();
        let batch = self.batch.as_mut().expect("begun");
        let outcome = within("a batch of customers", async {
            tokio::select! {
                _ = process.ended() => None,
                lived = batch => Some(lived),
            }
        });
        match outcome.await {
            None => true,
            Some(lived) => {
                self.end_batch(lived);
                false
            }
        }
    }

    fn begin_batch(&mut self) {
        if self.batch.is_some() {
            return;
        }
        let (server, progress, first) =
            (self.server.clone(), self.progress.clone(), self.customers);
        self.customers += BATCH;
        self.batch = Some(tokio::spawn(async move {
            let lives = (first..first + BATCH)
                .map(|number| Customer::new(number).live(server.clone(), progress.clone()));
            futures::future::join_all(lives).await
        }));
    }

    fn end_batch(&mut self, lived: Result<Vec<Lived>, tokio::task::JoinError>) {
        self.batch = None;
        self.lived.extend(lived.expect("customers are served"));
    }

    /// Lets the last customers live; the program that serves them goes on for as long as it is held.
    async fn come_to_rest(&mut self) -> Process {
        let process = self.begin_round(None).await;
        if let Some(batch) = self.batch.take() {
            let lived = within("the last customers", batch).await;
            self.end_batch(lived);
        }
        process
    }

    async fn truth(&self) -> Truth<'_> {
        Truth {
            database: self.place.database().await,
            customers: &self.lived,
        }
    }
}

/// The chats that were told the news.
const TOLD_CHATS: &str =
    "SELECT c.address FROM outbound_messages o JOIN conversations c ON o.conversation_id = c.id
    WHERE o.notification_id IS NOT NULL AND c.channel = 'webchat'";

/// To whom a mail was written, once for each mail.
async fn mailed_to(place: &Place) -> Vec<String> {
    let mails = doorstep_channels::email::outbox::list(&place.outbox(), usize::MAX).await;
    mails.unwrap().into_iter().map(|mail| mail.to).collect()
}

/// How often a customer's earlier message comes after a later one.
fn falls(external_ids: &[String]) -> usize {
    let neighbours = external_ids.windows(2);
    neighbours
        .map(|pair| (place_of(&pair[0]), place_of(&pair[1])))
        .filter(|((one, first), (other, second))| one == other && first > second)
        .count()
}

/// What database and outbox say in the end.
struct Truth<'a> {
    database: Database,
    customers: &'a [Lived],
}

impl Truth<'_> {
    async fn wait_for_quiet(&self) {
        let open = "SELECT (SELECT COUNT(*) FROM inbound_messages WHERE handled_at IS NULL)
            + (SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL)
            + (SELECT COUNT(*) FROM deliveries WHERE settled_at IS NULL)";
        eventually("all work to be done", async || {
            (self.database.number(open).await == 0).then_some(())
        })
        .await;
    }

    /// What was lost, repeated, or handled or answered out of order.
    async fn harm(&self, place: &Place) -> Harm {
        let mut harm = Harm::default();
        let written = || {
            let customers = self.customers.iter();
            customers
                .flat_map(|lived| (0..MESSAGES).map(move |at| format!("{}:m{at}", lived.visitor)))
        };
        let handled = "SELECT external_id FROM inbound_messages WHERE handled_at IS NOT NULL
            ORDER BY conversation_id, ordinal";
        let handled = self.database.texts(handled).await;
        harm.compare(written(), &handled);
        let answered = "SELECT i.external_id FROM outbound_messages o JOIN inbound_messages i ON o.in_reply_to = i.id
            ORDER BY o.conversation_id, o.position";
        let answered = self.database.texts(answered).await;
        harm.compare(written(), &answered);
        harm.out_of_order = falls(&handled) + falls(&answered);

        let told = (0..self.customers.len())
            .flat_map(|number| [format!("placed-{number}"), format!("news-{number}")]);
        let events = "SELECT external_id FROM commerce_events WHERE source = 'generic'";
        harm.compare(told, &self.database.texts(events).await);
        let visitors = self.customers.iter().map(|lived| lived.visitor.clone());
        harm.compare(visitors, &self.database.texts(TOLD_CHATS).await);
        let customers = self.customers.iter().map(|lived| lived.email.clone());
        harm.compare(customers, &mailed_to(place).await);
        harm
    }

    /// Every message is there once, handled, in the order it was written.
    async fn check_messages(&self) {
        let sql = "SELECT external_id FROM inbound_messages WHERE handled_at IS NOT NULL
            ORDER BY conversation_id, ordinal";
        let mut written: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for external_id in self.database.texts(sql).await {
            let (visitor, place) = place_of(&external_id);
            written.entry(visitor.to_owned()).or_default().push(place);
        }
        assert_eq!(
            written.len(),
            self.customers.len(),
            "every customer has one conversation"
        );
        for customer in self.customers {
            let all: Vec<usize> = (0..MESSAGES).collect();
            assert_eq!(
                written[&customer.visitor], all,
                "lost, repeated or out of order"
            );
        }
        self.none("SELECT COUNT(*) FROM conversations WHERE inbound_count <> handled_count")
            .await;
    }

    /// Every message has one answer, answers come in order, and positions have neither gaps nor doubles.
    async fn check_replies(&self) {
        let messages = (self.customers.len() * MESSAGES) as i64;
        let sql = "SELECT COUNT(*) FROM outbound_messages WHERE in_reply_to IS NOT NULL";
        assert_eq!(
            self.database.number(sql).await,
            messages,
            "one answer a message"
        );
        let sql = "SELECT COUNT(DISTINCT in_reply_to) FROM outbound_messages";
        assert_eq!(
            self.database.number(sql).await,
            messages,
            "every message is answered"
        );
        self.none(
            "SELECT COUNT(*) FROM outbound_messages a JOIN inbound_messages ia ON a.in_reply_to = ia.id
                JOIN outbound_messages b ON b.conversation_id = a.conversation_id
                JOIN inbound_messages ib ON b.in_reply_to = ib.id
                WHERE ia.ordinal < ib.ordinal AND a.position > b.position",
        )
        .await;
        self.none(
            "SELECT COUNT(*) FROM outbound_messages o JOIN inbound_messages i ON o.in_reply_to = i.id
                WHERE o.position <= i.position OR o.conversation_id <> i.conversation_id",
        )
        .await;
        self.none(
            "SELECT COUNT(*) FROM conversations c JOIN (
                SELECT conversation_id, COUNT(*) AS entries, COUNT(DISTINCT position) AS places,
                    MIN(position) AS first, MAX(position) AS last
                FROM (SELECT conversation_id, position FROM inbound_messages
                    UNION ALL SELECT conversation_id, position FROM outbound_messages) AS entry
                GROUP BY conversation_id) AS e ON e.conversation_id = c.id
                WHERE e.entries <> e.places OR e.entries <> e.last OR e.first <> 1 OR e.last <> c.last_position",
        )
        .await;
    }

    /// Every piece of news was decided once, is in the chat once, and was mailed once.
    async fn check_news(&self, place: &Place) {
        let customers = self.customers.len() as i64;
        let events = "SELECT COUNT(*) FROM commerce_events";
        assert_eq!(
            self.database.number(events).await,
            customers * EVENTS as i64,
            "events"
        );
        let told = "SELECT COUNT(*) FROM notifications WHERE decision = 'told'";
        assert_eq!(self.database.number(told).await, customers, "notifications");
        self.check_chats().await;
        let mailed = "SELECT COUNT(*) FROM outbound_messages o JOIN conversations c ON o.conversation_id = c.id
            WHERE o.notification_id IS NOT NULL AND c.channel = 'email'";
        assert_eq!(self.database.number(mailed).await, customers, "e-mails");
        let sent = "SELECT COUNT(*) FROM deliveries WHERE status = 'sent'";
        assert_eq!(self.database.number(sent).await, customers, "deliveries");
        self.none("SELECT COUNT(*) FROM deliveries WHERE status <> 'sent'")
            .await;
        let mut mailed = mailed_to(place).await;
        let mut expected: Vec<String> = self
            .customers
            .iter()
            .map(|lived| lived.email.clone())
            .collect();
        mailed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(mailed, expected, "one e-mail a customer");
    }

    /// The news is in every customer's chat, and in no chat twice. A session whose answer a kill swallowed is a second
    /// browser of the same customer: it is told too, once.
    async fn check_chats(&self) {
        let told = self.database.texts(TOLD_CHATS).await;
        let chats: BTreeSet<&String> = told.iter().collect();
        assert_eq!(chats.len(), told.len(), "no chat is told twice");
        for customer in self.customers {
            assert!(
                chats.contains(&customer.visitor),
                "visitor {} heard nothing",
                customer.visitor
            );
        }
    }

    async fn none(&self, sql: &str) {
        assert_eq!(self.database.number(sql).await, 0, "{sql}");
    }
}
