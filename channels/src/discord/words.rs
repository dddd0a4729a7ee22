//! What the channel itself says to customers, and the slash commands, in seven languages.

use doorstep_core::Language;
use serenity::{
    builder::{CreateCommand, CreateCommandOption},
    model::application::{CommandOptionType, InstallationContext, InteractionContext},
};

/// A text in English and in the other languages, in the order of [`LANGUAGES`].
type Texts = [&'static str; 7];

/// The languages of [`Texts`], as Discord writes them
/// (<https://discord.com/developers/docs/reference#locales>).
const LANGUAGES: [&str; 7] = ["en-US", "de", "es-ES", "fr", "it", "pt-BR", "ru"];

/// Above the choices of a select menu.
pub(super) const CHOOSE: Texts = [
    "Choose …",
    "Auswählen …",
    "Elige …",
    "Choisissez …",
    "Scegli …",
    "Escolha …",
    "Выберите …",
];

/// Where the conversation goes on, before a link to the thread.
pub(super) const CONTINUED: Texts = [
    "We continue here, just between us:",
    "Hier geht es weiter, nur unter uns:",
    "Seguimos aquí, en privado:",
    "La suite ici, entre nous :",
    "Continuiamo qui, in privato:",
    "Continuamos aqui, em particular:",
    "Продолжим здесь, только между нами:",
];

/// Where the conversation goes on when there is no support channel.
pub(super) const BY_DIRECT_MESSAGE: Texts = [
    "I have sent you a direct message.",
    "Ich habe dir eine Direktnachricht geschickt.",
    "Te he enviado un mensaje directo.",
    "Je vous ai envoyé un message privé.",
    "Ti ho inviato un messaggio diretto.",
    "Enviei uma mensagem direta para você.",
    "Я отправил вам личное сообщение.",
];

/// To what the bot cannot read without the message-content intent.
pub(super) const UNREADABLE: Texts = [
    "In this thread I can only read messages that mention me. Please mention me, or use /ask.",
    "In diesem Thread kann ich nur Nachrichten lesen, die mich erwähnen. Bitte erwähne mich oder nimm /fragen.",
    "En este hilo solo puedo leer mensajes que me mencionen. Mencióname o usa /preguntar.",
    "Dans ce fil, je ne peux lire que les messages qui me mentionnent. Mentionnez-moi ou utilisez /demander.",
    "In questo thread posso leggere solo i messaggi che mi menzionano. Menzionami oppure usa /chiedi.",
    "Neste tópico só consigo ler mensagens que me mencionam. Mencione-me ou use /perguntar.",
    "В этой ветке я вижу только сообщения с моим упоминанием. Упомяните меня или используйте /вопрос.",
];

/// When a message could not be stored in time.
pub(super) const TRY_AGAIN: Texts = [
    "That did not work just now. Please try again in a moment.",
    "Das hat gerade nicht geklappt. Bitte versuche es gleich noch einmal.",
    "No ha funcionado. Inténtalo de nuevo en un momento.",
    "Cela n’a pas fonctionné. Réessayez dans un instant.",
    "Non ha funzionato. Riprova tra un momento.",
    "Não funcionou agora. Tente de novo em instantes.",
    "Сейчас не получилось. Попробуйте ещё раз чуть позже.",
];

/// The text in the language; in English when it is none of ours.
pub(super) fn say(texts: &Texts, language: Option<&Language>) -> &'static str {
    let wanted = language.map_or("en", Language::primary);
    let found = LANGUAGES
        .iter()
        .position(|tag| tag.split('-').next() == Some(wanted));
    texts[found.unwrap_or(0)]
}

/// What a slash command asks of the customer.
struct OptionWords {
    names: Texts,
    descriptions: Texts,
    required: bool,
}

/// A slash command.
struct CommandWords {
    names: Texts,
    descriptions: Texts,
    /// What the customer says by using it; the option's value is put after it. Empty: the option's value alone.
    phrases: Texts,
    option: Option<OptionWords>,
}

/// The name of the command whose option is a link token.
const LINK: &str = "link";

