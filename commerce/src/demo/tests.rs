use std::collections::{BTreeSet, HashSet};

use doorstep_core::{money::Money, order::DateWindow};
use iso_currency::Currency;
use std::sync::Mutex;

use super::*;

/// A clock that a test moves by hand.
struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl HandClock {
    fn at(instant: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(instant.parse().unwrap())))
    }

    fn move_by(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

fn shop() -> DemoShop {
    DemoShop::new("demo".into(), HandClock::at("2026-11-21T09:30:00Z")).unwrap()
}

fn order(shop: &DemoShop, number: &str) -> Order {
    shop.find(&OrderLookup::Number(number.into())).unwrap()
}

fn event(kind: CommerceEventKind) -> CommerceEvent {
    CommerceEvent {
        source: "demo".into(),
        external_id: "evt_1".into(),
        occurred_at: "2026-11-21T09:30:00Z".parse().unwrap(),
        kind,
    }
}

fn tracking(number: &str, status: TrackingStatus, at: &str) -> CommerceEvent {
    event(CommerceEventKind::Tracking {
        order: None,
        carrier: None,
        tracking_number: Some(number.into()),
        event: TrackingEvent {
            status,
            occurred_at: at.parse().unwrap(),
            message: None,
            location: None,
            estimated: None,
            parcel: Default::default(),
        },
    })
}

/// The check digit of UPU S10 numbers, as Correos and other posts use them.
fn is_s10(number: &str) -> bool {
    let bytes = number.as_bytes();
    if bytes.len() != 13 || !bytes[2..11].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = [8, 6, 4, 2, 3, 5, 9, 7]
        .iter()
        .zip(&bytes[2..10])
        .map(|(weight, digit)| weight * u32::from(digit - b'0'))
        .sum();
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        digit => digit,
    };
    u32::from(bytes[10] - b'0') == check
}

#[test]
fn the_catalog_is_a_believable_shop() {
    let shop = shop();
    assert!(shop.products().len() >= 145);
    let categories: HashSet<_> = shop.products().iter().map(|p| &p.category).collect();
    assert!(categories.len() >= 14, "{categories:?}");
    for product in shop.products() {
        assert!(product.description.len() > 40, "{}", product.id);
        assert_eq!(
            product.url.as_deref(),
            Some(format!("/#{}", product.id).as_str())
        );
    }
}

#[test]
fn every_order_status_and_every_tracking_status_occurs() {
    let orders = shop().orders();
    let numbers: Vec<String> = orders
        .iter()
        .map(|order| order.number.to_string())
        .collect();
    let expected: Vec<String> = (10201..=10240).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected);
    let statuses: BTreeSet<_> = orders.iter().map(|order| order.status.as_str()).collect();
    assert_eq!(statuses.len(), 7, "{statuses:?}");
    let tracking: BTreeSet<_> = orders
        .iter()
        .flat_map(|order| &order.shipments)
        .map(|parcel| parcel.status.as_str())
        .collect();
    assert_eq!(tracking.len(), 11, "{tracking:?}");
}

#[test]
fn tracking_numbers_are_unique_and_those_of_posts_have_valid_check_digits() {
    let orders = shop().orders();
    let parcels: Vec<_> = orders.iter().flat_map(|order| &order.shipments).collect();
    let numbers: HashSet<_> = parcels
        .iter()
        .map(|parcel| &parcel.tracking_number)
        .collect();
    assert_eq!(numbers.len(), parcels.len());
    for parcel in parcels {
        let posts = [
            "Correos",
            "Royal Mail",
            "Colissimo",
            "Poste Italiane",
            "Correios",
            "Kazpost",
        ];
        if posts.contains(&parcel.carrier.as_str()) {
            assert!(
                is_s10(parcel.tracking_number.as_str()),
                "{}",
                parcel.tracking_number
            );
        }
    }
}

#[test]
fn customers_speak_several_languages_and_have_harmless_addresses() {
    let shop = shop();
    let languages: HashSet<_> = shop
        .customers()
        .iter()
        .map(|c| c.language.to_string())
        .collect();
    assert!(languages.len() >= 8, "{languages:?}");
    for customer in shop.customers() {
        assert!(
            customer.email.ends_with("@example.com") || customer.email.ends_with("@example.org"),
            "{}",
            customer.email
        );
    }
}

#[test]
fn the_order_of_the_story_is_on_its_way_to_madrid() {
    let order = order(&shop(), "10234");
    assert_eq!(
        order.customer.email.as_deref(),
        Some("marta.ruiz@example.com")
    );
    assert_eq!(order.postcode.as_deref(), Some("28012"));
    assert_eq!(order.status, OrderStatus::Shipped);
    assert_eq!(order.placed_at.to_rfc3339(), "2026-11-17T17:42:00+00:00");
    assert_eq!(order.total, Money::new(20_880, Currency::EUR));
    let parcel = &order.shipments[0];
    assert_eq!(parcel.carrier, "Correos");
    assert_eq!(parcel.tracking_number.as_str(), "PQ573186429ES");
    assert_eq!(parcel.status, TrackingStatus::InTransit);
    assert_eq!(
        parcel.estimated,
        Some(DateWindow {
            from: "2026-11-22".parse().unwrap(),
            to: "2026-11-23".parse().unwrap()
        })
    );
}

#[tokio::test]
async fn an_order_is_found_by_its_number_and_by_its_parcel() {
    let shop = shop();
    let by_parcel = OrderLookup::TrackingNumber("PQ573186429ES".into());
    let found = shop.find_order(&by_parcel).await.unwrap().unwrap();
    assert_eq!(found.number.as_str(), "10234");
    let unknown = OrderLookup::Number("99999".into());
    assert_eq!(shop.find_order(&unknown).await.unwrap(), None);
}

