//! The pages that customers open from a message: where their parcel is, and what they want to hear.

use chrono::TimeDelta;
use doorstep_core::{CustomerId, OrderNumber};
use doorstep_engine::page_token::{PageKey, TrackingScope};
use reqwest::{StatusCode, header};
use serde_json::json;

use crate::support::{
    chat::http,
    hooks::{Hook, now, order_placed, parcel_news},
    merchant::Shop,
    server::{Kind, Launch, Place, Shared, shared},
    wait::eventually,
};

/// A customer with an order whose parcel is out for delivery.
pub(crate) struct Follower {
    shared: &'static Shared,
    email: String,
    order: OrderNumber,
    parcel: String,
}

impl Follower {
    pub(crate) async fn new(name: &str, order: &str) -> Self {
        let shared = shared().await;
        let follower = Self {
            shared,
            email: format!("{name}@followers.example"),
            order: order.into(),
            parcel: format!("P{order}"),
        };
        let customer = format!("F-{name}");
        let placed = order_placed(order, &customer, &follower.email, &follower.parcel);
        Hook::generic(&format!("placed-{name}"), &placed)
            .deliver(shared.address)
            .await;
        follower.hear("shipment.out_for_delivery", 5).await;
        follower
    }

    /// The carrier says something, and who is to hear of it is decided and told.
    async fn hear(&self, event_type: &str, minutes_ago: i64) {
        let news = parcel_news(event_type, self.order.as_str(), &self.parcel, minutes_ago);
        let id = format!("{event_type}-{}", self.order);
        Hook::generic(&id, &news).deliver(self.shared.address).await;
        let database = self.shared.database().await;
        for open in [
            "SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL",
            "SELECT COUNT(*) FROM deliveries WHERE settled_at IS NULL",
        ] {
            eventually("the news to be told", async || {
                (database.number(open).await == 0).then_some(())
            })
            .await;
        }
    }

    /// Texts of their e-mails, newest first.
    async fn mails(&self) -> Vec<String> {
        let outbox = self.shared.data_dir.join("outbox");
        let mut mails = doorstep_channels::email::outbox::list(&outbox, usize::MAX)
            .await
            .unwrap();
        mails.retain(|mail| mail.to == self.email);
        mails.into_iter().map(|mail| mail.text).collect()
    }

    /// The tracking page, as the newest e-mail names it.
    pub(crate) async fn track_url(&self) -> String {
        let mails = self.mails().await;
        link_in(&mails[0], "/track/").unwrap_or_else(|| panic!("no link: {mails:#?}"))
    }

    async fn customer(&self) -> CustomerId {
        let order = self.shared.app.store.find_order(&self.order).await.unwrap();
        order.unwrap().customer.unwrap()
    }

    async fn preferences_url(&self) -> String {
        let key = &self.shared.app.page_key;
        let token = key.preference_token(self.customer().await, now());
        format!("{}/preferences/{token}", self.shared.url())
    }
}

/// The first address in a text that has `part` in it.
fn link_in(text: &str, part: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.find(|word| word.contains(part)).map(str::to_owned)
}

