//! The outbound road from admission to sending, on real databases.

use std::{sync::atomic::Ordering, time::Duration};

use apalis::prelude::{BoxDynError, WorkerBuilder, WorkerContext};
use doorstep_core::{channel::SendError, shipment::TrackingStatus};

use crate::{
    ByHand, DeadLetters,
    dead_letters::Done,
    enrich_event,
    schema::Tables,
    testing::{postgres_road, roads, sqlite_road, within},
};

/// When carriers said something, in hours ago: the clock is the system's, and what is long ago is no news.
const TEN: i64 = 8;
const NOON: i64 = 6;
const FOUR: i64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_twice_becomes_one_chat_message_and_one_mail() {
    for road in roads().await {
        let chat = road.open_chat().await;
        let (workers, stop) = road.start().await;
        let first = road
            .tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        let second = road
            .tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        assert_eq!((first.id, second.duplicate), (second.id, true));
        road.mail.sent(1).await;
        // Another source tells the same, later.
        road.tell("e2", "1001", TrackingStatus::InTransit, NOON)
            .await;
        road.tell("e3", "1001", TrackingStatus::Delivered, FOUR)
            .await;
        let sent = road.mail.sent(2).await;
        assert_eq!(sent, ["1001 is on its way", "1001 is there"]);
        stop.cancel();
        within(workers.finished()).await;
        assert_eq!(road.chat(&chat).await.len(), 2);
        assert_eq!(road.mail.sent_now().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_that_a_parcel_is_on_its_way_after_it_has_arrived() {
    for road in roads().await {
        let (workers, stop) = road.start().await;
        road.tell("e1", "1001", TrackingStatus::Delivered, FOUR)
            .await;
        road.mail.sent(1).await;
        road.tell("e2", "1001", TrackingStatus::InTransit, TEN)
            .await;
        // Its news proves that the one before was decided: both pass the same queues.
        road.tell("e3", "1002", TrackingStatus::InTransit, TEN)
            .await;
        let sent = road.mail.sent(2).await;
        stop.cancel();
        within(workers.finished()).await;
        assert_eq!(sent, ["1001 is there", "1002 is on its way"]);
        assert_eq!(road.mail.sent_now(), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_work_and_send_each_message_once() {
    let Some(road) = postgres_road().await else {
        return;
    };
    let other = road.another().await;
    let (one, stop) = road.start().await;
    let (two, stop_other) = other.start().await;
    let told = (0..60).map(|number| {
        let (road, other) = (&road, &other);
        async move {
            let (id, order) = (format!("e{number}"), format!("{number}"));
            let here = road.tell(&id, &order, TrackingStatus::InTransit, TEN);
            let there = other.tell(&id, &order, TrackingStatus::InTransit, TEN);
            let (here, there) = tokio::join!(here, there);
            assert!(here.duplicate != there.duplicate);
        }
    });
    futures::future::join_all(told).await;
    let mut sent = road.mail.sent(60).await;
    stop.cancel();
    stop_other.cancel();
    within(one.finished()).await;
    within(two.finished()).await;
    assert_eq!(road.mail.sent_now().len(), 60);
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_worker_that_died_are_taken_over() {
    for road in roads().await {
        road.tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        road.meddle(
            "INSERT INTO Workers (id, worker_type, storage_name, last_seen) VALUES ('dead', 'enrich_event', 'x', 1)",
            "INSERT INTO apalis.workers (id, worker_type, storage_name, last_seen)
                VALUES ('dead', 'enrich_event', 'x', to_timestamp(1))",
        )
        .await;
        road.meddle(
            "UPDATE Jobs SET status = 'Running', lock_by = 'dead', lock_at = 1",
            "UPDATE apalis.jobs SET status = 'Running', lock_by = 'dead', lock_at = to_timestamp(1)",
        )
        .await;
        let (workers, stop) = road.start().await;
        road.mail.sent(1).await;
        stop.cancel();
        within(workers.finished()).await;
    }
}

/// A file has one instance: what was fetched before its start, nobody runs, however fresh the lease looks.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_on_sqlite_no_job_waits_for_the_lease_to_end() {
    let mut road = sqlite_road().await;
    road.config.lease = Duration::from_hours(1);
    road.tell("e1", "1001", TrackingStatus::InTransit, TEN)
        .await;
    road.meddle(
        "INSERT INTO Workers (id, worker_type, storage_name, last_seen)
            VALUES ('killed', 'enrich_event', 'x', unixepoch())",
        "",
    )
    .await;
    road.meddle(
        "UPDATE Jobs SET status = 'Running', lock_by = 'killed', lock_at = unixepoch()",
        "",
    )
    .await;
    let (workers, stop) = road.start().await;
    road.mail.sent(1).await;
    stop.cancel();
    within(workers.finished()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_jobs_were_lost_is_found_by_the_sweep() {
    for mut road in roads().await {
        road.config.sweep_every = Duration::from_millis(200);
        road.config.patience = Duration::ZERO;
        road.tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        road.meddle("DELETE FROM Jobs", "DELETE FROM apalis.jobs")
            .await;
        let (workers, stop) = road.start().await;
        road.mail.sent(1).await;
        stop.cancel();
        within(workers.finished()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_down_is_asked_again_until_it_answers() {
    for road in roads().await {
        road.shop.down.store(true, Ordering::SeqCst);
        let (workers, stop) = road.start().await;
        road.tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        road.shop.asked(2).await;
        road.shop.down.store(false, Ordering::SeqCst);
        road.mail.sent(1).await;
        stop.cancel();
        within(workers.finished()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_hangs_holds_up_only_events_of_orders_that_it_alone_knows() {
    for road in roads().await {
        road.tell_order("known", "1").await;
        let (workers, stop) = road.start().await;
        // Its news proves that the order is known.
        road.tell("k1", "1", TrackingStatus::InTransit, TEN).await;
        road.mail.sent(1).await;
        let asked = road.shop.times_asked();
        road.shop.hangs.send_replace(true);
        for number in 100..132 {
            let (id, order) = (format!("e{number}"), number.to_string());
            road.tell(&id, &order, TrackingStatus::InTransit, TEN).await;
        }
        road.shop.asked(asked + 8).await;
        road.tell("k2", "1", TrackingStatus::Delivered, NOON).await;
        let sent = road.mail.sent(2).await;
        assert_eq!(sent, ["1 is on its way", "1 is there"]);
        road.shop.hangs.send_replace(false);
        stop.cancel();
        within(workers.finished()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_asks_for_patience_gets_the_message_later_and_once() {
    for road in roads().await {
        let busy = SendError::Retry {
            after: Some(Duration::from_millis(300)),
            reason: "busy".to_owned(),
        };
        road.mail.answers.lock().unwrap().push(busy);
        let (workers, stop) = road.start().await;
        road.tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        road.mail.sent(1).await;
        stop.cancel();
        within(workers.finished()).await;
        assert_eq!(road.mail.sent_now().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_at_shutdown_is_finished_and_nothing_stays_locked() {
    for road in roads().await {
        road.mail.open.send_replace(false);
        let (workers, stop) = road.start().await;
        road.tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        road.mail.begun(1).await;
        for number in 2..40 {
            let (id, order) = (format!("e{number}"), format!("{number}"));
            road.tell(&id, &order, TrackingStatus::InTransit, TEN).await;
        }
        stop.cancel();
        road.mail.open.send_replace(true);
        within(workers.finished()).await;
        assert!(!road.mail.sent_now().is_empty());
        assert_eq!(road.count("Queued").await + road.count("Running").await, 0);
        // The next start does the rest, and nothing twice.
        let (workers, stop) = road.start().await;
        let mut sent = road.mail.sent(39).await;
        stop.cancel();
        within(workers.finished()).await;
        sent.sort_unstable();
        sent.dedup();
        assert_eq!((sent.len(), road.mail.sent_now().len()), (39, 39));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_enqueued_once_and_again_only_after_it_has_ended() {
    for road in roads().await {
        let admitted = road
            .tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        let again = vec![doorstep_engine::queue::Job::EnrichEvent(admitted.id)];
        road.store.enqueue(again.clone()).await.unwrap();
        assert_eq!(road.count("Pending").await, 1);
        road.meddle(
            "UPDATE Jobs SET status = 'Done'",
            "UPDATE apalis.jobs SET status = 'Done'",
        )
        .await;
        road.store.enqueue(again).await.unwrap();
        assert_eq!(road.count("Pending").await, 1);
    }
}

/// What we write is what apalis's own storage reads: the test that fails when apalis changes its tables.
#[tokio::test(flavor = "multi_thread")]
async fn apalis_itself_runs_a_job_that_we_wrote() {
    async fn take(job: String, worker: WorkerContext) -> Result<String, BoxDynError> {
        worker.stop()?;
        Ok(job)
    }
    for road in roads().await {
        let admitted = road
            .tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        match &road.tables {
            Tables::Sqlite(writer) => {
                let config = apalis_sqlite::Config::default().queue(enrich_event::QUEUE);
                let storage = apalis_sqlite::SqliteStorage::<String>::new(writer);
                let worker = WorkerBuilder::new("stock")
                    .backend(storage.with_config(config))
                    .build(take);
                within(worker.run()).await.unwrap();
            }
            Tables::Postgres(pool) => {
                let config = apalis_postgres::Config::default().queue(enrich_event::QUEUE);
                let storage = apalis_postgres::PostgresStorage::<String>::new(pool);
                let worker = WorkerBuilder::new("stock")
                    .backend(storage.with_config(config))
                    .build(take);
                within(worker.run()).await.unwrap();
            }
        }
        assert_eq!(road.count("Done").await, 1);
        let result = road.result().await;
        assert!(result.contains(&admitted.id.to_string()), "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_road_sends_without_waiting_for_a_poll() {
    for road in roads().await {
        let (workers, stop) = road.start().await;
        let mut took = Vec::new();
        for number in 1..=20 {
            let began = std::time::Instant::now();
            let (id, order) = (format!("e{number}"), format!("{number}"));
            road.tell(&id, &order, TrackingStatus::InTransit, TEN).await;
            road.mail.sent(number).await;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let line = format!(
            "webhook to sent: p50 {:?}, worst {:?}\n",
            took[10], took[19]
        );
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        assert!(took[10] < Duration::from_millis(400), "{took:?}");
        stop.cancel();
        within(workers.finished()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_done_by_hand_are_the_workers_jobs() {
    for road in roads().await {
        let hand = ByHand::new(&road.parts()).unwrap();
        road.tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        // Enriched, decided, and sent.
        assert_eq!(hand.run_due().await.unwrap(), 3);
        assert_eq!(road.mail.sent_now(), ["1001 is on its way"]);
        assert_eq!(hand.run_due().await.unwrap(), 0);
        assert_eq!(hand.next_due().await.unwrap(), None);

        road.shop.down.store(true, Ordering::SeqCst);
        road.tell("e2", "1002", TrackingStatus::InTransit, TEN)
            .await;
        assert_eq!(hand.run_due().await.unwrap(), 1);
        let failed = DeadLetters::of(&road.store).unwrap().list().await.unwrap();
        let [job] = &failed[..] else {
            panic!("{failed:?}")
        };
        assert_eq!((job.queue.as_str(), job.attempts), (enrich_event::QUEUE, 1));
        assert!(job.error.contains("down"), "{}", job.error);
        assert_eq!(job.next_try, hand.next_due().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_job_waits_for_a_person_who_has_it_tried_again_or_gives_it_up() {
    const DEAD: (&str, &str) = (
        "UPDATE Jobs SET status = 'Failed', attempts = max_attempts, last_result = '{\"Err\":\"the shop is gone\"}'
            WHERE status = 'Pending'",
        "UPDATE apalis.jobs SET status = 'Failed', attempts = max_attempts,
            last_result = '{\"Err\":\"the shop is gone\"}' WHERE status = 'Pending'",
    );
    for mut road in roads().await {
        road.config.sweep_every = Duration::from_millis(200);
        road.config.patience = Duration::ZERO;
        let letters = DeadLetters::of(&road.store).unwrap();
        let event = road
            .tell("e1", "1001", TrackingStatus::InTransit, TEN)
            .await;
        road.meddle(DEAD.0, DEAD.1).await;
        let failed = letters.list().await.unwrap();
        let [job] = &failed[..] else {
            panic!("{failed:?}")
        };
        assert_eq!(
            (job.queue.as_str(), job.subject.as_str()),
            (enrich_event::QUEUE, event.id.to_string().as_str())
        );
        assert_eq!(
            (job.error.as_str(), job.next_try),
            ("the shop is gone", None)
        );

        // Neither workers nor the sweep take it up.
        let (workers, stop) = road.start().await;
        road.tell("e2", "1002", TrackingStatus::InTransit, TEN)
            .await;
        assert_eq!(road.mail.sent(1).await, ["1002 is on its way"]);
        assert_eq!(letters.list().await.unwrap(), failed);
        assert_eq!(letters.retry("nothing").await.unwrap(), Done::Unknown);
        assert_eq!(letters.retry(&job.id).await.unwrap(), Done::Done);
        assert_eq!(road.mail.sent(2).await[1], "1001 is on its way");
        assert_eq!(letters.list().await.unwrap(), []);
        stop.cancel();
        within(workers.finished()).await;

        road.tell("e3", "1003", TrackingStatus::InTransit, TEN)
            .await;
        road.meddle(DEAD.0, DEAD.1).await;
        let job = letters.list().await.unwrap().remove(0);
        assert_eq!(letters.discard(&job.id).await.unwrap(), Done::Done);
        assert_eq!(letters.discard(&job.id).await.unwrap(), Done::Unknown);
        let (workers, stop) = road.start().await;
        road.tell("e4", "1004", TrackingStatus::InTransit, TEN)
            .await;
        assert_eq!(road.mail.sent(3).await[2], "1004 is on its way");
        stop.cancel();
        within(workers.finished()).await;
        assert_eq!(road.mail.sent_now().len(), 3);
        let now = road.store.ambient().now();
        assert_eq!(road.store.overdue_jobs(now, 10).await.unwrap(), []);
    }
}
