//! What texts are understood as, through `doorstep classify` under the shipped configuration.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::support::server::{Kind, Place, doorstep_command};

fn classify(input: &[u8]) -> Output {
    let mut child = doorstep_command()
        .arg("classify")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// The entities of each line, as kind and value.
fn entities(output: &Output) -> Vec<Vec<(String, String)>> {
    let told = String::from_utf8(output.stdout.clone()).unwrap();
    told.lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |entity: &Value, key: &str| entity[key].as_str().unwrap().to_owned();
            let entities = line["entities"].as_array().unwrap().iter();
            entities
                .map(|entity| (text(entity, "type"), text(entity, "value")))
                .collect()
        })
        .collect()
}

fn pair(kind: &str, value: &str) -> (String, String) {
    (kind.to_owned(), value.to_owned())
}

#[test]
fn products_attributes_and_telephones_are_told_and_a_line_that_is_no_text_is_named() {
    let mut input = "is the stormhold hardshel women in stock?\n"
        .as_bytes()
        .to_vec();
    input.extend("Telefon 030 22345678\r\n".as_bytes());
    input.extend(b"caf\xe9\n");
    input.extend("something of recycled polyester for winter in xl".as_bytes());
    let output = classify(&input);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("standard input, line 3: byte 4 is not UTF-8"),
        "{complaint}"
    );
    assert!(complaint.contains("1 text(s) were left out"), "{complaint}");
    let entities = entities(&output);
    assert_eq!(entities.len(), 3);
    assert_eq!(entities[0], [pair("product", "JKT-105")]);
    assert_eq!(entities[1], [pair("phone", "+493022345678")]);
    for expected in [
        pair("attribute", "fill=recycled polyester"),
        pair("attribute", "season=winter"),
        pair("size", "XL"),
    ] {
        assert!(entities[2].contains(&expected), "{:?}", entities[2]);
    }
}

#[test]
fn a_short_order_number_is_read_where_the_words_say_that_it_is_one() {
    let input =
        "where is my order #1001?\nwo ist meine Bestellung 5001?\nI want to order 1000 screws\n";
    let output = classify(input.as_bytes());
    assert!(output.status.success());
    let entities = entities(&output);
    assert_eq!(entities[0], [pair("order_number", "1001")]);
    assert_eq!(entities[1], [pair("order_number", "5001")]);
    let is_order = |(kind, _): &(String, String)| kind == "order_number";
    assert!(!entities[2].iter().any(is_order), "{:?}", entities[2]);
}

#[test]
fn postcodes_of_addresses_are_no_order_numbers_in_seven_languages() {
    let addresses = [
        ("I moved, send it to Calle Mayor 5, 28013 Madrid", "28013"),
        ("me he mudado a la calle Mayor 5, 28013 Madrid", "28013"),
        (
            "mudei-me, a nova morada é Calle Mayor 5, 28013 Madrid",
            "28013",
        ),
        ("j'habite maintenant 5 rue de la Paix, 75002 Paris", "75002"),
        ("bin umgezogen: Hauptstr. 5, 10115 Berlin", "10115"),
        ("ora abito in via Roma 5, 20121 Milano", "20121"),
        ("новый адрес: 101000, Москва, ул. Тверская, д. 5", "101000"),
        ("do you ship to SW1A 1AA?", "SW1A 1AA"),
        ("livrez-vous à K1A 0B1 ?", "K1A 0B1"),
        ("do you deliver to D02 X285?", "D02 X285"),
    ];
    let orders = [
        "send order 10234 to 28013 Madrid",
        "enviad el pedido 10234 a 28013 Madrid",
        "enviem a encomenda 10234 para 28013 Madrid",
        "envoyez la commande 10234 à 28013 Madrid",
        "schickt die Bestellung 10234 nach 28013 Madrid",
        "spedite l'ordine 10234 a 28013 Madrid",
        "отправьте заказ 10234 в 28013 Мадрид",
    ];
    let texts = addresses.iter().map(|(text, _)| *text).chain(orders);
    let input = texts.collect::<Vec<_>>().join("\n");
    let output = classify(input.as_bytes());
    assert!(output.status.success());
    let entities = entities(&output);
    let numbers = |line: &[(String, String)]| {
        let is_number = |kind: &str| matches!(kind, "postcode" | "order_number");
        let numbers = line.iter().filter(|(kind, _)| is_number(kind));
        numbers.cloned().collect::<Vec<_>>()
    };
    for ((text, postcode), found) in addresses.iter().zip(&entities) {
        assert_eq!(numbers(found), [pair("postcode", postcode)], "{text}");
    }
    for (text, found) in orders.iter().zip(&entities[addresses.len()..]) {
        let expected = [pair("order_number", "10234"), pair("postcode", "28013")];
        assert_eq!(numbers(found), expected, "{text}");
    }
}

#[tokio::test]
async fn imported_products_are_recognised_and_a_shop_without_any_is_told() {
    let place = Place::new(Kind::Sqlite).await.expect("SQLite is built in");
    let feed = place.data_dir().join("products.jsonl");
    let row = r#"{"id": "hammock", "title": "Zephyr Hammock", "description": "", "price": "49.90", "stock": 2, "variants": [{"sku": "hammock-1"}]}"#;
    std::fs::write(&feed, row).unwrap();
    let settings = place.settings();
    let run = |arguments: &[&str]| {
        let mut command = doorstep_command();
        for (key, value) in &settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
            .args(["--set", "shop.kind=webhooks"])
            .args(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let text = "is the zephyr hammock in stock?";
    let before = run(&["classify", text]);
    let told = String::from_utf8_lossy(&before.stderr);
    assert!(told.contains("nothing was imported"), "{told}");
    let imported = run(&["catalog", "import", feed.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&imported.stderr);
    assert!(imported.status.success(), "{told}");
    let output = run(&["classify", text]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains("not recognised"), "{told}");
    assert_eq!(entities(&output), [[pair("product", "hammock")]]);
}
