//! What a customer says and hears, over the real model and the demo shop: product questions, orders behind a second
//! factor, a person when one is needed; in English and Spanish, and where it matters in German and Russian.

use doorstep_core::Sku;

use crate::support::{
    chat::{Conversation, Reply, Visitor},
    database::Database,
    server::{Shared, shared},
};

/// Order 10234 is Marta Ruiz's: on its way to Madrid, postcode 28012. Tests that try wrong second factors have an order each:
/// the tries for an order are counted over all conversations.
const ORDER: &str = "10234";
/// What nobody may hear of it without proof.
const PRIVATE: [&str; 5] = ["Correos", "PQ573186429ES", "Marta", "28012", "Madrid"];
/// Numbers of this form exist, but not this one.
const NO_ORDER: &str = "10999";

async fn talk(locale: &str) -> (&'static Shared, Conversation) {
    let shared = shared().await;
    let visitor = Visitor::anonymous(shared.address, locale).await;
    let conversation = visitor.talk(shared.address).await;
    (shared, conversation)
}

#[tokio::test]
async fn a_product_question_is_answered_with_cards_that_carry_the_price_and_stock_of_now() {
    let (shared, mut conversation) = talk("en").await;
    let reply = conversation
        .ask("Do you have a waterproof jacket under €150?")
        .await;
    let cards = reply.cards();
    assert!(!cards.is_empty(), "{}", reply.text());
    for card in &cards {
        let title = card["title"].as_str().unwrap();
        let price = card["price"]
            .as_str()
            .unwrap_or_else(|| panic!("{title} has no price"));
        let amount: String = price
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        assert!(
            amount.parse::<f64>().unwrap() <= 150.0,
            "{title} costs {price}"
        );
        assert!(price.contains('€') || price.contains("EUR"), "{price}");
        assert!(card["stock"].is_string(), "{title} has no stock");
    }
    // What is sold meanwhile is not offered as if it were there.
    let demo = shared.app.demo.as_ref().unwrap();
    let first = cards[0]["title"].as_str().unwrap().to_owned();
    let product = demo
        .shop
        .products()
        .iter()
        .find(|product| product.title == first)
        .unwrap();
    let skus: Vec<&Sku> = product
        .variants
        .iter()
        .map(|variant| &variant.sku)
        .collect();
    let before = cards[0]["stock"].clone();
    for sku in &skus {
        demo.shop.set_stock(sku, 0);
    }
    let again = conversation
        .ask("Do you have a waterproof jacket under €150?")
        .await;
    let same = again
        .cards()
        .into_iter()
        .find(|card| card["title"] == first.as_str())
        .cloned();
    for sku in &skus {
        demo.shop.set_stock(sku, 5);
    }
    assert!(
        same.is_none_or(|card| card["stock"] != before),
        "{first} is sold out and still offered"
    );
}

/// Titles and prices of the cards of an answer.
fn offers(reply: &Reply) -> Vec<(String, f64)> {
    let offer = |card: &serde_json::Value| {
        let price = card["price"].as_str().unwrap();
        let amount: String = price
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        (
            card["title"].as_str().unwrap().to_owned(),
            amount.parse().unwrap(),
        )
    };
    reply.cards().into_iter().map(offer).collect()
}

#[tokio::test]
async fn what_is_said_of_products_just_shown_is_understood() {
    let (_, mut conversation) = talk("en").await;
    let shown = offers(&conversation.ask("Do you have tents?").await);
    assert!(shown.len() > 2, "{shown:?}");
    let second = conversation.ask("tell me about the second one").await;
    assert!(second.text().starts_with(&shown[1].0), "{}", second.text());
    let third = conversation.ask("and the third?").await;
    assert!(third.text().starts_with(&shown[2].0), "{}", third.text());

    let dearest = (0..3).max_by(|a, b| shown[*a].1.total_cmp(&shown[*b].1));
    let (dearest, word) = (dearest.unwrap(), ["first", "second", "third"]);
    let asked = format!("what about the {} one?", word[dearest]);
    let told = conversation.ask(&asked).await;
    assert!(
        told.text().starts_with(&shown[dearest].0),
        "{}",
        told.text()
    );
    let cheaper = offers(&conversation.ask("cheaper please").await);
    assert!(!cheaper.is_empty());
    assert!(
        cheaper.iter().all(|(_, price)| *price < shown[dearest].1),
        "{cheaper:?} for less than {:?}",
        shown[dearest]
    );
    let alike = conversation.ask("something like the first one").await;
    let others = offers(&alike);
    assert!(!others.is_empty(), "{}", alike.text());
    assert!(
        others.iter().all(|(title, _)| *title != cheaper[0].0),
        "{others:?} are to be like {:?}",
        cheaper[0]
    );

    conversation.ask("show me rain jackets").await;
    let narrower = offers(&conversation.ask("what about under 100 euros?").await);
    assert!(!narrower.is_empty());
    assert!(
        narrower
            .iter()
            .all(|(title, price)| *price <= 100.0 && !title.contains("Tent")),
        "{narrower:?}"
    );
}

