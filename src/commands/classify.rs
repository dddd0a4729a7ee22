//! `doorstep classify`

use std::time::Instant;

use doorstep_core::{
    nlu::{Nlu, NluContext},
    understanding::ScoredIntent,
};
use doorstep_nlu::LocalNlu;
use serde_json::json;

use super::{Failure, load_config, print, texts};
use crate::{
    ambient,
    app::start_nlu,
    cli::{Classify, Cli},
    config::Config,
    merchant::MerchantFiles,
};

/// How many intents are printed.
const SHOWN: usize = 5;

pub(super) async fn run(cli: &Cli, arguments: &Classify) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let section = config.nlu.clone();
    let nlu = tokio::task::spawn_blocking(move || start_nlu(&section))
        .await
        .map_err(Failure::finding)?
        .map_err(Failure::finding)?;
    let nlu = with_own_intents(&config, nlu).await?;
    let context = NluContext {
        language_hint: arguments.language.clone(),
        time_zone: config.shop.time_zone,
        now: ambient::system().now(),
    };
    for text in texts(&arguments.text) {
        let text = text.map_err(|error| Failure::Misuse(format!("standard input: {error}")))?;
        let text = doorstep_core::mask::mask_card_numbers(&text).into_owned();
        let started = Instant::now();
        let understanding = nlu
            .understand(&text, &context)
            .await
            .map_err(Failure::finding)?;
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
        print(line)?;
    }
    Ok(())
}

/// The model with the own intents of a merchant who has files. Those of the demo shop stay out of what is told of texts.
async fn with_own_intents(config: &Config, nlu: LocalNlu) -> Result<LocalNlu, Failure> {
    if config.files_dir.is_none() {
        return Ok(nlu);
    }
    let merchant = MerchantFiles::load(config).map_err(Failure::Problems)?;
    nlu.learn(&merchant.lesson())
        .await
        .map_err(Failure::finding)
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
