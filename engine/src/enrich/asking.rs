//! Asking the shop for orders that nobody told of. Events of all sources wait in one queue for it, so a shop that does not answer
//! must not hold up those that need nothing of it: it has little time, is asked a few questions at once, and is left alone
//! for a while after it left some unanswered. What could not be asked is put off by the queue.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use doorstep_core::{
    Clock, SourceName, Timestamp,
    health::PortError,
    order::Order,
    shop::{OrderLookup, Shop},
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many questions are open at once: half of the jobs that run at once.
const AT_ONCE: usize = 8;
/// So many unanswered questions in a row, and the shop is left alone,
const TRIES: u32 = 3;
/// first for so long, and twice as long after each further one,
const FIRST_REST: Duration = Duration::from_secs(30);
/// but never longer than this.
const LONGEST_REST: Duration = Duration::from_mins(2);

/// The shop, and how it has answered lately.
pub(super) struct Asking {
    shop: Arc<dyn Shop>,
    clock: Arc<dyn Clock>,
    lately: Mutex<Lately>,
}

#[derive(Default)]
struct Lately {
    /// Questions that are open.
    open: usize,
    /// Questions in a row that were not answered.
    unanswered: u32,
    /// Until when the shop is left alone.
    rests_until: Option<Timestamp>,
}

/// A question that is open, until it is dropped.
struct Question<'a>(&'a Asking);

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.lately().open -= 1;
    }
}

impl Asking {
    pub(super) fn new(shop: Arc<dyn Shop>, clock: Arc<dyn Clock>) -> Self {
        Self {
            shop,
            clock,
            lately: Mutex::default(),
        }
    }

    /// The shop's configured name.
    pub(super) fn name(&self) -> &SourceName {
        self.shop.name()
    }

