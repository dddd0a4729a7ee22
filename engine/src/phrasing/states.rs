//! What a text says of how stock and orders stand, without a figure in it: "in stock", "was delivered".

use std::collections::BTreeSet;

use doorstep_core::Language;

use super::state_words::{Lexicon, lexicon};

/// How stock or an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    InStock,
    SoldOut,
    Unpaid,
    Packing,
    Shipped,
    OutForDelivery,
    Ready,
    Delivered,
    Late,
    Cancelled,
    Returned,
    Refunded,
    Lost,
}

impl State {
    pub(super) fn is_of_stock(self) -> bool {
        matches!(self, Self::InStock | Self::SoldOut)
    }

    /// What is said by denying it; only stock has but two states.
    fn opposite(self) -> Option<Self> {
        match self {
            Self::InStock => Some(Self::SoldOut),
            Self::SoldOut => Some(Self::InStock),
            _ => None,
        }
    }

    /// Whether an order that stands so has left the shop.
    fn has_left(self) -> bool {
        matches!(
            self,
            Self::Shipped
                | Self::OutForDelivery
                | Self::Ready
                | Self::Delivered
                | Self::Late
                | Self::Lost
        )
    }
}

/// The states that the values of the fact `order.stage` stand for.
const STAGES: [(&str, State); 17] = [
    ("awaiting_payment", State::Unpaid),
    ("processing", State::Packing),
    ("pre_transit", State::Packing),
    ("shipped", State::Shipped),
    ("in_transit", State::Shipped),
    ("delivery_attempt", State::Shipped),
    ("exception", State::Shipped),
    ("damaged", State::Shipped),
    ("out_for_delivery", State::OutForDelivery),
    ("ready_for_pickup", State::Ready),
    ("delivered", State::Delivered),
    ("delayed", State::Late),
    ("cancelled", State::Cancelled),
    ("returned", State::Returned),
    ("returned_to_sender", State::Returned),
    ("refunded", State::Refunded),
    ("lost", State::Lost),
];

/// The states that were looked up for one answer.
#[derive(Debug, Default)]
pub(super) struct States(BTreeSet<State>);

impl States {
    /// Takes in a fact of a look-up.
    pub(super) fn add(&mut self, state: State) {
        self.0.insert(state);
        if state.has_left() {
            self.0.insert(State::Shipped);
        }
    }

    /// Takes in the fact `order.stage`.
    pub(super) fn add_stage(&mut self, stage: &str) {
        for (_, state) in STAGES.iter().filter(|(known, _)| *known == stage) {
            self.add(*state);
        }
    }

    /// Takes in a reply that was made of looked-up facts.
    pub(super) fn read_look_up(&mut self, text: &str, language: &Language) {
        for claim in claims(text, language) {
            if let Some(state) = claim.said() {
                self.add(state);
            }
        }
    }

    /// Takes in a page of the shop. It may say what is in stock; how a customer's order stands it cannot know.
    pub(super) fn read_page(&mut self, text: &str, language: &Language) {
        for claim in claims(text, language) {
            let said = claim.said().filter(|state| state.is_of_stock());
            if let Some(state) = said.filter(|_| claim.is_firm) {
                self.add(state);
            }
        }
    }

    /// The words of `text` that say a state which was not looked up.
    pub(super) fn unknown(&self, text: &str, language: &Language) -> Option<String> {
        let mut claims = claims(text, language).into_iter();
        let unknown = claims.find(|claim| claim.is_firm && !self.has(claim));
        unknown.map(|claim| claim.words)
    }

    fn has(&self, claim: &Claim) -> bool {
        match claim.said() {
            Some(state) => self.0.contains(&state),
            // An order that stands otherwise does not stand so.
            None => {
                !self.0.contains(&claim.state) && self.0.iter().any(|state| !state.is_of_stock())
            }
        }
    }
}

