//! The demo in a real browser: the storefront, the widget, the carrier's desk.

use serde_json::json;

use crate::pages::Follower;
use crate::support::{
    browser::{Browser, DESKTOP, PHONE, Screen, TALL},
    wait::eventually,
    webdriver::{DOWN, ENTER, ESCAPE},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_holds_the_whole_conversation_in_english() {
    let Some(browser) = Browser::open("en-GB", DESKTOP).await else {
        return;
    };
    browser.screenshot("01-shop").await;
    browser.open_chat().await;
    browser.screenshot("02-chat-opened").await;

    browser
        .say("Do you have a waterproof jacket under €150?")
        .await;
    let prices = browser.texts(".card .price").await;
    let stocks = browser.texts(".card .stock").await;
    assert!(
        !prices.is_empty() && prices.iter().all(|price| price.contains('€')),
        "{prices:?}"
    );
    assert_eq!(prices.len(), stocks.len(), "every card tells its stock");
    browser.screenshot("03-product-cards").await;

    let asked = browser.say("Where is my order 10234?").await;
    assert!(asked.to_lowercase().contains("postcode"), "{asked}");
    let wrong = browser.say("99999").await;
    assert!(!wrong.contains("Correos"), "{wrong}");
    let status = browser.say("28012").await;
    assert!(status.contains("Correos"), "{status}");
    browser.screenshot("04-order-status").await;

    browser
        .say("This arrived broken, I want my money back")
        .await;
    let database = browser.shared.database().await;
    let visitor = browser.visitor().await;
    let sql = format!(
        "SELECT h.summary FROM handoffs h JOIN conversations c ON h.conversation_id = c.id WHERE c.address = '{visitor}'"
    );
    let summaries = eventually("the hand-over", async || {
        let found = database.texts(&sql).await;
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert!(summaries[0].contains("arrived broken"), "{}", summaries[0]);
    browser.screenshot("05-handed-over").await;

    let before = browser.texts(".msg .bubble").await;
    browser.driver.reload().await;
    browser.open_chat().await;
    let wanted = before.len();
    eventually("the history", async || {
        (browser.texts(".msg .bubble").await.len() >= wanted).then_some(())
    })
    .await;
    assert_eq!(
        browser.texts(".msg .bubble").await,
        before,
        "the history is there once, in order"
    );
    browser.screenshot("06-after-reload").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_holds_the_same_conversation_in_spanish_on_a_phone() {
    let Some(browser) = Browser::open("es-ES", PHONE).await else {
        return;
    };
    browser.screenshot("10-phone-shop").await;
    browser.open_chat().await;
    browser
        .say("¿Tienen una chaqueta impermeable por menos de 150 €?")
        .await;
    assert!(!browser.texts(".card .price").await.is_empty());
    browser.screenshot("11-es-tarjetas").await;
    let asked = browser.say("¿Dónde está mi pedido 10234?").await;
    assert!(asked.to_lowercase().contains("código postal"), "{asked}");
    let status = browser.say("28012").await;
    assert!(status.contains("Correos"), "{status}");
    browser.screenshot("12-es-pedido").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carriers_news_sent_twice_is_one_message_in_the_chat_and_one_email() {
    let Some(browser) = Browser::open("en-GB", TALL).await else {
        return;
    };
    // Emily Carter's rucksack, which nobody else's test tells about.
    browser.choose("customer", "C-1001").await;
    browser.choose("order", "10224").await;
    browser.open_chat().await;
    browser.say("Hello").await;
    let before = browser.shop_messages().await.len();
    browser
        .run("document.getElementById('twice').click()", &[])
        .await;
    browser.press_action("out_for_delivery").await;
    let news = browser.answer_after(before).await;
    assert!(
        news.to_lowercase().contains("out for delivery") || news.to_lowercase().contains("today"),
        "{news}"
    );
    let answers = browser.until("both answers", "const all = document.querySelectorAll('#wire .answer'); return all.length === 2 && [...all].map((a) => a.textContent)").await;
    assert!(answers.to_string().contains("200"), "{answers}");
    browser
        .until(
            "the e-mail",
            "return document.querySelectorAll('#letters li').length >= 1",
        )
        .await;
    browser.screenshot("21-carrier-and-news").await;
    // Whatever would come twice has come: the next action's news is there.
    browser.press_action("delivered").await;
    eventually("the delivery in the chat", async || {
        (browser.shop_messages().await.len() >= before + 2).then_some(())
    })
    .await;
    assert_eq!(
        browser.shop_messages().await.len(),
        before + 2,
        "each piece of news once"
    );
    let outbox = browser.shared.data_dir.join("outbox");
    let mails = eventually("both e-mails", async || {
        let mut mails = doorstep_channels::email::outbox::list(&outbox, usize::MAX)
            .await
            .unwrap();
        mails.retain(|mail| mail.to == "emily.carter@example.com" && mail.text.contains("10224"));
        (mails.len() >= 2).then_some(mails)
    })
    .await;
    assert_eq!(mails.len(), 2, "one e-mail a piece of news");
    browser
        .run("document.getElementById('inbox').scrollIntoView()", &[])
        .await;
    browser.screenshot("22-inbox").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_desk_a_conversation_is_given_back_an_event_is_explained_and_a_size_is_sold_out() {
    let Some(browser) = Browser::open("en-GB", TALL).await else {
        return;
    };
    browser.open_chat().await;
    browser.say("I want to talk to a person").await;
    let card = format!(
        "const card = document.querySelector('.handoff[data-address=\"{}\"]');",
        browser.visitor().await
    );
    let summary = format!("{card} return card?.querySelector('.summary').textContent");
    let summary = browser.until("the request at the desk", &summary).await;
    assert!(
        summary.to_string().contains("I want to talk to a person"),
        "{summary}"
    );
    browser.screenshot("25-handed-over-at-the-desk").await;
    let before = browser.shop_messages().await.len();
    let give_back = format!("{card} card.querySelector('.give-back').click()");
    browser.run(&give_back, &[]).await;
    let told = browser.answer_after(before).await;
    assert!(told.contains("assistant again"), "{told}");
    browser
        .until("an empty desk", &format!("{card} return card === null"))
        .await;
    browser.say("Hello").await;

    // Jonas Keller's parcel; nobody else's test tells that its label was made.
    browser.choose("order", "10221").await;
    browser.press_action("label_created").await;
    let verdict = "return document.querySelector('#wire .verdict.held')?.textContent";
    let verdict = browser.until("the decision", verdict).await;
    assert!(
        verdict.to_string().contains("no rule on pre_transit"),
        "{verdict}"
    );

    browser.choose("stock-product", "BSL-301").await;
    let press = "document.querySelector('#stock-sizes [data-size=M]').click()";
    let pressed = "return document.querySelector('#stock-sizes [data-size=M][aria-pressed=true]')?.textContent";
    browser.run(press, &[]).await;
    let sold_out = browser.until("the size to be sold out", pressed).await;
    assert!(sold_out.to_string().contains("sold out"), "{sold_out}");
    browser.screenshot("26-explained-and-sold-out").await;
    browser.run(press, &[]).await;
    let back = "return !!document.querySelector('#stock-sizes [data-size=M][aria-pressed=false]')";
    browser.until("the size to be back", back).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_follows_the_parcel_on_a_phone_and_asks_about_it() {
    let Some(browser) = Browser::open("en-GB", PHONE).await else {
        return;
    };
    let follower = Follower::new("phone", "64109").await;
    browser.driver.go(&follower.track_url().await).await;
    let wide = "return document.documentElement.scrollWidth > innerWidth";
    assert_eq!(browser.run(wide, &[]).await, json!(false), "it fits");
    let offered = "return document.getElementById('ask').hidden === false";
    browser.until("the offer to ask", offered).await;
    browser.screenshot("30-tracking-phone").await;
    browser
        .run("document.getElementById('ask').click()", &[])
        .await;
    let answer = browser.answer_after(0).await;
    assert!(answer.to_lowercase().contains("postcode"), "{answer}");
    browser.screenshot("31-tracking-asked").await;
    browser.close().await;
}

const INPUT: &str =
    "return document.querySelector('doorstep-chat').shadowRoot.querySelector('textarea')";

async fn takes_a_suggestion(screen: Screen, name: &str) {
    let Some(browser) = Browser::open("en-GB", screen).await else {
        return;
    };
    let press = async |keys: &str| browser.driver.type_into(INPUT, keys).await;
    let written = async || {
        let value = "return root.querySelector('textarea').value";
        browser.in_widget(value, &[]).await
    };
    let suggested = async || {
        eventually("suggestions for all that was typed", async || {
            let found = browser
                .texts(".suggestions:not([hidden]) .suggestion")
                .await;
            let fits = |title: &String| title.starts_with("Kolmar Rain J");
            (!found.is_empty() && found.iter().all(fits)).then_some(found)
        })
        .await
    };
    let marked = async || browser.texts(".suggestion[aria-selected=true]").await;
    browser.open_chat().await;
    press("kolmar rain j").await;
    let titles = suggested().await;
    assert_eq!(marked().await, Vec::<String>::new(), "nothing is marked");
    let said = browser.texts(".suggestions + [role=status]").await;
    assert_eq!(said, [format!("Suggestions: {}", titles.len())]);

    press(DOWN).await;
    assert_eq!(marked().await, titles[..1]);
    let named = "const input = root.querySelector('textarea');
        return root.getElementById(input.getAttribute('aria-activedescendant'))?.textContent";
    assert_eq!(browser.in_widget(named, &[]).await, json!(titles[0]));
    browser.screenshot(name).await;
    // The first Escape closes the list alone.
    press(ESCAPE).await;
    assert_eq!(browser.texts(".suggestions:not([hidden])").await.len(), 0);
    assert_eq!(browser.texts(".panel:not([hidden])").await.len(), 1);
    assert_eq!(written().await, json!("kolmar rain j"));

    press("a").await;
    suggested().await;
    press(&format!("{DOWN}{ENTER}")).await;
    assert_eq!(written().await, json!(titles[0]));
    assert_eq!(browser.texts(".suggestion").await.len(), 0);
    assert_eq!(browser.shop_messages().await.len(), 0, "it was not sent");
    press(ENTER).await;
    browser.answer_after(0).await;
    let names = browser.texts(".card .name").await;
    assert!(names.contains(&titles[0]), "{names:?}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_takes_a_suggestion_with_the_keyboard() {
    takes_a_suggestion(DESKTOP, "23-suggestions").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_takes_a_suggestion_on_a_phone() {
    takes_a_suggestion(PHONE, "24-suggestions-phone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_after_a_customer_that_logged_out_reads_nothing_of_theirs() {
    let Some(browser) = Browser::open("en-GB", DESKTOP).await else {
        return;
    };
    browser.open_chat().await;
    let asked = browser.say("Where is my order 10234?").await;
    assert!(asked.contains("postcode"), "{asked}");
    // As for a customer whom the shop had signed in.
    let sign_in = "const key = Object.keys(localStorage).find((key) => key.endsWith(':session'));
        localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage.getItem(key)), linked: true }))";
    browser.run(sign_in, &[]).await;
    browser.driver.reload().await;
    browser.open_chat().await;
    browser.answer_after(0).await;
    browser.run("Doorstep.identify(null)", &[]).await;
    eventually("an empty chat", async || {
        browser.shop_messages().await.is_empty().then_some(())
    })
    .await;
    let greeting = browser.say("Hello").await;
    assert!(!greeting.contains("postcode"), "{greeting}");
    browser.close().await;
}