/// Status and HTML of a page for a reader of a language.
async fn read(url: &str, language: &str) -> (StatusCode, String) {
    let request = http().get(url).header(header::ACCEPT_LANGUAGE, language);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Status and HTML after a form is sent.
async fn submit(url: &str, form: &'static str) -> (StatusCode, String) {
    let request = http()
        .post(url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT_LANGUAGE, "en");
    let answer = request.body(form).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_link_in_the_mail_shows_where_the_parcel_is_in_the_readers_language() {
    let follower = Follower::new("robin", "6400001").await;
    let url = follower.track_url().await;
    let (status, spanish) = read(&url, "es-ES,es;q=0.9,en;q=0.8").await;
    assert_eq!(status, StatusCode::OK);
    for shown in [
        "<html lang=\"es\">",
        "Tu pedido 6400001",
        "En reparto",
        "Correos",
        "P6400001",
        "Fernweh Supply",
    ] {
        assert!(spanish.contains(shown), "{shown} is missing: {spanish}");
    }
    let (_, asked) = read(&format!("{url}?lang=de"), "es").await;
    assert!(asked.contains("Wird zugestellt"), "{asked}");
    follower.hear("shipment.delivered", 1).await;
    let (_, english) = read(&url, "en").await;
    let (news, before) = (english.find("Delivered"), english.find("Out for delivery"));
    assert!(news < before && news.is_some(), "newest first: {english}");
    let answer = http().get(&url).send().await.unwrap();
    let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str();
    assert!(policy.unwrap().contains("script-src 'self'"));
    assert!(
        !english.contains("style="),
        "the policy forbids inline styles"
    );
}

/// A new shop's parcel is on its way, of which the carrier says this and no day; its tracking page in these languages.
async fn on_its_way(words: &str, languages: &[&str]) -> Vec<String> {
    let shop = Shop::open().await;
    let server = shop.process.address();
    let placed = order_placed("6700001", "C-way", "ines@pages.example", "P6700001");
    Hook::generic("placed-6700001", &placed)
        .deliver(server)
        .await;
    let mut news = parcel_news("shipment.in_transit", "6700001", "P6700001", 1);
    news["payload"]["message"] = json!(words);
    Hook::generic("way-6700001", &news).deliver(server).await;
    shop.told_everything().await;
    let mails = shop.mails().await;
    assert!(
        mails[0].text.contains("Expected delivery: "),
        "{}",
        mails[0].text
    );
    let link = link_in(&mails[0].text, "/track/").expect("a link");
    let (_, token) = link.rsplit_once('/').expect("a token");
    let url = format!("http://{server}/track/{token}");
    let mut pages = Vec::new();
    for language in languages {
        let (status, page) = read(&url, language).await;
        assert_eq!(status, StatusCode::OK);
        pages.push(page);
    }
    pages
}

#[tokio::test]
async fn a_new_shops_parcel_has_a_window_that_says_how_probably_it_holds_and_the_carriers_words() {
    let said = [
        (
            "de",
            "8 von 10 Paketen wie diesem kommen in diesem Zeitraum an.",
        ),
        ("en", "8 of 10 parcels like this one arrive in this time."),
        (
            "es",
            "8 de cada 10 paquetes como este llegan en este plazo.",
        ),
        (
            "fr",
            "8 colis sur 10 comme celui-ci arrivent dans ce délai.",
        ),
        (
            "it",
            "8 pacchi su 10 come questo arrivano in questi giorni.",
        ),
        (
            "pt",
            "8 em cada 10 encomendas como esta chegam neste prazo.",
        ),
        ("ru", "8 из 10 таких посылок приходят в эти дни."),
    ];
    let hostile = "En camino <script>alert(\"1\")</script> & más";
    let pages = on_its_way(hostile, &said.map(|(language, _)| language)).await;
    for ((language, sentence), page) in said.iter().zip(pages) {
        assert!(page.contains(sentence), "{language}: {page}");
        let words = "<span class=\"words\" dir=\"auto\">En camino &lt;script&gt;";
        assert!(page.contains(words), "{language}: {page}");
        assert!(!page.contains("<script>alert"), "{language}: {page}");
    }
}

#[tokio::test]
async fn wrong_and_expired_links_get_the_same_answer() {
    let follower = Follower::new("sasha", "6400002").await;
    let (key, url) = (&follower.shared.app.page_key, follower.shared.url());
    let scope = TrackingScope {
        customer: follower.customer().await,
        order: follower.order.clone(),
    };
    let good = key.tracking_token(&scope, now());
    let foreign = TrackingScope {
        customer: CustomerId(Default::default()),
        ..scope.clone()
    };
    let unknown = TrackingScope {
        order: "6499999".into(),
        ..scope.clone()
    };
    let long_ago = now() - TimeDelta::days(500);
    let tokens = [
        "x".to_owned(),
        "%FF".to_owned(),
        format!("{good}?lang=en&lang=es"),
        good[..good.len() - 1].to_owned(),
        PageKey::new("a stranger's secret".into()).tracking_token(&scope, now()),
        key.tracking_token(&scope, long_ago),
        key.tracking_token(&foreign, now()),
        key.tracking_token(&unknown, now()),
        key.preference_token(scope.customer, now()),
    ];
    let (_, expected) = read(&format!("{url}/track/nothing"), "en").await;
    assert!(expected.contains("This page cannot be shown"), "{expected}");
    for token in tokens {
        let answer = read(&format!("{url}/track/{token}"), "en").await;
        assert_eq!(answer, (StatusCode::NOT_FOUND, expected.clone()), "{token}");
        let sent = submit(&format!("{url}/track/{token}"), "factor=28012").await;
        assert_eq!(sent, (StatusCode::NOT_FOUND, expected.clone()), "{token}");
    }
    for token in [good, key.preference_token(scope.customer, long_ago)] {
        let page = format!("{url}/preferences/{token}");
        let answer = read(&page, "en").await;
        assert_eq!(answer, (StatusCode::NOT_FOUND, expected.clone()), "{token}");
        let sent = submit(&page, "List-Unsubscribe=One-Click").await;
        assert_eq!(sent, (StatusCode::NOT_FOUND, expected.clone()), "{token}");
    }
}

#[tokio::test]
async fn what_was_ordered_is_hidden_until_the_second_factor_fits() {
    let follower = Follower::new("kim", "6400003").await;
    let url = follower.track_url().await;
    let (_, closed) = read(&url, "en").await;
    assert!(!closed.contains("Kolmar Rain Jacket"), "{closed}");
    let wishes = "What you hear from us</a>";
    assert!(!closed.contains(wishes), "a neighbour may have the link");
    let (status, wrong) = submit(&url, "factor=99999").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(wrong.contains("does not fit") && !wrong.contains("Kolmar"));
    let (status, open) = submit(&url, "factor=+Kim%40Followers.example").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        open.contains("<b>1 ×</b> <span>Kolmar Rain Jacket"),
        "{open}"
    );
    assert!(open.contains(wishes), "{open}");
    for expected in [403, 403, 429] {
        assert_eq!(submit(&url, "factor=99999").await.0.as_u16(), expected);
    }
    let (status, locked) = submit(&url, "factor=kim%40followers.example").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!locked.contains("Kolmar"), "{locked}");
    assert_eq!(read(&url, "en").await.0, StatusCode::OK, "the states stay");
}

