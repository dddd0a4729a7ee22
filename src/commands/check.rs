//! `doorstep check`

use doorstep_channels::templates::TemplateCheck;
use doorstep_core::{Problem, Timestamp};
use doorstep_nlu::Model;
use serde_json::json;

use super::{Failure, load_config, print, report, sources};
use crate::{
    ambient,
    app::start_nlu,
    approved, assets,
    cli::Cli,
    config::Config,
    doubts,
    merchant::{MerchantFiles, as_opened},
    nowhere,
    opening::with_kept_secrets,
    overlay,
    rendered::{self, Findings},
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
            let Findings {
                mut problems,
                mut warnings,
            } = render(&config, &merchant)?;
            problems.extend(merchant.untranslated(&config.shop.languages));
            problems.extend(merchant.written_out());
            warnings.extend(merchant.unwritten());
            warnings.extend(merchant.silent());
            warnings.extend(too_careful(cli, &config)?);
            warnings.extend(doubts_of(&config, &merchant).await?);
            lists = approved::check(&config, &merchant.templates).map_err(Failure::finding)?;
            let spoken = &config.shop.languages;
            warnings.extend(approved::warnings(&lists, &merchant, spoken, now));
            let folder = config.files_dir.as_deref();
            let opened = |found| as_opened(found, folder);
            let (problems, mut warnings) = (opened(problems), opened(warnings));
            warnings.extend(folder.map(overlay::unread).unwrap_or_default());
            warnings.extend(config.made_secrets(&sources(cli)));
            (problems, warnings)
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

/// What rules would say, looked at on their channels, and all templates on those that are not configured. What these make at their first start (secrets, folders) is thrown away:
/// a check leaves nothing behind.
fn render(config: &Config, merchant: &MerchantFiles) -> Result<Findings, Failure> {
    let ambient = ambient::system();
    let folder = tempfile::tempdir().map_err(Failure::finding)?;
    let mut config = config.clone();
    config.data_dir = folder.path().to_owned();
    let config = with_kept_secrets(config, &ambient)?;
    let channels = nowhere::open_channels(&config, &ambient).map_err(Failure::finding)?;
    let others = nowhere::open_unconfigured(&config, &ambient).map_err(Failure::finding)?;
    let now = ambient.now();
    let mut findings = rendered::check(merchant, &channels, now);
    findings
        .warnings
        .extend(rendered::check_unconfigured(merchant, &others, now));
    Ok(findings)
}

/// A `max_wrong` so small that the model would answer nothing.
fn too_careful(cli: &Cli, config: &Config) -> Result<Option<Problem>, Failure> {
    let max_wrong = config.nlu.max_wrong;
    let model = Model::new(assets::MODEL, assets::TOKENIZER, assets::MODEL_METADATA);
    let answers = model.map_err(Failure::finding)?.answers_at(max_wrong);
    let file = cli.config.as_ref().map(|file| file.display().to_string());
    Ok((!answers).then(|| Problem {
        file: file.unwrap_or_else(|| "configuration".to_owned()),
        line: 0,
        field: "nlu.max_wrong".to_owned(),
        message: format!(
            "at {max_wrong} nothing would be answered: the held-out messages prove no confidence sure enough"
        ),
        fix: "let it be larger; 0.05 is usual".to_owned(),
    }))
}

/// What the model makes of the merchant's own intents; it is not started for nothing.
async fn doubts_of(config: &Config, merchant: &MerchantFiles) -> Result<Vec<Problem>, Failure> {
    if merchant.flows.own_intents().is_empty() {
        return Ok(Vec::new());
    }
    let section = config.nlu.clone();
    let nlu = tokio::task::spawn_blocking(move || start_nlu(&section))
        .await
        .map_err(Failure::finding)?
        .map_err(Failure::finding)?;
    let doubts = doubts::warnings(merchant, &nlu).await;
    doubts.map_err(Failure::finding)
}
