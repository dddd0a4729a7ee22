//! `doorstep classify`

use std::{
    io::{self, BufRead},
    sync::Arc,
    time::Instant,
};

use doorstep_core::{
    nlu::{Nlu, NluContext, NluError},
    shop::Shop,
    understanding::ScoredIntent,
};
use doorstep_engine::imported::WithImported;
use doorstep_nlu::LocalNlu;
use serde_json::{Value, json};

use super::{Failure, load_named_config, open_store, print, report};
use crate::{
    ambient,
    app::start_nlu,
    catalog,
    cli::{Classify, Cli},
    config::{Config, DatabaseKind, ShopKind},
    merchant::MerchantFiles,
    opening::{open_shop, told_shop},
};

/// How many intents are printed.
const SHOWN: usize = 5;

pub(super) async fn run(cli: &Cli, arguments: &Classify) -> Result<(), Failure> {
    let config = load_named_config(cli)?;
    let section = config.nlu.clone();
    let nlu = tokio::task::spawn_blocking(move || start_nlu(&section))
        .await
        .map_err(Failure::finding)?
        .map_err(Failure::finding)?;
    let (nlu, _) = with_own_intents(&config, nlu).await?;
    if let Err(error) = learn_catalog(&config, &nlu).await {
        report(&format!(
            "doorstep: products and attributes are not recognised, because the catalog cannot be read: {error}"
        ));
    }
    let context = NluContext {
        language_hint: arguments.language.clone(),
        time_zone: config.shop.time_zone,
        now: ambient::system().now(),
    };
    let mut left_out = 0;
    for line in lines(&arguments.text) {
        let Line { name, text } = line?;
        let understood = match text {
            Ok(text) => understand(&nlu, &text, &context)
                .await
                .map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
        };
        match understood {
            Ok(line) => print(line)?,
            Err(reason) => {
                left_out += 1;
                report(&format!("doorstep: {name}: {reason}"));
            }
        }
    }
    match left_out {
        0 => Ok(()),
        count => Err(Failure::Finding(format!("{count} text(s) were left out"))),
    }
}

/// A text and where it stands, or why it is none.
struct Line {
    name: String,
    text: Result<String, String>,
}

/// The texts of the command line, or the lines of standard input; one that cannot be read does not end them.
fn lines(arguments: &[String]) -> Box<dyn Iterator<Item = Result<Line, Failure>> + '_> {
    if !arguments.is_empty() {
        return Box::new((1..).zip(arguments).map(|(number, text)| {
            Ok(Line {
                name: format!("text {number}"),
                text: Ok(text.clone()),
            })
        }));
    }
    let lines = io::stdin().lock().split(b'\n');
    Box::new((1..).zip(lines).map(|(number, line)| {
        let mut line = line.map_err(|error| Failure::Misuse(format!("standard input: {error}")))?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Line {
            name: format!("standard input, line {number}"),
            text: String::from_utf8(line).map_err(|error| {
                let place = error.utf8_error().valid_up_to() + 1;
                format!("byte {place} is not UTF-8; save the file as UTF-8")
            }),
        })
    }))
}

/// What is told of a text.
async fn understand(nlu: &LocalNlu, text: &str, context: &NluContext) -> Result<Value, NluError> {
    let text = doorstep_core::mask::mask_card_numbers(text).into_owned();
    let started = Instant::now();
    let understanding = nlu.understand(&text, context).await?;
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    let mut line = json!({
        "text": text,
        "language": understanding.language,
        "intents": likeliest(&understanding.intents),
        "escalation": understanding.escalation,
        "sentiment": understanding.sentiment,
        "entities": understanding.entities,
        "backend": understanding.backend,
        "ms": (ms * 100.0).round() / 100.0,
    });
    if !understanding.asks.is_empty() {
        line["asks"] = json!(understanding.asks);
    }
    Ok(line)
}

/// Teaches what the shop calls its products and their attributes, as the server does when it starts: imported ones too. The
/// error is why nothing was learnt.
async fn learn_catalog(config: &Config, nlu: &LocalNlu) -> Result<(), String> {
    // Before anything speaks TLS; a second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ambient = ambient::system();
    let store = match is_there_a_store(config) {
        true => Some(open_store(config).await.map_err(reason)?),
        false => None,
    };
    let told = store.as_ref().map(told_shop);
    let shop = match (config.shop.kind, told) {
        (ShopKind::Webhooks, Some(told)) => told,
        (ShopKind::Webhooks, None) => return Err(nothing_imported(config)),
        _ => {
            open_shop(config, &ambient)
                .map_err(|error| error.to_string())?
                .0
        }
    };
    let all: Arc<dyn Shop> = match store {
        Some(store) => Arc::new(WithImported::new(shop.clone(), store)),
        None => shop.clone(),
    };
    let products = match catalog::list_products(all.as_ref()).await {
        Err(error) if config.shop.kind != ShopKind::Webhooks => {
            // A database of another version, or none of ours, leaves what the shop itself says.
            report(&format!(
                "doorstep: imported products are not recognised: {error}"
            ));
            catalog::list_products(shop.as_ref()).await
        }
        listed => listed,
    };
    let products = products.map_err(|error| error.to_string())?;
    if products.is_empty() && config.shop.kind == ShopKind::Webhooks {
        return Err(nothing_imported(config));
    }
    catalog::learn_words(nlu, &products).await;
    Ok(())
}

/// Whether a server, or an import, ever ran here. One that did not leaves nothing behind now either.
fn is_there_a_store(config: &Config) -> bool {
    config.database.kind != DatabaseKind::Sqlite || config.data_dir.join("doorstep.db").exists()
}

fn reason(failure: Failure) -> String {
    match failure {
        Failure::Finding(reason) | Failure::Misuse(reason) => reason,
        Failure::Problems(problems) => {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            told.join("; ")
        }
    }
}

fn nothing_imported(config: &Config) -> String {
    format!(
        "nothing was imported into {}; import the products with `doorstep catalog import`",
        config.data_dir.display()
    )
}

/// The model with the own intents of a merchant who has files, and their names. Those of the demo shop stay out of what is
/// told of texts.
pub(super) async fn with_own_intents(
    config: &Config,
    nlu: LocalNlu,
) -> Result<(LocalNlu, Vec<String>), Failure> {
    if config.files_dir.is_none() {
        return Ok((nlu, Vec::new()));
    }
    let merchant = MerchantFiles::load(config).map_err(Failure::Problems)?;
    let own = merchant.flows.own_intents().iter();
    let names = own.map(|intent| intent.name.clone()).collect();
    let nlu = nlu
        .learn(&merchant.lesson())
        .await
        .map_err(Failure::finding)?;
    Ok((nlu, names))
}

/// The likeliest intents, with confidences that a person can read.
fn likeliest(intents: &[ScoredIntent]) -> Vec<serde_json::Value> {
    let rounded = |confidence: f32| (f64::from(confidence) * 10_000.0).round() / 10_000.0;
    intents
        .iter()
        .take(SHOWN)
        .map(|intent| json!({ "name": intent.name, "confidence": rounded(intent.confidence) }))
        .collect()
}
