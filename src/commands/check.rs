//! `doorstep check`

use doorstep_core::Problem;
use serde_json::json;

use super::{Failure, load_config, print, report};
use crate::{app::start_nlu, cli::Cli, config::Config, doubts, merchant::MerchantFiles};

pub(super) async fn run(cli: &Cli) -> Result<(), Failure> {
    let found = match load_config(cli) {
        Ok(config) => MerchantFiles::load(&config).map(|merchant| (config, merchant)),
        Err(Failure::Problems(problems)) => Err(problems),
        Err(other) => return Err(other),
    };
    let (problems, warnings) = match found {
        Ok((config, merchant)) => (Vec::new(), warnings(&config, &merchant).await?),
        Err(problems) => (problems, Vec::new()),
    };
    if cli.json {
        print(json!({ "problems": problems, "warnings": warnings }))?;
    } else {
        for warning in &warnings {
            report(&format!("warning: {warning}"));
        }
        if problems.is_empty() {
            print("configuration, flows, rules and templates are in order")?;
        }
    }
    match problems {
        problems if problems.is_empty() => Ok(()),
        problems => Err(Failure::Problems(problems)),
    }
}

/// Words that are missing in a language, and what the model makes of the merchant's own intents; it is not started for
/// nothing.
async fn warnings(config: &Config, merchant: &MerchantFiles) -> Result<Vec<Problem>, Failure> {
    let mut warnings = merchant.untranslated();
    if merchant.flows.own_intents().is_empty() {
        return Ok(warnings);
    }
    let section = config.nlu.clone();
    let nlu = tokio::task::spawn_blocking(move || start_nlu(&section))
        .await
        .map_err(Failure::finding)?
        .map_err(Failure::finding)?;
    let doubts = doubts::warnings(merchant, &nlu).await;
    warnings.extend(doubts.map_err(Failure::finding)?);
    Ok(warnings)
}
