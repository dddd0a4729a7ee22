//! `doorstep catalog import`

use std::path::Path;

use doorstep_core::product::Product;
use serde_json::json;

use super::{Failure, load_config, print, report};
use crate::{
    ambient,
    app::App,
    catalog,
    cli::{Cli, Role},
};

pub(super) async fn import(cli: &Cli, file: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Misuse(format!("{}: {error}", file.display())))?;
    let (products, problems) = parse(&text);
    for (line, problem) in &problems {
        report(&format!("{}:{line}: {problem}", file.display()));
    }
    let config = load_config(cli)?;
    crate::observe::start_logging(&config.log);
    let app = App::start(config, ambient::system(), Role::Web, false).await?;
    let changed = catalog::index_products(&app, &products)
        .await
        .map_err(Failure::finding)?;
    app.shut_down().await;
    let unchanged = products.len() - changed;
    if cli.json {
        print(json!({ "imported": changed, "unchanged": unchanged, "refused": problems.len() }))?;
    } else {
        print(format!(
            "{changed} imported, {unchanged} unchanged, {} refused",
            problems.len()
        ))?;
    }
    match problems.len() {
        0 => Ok(()),
        count => Err(Failure::Finding(format!(
            "{count} line(s) were refused; the rest is imported"
        ))),
    }
}

/// Products by line, and what is wrong with the others.
fn parse(text: &str) -> (Vec<Product>, Vec<(usize, String)>) {
    let mut products = Vec::new();
    let mut problems = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        match serde_json::from_str::<Product>(line) {
            Ok(product) if product.variants.is_empty() => {
                problems.push((
                    index + 1,
                    "variants: there is none; a product has at least one".to_owned(),
                ));
            }
            Ok(product) => products.push(product),
            Err(error) => problems.push((
                index + 1,
                format!("{error}; one product is one JSON object a line"),
            )),
        }
    }
    (products, problems)
}