#[tokio::test]
async fn a_customers_orders_come_newest_first() {
    let shop = shop();
    let orders = shop.list_orders(&"C-1004".into(), 10).await.unwrap();
    let numbers: Vec<_> = orders.iter().map(|order| order.number.as_str()).collect();
    assert_eq!(numbers, ["10234", "10207"]);
    assert_eq!(
        shop.list_orders(&"C-1004".into(), 1).await.unwrap().len(),
        1
    );
    assert!(
        shop.list_orders(&"C-9999".into(), 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[test]
fn no_order_lies_in_the_future_at_any_hour() {
    for hour in 0..24 {
        let clock = HandClock::at(&format!("2026-03-29T{hour:02}:30:00Z"));
        let shop = DemoShop::new("demo".into(), clock.clone()).unwrap();
        assert!(
            shop.orders()
                .iter()
                .all(|order| order.placed_at <= clock.now())
        );
    }
}

#[test]
fn a_demo_left_running_does_not_age() {
    let clock = HandClock::at("2026-11-21T09:30:00Z");
    let shop = DemoShop::new("demo".into(), clock.clone()).unwrap();
    let first = order(&shop, "10234");
    clock.move_by(TimeDelta::hours(3));
    assert_eq!(
        order(&shop, "10234"),
        first,
        "facts stand still within a day"
    );
    clock.move_by(TimeDelta::days(30));
    let later = order(&shop, "10234");
    assert_eq!(later.placed_at - first.placed_at, TimeDelta::days(30));
}

#[tokio::test]
async fn selling_out_a_size_changes_the_next_answer() {
    let shop = shop();
    let sku: Sku = "JKT-101-M-PIN".into();
    let before = shop.stock(std::slice::from_ref(&sku)).await.unwrap();
    assert!(before[0].quantity > 0);
    assert!(shop.set_stock(&sku, 0));
    let after = shop.stock(&[sku, "NO-SUCH-UNIT".into()]).await.unwrap();
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].quantity, 0);
    assert!(!shop.set_stock(&"NO-SUCH-UNIT".into(), 3));
}

#[tokio::test]
async fn an_affordable_rain_jacket_lacks_exactly_one_size() {
    let shop = shop();
    let jacket = shop.products().iter().find(|p| p.id == "JKT-101").unwrap();
    let skus: Vec<Sku> = jacket.variants.iter().map(|v| v.sku.clone()).collect();
    let stock = shop.stock(&skus).await.unwrap();
    assert!(stock.iter().all(|level| level.price.minor < 15_000));
    let sold_out: HashSet<_> = jacket
        .variants
        .iter()
        .zip(&stock)
        .filter(|(_, level)| level.quantity == 0)
        .map(|(variant, _)| variant.size.as_deref())
        .collect();
    assert_eq!(sold_out, HashSet::from([Some("L")]));
}

#[tokio::test]
async fn pages_hold_every_product_once() {
    let shop = shop();
    let mut seen = Vec::new();
    loop {
        let after = seen.last().cloned();
        let page = shop.list_products(after.as_deref()).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|product| product.id));
    }
    let all: Vec<_> = shop
        .products()
        .iter()
        .map(|product| product.id.clone())
        .collect();
    assert_eq!(seen, all);
}

#[test]
fn the_shops_own_books_follow_the_parcel() {
    let shop = shop();
    let number = "PQ573186429ES";
    shop.record_event(&tracking(
        number,
        TrackingStatus::OutForDelivery,
        "2026-11-21T09:00:00Z",
    ));
    assert_eq!(
        order(&shop, "10234").shipments[0].status,
        TrackingStatus::OutForDelivery
    );
    shop.record_event(&tracking(
        number,
        TrackingStatus::InTransit,
        "2026-11-21T08:00:00Z",
    ));
    assert_eq!(
        order(&shop, "10234").shipments[0].status,
        TrackingStatus::OutForDelivery,
        "what came late is history"
    );
    shop.record_event(&tracking(
        number,
        TrackingStatus::Delivered,
        "2026-11-21T09:20:00Z",
    ));
    assert_eq!(order(&shop, "10234").status, OrderStatus::Delivered);
    shop.record_event(&event(CommerceEventKind::ReturnReceived {
        order: "10234".into(),
        id: None,
    }));
    assert_eq!(order(&shop, "10234").status, OrderStatus::Returned);
    shop.record_event(&tracking(
        "NOBODYS",
        TrackingStatus::Lost,
        "2026-11-21T09:20:00Z",
    ));
}

#[test]
fn a_new_order_is_found_at_once() {
    let shop = shop();
    let mut new = order(&shop, "10234");
    new.number = "10241".into();
    shop.record_event(&event(CommerceEventKind::OrderUpdated {
        order: Box::new(new),
    }));
    assert_eq!(order(&shop, "10241").number.as_str(), "10241");
    assert_eq!(shop.orders().len(), 41);
}

#[test]
fn policies_stand_in_both_main_languages_under_headings() {
    let knowledge = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/demo/knowledge");
    let files = |language: &str| -> BTreeSet<String> {
        std::fs::read_dir(format!("{knowledge}/{language}"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(files("en"), files("es"));
    for language in ["en", "es", "de"] {
        for file in files(language) {
            let text = std::fs::read_to_string(format!("{knowledge}/{language}/{file}")).unwrap();
            assert!(text.starts_with("# "), "{language}/{file}");
            assert!(text.matches("\n## ").count() >= 3, "{language}/{file}");
        }
    }
}
