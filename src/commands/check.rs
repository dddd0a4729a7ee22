//! `doorstep check`

use serde_json::json;

use super::{Failure, load_config, print};
use crate::{app::MerchantFiles, cli::Cli};

pub(super) fn run(cli: &Cli) -> Result<(), Failure> {
    let problems = match load_config(cli) {
        Ok(config) => MerchantFiles::load(&config).err().unwrap_or_default(),
        Err(Failure::Problems(problems)) => problems,
        Err(other) => return Err(other),
    };
    if cli.json {
        print(json!({ "problems": problems }))?;
    } else if problems.is_empty() {
        print("configuration, flows, rules and templates are in order")?;
    }
    match problems {
        problems if problems.is_empty() => Ok(()),
        problems => Err(Failure::Problems(problems)),
    }
}
