//! `doorstep eval answers`: asks the shop questions as customers do, and holds its answers against what is known of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use doorstep_core::{
    Language, Problem, Sku, Timestamp,
    message::OutboundMessage,
    product::{Product, StockLevel, Variant},
};
use doorstep_engine::{knowledge, phrasing, templates::format};
use serde_json::{Value, json};

use super::{
    bounds::{self, Bound, Limit},
    merge, round, table,
};
use crate::{
    ambient,
    app::App,
    catalog,
    cli::{Cli, EvalAnswers},
    commands::{Failure, config_or_demo, conversation::Conversation, print},
    config::ShopKind,
    merchant::MerchantFiles,
};

/// The questions about the demo shop.
const DEMO: &str = include_str!("../../../config/demo/questions.csv");

/// A question, and what is known of its answer.
#[derive(Debug, PartialEq)]
struct Question {
    language: Language,
    text: String,
    /// The sources with the answer; none when nobody has written it.
    sources: Vec<String>,
    /// Words that the answer holds.
    says: Option<String>,
}

/// How a question went.
struct Answered<'a> {
    question: &'a Question,
    text: String,
    /// What the answer rests on, without the time.
    sources: Vec<String>,
    invented: Vec<String>,
}

impl Answered<'_> {
    /// An answer that rests on nothing says nothing.
    fn is_answered(&self) -> bool {
        !self.sources.is_empty()
    }

    fn is_right(&self) -> bool {
        let expected = &self.question.sources;
        let found = |source: &String| {
            let name = source.strip_prefix("policy:").unwrap_or(source);
            let name = name.split_once(':').map_or(name, |(port, _)| port);
            expected.iter().any(|expected| expected == name)
        };
        let says = self.question.says.as_deref();
        self.sources.iter().any(found) && says.is_none_or(|words| self.text.contains(words))
    }

    /// Answered from the right source, or refused where nobody has written the answer; and nothing made up.
    fn is_as_wanted(&self) -> bool {
        let wanted = match self.question.sources.is_empty() {
            true => !self.is_answered(),
            false => self.is_right(),
        };
        wanted && self.invented.is_empty()
    }

    fn told(&self) -> Value {
        json!({
            "as_wanted": self.is_as_wanted(),
            "language": self.question.language,
            "question": self.question.text,
            "expected": self.question.sources.first(),
            "found": self.sources,
            "invented": self.invented,
        })
    }
}

/// `doorstep eval answers`
pub(in crate::commands) async fn run(cli: &Cli, arguments: &EvalAnswers) -> Result<(), Failure> {
    let own = arguments.questions.as_deref().map(read).transpose()?;
    let (mut config, _folder) = config_or_demo(cli)?;
    let questions = match own {
        Some(own) => own,
        None if config.shop.kind == ShopKind::Demo => {
            parse("config/demo/questions.csv", DEMO).map_err(Failure::Problems)?
        }
        None => {
            let reason = "the questions that are built in are about the demo shop; name yours with --questions";
            return Err(Failure::Misuse(reason.to_owned()));
        }
    };
    config.log.filter = "error".to_owned();
    crate::observe::start_logging(&config.log);
    let files = MerchantFiles::load(&config)
        .map_err(Failure::Problems)?
        .files;
    let passages = knowledge::passages(&files, Timestamp::UNIX_EPOCH).map_err(Failure::Problems)?;
    let app = App::start_for_command(config, ambient::system()).await?;
    catalog::indexed(&app).await;
    app.taught().await;
    let mut known = BTreeMap::<String, Vec<String>>::new();
    for passage in passages {
        let texts = known
            .entry(format!("policy:{}", passage.source))
            .or_default();
        texts.extend([passage.title, passage.body]);
    }
    let products = catalog::list_products(app.shop.as_ref())
        .await
        .map_err(Failure::finding)?;
    let mut answers = Vec::with_capacity(questions.len());
    for question in &questions {
        let mut conversation = Conversation::new(&app);
        conversation.language = Some(question.language.clone());
        let replies = conversation.say(&question.text).await?;
        let facts = look_up(&app, &products, &replies).await?;
        answers.push(judged(question, &replies, &known, &facts));
    }
    app.shut_down().await;
    let mut figures = figures(&answers);
    if arguments.verbose {
        let answers: Vec<Value> = answers.iter().map(Answered::told).collect();
        merge(&mut figures, json!({ "answers": answers }));
    }
    if cli.json {
        return print(figures);
    }
    table(&figures)?;
    let listed = match arguments.verbose {
        true => "answers",
        false => "misses",
    };
    print(listed)?;
    for answer in figures[listed].as_array().into_iter().flatten() {
        print(format!("  {answer}"))?;
    }
    Ok(())
}