#[tokio::test]
async fn what_is_said_on_the_preference_page_holds_from_the_next_news_on() {
    let follower = Follower::new("noor", "6400004").await;
    let mails = follower.mails().await;
    assert_eq!(mails.len(), 1);
    let named = link_in(&mails[0], "/preferences/").expect("news of orders names the page too");
    let (status, page) = read(&named, "en").await;
    assert!(
        status == StatusCode::OK && page.contains("order.email"),
        "{page}"
    );
    let url = follower.preferences_url().await;
    let said = "SELECT COUNT(*) FROM consents c JOIN customers p ON p.id = c.customer_id WHERE p.email = 'noor@followers.example'";
    let database = follower.shared.database().await;
    let (status, page) = read(&url, "en").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("name=\"order.email\" value=\"yes\" checked"),
        "{page}"
    );
    assert!(
        page.contains("name=\"marketing.email\" value=\"yes\">"),
        "{page}"
    );
    assert_eq!(database.number(said).await, 0, "reading changes nothing");
    let (status, saved) = submit(&url, "marketing.email=yes").await;
    assert_eq!(status, StatusCode::OK);
    assert!(saved.contains("Saved."), "{saved}");
    assert!(
        saved.contains("name=\"order.email\" value=\"yes\">"),
        "{saved}"
    );
    assert_eq!(database.number(said).await, 2, "both are in the history");
    follower.hear("shipment.delivered", 1).await;
    assert_eq!(follower.mails().await.len(), 1, "no mail any more");
    let one_click = submit(&format!("{url}?topic=order"), "List-Unsubscribe=One-Click").await;
    assert!(one_click.1.contains("no more news about your orders"));
}

