//! `doorstep links`

use doorstep_core::message::Address;
use doorstep_engine::Store;
use serde_json::json;

use super::{Failure, load_config, open_store, print};
use crate::cli::{Cli, Links};

pub(super) async fn run(cli: &Cli, command: &Links) -> Result<(), Failure> {
    let config = load_config(cli)?;
    let store = open_store(&config).await?;
    match command {
        Links::List { channel, address } => {
            let address = Address::new(channel.as_str(), address);
            list(cli, &store, &address).await
        }
        Links::Undo { channel, address } => {
            let address = Address::new(channel.as_str(), address);
            undo(&store, &address).await
        }
    }
}

async fn list(cli: &Cli, store: &Store, address: &Address) -> Result<(), Failure> {
    let linked = store.linked_to(address).await.map_err(Failure::finding)?;
    for (address, proven_by) in linked {
        let (channel, id) = (&address.channel, &address.id);
        match cli.json {
            true => print(json!({"channel": channel, "address": id, "proven_by": proven_by}))?,
            false => print(format!("{channel}\t{id}\t{proven_by}"))?,
        }
    }
    Ok(())
}

async fn undo(store: &Store, address: &Address) -> Result<(), Failure> {
    match store.unlink(address, "operator").await {
        Ok(true) => print("the address is nobody's until it is proven again"),
        Ok(false) => Err(Failure::Finding(
            "the address was nobody's; `doorstep links list` shows what is linked".to_owned(),
        )),
        Err(error) => Err(Failure::finding(error)),
    }
}
