//! What real customers write, through `doorstep say`: each gets a sensible reply in its language.

use std::process::Stdio;

use serde_json::Value;

use crate::support::server::doorstep_command;

/// What is written, and words of which the replies must hold at least one of each line.
struct Sentence {
    said: &'static str,
    language: &'static str,
    replied: &'static [&'static [&'static str]],
}

const SENTENCES: [Sentence; 7] = [
    // Two languages: the Russian words carry the sentence. It is about a jacket's stock in M.
    Sentence {
        said: "Hola, у вас есть эта jacket в size M?",
        language: "ru",
        replied: &[&["налич", "куртк", "товар", "Какой"]],
    },
    Sentence {
        said: "wheres my stuff",
        language: "en",
        replied: &[&["order number"]],
    },
    // Two wishes: both are answered, in order.
    Sentence {
        said: "I was charged twice AND the zipper broke, what now??",
        language: "en",
        replied: &[&["Payments", "payment"], &["photo"]],
    },
    Sentence {
        said: "cancela mi pedido 10443 por favor",
        language: "es",
        replied: &[&["correo", "código postal"]],
    },
    Sentence {
        said: "ist die jacke wasserdicht und kommt sie noch vor freitag",
        language: "de",
        replied: &[&["Produkt", "Jacke", "jacke"]],
    },
    // Angry, and accuses the shop: a person takes over.
    Sentence {
        said: "верните деньги, это обман",
        language: "ru",
        replied: &[&["Коллега", "коллега"]],
    },
    Sentence {
        said: "what's the weather in Rome",
        language: "en",
        replied: &[&["not something I can help with"]],
    },
];

/// The text of each reply, and the labels of its buttons.
fn say(text: &str) -> String {
    let output = doorstep_command()
        .args(["--json", "say", text])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}: {told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let replies = told.lines().map(|line| {
        let reply: Value = serde_json::from_str(line).unwrap();
        let buttons = reply["buttons"].as_array().cloned().unwrap_or_default();
        let labels = buttons.iter().filter_map(|button| button["label"].as_str());
        labels.fold(reply["text"].as_str().unwrap().to_owned(), |text, label| {
            format!("{text} [{label}]")
        })
    });
    replies.collect::<Vec<_>>().join("\n")
}

#[test]
fn real_sentences_get_sensible_replies_in_their_language() {
    for sentence in SENTENCES {
        let replied = say(sentence.said);
        for words in sentence.replied {
            assert!(
                words.iter().any(|word| replied.contains(word)),
                "{}: none of {words:?} in: {replied}",
                sentence.said
            );
        }
        let detected = doorstep_nlu::detect_language(&replied, None);
        assert_eq!(
            detected.primary(),
            sentence.language,
            "{}: {replied}",
            sentence.said
        );
    }
}