/// A shop that sends an offer with each delivery to whoever wants offers.
async fn shop_with_offers() -> (Place, tempfile::TempDir, crate::support::server::Process) {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let files = tempfile::tempdir().unwrap();
    for (name, text) in [
        (
            "rules/offers.yaml",
            "rules:\n  - {on: delivered, template: offer, topic: marketing, channels: [email]}\n",
        ),
        (
            "templates/offer.en.md",
            "---\nsubject: Something for {{ order.number }}\n---\nA rucksack would go with it.\n",
        ),
    ] {
        let path = files.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let launch = Launch::serve(&place)
        .set("files_dir", &files.path().display().to_string())
        .set("links.secret", OFFERS_SECRET);
    let server = launch.start().await;
    (place, files, server)
}

const OFFERS_SECRET: &str = "signs the links of the shop with offers";

#[tokio::test]
async fn one_click_in_an_offers_mail_stops_offers_once_and_for_all() {
    let (place, _files, server) = shop_with_offers().await;
    let address = server.address();
    let database = place.database().await;
    let told = "SELECT COUNT(*) FROM commerce_events WHERE notified_at IS NULL";
    let sent = "SELECT COUNT(*) FROM deliveries WHERE settled_at IS NULL";
    let deliver = async |order: &str| {
        let parcel = format!("P{order}");
        let placed = order_placed(order, "C-offers", "eve@offers.example", &parcel);
        Hook::generic(&format!("placed-{order}"), &placed)
            .deliver(address)
            .await;
        let news = parcel_news("shipment.delivered", order, &parcel, 1);
        Hook::generic(&format!("delivered-{order}"), &news)
            .deliver(address)
            .await;
        for open in [told, sent] {
            eventually("the news to be told", async || {
                (database.number(open).await == 0).then_some(())
            })
            .await;
        }
        let outbox = place.outbox();
        let mails = doorstep_channels::email::outbox::list(&outbox, usize::MAX).await;
        let offers = mails.unwrap().into_iter();
        let offers = offers.filter(|mail| mail.text.contains("rucksack"));
        offers.map(|mail| mail.text).collect::<Vec<_>>()
    };

    assert!(
        deliver("6500001").await.is_empty(),
        "nobody asked for offers"
    );
    let id = database.texts("SELECT lower(hex(id)) FROM customers").await;
    let eve: CustomerId = serde_json::from_value(json!(id[0])).unwrap();
    let key = PageKey::new(OFFERS_SECRET.into());
    let token = key.preference_token(eve, now());
    let wanted = "marketing.email=yes&order.email=yes";
    let page = format!("http://{address}/preferences/{token}");
    assert_eq!(submit(&page, wanted).await.0, StatusCode::OK);

    let offers = deliver("6500002").await;
    assert_eq!(offers.len(), 1, "{offers:#?}");
    let stop = link_in(&offers[0], "/preferences/").expect("the mail names the page");
    assert_eq!(read(&stop, "en").await.0, StatusCode::OK);
    assert_eq!(deliver("6500003").await.len(), 2, "reading stops nothing");
    let history = "SELECT COUNT(*) FROM consents WHERE NOT granted";
    let before = database.number(history).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let (status, said) = submit(&stop, "List-Unsubscribe=One-Click").await;
        assert_eq!(status, StatusCode::OK);
        assert!(said.contains("no more offers"), "{said}");
        kept.push(database.number(history).await);
    }
    assert!(kept[0] > before, "the consent is revoked");
    assert_eq!(kept[0], kept[1], "and once");
    assert_eq!(deliver("6500004").await.len(), 2, "no offer any more");
}

#[tokio::test]
async fn the_shops_colour_is_on_its_pages_in_its_chat_and_in_its_mails() {
    let shop = Shop::with(&[("shop.accent", "#7a1f5c")]).await;
    let server = shop.process.address();
    let widget = shop.get("/widget.js").await;
    assert!(widget.contains("var(--doorstep-accent, #7a1f5c)"));
    assert!(!widget.contains("var(--doorstep-accent, #1f5c46)"));
    let (status, page) = read(&format!("http://{server}/track/nothing"), "en").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let own = "<link rel=\"stylesheet\" href=\"/pages/accent.css\">";
    assert!(page.contains(own), "{page}");
    let colours = shop.get("/pages/accent.css").await;
    assert!(colours.contains("--accent: #7a1f5c;"), "{colours}");
    assert!(colours.contains("prefers-color-scheme: dark"), "{colours}");
    let placed = order_placed("6600001", "C-colour", "iris@pages.example", "P6600001");
    Hook::generic("placed-6600001", &placed)
        .deliver(server)
        .await;
    let news = parcel_news("shipment.out_for_delivery", "6600001", "P6600001", 1);
    Hook::generic("van-6600001", &news).deliver(server).await;
    shop.told_everything().await;
    let mails = shop.mails().await;
    assert!(mails[0].html.contains("color:#7a1f5c"), "{}", mails[0].html);

    let shared = shared().await;
    let (_, page) = read(&format!("{}/track/nothing", shared.url()), "en").await;
    assert!(!page.contains("accent.css"), "{page}");
}
