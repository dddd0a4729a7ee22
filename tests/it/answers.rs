//! What is answered follows what the shop says now: its knowledge files, and its stock.

use doorstep_core::Sku;

use crate::support::{chat::Visitor, merchant::Shop, server::shared, wait::eventually};

const RETURNS: &str =
    "# Returns\n\n## Who pays for the return?\nReturns cost you nothing at all, worldwide.\n";

#[tokio::test]
async fn a_policy_that_is_edited_while_the_program_runs_changes_the_next_answer() {
    let shop = Shop::open().await;
    let address = shop.process.address();
    let visitor = Visitor::anonymous(address, "en").await;
    let mut conversation = visitor.talk(address).await;
    eventually("the knowledge is indexed", async || {
        let answer = conversation.ask("Who pays for the return?").await;
        answer
            .text()
            .contains("Returns from Germany, Austria, Spain, France and Italy are free")
            .then_some(())
    })
    .await;

    shop.write("knowledge/en/returns.md", RETURNS);
    shop.reloads("applied", 1).await;
    let changed = conversation.ask("Who pays for the return?").await;
    changed.assert_says(&["Returns cost you nothing at all, worldwide."]);
    changed.assert_hides(&["Austria, Spain, France and Italy"]);
    // A passage that the file no longer has is not quoted any more.
    let gone = conversation
        .ask("In what condition must a return be?")
        .await;
    gone.assert_hides(&["Unworn outdoors"]);

    // A new file is known at once, and its removal too.
    shop.write(
        "knowledge/en/rental.md",
        "# Rental\n\n## Can I rent a canoe for a weekend?\nA canoe is 75 euros for a weekend.\n",
    );
    shop.reloads("applied", 2).await;
    let rented = ask_anew(&shop, "Can I rent a canoe for a weekend?").await;
    assert!(!rented.contains("cost you nothing"), "{rented}");
    std::fs::remove_file(shop.folder.path().join("knowledge/en/returns.md")).unwrap();
    shop.reloads("applied", 3).await;
    let built_in = conversation.ask("Who pays for the return?").await;
    built_in.assert_says(&["Returns from Germany, Austria, Spain, France and Italy are free"]);
}

async fn ask_anew(shop: &Shop, text: &str) -> String {
    let address = shop.process.address();
    let visitor = Visitor::anonymous(address, "en").await;
    visitor.talk(address).await.ask(text).await.text()
}

#[tokio::test]
async fn a_knowledge_file_with_a_mistake_changes_nothing_and_says_why() {
    let shop = Shop::open().await;
    shop.write("knowledge/en/returns.md", RETURNS);
    shop.reloads("applied", 1).await;
    // A good change beside a bad one: neither takes effect.
    shop.write(
        "knowledge/en/returns.md",
        &RETURNS.replace("nothing at all", "a fortune"),
    );
    shop.write("knowledge/nowhereish/returns.md", RETURNS);
    shop.reloads("refused", 1).await;
    let status = shop.files_status().await;
    assert_eq!(status["status"], "degraded", "{status}");
    let reason = status["reason"].as_str().unwrap();
    assert!(
        reason.contains("knowledge/nowhereish/returns.md"),
        "{reason}"
    );
    let answer = ask_anew(&shop, "Who pays for the return?").await;
    assert!(answer.contains("nothing at all, worldwide"), "{answer}");
    assert!(!answer.contains("a fortune"), "{answer}");

    std::fs::remove_dir_all(shop.folder.path().join("knowledge/nowhereish")).unwrap();
    shop.reloads("applied", 2).await;
    let answer = ask_anew(&shop, "Who pays for the return?").await;
    assert!(answer.contains("a fortune"), "{answer}");
    assert_eq!(shop.files_status().await["status"], "ok");
}

#[tokio::test]
async fn a_page_of_the_shop_in_html_is_quoted_without_what_surrounds_it() {
    let shop = Shop::open().await;
    shop.indexed().await;
    // In the place of the demo shop's Markdown file.
    shop.write(
        "knowledge/en/returns.html",
        "<html><head><title>Shop</title><script>track()</script></head><body><nav>Home Basket</nav><main><h1>Returns</h1>\
         <h2>Who pays for the return?</h2><p>We pay for <b>every</b> parcel.</p></main><footer>Imprint</footer></body></html>",
    );
    shop.reloads("applied", 1).await;
    let address = shop.process.address();
    let visitor = Visitor::anonymous(address, "en").await;
    let mut conversation = visitor.talk(address).await;
    let answer = conversation.ask("Who pays for the return?").await;
    answer.assert_says(&["We pay for every parcel."]);
    answer.assert_hides(&["Basket", "Imprint", "track", "Austria"]);
}

#[tokio::test]
async fn a_general_question_about_refunds_is_answered_before_an_order_is_asked_for() {
    let shared = shared().await;
    let visitor = Visitor::anonymous(shared.address, "en").await;
    let mut conversation = visitor.talk(shared.address).await;
    let answer = conversation.ask("When do I get my money back?").await;
    answer.assert_says(&["We check a return within two working days", "order number"]);
}

#[tokio::test]
async fn selling_out_a_size_between_two_messages_changes_the_second_answer() {
    let shared = shared().await;
    let visitor = Visitor::anonymous(shared.address, "en").await;
    let mut conversation = visitor.talk(shared.address).await;
    let demo = shared.app.demo.as_ref().unwrap();
    let sold: Vec<Sku> = ["JKT-102-M-BER", "JKT-102-M-SLA"].map(Sku::from).into();
    for sku in &sold {
        demo.shop.set_stock(sku, 4);
    }
    let question = "Is the Kolmar Rain Jacket Women in stock in size M?";
    let before = conversation.ask(question).await;
    before.assert_says(&["in stock in M"]);
    for sku in &sold {
        demo.shop.set_stock(sku, 0);
    }
    let after = conversation.ask(question).await;
    for sku in &sold {
        demo.shop.set_stock(sku, 4);
    }
    after.assert_says(&["sold out in M"]);
    after.assert_hides(&["in stock in M"]);
}
