//! The few words that are read without the model, because a customer's right or money hangs on them or because they
//! must work when the model does not.

/// Whole messages that stop what we send, in any language we write (as the messaging providers' rules want it).
const STOP: [&str; 37] = [
    "stop",
    "stop all",
    "stopall",
    "unsubscribe",
    "cancel messages",
    "end messages",
    "quit",
    "baja",
    "alto",
    "parar",
    "para",
    "cancelar suscripción",
    "stopp",
    "abmelden",
    "abbestellen",
    "arrêt",
    "arret",
    "désabonner",
    "sair",
    "fermare",
    "стоп",
    "отписаться",
    "parar mensajes",
    "darme de baja",
    "cancelar inscrição",
    "cancelar inscricao",
    "descadastrar",
    "pare",
    "se désabonner",
    "desabonner",
    "stopper",
    "disiscriviti",
    "annulla iscrizione",
    "ferma",
    "stop messaggi",
    "отписка",
    "стоп сообщения",
];
/// Whole messages that start it again.
const START: [&str; 22] = [
    "start",
    "unstop",
    "subscribe",
    "resume messages",
    "alta",
    "empezar",
    "suscribir",
    "anmelden",
    "starten",
    "commencer",
    "démarrer",
    "début",
    "começar",
    "iniziare",
    "старт",
    "подписаться",
    "abonnieren",
    "s'abonner",
    "reprendre",
    "iscriviti",
    "inizia",
    "inscrever",
];
/// Whole messages that ask what can be asked.
const HELP: [&str; 44] = [
    "help",
    "help me",
    "menu",
    "commands",
    "what can you do",
    "what can you do for me",
    "what can i ask",
    "what can i ask you",
    "how can you help",
    "how can you help me",
    "how does this work",
    "ayuda",
    "ayúdame",
    "qué puedes hacer",
    "que puedes hacer",
    "qué sabes hacer",
    "en qué me puedes ayudar",
    "cómo funciona esto",
    "ajuda",
    "o que você pode fazer",
    "o que podes fazer",
    "o que sabes fazer",
    "como pode me ajudar",
    "aide",
    "aidez-moi",
    "que peux-tu faire",
    "que pouvez-vous faire",
    "qu'est-ce que tu peux faire",
    "tu peux faire quoi",
    "hilfe",
    "was kannst du",
    "was kannst du alles",
    "was können sie",
    "was kann ich fragen",
    "wie funktioniert das",
    "aiuto",
    "cosa puoi fare",
    "cosa sai fare",
    "come funziona",
    "помощь",
    "помоги",
    "что ты умеешь",
    "что вы умеете",
    "как это работает",
];
/// Beginnings of words that mark a number as an order's, or as another one than before.
const ORDER: [&str; 15] = [
    "order",
    "pedido",
    "bestell",
    "auftrag",
    "commande",
    "ordin",
    "encomenda",
    "заказ",
    "other",
    "otro",
    "otra",
    "ander",
    "autre",
    "altro",
    "друг",
];

/// Words for another one.
const OTHER: [&str; 26] = [
    "other",
    "another",
    "otro",
    "otra",
    "outro",
    "outra",
    "autre",
    "altro",
    "altra",
    "andere",
    "anderen",
    "anderer",
    "anderes",
    "другой",
    "другая",
    "другое",
    "другого",
    "другую",
    "другом",
    "others",
    "otros",
    "otras",
    "outros",
    "outras",
    "autres",
    "другие",
];
/// Beginnings of words that can follow those without naming anything but an order.
const ORDERED: [&str; 9] = [
    "order",
    "pedido",
    "bestell",
    "auftrag",
    "commande",
    "ordin",
    "encomenda",
    "заказ",
    "purchase",
];
/// Words that can follow them and say nothing.
const FILLERS: [&str; 12] = [
    "one", "ones", "please", "pls", "too", "bitte", "auch", "porfa", "por", "também", "aussi",
    "anche",
];

