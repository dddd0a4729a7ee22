//! Reads the story, lives it, and knows what it expects.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use chrono::{Days, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use doorstep_core::{
    CommerceEventId, CustomerId, Language, Money, Timestamp,
    customer::Proof,
    message::{Address, Content, FactSource, InboundMessage},
    notification::Topic,
    order::{Order, OrderCustomer, OrderLine, OrderStatus},
    understanding::{Backend, Escalation, Sentiment, Understanding},
};
use doorstep_engine::{
    store::Preference,
    turn::{Effect, Turn},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::World;

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    people: BTreeMap<String, Person>,
    week: Vec<Day>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    language: String,
    zone: Tz,
    whatsapp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    day: String,
    story: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    at: String,
    what: String,
    #[serde(default)]
    orders: Vec<Placed>,
    books: Option<Placed>,
    carrier: Option<Scan>,
    shop: Option<Word>,
    #[serde(default)]
    agrees: Vec<String>,
    unsubscribes: Option<Wish>,
    stops: Option<Wish>,
    asked_before: Option<String>,
    phone_off: Option<String>,
    gone: Option<Wish>,
    away: Option<String>,
    back: Option<String>,
    #[serde(default)]
    killed: bool,
    forgets: Option<String>,
    #[serde(default)]
    hears: Vec<String>,
    silent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Placed {
    order: u32,
    of: String,
    promised: Option<String>,
    /// The numbers that the shop tells with the order.
    #[serde(default)]
    parcels: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scan {
    order: u32,
    parcel: String,
    says: String,
    expects: Option<String>,
    happened: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    order: u32,
    says: String,
    amount: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    who: String,
    channel: String,
}

/// A message that somebody must get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Who, where, what: `Ada on whatsapp: shipped 1001`.
    pub(crate) what: String,
    /// When; `None`: whenever its provider is back.
    pub(crate) at: Option<Timestamp>,
}

/// An event of which somebody must not hear.
pub(crate) struct Silence {
    pub(crate) event: CommerceEventId,
    pub(crate) because: String,
    pub(crate) step: String,
}

impl Story {
    pub(crate) fn read() -> Self {
        let text = include_str!("story.yaml");
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("story.yaml: {error}"))
    }

    /// Its steps with their times, from the Monday on which the week begins.
    pub(crate) fn steps(&self, monday: Timestamp) -> Vec<(Timestamp, &Step)> {
        let steps = self.week.iter().flat_map(|day| {
            day.story
                .iter()
                .map(move |step| (time(monday, &day.day, &step.at), step))
        });
        steps.collect()
    }

    /// How many orders it tells of.
    pub(crate) fn orders(&self) -> usize {
        let steps = self.week.iter().flat_map(|day| &day.story);
        steps
            .map(|step| step.orders.len() + usize::from(step.books.is_some()))
            .sum()
    }

    /// Whose an address is.
    pub(crate) fn who(&self, address: &str) -> Option<&str> {
        let mut people = self.people.iter();
        let found = people.find(|(name, person)| {
            email_of(name) == address || person.whatsapp.as_deref() == Some(address)
        });
        found.map(|(name, _)| name.as_str())
    }

    /// What must be heard because of a step.
    pub(crate) fn expected(&self, monday: Timestamp, at: Timestamp, step: &Step) -> Vec<Expected> {
        let expected = step.hears.iter().map(|line| {
            if let Some(what) = line.strip_suffix(" later") {
                return Expected {
                    what: what.to_owned(),
                    at: None,
                };
            }
            let (what, when) = match line.rsplit_once(" at ") {
                None => (line.as_str(), at),
                Some((what, when)) => {
                    let today = (at - monday).num_days();
                    let today = DAYS[usize::try_from(today).unwrap()];
                    let (day, clock) = when.split_once(' ').unwrap_or((today, when));
                    (what, time(monday, day, clock))
                }
            };
            Expected {
                what: what.to_owned(),
                at: Some(when),
            }
        });
        expected.collect()
    }

    /// People have addresses on channels before they order.
    pub(crate) async fn begin(&self, world: &World) {
        for (name, person) in &self.people {
            let chat = Address::new("webchat", format!("visitor-{name}"));
            let phone = person.whatsapp.as_ref();
            let phone = phone.map(|phone| Address::new("whatsapp", phone));
            for address in [Some(chat), phone].into_iter().flatten() {
                let proof = Proof {
                    customer: Some(customer_key(name).as_str().into()),
                    email: None,
                    name: None,
                };
                world.store().prove(&address, &proof, None).await.unwrap();
            }
        }
    }

    /// Lives one step; the event in it whose silence has a reason.
    pub(crate) async fn live(
        &self,
        world: &mut World,
        monday: Timestamp,
        step: &Step,
    ) -> Option<Silence> {
        for placed in &step.orders {
            let body = self.placed(world.now(), monday, placed);
            world.webhook(&body).await;
        }
        if let Some(placed) = &step.books {
            let order = self.in_the_books(world.now(), placed);
            let mut orders = world.books.orders.lock().unwrap();
            orders.insert(order.number.clone(), order);
        }
        for name in &step.agrees {
            let order = self.order_of(name);
            let who = customer_of(world, order).await;
            wish(world, who, Topic::Marketing, "email", true).await;
        }
        if let Some(wished) = &step.unsubscribes {
            let who = customer_of(world, self.order_of(&wished.who)).await;
            wish(world, who, Topic::Order, &wished.channel, false).await;
        }
        if let Some(stopped) = &step.stops {
            let phone = self.people[&stopped.who].whatsapp.as_ref().unwrap();
            let address = Address::new(stopped.channel.as_str(), phone);
            let stop = Effect::SetPreference {
                topic: Topic::Order,
                allowed: false,
            };
            talk(world, address, "STOP", Content::default(), vec![stop]).await;
        }
        if let Some(name) = &step.asked_before {
            let answer = Content {
                text: "On the van.".to_owned(),
                sources: vec![FactSource {
                    name: "tracking:correos".to_owned(),
                    as_of: world.now(),
                }],
                ..Content::default()
            };
            let address = Address::new("webchat", format!("visitor-{name}"));
            talk(world, address, "Where is it?", answer, Vec::new()).await;
        }
        self.play_providers(world, step);
        let mut event = None;
        if let Some(scan) = &step.carrier {
            let body = scanned(world.now(), monday, scan);
            event = Some(world.webhook(&body).await);
        }
        if let Some(word) = &step.shop {
            let now = world.now();
            let payload = json!({"amount": word.amount, "currency": "EUR"});
            let body = envelope(&word.says, Some(word.order), now, payload);
            event = Some(world.webhook(&body).await);
        }
        if let Some(name) = &step.forgets {
            let payload = json!({"email": email_of(name)});
            let mut body = envelope("customer.redacted", None, world.now(), payload);
            body["customer_id"] = customer_key(name).into();
            world.webhook(&body).await;
        }
        step.silent.as_ref().map(|because| Silence {
            event: event.expect("something happened"),
            because: because.clone(),
            step: step.what.clone(),
        })
    }

    fn play_providers(&self, world: &World, step: &Step) {
        let phone = |name: &str| self.people[name].whatsapp.clone().unwrap();
        if let Some(name) = &step.phone_off {
            world.whatsapp.off.lock().unwrap().insert(phone(name));
        }
        if let Some(gone) = &step.gone {
            assert_eq!(gone.channel, "whatsapp");
            world.whatsapp.gone.lock().unwrap().insert(phone(&gone.who));
        }
        for (name, away) in [(&step.away, true), (&step.back, false)] {
            match name.as_deref() {
                Some("email") => world.email.away.store(away, Ordering::SeqCst),
                Some("shop") => world.books.away.store(away, Ordering::SeqCst),
                Some(other) => panic!("nobody plays `{other}`"),
                None => {}
            }
        }
        if step.killed {
            let order = step.carrier.as_ref().unwrap().order;
            let name = self.owner_of(order);
            *world.email.deadly.lock().unwrap() = Some(email_of(name));
        }
    }

    fn all_placed(&self) -> impl Iterator<Item = &Placed> {
        let steps = self.week.iter().flat_map(|day| &day.story);
        steps.flat_map(|step| step.orders.iter().chain(&step.books))
    }

    fn owner_of(&self, order: u32) -> &str {
        let placed = self.all_placed().find(|placed| placed.order == order);
        placed.expect("somebody ordered it").of.as_str()
    }

    fn order_of(&self, name: &str) -> u32 {
        let placed = self.all_placed().find(|placed| placed.of == name);
        placed.expect("they ordered something").order
    }

    fn placed(&self, now: Timestamp, monday: Timestamp, placed: &Placed) -> Value {
        let person = &self.people[&placed.of];
        let promised = placed.promised.as_ref().map(|day| date(monday, day));
        order_placed(
            now,
            placed.order,
            &customer_key(&placed.of),
            json!({
                "name": placed.of,
                "email": email_of(&placed.of),
                "language": person.language,
                "time_zone": person.zone.name(),
            }),
            promised,
            &placed.parcels,
        )
    }

    fn in_the_books(&self, now: Timestamp, placed: &Placed) -> Order {
        let person = &self.people[&placed.of];
        let price = Money::new(3990, iso_currency::Currency::EUR);
        Order {
            number: placed.order.to_string().as_str().into(),
            shop_id: None,
            customer: OrderCustomer {
                id: Some(customer_key(&placed.of).as_str().into()),
                name: Some(placed.of.clone()),
                marketing: None,
                email: Some(email_of(&placed.of)),
                language: Some(person.language.parse().unwrap()),
                time_zone: Some(person.zone),
            },
            placed_at: now,
            status: OrderStatus::Processing,
            lines: vec![OrderLine {
                sku: "TENT".into(),
                title: "Tent".to_owned(),
                quantity: 1,
                price,
            }],
            total: price,
            postcode: None,
            country: None,
            promised: None,
            shipments: Vec::new(),
        }
    }
}

