//! `doorstep catalog import` as a merchant meets it whose feed is not as it should be.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::server::{Kind, Place, doorstep_command};

/// A shop's folder whose products come from feeds alone.
struct Shelf(Place);

impl Shelf {
    async fn new() -> Self {
        Self(Place::new(Kind::Sqlite).await.expect("SQLite is built in"))
    }

    /// Imports a file of this text.
    async fn import(&self, text: &[u8], arguments: &[&str]) -> Told {
        let feed = self.0.data_dir().join("feed");
        std::fs::write(&feed, text).unwrap();
        let mut command = doorstep_command();
        for (key, value) in self.0.settings() {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
            .args(["catalog", "import"])
            .arg(&feed)
            .args(arguments)
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        Told::of(output.await.unwrap())
    }

    /// How many products are imported.
    async fn count(&self) -> i64 {
        let database = self.0.database().await;
        database
            .number("SELECT COUNT(*) FROM imported_products")
            .await
    }
}

/// How an import ended.
struct Told {
    code: Option<i32>,
    result: String,
    errors: String,
}

impl Told {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            result: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn json(&self) -> Value {
        let read = serde_json::from_str(&self.result);
        read.unwrap_or_else(|error| panic!("{error}: {} {}", self.result, self.errors))
    }
}

const MUG: &str = "{\"id\": \"mug\", \"title\": \"Mug\", \"price\": 12.5, \"stock\": true}\n";
const LAMP: &str = "{\"id\": \"lamp\", \"title\": \"Lamp\", \"price\": \"30\", \"stock\": 2}\n";
const KITE: &str = "{\"id\": \"kite\", \"title\": \"Kite\", \"price\": 19, \"stock\": 1}\n";

#[tokio::test]
async fn an_empty_feed_takes_no_product_away_unless_it_is_told_to() {
    let shelf = Shelf::new().await;
    let all = [MUG, LAMP, KITE].concat();
    let first = shelf.import(all.as_bytes(), &["--json"]).await;
    assert_eq!(first.code, Some(0), "{}", first.errors);
    assert_eq!(first.json()["imported"], 3);
    for (format, text) in [
        ("jsonl", ""),
        ("shopify-csv", "Handle,Title\n"),
        ("google-tsv", "id\ttitle\n"),
        ("google-xml", "<rss/>"),
        ("google-xml", "<rss><channel></channel></rss>"),
    ] {
        let told = shelf.import(text.as_bytes(), &["--format", format]).await;
        assert_eq!(told.code, Some(2), "{format}: {}", told.errors);
        let errors = &told.errors;
        assert!(errors.contains("there is no product in it"), "{errors}");
        assert!(errors.contains("--allow-removals"), "{errors}");
        assert_eq!(shelf.count().await, 3, "{format}");
    }
    let meant = shelf.import(b"", &["--allow-removals", "--json"]).await;
    assert_eq!(meant.code, Some(0), "{}", meant.errors);
    assert_eq!(meant.json()["deleted"], 3);
    assert_eq!(shelf.count().await, 0);
}

#[tokio::test]
async fn a_feed_that_lacks_more_than_half_changes_nothing_unless_it_is_told_to() {
    let shelf = Shelf::new().await;
    let all = [MUG, LAMP, KITE].concat();
    shelf.import(all.as_bytes(), &[]).await;
    let cut_off = shelf.import(MUG.as_bytes(), &[]).await;
    assert_eq!(cut_off.code, Some(1), "{}", cut_off.errors);
    let errors = &cut_off.errors;
    assert!(errors.contains("2 of the 3 imported products"), "{errors}");
    assert!(errors.contains("the 1 of this file"), "{errors}");
    assert!(errors.contains("--allow-removals"), "{errors}");
    assert_eq!(cut_off.result, "");
    assert_eq!(shelf.count().await, 3);

    let less = [MUG, LAMP].concat();
    let less = shelf.import(less.as_bytes(), &["--json"]).await;
    assert_eq!(less.json()["deleted"], 1, "a third may go");
    let other = shelf
        .import(KITE.as_bytes(), &["--allow-removals", "--json"])
        .await;
    assert_eq!(other.json()["deleted"], 2);
    assert_eq!(shelf.count().await, 1);
}

const SIZES: &str = "\
Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price
jacket,Jacket,Size,S,J-S,100.00
jacket,,,M,J-M,100.00
mug,Mug,,,MUG,12.00
";

#[tokio::test]
async fn a_row_with_a_comma_too_many_leaves_its_product_as_it_was() {
    let shelf = Shelf::new().await;
    let format = ["--format", "shopify-csv"];
    let first = shelf.import(SIZES.as_bytes(), &format).await;
    assert_eq!(first.code, Some(0), "{}", first.errors);
    let database = shelf.0.database().await;
    let jacket = "SELECT body FROM imported_products WHERE id = 'jacket'";
    let before = database.texts(jacket).await;
    assert!(before[0].contains("J-M"), "{before:?}");

    let broken = SIZES.replace("100.00", "90.00");
    let broken = broken.replace("jacket,,,M", "jacket,,,M,slim");
    let told = shelf.import(broken.as_bytes(), &format).await;
    assert_eq!(told.code, Some(1), "{}", told.errors);
    let errors = &told.errors;
    assert!(errors.contains(":3: 7 values for 6 columns"), "{errors}");
    assert_eq!(database.texts(jacket).await, before);
    assert_eq!(shelf.count().await, 2);
}

#[tokio::test]
async fn of_many_refused_rows_twenty_are_told_and_all_are_in_the_json() {
    let shelf = Shelf::new().await;
    let broken: String = (0..25).map(|n| format!("{{\"id\": \"p{n}\"}}\n")).collect();
    let text = [MUG, &broken].concat();
    let told = shelf.import(text.as_bytes(), &["--json"]).await;
    assert_eq!(told.code, Some(1));
    let rows = told.errors.matches("missing field `title`").count();
    assert_eq!(rows, 20, "{}", told.errors);
    assert!(told.errors.contains("… and 5 more"), "{}", told.errors);
    assert_eq!(told.json()["rows"].as_array().unwrap().len(), 25);
    assert_eq!(told.json()["imported"], 1);
    // Nobody looks at how far it is.
    assert!(!told.errors.contains('\r'), "{:?}", told.errors);
}

#[tokio::test]
async fn an_import_tells_where_the_products_are_and_which_command_has_them() {
    let shelf = Shelf::new().await;
    let tabs = "id\ttitle\tprice\tavailability\nmug\tMug\t12 EUR\t\nlamp\tLamp\t30 EUR\tin stock\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, tabs.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let told = shelf.import(&packed, &["--format", "google-tsv"]).await;
    assert_eq!(told.code, Some(0), "{}", told.errors);
    let said = "1 product(s) came without a price or without stock";
    assert!(told.errors.contains(said), "the mug: {}", told.errors);
    let place = shelf.0.data_dir().display().to_string();
    for part in ["2 imported", &place, "`doorstep serve`", "`doorstep demo`"] {
        assert!(told.result.contains(part), "{part}: {}", told.result);
    }
}