/// Whole messages that take note of what was told.
const NOTED: [&str; 52] = [
    "ok",
    "okay",
    "okey",
    "k",
    "kk",
    "alright",
    "all right",
    "got it",
    "understood",
    "i see",
    "fine",
    "that's all",
    "thats all",
    "that is all",
    "vale",
    "de acuerdo",
    "entendido",
    "está bien",
    "esta bien",
    "eso es todo",
    "nada más",
    "nada mas",
    "es todo",
    "certo",
    "tá bom",
    "ta bom",
    "está bem",
    "entendi",
    "beleza",
    "é só isso",
    "isso é tudo",
    "d'accord",
    "entendu",
    "compris",
    "ça marche",
    "c'est bon",
    "c'est tout",
    "alles klar",
    "in ordnung",
    "verstanden",
    "das ist alles",
    "das war's",
    "das wars",
    "va bene",
    "capito",
    "tutto chiaro",
    "è tutto",
    "ок",
    "хорошо",
    "понятно",
    "ясно",
    "это всё",
];
/// Signs that say as much, or thank for it.
const NODS: &str = "👍👌🙏❤♥💙💚🧡💛💜🙂😊😀😃😄😁🤗😍🥰😘🤩😉☺✅✔🎉💪👏🙌🫶";
/// What makes other signs of them: skin, variants, joints.
const SHADES: &str = "🏻🏼🏽🏾🏿\u{fe0f}\u{200d}";

/// Beginnings of words for an address.
const ADDRESS: [&str; 9] = [
    "address",
    "direcci",
    "endere",
    "morada",
    "adress",
    "anschrift",
    "indirizz",
    "адрес",
    "domicil",
];
/// Beginnings of words for having moved to another one.
const MOVING: [&str; 16] = [
    "moved",
    "moving",
    "mudad",
    "mudé",
    "mudei",
    "mudamo",
    "déménag",
    "demenag",
    "umgezogen",
    "umzieh",
    "umzug",
    "trasferit",
    "traslocat",
    "переех",
    "переезж",
    "переезд",
];
/// Beginnings of words for sending something somewhere.
const SENDING: [&str; 21] = [
    "send",
    "ship",
    "deliver",
    "enví",
    "envi",
    "mand",
    "entreg",
    "livr",
    "envoy",
    "envoi",
    "expéd",
    "schick",
    "liefer",
    "versend",
    "sped",
    "consegn",
    "отправ",
    "достав",
    "пришл",
    "привез",
    "перешл",
];
/// Words that lead to a place.
const TOWARDS: [&str; 12] = [
    "to", "a", "al", "à", "au", "para", "vers", "nach", "ad", "per", "в", "на",
];
/// The intent of a whole message that stops or starts what we send.
pub(crate) fn preference_intent(text: &str) -> Option<&'static str> {
    let text = whole(text);
    if STOP.contains(&text.as_str()) {
        Some("stop_messages")
    } else if START.contains(&text.as_str()) {
        Some("start_messages")
    } else {
        None
    }
}

/// Whether the whole message asks what can be asked.
pub(crate) fn asks_for_help(text: &str) -> bool {
    HELP.contains(&whole(text).as_str())
}

/// A message without its case, and without punctuation around it.
fn whole(text: &str) -> String {
    text.trim()
        .trim_matches(|c: char| c.is_ascii_punctuation() || matches!(c, '¡' | '¿'))
        .trim()
        .to_lowercase()
}

/// Whether a number in the text is called an order's.
pub(crate) fn speaks_of_an_order(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains('#') || words(&text).any(|word| ORDER.iter().any(|cue| word.starts_with(cue)))
}

/// Whether the words mean another one than was spoken of, and if they say what, then an order: "the other one", "my other
/// order", and not "the other size".
pub(crate) fn speaks_of_another_order(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut after = words(&text).skip_while(|word| !OTHER.contains(word));
    let is_said = after.next().is_some();
    let is_order = |word: &str| ORDERED.iter().any(|cue| word.starts_with(cue));
    is_said
        && after
            .next()
            .is_none_or(|word| FILLERS.contains(&word) || is_order(word))
}

/// Whether the whole message takes note of what was told, by a word or by a sign alone.
pub(crate) fn takes_note(text: &str) -> bool {
    let signs = text.trim();
    let nods = |c: char| c.is_whitespace() || NODS.contains(c) || SHADES.contains(c);
    !signs.is_empty() && signs.chars().all(nods) || NOTED.contains(&whole(text).as_str())
}

/// Whether an address is spoken of, an old or a new one.
pub(crate) fn speaks_of_an_address(text: &str) -> bool {
    has_word_of(text, &ADDRESS)
}

/// Whether somebody moved.
pub(crate) fn speaks_of_moving(text: &str) -> bool {
    has_word_of(text, &MOVING)
}

/// Whether the last word of `before` leads to what follows it: "to 28013".
pub(crate) fn leads_there(before: &str) -> bool {
    let last = before.split_whitespace().next_back();
    last.is_some_and(|last| TOWARDS.contains(&last.to_lowercase().as_str()))
}

