//! The bot's menu of commands, in every language that replies are written in.

use std::collections::BTreeMap;

use super::config::Command;

/// Languages of the built-in menu, English first: it is also everybody else's.
const LANGUAGES: [&str; 7] = ["en", "es", "pt", "fr", "de", "it", "ru"];

/// Name, what it stands for, and what the menu says in [`LANGUAGES`].
const BUILT_IN: [(&str, &str, [&str; 7]); 6] = [
    (
        "start",
        "flow:greeting",
        [
            "Say hello",
            "Saludar",
            "Dizer olá",
            "Dire bonjour",
            "Hallo sagen",
            "Salutare",
            "Поздороваться",
        ],
    ),
    (
        "order",
        "flow:order_status",
        [
            "Where is my order?",
            "¿Dónde está mi pedido?",
            "Onde está o meu pedido?",
            "Où est ma commande ?",
            "Wo ist meine Bestellung?",
            "Dov'è il mio ordine?",
            "Где мой заказ?",
        ],
    ),
    (
        "return",
        "flow:return_request",
        [
            "Return something",
            "Devolver un artículo",
            "Devolver um artigo",
            "Retourner un article",
            "Etwas zurückgeben",
            "Restituire un articolo",
            "Вернуть товар",
        ],
    ),
    (
        "shipping",
        "flow:shipping",
        [
            "Shipping times and costs",
            "Plazos y gastos de envío",
            "Prazos e custos de envio",
            "Délais et frais de livraison",
            "Lieferzeiten und Versandkosten",
            "Tempi e costi di spedizione",
            "Сроки и стоимость доставки",
        ],
    ),
    (
        "human",
        "handoff",
        [
            "Talk to a person",
            "Hablar con una persona",
            "Falar com uma pessoa",
            "Parler à une personne",
            "Mit einem Menschen sprechen",
            "Parlare con una persona",
            "Поговорить с человеком",
        ],
    ),
    (
        "stop",
        "flow:stop_messages",
        [
            "Stop notifications",
            "Dejar de recibir avisos",
            "Parar de receber avisos",
            "Ne plus recevoir d'avis",
            "Keine Nachrichten mehr",
            "Non ricevere più avvisi",
            "Отключить уведомления",
        ],
    ),
];

/// What a button says that no longer means anything, in [`LANGUAGES`].
const STALE: [&str; 7] = [
    "This button is out of date. Please write what you need.",
    "Este botón ya no es válido. Escriba lo que necesita.",
    "Este botão já não é válido. Escreva o que precisa.",
    "Ce bouton n'est plus valable. Écrivez ce qu'il vous faut.",
    "Dieser Knopf gilt nicht mehr. Schreiben Sie bitte, was Sie brauchen.",
    "Questo pulsante non è più valido. Scriva cosa le serve.",
    "Эта кнопка устарела. Напишите, что вам нужно.",
];

/// The built-in menu.
pub(super) fn built_in() -> Vec<Command> {
    let command = |(name, value, texts): &(&str, &str, [&str; 7])| {
        let described = LANGUAGES.iter().zip(texts);
        Command {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            description: described
                .map(|(language, text)| ((*language).to_owned(), (*text).to_owned()))
                .collect(),
        }
    };
    BUILT_IN.iter().map(command).collect()
}

/// What a customer is told who presses a button that no longer means anything.
pub(super) fn stale(language: Option<&str>) -> &'static str {
    let found = LANGUAGES.iter().position(|known| Some(*known) == language);
    STALE[found.unwrap_or(0)]
}

impl Command {
    /// What the menu says in a language, given by its primary subtag.
    pub(super) fn text(&self, language: Option<&str>) -> &str {
        let text = language.and_then(|language| self.description.get(language));
        let text = text.or_else(|| self.description.get("en"));
        text.unwrap_or(&self.name)
    }
}

/// Every language that any command is described in, English left out: it stands for all others.
pub(super) fn languages(commands: &[Command]) -> Vec<&str> {
    let all = commands
        .iter()
        .flat_map(|command| command.description.keys())
        .map(|language| (language.as_str(), ()));
    let all: BTreeMap<&str, ()> = all.filter(|(language, ())| *language != "en").collect();
    all.into_keys().collect()
}
