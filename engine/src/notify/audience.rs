//! Who hears of it, where, in which language, and whether now.

use std::time::Duration;

use doorstep_core::{
    ChannelName, customer::Customer, event::Due, message::Address, notification::Topic,
    shipment::Shipment,
};

use super::{Arrival, Book, Matter, Notifier, NotifyError, Rule, Send, facts, limits};
use crate::{
    page_token::TrackingScope,
    store::{AtMost, Audience, OrderRecord, Patience, Recipient, Wait},
};

/// A parcel without a scan for so long is no moment to sell, where no rule says otherwise.
const NO_SCAN: Duration = Duration::from_hours(5 * 24);
/// The same for an order that is not handed over.
const LATE_DISPATCH: Duration = Duration::from_hours(3 * 24);

/// Why news is held that a chat told first.
pub(super) const JUST_TOLD_IN_CHAT: &str = "just told in the chat";

/// What is to be decided.
pub(super) struct Asked<'a> {
    /// By which rules and words.
    pub(super) book: &'a Book,
    pub(super) rule: &'a Rule,
    /// Where it may be told, best first.
    pub(super) channels: &'a [ChannelName],
    /// What happened.
    pub(super) matter: &'a Matter,
    /// The same news of other parcels of the order, told in the same message.
    pub(super) others: &'a [Matter],
    pub(super) stage: Stage,
}

/// Whose news it is.
struct Whose<'a> {
    order: &'a OrderRecord,
    /// All parcels of the order that we know of.
    parcels: &'a [Shipment],
    customer: &'a Customer,
}

/// How far the news has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It just happened.
    First,
    /// It waited, or did not arrive on another channel.
    Again,
}

impl Notifier {
    /// Who hears it, if all of the rule's conditions hold.
    pub(super) async fn find_addressees(&self, asked: &Asked<'_>) -> Result<Audience, NotifyError> {
        let held = |reason: &str| Ok(Audience::Held(reason.to_owned()));
        if asked.matter.taken_back {
            return held("the parcel was taken back");
        }
        let Some(order) = &asked.matter.order else {
            return held("the order is not known");
        };
        let Some(customer) = &asked.matter.customer else {
            return held("the order names no customer");
        };
        if let Some(reason) = self.suppressed(asked, customer).await? {
            return Ok(Audience::Held(reason));
        }
        let addresses = match self.find_addresses(asked, customer, order).await? {
            Ok(addresses) => addresses,
            Err(reason) => return Ok(Audience::Held(reason)),
        };
        let parcels = match &asked.matter.shipment {
            Some(_) => self.store.parcels_of(&order.order.number).await?,
            None => Vec::new(),
        };
        if let Some(wait) = self.put_off(asked, customer, &parcels) {
            return Ok(Audience::Waits(wait));
        }
        let whose = Whose {
            order,
            parcels: &parcels,
            customer,
        };
        let mut recipients = Vec::with_capacity(addresses.len());
        for address in addresses {
            recipients.push(self.write_to(address, asked, &whose).await?);
        }
        Ok(Audience::Told(recipients))
    }

    /// Why the customer should not hear it, whatever they allow.
    async fn suppressed(
        &self,
        asked: &Asked<'_>,
        customer: &Customer,
    ) -> Result<Option<String>, NotifyError> {
        if asked.rule.topic == Topic::Marketing
            && let Some(problem) = self
                .store
                .open_problem(customer.id, self.patience(asked))
                .await?
        {
            return Ok(Some(format!("not the moment to sell: {problem}")));
        }
        let Some(news) = asked.matter.chat_news() else {
            return Ok(None);
        };
        let now = self.store.ambient().now();
        let since = now - asked.book.rules.limits().told_in_chat;
        let told =
            asked.others.is_empty() && self.store.told_in_chat(customer.id, news, since).await?;
        Ok(told.then(|| JUST_TOLD_IN_CHAT.to_owned()))
    }

