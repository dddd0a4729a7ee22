//! Deciding a second time: about news that waited, and about messages that did not arrive.

use std::time::Duration;

use doorstep_core::{CommerceEventId, DeliveryId, NotificationId, notification::DeliveryStatus};

use super::{
    Asked, Audience, ETA_MOVED, Matter, Notifier, NotifyError, Outcome, Rule, Stage, StoreError,
    report,
};
use crate::store::{DueMember, DueVerdict, FallenBack, FallingBack, WaitingNews};

/// When a message is looked at again that is being sent this moment.
const SENDING: Duration = Duration::from_mins(1);

impl Notifier {
    /// Decides again about news that waited, and commits that with its message.
    ///
    /// # Errors
    /// Nothing was changed; try again later.
    pub async fn decide_due(&self, id: NotificationId) -> Result<Outcome, NotifyError> {
        loop {
            let Some(waiting) = self.store.waiting_news(id).await? else {
                return Ok(Outcome::Before);
            };
            if waiting.due_at > self.store.ambient().now() {
                return Ok(Outcome::NotYet);
            }
            match self.decide_waiting(&waiting).await? {
                DueVerdict::Decided(decided) => {
                    report(&decided);
                    return Ok(Outcome::Decided(vec![decided]));
                }
                DueVerdict::Outdated => {}
            }
        }
    }

    async fn decide_waiting(&self, waiting: &WaitingNews) -> Result<DueVerdict, NotifyError> {
        let events = waiting.members.iter().map(|(_, event)| *event);
        let mut matters = self.gather_all(events).await?;
        let ids = waiting.members.iter().map(|(id, _)| *id);
        let members = ids.zip(&matters).map(|(id, matter)| DueMember {
            id,
            event: matter.event.id,
            parcel: matter.news(),
        });
        let members = members.collect();
        let matter = matters.pop();
        let book = self.book();
        let rule = book.rules.named(&waiting.rule);
        let ((audience, conditions), at_most) = match (rule, &matter) {
            (Some(rule), Some(matter)) => {
                let dealt = rule.dealt(matter.customer.as_ref());
                let asked = Asked {
                    book: &book,
                    rule: &dealt.rule,
                    channels: &dealt.rule.channels,
                    matter,
                    others: &matters,
                    stage: Stage::Again,
                };
                let at_most = self.at_most(&book, rule, matter.customer.as_ref());
                let audience =
                    match rule.on == ETA_MOVED && self.moved_window(matter).await?.is_none() {
                        true => {
                            let told = "the expected days were told meanwhile".to_owned();
                            (Audience::Held(told), None)
                        }
                        false => self.find_audience(&asked).await?,
                    };
                (audience, at_most)
            }
            _ => ((Audience::Held(gone(&waiting.rule)), None), None),
        };
        let customer = matter.and_then(|matter| matter.customer);
        let customer = customer.map(|customer| customer.id);
        Ok(self
            .store
            .commit_due(waiting, members, customer, at_most, (audience, conditions))
            .await?)
    }

    /// Gives a message that did not arrive to the rule's next channel, once; the outcome says what became of it, or
    /// `None` when there was nothing to do.
    ///
    /// # Errors
    /// Nothing was changed; try again later.
    pub async fn fall_back(&self, delivery: DeliveryId) -> Result<Option<FallenBack>, NotifyError> {
        let Some(falling) = self.store.falling_back(delivery).await? else {
            return Ok(None);
        };
        let now = self.store.ambient().now();
        if falling.fallback_at > now {
            return Ok(None);
        }
        let told_of = self.capabilities.get(&falling.channel);
        let receipts = told_of.is_some_and(|capabilities| capabilities.receipts);
        let mut news = Vec::new();
        let outcome = if falling.status == DeliveryStatus::Sent.as_str() && !receipts {
            // Nobody will ever say more than that it was taken.
            FallenBack::Ends(None)
        } else if falling.status == DeliveryStatus::Sending.as_str() {
            FallenBack::Waits(now + SENDING)
        } else {
            let matters = self.gather_all(falling.events.iter().copied()).await?;
            news.extend(matters.iter().filter_map(Matter::news));
            self.pass_on(&falling, matters).await?
        };
        let committed = self
            .store
            .commit_fallback(&falling, news, outcome.clone())
            .await?;
        if committed && let FallenBack::Told(_) = &outcome {
            metrics::counter!("doorstep_fallbacks_total", "channel" => falling.channel.to_string())
                .increment(1);
            tracing::info!(delivery.id = %delivery, channel = %falling.channel, "did not arrive; the next channel has it");
        }
        Ok(committed.then_some(outcome))
    }

    async fn pass_on(
        &self,
        falling: &FallingBack,
        mut matters: Vec<Matter>,
    ) -> Result<FallenBack, NotifyError> {
        let book = self.book();
        let rule = book.rules.named(&falling.rule);
        let (Some(rule), Some(matter)) = (rule, matters.pop()) else {
            return Ok(FallenBack::Ends(Some(gone(&falling.rule))));
        };
        let dealt = rule.dealt(matter.customer.as_ref());
        let asked = Asked {
            book: &book,
            rule: &dealt.rule,
            channels: after(&dealt.rule, falling),
            matter: &matter,
            others: &matters,
            stage: Stage::Again,
        };
        let (audience, _) = self.find_audience(&asked).await?;
        Ok(match audience {
            Audience::Told(recipients) => FallenBack::Told(recipients),
            Audience::Waits(wait) => FallenBack::Waits(wait.until),
            Audience::Held(reason) => {
                FallenBack::Ends(Some(format!("on no other channel: {reason}")))
            }
        })
    }

    async fn gather_all(
        &self,
        events: impl Iterator<Item = CommerceEventId>,
    ) -> Result<Vec<Matter>, StoreError> {
        let mut matters = Vec::new();
        for event in events {
            if let Some(stored) = self.store.load_event(event).await? {
                matters.push(self.gather(stored).await?);
            }
        }
        Ok(matters)
    }
}

/// The rule's channels after the one that did not work.
fn after<'a>(rule: &'a Rule, falling: &FallingBack) -> &'a [doorstep_core::ChannelName] {
    let mut channels = rule.channels.iter();
    let place = channels.position(|channel| *channel == falling.channel);
    place.map_or(&[], |place| &rule.channels[place + 1..])
}

fn gone(rule: &str) -> String {
    format!("the rule `{rule}` is no more")
}