/// A time of the week.
pub(crate) fn time(monday: Timestamp, day: &str, clock: &str) -> Timestamp {
    let index = DAYS.iter().position(|known| *known == day);
    let index = index.unwrap_or_else(|| panic!("`{day}` is no day"));
    let clock = NaiveTime::parse_from_str(clock, "%H:%M").expect("a time like 09:00");
    let day = monday + TimeDelta::days(i64::try_from(index).unwrap());
    day + (clock - NaiveTime::MIN)
}

fn date(monday: Timestamp, day: &str) -> String {
    time(monday, day, "00:00").date_naive().to_string()
}

fn email_of(name: &str) -> String {
    format!("{}@people.example", name.to_lowercase().replace('é', "e"))
}

fn customer_key(name: &str) -> String {
    format!("P-{name}")
}

fn envelope(event_type: &str, order: Option<u32>, at: Timestamp, payload: Value) -> Value {
    json!({
        "schema_version": 1,
        "event_type": event_type,
        "order_id": order.map(|order| order.to_string()),
        "timestamp": at,
        "payload": payload,
    })
}

/// The shop tells of a new order.
pub(crate) fn order_placed(
    now: Timestamp,
    order: u32,
    customer_key: &str,
    customer: Value,
    promised: Option<String>,
    parcels: &[String],
) -> Value {
    let parcels = parcels.iter();
    let parcels = parcels.map(|number| json!({"carrier": "Correos", "tracking_number": number}));
    let mut payload = json!({
        "placed_at": now,
        "customer": customer,
        "currency": "EUR",
        "lines": [{"sku": "TENT", "title": "Tent", "quantity": 1, "price": "39.90"}],
        "shipments": parcels.collect::<Vec<_>>(),
    });
    if let Some(day) = promised {
        payload["promised_delivery"] = day.into();
    }
    let mut body = envelope("order.placed", Some(order), now, payload);
    body["customer_id"] = customer_key.into();
    body
}

