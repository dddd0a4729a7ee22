//! `doorstep eval answers`: asks the shop questions as customers do, and holds its answers against what is known of them.

use std::{collections::BTreeMap, path::Path};

use doorstep_core::{Language, Problem, Timestamp, message::OutboundMessage, product::Product};
use doorstep_engine::{knowledge, phrasing};
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
    merchant::MerchantFiles,
};

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
    let questions = read(&arguments.questions)?;
    let (mut config, _folder) = config_or_demo(cli)?;
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
    let products: Vec<String> = products.iter().map(described).collect();
    let mut answers = Vec::with_capacity(questions.len());
    for question in &questions {
        let mut conversation = Conversation::new(&app);
        conversation.language = Some(question.language.clone());
        let replies = conversation.say(&question.text).await?;
        answers.push(judged(question, &replies, &known, &products));
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

/// What the catalog says of a product; its price and stock are on the card.
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
    products: &[String],
) -> Answered<'a> {
    let contents = || replies.iter().map(|reply| &reply.content);
    let texts: Vec<&str> = contents().map(|content| content.text.as_str()).collect();
    let text = texts.join("\n");
    let sources: Vec<String> = contents()
        .flat_map(|content| &content.sources)
        .map(|source| source.name.clone())
        .collect();
    let mut rests_on: Vec<&str> = Vec::new();
    for source in &sources {
        let passages = known.get(source).into_iter().flatten();
        rests_on.extend(passages.map(String::as_str));
        if source.starts_with("shop:") {
            rests_on.extend(products.iter().map(String::as_str));
        }
    }
    let cards = contents().flat_map(|content| &content.cards);
    for card in cards {
        let shown = [&card.price, &card.stock].into_iter().flatten();
        rests_on.extend(shown.map(String::as_str));
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
