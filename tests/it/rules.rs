//! Rules through the front door: `doorstep plan` shows what a changed rule does, and then it does exactly that;
//! `doorstep report experiments` counts what the customers of each variant did.

use doorstep_core::Timestamp;
use serde_json::{Value, json};

use crate::support::{
    chat::{Conversation, Visitor, http},
    hooks::{Hook, now, order_placed, parcel_news},
    merchant::{Shop, write},
};

/// The shop's customers read mails in English at any hour; no rule here keeps quiet hours.
const SETTINGS: [(&str, &str); 1] = [("http.public_url", "https://fernweh.example")];

const VAN: &str = "---
subject: Order {{ order.number }} today
---
The van has {{ parcel.tracking_number or \"it\" }} of order {{ order.number }}. {{ track_url or \"\" }}
";
const HERE: &str = "---
subject: Order {{ order.number }} is here
---
Order {{ order.number }} is here.
";
const AS_IT_IS: &str = "rules:
  - {on: out_for_delivery, template: van, channels: [webchat, email], send: first, name: on_the_van}
  - {on: delivered, template: here, channels: [email]}
";
/// One rule is another: told on both channels, and once for all parcels of an order.
const CHANGED: &str = "rules:
  - {on: out_for_delivery, template: van, channels: [webchat, email], once_per: order, name: on_the_van}
  - {on: delivered, template: here, channels: [email]}
";

/// How a plan ends that changes nothing.
const NO_DIFFERENCE: &str = "nobody would have got anything else\n";

/// What somebody heard: where, and the words. The order's number stands in them, and so tells who.
type Heard = Vec<(String, String)>;

/// An order's news, one after the other, each told before the next comes.
async fn hear(shop: &Shop, order: &str, news: &[(&str, &str)]) {
    for (event_type, parcel) in news {
        let body = parcel_news(event_type, order, parcel, 1);
        let id = format!("{event_type}-{parcel}");
        let hook = Hook::generic(&id, &body);
        hook.deliver(shop.process.address()).await;
        shop.told_everything().await;
    }
}

async fn place(shop: &Shop, order: &str, customer: &str, placed_at: Timestamp) {
    let email = format!("{}@rules.example", customer.to_lowercase());
    let mut body = order_placed(order, customer, &email, &format!("P{order}"));
    body["payload"]["placed_at"] = json!(placed_at);
    let hook = Hook::generic(&format!("placed-{order}"), &body);
    hook.deliver(shop.process.address()).await;
    shop.told_everything().await;
}

/// Three orders: Ada chats with the shop, Ben only reads mails, and what Cleo ordered comes in two parcels.
async fn live(shop: &Shop, first: u32) {
    let number = |place: u32| (first + place).to_string();
    for (order, customer) in [(1, "Ada"), (2, "Ben"), (3, "Cleo")] {
        place(shop, &number(order), customer, now()).await;
    }
    let [ada, ben, cleo] = [1, 2, 3].map(number);
    let van = "shipment.out_for_delivery";
    hear(shop, &ada, &[(van, &format!("P{ada}"))]).await;
    let parcel = format!("P{ben}");
    let news = [(van, parcel.as_str()), ("shipment.delivered", &parcel)];
    hear(shop, &ben, &news).await;
    let parcels = [format!("P{cleo}"), format!("P{cleo}-2")];
    hear(shop, &cleo, &[(van, &parcels[0]), (van, &parcels[1])]).await;
}

/// How the footer of every mail begins.
const MAIL_FOOTER: &str = "Unsubscribe or choose messages:";

/// A text as it is compared: the first paragraph, without what is secret in its links and without what stands below mails.
fn words(text: &str) -> String {
    let text = text.split(MAIL_FOOTER).next().unwrap_or_default();
    let paragraph = text.trim().split("\n\n").next().unwrap_or_default();
    let words = paragraph.split_whitespace();
    let words: Vec<&str> = words
        .map(|word| word.rsplit_once("/track/").map_or(word, |(page, _)| page))
        .collect();
    words.join(" ")
}

/// What all customers heard of the orders from `first` on, in order.
async fn heard(shop: &Shop, ada: &Visitor, first: u32) -> Heard {
    let mails = shop.mails().await.into_iter();
    let mails = mails.map(|mail| ("email".to_owned(), words(&mail.text)));
    let chat = ada.history(shop.process.address(), 0).await.into_iter();
    let chat = chat.filter_map(|message| Some(words(message["text"].as_str()?)));
    let chat = chat.map(|text| ("webchat".to_owned(), text));
    let numbers = [1, 2, 3].map(|place| (first + place).to_string());
    let is_of_them = |(_, text): &(String, String)| numbers.iter().any(|n| text.contains(n));
    let mut heard: Heard = mails.chain(chat).filter(is_of_them).collect();
    heard.sort();
    heard
}

/// The same, of other orders.
fn renumbered(heard: &Heard, from: u32, to: u32) -> Heard {
    let renumber = |text: &String| {
        [1, 2, 3].iter().fold(text.clone(), |text, place| {
            text.replace(&(from + place).to_string(), &(to + place).to_string())
        })
    };
    let mut renumbered: Heard = heard
        .iter()
        .map(|(channel, text)| (channel.clone(), renumber(text)))
        .collect();
    renumbered.sort();
    renumbered
}

/// What the plan says of a side (`before` or `after`) of everything that differs.
fn planned(plan: &Value, side: &str) -> Heard {
    let rules = plan["rules"].as_object().unwrap().values();
    let differences = rules.flat_map(|rule| rule["different"].as_array().unwrap());
    let messages = differences.flat_map(|difference| {
        let messages = difference[side]["messages"].as_array();
        messages.cloned().unwrap_or_default()
    });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    messages
        .map(|message| (text(&message["channel"]), words(&text(&message["text"]))))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_does_to_the_next_orders_exactly_what_the_plan_showed() {
    let files = [
        ("rules/default.yaml", AS_IT_IS),
        ("templates/van.en.md", VAN),
        ("templates/here.en.md", HERE),
    ];
    let shop = Shop::with_files(&SETTINGS, &files).await;
    let ada = Visitor::signed_in(shop.process.address(), "en", "Ada").await;
    let mut chat = ada.talk(shop.process.address()).await;
    chat.ask("Hello").await;
    live(&shop, 7100).await;
    let was = heard(&shop, &ada, 7100).await;
    assert_eq!(was.len(), 5, "{was:#?}");
    let mut vans = was.iter().filter(|(_, text)| text.starts_with("The van"));
    let links = vans.all(|(_, text)| text.ends_with("https://fernweh.example"));
    assert!(links, "{was:#?}");

    let tried = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(tried.path(), path, text);
    }
    write(tried.path(), "rules/default.yaml", CHANGED);
    let tried = tried.path().display().to_string();
    let plan = ["plan", "--since", "1h", "--files-dir", tried.as_str()];
    let printed = shop.run(&plan).await;
    let shows_the_change = |printed: &str| {
        for line in [
            "on_the_van: 2 different, 2 alike",
            "delivered:here: 0 different, 1 alike",
            "  order 7103 of c***@rules.example: out_for_delivery ",
            "  - webchat (en) at ",
            "  + email (en) at ",
            "  + held: ",
            "2 events would have been told otherwise",
        ] {
            assert!(printed.contains(line), "{line} is not in\n{printed}");
        }
    };
    shows_the_change(&printed);
    // Who edits the files themselves is shown the same, beside what was really told.
    let in_place = ["plan", "--since", "1h"];
    let unchanged = shop.run(&in_place).await;
    assert!(unchanged.ends_with(NO_DIFFERENCE), "{unchanged}");
    let shown = shop.run(&[&["--json"], plan.as_slice()].concat()).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert!(!printed.contains("cleo@"), "{printed}");
    let of_cleo = shown["rules"]["on_the_van"]["different"]
        .as_array()
        .unwrap();
    let of_cleo = of_cleo.iter().find(|one| one["order"] == "7103").unwrap();
    assert_eq!(of_cleo["customer"], "c***@rules.example");
    let mut will_be = was.clone();
    for message in planned(&shown, "before") {
        let place = will_be.iter().position(|heard| *heard == message);
        let place = place.unwrap_or_else(|| panic!("nobody heard {message:?}: {was:#?}"));
        will_be.remove(place);
    }
    will_be.extend(planned(&shown, "after"));
    assert_eq!(heard(&shop, &ada, 7100).await, was, "a plan sends nothing");

    write(shop.folder.path(), "rules/default.yaml", CHANGED);
    shop.reloads("applied", 1).await;
    let edited = shop.run(&in_place).await;
    let header = "before: what was decided then; after: what the files say as they are now\n";
    assert!(edited.starts_with(header), "{edited}");
    shows_the_change(&edited);
    let configured = shop.folder.path().display().to_string();
    let named = [in_place.as_slice(), &["--files-dir", &configured]].concat();
    shows_the_change(&shop.run(&named).await);
    live(&shop, 7200).await;
    let is = heard(&shop, &ada, 7200).await;
    assert_eq!(is, renumbered(&will_be, 7100, 7200));
    let of_ada = |channel: &str| {
        let told = is.iter().filter(|(where_, _)| where_ == channel);
        told.filter(|(_, text)| text.contains("7201")).count()
    };
    assert_eq!((of_ada("webchat"), of_ada("email")), (1, 1), "{is:#?}");
    let cleos = is.iter().filter(|(_, text)| text.contains("7203"));
    assert_eq!(cleos.count(), 1, "{is:#?}");

    let again = shop.run(&plan).await;
    assert!(again.ends_with(NO_DIFFERENCE), "{again}");
}

const EXPERIMENT: &str = "rules:
  - on: out_for_delivery
    template: van
    channels: [webchat]
    experiment:
      name: how_long
      variants:
        - {name: long}
        - {name: short, template: van_short}
";
const VAN_SHORT: &str = "---
subject: Order {{ order.number }} today
---
Today: {{ order.number }}. {{ track_url or \"\" }}
";

/// Reads the news and follows its link.
async fn read_and_follow(shop: &Shop, visitor: &Visitor, news: &Value) {
    let server = shop.process.address();
    let read = json!({ "type": "read", "position": news["position"] });
    let (status, answer) = visitor.post(server, &read).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let text = news["text"].as_str().unwrap();
    let (_, token) = text.trim().rsplit_once("/track/").expect("a link");
    let page = format!("http://{server}/track/{token}");
    let page = http().get(page).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
}

/// Asks all the same, in their own words or by what a button says that was shown, and buys something else.
async fn ask_and_buy(shop: &Shop, chat: &mut Conversation, order: u32, customer: &str) {
    let asks_by_button = order.is_multiple_of(2);
    chat.ask(match asks_by_button {
        true => "Where is my order?",
        false => "Where is my parcel?",
    })
    .await;
    place(shop, &(order + 100).to_string(), customer, now()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_counts_what_the_customers_of_each_variant_did() {
    let files = [
        ("rules/default.yaml", EXPERIMENT),
        ("templates/van.en.md", VAN),
        ("templates/van_short.en.md", VAN_SHORT),
    ];
    let shop = Shop::with_files(&SETTINGS, &files).await;
    let nobody = shop.run(&["report", "experiments"]).await;
    assert_eq!(nobody, "no customer was in an experiment in this time\n");

    let (mut long, mut short) = (0, 0);
    for order in 8101..8109 {
        let (number, customer) = (order.to_string(), format!("E-{order}"));
        let server = shop.process.address();
        let visitor = Visitor::signed_in(server, "en", &customer).await;
        let mut chat = visitor.talk(server).await;
        chat.ask("Hello").await;
        place(&shop, &number, &customer, now()).await;
        let parcel = format!("P{number}");
        hear(&shop, &number, &[("shipment.out_for_delivery", &parcel)]).await;
        let news = chat.next_message().await;
        let text = news["text"].as_str().unwrap();
        assert!(text.contains(&number), "{text}");
        if text.starts_with("Today") {
            short += 1;
            read_and_follow(&shop, &visitor, &news).await;
        } else {
            long += 1;
            ask_and_buy(&shop, &mut chat, order, &customer).await;
        }
    }

    let report = shop.run(&["--json", "report", "experiments"]).await;
    let report: Value = serde_json::from_str(&report).unwrap();
    let table = &report["experiments"]["how_long"];
    let printed = shop.run(&["report", "experiments"]).await;
    assert!(printed.starts_with("how_long\n"), "{printed}");
    // Who is in which variant is drawn anew for new customers: perhaps all are in one.
    let variants = [("long", long, 0), ("short", 0, short)];
    for (variant, asked, opened) in variants {
        let customers = asked + opened;
        if customers == 0 {
            assert!(table[variant].is_null(), "{table}");
            continue;
        }
        assert_eq!(table[variant]["customers"], customers, "{table}");
        let line = format!("  {variant}: {customers} customers\n");
        assert!(printed.contains(&line), "{line} is not in\n{printed}");
        for (outcome, count) in [
            ("asked", asked),
            ("bought_again", asked),
            ("opened", opened),
            ("followed", opened),
            ("handed_over", 0),
            ("returned", 0),
        ] {
            let told = &table[variant]["outcomes"][outcome];
            assert_eq!(told["count"], count, "{variant}, {outcome}: {table}");
            let share = f64::from(count) / f64::from(customers);
            assert_eq!(
                told["share"]["value"], share,
                "{variant}, {outcome}: {table}"
            );
        }
    }
    if long > 0 && short > 0 {
        let fewer = &table["short"]["outcomes"]["asked"]["difference"];
        assert_eq!(fewer["value"], -1.0, "{table}");
        assert!(printed.contains("-100.0 points"), "{printed}");
    }
}
