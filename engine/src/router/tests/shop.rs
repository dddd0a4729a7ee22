//! Products and policies: live facts, and nothing made up (G4, G7).

use std::{collections::BTreeMap, sync::atomic::Ordering};

use chrono::TimeDelta;
use doorstep_core::{
    Language, Timestamp,
    search::{Facet, FacetValue, Facets, SearchHit, SearchSort},
};

use super::{Chat, doubles::NOW, first, said};

#[tokio::test]
async fn a_product_question_shows_cards_with_live_price_and_stock() {
    let mut chat = Chat::new();
    chat.teach(
        "en",
        "do you have rain jackets?",
        &[("product_search", 0.9)],
    );
    let turn = chat.turn("do you have rain jackets?", None).await;
    let card = &first(&turn).cards[0];
    assert_eq!(first(&turn).text, "This could be it:");
    assert_eq!(card.title, "Kolmar Rain Jacket");
    assert_eq!(card.price.as_deref(), Some("€129.90"));
    assert_eq!(card.stock.as_deref(), Some("In stock"));
    assert_eq!(card.buttons[0].value, "flow:stock_check;product=JKT-101");
    assert_eq!(first(&turn).sources[0].name, "shop:demo");

    chat.teach(
        "es",
        "¿es impermeable la chaqueta?",
        &[("product_question", 0.9)],
    );
    let turn = chat.turn("¿es impermeable la chaqueta?", None).await;
    assert!(first(&turn).text.contains("Waterproof to 15,000 mm."));
    assert_eq!(
        first(&turn).cards[0].price.as_deref(),
        Some("129,90\u{a0}€")
    );
    assert_eq!(first(&turn).cards[0].stock.as_deref(), Some("Disponible"));
}

#[tokio::test]
async fn a_title_alone_is_looked_for_whatever_the_model_makes_of_it() {
    let mut chat = Chat::new();
    let text = "Kolmar Rain Jacket";
    chat.teach(
        "en",
        text,
        &[("out_of_scope", 0.5), ("product_search", 0.05)],
    );
    let turn = chat.turn(text, None).await;
    assert_eq!(first(&turn).cards[0].title, text, "{}", said(&turn));
}

/// Else the model begins to read the translation when it has read the message, and the customer waits for both.
#[tokio::test]
async fn what_a_search_will_have_read_is_named_while_the_message_is_read() {
    let mut chat = Chat::new();
    let text = "¿tenéis una chaqueta under 200?";
    chat.teach("es", text, &[("product_search", 0.9)]);
    chat.turn(text, None).await;
    let foreseen = chat.ports.nlu.foreseen.lock().unwrap().clone();
    let embedded = chat.ports.nlu.embedded.lock().unwrap().clone();
    assert!(
        foreseen[0].contains("jacket") && !foreseen[0].contains("200"),
        "{foreseen:?}"
    );
    assert_eq!(embedded, foreseen);
}

/// Reading the message once more in the catalog's language, and searching, took longer than all else of such an answer.
#[tokio::test]
async fn a_product_named_by_its_title_is_answered_about_without_a_search() {
    let mut chat = Chat::new();
    chat.ports.index.down.store(true, Ordering::Relaxed);
    for (language, text, intent) in [
        (
            "de",
            "ist die Kolmar Rain Jacket wasserdicht?",
            "product_question",
        ),
        (
            "es",
            "¿hay Kolmar Rain Jacket en la talla M?",
            "stock_check",
        ),
    ] {
        chat.teach(language, text, &[(intent, 0.9)]);
        let turn = chat.turn(text, None).await;
        let cards = &first(&turn).cards;
        assert_eq!(cards.len(), 1, "{text}: {}", said(&turn));
        assert_eq!(cards[0].title, "Kolmar Rain Jacket", "{text}");
        assert!(cards[0].price.is_some(), "{text}");
    }
    let text = "is the Kolmar Rain Jacket lighter than the Lumen Tent?";
    chat.teach("en", text, &[("product_question", 0.9)]);
    let turn = chat.turn(text, None).await;
    let titles: Vec<&str> = first(&turn)
        .cards
        .iter()
        .map(|card| card.title.as_str())
        .collect();
    assert_eq!(titles, ["Kolmar Rain Jacket", "Lumen Tent"]);
    for words in ["Waterproof to 15,000 mm.", "Lumen Tent: For two."] {
        assert!(said(&turn).contains(words), "{}", said(&turn));
    }
}

