//! Understanding without the model (G7): entities, language, the few intents that words give away, and what a person must see.

mod alarm;

use std::sync::LazyLock;

use doorstep_core::{
    nlu::NluContext,
    understanding::{Backend, EntityKind, Escalation, ScoredIntent, Sentiment, Understanding},
};
use regex::Regex;

use crate::{
    entities::{EntityReader, fixed},
    language,
    session::truncate,
};

/// How sure a rule is that matched. Less than a model that is sure, enough to act on.
const CERTAIN: f32 = 0.9;
const LIKELY: f32 = 0.7;
/// What is said of a text that no rule knows.
const UNKNOWN: f32 = 0.2;
/// A rule that matched is acted on; what no rule knows is not.
const ACCEPT: f32 = 0.5;

/// Words that give an intent away, in all languages at once: by rules alone, a word means the same wherever it stands.
struct Rule {
    intent: &'static str,
    confidence: f32,
    pattern: Regex,
}

/// In order of precedence: who asks for a person or for silence gets it, whatever else is said.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let anywhere = |intent, confidence, words: &str| Rule {
        intent,
        confidence,
        pattern: fixed(&format!(r"(?i)\b(?:{words})\b")),
    };
    let alone = |intent, confidence, words: &str| Rule {
        intent,
        confidence,
        pattern: fixed(&format!(
            r"(?i)^[\s\p{{P}}\p{{S}}]*(?:{words})[\s\p{{P}}\p{{S}}]*$"
        )),
    };
    vec![
        alone(
            "stop_messages",
            CERTAIN,
            "stop|stop all|stopall|unsubscribe|baja|darme de baja|parar|sair|cancelar inscrição|arrêt|arret|stopper|désabonner|abmelden|stopp|cancellami|basta messaggi|disiscrivimi|стоп|отписаться|отпишите меня",
        ),
        anywhere(
            "stop_messages",
            LIKELY,
            "stop (?:messaging|texting|sending|writing)|unsubscribe me|no me escrib[aá]is más|no (?:me )?env[ií]es más|pare de (?:me )?(?:enviar|mandar)|arrêtez de m'écrire|ne m'écrivez plus|keine nachrichten mehr|non scrivetemi più|не пишите мне",
        ),
        alone(
            "start_messages",
            CERTAIN,
            "start|unstop|subscribe|alta|suscribirme|inscrever|abonner|s'abonner|anmelden|iscrivimi|старт|подписаться",
        ),
        anywhere(
            "human_agent",
            LIKELY,
            r"human|real person|(?:speak|talk|chat) (?:to|with) (?:a |an |some)?(?:person|someone|somebody|agent|representative|human|operator|people)|customer service|(?:hablar|habla) con (?:una? )?(?:persona|alguien|agente|humano|operador)|persona real|agente humano|falar com (?:uma? )?(?:pessoa|alguém|atendente|humano|agente)|atendente|atendimento humano|parler (?:à|avec) (?:une? )?(?:personne|quelqu'un|agent|conseiller|humain)|un humain|conseiller|mit (?:einem |einer |jemandem)?(?:menschen|mitarbeiter|person|berater)?\s?(?:sprechen|reden)|echten? menschen?|mitarbeiter|parlare con (?:una? )?(?:persona|qualcuno|operatore|umano|agente)|operatore|оператор[а-я]*|живо(?:й|го|му|м) человек[а-я]*|с человеком|с менеджером",
        ),
        anywhere(
            "return_policy",
            LIKELY,
            "return policy|returns? policy|can i return|how (?:long|many days).{0,20}return|pol[ií]tica de (?:devoluci[oó]n(?:es)?|devoluç(?:ão|ões)|troca)|puedo devolver|posso devolver|politique de retour|puis-je (?:le |la )?retourner|rückgaberecht|rückgabebedingungen|kann ich .{0,20}zurückgeben|politica (?:di |sui )?res[oi]|posso restituire|условия возврата|можно вернуть",
        ),
        anywhere(
            "order_status",
            LIKELY,
            "where(?:'s| is|s| are)? (?:my |the )?(?:order|parcel|package|stuff|delivery|shipment|things)|track(?:ing)? (?:my )?(?:order|parcel|package)|order status|d[oó]nde est[aá]n? (?:mi |el )?(?:pedido|paquete|env[ií]o)|estado de(?:l| mi) pedido|(?:onde est[aá]|cad[eê]) (?:o )?(?:meu |minha |a )?(?:pedido|encomenda|pacote)|où (?:est|en est) (?:ma |mon )?(?:commande|colis)|wo (?:ist|bleibt) (?:mein |meine )?(?:bestellung|paket|lieferung|sendung)|dov'è (?:il mio |l')?(?:ordine|pacco)|dove (?:è )?(?:il mio )?(?:ordine|pacco)|где (?:мой |моя )?(?:заказ|посылка)",
        ),
        alone(
            "yes",
            LIKELY,
            "yes|yep|yeah|yup|sure|ok|okay|of course|correct|right|sí|si|claro|vale|correcto|sim|isso|certo|oui|ouais|d'accord|bien sûr|ja|genau|klar|sì|certo|esatto|va bene|да|ага|конечно|верно",
        ),
        alone(
            "no",
            LIKELY,
            "no|nope|nah|no,? thanks|no,? thank you|no,? gracias|não|nao|não,? obrigad[oa]|non|non,? merci|nein|nein,? danke|nee|no,? grazie|нет|не надо",
        ),
        alone(
            "greeting",
            LIKELY,
            "(?:hi|hello|hey|good (?:morning|afternoon|evening)|hola|buenas|buenos d[ií]as|buenas tardes|oi|olá|ola|bom dia|boa tarde|boa noite|bonjour|bonsoir|salut|coucou|hallo|guten (?:tag|morgen|abend)|moin|servus|ciao|buongiorno|buonasera|salve|привет|здравствуйте|добрый (?:день|вечер)|доброе утро)(?: there| all| a todos)?",
        ),
    ]
});

