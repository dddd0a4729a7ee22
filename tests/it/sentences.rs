//! What real customers write, through `doorstep say`: each gets a sensible reply in its language.

use std::process::Stdio;

use serde_json::Value;

use crate::support::server::doorstep_command;

/// What is written, and what must be said to each of its wishes.
struct Sentence {
    said: &'static str,
    language: &'static str,
    /// Of each wish, in the order in which they are answered, words that the replies must hold, all of them.
    wishes: &'static [&'static [&'static str]],
}

const SENTENCES: [Sentence; 7] = [
    // Two languages: the Russian words carry the sentence. Is M in stock, or is it the size to take? Both are offered.
    Sentence {
        said: "Hola, у вас есть эта jacket в size M?",
        language: "ru",
        wishes: &[&["налич", "размер"]],
    },
    Sentence {
        said: "wheres my stuff",
        language: "en",
        wishes: &[&["Which order", "order number"]],
    },
    // Two wishes: both are answered, each with what the shop does about it.
    Sentence {
        said: "I was charged twice AND the zipper broke, what now??",
        language: "en",
        wishes: &[&["Payments", "looks into it"], &["make it right", "photo"]],
    },
    // The number is understood: what is missing is the proof of whose order it is.
    Sentence {
        said: "cancela mi pedido 10443 por favor",
        language: "es",
        wishes: &[&["correo electrónico", "código postal"]],
    },
    // Too much at once for the model to be sure: it offers what the first half asks for, and a person for the rest.
    Sentence {
        said: "ist die jacke wasserdicht und kommt sie noch vor freitag",
        language: "de",
        wishes: &[&["Produkt"], &["[Mit einem Menschen sprechen]"]],
    },
    // Angry, and accuses the shop: a person takes over.
    Sentence {
        said: "верните деньги, это обман",
        language: "ru",
        wishes: &[&["оллега"]],
    },
    // Not a shop's matter; what is, is told.
    Sentence {
        said: "what's the weather in Rome",
        language: "en",
        wishes: &[&["not something I can help with"], &["where your order is"]],
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
        let mut rest = replied.as_str();
        for words in sentence.wishes {
            for word in *words {
                assert!(
                    rest.contains(word),
                    "{}: no {word:?} where {words:?} should be said in: {replied}",
                    sentence.said
                );
            }
            // What answers the next wish comes after what begins to answer this one.
            let begun = words.first().and_then(|word| rest.split_once(word));
            rest = begun.map_or(rest, |(_, after)| after);
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
