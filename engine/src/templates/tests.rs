use doorstep_core::{ConfigFiles, Language, Money, Problem, Timestamp};
use iso_currency::Currency;
use serde_json::json;

use super::{Facts, Templates};

fn now() -> Timestamp {
    "2026-11-21T22:30:00Z".parse().unwrap()
}

fn facts() -> Facts {
    Facts::new(now(), chrono_tz::Europe::Madrid)
        .with("total", Money::new(129_000, Currency::EUR))
        .with("eta", json!({"from": "2026-11-22", "to": "2026-11-24"}))
        .with("count", 3)
        .with(
            "order",
            json!({"number": "10234", "placed_at": "2026-11-19T23:30:00Z"}),
        )
        .with("customer", json!({"name": "Ana García"}))
}

fn english() -> Language {
    Language::ENGLISH
}

fn load(files: &[(&str, &str)]) -> Result<Templates, Vec<Problem>> {
    Templates::load(&ConfigFiles::new(files.iter().copied()), &english())
}

fn said(language: &str, text: &str) -> String {
    let file = format!("replies/{language}.yaml");
    let english = "a: \"{{ count }}\"\ntoday: today\ntomorrow: tomorrow\n".to_owned();
    let own = format!("a: '{text}'\ntoday: hoy\ntomorrow: mañana\n");
    let mut files = vec![("replies/en.yaml", english.as_str())];
    files.retain(|(path, _)| *path != file);
    files.push((&file, &own));
    load(&files)
        .unwrap()
        .reply("a", &language.parse().unwrap(), &facts())
        .unwrap()
}

