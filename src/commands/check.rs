//! `doorstep check`

use doorstep_channels::templates::TemplateCheck;
use doorstep_core::{Problem, Timestamp};
use serde_json::json;

use super::{Failure, load_config, print, report};
use crate::{
    ambient, app::start_nlu, approved, cli::Cli, config::Config, doubts, merchant::MerchantFiles,
};

pub(super) async fn run(cli: &Cli) -> Result<(), Failure> {
    let found = match load_config(cli) {
        Ok(config) => MerchantFiles::load(&config).map(|merchant| (config, merchant)),
        Err(Failure::Problems(problems)) => Err(problems),
        Err(other) => return Err(other),
    };
    let now = ambient::system().now();
    let mut lists = Vec::new();
    let (problems, warnings) = match found {
        Ok((config, merchant)) => {
            let mut warnings = warnings(&config, &merchant).await?;
            lists = approved::check(&config, &merchant.templates).map_err(Failure::finding)?;
            warnings.extend(approved::warnings(&lists, &merchant.templates, now));
            (Vec::new(), warnings)
        }
        Err(problems) => (problems, Vec::new()),
    };
    if cli.json {
        let lists: Vec<_> = lists
            .iter()
            .map(|list| json!({ "channel": list.channel, "read_at": list.read_at }))
            .collect();
        print(json!({ "problems": problems, "warnings": warnings, "template_lists": lists }))?;
    } else {
        for list in &lists {
            report(&age(list, now));
        }
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

/// What templates were compared with.
fn age(list: &TemplateCheck, now: Timestamp) -> String {
    match list.read_at {
        Some(read_at) => {
            let hours = (now - read_at).num_hours();
            let at = read_at.format("%Y-%m-%d %H:%M");
            format!(
                "{}: its list of approved templates is of {at} UTC, {hours} hours old",
                list.channel
            )
        }
        None => format!(
            "{}: its list of approved templates was never read",
            list.channel
        ),
    }
}

/// Words that are missing in a language, and what the model makes of the merchant's own intents; it is not started for
/// nothing.
async fn warnings(config: &Config, merchant: &MerchantFiles) -> Result<Vec<Problem>, Failure> {
    let mut warnings = merchant.untranslated();
    warnings.extend(merchant.unwritten());
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
