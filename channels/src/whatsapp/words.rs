//! The few words that WhatsApp's forms need and that a message does not bring along.

use doorstep_core::Language;

/// What opens a list; 20 characters at most.
pub(super) fn choose(language: &Language) -> &'static str {
    match language.primary() {
        "es" => "Elegir",
        "pt" => "Escolher",
        "fr" => "Choisir",
        "de" => "Auswählen",
        "it" => "Scegli",
        "ru" => "Выбрать",
        _ => "Choose",
    }
}

/// What opens a product's page; 20 characters at most.
pub(super) fn view(language: &Language) -> &'static str {
    match language.primary() {
        "es" => "Ver",
        "pt" => "Ver",
        "fr" => "Voir",
        "de" => "Ansehen",
        "it" => "Vedi",
        "ru" => "Посмотреть",
        _ => "View",
    }
}