    /// What the merchant's rules on schedule call too long; a few days where there is none.
    fn patience(&self, asked: &Asked<'_>) -> Patience {
        let after = |due: Due, otherwise: Duration| {
            let rules = asked.book.rules.on(due.as_str());
            let after = rules.filter_map(|rule| rule.after).min();
            after.unwrap_or(otherwise)
        };
        Patience {
            no_scan: after(Due::NoScan, NO_SCAN),
            dispatch: after(Due::LateDispatch, LATE_DISPATCH),
            zone: asked.matter.zone,
        }
    }

    /// Where the customer hears it, or why nowhere.
    async fn find_addresses(
        &self,
        asked: &Asked<'_>,
        customer: &Customer,
        order: &OrderRecord,
    ) -> Result<Result<Vec<Address>, String>, NotifyError> {
        let rule = asked.rule;
        let known = self.store.addresses_of(customer.id).await?;
        let mut chosen = Vec::new();
        let mut reasons = Vec::new();
        for channel in asked.channels {
            let there = self.choose(channel, &known, order);
            if there.is_empty() {
                reasons.push(format!("no address on {channel}"));
                continue;
            }
            let wish = self
                .store
                .preference(customer.id, rule.topic, channel)
                .await?;
            if !wish.unwrap_or(rule.topic == Topic::Order) {
                let reason = match wish {
                    Some(_) => "not wanted",
                    None => "no consent",
                };
                reasons.push(format!("{reason} on {channel}"));
                continue;
            }
            chosen.extend(there);
            if rule.send == Send::First {
                break;
            }
        }
        if !chosen.is_empty() {
            return Ok(Ok(chosen));
        }
        if reasons.is_empty() {
            reasons.push("the rule has no further channel".to_owned());
        }
        Ok(Err(reasons.join("; ")))
    }

    /// The customer's addresses on a channel that hear of an order: all that fetch; of those we send to, the order's own
    /// or the one proven last.
    fn choose(
        &self,
        channel: &ChannelName,
        addresses: &[Address],
        order: &OrderRecord,
    ) -> Vec<Address> {
        let there: Vec<&Address> = addresses
            .iter()
            .filter(|address| address.channel == *channel)
            .collect();
        if !self.delivers(channel) {
            return there.into_iter().cloned().collect();
        }
        let email = order.order.customer.email.as_deref().map(str::to_lowercase);
        let own = there
            .iter()
            .find(|address| Some(&address.id) == email.as_ref());
        own.or(there.last())
            .map(|address| vec![(*address).clone()])
            .unwrap_or_default()
    }

    fn delivers(&self, channel: &ChannelName) -> bool {
        self.capabilities
            .get(channel)
            .is_none_or(|capabilities| !capabilities.mailbox)
    }

    /// Until when it is put off: for the end of quiet hours, and for other parcels with the same news, where the order has
    /// any that may still have it. What is urgent waits for neither.
    fn put_off(
        &self,
        asked: &Asked<'_>,
        customer: &Customer,
        parcels: &[Shipment],
    ) -> Option<Wait> {
        let rule = asked.rule;
        let now = self.store.ambient().now();
        let zone = customer.time_zone.unwrap_or(self.config.time_zone);
        let digest = rule.digest.filter(|_| {
            asked.stage == Stage::First && !rule.urgent && may_have_company(asked.matter, parcels)
        });
        let waited = rule.wait.filter(|_| asked.stage == Stage::First);
        let gathered = now + digest.max(waited).unwrap_or_default();
        let limits = asked.book.rules.limits();
        let quiet_hours = limits.quiet_hours.filter(|_| !rule.urgent);
        let quiet = quiet_hours.and_then(|hours| hours.end(gathered, zone));
        let (until, reason) = match (quiet, digest, waited) {
            (Some(until), ..) => (until, format!("waits for the end of quiet hours in {zone}")),
            (None, Some(_), _) => (gathered, "waits for other parcels of its order".to_owned()),
            (None, None, Some(_)) => (gathered, "waits as its variant says".to_owned()),
            (None, None, None) => return None,
        };
        Some(Wait {
            until,
            reason,
            joins: digest.is_some(),
        })
    }

