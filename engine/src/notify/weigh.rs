//! Looking up what a rule's conditions ask about.

use doorstep_core::{customer::Customer, shipment::TrackingStatus};

use super::{
    Asked, Matter, Notifier, NotifyError, StoreError,
    conditions::{Condition, Fact, Found, Test},
};
use crate::store::{Audience, OrderRecord};

impl Notifier {
    /// Who hears it, and by which of the rule's conditions.
    pub(super) async fn find_audience(
        &self,
        asked: &Asked<'_>,
    ) -> Result<(Audience, Option<String>), NotifyError> {
        let matter = asked.matter;
        let mut met = Vec::new();
        // Without an order or a customer nobody hears it, whatever the rule asks.
        if let (Some(order), Some(customer)) = (&matter.order, &matter.customer) {
            for condition in &asked.rule.conditions {
                let Condition { field, test } = condition;
                let found = self.look_up(test, matter, order, customer).await?;
                let told = test.told(&found);
                if !test.holds(&found) {
                    let wants = test.wants();
                    let reason = format!("`{field}` does not hold: {told}, wanted is {wants}");
                    return Ok((Audience::Held(reason), None));
                }
                met.push(format!("`{field}` holds: {told}"));
            }
        }
        let audience = self.find_addressees(asked).await?;
        Ok((audience, (!met.is_empty()).then(|| met.join("; "))))
    }

    async fn look_up(
        &self,
        test: &Test,
        matter: &Matter,
        order: &OrderRecord,
        customer: &Customer,
    ) -> Result<Found, NotifyError> {
        Ok(match test {
            Test::Among { fact, .. } => {
                Found::Words(self.words_of(*fact, matter, order, customer).await?)
            }
            Test::Value(_) => Found::Value(order.order.total),
            Test::DaysLate(_) => Found::DaysLate(self.days_late(matter, order, customer).await?),
            Test::Returning(_) => Found::Returning(
                self.past
                    .ordered_before(customer.id, &order.order.number, order.order.placed_at)
                    .await?,
            ),
        })
    }

    async fn words_of(
        &self,
        fact: Fact,
        matter: &Matter,
        order: &OrderRecord,
        customer: &Customer,
    ) -> Result<Vec<String>, StoreError> {
        let one = |word: Option<String>| -> Vec<String> {
            let word = word.filter(|word| !word.is_empty());
            word.into_iter().collect()
        };
        let shipment = matter.shipment.as_ref();
        Ok(match fact {
            Fact::Country => one(order.order.country.clone()),
            Fact::Carrier => one(shipment.map(|shipment| shipment.carrier.clone())),
            Fact::Service => match shipment {
                Some(shipment) => one(self.store.service_of(&shipment.tracking_number).await?),
                None => Vec::new(),
            },
            Fact::Channel => {
                let addresses = self.store.addresses_of(customer.id).await?;
                let channels = addresses.into_iter().map(|address| address.channel.0);
                let mut channels: Vec<String> = channels.collect();
                channels.sort_unstable();
                channels.dedup();
                channels
            }
            Fact::Language => one(Some(self.language_of(customer).await?)),
        })
    }

    /// The language of the customer, of their oldest conversation that has one, or the shop's.
    async fn language_of(&self, customer: &Customer) -> Result<String, StoreError> {
        if let Some(language) = &customer.language {
            return Ok(language.to_string());
        }
        for address in self.store.addresses_of(customer.id).await? {
            if let Some(language) = self.store.language_of(&address).await? {
                return Ok(language.to_string());
            }
        }
        Ok(self.config.default_language.to_string())
    }

    /// How many days after the promised one it came, or is expected by now; `None` where none was promised.
    async fn days_late(
        &self,
        matter: &Matter,
        order: &OrderRecord,
        customer: &Customer,
    ) -> Result<Option<i64>, StoreError> {
        let Some(promised) = order.order.promised else {
            return Ok(None);
        };
        let zone = customer.time_zone.unwrap_or(self.config.time_zone);
        let today = self.store.ambient().now().with_timezone(&zone).date_naive();
        let shipment = matter.shipment.as_ref();
        let delivered = shipment
            .filter(|shipment| shipment.status == TrackingStatus::Delivered)
            .and_then(|shipment| shipment.status_at);
        let day = match delivered {
            Some(at) => at.with_timezone(&zone).date_naive(),
            None => {
                let estimate = self.forecasts.estimate(Some(order), shipment, zone).await?;
                estimate.map_or(today, |eta| eta.window.to.max(today))
            }
        };
        Ok(Some((day - promised.to).num_days().max(0)))
    }
}