    /// One order.
    ///
    /// # Errors
    /// The shop did not answer, or is not asked now. Try again later.
    pub(super) async fn find_order(
        &self,
        lookup: &OrderLookup,
    ) -> Result<Option<Order>, PortError> {
        let _open = self.begin()?;
        let asked = tokio::time::timeout(PATIENCE, self.shop.find_order(lookup)).await;
        let answer = asked.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(self.error(format!("nothing came within {seconds} s")))
        });
        self.settle(answer.is_ok());
        answer
    }

    fn begin(&self) -> Result<Question<'_>, PortError> {
        let now = self.clock.now();
        let mut lately = self.lately();
        if let Some(until) = lately.rests_until.filter(|until| now < *until) {
            let unanswered = lately.unanswered;
            return Err(self.error(format!(
                "it is left alone until {until} after {unanswered} unanswered questions"
            )));
        }
        // After a rest one question shows whether it is back.
        let most = if lately.unanswered < TRIES {
            AT_ONCE
        } else {
            1
        };
        if lately.open >= most {
            let open = lately.open;
            return Err(self.error(format!("{open} questions are open already")));
        }
        lately.open += 1;
        Ok(Question(self))
    }

    fn settle(&self, answered: bool) {
        let now = self.clock.now();
        let mut lately = self.lately();
        if answered {
            lately.unanswered = 0;
            lately.rests_until = None;
            return;
        }
        // What was open when the rest began says nothing new.
        if lately.rests_until.is_some_and(|until| now < until) {
            return;
        }
        lately.unanswered = lately.unanswered.saturating_add(1);
        let Some(more) = lately.unanswered.checked_sub(TRIES) else {
            return;
        };
        let rest = FIRST_REST.saturating_mul(2u32.saturating_pow(more));
        let rest = rest.min(LONGEST_REST);
        lately.rests_until = Some(now + rest);
        tracing::warn!(
            shop = %self.shop.name(),
            unanswered = lately.unanswered,
            rest_s = rest.as_secs(),
            "the shop does not answer; events of orders that only it knows wait"
        );
    }

    fn error(&self, reason: impl ToString) -> PortError {
        PortError::new(format!("shop:{}", self.shop.name()), reason)
    }

    // A poisoned lock only says that another thread panicked between two assignments.
    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use doorstep_core::{
        Health, ShopCustomerId, Sku,
        product::{Product, StockLevel},
    };
    use futures::future::join_all;

    use super::*;

    struct HandClock(Mutex<Timestamp>);

    impl HandClock {
        fn advance(&self, seconds: u64) {
            *self.0.lock().unwrap() += Duration::from_secs(seconds);
        }
    }

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    #[derive(Clone, Copy)]
    enum Mood {
        Answers,
        Fails,
        Hangs,
    }

    struct MoodyShop {
        name: SourceName,
        mood: Mutex<Mood>,
        asked: AtomicU32,
    }

    #[async_trait]
    impl Shop for MoodyShop {
        fn name(&self) -> &SourceName {
            &self.name
        }

        async fn find_order(&self, _: &OrderLookup) -> Result<Option<Order>, PortError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let mood = *self.mood.lock().unwrap();
            match mood {
                Mood::Answers => Ok(None),
                Mood::Fails => Err(PortError::new("shop:moody", "503")),
                Mood::Hangs => std::future::pending().await,
            }
        }

        async fn list_orders(&self, _: &ShopCustomerId, _: usize) -> Result<Vec<Order>, PortError> {
            Ok(Vec::new())
        }

        async fn list_products(&self, _: Option<&str>) -> Result<Vec<Product>, PortError> {
            Ok(Vec::new())
        }

        async fn stock(&self, _: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
            Ok(Vec::new())
        }

        async fn healthcheck(&self) -> Health {
            Health::Ok
        }
    }

    struct Stage {
        shop: Arc<MoodyShop>,
        clock: Arc<HandClock>,
        asking: Asking,
    }

    fn stage(mood: Mood) -> Stage {
        let shop = Arc::new(MoodyShop {
            name: "moody".into(),
            mood: Mutex::new(mood),
            asked: AtomicU32::new(0),
        });
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let clock = Arc::new(HandClock(Mutex::new(now)));
        let asking = Asking::new(shop.clone(), clock.clone());
        Stage {
            shop,
            clock,
            asking,
        }
    }

    impl Stage {
        /// Whether a question is answered, and how many reached the shop so far.
        async fn ask(&self) -> (bool, u32) {
            let lookup = OrderLookup::Number("1".into());
            let answered = self.asking.find_order(&lookup).await.is_ok();
            (answered, self.shop.asked.load(Ordering::SeqCst))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shop_that_does_not_answer_is_left_alone_for_longer_each_time() {
        for mood in [Mood::Fails, Mood::Hangs] {
            let stage = stage(mood);
            for asked in 1..=3 {
                assert_eq!(stage.ask().await, (false, asked));
            }
            let mut asked = 3;
            for rest in [30, 60, 120, 120] {
                stage.clock.advance(rest - 1);
                assert_eq!(stage.ask().await, (false, asked), "it rests");
                stage.clock.advance(1);
                asked += 1;
                assert_eq!(stage.ask().await, (false, asked), "one tries");
            }
            *stage.shop.mood.lock().unwrap() = Mood::Answers;
            assert_eq!(stage.ask().await, (false, asked));
            stage.clock.advance(120);
            for more in 1..=3 {
                assert_eq!(stage.ask().await, (true, asked + more), "it is back");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shop_that_hangs_is_asked_half_as_much_as_runs_at_once_and_then_by_one_alone() {
        let stage = stage(Mood::Hangs);
        let burst = || join_all((0..16).map(|_| stage.ask()));
        let began = tokio::time::Instant::now();
        assert!(burst().await.iter().all(|(answered, _)| !answered));
        assert_eq!(stage.shop.asked.load(Ordering::SeqCst), 8);
        assert!(began.elapsed() < PATIENCE * 2, "all at the same time");
        // The eight that were left unanswered together count as a beginning.
        stage.clock.advance(30);
        burst().await;
        assert_eq!(stage.shop.asked.load(Ordering::SeqCst), 9);
        *stage.shop.mood.lock().unwrap() = Mood::Answers;
        stage.clock.advance(60);
        assert_eq!(stage.ask().await, (true, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_given_up_is_open_no_more() {
        let stage = stage(Mood::Hangs);
        for _ in 0..20 {
            let given_up = tokio::time::timeout(Duration::from_secs(1), stage.ask()).await;
            assert!(given_up.is_err());
        }
        assert_eq!(stage.shop.asked.load(Ordering::SeqCst), 20);
    }
}