/// The demo shop's catalog, one product a line.
const CATALOG: &str = include_str!("../../config/demo/products.jsonl");

#[tokio::test]
async fn what_goes_with_a_named_product_is_of_another_kind() {
    let (_, mut conversation) = talk("en").await;
    let with = offers(
        &conversation
            .ask("What goes with the Kolmar Rain Jacket?")
            .await,
    );
    assert!(!with.is_empty());
    for (title, _) in &with {
        let product = CATALOG
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|product| product["title"] == title.as_str())
            .unwrap_or_else(|| panic!("{title} is none of the shop's"));
        assert_ne!(product["category"], "jackets", "{with:?}");
    }
}

#[tokio::test]
async fn a_named_product_is_told_of_and_help_is_given() {
    let (_, mut conversation) = talk("en").await;
    let help = conversation.ask("what can you do?").await;
    help.assert_says(&["where your order is"]);
    let price = conversation
        .ask("how much is the Kolmar Rain Jacket?")
        .await;
    price.assert_says(&["129.90"]);
}

#[tokio::test]
async fn who_has_no_order_number_is_not_left_alone() {
    let (_, mut conversation) = talk("es").await;
    conversation.ask("¿Dónde está mi pedido?").await;
    // The address is kept, and not called a wrong number.
    let asked = conversation
        .ask("mi correo es marta.ruiz@example.com")
        .await;
    asked.assert_says(&["número de pedido"]);
    asked.assert_hides(&["no parece", "Correos"]);
    let told = conversation.ask("10234").await;
    told.assert_says(&["Correos"]);
}

#[tokio::test]
async fn who_wishes_to_send_something_back_is_told_how_that_is_done() {
    for (locale, wish, how) in [
        ("en", "I want to return my boots", "QR code"),
        ("de", "ich will die Jacke zurückschicken", "QR-Code"),
    ] {
        let (_, mut conversation) = talk(locale).await;
        conversation.ask(wish).await.assert_says(&[how]);
    }
}

#[tokio::test]
async fn an_order_is_told_after_the_second_factor_and_not_before() {
    let (_, mut conversation) = talk("en").await;
    let private = ["Japan Post", "EM905331865JP", "田中", "150-0001"];
    let asked = conversation.ask("Where is my order 10219?").await;
    asked.assert_says(&["e-mail", "email"]);
    asked.assert_says(&["postcode", "postal code", "zip"]);
    asked.assert_hides(&private);
    let wrong = conversation.ask("99999").await;
    wrong.assert_hides(&private);
    assert_is_no_status(&wrong);
    let right = conversation.ask("150-0001").await;
    right.assert_says(&["Japan Post"]);
    right.assert_says(&["on its way", "on the way", "in transit", "under way"]);
    assert!(
        has_a_date(&right.text()),
        "no date to expect it: {}",
        right.text()
    );
}

#[tokio::test]
async fn an_orders_email_address_opens_it_too_in_any_case() {
    let (_, mut conversation) = talk("en").await;
    conversation
        .ask(&format!("where is my order {ORDER}"))
        .await;
    let right = conversation.ask("Marta.Ruiz@Example.com").await;
    right.assert_says(&["Correos"]);
}

