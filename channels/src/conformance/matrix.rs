//! The table of scenarios and channels.

use std::fmt::Write as _;

use super::Outcome;

/// Plays all channels and compares the table with those in the documentation, which are written anew when
/// `DOORSTEP_BLESS=1`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_matrix_is_what_the_channels_do() {
    let mut played = Vec::new();
    #[cfg(feature = "webchat")]
    played.push(("Web chat", super::play(crate::webchat::tests::stage).await));
    #[cfg(feature = "email")]
    played.push((
        "E-mail",
        super::play(crate::email::receiving_tests::stage).await,
    ));
    #[cfg(feature = "discord")]
    played.push(("Discord", super::play(crate::discord::tests::stage).await));
    #[cfg(feature = "whatsapp")]
    played.push(("WhatsApp", super::play(crate::whatsapp::tests::stage).await));
    #[cfg(feature = "telegram")]
    played.push(("Telegram", super::play(crate::telegram::tests::stage).await));
    let table = render(&played);
    println!("{table}");
    for page in ["docs/channels/README.md", "README.md"] {
        let path = format!("{}/../{page}", env!("CARGO_MANIFEST_DIR"));
        let found = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = found.split_once("<!-- matrix -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- /matrix -->").unwrap();
        let wanted = format!("{before}<!-- matrix -->\n{table}<!-- /matrix -->{after}");
        if std::env::var_os("DOORSTEP_BLESS").is_some() {
            std::fs::write(path, wanted).unwrap();
            continue;
        }
        assert_eq!(
            found, wanted,
            "{page}: run this test with DOORSTEP_BLESS=1 and look at the change"
        );
    }
}

fn render(played: &[(&str, Vec<(&'static str, Outcome)>)]) -> String {
    let mut table = String::from("| scenario |");
    for (channel, _) in played {
        let _ = write!(table, " {channel} |");
    }
    table.push_str("\n|---|");
    table.push_str(&":-:|".repeat(played.len()));
    table.push('\n');
    let Some((_, first)) = played.first() else {
        return table;
    };
    for (row, (scenario, _)) in first.iter().enumerate() {
        let _ = write!(table, "| {scenario} |");
        for (_, outcomes) in played {
            let mark = match outcomes[row].1 {
                Outcome::Kept => "✓",
                Outcome::NotThere => "–",
            };
            let _ = write!(table, " {mark} |");
        }
        table.push('\n');
    }
    table
}