#[tokio::test]
async fn what_was_shown_is_held_against_each_other() {
    const BOTH: [&str; 2] = ["Kolmar Rain Jacket", "Lumen Tent"];
    let mut chat = Chat::new();
    for text in [
        "which one is lighter?",
        "is the first better than the second?",
    ] {
        chat.asks("en", "a rain jacket or a tent?", "product_search")
            .await;
        chat.teach("en", text, &[("product_question", 0.9)]);
        let turn = chat.turn(text, None).await;
        let mut titles: Vec<&str> = first(&turn)
            .cards
            .iter()
            .map(|card| card.title.as_str())
            .collect();
        titles.sort_unstable();
        assert_eq!(titles, BOTH, "{text}: {}", said(&turn));
    }
    // Of one that was spoken of, it is about that one.
    chat.asks("en", "tell me about the second one", "product_question")
        .await;
    let text = chat
        .asks("en", "which colours does it have?", "product_question")
        .await;
    assert!(
        !text.contains("Lumen Tent") || !text.contains("Kolmar"),
        "{text}"
    );
}

#[tokio::test]
async fn a_colour_is_asked_for_of_the_product_that_was_spoken_of() {
    let mut chat = Chat::new();
    let text = "tell me about the Ridge Scarf";
    let told = chat.asks("en", text, "product_question").await;
    assert!(told.contains("Colours: pine, slate"), "{told}");
    let told = chat.says("and in slate?").await;
    assert!(
        told.contains("Ridge Scarf (slate) is sold out right now."),
        "{told}"
    );
    let told = chat.says("and in pine?").await;
    assert!(
        told.contains("Yes, Ridge Scarf (pine) is in stock, for €129.90."),
        "{told}"
    );
    let told = chat.says("and in blue?").await;
    assert!(
        told.contains("Ridge Scarf does not come in blue."),
        "{told}"
    );
    assert!(told.contains("Colours: pine, slate"), "{told}");
    // Named in the question, of a product that the question names.
    let mut chat = Chat::new();
    let text = "is the Ridge Scarf available in slate?";
    let told = chat.asks("en", text, "stock_check").await;
    assert!(told.contains("(slate) is sold out"), "{told}");
    // After several, a colour narrows the search.
    let mut chat = Chat::new();
    chat.asks("en", "scarf?", "product_search").await;
    let told = chat.says("in blue?").await;
    assert!(!told.contains("does not come in"), "{told}");
}

#[tokio::test]
async fn what_only_the_catalog_knows_is_searched_for() {
    let hardly = [("out_of_scope", 0.7), ("product_search", 0.25)];
    let mut chat = Chat::new();
    chat.teach("en", "show me scarfs", &hardly);
    let turn = chat.turn("show me scarfs", None).await;
    assert_eq!(first(&turn).cards[0].title, "Ridge Scarf");
    // Neither what no product is called nor what the model is sure of.
    chat.teach("en", "show me headphones", &hardly);
    let sure = [("out_of_scope", 0.97), ("product_search", 0.01)];
    chat.teach("en", "sing of a scarf", &sure);
    for text in ["show me headphones", "sing of a scarf"] {
        let turn = chat.turn(text, None).await;
        assert!(first(&turn).cards.is_empty(), "{text}: {}", said(&turn));
    }
}

#[tokio::test]
async fn a_source_is_as_old_as_what_was_looked_up() {
    let mut chat = Chat::new();
    // The shop's stock stays that of noon: as a feed's is that of its import.
    chat.ports.clock.advance(TimeDelta::hours(3));
    for (text, intent) in [
        ("do you have rain jackets?", "product_search"),
        ("is the kolmar rain jacket waterproof?", "product_question"),
        ("is the kolmar rain jacket in stock?", "stock_check"),
    ] {
        chat.teach("en", text, &[(intent, 0.9)]);
        let turn = chat.turn(text, None).await;
        let source = &first(&turn).sources[0];
        assert_eq!(source.as_of, NOW.parse::<Timestamp>().unwrap(), "{text}");
    }
}