#[tokio::test]
async fn where_an_order_is_to_go_opens_nothing_and_is_no_order() {
    for (locale, text, refused) in [
        (
            "en",
            "I moved. Please send order 10234 to 28013 Madrid",
            "I cannot find an order",
        ),
        (
            "es",
            "me he mudado, enviad el pedido 10234 a 28013 Madrid",
            "No encuentro ningún pedido",
        ),
        (
            "de",
            "ich bin umgezogen, bitte die Bestellung 10234 nach 10115 Berlin schicken",
            "Ich finde keine Bestellung",
        ),
        (
            "ru",
            "я переехал, отправьте заказ 10234 в 101000 Москва",
            "Не нахожу заказа",
        ),
    ] {
        let (_, mut conversation) = talk(locale).await;
        let reply = conversation.ask(text).await;
        reply.assert_hides(&[refused]);
        reply.assert_hides(&PRIVATE);
    }
    let (_, mut conversation) = talk("en").await;
    let moved = "I moved, please change the address to Calle Mayor 5, 28013 Madrid";
    let reply = conversation.ask(moved).await;
    // Nobody named an order: no second factor is asked for.
    reply.assert_hides(&["To protect your data"]);
}

#[tokio::test]
async fn the_same_conversation_is_held_in_spanish() {
    let (_, mut conversation) = talk("es").await;
    let search = conversation
        .ask("¿Tienen una chaqueta impermeable por menos de 150 €?")
        .await;
    assert!(!search.cards().is_empty(), "{}", search.text());
    let asked = conversation.ask("¿Dónde está mi pedido?").await;
    asked.assert_says(&["número", "pedido"]);
    let private = ["Correios", "NX286339045BR", "Beatriz", "05422-010"];
    let asked = conversation.ask("10230").await;
    asked.assert_says(&["código postal"]);
    asked.assert_hides(&private);
    let wrong = conversation.ask("99999").await;
    wrong.assert_hides(&private);
    assert_is_no_status(&wrong);
    let right = conversation.ask("05422-010").await;
    right.assert_says(&["Correios"]);
    right.assert_says(&["camino", "reparto", "tránsito"]);
    assert!(
        has_a_date(&right.text()),
        "no date to expect it: {}",
        right.text()
    );
    assert!(
        right
            .0
            .iter()
            .all(|message| message["language"].as_str().unwrap().starts_with("es"))
    );
}

/// A customer who is asked for an order's number and its second factor, and asks something else each time.
struct Digression {
    locale: &'static str,
    order: &'static str,
    product: &'static str,
    /// Nothing a shop knows.
    parking: &'static str,
    payment: &'static str,
    /// How the question comes back when the answer was none.
    retry: &'static str,
}

const DIGRESSIONS: [Digression; 4] = [
    Digression {
        locale: "en",
        order: "Where is my order?",
        product: "Do you have rain jackets?",
        parking: "Where can I park?",
        payment: "Can I pay with PayPal?",
        retry: "I need the order number for that",
    },
    Digression {
        locale: "es",
        order: "¿Dónde está mi pedido?",
        product: "¿Tienen una chaqueta impermeable por menos de 150 €?",
        parking: "¿Dónde puedo aparcar?",
        payment: "¿Puedo pagar con PayPal?",
        retry: "Para eso necesito el número de pedido",
    },
    Digression {
        locale: "de",
        order: "Wo ist meine Bestellung?",
        product: "Haben Sie Regenjacken?",
        parking: "Wo kann ich parken?",
        payment: "Kann ich mit PayPal zahlen?",
        retry: "Dafür brauche ich die Bestellnummer",
    },
    Digression {
        locale: "ru",
        order: "Где мой заказ?",
        product: "У вас есть дождевики?",
        parking: "Где можно припарковаться?",
        payment: "Можно заплатить через PayPal?",
        retry: "Для этого мне нужен номер заказа",
    },
];

#[tokio::test]
async fn another_question_is_answered_while_one_of_ours_is_open_and_ours_comes_back() {
    for digression in DIGRESSIONS {
        let (_, mut conversation) = talk(digression.locale).await;
        let asked = conversation.ask(digression.order).await.text();
        let product = conversation.ask(digression.product).await;
        assert!(!product.cards().is_empty(), "{}", product.text());
        product.assert_says(&[&asked]);
        // Not known, or asked what is meant: but no wrong number.
        let parking = conversation.ask(digression.parking).await;
        parking.assert_hides(&[digression.retry]);
        let factor = conversation.ask(ORDER).await;
        factor.assert_hides(&PRIVATE);
        let payment = conversation.ask(digression.payment).await;
        payment.assert_says(&["PayPal"]);
        payment.assert_says(&[&factor.text()]);
        conversation.ask("28012").await.assert_says(&["Correos"]);
    }
}

