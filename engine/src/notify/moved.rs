//! Expected days that moved: told only where they really did.

use super::{Matter, Notifier, StoreError};
use crate::eta::has_moved;

impl Notifier {
    /// Names the parcel and its expected days, if its customer was told others from which these really moved.
    pub(super) async fn moved_window(&self, matter: &Matter) -> Result<Option<String>, StoreError> {
        let (Some(_), Some(shipment)) = (matter.news(), &matter.shipment) else {
            return Ok(None);
        };
        let parcel = &shipment.tracking_number;
        let Some(told) = self.store.told_window(parcel).await? else {
            return Ok(None);
        };
        let zone = matter
            .customer
            .as_ref()
            .and_then(|customer| customer.time_zone);
        let zone = zone.unwrap_or(self.config.time_zone);
        let eta = self
            .forecasts
            .estimate(matter.order.as_ref(), Some(shipment), zone)
            .await?;
        // What parcels usually take says nothing of this one.
        let moved = eta.filter(|eta| !eta.is_prior() && has_moved(told, eta.window));
        Ok(moved.map(|eta| {
            let window = eta.window;
            format!("parcel:{parcel}:{}/{}", window.from, window.to)
        }))
    }
}
