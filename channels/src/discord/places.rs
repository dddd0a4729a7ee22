//! Where customers are: their channel of direct messages, and who is whose in the threads.
//!
//! Threads and their customers are kept as cursors of the inbox, so that every instance knows them and a restart forgets
//! none: only the customer whose thread it is speaks as a customer there, whoever of the shop's people writes along.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use doorstep_core::{
    ChannelName,
    channel::{AdmitError, Inbox},
};
use serenity::model::id::{ChannelId, UserId};

use super::{
    address::Place,
    markdown::shortened,
    rest::{CallError, Rest},
    wire::User,
};

/// Above so many remembered entries all are forgotten; they are only read again.
const MANY: usize = 10_000;

/// Longest name of a thread.
const MAX_THREAD_NAME: usize = 100;

/// Why a customer's place could not be found or made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    /// The store is away.
    #[error(transparent)]
    Store(#[from] AdmitError),
    /// Discord refused, or is away.
    #[error(transparent)]
    Call(#[from] CallError),
}

pub(super) struct Places {
    channel: ChannelName,
    support_channel: Option<ChannelId>,
    inbox: Arc<dyn Inbox>,
    direct: Mutex<HashMap<UserId, ChannelId>>,
    /// Channels of a server: whose thread each is, if it is one of ours.
    threads: Mutex<HashMap<ChannelId, Option<UserId>>>,
    /// One thread is opened at a time, so that two quick messages open one.
    opening: tokio::sync::Mutex<()>,
}

impl Places {
    pub(super) fn new(
        channel: ChannelName,
        support_channel: Option<ChannelId>,
        inbox: Arc<dyn Inbox>,
    ) -> Self {
        Self {
            channel,
            support_channel,
            inbox,
            direct: Mutex::default(),
            threads: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// The channel in which a place's messages are.
    pub(super) async fn channel_of(
        &self,
        place: Place,
        rest: &Rest,
    ) -> Result<ChannelId, CallError> {
        let customer = match place {
            Place::Thread { channel, .. } => return Ok(channel),
            Place::Dm(customer) => customer,
        };
        if let Some(channel) = lock(&self.direct).get(&customer) {
            return Ok(*channel);
        }
        let channel = rest.open_dm(customer).await?;
        remember(&self.direct, customer, channel);
        Ok(channel)
    }

    /// Remembers in which channel a customer writes direct messages.
    pub(super) fn learn_dm(&self, customer: UserId, channel: ChannelId) {
        remember(&self.direct, customer, channel);
    }

    /// Whose thread this channel of a server is, if it is one of ours.
    pub(super) async fn customer_of(
        &self,
        thread: ChannelId,
    ) -> Result<Option<UserId>, AdmitError> {
        if let Some(known) = lock(&self.threads).get(&thread) {
            return Ok(*known);
        }
        let kept = self
            .inbox
            .cursor(&self.channel, &thread_key(thread))
            .await?;
        let customer = kept.and_then(|kept| kept.parse().ok());
        remember(&self.threads, thread, customer);
        Ok(customer)
    }

    /// Where a customer who wrote somewhere on the server is answered: their thread, which is opened if need be; or
    /// direct messages, when there is no support channel.
    pub(super) async fn open(&self, customer: &User, rest: &Rest) -> Result<Place, PlaceError> {
        let Some(support) = self.support_channel else {
            return Ok(Place::Dm(customer.id));
        };
        let _one_at_a_time = self.opening.lock().await;
        let kept = self
            .inbox
            .cursor(&self.channel, &customer_key(customer.id))
            .await?;
        let kept = kept.and_then(|kept| kept.parse().ok());
        let known = match kept {
            Some(thread) => let_in(thread, customer.id, rest).await?,
            None => None,
        };
        let thread = match known {
            Some(thread) => thread,
            None => match self.create(support, customer, rest).await {
                Ok(thread) => thread,
                Err(PlaceError::Call(error @ CallError::Refused { .. })) => {
                    tracing::error!(%error, "no thread can be opened below the support channel; the customer is answered in direct messages");
                    return Ok(Place::Dm(customer.id));
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Place::Thread {
            channel: thread,
            customer: customer.id,
        })
    }

    /// A new thread with its customer in it, kept before anybody is told of it.
    async fn create(
        &self,
        support: ChannelId,
        customer: &User,
        rest: &Rest,
    ) -> Result<ChannelId, PlaceError> {
        let name = shortened(customer.shown_name().trim(), MAX_THREAD_NAME);
        let name = if name.is_empty() {
            customer.id.to_string()
        } else {
            name
        };
        let thread = rest.create_thread(support, &name).await?;
        let (whose, which) = (customer.id.to_string(), thread.to_string());
        let inbox = &self.inbox;
        inbox
            .set_cursor(&self.channel, &thread_key(thread), &whose)
            .await?;
        inbox
            .set_cursor(&self.channel, &customer_key(customer.id), &which)
            .await?;
        remember(&self.threads, thread, Some(customer.id));
        rest.add_to_thread(thread, customer.id).await?;
        Ok(thread)
    }
}

/// Lets a customer into a thread again, which may have been archived; `None` when there is no such thread any more.
async fn let_in(
    thread: ChannelId,
    customer: UserId,
    rest: &Rest,
) -> Result<Option<ChannelId>, CallError> {
    let mut added = rest.add_to_thread(thread, customer).await;
    if added
        .as_ref()
        .is_err_and(|error| error.code() == Some(50083))
    {
        rest.unarchive(thread).await?;
        added = rest.add_to_thread(thread, customer).await;
    }
    match added {
        Ok(()) => Ok(Some(thread)),
        // Unknown channel; no access to it any more.
        Err(error) if matches!(error.code(), Some(10003 | 50001)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn thread_key(thread: ChannelId) -> String {
    format!("customer of thread {thread}")
}

fn customer_key(customer: UserId) -> String {
    format!("thread of customer {customer}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remember<K: std::hash::Hash + Eq, V>(known: &Mutex<HashMap<K, V>>, key: K, value: V) {
    let mut known = lock(known);
    if known.len() >= MANY {
        known.clear();
    }
    known.insert(key, value);
}