#[tokio::test]
async fn what_is_no_question_and_no_number_is_asked_again() {
    for (digression, vague) in DIGRESSIONS.iter().zip(["hm", "eh", "hm", "хм"]) {
        let (_, mut conversation) = talk(digression.locale).await;
        conversation.ask(digression.order).await;
        let again = conversation.ask(vague).await;
        again.assert_says(&[digression.retry]);
    }
}

/// What no shop deals with, by language, and what of the honest answer tells that it was understood.
const ELSEWHERE: [(&str, [&str; 3], &str); 7] = [
    (
        "en",
        [
            "what's the weather in Rome?",
            "tell me a joke",
            "who won the world cup?",
        ],
        "not something I can help with",
    ),
    (
        "es",
        [
            "cuéntame un chiste",
            "escríbeme un poema",
            "¿quién es el presidente de Francia?",
        ],
        "con eso no puedo ayudarte",
    ),
    (
        "pt",
        [
            "conta-me uma piada",
            "escreve-me um poema",
            "quem ganhou o campeonato do mundo?",
        ],
        "nisso não consigo ajudar",
    ),
    (
        "fr",
        [
            "raconte-moi une blague",
            "quel temps fait-il à Rome ?",
            "qui a gagné la coupe du monde ?",
        ],
        "ne peux pas vous aider pour cela",
    ),
    (
        "de",
        [
            "erzähl mir einen Witz",
            "wie ist das Wetter in Rom?",
            "wer hat die Weltmeisterschaft gewonnen?",
        ],
        "Dabei kann ich Ihnen leider nicht helfen",
    ),
    (
        "it",
        [
            "raccontami una barzelletta",
            "cantami una canzone",
            "chi ha vinto i mondiali?",
        ],
        "in questo non posso aiutarti",
    ),
    (
        "ru",
        [
            "спой песню",
            "какая столица Франции?",
            "кто выиграл чемпионат мира?",
        ],
        "с этим я помочь не могу",
    ),
];

#[tokio::test]
async fn what_no_shop_deals_with_is_understood_and_leads_to_no_person() {
    for (locale, questions, honest) in ELSEWHERE {
        let (shared, mut conversation) = talk(locale).await;
        for question in questions {
            let reply = conversation.ask(question).await;
            reply.assert_says(&[honest]);
            assert_eq!(reply.0[0]["buttons"], serde_json::json!([]));
        }
        let database = shared.database().await;
        assert_eq!(handoff_of(&database, &conversation).await, [""; 0]);
    }
}

#[tokio::test]
async fn what_means_nothing_leads_to_a_person() {
    let (shared, mut conversation) = talk("en").await;
    let first = conversation.ask("asdfgh").await;
    first.assert_says(&["did not understand"]);
    let button = &first.0[0]["buttons"][0]["label"];
    assert_eq!(button, "Talk to a person", "{}", first.text());
    let second = conversation.ask("qwertz").await;
    second.assert_says(&["Shall I bring in a colleague?"]);
    conversation.ask("yxcvbn").await;
    let summaries = handoff_of(&shared.database().await, &conversation).await;
    assert_eq!(summaries.len(), 1);
}

#[tokio::test]
async fn a_broken_parcel_is_handed_over_to_a_person_with_a_summary() {
    let (shared, mut conversation) = talk("en").await;
    conversation.ask("Hello").await;
    let reply = conversation
        .ask("This arrived broken, I want my money back")
        .await;
    let mut said = reply.text();
    // The flow may first ask which order; the person is told whatever is answered.
    if handoff_of(&shared.database().await, &conversation)
        .await
        .is_empty()
    {
        let reply = conversation.ask(ORDER).await;
        said.push_str(&reply.text());
        if handoff_of(&shared.database().await, &conversation)
            .await
            .is_empty()
        {
            said.push_str(&conversation.ask("28012").await.text());
        }
    }
    let summaries = handoff_of(&shared.database().await, &conversation).await;
    assert_eq!(summaries.len(), 1, "one request for a person; said: {said}");
    assert!(
        summaries[0].contains("arrived broken"),
        "the customer's words are in it: {}",
        summaries[0]
    );
    let lower = said.to_lowercase();
    assert!(
        ["colleague", "person", "team", "human", "someone"]
            .iter()
            .any(|word| lower.contains(word)),
        "{said}"
    );
}

