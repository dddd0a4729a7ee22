//! Search as customers and merchants meet it: a server that goes away and comes back, and a feed with mistakes.

use std::{net::SocketAddr, process::Stdio};

use doorstep_search::stand_in::{KEY, StandIn};
use serde_json::{Value, json};

use crate::support::{
    chat::{Reply, Visitor, http},
    merchant::Shop,
    server::{Kind, Launch, Place, doorstep_command},
    wait::eventually,
};

fn titles(reply: &Reply) -> Vec<String> {
    let titles = reply.cards().into_iter();
    titles
        .map(|card| card["title"].as_str().unwrap().to_owned())
        .collect()
}

const QUESTION: &str = "Do you have a waterproof jacket under €150?";

/// A shop that searches with the server.
async fn shop_beside(server: &StandIn) -> Shop {
    Shop::with(&[
        ("search.kind", "meilisearch"),
        ("search.url", &server.url),
        ("search.key", KEY),
    ])
    .await
}

#[tokio::test]
async fn a_search_server_that_goes_away_in_mid_conversation_is_unnoticed_by_the_customer() {
    let server = StandIn::start().await;
    let shop = shop_beside(&server).await;
    eventually("everything is indexed", async || {
        let (read, all) = server.read_by_the_model("doorstep");
        (all > 600 && read == all).then_some(())
    })
    .await;
    assert_eq!(shop.part("search").await["status"], "ok");
    let address = shop.process.address();
    let visitor = Visitor::anonymous(address, "en").await;
    let mut conversation = visitor.talk(address).await;
    let before = titles(&conversation.ask(QUESTION).await);
    assert!(!before.is_empty());

    server.away(true);
    let meanwhile = conversation.ask(QUESTION).await;
    // The two count words a little differently, which moves places further down.
    assert_eq!(titles(&meanwhile)[0], before[0]);
    let policy = conversation.ask("Who pays for the return?").await;
    policy.assert_says(&["Returns from Germany, Austria, Spain, France and Italy are free"]);
    let part = shop.part("search").await;
    assert_eq!(part["status"], "degraded", "{part}");
    let reason = part["reason"].as_str().unwrap();
    assert!(reason.contains("the embedded index answers"), "{reason}");
    shop.measures("doorstep_search_standby 1").await;

    server.away(false);
    shop.measures("doorstep_search_standby 0").await;
    assert_eq!(shop.part("search").await["status"], "ok");
    let after = conversation.ask(QUESTION).await;
    assert_eq!(titles(&after), before);
}

#[tokio::test]
async fn a_search_server_that_comes_back_without_its_data_is_filled_and_used_again() {
    let server = StandIn::start().await;
    let shop = shop_beside(&server).await;
    // It is filled in portions: between two of them it has all that it has.
    let filled = async |least| {
        eventually("the server has everything", async || {
            let (read, all) = server.read_by_the_model("doorstep");
            (all >= least && read == all).then_some(all)
        })
        .await
    };
    shop.indexed().await;
    let all = filled(200).await;
    let address = shop.process.address();
    let visitor = Visitor::anonymous(address, "en").await;
    let mut conversation = visitor.talk(address).await;
    let before = titles(&conversation.ask(QUESTION).await);
    assert!(!before.is_empty());

    server.forget();
    let meanwhile = titles(&conversation.ask(QUESTION).await);
    assert_eq!(meanwhile[0], before[0]);
    assert_eq!(filled(all).await, all);
    shop.measures("doorstep_search_standby 0").await;
    assert_eq!(titles(&conversation.ask(QUESTION).await), before);
}

/// Three rows are wrong: a price, a missing title, a quantity.
const FEED: &str = "\
Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Status
hammock,Zephyr Hammock,<p>Between two trees.</p>,Fjellbris,Hammocks,Title,Default Title,HAM-1,shopify,4,49.90,active
kite,Zephyr Kite,<p>Flies.</p>,Fjellbris,Kites,Title,Default Title,KITE-1,shopify,4,twelve,active
unnamed,,,Fjellbris,Kites,Title,Default Title,NON-1,shopify,4,5.00,active
swing,Zephyr Swing,,Fjellbris,Swings,Title,Default Title,SWI-1,shopify,many,19.00,active
";

