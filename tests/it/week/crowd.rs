//! Everybody else who orders in that week: a few shapes of what happens to parcels, drawn from a fixed seed, and what each
//! must hear by rules of thumb that a shop owner would give.

use chrono::TimeDelta;
use chrono_tz::Tz;
use doorstep_core::{Timestamp, customer::Proof, message::Address, notification::Topic};
use serde_json::{Value, json};

use super::{
    script::{customer_of, end, order_placed, parcel_told, told, wish},
    world::World,
};

const FIRST_ORDER: u32 = 2001;
const LANGUAGES: [&str; 7] = ["en", "es", "de", "fr", "pt", "it", "ru"];
/// Nobody is written to before eight o'clock; nothing happens here so late that it would matter.
const MORNING: i64 = 8;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn minutes(&mut self, from: i64, to: i64) -> TimeDelta {
        let span = u64::try_from(to - from).unwrap();
        TimeDelta::minutes(from + i64::try_from(self.below(span)).unwrap())
    }
}

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Smooth,
    /// On the van before the customer is awake, and there before breakfast.
    Early,
    Late,
    Split,
    PickedUp,
    Returned,
    Lost,
    /// Scanned once and never again.
    Silent,
    Cancelled,
}

/// Somebody with one order.
pub(crate) struct Stranger {
    order: u32,
    zone: Tz,
    language: &'static str,
    whatsapp: Option<String>,
    /// Whether they agreed to hear of offers.
    agrees: bool,
    pub(crate) happens: Vec<(Timestamp, Value)>,
    /// `email: shipped`
    hears: Vec<String>,
}

/// So many orders, the same in every run.
pub(crate) fn crowd(orders: usize, monday: Timestamp) -> Vec<Stranger> {
    let mut dice = Dice(200);
    let orders = u32::try_from(orders).unwrap();
    (FIRST_ORDER..FIRST_ORDER + orders)
        .map(|order| stranger(order, monday, &mut dice))
        .collect()
}

fn stranger(order: u32, monday: Timestamp, dice: &mut Dice) -> Stranger {
    let shape = match dice.below(100) {
        0..40 => Shape::Smooth,
        40..50 => Shape::Early,
        50..62 => Shape::Late,
        62..74 => Shape::Split,
        74..82 => Shape::PickedUp,
        82..88 => Shape::Returned,
        88..92 => Shape::Lost,
        92..96 => Shape::Silent,
        _ => Shape::Cancelled,
    };
    let zones = [
        chrono_tz::Europe::London,
        chrono_tz::Europe::Madrid,
        chrono_tz::America::New_York,
    ];
    let zone = zones[usize::try_from(dice.below(3)).unwrap()];
    let language = LANGUAGES[usize::try_from(dice.below(7)).unwrap()];
    let phone = dice.below(10) < 3;
    let mut stranger = Stranger {
        order,
        zone,
        language,
        whatsapp: phone.then(|| format!("44770091{order}")),
        agrees: dice.below(10) < 3 && shape != Shape::Returned,
        happens: Vec::new(),
        hears: Vec::new(),
    };
    let day = TimeDelta::days(i64::try_from(dice.below(3)).unwrap());
    stranger.live(shape, monday + day, monday, dice);
    stranger
}