#[tokio::test]
async fn a_search_is_narrowed_down_and_sorted_by_what_follows() {
    let mut chat = Chat::new();
    let value = |value: &str, count| FacetValue {
        value: value.into(),
        count,
    };
    *chat.ports.index.facets.lock().unwrap() = Facets {
        count: 20,
        prices: Vec::new(),
        values: [(
            Facet::Attribute("colour".into()),
            vec![value("black", 18), value("blue", 9)],
        )]
        .into(),
    };
    chat.teach("en", "rain jackets?", &[("product_search", 0.9)]);
    let turn = chat.turn("rain jackets?", None).await;
    let [button] = first(&turn).buttons.as_slice() else {
        panic!("{:?}", first(&turn).buttons);
    };
    assert_eq!(button.label, "blue (9)");
    assert_eq!(button.value, "flow:product_search;narrow=is:colour:blue");
    let value = button.value.clone();
    let asked = |chat: &Chat| chat.ports.index.asked.lock().unwrap().pop().unwrap();
    let blue: BTreeMap<String, Vec<String>> =
        [("colour".to_owned(), vec!["blue".to_owned()])].into();

    chat.presses(&value).await;
    let pressed = asked(&chat);
    assert_eq!(pressed.filters.attributes, blue);
    assert_eq!(pressed.text, "rain jackets?");

    chat.asks("en", "rain jackets?", "product_search").await;
    assert!(asked(&chat).filters.attributes.is_empty());
    chat.says("in blue?").await;
    assert_eq!(asked(&chat).filters.attributes, blue);

    let text = chat.says("sort by price").await;
    assert_eq!(text, "The cheapest that fits:");
    let sorted = asked(&chat);
    assert_eq!(sorted.sort, SearchSort::PriceAscending);
    assert_eq!(sorted.filters.attributes, blue);

    // What nothing has is said, and shown without it.
    let text = chat.says("in purple?").await;
    assert_eq!(text, "I found nothing for “purple”. This comes closest:");
    assert!(asked(&chat).filters.attributes.is_empty());
}

#[tokio::test]
async fn others_are_found_by_a_product_that_a_first_message_names() {
    let value = |value: &str| FacetValue {
        value: value.into(),
        count: 9,
    };
    for (language, like, with) in [
        (
            "en",
            "Do you have something like the Lumen Tent?",
            "What goes with the Lumen Tent?",
        ),
        (
            "es",
            "¿Hay algo parecido a Lumen Tent?",
            "¿Qué combina con Lumen Tent?",
        ),
        (
            "pt",
            "Tem algo semelhante a Lumen Tent?",
            "O que combina com Lumen Tent?",
        ),
        (
            "fr",
            "Quelque chose comme Lumen Tent ?",
            "Qu'est-ce qui va avec Lumen Tent ?",
        ),
        (
            "de",
            "Etwas Ähnliches wie Lumen Tent?",
            "Was passt zu Lumen Tent?",
        ),
        (
            "it",
            "Qualcosa come Lumen Tent?",
            "Cosa si abbina a Lumen Tent?",
        ),
        (
            "ru",
            "Что-то похожее на Lumen Tent?",
            "Что подходит к Lumen Tent?",
        ),
    ] {
        let mut chat = Chat::new();
        *chat.ports.index.facets.lock().unwrap() = Facets {
            count: 18,
            prices: Vec::new(),
            values: [(
                Facet::Attribute("category".into()),
                vec![value("tents"), value("sleeping bags")],
            )]
            .into(),
        };
        for text in [like, with] {
            chat.teach(language, text, &[("product_search", 0.9)]);
        }
        let asked = |chat: &Chat| chat.ports.index.alike.lock().unwrap().pop().unwrap();
        let turn = chat.turn(like, None).await;
        assert_eq!(first(&turn).cards[0].title, "Kolmar Rain Jacket", "{like}");
        let (id, filters) = asked(&chat);
        assert_eq!(id, "product:TENT-1", "{like}");
        assert!(filters.attributes.is_empty(), "{like}: {filters:?}");

        chat.turn(with, None).await;
        let (id, filters) = asked(&chat);
        assert_eq!(id, "product:TENT-1", "{with}");
        let others = [("category".to_owned(), vec!["sleeping bags".to_owned()])];
        assert_eq!(filters.attributes, BTreeMap::from(others), "{with}");
    }
}

#[tokio::test]
async fn who_likes_what_was_shown_hears_of_it_and_a_named_product_comes_before_it() {
    let mut chat = Chat::new();
    chat.asks("en", "do you have rain jackets?", "product_search")
        .await;
    let text = chat.says("I like the first one").await;
    assert!(text.contains("Waterproof to 15,000 mm."), "{text}");
    assert!(chat.ports.index.alike.lock().unwrap().is_empty());

    chat.says("something like it").await;
    chat.says("something like the Lumen Tent").await;
    let alike = chat.ports.index.alike.lock().unwrap();
    let ids: Vec<&str> = alike.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["product:JKT-101", "product:TENT-1"]);
}