const COMMANDS: [CommandWords; 5] = [
    CommandWords {
        names: [
            "ask",
            "fragen",
            "preguntar",
            "demander",
            "chiedi",
            "perguntar",
            "вопрос",
        ],
        descriptions: [
            "Ask the shop anything",
            "Den Shop etwas fragen",
            "Pregunta lo que quieras a la tienda",
            "Poser une question à la boutique",
            "Chiedi qualcosa al negozio",
            "Pergunte algo à loja",
            "Задать вопрос магазину",
        ],
        phrases: [""; 7],
        option: Some(OptionWords {
            names: [
                "question",
                "frage",
                "pregunta",
                "question",
                "domanda",
                "pergunta",
                "вопрос",
            ],
            descriptions: [
                "What would you like to know?",
                "Was möchtest du wissen?",
                "¿Qué quieres saber?",
                "Que voulez-vous savoir ?",
                "Che cosa vuoi sapere?",
                "O que você quer saber?",
                "Что вы хотите узнать?",
            ],
            required: true,
        }),
    },
    CommandWords {
        names: [
            "order",
            "bestellung",
            "pedido",
            "commande",
            "ordine",
            "pedido",
            "заказ",
        ],
        descriptions: [
            "Where is my order?",
            "Wo ist meine Bestellung?",
            "¿Dónde está mi pedido?",
            "Où est ma commande ?",
            "Dov’è il mio ordine?",
            "Onde está o meu pedido?",
            "Где мой заказ?",
        ],
        phrases: [
            "Where is my order",
            "Wo ist meine Bestellung",
            "¿Dónde está mi pedido",
            "Où est ma commande",
            "Dov’è il mio ordine",
            "Onde está o meu pedido",
            "Где мой заказ",
        ],
        option: Some(OptionWords {
            names: [
                "number",
                "nummer",
                "numero",
                "numero",
                "numero",
                "numero",
                "номер",
            ],
            descriptions: [
                "The order’s number",
                "Die Bestellnummer",
                "El número del pedido",
                "Le numéro de la commande",
                "Il numero dell’ordine",
                "O número do pedido",
                "Номер заказа",
            ],
            required: false,
        }),
    },
    CommandWords {
        names: [
            "return",
            "retoure",
            "devolver",
            "retour",
            "reso",
            "devolver",
            "возврат",
        ],
        descriptions: [
            "Send something back",
            "Etwas zurückschicken",
            "Devolver un artículo",
            "Retourner un article",
            "Restituire un articolo",
            "Devolver um item",
            "Вернуть товар",
        ],
        phrases: [
            "I want to return something",
            "Ich möchte etwas zurückschicken",
            "Quiero devolver un artículo",
            "Je veux retourner un article",
            "Voglio restituire un articolo",
            "Quero devolver um item",
            "Я хочу вернуть товар",
        ],
        option: None,
    },
    CommandWords {
        names: [
            "person",
            "mensch",
            "persona",
            "conseiller",
            "persona",
            "atendente",
            "человек",
        ],
        descriptions: [
            "Talk to a person",
            "Mit einem Menschen sprechen",
            "Hablar con una persona",
            "Parler à une personne",
            "Parlare con una persona",
            "Falar com uma pessoa",
            "Поговорить с человеком",
        ],
        phrases: [
            "I want to talk to a person",
            "Ich möchte mit einem Menschen sprechen",
            "Quiero hablar con una persona",
            "Je veux parler à une personne",
            "Voglio parlare con una persona",
            "Quero falar com uma pessoa",
            "Я хочу поговорить с человеком",
        ],
        option: None,
    },
    CommandWords {
        names: [
            LINK,
            "verbinden",
            "vincular",
            "associer",
            "collega",
            "vincular",
            "связать",
        ],
        descriptions: [
            "Show the shop who you are, with a code from the chat or a mail",
            "Dem Shop zeigen, wer du bist, mit einem Code aus Chat oder Mail",
            "Di a la tienda quién eres, con un código del chat o de un correo",
            "Dire à la boutique qui vous êtes, avec un code reçu par chat ou e-mail",
            "Di’ al negozio chi sei, con un codice ricevuto in chat o per e-mail",
            "Diga à loja quem você é, com um código do chat ou de um e-mail",
            "Показать магазину, кто вы, с кодом из чата или письма",
        ],
        phrases: [""; 7],
        option: Some(OptionWords {
            names: ["code", "code", "codigo", "code", "codice", "codigo", "код"],
            descriptions: [
                "The code",
                "Der Code",
                "El código",
                "Le code",
                "Il codice",
                "O código",
                "Код",
            ],
            required: true,
        }),
    },
];

/// What a customer says by a slash command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Words.
    Text(String),
    /// A link token.
    Link(String),
}

/// What is said by the command `name` with what was written into its option.
pub(super) fn said(name: &str, value: Option<&str>, language: Option<&Language>) -> Said {
    let value = value.map(str::trim).unwrap_or_default();
    if name == LINK {
        return Said::Link(value.to_owned());
    }
    let known = COMMANDS.iter().find(|command| command.names[0] == name);
    // A command that somebody registered by other means: its name is what was meant.
    let phrase = known.map_or(name, |command| say(&command.phrases, language));
    let text = [phrase, value];
    let text: Vec<&str> = text.into_iter().filter(|part| !part.is_empty()).collect();
    let question = known.is_some_and(|command| command.names[0] == "order");
    let end = if question { "?" } else { "" };
    Said::Text(format!("{}{end}", text.join(" ")))
}

/// All slash commands as they are registered: usable in direct messages with the bot and on the server.
pub(super) fn commands() -> Vec<CreateCommand> {
    COMMANDS.iter().map(create_command).collect()
}

/// The commands' names in English, by which Discord tells them.
pub(super) fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.names[0])
}

fn create_command(words: &CommandWords) -> CreateCommand {
    let mut command = CreateCommand::new(words.names[0])
        .description(words.descriptions[0])
        .integration_types(vec![InstallationContext::Guild])
        .contexts(vec![InteractionContext::Guild, InteractionContext::BotDm]);
    for (at, language) in LANGUAGES.iter().enumerate().skip(1) {
        command = command
            .name_localized(*language, words.names[at])
            .description_localized(*language, words.descriptions[at]);
    }
    if let Some(option) = &words.option {
        let mut created = CreateCommandOption::new(
            CommandOptionType::String,
            option.names[0],
            option.descriptions[0],
        )
        .required(option.required);
        for (at, language) in LANGUAGES.iter().enumerate().skip(1) {
            created = created
                .name_localized(*language, option.names[at])
                .description_localized(*language, option.descriptions[at]);
        }
        command = command.add_option(created);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_said_in_the_customers_language() {
        let german: Language = "de".parse().unwrap();
        let spanish: Language = "es-ES".parse().unwrap();
        let order = said("order", Some("FW-1001"), Some(&german));
        assert_eq!(
            order,
            Said::Text("Wo ist meine Bestellung FW-1001?".to_owned())
        );
        let ask = said("ask", Some(" ¿Hola? "), Some(&spanish));
        assert_eq!(ask, Said::Text("¿Hola?".to_owned()));
        assert_eq!(
            said("link", Some("abc"), None),
            Said::Link("abc".to_owned())
        );
    }
}