/// What the customer saw: the texts, and what stands on the cards.
fn shown(replies: &[OutboundMessage]) -> String {
    let mut shown: Vec<&str> = Vec::new();
    for content in replies.iter().map(|reply| &reply.content) {
        shown.push(&content.text);
        for card in &content.cards {
            shown.push(&card.title);
            shown.extend(
                [&card.price, &card.stock]
                    .into_iter()
                    .flatten()
                    .map(String::as_str),
            );
        }
    }
    shown.join("\n")
}

/// What the shop itself says of the products that an answer names, asked for apart from it.
async fn look_up(
    app: &App,
    products: &[Product],
    replies: &[OutboundMessage],
) -> Result<Vec<String>, Failure> {
    let Some(first) = replies.first() else {
        return Ok(Vec::new());
    };
    let shown = shown(replies);
    let named = products
        .iter()
        .filter(|product| shown.contains(&product.title));
    let named: Vec<&Product> = named.collect();
    let variants = named.iter().flat_map(|product| &product.variants);
    let skus: Vec<Sku> = variants.map(|variant| variant.sku.clone()).collect();
    let levels = app.shop.stock(&skus).await.map_err(Failure::finding)?;
    let facts = named
        .into_iter()
        .flat_map(|product| facts_of(product, &levels, &first.language));
    Ok(facts.collect())
}

/// What may be told of a product: its description, the prices of its variants, and how many of them there are, of each size
/// and colour and of all.
fn facts_of(product: &Product, levels: &[StockLevel], language: &Language) -> Vec<String> {
    let level = |variant: &Variant| levels.iter().find(|level| level.sku == variant.sku);
    let units: Vec<(&Variant, &StockLevel)> = product
        .variants
        .iter()
        .filter_map(|variant| Some((variant, level(variant)?)))
        .collect();
    let mut facts = vec![described(product)];
    facts.extend(
        units
            .iter()
            .map(|(_, level)| format::money(language, &level.price)),
    );
    facts.extend(units.iter().filter_map(|(variant, _)| variant.size.clone()));
    let colours = values(&units, |variant| variant.colour.as_deref());
    for size in values(&units, |variant| variant.size.as_deref()) {
        for colour in &colours {
            let fits = |variant: &Variant| {
                (size.is_none() || variant.size.as_deref() == size)
                    && (colour.is_none() || variant.colour.as_deref() == *colour)
            };
            let fitting = units.iter().filter(|(variant, _)| fits(variant));
            let count: u32 = fitting.map(|(_, level)| level.quantity).sum();
            facts.push(count.to_string());
        }
    }
    facts
}

/// The values that units have, and `None` for all of them.
fn values<'v>(
    units: &[(&'v Variant, &StockLevel)],
    of: fn(&Variant) -> Option<&str>,
) -> BTreeSet<Option<&'v str>> {
    let own = units.iter().map(|(variant, _)| of(variant));
    own.chain([None]).collect()
}

/// What the catalog says of a product, without price and stock.
fn described(product: &Product) -> String {
    let values = product.attributes.values().flatten();
    let values: Vec<&str> = values.map(String::as_str).collect();
    format!(
        "{}\n{}\n{}",
        product.title,
        product.description,
        values.join("\n")
    )
}