/// Whether `before` has something sent to what follows it: "send it to Calle Mayor 5,". Not where a postcode is called so:
/// "when do you deliver to me, postcode 28012".
pub(crate) fn is_sent_there(before: &str) -> bool {
    const POSTCODE: [&str; 8] = [
        "postcode",
        "postal",
        "zip",
        "plz",
        "postleitzahl",
        "cep",
        "postale",
        "индекс",
    ];
    let before = before.to_lowercase();
    let words: Vec<&str> = words(&before).collect();
    let is_sent = |word: &&str| SENDING.iter().any(|cue| word.starts_with(cue));
    let mut after = words.iter().copied().skip_while(|word| !is_sent(word));
    after.any(|word| TOWARDS.contains(&word)) && !words.iter().any(|word| POSTCODE.contains(word))
}

/// Whether a word begins like one of these.
fn has_word_of(text: &str, beginnings: &[&str]) -> bool {
    let text = text.to_lowercase();
    words(&text).any(|word| beginnings.iter().any(|cue| word.starts_with(cue)))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
}

/// Whether somebody asks, as far as punctuation tells.
pub(crate) fn is_question(text: &str) -> bool {
    text.contains(['?', '？', '؟'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_message_stops_and_a_sentence_does_not() {
        assert_eq!(preference_intent(" STOP! "), Some("stop_messages"));
        assert_eq!(preference_intent("Baja"), Some("stop_messages"));
        assert_eq!(preference_intent("START"), Some("start_messages"));
        assert_eq!(preference_intent("stop my order please"), None);
        // English, Spanish, Portuguese, French, German, Italian, Russian.
        let stops = [
            "Unsubscribe",
            "BAJA",
            "Sair",
            "Arrêt.",
            "Abmelden",
            "Disiscriviti",
            "Стоп",
        ];
        let starts = [
            "Start",
            "Alta",
            "Começar",
            "Démarrer",
            "Anmelden",
            "Inizia",
            "Старт",
        ];
        for (stop, start) in stops.into_iter().zip(starts) {
            assert_eq!(preference_intent(stop), Some("stop_messages"), "{stop}");
            assert_eq!(preference_intent(start), Some("start_messages"), "{start}");
        }
    }

    #[test]
    fn help_is_asked_for_by_a_whole_message() {
        assert!(asks_for_help("What can you do?"));
        assert!(asks_for_help("¿Qué puedes hacer?"));
        assert!(!asks_for_help("help me find a tent"));
    }

    #[test]
    fn a_number_is_an_orders_when_it_is_called_so() {
        assert!(speaks_of_an_order("no, el otro: 10235"));
        assert!(speaks_of_an_order("#10235"));
        assert!(!speaks_of_an_order("es el 28012"));
    }

    #[test]
    fn another_order_is_meant_in_every_language() {
        for text in [
            "and the other one?",
            "no, the other order",
            "y el otro?",
            "e o outro pedido?",
            "et l'autre commande ?",
            "und die andere?",
            "e l'altro ordine?",
            "а другой заказ?",
        ] {
            assert!(speaks_of_another_order(text), "{text}");
        }
        for text in [
            "the other parcel?",
            "in another colour",
            "where is my order",
        ] {
            assert!(!speaks_of_another_order(text), "{text}");
        }
    }

    #[test]
    fn note_is_taken_by_a_whole_message() {
        for text in [
            "OK!",
            "alles klar.",
            "vale",
            "d'accord",
            "хорошо",
            "👍",
            "👍🏽 ❤️",
        ] {
            assert!(takes_note(text), "{text}");
        }
        for text in ["", "ok where is it", "😡", "👍 10234", " "] {
            assert!(!takes_note(text), "{text}");
        }
    }

    #[test]
    fn an_address_to_go_to_is_told_from_one_that_proves() {
        for before in [
            "send order 10234 to ",
            "schickt die Bestellung 10234 nach ",
            "enviad el pedido 10234 a ",
        ] {
            assert!(leads_there(before), "{before}");
        }
        assert!(is_sent_there("deliver it to Calle Mayor 5, "));
        assert!(is_sent_there("отправьте его в Мадрид, "));
        assert!(!is_sent_there("when do you deliver to me? My postcode is "));
        assert!(!is_sent_there(
            "where is order 10234, I live in Calle Mayor 5, "
        ));
        assert!(speaks_of_moving("me he mudado"));
        assert!(speaks_of_an_address("la nueva dirección: 10234 28013"));
        assert!(!speaks_of_an_address("10234 28012"));
    }
}
