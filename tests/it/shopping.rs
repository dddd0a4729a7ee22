//! Looking for something to buy: the cheapest and the dearest, narrower and narrower, over the real model and the demo shop.

use doorstep_core::product::Product;

use crate::support::{
    chat::{Conversation, Reply, Visitor},
    server::{Shared, shared},
};

async fn talk(locale: &str) -> (&'static Shared, Conversation) {
    let shared = shared().await;
    let visitor = Visitor::anonymous(shared.address, locale).await;
    let conversation = visitor.talk(shared.address).await;
    (shared, conversation)
}

/// What was shown: products with what they cost, in cents.
fn shown(shared: &Shared, reply: &Reply) -> Vec<(Product, i64)> {
    let products = shared.app.demo.as_ref().unwrap().shop.products();
    let cards = reply.cards().into_iter();
    cards
        .map(|card| {
            let title = card["title"].as_str().unwrap();
            let product = products.iter().find(|product| product.title == title);
            let price = card["price"].as_str().unwrap();
            let cents: String = price.chars().filter(char::is_ascii_digit).collect();
            (product.unwrap().clone(), cents.parse().unwrap())
        })
        .collect()
}

fn prices(shown: &[(Product, i64)]) -> Vec<i64> {
    shown.iter().map(|(_, price)| *price).collect()
}

fn titles(shown: &[(Product, i64)]) -> Vec<&str> {
    let titles = shown.iter().map(|(product, _)| product.title.as_str());
    titles.collect()
}

fn all_are(shown: &[(Product, i64)], category: &str) -> bool {
    let mut shown = shown.iter();
    shown.all(|(product, _)| product.category.as_deref() == Some(category))
}

/// The cheapest tent that can be had is a tarp, the dearest one sleeps six.
const CHEAPEST_TENT: &str = "Tarp 3 × 3";
const DEAREST_TENT: &str = "Lagom 6 Family Tent";

#[tokio::test]
async fn the_cheapest_and_the_dearest_are_found_in_seven_languages() {
    for (locale, cheapest, dearest) in [
        (
            "en",
            "What are your cheapest tents?",
            "Show me the most expensive tents",
        ),
        (
            "es",
            "¿Cuáles son las tiendas de campaña más baratas?",
            "Quiero ver las tiendas de campaña más caras",
        ),
        (
            "pt",
            "Quais são as barracas mais baratas?",
            "Mostre-me as barracas mais caras",
        ),
        (
            "fr",
            "Quelles sont les tentes les moins chères ?",
            "Montrez-moi les tentes les plus chères",
        ),
        (
            "de",
            "Was sind eure billigsten Zelte?",
            "Zeigt mir die teuersten Zelte",
        ),
        (
            "it",
            "Quali sono le tende più economiche?",
            "Mostrami le tende più care",
        ),
        (
            "ru",
            "Покажите самые дешёвые палатки",
            "Покажите самые дорогие палатки",
        ),
    ] {
        for (text, first, is_ascending) in [
            (cheapest, CHEAPEST_TENT, true),
            (dearest, DEAREST_TENT, false),
        ] {
            let (shared, mut conversation) = talk(locale).await;
            let reply = conversation.ask(text).await;
            let tents = shown(shared, &reply);
            assert!(tents.len() > 2, "{text}: {}", reply.text());
            assert!(all_are(&tents, "tents"), "{text}: {:?}", titles(&tents));
            let prices = prices(&tents);
            let is_sorted = prices.is_sorted_by(|a, b| match is_ascending {
                true => a <= b,
                false => a >= b,
            });
            assert!(is_sorted, "{text}: {prices:?}");
            assert_eq!(titles(&tents)[0], first, "{text}");
        }
    }
}

#[tokio::test]
async fn the_cheapest_waterproof_jacket_is_a_jacket_and_no_spray_for_one() {
    let (shared, mut conversation) = talk("en").await;
    let reply = conversation.ask("cheapest waterproof jacket").await;
    let jackets = shown(shared, &reply);
    assert!(!jackets.is_empty(), "{}", reply.text());
    assert!(all_are(&jackets, "jackets"), "{:?}", titles(&jackets));
}

