//! What carriers said of an order's parcels, for the page that shows it.

use doorstep_core::{
    OrderNumber, Timestamp,
    shipment::{Shipment, TrackingStatus},
};

use super::{
    ParcelUpdate, Store, StoreError,
    parcels::{is_parcel, read_shipment, read_status},
};

/// How many scans of an order's parcels are shown, the newest.
const MAX_SCANS: i64 = 200;

/// A parcel and what was said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ParcelHistory {
    /// The parcel. Its status counts only if there are scans.
    pub shipment: Shipment,
    /// What carriers said, newest first.
    pub scans: Vec<Scan>,
}

impl ParcelHistory {
    /// The carrier's number, unless nobody told it.
    pub fn tracking_number(&self) -> Option<&str> {
        let number = &self.shipment.tracking_number;
        ParcelUpdate::is_named(number).then(|| number.as_str())
    }
}

/// One thing a carrier said of a parcel.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// What it means.
    pub status: TrackingStatus,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Where, in the carrier's words.
    pub location: Option<String>,
    /// What else the carrier said of it, in its words and language.
    pub message: Option<String>,
}

impl Scan {
    /// Whether both tell of the same scan: two sources may put it into different words.
    fn is_same(&self, other: &Self) -> bool {
        (self.status, self.occurred_at, &self.location)
            == (other.status, other.occurred_at, &other.location)
    }
}

impl Store {
    /// The parcels of an order with what was said of each, in order of their numbers; also those that no carrier told of
    /// yet and those whose number nobody told.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn parcel_histories(
        &self,
        order: &OrderNumber,
    ) -> Result<Vec<ParcelHistory>, StoreError> {
        let sql = format!(
            "SELECT * FROM shipments s WHERE order_number = $1 AND {} ORDER BY tracking_number",
            is_parcel("s")
        );
        let mut parcels = Vec::new();
        for row in self.query(&sql, [order.as_str().into()]).await? {
            parcels.push(ParcelHistory {
                shipment: read_shipment(&row)?,
                scans: Vec::new(),
            });
        }
        let sql =
            "SELECT t.tracking_number, t.status, t.occurred_at, t.location, t.message FROM tracking_events t
            JOIN shipments s ON s.tracking_number = t.tracking_number
            WHERE s.order_number = $1 ORDER BY t.occurred_at DESC, t.event_id DESC LIMIT $2";
        for row in self
            .query(sql, [order.as_str().into(), MAX_SCANS.into()])
            .await?
        {
            let number: String = row.get("tracking_number")?;
            let scan = Scan {
                status: read_status(&row.get::<String>("status")?)?,
                occurred_at: row.time("occurred_at")?,
                location: row.get("location")?,
                message: row.get("message")?,
            };
            let parcel = parcels
                .iter_mut()
                .find(|parcel| parcel.shipment.tracking_number.as_str() == number);
            let Some(parcel) = parcel else { continue };
            // The same scan told by two sources is one line.
            match parcel.scans.iter_mut().find(|known| known.is_same(&scan)) {
                Some(known) => known.message = known.message.take().or(scan.message),
                None => parcel.scans.push(scan),
            }
        }
        Ok(parcels)
    }
}