/// Reads a message by rules alone.
pub(crate) fn understand(
    text: &str,
    context: &NluContext,
    entities: &EntityReader,
) -> Understanding {
    let text = truncate(text);
    let language = language::detect(text, context.language_hint.as_ref());
    let entities = entities.read(text, context, &language);
    let names_an_order = entities.iter().any(|entity| {
        matches!(
            entity.kind,
            EntityKind::OrderNumber | EntityKind::TrackingNumber
        )
    });
    let intent = intent(text, names_an_order);
    let asks_for_a_person = intent
        .as_ref()
        .is_some_and(|intent| intent.name == "human_agent");
    let least = if asks_for_a_person {
        Escalation::Escalate
    } else {
        Escalation::Normal
    };
    Understanding {
        intents: intent.into_iter().collect(),
        asks: Vec::new(),
        accept: ACCEPT,
        escalation: alarm::escalation(text).max(least),
        sentiment: Sentiment::Neutral,
        entities,
        vector: None,
        backend: Backend::Rules,
        language,
    }
}

/// The one intent that the words give away; none for an empty text.
fn intent(text: &str, names_an_order: bool) -> Option<ScoredIntent> {
    if text.trim().is_empty() {
        return None;
    }
    let (name, confidence) = match RULES.iter().find(|rule| rule.pattern.is_match(text)) {
        Some(rule) => (rule.intent, rule.confidence),
        None if names_an_order => ("order_status", LIKELY),
        None => ("out_of_scope", UNKNOWN),
    };
    Some(ScoredIntent {
        name: name.to_owned(),
        confidence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::tests::context;

    fn top(text: &str) -> String {
        let reader = EntityReader::new(&[]).unwrap();
        let understanding = understand(text, &context(), &reader);
        assert!(
            understanding
                .intents
                .iter()
                .all(|intent| intent.confidence <= 0.9)
        );
        understanding
            .top_intent()
            .map_or("nothing".to_owned(), |intent| intent.name.clone())
    }

    #[test]
    fn what_a_person_must_see_is_raised_without_the_model() {
        let reader = EntityReader::new(&[]).unwrap();
        for (text, escalation) in [
            (
                "where is my order, or I call the police",
                Escalation::Urgent,
            ),
            ("can I talk to a person", Escalation::Escalate),
            ("where is my order 10234", Escalation::Normal),
            ("", Escalation::Normal),
        ] {
            let understanding = understand(text, &context(), &reader);
            assert_eq!(understanding.escalation, escalation, "{text}");
        }
    }

    #[test]
    fn words_give_the_plainest_intents_away_in_every_language() {
        for (intent, texts) in [
            (
                "human_agent",
                &[
                    "can I talk to a person",
                    "human please!",
                    "quiero hablar con una persona",
                    "falar com um atendente",
                    "parler à quelqu'un",
                    "mit einem Menschen sprechen",
                    "parlare con un operatore",
                    "позовите оператора",
                ][..],
            ),
            (
                "stop_messages",
                &["STOP", "unsubscribe.", "baja", "abmelden", "стоп"],
            ),
            ("start_messages", &["start", "Alta"]),
            (
                "order_status",
                &[
                    "where is my order?",
                    "wheres my stuff",
                    "dónde está mi pedido",
                    "cadê minha encomenda",
                    "où est ma commande",
                    "wo bleibt mein Paket",
                    "dov'è il mio ordine",
                    "где мой заказ",
                    "#10234",
                    "1Z999AA10123456784",
                ],
            ),
            (
                "return_policy",
                &[
                    "what is your return policy",
                    "política de devoluciones",
                    "Rückgaberecht?",
                ],
            ),
            ("yes", &["yes!", "sí", "да"]),
            ("no", &["no", "nein, danke", "нет"]),
            ("greeting", &["hola", "Hello there!", "guten Tag"]),
            (
                "out_of_scope",
                &["what's the weather in Rome", "don't stop me now", "🙂"],
            ),
            ("nothing", &["", "   \n"]),
        ] {
            for text in texts {
                assert_eq!(top(text), intent, "{text}");
            }
        }
    }
}