fn judged<'a>(
    question: &'a Question,
    replies: &[OutboundMessage],
    known: &BTreeMap<String, Vec<String>>,
    facts: &[String],
) -> Answered<'a> {
    let text = shown(replies);
    let contents = replies.iter().map(|reply| &reply.content);
    let sources: Vec<String> = contents
        .flat_map(|content| &content.sources)
        .map(|source| source.name.clone())
        .collect();
    let mut rests_on: Vec<&str> = Vec::new();
    for source in &sources {
        let passages = known.get(source).into_iter().flatten();
        rests_on.extend(passages.map(String::as_str));
        if source.starts_with("shop:") {
            rests_on.extend(facts.iter().map(String::as_str));
        }
    }
    let language = replies
        .first()
        .map_or(&question.language, |reply| &reply.language);
    let invented = match sources.is_empty() {
        // What is said without a source is the replies' own wording.
        true => Vec::new(),
        false => phrasing::invented(&text, &rests_on, language),
    };
    Answered {
        question,
        text,
        sources,
        invented,
    }
}

fn figures(answers: &[Answered<'_>]) -> Value {
    let (answerable, unanswerable): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| !answer.question.sources.is_empty());
    let share = |count: usize, of: usize| (of > 0).then(|| round(count as f64 / of as f64));
    let is_answered = |answer: &&&Answered<'_>| answer.is_answered();
    let answered = answerable.iter().filter(is_answered).count();
    let right = answerable.iter().filter(|answer| answer.is_right()).count();
    let refused = unanswerable.len() - unanswerable.iter().filter(is_answered).count();
    let misses: Vec<Value> = answers
        .iter()
        .filter(|answer| !answer.is_as_wanted())
        .map(Answered::told)
        .collect();
    let mut figures = json!({
        "questions": answers.len(),
        "answerable": answerable.len(),
        "unanswerable": unanswerable.len(),
        "answered": share(answered, answerable.len()),
        "right": share(right, answerable.len()),
        "refused": share(refused, unanswerable.len()),
        "invented": answers.iter().map(|answer| answer.invented.len()).sum::<usize>(),
        "misses": misses,
    });
    let bounds = [
        Bound::of(&figures, "right", Limit::AtLeast(0.9)),
        Bound::of(&figures, "refused", Limit::AtLeast(0.95)),
        Bound::of(&figures, "invented", Limit::AtMost(0.0)),
    ];
    let bounds = bounds::told(bounds.into_iter().flatten());
    merge(&mut figures, bounds);
    figures
}

fn read(path: &Path) -> Result<Vec<Question>, Failure> {
    let misuse = |reason: String| Failure::Misuse(format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| misuse(error.to_string()))?;
    parse(&path.display().to_string(), &text).map_err(Failure::Problems)
}