/// The states that `text` says as facts, with its words for them.
pub(super) fn stated(text: &str, language: &Language) -> Vec<(State, String)> {
    let claims = claims(text, language).into_iter();
    let firm = claims.filter(|claim| claim.is_firm);
    firm.map(|claim| (claim.state, claim.words)).collect()
}

/// One state that a text speaks of.
#[derive(Debug, PartialEq)]
struct Claim {
    state: State,
    is_denied: bool,
    /// Whether it is said as a fact: not as a condition, a possibility or a rule.
    is_firm: bool,
    words: String,
}

impl Claim {
    /// The state that it says; an order's state that is denied says none.
    fn said(&self) -> Option<State> {
        match self.is_denied {
            false => Some(self.state),
            true => self.state.opposite(),
        }
    }
}

fn claims(text: &str, language: &Language) -> Vec<Claim> {
    let lexicon = lexicon(language.primary());
    let clauses = clauses(text).into_iter();
    clauses
        .flat_map(|clause| claims_of(&clause, lexicon))
        .collect()
}

/// Parts of sentences, without questions.
fn clauses(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| chars.get(at))
            .is_some_and(char::is_ascii_digit)
    };
    let mut clauses = Vec::new();
    let mut clause = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let in_number = is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
        let ends = match c {
            '.' | ',' | ':' => !in_number,
            '!' | '?' | '…' | '\n' | ';' | '(' | ')' | '–' | '—' => true,
            _ => false,
        };
        if !ends {
            clause.push(c);
            continue;
        }
        let ended = std::mem::take(&mut clause);
        if c != '?' {
            clauses.push(ended);
        }
    }
    clauses.push(clause);
    clauses
}

fn claims_of(clause: &str, lexicon: &Lexicon) -> Vec<Claim> {
    let lower = clause.to_lowercase().replace('ё', "е");
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut claims = Vec::new();
    let (mut denied, mut conditional, mut general) = (false, false, false);
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let rest = words.get(at..).unwrap_or_default();
        if let Some(found) = longest(rest, lexicon) {
            claims.push(Claim {
                state: found.state,
                is_denied: denied && !found.denies_itself,
                is_firm: !conditional && (found.state.is_of_stock() || !general),
                words: rest
                    .iter()
                    .take(found.len)
                    .copied()
                    .collect::<Vec<_>>()
                    .join(" "),
            });
            at += found.len;
            continue;
        }
        if lexicon.but.contains(word) {
            (denied, conditional, general) = (false, false, false);
        }
        denied |= lexicon.negations.contains(word);
        conditional |= lexicon.conditions.contains(word);
        general |= lexicon.general.contains(word);
        at += 1;
    }
    claims
}

/// A state's words at the beginning of others.
struct Found {
    state: State,
    len: usize,
    /// Whether a negation belongs to the words themselves: *il n'en reste plus que 2*.
    denies_itself: bool,
}

fn longest(words: &[&str], lexicon: &Lexicon) -> Option<Found> {
    let all = lexicon
        .states
        .iter()
        .flat_map(|(state, phrases)| phrases.iter().map(move |phrase| (*state, *phrase)));
    let found = all.filter_map(|(state, phrase)| {
        let plain = phrase.strip_prefix('=');
        let len = taken(words, plain.unwrap_or(phrase))?;
        Some(Found {
            state,
            len,
            denies_itself: plain.is_some(),
        })
    });
    found.max_by_key(|found| found.len)
}

