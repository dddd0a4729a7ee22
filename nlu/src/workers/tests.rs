//! The lanes, watched without a model.

use std::sync::mpsc;

use super::*;

/// Reads nothing, but notes what it was asked in order, and waits for permission before each answer.
struct Gate {
    started: mpsc::Sender<String>,
    go: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Reader for Gate {
    fn read(&mut self, texts: &[&[i64]]) -> Vec<Result<Output, SessionError>> {
        let texts: Vec<String> = texts.iter().map(|tokens| joined(tokens)).collect();
        self.started.send(texts.join(" + ")).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        assert!(
            !texts.contains(&"panic".to_owned()),
            "a text that panics, as the test wants"
        );
        let answer = |text: &String| {
            if text == "fail" {
                return Err(SessionError::Tokenizer("as the test wants".into()));
            }
            Ok(Output {
                embedding: vec![text.len() as f32],
                ..Output::default()
            })
        };
        texts.iter().map(answer).collect()
    }
}

/// A token for each letter.
fn letters() -> Cut {
    Box::new(|text| {
        assert_ne!(text, "no letters", "a text that panics, as the test wants");
        Ok(text
            .chars()
            .map(|letter| i64::from(u32::from(letter)))
            .collect())
    })
}

fn joined(tokens: &[i64]) -> String {
    let letter = |token: &i64| char::from_u32(u32::try_from(*token).unwrap()).unwrap();
    tokens.iter().map(letter).collect()
}

struct Bench {
    workers: Arc<Workers>,
    started: mpsc::Receiver<String>,
    go: mpsc::Sender<()>,
}

fn one_worker(queue: usize) -> Bench {
    let (started_sender, started) = mpsc::channel();
    let (go, permissions) = mpsc::channel();
    let mut workers = Workers::new(1, queue, letters());
    let gate = Gate {
        started: started_sender,
        go: Arc::new(Mutex::new(permissions)),
    };
    workers.spawn(0, move || Some(gate)).unwrap();
    Bench {
        workers: Arc::new(workers),
        started,
        go,
    }
}

type Answer = tokio::task::JoinHandle<Result<Output, NluError>>;

impl Bench {
    fn converse(&self, text: &str) -> Answer {
        let (workers, text) = (Arc::clone(&self.workers), text.to_owned());
        tokio::spawn(async move { workers.converse(text).await })
    }

    fn index(&self, text: &str) -> Answer {
        let (workers, text) = (Arc::clone(&self.workers), text.to_owned());
        tokio::spawn(async move { workers.index(&text).await })
    }