#[tokio::test]
async fn what_was_shown_is_sorted_when_that_is_wished() {
    let (shared, mut conversation) = talk("en").await;
    conversation.ask("Do you have tents?").await;
    let sorted = conversation.ask("sort by price").await;
    sorted.assert_says(&["cheapest first"]);
    let cheapest = shown(shared, &sorted);
    assert_eq!(titles(&cheapest)[0], CHEAPEST_TENT);
    let dearest = conversation.ask("and the most expensive?").await;
    dearest.assert_says(&["most expensive first"]);
    assert_eq!(titles(&shown(shared, &dearest))[0], DEAREST_TENT);
    // The order stays, and so does what is looked for.
    let below = conversation.ask("under 300 euros?").await;
    let below = shown(shared, &below);
    assert!(all_are(&below, "tents"), "{:?}", titles(&below));
    let prices = prices(&below);
    assert!(prices[0] <= 30_000 && prices.is_sorted_by(|a, b| a >= b));
    // Another thing is another search.
    let boots = conversation.ask("the cheapest boots").await;
    assert!(all_are(&shown(shared, &boots), "boots"), "{}", boots.text());
}

#[tokio::test]
async fn a_colour_narrows_what_was_shown_in_any_language() {
    for (locale, tents, green, purple, nothing) in [
        (
            "en",
            "Do you have tents?",
            "in green?",
            "and in purple?",
            "nothing for “purple”",
        ),
        (
            "es",
            "¿Tenéis tiendas de campaña?",
            "¿en verde?",
            "¿y en morado?",
            "nada con «morado»",
        ),
        (
            "de",
            "Habt ihr Zelte?",
            "in Grün?",
            "und in Lila?",
            "Zu „Lila“ habe ich nichts gefunden",
        ),
        (
            "ru",
            "У вас есть палатки?",
            "а зелёные?",
            "а фиолетовые?",
            "«фиолетовые» ничего не нашлось",
        ),
    ] {
        let (shared, mut conversation) = talk(locale).await;
        conversation.ask(tents).await;
        let reply = conversation.ask(green).await;
        let found = shown(shared, &reply);
        assert!(!found.is_empty(), "{green}: {}", reply.text());
        for (product, _) in &found {
            let colours = &product.attributes["colour"];
            assert!(colours.contains(&"green".to_owned()), "{colours:?}");
            assert_eq!(product.category.as_deref(), Some("tents"));
        }
        // What nothing has is said, and the nearest shown.
        let reply = conversation.ask(purple).await;
        reply.assert_says(&[nothing]);
        let found = shown(shared, &reply);
        assert!(all_are(&found[..1], "tents") && found.len() > 2, "{purple}");
    }
}

#[tokio::test]
async fn a_size_that_nothing_comes_in_is_said() {
    let (shared, mut conversation) = talk("en").await;
    let reply = conversation.ask("Show me winter boots in EU 46").await;
    for (product, _) in &shown(shared, &reply) {
        let mut variants = product.variants.iter();
        let fits = variants.any(|variant| variant.size.as_deref() == Some("EU 46"));
        assert!(fits, "{}", product.title);
    }
    let reply = conversation.ask("Show me winter boots in EU 60").await;
    reply.assert_says(&["nothing for “EU 60”"]);
    assert!(!reply.cards().is_empty());
}

#[tokio::test]
async fn where_much_is_found_buttons_narrow_it_down() {
    let (shared, mut conversation) = talk("en").await;
    let reply = conversation.ask("Show me jackets").await;
    let buttons = reply.buttons();
    assert!((1..=3).contains(&buttons.len()), "{buttons:?}");
    for button in &buttons {
        let label = button["label"].as_str().unwrap();
        let narrowed = conversation.press(button).await;
        let found = shown(shared, &narrowed);
        assert!(!found.is_empty(), "{label}: {}", narrowed.text());
        if let Some(limit) = label.strip_prefix("up to €") {
            let limit: f64 = limit.split(' ').next().unwrap().parse().unwrap();
            let dearest = prices(&found).into_iter().max().unwrap();
            assert!(dearest as f64 <= limit * 100.0, "{label}: {dearest}");
        } else {
            let (value, _) = label.rsplit_once(" (").unwrap();
            for (product, _) in &found {
                let mut values = product.attributes.values().flatten();
                let has_it = values.any(|own| own == value)
                    || product.brand.as_deref() == Some(value)
                    || product.category.as_deref() == Some(value);
                assert!(has_it, "{label}: {}", product.title);
            }
        }
        // Each button narrows the search down that it was shown with.
        conversation.ask("Show me jackets").await;
    }
    // Few things need none.
    let reply = conversation.ask("show me head torches").await;
    assert!(!reply.cards().is_empty(), "{}", reply.text());
    assert!(reply.buttons().is_empty(), "{:?}", reply.buttons());
}
