//! What the engine asks of the job queue. The `jobs` room implements it with apalis.

use std::collections::BTreeSet;

use async_trait::async_trait;
use doorstep_core::{
    AttachmentId, ChannelName, CommerceEventId, DeliveryId, NotificationId, Timestamp,
};
use sea_orm::DbErr;

use crate::store::Transaction;

/// One thing to do soon. The payload is an identifier: the row it names is the truth, so a job may run twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Bring order, parcel and ETA up to date with an event.
    EnrichEvent(CommerceEventId),
    /// Decide who hears of an event.
    Notify(CommerceEventId),
    /// Decide again about news that waits, for the end of quiet hours or for more news of its order.
    NotifyDue {
        /// Which.
        notification: NotificationId,
        /// Not before this; names the job with it, because it may have to wait again.
        not_before: Timestamp,
    },
    /// Write to the customer's next channel if a message did not arrive on this one.
    FallBack {
        /// Of the message that may not have arrived.
        delivery: DeliveryId,
        /// Not before this; names the job with it, because a failure makes it due earlier.
        not_before: Timestamp,
    },
    /// Fetch a file that a customer sent, or remove it once its customer is erased or when no message names it.
    FetchAttachment {
        /// Which.
        attachment: AttachmentId,
        /// How many attempts were made before.
        attempt: i32,
        /// Not before this.
        not_before: Timestamp,
    },
    /// Attempt a delivery.
    Deliver {
        /// Which.
        delivery: DeliveryId,
        /// Where to: each channel has its own queues, so that a slow provider holds up nobody else.
        channel: ChannelName,
        /// Whether we write first. Notifications have a queue of their own, so that a thousand of them hold up no answer.
        news: bool,
        /// How many attempts were made before; names the job, so that it is enqueued once.
        attempt: i32,
        /// Not before this.
        not_before: Timestamp,
    },
}

/// Which worker serves a [`Job`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueName<'a> {
    /// Of [`Job::EnrichEvent`].
    EnrichEvent,
    /// Of [`Job::Notify`].
    Notify,
    /// Of [`Job::NotifyDue`].
    NotifyDue,
    /// Of [`Job::FallBack`].
    FallBack,
    /// Of [`Job::FetchAttachment`].
    FetchAttachment,
    /// Of [`Job::Deliver`] to this channel: its notifications, or its answers.
    Deliver {
        /// The channel.
        channel: &'a ChannelName,
        /// Whether we write first.
        news: bool,
    },
}

impl Job {
    /// Which worker it waits for.
    pub fn queue(&self) -> QueueName<'_> {
        match self {
            Self::EnrichEvent(_) => QueueName::EnrichEvent,
            Self::Notify(_) => QueueName::Notify,
            Self::NotifyDue { .. } => QueueName::NotifyDue,
            Self::FallBack { .. } => QueueName::FallBack,
            Self::FetchAttachment { .. } => QueueName::FetchAttachment,
            Self::Deliver { channel, news, .. } => QueueName::Deliver {
                channel,
                news: *news,
            },
        }
    }

    /// Whether its worker would take it now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        match self {
            Self::EnrichEvent(_) | Self::Notify(_) => true,
            Self::NotifyDue { not_before, .. }
            | Self::FallBack { not_before, .. }
            | Self::FetchAttachment { not_before, .. }
            | Self::Deliver { not_before, .. } => *not_before <= now,
        }
    }
}

/// The job queue. It lives in the same database, so that an enqueue rides the transaction of the fact it follows from:
/// either both are there after a crash, or neither (decision record 0003).
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Writes jobs within the caller's transaction. A job that waits or runs is ignored; one that has ended becomes
    /// due again.
    ///
    /// # Errors
    /// The database's; the caller's transaction fails with it.
    async fn enqueue(&self, transaction: &Transaction<'_>, jobs: &[Job]) -> Result<(), DbErr>;

    /// Called after a commit that held jobs, so that workers here need not wait to find them.
    fn wake(&self);

    /// The same, when they were of one queue.
    fn wake_one(&self, queue: QueueName<'_>);

    /// The same, for just the workers of those that are due: a worker that looks in vain costs PostgreSQL a transaction.
    fn wake_for(&self, jobs: &[Job], now: Timestamp) {
        let due = jobs.iter().filter(|job| job.is_due(now));
        let queues: BTreeSet<_> = due.map(Job::queue).collect();
        for queue in queues {
            self.wake_one(queue);
        }
    }
}
