//! Rules on schedule rather than on event: what they wait for becomes an event like any other, so that it is admitted
//! once, decided by the same rules, explained and rehearsed.

use doorstep_core::event::Due;

use super::{Notifier, StoreError};
use crate::store::SCHEDULE_SOURCE;

impl Notifier {
    /// Whether any rule is on schedule.
    pub(super) fn waits_on_schedule(&self) -> bool {
        let book = self.book();
        Due::ALL
            .iter()
            .any(|due| book.rules.on(due.as_str()).next().is_some())
    }

    /// Admits what became due by rules on schedule; returns how much was new. It may run as often as one likes and on
    /// any number of instances: what was found before is known by its identifier.
    ///
    /// # Errors
    /// The store did not answer; what was admitted stays.
    pub async fn find_due(&self) -> Result<usize, StoreError> {
        let book = self.book();
        let mut found = 0;
        for due in Due::ALL {
            // All rules on one kind of news have the same time.
            let Some(after) = book.rules.on(due.as_str()).find_map(|rule| rule.after) else {
                continue;
            };
            let events = self.store.find_due(due, after).await?;
            let admitted = self
                .store
                .admit_events(&SCHEDULE_SOURCE.into(), b"", events)
                .await?;
            found += admitted
                .iter()
                .filter(|admission| !admission.duplicate)
                .count();
        }
        Ok(found)
    }
}