#[tokio::test]
async fn what_sells_out_between_two_messages_is_said_to_be_sold_out() {
    let mut chat = Chat::new();
    chat.asks("en", "do you have rain jackets?", "product_search")
        .await;
    let text = chat
        .asks("en", "is it available in M?", "stock_check")
        .await;
    assert!(
        text.contains("Yes, Kolmar Rain Jacket is in stock in M, for €129.90."),
        "{text}"
    );
    chat.ports
        .shop
        .stock
        .lock()
        .unwrap()
        .insert("JKT-M".into(), 0);
    chat.teach("en", "is it available in M?", &[("stock_check", 0.9)]);
    let turn = chat.turn("is it available in M?", None).await;
    assert!(
        said(&turn).contains("sold out in M right now."),
        "{}",
        said(&turn)
    );
    assert!(said(&turn).contains("Still in stock: L"), "{}", said(&turn));
    assert_eq!(first(&turn).cards[0].stock.as_deref(), Some("Sold out"));
    let text = chat.says("and in L?").await;
    assert!(text.contains("is in stock in L"), "{text}");
}

#[tokio::test]
async fn a_button_on_a_card_tells_the_sizes() {
    let mut chat = Chat::new();
    chat.conversation.language = Some("es".parse().unwrap());
    let text = chat.presses("flow:stock_check;product=JKT-101").await;
    assert!(text.contains("Tallas disponibles: M, L"), "{text}");
}

#[tokio::test]
async fn a_port_that_is_down_becomes_an_honest_sentence_with_a_person_to_ask() {
    let mut chat = Chat::new();
    chat.sign_in("C-1004");
    chat.ports.shop.down.store(true, Ordering::Relaxed);
    chat.teach("en", "where is my order", &[("order_status", 0.9)]);
    let turn = chat.turn("where is my order", None).await;
    assert!(said(&turn).contains("I cannot reach the order system right now"));
    assert_eq!(first(&turn).buttons[0].value, "handoff");
    let text = chat.asks("en", "rain jackets?", "product_search").await;
    assert!(
        text.contains("I cannot look at our catalog right now"),
        "{text}"
    );
    chat.ports.index.down.store(true, Ordering::Relaxed);
    let text = chat
        .asks("en", "can I send it back?", "return_policy")
        .await;
    assert!(text.contains("I cannot look that up right now"), "{text}");
}

fn passage(language: &str, source: &str, similarity: f32) -> (Language, SearchHit) {
    let hit = SearchHit {
        id: source.into(),
        language: language.parse().unwrap(),
        title: "Refunds".into(),
        body: format!("Words of {source}."),
        source: source.into(),
        score: 1.0,
        similarity: Some(similarity),
        word_share: 0.1,
    };
    (language.parse().unwrap(), hit)
}

#[tokio::test]
async fn a_policy_is_quoted_with_its_source_and_nothing_is_made_up() {
    let mut chat = Chat::new();
    *chat.ports.index.passages.lock().unwrap() = vec![
        passage("en", "returns.en.md#refunds", 0.85),
        passage("en", "privacy.en.md#data", 0.86),
        passage("es", "returns.es.md#reembolsos", 0.85),
    ];
    chat.teach("en", "can I return it?", &[("return_policy", 0.9)]);
    let turn = chat.turn("can I return it?", None).await;
    assert_eq!(
        first(&turn).text,
        "Words of returns.en.md#refunds.\n\n(from “Refunds”)"
    );
    assert_eq!(first(&turn).sources[0].name, "policy:returns.en.md#refunds");

    let text = chat.asks("es", "¿puedo devolverlo?", "return_policy").await;
    assert!(text.contains("Words of returns.es.md"), "{text}");
    let text = chat
        .asks("de", "Kann ich es zurückgeben?", "return_policy")
        .await;
    assert!(
        text.starts_with("Das habe ich nur in einer anderen Sprache"),
        "{text}"
    );

    *chat.ports.index.passages.lock().unwrap() = vec![passage("en", "care.en.md#wool", 0.2)];
    chat.teach("en", "do you pay with shells?", &[("payment_methods", 0.9)]);
    let turn = chat.turn("do you pay with shells?", None).await;
    assert!(
        said(&turn).contains("I would rather not guess"),
        "{}",
        said(&turn)
    );
    assert_eq!(first(&turn).buttons[0].value, "handoff");
}

