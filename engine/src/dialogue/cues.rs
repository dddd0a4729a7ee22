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
    text.contains('#')
        || text
            .split(|c: char| !c.is_alphabetic())
            .any(|word| ORDER.iter().any(|cue| word.starts_with(cue)))
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
}