impl Stranger {
    fn live(&mut self, shape: Shape, first: Timestamp, monday: Timestamp, dice: &mut Dice) {
        // Between eight in the morning in New York and eight in the evening in Madrid.
        let mut on_day = |days| first + TimeDelta::days(days) + dice.minutes(13 * 60 + 5, 17 * 60);
        let parcel = format!("X{}", self.order);
        let placed = first + TimeDelta::hours(8);
        let customer = json!({
            "name": format!("Stranger {}", self.order),
            "email": self.email(),
            "language": self.language,
            "time_zone": self.zone.name(),
        });
        let key = self.customer_key();
        let other = format!("{parcel}-2");
        // What the shop sends in two parcels, it says so: the news of both is one message then.
        let parcels = match shape {
            Shape::Split => vec![parcel.clone(), other.clone()],
            _ => Vec::new(),
        };
        let body = order_placed(placed, self.order, &key, customer, None, &parcels);
        self.happens.push((placed, body));
        let handed_over = on_day(1);
        let (second, third, fourth) = (on_day(2), on_day(3), on_day(4));
        let hour = TimeDelta::minutes(67);
        if shape == Shape::Cancelled {
            self.shop("order.cancelled", handed_over, "order_cancelled");
            return;
        }
        self.scan("in_transit", &parcel, handed_over);
        if shape == Shape::Split {
            self.scan("in_transit", &other, handed_over + TimeDelta::minutes(12));
            self.hears_by_phone("shipped");
            for (says, from) in [("out_for_delivery", second), ("delivered", second + hour)] {
                for (parcel, after) in [(&parcel, 0), (&other, 5)] {
                    self.scan(says, parcel, from + TimeDelta::minutes(after));
                    self.hears_by_phone(says);
                }
            }
            self.may_review(second + hour, monday);
            return;
        }
        self.hears_by_phone("shipped");
        match shape {
            Shape::Smooth => self.arrives(&parcel, second, second + hour, monday),
            Shape::Early => {
                let dawn = first + TimeDelta::days(2) + TimeDelta::hours(5);
                self.arrives(&parcel, dawn, dawn + hour, monday);
            }
            Shape::Late => {
                self.scan("delayed", &parcel, second);
                self.hears_by_phone("delayed");
                self.arrives(&parcel, third, third + hour, monday);
            }
            Shape::PickedUp => {
                self.scan("ready_for_pickup", &parcel, second);
                self.hears_by_phone("ready_for_pickup");
            }
            Shape::Returned => {
                self.arrives(&parcel, second, second + hour, monday);
                self.shop("return.requested", third, "return_requested");
                self.shop("return.received", fourth, "return_received");
                self.shop("refund.issued", fourth + hour, "refund_issued");
            }
            Shape::Lost => {
                self.scan("lost", &parcel, third);
                self.hears_by_phone("exception");
            }
            Shape::Silent => self.hears.push("email: no_scan".to_owned()),
            Shape::Split | Shape::Cancelled => {}
        }
    }

    /// Out, and there.
    fn arrives(&mut self, parcel: &str, out: Timestamp, there: Timestamp, monday: Timestamp) {
        self.scan("out_for_delivery", parcel, out);
        self.scan("delivered", parcel, there);
        // Whoever is still asleep when it comes never hears that it was on its way.
        if self.awake(out) <= there {
            self.hears_by_phone("out_for_delivery");
        }
        self.hears_by_phone("delivered");
        self.may_review(there, monday);
    }

    /// When they may be written to about what happens at `at`, which is never in their evening.
    fn awake(&self, at: Timestamp) -> Timestamp {
        let local = at.with_timezone(&self.zone).naive_local().time();
        let eight = TimeDelta::hours(MORNING);
        let since_midnight = local - chrono::NaiveTime::MIN;
        at + (eight - since_midnight).max(TimeDelta::zero())
    }

    fn may_review(&mut self, there: Timestamp, monday: Timestamp) {
        let asked = self.awake(there + TimeDelta::days(2));
        if self.agrees && asked + TimeDelta::hours(1) <= end(monday) {
            self.hears.push("email: review_request".to_owned());
        }
    }

    fn scan(&mut self, says: &str, parcel: &str, at: Timestamp) {
        let body = parcel_told(says, self.order, parcel, at);
        self.happens.push((at, body));
    }

    fn shop(&mut self, says: &str, at: Timestamp, template: &str) {
        let mut body = told(says, self.order, at);
        if says == "order.cancelled" {
            // An order is told whole.
            body["payload"] = self.happens[0].1["payload"].clone();
            body["customer_id"] = self.customer_key().into();
        }
        self.happens.push((at, body));
        self.hears.push(format!("email: {template}"));
    }

    fn hears_by_phone(&mut self, template: &str) {
        let channel = match self.whatsapp {
            Some(_) => "whatsapp",
            None => "email",
        };
        self.hears.push(format!("{channel}: {template}"));
    }

    fn email(&self) -> String {
        format!("{}@strangers.example", self.order)
    }

    fn customer_key(&self) -> String {
        format!("S-{}", self.order)
    }

    /// What they must hear: `2001@strangers.example on email: shipped 2001`.
    pub(crate) fn expected(&self) -> impl Iterator<Item = String> {
        self.hears.iter().map(|heard| {
            let (channel, template) = heard.split_once(": ").unwrap();
            let address = match channel {
                "whatsapp" => self.whatsapp.clone().unwrap(),
                _ => self.email(),
            };
            format!("{address} on {channel}: {template} {}", self.order)
        })
    }

    /// They have a phone before they order.
    pub(crate) async fn begin(&self, world: &World) {
        let Some(phone) = &self.whatsapp else { return };
        let proof = Proof {
            customer: Some(self.customer_key().as_str().into()),
            email: None,
            name: None,
        };
        let address = Address::new("whatsapp", phone);
        world.store().prove(&address, &proof, None).await.unwrap();
    }

    /// Once their order is known, they say what they want to hear.
    pub(crate) async fn agree(&self, world: &mut World) {
        if self.agrees {
            let who = customer_of(world, self.order).await;
            wish(world, who, Topic::Marketing, "email", true).await;
        }
    }
}
