//! `doorstep simulate`

use std::{path::Path, sync::Arc, time::Duration};

use doorstep_channels::simulator::{self, Act, Faults, Simulator, Start};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Failure, print, report};
use crate::{
    ambient,
    cli::{Cli, Simulate},
};

/// Who writes until `/as` says otherwise.
const CUSTOMER: &str = "ada";

pub(super) async fn run(cli: &Cli, arguments: &Simulate) -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let webhook = format!(
        "{}/webhooks/channels/{}",
        arguments.program.trim_end_matches('/'),
        arguments.provider
    );
    let how = Start {
        listen: arguments.listen,
        webhook,
        folder: std::path::absolute(&arguments.folder).map_err(Failure::finding)?,
        ambient: ambient::system(),
    };
    let started = simulator::start(&arguments.provider, how).await;
    let started = started.map_err(|error| match error {
        simulator::SimulatorError::Unknown { .. } => Failure::Misuse(error.to_string()),
        other => Failure::finding(other),
    })?;
    tell_settings(cli, &started.settings)?;
    let stage = Stage {
        simulator: started.simulator,
        json: cli.json,
    };
    stage.play().await
}

fn tell_settings(cli: &Cli, settings: &[(String, String)]) -> Result<(), Failure> {
    if cli.json {
        let settings: std::collections::BTreeMap<_, _> = settings.iter().cloned().collect();
        return print(json!({ "settings": settings }));
    }
    report("point the program at it with:");
    for (key, value) in settings {
        report(&format!("  --set '{key}={value}'"));
    }
    Ok(())
}

/// What a line of input asks for.
enum Line {
    As(String),
    Act(Act),
    Faults(Faults),
}

struct Stage {
    simulator: Arc<dyn Simulator>,
    json: bool,
}

impl Stage {
    /// Until the input ends; the simulator says when there is something to tell.
    async fn play(&self) -> Result<(), Failure> {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut customer = CUSTOMER.to_owned();
        let mut shown = 0;
        let mut changes = 0;
        loop {
            tokio::select! {
                line = lines.next_line() => match line.map_err(Failure::finding)? {
                    None => return Ok(()),
                    Some(line) => match read(line.trim()) {
                        Ok(None) => {}
                        Ok(Some(Line::As(name))) => {
                            shown = self.tell(&name, 0)?;
                            customer = name;
                        }
                        Ok(Some(Line::Faults(faults))) => self.simulator.inject(faults),
                        Ok(Some(Line::Act(act))) => {
                            if let Err(error) = self.simulator.act(&customer, act).await {
                                report(&error.to_string());
                            }
                        }
                        Err(sentence) => report(&sentence),
                    },
                },
                now = self.simulator.changed(changes) => {
                    changes = now;
                    shown = self.tell(&customer, shown)?;
                }
            }
        }
    }

    /// Prints what the customer's device shows beyond the first `told` messages; returns how many it shows.
    fn tell(&self, customer: &str, told: usize) -> Result<usize, Failure> {
        let shown = self.simulator.shown(customer);
        for message in shown.iter().skip(told) {
            if self.json {
                print(json!({
                    "to": customer, "id": message.id, "text": message.text,
                    "buttons": message.buttons, "images": message.images,
                }))?;
                continue;
            }
            print(format!(
                "{customer} < {}",
                message.text.replace('\n', "\n      ")
            ))?;
            for image in &message.images {
                print(format!("      [picture {image}]"))?;
            }
            if !message.buttons.is_empty() {
                print(format!("      [{}]", message.buttons.join("] [")))?;
            }
        }
        Ok(shown.len())
    }
}

fn read(line: &str) -> Result<Option<Line>, String> {
    if line.is_empty() {
        return Ok(None);
    }
    let Some(command) = line.strip_prefix('/') else {
        return Ok(Some(Line::Act(Act::Write(line.to_owned()))));
    };
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    let rest = rest.trim();
    let act = match word {
        "as" if !rest.is_empty() => return Ok(Some(Line::As(rest.to_owned()))),
        "faults" => return faults(rest).map(Line::Faults).map(Some),
        "press" => Act::Press(rest.to_owned()),
        "edit" => Act::Edit(rest.to_owned()),
        "follow" => Act::Follow(rest.to_owned()),
        "send" => file(rest)?,
        "other" => Act::DoSomethingElse,
        "block" => Act::Block,
        "unblock" => Act::Unblock,
        // The customer's own command: `/start`.
        _ => Act::Write(line.to_owned()),
    };
    Ok(Some(Line::Act(act)))
}

fn file(rest: &str) -> Result<Act, String> {
    let (path, words) = rest.split_once(' ').unwrap_or((rest, ""));
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let name = Path::new(path).file_name().unwrap_or_default();
    let media_type = match Path::new(path).extension().and_then(|end| end.to_str()) {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("pdf") => "application/pdf",
        Some("ogg") => "audio/ogg",
        Some("mp4") => "video/mp4",
        _ => "application/octet-stream",
    };
    Ok(Act::Send {
        name: name.to_string_lossy().into_owned(),
        media_type: media_type.to_owned(),
        bytes: bytes.into(),
        caption: Some(words.trim().to_owned()).filter(|words| !words.is_empty()),
    })
}

fn faults(list: &str) -> Result<Faults, String> {
    let mut faults = Faults::default();
    for part in list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (name, value) = part.split_once('=').unwrap_or((part, "1"));
        let number = || {
            let number: Option<f64> = value.parse().ok();
            number.ok_or_else(|| format!("{part}: `{value}` is no number"))
        };
        match name {
            "rate_limited" => faults.rate_limited = number()?,
            "retry_after" => {
                let seconds = number()?;
                faults.retry_after = Duration::try_from_secs_f64(seconds)
                    .map_err(|error| format!("{part}: {error}"))?;
            }
            "server_error" => faults.server_error = number()?,
            "lost_answer" => faults.lost_answer = number()?,
            "duplicate" => faults.duplicate = number()?,
            "reordered" => faults.reordered = number()?,
            "revoked" => faults.revoked = number()? > 0.0,
            "media_away" => faults.media_away = number()? > 0.0,
            "seed" => faults.seed = number()? as u64,
            other => {
                return Err(format!(
                    "`{other}` is no fault; there are rate_limited, retry_after, server_error, lost_answer, duplicate, \
                     reordered, revoked, media_away and seed"
                ));
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_by_name() {
        let told = faults("rate_limited=0.02, retry_after=3,revoked").unwrap();
        assert_eq!(told.rate_limited, 0.02);
        assert_eq!(told.retry_after, Duration::from_secs(3));
        assert!(told.revoked);
        assert!(faults("rain=1").unwrap_err().contains("`rain` is no fault"));
        assert!(faults("seed=x").is_err());
    }
}