async fn handoff_of(database: &Database, conversation: &Conversation) -> Vec<String> {
    let sql = format!(
        "SELECT h.summary FROM handoffs h JOIN conversations c ON h.conversation_id = c.id WHERE c.address = '{}'",
        conversation.visitor.id
    );
    database.texts(&sql).await
}

#[tokio::test]
async fn a_reconnect_shows_the_history_exactly_once_and_in_order() {
    let (shared, mut conversation) = talk("en").await;
    for text in [
        "Hello",
        "Where is my order?",
        "How long does delivery take?",
    ] {
        conversation.ask(text).await;
    }
    let visitor = conversation.visitor.clone();
    let all = visitor.history(shared.address, 0).await;
    drop(conversation);
    let positions: Vec<i64> = all
        .iter()
        .map(|message| message["position"].as_i64().unwrap())
        .collect();
    let expected: Vec<i64> = (1..=all.len() as i64).collect();
    assert_eq!(positions, expected);
    assert!(all.len() >= 6);
    for after in [0, 2, all.len() - 1] {
        let mut socket = visitor.connect(shared.address, after as i64).await;
        for message in &all[after..] {
            assert_eq!(&socket.next_of("message").await, message);
        }
        // Nothing repeats what was shown: the next frame answers the next question.
        socket
            .send(&serde_json::json!({ "type": "dance" }))
            .await
            .unwrap();
        assert_eq!(socket.next().await.unwrap()["type"], "error");
    }
}

#[tokio::test]
async fn a_signed_in_customer_needs_no_second_factor_for_their_own_order() {
    let shared = shared().await;
    let visitor = Visitor::signed_in(shared.address, "en", "C-1004").await;
    assert!(visitor.proven);
    let mut conversation = visitor.talk(shared.address).await;
    conversation
        .ask(&format!("Where is my order {ORDER}?"))
        .await
        .assert_says(&["Correos"]);
    let somebody_elses = conversation.ask("Where is my order 10229?").await;
    somebody_elses.assert_hides(&["DHL", "00340434162094908362", "Jonas", "10999"]);
}

#[tokio::test]
async fn whether_an_order_exists_cannot_be_told_from_the_answers() {
    let mut transcripts = Vec::new();
    for number in ["10228", NO_ORDER] {
        let (_, mut conversation) = talk("en").await;
        let mut transcript = Vec::new();
        for text in [
            format!("Where is my order {number}?"),
            "10115".to_owned(),
            "nobody@example.com".to_owned(),
        ] {
            let reply = conversation.ask(&text).await;
            reply.assert_hides(&["Poste Italiane", "RR740265915IT", "Giulia", "40124"]);
            transcript.push(comparable(&reply, number));
        }
        transcripts.push(transcript);
    }
    assert_eq!(transcripts[0], transcripts[1]);
}

/// What a stranger sees of a reply, byte for byte, without what differs for every message: its own identifier and time,
/// and the number that they themselves wrote.
fn comparable(reply: &Reply, number: &str) -> String {
    let shown: Vec<_> = reply
        .0
        .iter()
        .map(|message| {
            let mut message = message.clone();
            let fields = message.as_object_mut().unwrap();
            for own in ["id", "at"] {
                fields.remove(own);
            }
            message.to_string().replace(number, "<number>")
        })
        .collect();
    shown.join("\n")
}

/// A refusal names no state of a parcel.
fn assert_is_no_status(reply: &Reply) {
    let text = reply.text().to_lowercase();
    for word in [
        "on its way",
        "in transit",
        "delivered",
        "camino",
        "entregado",
        "reparto",
    ] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

/// A day in figures (21, 2026-11-24, 24 nov) or by name.
pub(crate) fn has_a_date(text: &str) -> bool {
    let lower = text.to_lowercase();
    let names = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "today",
        "tomorrow",
        "lunes",
        "martes",
        "miércoles",
        "jueves",
        "viernes",
        "sábado",
        "domingo",
        "hoy",
        "mañana",
    ];
    names.iter().any(|name| lower.contains(name))
}