fn parse(file: &str, text: &str) -> Result<Vec<Question>, Vec<Problem>> {
    let problem = |line: usize, field: &str, message: String, fix: &str| Problem {
        file: file.to_owned(),
        line,
        field: field.to_owned(),
        message,
        fix: fix.to_owned(),
    };
    let mut rows = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = rows.headers().cloned().unwrap_or_default();
    let place = |name: &str| {
        header
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    };
    let mut places = Vec::new();
    for name in ["language", "question", "source"] {
        match place(name) {
            Some(place) => places.push(place),
            None => {
                let fix = "name the columns language, question, source and says in the first line";
                return Err(vec![problem(
                    1,
                    name,
                    "there is no such column".to_owned(),
                    fix,
                )]);
            }
        }
    }
    let says = place("says");
    let (mut questions, mut problems) = (Vec::new(), Vec::new());
    for row in rows.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                problems.push(problem(
                    0,
                    "row",
                    error.to_string(),
                    "save the file as CSV in UTF-8",
                ));
                continue;
            }
        };
        let line = row
            .position()
            .map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
        let value =
            |place: Option<usize>| place.and_then(|place| row.get(place)).unwrap_or_default();
        let of = |place: usize| value(places.get(place).copied());
        match (of(0).parse::<Language>(), of(1)) {
            (Err(error), _) => {
                problems.push(problem(
                    line,
                    "language",
                    error.to_string(),
                    "write one like `en`",
                ));
            }
            (_, "") => {
                let message = "it is empty".to_owned();
                problems.push(problem(
                    line,
                    "question",
                    message,
                    "write it or drop the line",
                ));
            }
            (Ok(language), text) => questions.push(Question {
                language,
                text: text.to_owned(),
                sources: of(2)
                    .split('|')
                    .map(str::trim)
                    .filter(|source| !source.is_empty())
                    .map(str::to_owned)
                    .collect(),
                says: Some(value(says).to_owned()).filter(|words| !words.is_empty()),
            }),
        }
    }
    match problems.is_empty() {
        true => Ok(questions),
        false => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use doorstep_core::Money;
    use iso_currency::Currency;

    use super::*;

    #[test]
    fn questions_are_read_and_mistakes_are_named() {
        let text = "question,language,source,says\n\"Who pays, and when?\",en,returns.en.md#pay|returns.de.md#zahlt,30\nBitcoin?,es,,\n";
        let questions = parse("q.csv", text).unwrap();
        assert_eq!(questions[0].sources.len(), 2);
        assert_eq!(questions[0].says.as_deref(), Some("30"));
        assert!(questions[1].sources.is_empty() && questions[1].says.is_none());
        let told = |text: &str| parse("q.csv", text).unwrap_err()[0].to_string();
        assert!(told("question,source\n").starts_with("q.csv:1: language: "));
        assert!(told("language,question,source\nxx-1-,a,\n").starts_with("q.csv:2: language: "));
        assert!(told("language,question,source\nen,,\n").starts_with("q.csv:2: question: "));
    }

    #[test]
    fn what_an_answer_shows_of_a_product_is_held_against_what_the_shop_says() {
        let variant = |sku: &str, size: &str| Variant {
            sku: sku.into(),
            size: Some(size.to_owned()),
            colour: None,
        };
        let product = Product {
            id: "1".into(),
            title: "Rain Jacket".into(),
            description: "Keeps the rain out.".into(),
            brand: None,
            category: None,
            attributes: BTreeMap::new(),
            url: None,
            image: None,
            variants: vec![variant("A", "M"), variant("B", "L")],
            updated_at: None,
        };
        let level = |sku: &str, quantity| StockLevel {
            sku: sku.into(),
            price: Money::new(12_990, Currency::EUR),
            quantity,
            as_of: Timestamp::UNIX_EPOCH,
        };
        let facts = facts_of(
            &product,
            &[level("A", 2), level("B", 1)],
            &Language::ENGLISH,
        );
        let facts: Vec<&str> = facts.iter().map(String::as_str).collect();
        let invented = |shown: &str| phrasing::invented(shown, &facts, &Language::ENGLISH);
        for right in ["Rain Jacket\n€129.90\nOnly 3 left", "€129.90\nOnly 2 left"] {
            assert!(invented(right).is_empty(), "{right}: {:?}", invented(right));
        }
        for wrong in ["Rain Jacket\n€119.90\nOnly 3 left", "€129.90\nOnly 7 left"] {
            assert!(!invented(wrong).is_empty(), "{wrong}");
        }
    }

    #[test]
    fn the_questions_about_the_demo_shop_can_be_read() {
        let questions = parse("config/demo/questions.csv", DEMO).unwrap();
        let of_shop = questions
            .iter()
            .filter(|question| question.sources == ["shop"]);
        assert_eq!(of_shop.count(), 8);
    }

    #[test]
    fn an_answer_is_right_by_its_source_and_its_words() {
        let question = Question {
            language: Language::ENGLISH,
            text: "?".into(),
            sources: vec!["returns.en.md#pay".into(), "shop".into()],
            says: Some("30".into()),
        };
        let answered = |source: &str, text: &str| Answered {
            question: &question,
            text: text.into(),
            sources: vec![source.into()],
            invented: Vec::new(),
        };
        assert!(answered("policy:returns.en.md#pay", "30 days").is_right());
        assert!(answered("shop:demo", "30 days").is_right());
        assert!(!answered("policy:returns.en.md#pay", "60 days").is_right());
        assert!(!answered("policy:returns.en.md#else", "30 days").is_right());
    }
}