    /// How much the rule's customer may hear today. What belongs to the contract is put off to the next morning, what sells
    /// is not told any more.
    pub(super) fn at_most(
        &self,
        book: &Book,
        rule: &Rule,
        customer: Option<&Customer>,
    ) -> Option<AtMost> {
        let limits = book.rules.limits();
        let notifications = limits.per_day.filter(|_| !rule.urgent)?;
        let zone = customer.and_then(|customer| customer.time_zone);
        let zone = zone.unwrap_or(self.config.time_zone);
        let now = self.store.ambient().now();
        Some(AtMost {
            notifications,
            since: limits::start_of_day(now, zone),
            put_off_to: (rule.topic == Topic::Order)
                .then(|| limits::next_morning(now, zone, limits.quiet_hours)),
        })
    }

    async fn write_to(
        &self,
        address: Address,
        asked: &Asked<'_>,
        whose: &Whose<'_>,
    ) -> Result<Recipient, NotifyError> {
        let (rule, matter) = (asked.rule, asked.matter);
        let Whose {
            order,
            parcels,
            customer,
        } = *whose;
        let language = match &customer.language {
            Some(language) => language.clone(),
            None => self
                .store
                .language_of(&address)
                .await?
                .unwrap_or_else(|| self.config.default_language.clone()),
        };
        let now = self.store.ambient().now();
        let time_zone = customer.time_zone.unwrap_or(self.config.time_zone);
        let eta = self
            .forecasts
            .estimate(Some(order), matter.shipment.as_ref(), time_zone)
            .await?;
        let scope = TrackingScope {
            customer: customer.id,
            order: order.order.number.clone(),
        };
        let pages = self.pages.as_ref();
        let preferences_url =
            pages.map(|pages| pages.preferences_url(customer.id, rule.topic, now));
        let others = asked.others.iter();
        let told = facts::Told {
            preferences_url: preferences_url.clone(),
            track_url: pages.map(|pages| pages.tracking_url(&scope, now)),
            now,
            time_zone,
            shop_name: &self.config.shop_name,
            event: &matter.event.event.kind,
            order: &order.order,
            shipments: others
                .chain([matter])
                .filter_map(|matter| matter.shipment.as_ref())
                .collect(),
            parcels,
            eta: eta.as_ref(),
            customer,
        };
        let templates = &asked.book.templates;
        let mut content = templates.notification(&rule.template, &language, &told.facts())?;
        content.unsubscribe = preferences_url;
        content.sources = matter.sources(order, eta.as_ref());
        let delivers = self.delivers(&address.channel);
        let place = asked
            .channels
            .iter()
            .position(|channel| *channel == address.channel);
        let last = place.is_none_or(|place| place + 1 == asked.channels.len());
        let fallback_after = rule.fallback_after.filter(|_| delivers && !last);
        Ok(Recipient {
            delivers,
            address,
            content,
            language,
            fallback_at: fallback_after.map(|after| now + after),
            until_read: rule.unless == Arrival::Read,
            window: eta.map(|eta| eta.window),
        })
    }
}

/// Whether another of the order's parcels may have the same news: one that has arrived or was given up is on its way no
/// more.
fn may_have_company(matter: &Matter, parcels: &[Shipment]) -> bool {
    let own = matter.shipment.as_ref();
    let on_its_way = own.is_some_and(|own| !own.status.is_final());
    let mut others = parcels
        .iter()
        .filter(|other| own.is_none_or(|own| own.tracking_number != other.tracking_number));
    parcels.len() > 1 && others.any(|other| !(on_its_way && other.status.is_final()))
}