/// How many words `phrase` takes at the beginning of `words`. `*` stands for any ending, `#` for a number.
fn taken(words: &[&str], phrase: &str) -> Option<usize> {
    let mut len = 0;
    for part in phrase.split(' ') {
        let word = words.get(len)?;
        let fits = match (part, part.strip_suffix('*')) {
            ("#", _) => word.chars().all(|c| c.is_ascii_digit()),
            (_, Some(stem)) => word.starts_with(stem),
            _ => *word == part,
        };
        if !fits {
            return None;
        }
        len += 1;
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use doorstep_core::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{flows, templates::Facts};

    fn unknown(known: &[State], language: &str, text: &str) -> Option<String> {
        let mut states = States::default();
        known.iter().for_each(|state| states.add(*state));
        states.unknown(text, &language.parse().unwrap())
    }

    /// A product and an order in every language, with the states that they are said to be in.
    const SAID: [(&str, State, &str); 42] = [
        ("en", State::InStock, "It is in stock."),
        ("en", State::InStock, "Only 2 left"),
        ("en", State::SoldOut, "It is not available any more."),
        ("en", State::Shipped, "It's on its way!"),
        ("en", State::Delivered, "Your order was delivered."),
        ("en", State::Cancelled, "Your order has been cancelled."),
        ("de", State::InStock, "Die Jacke ist sofort lieferbar."),
        ("de", State::InStock, "Nur noch 2 da"),
        ("de", State::SoldOut, "Sie ist nicht mehr vorrätig."),
        ("de", State::Shipped, "Ihr Paket ist unterwegs."),
        (
            "de",
            State::Delivered,
            "Ihre Bestellung wurde gestern zugestellt.",
        ),
        ("de", State::Refunded, "Wir haben Ihnen alles erstattet."),
        ("es", State::InStock, "Sí, está disponible."),
        ("es", State::InStock, "Solo quedan 2"),
        ("es", State::SoldOut, "La chaqueta ya no está disponible."),
        ("es", State::Shipped, "Tu pedido está en camino."),
        ("es", State::Delivered, "Tu pedido ha sido entregado."),
        ("es", State::Late, "El paquete va con retraso."),
        ("pt", State::InStock, "O casaco está disponível."),
        ("pt", State::InStock, "Só restam 2"),
        ("pt", State::SoldOut, "Está esgotado."),
        ("pt", State::Shipped, "A encomenda está a caminho."),
        ("pt", State::Delivered, "A encomenda foi entregue."),
        ("pt", State::Cancelled, "A encomenda foi cancelada."),
        ("fr", State::InStock, "La veste est en stock."),
        ("fr", State::InStock, "Il n'en reste plus que 2."),
        ("fr", State::SoldOut, "Elle n’est plus disponible."),
        ("fr", State::Shipped, "Votre colis est en route."),
        ("fr", State::Delivered, "Votre commande a été livrée."),
        ("fr", State::Refunded, "Vous avez été remboursé."),
        ("it", State::InStock, "La giacca è disponibile."),
        ("it", State::InStock, "Ne restano solo 2"),
        ("it", State::SoldOut, "Non è più disponibile."),
        ("it", State::Shipped, "Il tuo ordine è in viaggio."),
        ("it", State::Delivered, "Il pacco è stato consegnato."),
        ("it", State::Lost, "Il pacco è stato smarrito."),
        ("ru", State::InStock, "Куртка есть в наличии."),
        ("ru", State::InStock, "Осталось всего 2"),
        ("ru", State::SoldOut, "Нет в наличии"),
        ("ru", State::Shipped, "Ваш заказ уже в пути."),
        ("ru", State::Delivered, "Ваш заказ доставлен."),
        ("ru", State::Cancelled, "Заказ отменён."),
    ];

    #[test]
    fn a_state_that_was_not_looked_up_is_known_in_every_language() {
        for (language, state, text) in SAID {
            assert!(unknown(&[], language, text).is_some(), "{language} {text}");
            assert_eq!(unknown(&[state], language, text), None, "{language} {text}");
            let other = match state {
                State::InStock => State::SoldOut,
                State::SoldOut => State::InStock,
                _ => State::Packing,
            };
            let found = unknown(&[other], language, text);
            assert!(found.is_some(), "{language} {text}");
        }
    }

    #[test]
    fn a_state_that_is_denied_needs_a_look_up_that_says_another() {
        for (language, text) in [
            ("en", "Your order has not been delivered yet."),
            ("de", "Ihre Bestellung wurde noch nicht zugestellt."),
            ("es", "Tu pedido todavía no ha sido entregado."),
            ("pt", "A encomenda ainda não foi entregue."),
            ("fr", "Votre commande n'est pas encore livrée."),
            ("it", "L'ordine non è ancora stato consegnato."),
            ("ru", "Заказ ещё не доставлен."),
        ] {
            assert_eq!(unknown(&[State::Shipped], language, text), None, "{text}");
            for known in [&[][..], &[State::InStock], &[State::Delivered]] {
                assert!(unknown(known, language, text).is_some(), "{text}");
            }
        }
        let text = "It is not in L but in stock in M.";
        assert_eq!(unknown(&[State::InStock], "en", text), None);
    }

    #[test]
    fn conditions_possibilities_rules_and_questions_are_no_claims() {
        for (language, text) in [
            ("en", "If it was delivered damaged, write to us."),
            (
                "en",
                "Parcels can be delivered to a neighbour; orders are shipped daily.",
            ),
            ("en", "You have 30 days after it has arrived."),
            ("en", "Shall I look whether it is in stock?"),
            ("de", "Sobald es unterwegs ist, schreiben wir Ihnen."),
            ("de", "Pakete werden werktags zugestellt."),
            ("es", "Cuando esté en camino te avisamos."),
            ("pt", "Se foi entregue com defeito, escreva-nos."),
            ("fr", "Dès qu'elle est expédiée, nous vous écrivons."),
            ("it", "Se è stato consegnato rotto, scrivici."),
            ("ru", "Если заказ доставлен с браком, напишите нам."),
        ] {
            assert_eq!(unknown(&[], language, text), None, "{text}");
        }
        for text in [
            "It is in stock, shall I help you order it?",
            "Your order was delivered when you were out.",
            "If you like it, it is in stock.",
        ] {
            assert!(unknown(&[], "en", text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_page_may_say_what_is_in_stock_but_not_how_an_order_stands() {
        let english = Language::ENGLISH;
        let mut states = States::default();
        states.read_page(
            "All our gift cards are in stock. It was delivered.",
            &english,
        );
        assert_eq!(states.unknown("Gift cards are in stock.", &english), None);
        assert!(states.unknown("It was delivered.", &english).is_some());
    }

    #[test]
    fn what_the_built_in_replies_say_of_orders_is_known_in_every_language() {
        // An attempt, an exception and damage have words of their own.
        let is_worded = |(stage, _): &(&str, State)| {
            !["delivery_attempt", "exception", "damaged"].contains(stage)
        };
        let (templates, _) = flows::load(&flows::tests::shipped(), &Language::ENGLISH).unwrap();
        for language in ["en", "es", "pt", "fr", "de", "it", "ru"] {
            let language: Language = language.parse().unwrap();
            for (stage, state) in STAGES.into_iter().filter(is_worded) {
                let order = json!({
                    "number": "10234", "stage": stage, "items": "", "eta": null, "late": false,
                    "carrier": "DHL", "tracking_number": null, "status_at": null, "parcels": [],
                });
                let facts = Facts::new(Timestamp::default(), chrono_tz::UTC).with("order", order);
                let text = templates.reply("order_status", &language, &facts).unwrap();
                let mut states = States::default();
                states.read_look_up(&text, &language);
                assert!(states.0.contains(&state), "{language} {stage}: {text}");
            }
        }
    }

    #[test]
    fn what_is_further_on_has_left_the_shop() {
        for stage in ["delivered", "out_for_delivery", "delayed", "in_transit"] {
            let mut states = States::default();
            states.add_stage(stage);
            let english = Language::ENGLISH;
            assert_eq!(states.unknown("It was shipped.", &english), None, "{stage}");
            assert!(states.unknown("It was refunded.", &english).is_some());
        }
    }
}