#[tokio::test]
async fn a_feed_with_three_broken_rows_imports_the_rest_and_names_the_three() {
    let place = Place::new(Kind::Sqlite).await.expect("SQLite is built in");
    let feed = place.data_dir().join("products.csv");
    std::fs::write(&feed, FEED).unwrap();
    let mut command = doorstep_command();
    for (key, value) in place.settings() {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    command
        .args(["catalog", "import", "--format", "shopify-csv", "--json"])
        .arg(&feed)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let file = feed.display();
    for row in [
        format!("{file}:3: Variant Price: `twelve` is not a price"),
        format!("{file}:4: Title: it is empty"),
        format!("{file}:5: Variant Inventory Qty: `many` is not a whole number"),
    ] {
        assert!(told.contains(&row), "{row} is not in {told}");
    }
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["imported"], 1, "{summary}");
    assert_eq!(summary["refused"], 3, "{summary}");
    let lines: Vec<u64> = summary["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 4, 5]);

    // The rest is found, and nothing of the broken rows is.
    let process = Launch::serve(&place).start().await;
    suggested(
        process.address(),
        "zephyr",
        &["Zephyr Hammock", OF_THE_SHOP],
    )
    .await;
}

/// What the demo shop itself has of that name.
const OF_THE_SHOP: &str = "Zephyr Wind Vest";

/// Waits until these titles are suggested, in whatever order, and no others.
async fn suggested(address: SocketAddr, begun: &str, wanted: &[&str]) {
    let url = format!("http://{address}/search/suggest?q={begun}");
    eventually(&format!("{wanted:?} are suggested"), async || {
        let found: Value = http().get(&url).send().await.ok()?.json().await.ok()?;
        let found = found["suggestions"].as_array()?;
        let titles = found.iter().filter_map(|one| one["title"].as_str());
        let mut titles: Vec<&str> = titles.collect();
        titles.sort_unstable();
        (titles == wanted).then_some(())
    })
    .await;
}

/// One line of a feed.
fn goods(id: &str, title: &str, price: &str) -> String {
    json!({
        "id": id, "title": title, "description": "", "price": price, "stock": 2,
        "variants": [{ "sku": format!("{id}-1") }],
    })
    .to_string()
}

#[tokio::test]
async fn a_feed_imported_while_the_program_runs_is_found_answered_from_and_gone_with_the_next() {
    let shop = Shop::open().await;
    shop.indexed().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("products.jsonl");
    let import = async |lines: &[String]| -> Value {
        std::fs::write(&file, lines.join("\n")).unwrap();
        let path = file.to_str().unwrap();
        let told = shop.run(&["catalog", "import", "--json", path]).await;
        serde_json::from_str(&told).unwrap()
    };
    let hammock = goods("hammock", "Zephyr Hammock", "49.90");
    let told = import(&[hammock, goods("swing", "Zephyr Swing", "19.00")]).await;
    assert_eq!(
        (&told["imported"], &told["deleted"]),
        (&json!(2), &json!(0))
    );
    let address = shop.process.address();
    let all = ["Zephyr Hammock", "Zephyr Swing", OF_THE_SHOP];
    suggested(address, "zephyr", &all).await;
    let reply = ask(&shop, "Do you have the Zephyr Hammock in stock?").await;
    let cards = reply.cards();
    let card = cards
        .iter()
        .find(|card| card["title"] == "Zephyr Hammock")
        .unwrap_or_else(|| panic!("it is not shown: {cards:?}"));
    assert!(card["price"].as_str().unwrap().contains("49.90"), "{card}");
    assert!(card["stock"].as_str().unwrap().contains('2'), "{card}");

    let told = import(&[goods("swing", "Zephyr Swing", "17.00")]).await;
    assert_eq!(
        (&told["imported"], &told["deleted"]),
        (&json!(1), &json!(1))
    );
    suggested(address, "zephyr", &["Zephyr Swing", OF_THE_SHOP]).await;
    let reply = ask(&shop, "How much is the Zephyr Swing?").await;
    let cards = reply.cards();
    assert!(
        cards[0]["price"].as_str().unwrap().contains("17.00"),
        "{cards:?}"
    );
    shop.indexed().await;
}

#[tokio::test]
async fn a_shop_may_switch_suggestions_off() {
    let on = Shop::open().await;
    assert!(
        on.get("/widget.js")
            .await
            .contains(r#"{"suggestions":true}"#)
    );
    let off = Shop::with(&[("channels.webchat.suggestions", "false")]).await;
    assert!(
        off.get("/widget.js")
            .await
            .contains(r#"{"suggestions":false}"#)
    );
    let url = format!("http://{}/search/suggest?q=kolmar", off.process.address());
    let refused = http().get(url).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 404);
    let sentence = refused.text().await.unwrap();
    assert!(sentence.contains("suggestions is false"), "{sentence}");
}

#[tokio::test]
async fn what_is_begun_to_be_typed_suggests_products_and_too_much_of_it_is_refused() {
    let shop = Shop::open().await;
    let ask = async |query: &str| {
        let url = format!("http://{}/search/suggest?{query}", shop.process.address());
        let answer = http().get(url).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let titles = eventually("the catalog is indexed", async || {
        let (status, found) = ask("q=kolmar%20r&limit=2").await;
        assert_eq!(status, 200, "{found}");
        let found = found["suggestions"].as_array().unwrap().clone();
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert!(titles.len() <= 2);
    for suggestion in &titles {
        let title = suggestion["title"].as_str().unwrap();
        assert!(title.starts_with("Kolmar R"), "{title}");
        assert!(!suggestion["id"].as_str().unwrap().is_empty());
    }
    assert_eq!(ask("q=").await.1["suggestions"], serde_json::json!([]));
    let (status, refused) = ask("limit=2").await;
    assert_eq!(status, 400, "{refused}");
    let refused = eventually("too much is refused", async || {
        let (status, answer) = ask("q=kolmar").await;
        (status != 200).then_some((status, answer))
    })
    .await;
    assert_eq!(refused.0, 429, "{refused:?}");
}

#[tokio::test]
async fn the_merchants_synonyms_find_products_as_soon_as_they_are_saved() {
    let shop = Shop::open().await;
    shop.indexed().await;
    let strange = "Do you sell a good gansey?";
    let is_jacket = |title: &String| title.contains("Jacket");
    assert!(!titles(&ask(&shop, strange).await).iter().any(is_jacket));
    shop.write("synonyms.yaml", "en:\n  - [jacket, gansey]\n");
    shop.reloads("applied", 1).await;
    let found = titles(&ask(&shop, strange).await);
    assert!(found.iter().any(is_jacket), "{found:?}");

    // A mistake changes nothing, and is told.
    shop.write("synonyms.yaml", "en:\n  - [gansey]\n");
    shop.reloads("refused", 1).await;
    let found = titles(&ask(&shop, strange).await);
    assert!(found.iter().any(is_jacket), "{found:?}");
    let status = shop.files_status().await;
    let reason = status["reason"].as_str().unwrap();
    assert!(
        reason.contains("synonyms.yaml:2: en: a group has fewer"),
        "{reason}"
    );

    // What the merchant takes away is gone, also for a program that starts with it.
    shop.write("synonyms.yaml", "en:\n  - [jacket, guernsey]\n");
    shop.reloads("applied", 2).await;
    assert!(!titles(&ask(&shop, strange).await).iter().any(is_jacket));
    shop.write("synonyms.yaml", "en:\n  - [jacket, gansey]\n");
    let shop = shop.restarted().await;
    shop.indexed().await;
    let found = titles(&ask(&shop, strange).await);
    assert!(found.iter().any(is_jacket), "{found:?}");
}

async fn ask(shop: &Shop, text: &str) -> Reply {
    let address = shop.process.address();
    let visitor = Visitor::anonymous(address, "en").await;
    visitor.talk(address).await.ask(text).await
}