    /// Lets the tasks that were spawned put their texts into the lanes.
    async fn settle(&self) {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_full_lane_refuses_at_once_and_says_how_many_wait() {
    let bench = one_worker(2);
    let running = bench.converse("running");
    bench.settle().await;
    assert_eq!(bench.started.recv().unwrap(), "running");
    let waiting = [bench.converse("first"), bench.converse("second")];
    bench.settle().await;
    assert_eq!(bench.workers.depth(), 2);
    let refused = bench.workers.converse("third".into()).await;
    assert!(matches!(refused, Err(NluError::Overloaded { waiting: 2 })));
    for _ in 0..3 {
        bench.go.send(()).unwrap();
    }
    running.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(bench.workers.depth(), 0);
}

#[tokio::test]
async fn what_waits_is_read_at_once_and_each_gets_its_own_answer() {
    let bench = one_worker(8);
    bench.workers.read_at_once(3);
    let running = bench.converse("running");
    bench.settle().await;
    assert_eq!(bench.started.recv().unwrap(), "running");
    let answers: Vec<Answer> = ["a", "bb", "ccc", "dddd"]
        .map(|text| bench.converse(text))
        .into();
    bench.settle().await;
    for _ in 0..3 {
        bench.go.send(()).unwrap();
    }
    running.await.unwrap().unwrap();
    for (place, answer) in answers.into_iter().enumerate() {
        let output = answer.await.unwrap().unwrap();
        assert_eq!(output.embedding, [(place + 1) as f32]);
    }
    let read: Vec<String> = bench.started.try_iter().collect();
    assert_eq!(read, ["a + ccc + bb", "dddd"]);
}

#[tokio::test]
async fn texts_of_like_length_are_read_together_and_none_waits_for_ever() {
    let bench = one_worker(8);
    bench.workers.read_at_once(2);
    let running = bench.converse("running");
    bench.settle().await;
    assert_eq!(bench.started.recv().unwrap(), "running");
    let answers =
        ["long long long", "a", "bb", "as long as that", "ccc"].map(|text| bench.converse(text));
    bench.settle().await;
    for _ in 0..4 {
        bench.go.send(()).unwrap();
    }
    running.await.unwrap().unwrap();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    let read: Vec<String> = bench.started.try_iter().collect();
    assert_eq!(read, ["long long long + as long as that", "a + bb", "ccc"]);
}

#[tokio::test]
async fn a_text_that_panics_among_others_harms_only_itself() {
    let bench = one_worker(8);
    bench.workers.read_at_once(3);
    let running = bench.converse("running");
    bench.settle().await;
    let answers = ["fine", "panic", "good"].map(|text| bench.converse(text));
    bench.settle().await;
    for _ in 0..5 {
        bench.go.send(()).unwrap();
    }
    running.await.unwrap().unwrap();
    let [fine, panicked, good] = answers;
    assert!(fine.await.unwrap().is_ok());
    assert!(panicked.await.unwrap().is_err());
    assert!(good.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_text_that_was_expected_is_read_once() {
    let bench = one_worker(8);
    bench.workers.expect("expected");
    bench.workers.expect("expected");
    assert_eq!(bench.started.recv().unwrap(), "expected");
    let asked = bench.converse("expected");
    bench.settle().await;
    assert_eq!(bench.workers.depth(), 0, "it is being read already");
    let again = bench.converse("expected");
    bench.settle().await;
    assert_eq!(bench.workers.depth(), 1, "the first has taken it");
    for _ in 0..2 {
        bench.go.send(()).unwrap();
    }
    asked.await.unwrap().unwrap();
    again.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_conversation_overtakes_a_long_list() {
    let bench = one_worker(8);
    let mut answers = vec![bench.index("list 1")];
    bench.settle().await;
    assert_eq!(bench.started.recv().unwrap(), "list 1");
    answers.push(bench.index("list 2"));
    bench.settle().await;
    answers.push(bench.converse("customer"));
    bench.settle().await;
    for _ in 0..3 {
        bench.go.send(()).unwrap();
    }
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    let order: Vec<String> = bench.started.try_iter().collect();
    assert_eq!(order, ["customer", "list 2"]);
}

#[tokio::test]
async fn a_text_that_panics_or_fails_harms_only_itself() {
    let bench = one_worker(8);
    for _ in 0..3 {
        bench.go.send(()).unwrap();
    }
    let panicked = bench.workers.converse("panic".into()).await;
    assert!(
        matches!(panicked, Err(NluError::Failed { .. })),
        "{panicked:?}"
    );
    assert!(bench.workers.converse("no letters".into()).await.is_err());
    bench.workers.expect("no letters");
    let failed = bench.workers.converse("fail".into()).await.unwrap_err();
    assert!(failed.to_string().contains("as the test wants"), "{failed}");
    assert!(bench.workers.converse("fine".into()).await.is_ok());
}

#[tokio::test]
async fn dropping_the_workers_ends_their_threads_and_answers_those_who_wait() {
    let (started_sender, started) = mpsc::channel();
    let (go, permissions) = mpsc::channel();
    let mut workers = Workers::new(1, 8, letters());
    let gate = Gate {
        started: started_sender,
        go: Arc::new(Mutex::new(permissions)),
    };
    workers.spawn(0, move || Some(gate)).unwrap();
    let (reply, running) = oneshot::channel();
    let (other_reply, waiting) = oneshot::channel();
    for (text, reply) in [("running", reply), ("waiting", other_reply)] {
        let tokens = letters()(text).unwrap();
        let jobs = vec![Job { tokens, reply }];
        let lanes = workers.shared.lanes();
        workers
            .shared
            .add(lanes, |lanes| &mut lanes.conversations, jobs);
    }
    assert_eq!(started.recv().unwrap(), "running");
    let dropping = std::thread::spawn(move || drop(workers));
    // Only once the lanes are closed may the gate open, else the thread would take the second text and wait in it.
    assert!(waiting.await.is_err());
    go.send(()).unwrap();
    assert!(running.await.unwrap().is_ok());
    dropping.join().unwrap();
    // The gate, and with it the thread that owned it, is gone.
    assert!(started.recv().is_err());
}

#[tokio::test]
async fn a_text_that_nobody_waits_for_any_more_is_skipped() {
    let bench = one_worker(8);
    let running = bench.converse("running");
    bench.settle().await;
    bench.started.recv().unwrap();
    let given_up = bench.converse("given up");
    bench.settle().await;
    given_up.abort();
    bench.settle().await;
    let last = bench.converse("last");
    bench.settle().await;
    for _ in 0..2 {
        bench.go.send(()).unwrap();
    }
    running.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(bench.started.try_iter().collect::<Vec<_>>(), ["last"]);
}

/// Two threads that wait for work.
fn two_workers() -> Bench {
    let (started_sender, started) = mpsc::channel();
    let (go, permissions) = mpsc::channel();
    let permissions = Arc::new(Mutex::new(permissions));
    let mut workers = Workers::new(2, 8, letters());
    for number in 0..2 {
        let gate = Gate {
            started: started_sender.clone(),
            go: Arc::clone(&permissions),
        };
        workers.spawn(number, move || Some(gate)).unwrap();
    }
    while !workers.shared.all_rest() {
        std::thread::yield_now();
    }
    Bench {
        workers: Arc::new(workers),
        started,
        go,
    }
}

#[tokio::test]
async fn texts_that_come_together_are_shared_out() {
    let bench = two_workers();
    bench.workers.read_at_once(8);
    let readings = bench.workers.begin(&["first", "second"]).unwrap();
    let mut read = [bench.started.recv().unwrap(), bench.started.recv().unwrap()];
    read.sort();
    assert_eq!(read, ["first", "second"]);
    for _ in 0..2 {
        bench.go.send(()).unwrap();
    }
    for reading in readings {
        reading.finish().await.unwrap();
    }
}

#[tokio::test]
async fn a_thread_with_nothing_to_do_reads_ahead_and_one_that_is_wanted_does_not() {
    let bench = two_workers();
    let message = bench.workers.begin(&["message"]).unwrap();
    assert_eq!(bench.started.recv().unwrap(), "message");
    bench.workers.read_ahead(&["translation"]);
    assert_eq!(bench.started.recv().unwrap(), "translation");
    bench.workers.read_ahead(&["of another message"]);
    let translation = bench.workers.begin(&["translation"]).unwrap();
    for _ in 0..3 {
        bench.go.send(()).unwrap();
    }
    for reading in message.into_iter().chain(translation) {
        reading.finish().await.unwrap();
    }
    for reading in bench.workers.begin(&["last"]).unwrap() {
        reading.finish().await.unwrap();
    }
    assert_eq!(bench.started.try_iter().collect::<Vec<_>>(), ["last"]);
}