const SHIPPED: &str = "---
subject: \"Order {{ order.number }}\"
approved:
  name: order_shipped
  header: [\"{{ order.number }}\"]
  body: [\"{{ customer.name }}\", \"{{ total | money }}\"]
---
It is on its way.
";

#[test]
fn a_notification_brings_the_template_that_its_provider_approved() {
    let files = [
        ("replies/en.yaml", "a: b"),
        ("templates/shipped.en.md", "---\nsubject: s\n---\nt"),
        ("templates/shipped.pt-BR.md", SHIPPED),
    ];
    let templates = load(&files).unwrap();
    let told = |language: &str| {
        let language = language.parse().unwrap();
        templates.notification("shipped", &language, &facts())
    };
    let approved = told("pt-BR").unwrap().approved.unwrap();
    assert_eq!(approved.name, "order_shipped");
    assert_eq!(approved.language, "pt_BR", "as the provider writes it");
    assert_eq!(approved.header, ["10234"]);
    assert_eq!(approved.body, ["Ana García", "€\u{a0}1.290,00"]);
    assert_eq!(told("en").unwrap().approved, None);
    let form = templates.approved_forms().next().unwrap();
    assert_eq!(
        (form.line, form.header, form.body, form.buttons),
        (4, 1, 2, 0)
    );
    assert_eq!(templates.approved_form("shipped", "pt-BR"), Some(form));
    assert_eq!(templates.approved_form("shipped", "en"), None);
}

#[test]
fn a_mistake_in_what_fills_an_approved_template_is_named() {
    let wrong = SHIPPED.replace("customer.name", "customer.nmae");
    let files = [
        ("replies/en.yaml", "a: b"),
        ("templates/shipped.en.md", wrong.as_str()),
    ];
    let found = load(&files)
        .unwrap()
        .check_notification("shipped", &[facts()]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].field, "approved");
    assert!(
        found[0].message.contains("customer.nmae"),
        "{}",
        found[0].message
    );
}

#[test]
fn money_is_written_as_the_language_does() {
    assert_eq!(said("en", "{{ total | money }}"), "€1,290.00");
    assert_eq!(said("de", "{{ total | money }}"), "1.290,00\u{a0}€");
}

#[test]
fn days_are_named_in_the_language_and_the_customers_zone() {
    assert_eq!(
        said("es", "{{ order.placed_at | date }}"),
        "viernes, 20 de noviembre"
    );
    assert_eq!(
        said("ru", "{{ \"2026-11-23\" | date }}"),
        "понедельник, 23 ноября"
    );
}

#[test]
fn a_window_calls_near_days_by_their_names() {
    // 22:30 UTC on the 21st is still the 21st in Madrid, so the 22nd is tomorrow.
    assert_eq!(
        said("es", "{{ eta | window }}"),
        "mañana – martes, 24 de noviembre"
    );
}

#[test]
fn plurals_follow_the_languages_own_rules() {
    let russian = r##"{{ count | plural(one="# товар", few="# товара", many="# товаров", other="# товара") }}"##;
    assert_eq!(said("ru", russian), "3 товара");
    assert_eq!(
        said("en", r##"{{ 1 | plural(one="# item", other="# items") }}"##),
        "1 item"
    );
}

#[test]
fn a_region_writes_its_own_dates_and_money_in_the_shared_language() {
    let templates = load(&[(
        "replies/en.yaml",
        "a: \"{{ '2026-11-23' | date }}, {{ total | money }}\"\n",
    )])
    .unwrap();
    let say = |language: &str| {
        let language: Language = language.parse().unwrap();
        templates.reply("a", &language, &facts()).unwrap()
    };
    assert_eq!(say("en-GB"), "Monday 23 November, €1,290.00");
    // A fallback is English throughout.
    assert_eq!(say("ja"), "Monday, November 23, €1,290.00");
}

#[test]
fn a_missing_language_falls_back_to_its_primary_and_then_to_the_default() {
    let templates = load(&[
        ("replies/en.yaml", "hello: Hello\nonly: Only English\n"),
        ("replies/pt.yaml", "hello: Olá\n"),
    ])
    .unwrap();
    let brazilian: Language = "pt-BR".parse().unwrap();
    let say = |name: &str, language: &Language| templates.reply(name, language, &facts()).unwrap();
    assert_eq!(say("hello", &brazilian), "Olá");
    assert_eq!(say("only", &brazilian), "Only English");
    assert_eq!(say("hello", &"ja".parse().unwrap()), "Hello");
    assert_eq!(templates.language_of(&"ja".parse().unwrap()), None);
}

#[test]
fn a_merchants_reply_takes_the_place_of_the_built_in_one_alone() {
    let templates = load(&[
        ("replies/en.yaml", "hello: Ahoy\n"),
        ("built-in/replies/en.yaml", "hello: Hello\nbye: Good-bye\n"),
        ("replies/fr.yaml", "hello: Bonjour\n"),
    ])
    .unwrap();
    let say = |name: &str| templates.reply(name, &english(), &facts()).unwrap();
    assert_eq!(say("hello"), "Ahoy");
    assert_eq!(say("bye"), "Good-bye");
}

#[test]
fn what_is_nothing_leaves_no_trace_in_what_a_customer_reads() {
    let nobody = facts().with("nobody", None::<String>);
    let templates = load(&[("replies/en.yaml", "a: \"Hello{{ nobody }}!\"\n")]).unwrap();
    assert_eq!(templates.reply("a", &english(), &nobody).unwrap(), "Hello!");
}

#[test]
fn a_notification_has_subject_and_text() {
    let templates = load(&[
        ("replies/en.yaml", "today: today\n"),
        (
            "templates/delayed.en.md",
            "---\nsubject: \"Order {{ order.number }}\"\n---\nHello {{ customer.name | first_name }},\n\nsorry.\n",
        ),
    ])
    .unwrap();
    let content = templates
        .notification("delayed", &"es".parse().unwrap(), &facts())
        .unwrap();
    assert_eq!(content.subject.as_deref(), Some("Order 10234"));
    assert_eq!(content.text, "Hello Ana,\n\nsorry.");
    assert!(
        templates
            .check_notification("delayed", &[facts()])
            .is_empty()
    );
}

/// Each broken file, and the place, field and fix that must be named.
#[test]
fn every_mistake_is_named_with_file_line_field_and_fix() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "a: hi\nb: |\n  one\n  {{ total | mony }}\n",
            "replies/en.yaml:4: b: the filter `mony` does not exist",
            "did you mean `money`?",
        ),
        (
            "a: hi\nb: |\n  {% if order.number is definde %}x{% endif %}\n",
            "replies/en.yaml:3: b: the test `definde` does not exist",
            "did you mean `defined`?",
        ),
        (
            "a: |\n  one\n  {{ order.numbr }}\n",
            "replies/en.yaml:3: a: the variable `order.numbr` does not exist here",
            "did you mean `order.number`?",
        ),
        (
            "a: \"{% if count %}{{ ordr }}{% endif %}\"\n",
            "replies/en.yaml:1: a: the variable `ordr` does not exist here",
            "did you mean `order`?",
        ),
        (
            "a: \"{{ count\"\n",
            "replies/en.yaml:1: a:",
            "correct the template at this line",
        ),
        (
            "a: 'x\n",
            "replies/en.yaml:",
            "correct the YAML at this line",
        ),
        (
            "a: x\na: y\n",
            "replies/en.yaml:2: a: `a` stands here a second time",
            "remove one of the two",
        ),
        (
            "a: \"{{ order.number | money }}\"\n",
            "replies/en.yaml:1: a: this filter needs an amount",
            "some facts can be missing",
        ),
    ];
    for (text, place, fix) in cases {
        let problems = match load(&[("replies/en.yaml", text)]) {
            Ok(templates) => templates.check_reply("a", &[facts()]),
            Err(problems) => problems,
        };
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        let line = problems[0].to_string();
        assert!(line.starts_with(place), "{line}");
        assert!(line.contains(fix), "{line}");
    }
}

#[test]
fn a_file_without_language_or_subject_is_refused() {
    let problems = load(&[
        ("replies/en.yaml", "a: x\n"),
        ("replies/notalanguage.yaml", "a: x\n"),
        ("templates/x.md", "---\nsubject: a\n---\nb\n"),
        ("templates/y.en.md", "b\n"),
        ("templates/z.en.md", "---\nsubjct: a\n---\nb\n"),
    ])
    .unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[3].contains("templates/z.en.md:2: subjct") && lines[3].contains("`subject`"));
}