/// The shop tells of anything else.
pub(crate) fn told(event_type: &str, order: u32, at: Timestamp) -> Value {
    envelope(event_type, Some(order), at, json!({}))
}

/// A carrier tells of a parcel.
pub(crate) fn parcel_told(says: &str, order: u32, parcel: &str, at: Timestamp) -> Value {
    let payload = json!({"carrier": "Correos", "tracking_number": parcel});
    envelope(&format!("shipment.{says}"), Some(order), at, payload)
}

fn scanned(now: Timestamp, monday: Timestamp, scan: &Scan) -> Value {
    let at = scan.happened.as_ref().map_or(now, |clock| {
        let clock = NaiveTime::parse_from_str(clock, "%H:%M").expect("a time like 09:00");
        let midnight = now.date_naive().and_time(NaiveTime::MIN).and_utc();
        midnight + (clock - NaiveTime::MIN)
    });
    let mut body = parcel_told(&scan.says, scan.order, &scan.parcel, at);
    if let Some(day) = &scan.expects {
        body["payload"]["estimated_delivery"] = date(monday, day).into();
    }
    body
}

pub(crate) async fn customer_of(world: &mut World, order: u32) -> CustomerId {
    let now = world.now();
    world.until(now).await;
    let number = order.to_string().as_str().into();
    let order = world.store().find_order(&number).await.unwrap();
    let order = order.expect("the order is known");
    order.customer.expect("it is somebody's")
}

pub(crate) async fn wish(
    world: &World,
    who: CustomerId,
    topic: Topic,
    channel: &str,
    allowed: bool,
) {
    let wish = Preference {
        topic,
        channel: channel.into(),
        allowed,
    };
    let wished = world.store().set_preferences(who, vec![wish], "page");
    assert!(wished.await.unwrap());
}

/// A customer writes, and is answered.
async fn talk(world: &World, from: Address, text: &str, answer: Content, effects: Vec<Effect>) {
    let store = world.store();
    let id = format!("m-{}-{}", from.id, world.now().timestamp());
    let message = InboundMessage::text(from, id, text, world.now());
    let admitted = store.admit_message(message, Vec::new()).await.unwrap();
    let waiting = store.next_waiting(admitted.conversation).await.unwrap();
    let replies = match answer.text.is_empty() {
        true => Vec::new(),
        false => vec![answer],
    };
    let turn = Turn {
        understanding: Understanding {
            language: Language::ENGLISH,
            intents: Vec::new(),
            asks: Vec::new(),
            accept: 1.0,
            escalation: Escalation::Normal,
            sentiment: Sentiment::default(),
            entities: Vec::new(),
            vector: None,
            backend: Backend::Rules,
        },
        language: Language::ENGLISH,
        state: None,
        replies,
        effects,
    };
    let waiting = waiting.expect("it waits to be answered");
    store.commit_turn(&waiting, turn, false).await.unwrap();
}

/// The first day of the next week, when the story is over.
pub(crate) fn end(monday: Timestamp) -> Timestamp {
    monday + Days::new(7) - TimeDelta::hours(1)
}