#[tokio::test]
async fn passages_that_fit_alike_are_less_sure_than_one_unless_the_answer_is_expected_there() {
    let mut chat = Chat::new();
    chat.teach("en", "can I return it?", &[("return_policy", 0.9)]);
    let told = async |chat: &mut Chat, sources: &[&str]| {
        let passages = sources.iter().map(|source| passage("en", source, 0.85));
        *chat.ports.index.passages.lock().unwrap() = passages.collect();
        said(&chat.turn("can I return it?", None).await)
    };
    let one = told(&mut chat, &["faq.en.md#a"]).await;
    assert!(one.contains("Words of faq.en.md#a"), "{one}");
    let three = told(&mut chat, &["faq.en.md#a", "faq.en.md#b", "faq.en.md#c"]).await;
    assert!(three.contains("I would rather not guess"), "{three}");
    // Where the flow expects the answer, any of them will do.
    let expected = ["returns.en.md#a", "returns.en.md#b", "returns.en.md#c"];
    let expected = told(&mut chat, &expected).await;
    assert!(expected.contains("Words of returns.en.md#"), "{expected}");
}

#[tokio::test]
async fn what_no_flow_is_for_is_answered_where_the_shop_surely_wrote_about_it() {
    let mut chat = Chat::new();
    *chat.ports.index.passages.lock().unwrap() = vec![passage("en", "care.en.md#down", 0.98)];
    chat.teach("en", "how do I wash down?", &[("out_of_scope", 0.9)]);
    let turn = chat.turn("how do I wash down?", None).await;
    assert!(
        said(&turn).starts_with("Words of care.en.md#down."),
        "{}",
        said(&turn)
    );
    assert_eq!(first(&turn).sources[0].name, "policy:care.en.md#down");

    // What is sure enough for a flow is not for a message without one.
    *chat.ports.index.passages.lock().unwrap() = vec![passage("en", "care.en.md#down", 0.71)];
    let turn = chat.turn("how do I wash down?", None).await;
    assert!(first(&turn).sources.is_empty(), "{}", said(&turn));
}

#[tokio::test]
async fn money_back_in_general_is_told_before_the_order_is_asked_for_and_not_beside_an_order() {
    let mut chat = Chat::new();
    *chat.ports.index.passages.lock().unwrap() = vec![passage("en", "refunds.en.md#when", 0.9)];
    chat.teach("en", "when do I get my money?", &[("refund_status", 0.9)]);
    let text = said(&chat.turn("when do I get my money?", None).await);
    assert!(text.contains("Words of refunds.en.md#when."), "{text}");
    assert!(text.contains("order number"), "{text}");
    chat.teach("en", "10234", &[]);
    let text = said(&chat.turn("10234", None).await);
    assert!(!text.contains("Words of"), "{text}");
}

#[tokio::test]
async fn who_wishes_to_send_something_back_is_told_how_whatever_it_is() {
    let asked = |chat: &Chat| chat.ports.index.asked.lock().unwrap()[0].text.clone();
    for (language, text, intent, question) in [
        (
            "en",
            "I want to return my boots",
            "return_request",
            "How do I return something?",
        ),
        (
            "es",
            "quiero devolver unas botas",
            "return_request",
            "¿Cómo devuelvo un artículo?",
        ),
        (
            "de",
            "das ist zu klein, bitte umtauschen",
            "exchange_item",
            "Kann ich etwas gegen eine andere Größe oder Farbe umtauschen?",
        ),
        (
            "ru",
            "хочу вернуть этот товар",
            "return_request",
            "Как оформить возврат?",
        ),
    ] {
        let mut chat = Chat::new();
        let source = format!("returns.{language}.md#how");
        *chat.ports.index.passages.lock().unwrap() = vec![passage(language, &source, 0.85)];
        let told = chat.asks(language, text, intent).await;
        assert!(
            told.starts_with(&format!("Words of {source}.")),
            "{text}: {told}"
        );
        assert_eq!(asked(&chat), question, "{text}");
    }
    // Their own question comes before ours, and nothing is made up where neither is answered.
    let mut chat = Chat::new();
    let text = "can I return boots that I wore?";
    let told = chat.asks("en", text, "return_request").await;
    assert_eq!(asked(&chat), text);
    assert!(told.contains("I would rather not guess"), "{told}");
}

#[tokio::test]
async fn who_wants_to_buy_is_told_where_that_is_done() {
    let mut chat = Chat::new();
    chat.teach("en", "ok I'll take it", &[("place_order", 0.9)]);
    let turn = chat.turn("ok I'll take it", None).await;
    assert!(
        said(&turn).contains("put it in the basket"),
        "{}",
        said(&turn)
    );
    assert_eq!(first(&turn).buttons[0].value, "handoff");
}
