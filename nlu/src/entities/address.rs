//! Postcodes of five or six digits within a written address, which are no order numbers: "Calle Mayor 5, 28013 Madrid",
//! "to 10115 Berlin", "101000, Москва, ул. Тверская, д. 5".
//!
//! What stands around the digits tells, in any language: a place's name behind them and a word that leads there before
//! them, a street with its number, or a word of sending. What is called an order's number stays one.

use std::sync::LazyLock;

use doorstep_core::understanding::EntityKind;
use regex::Regex;

use super::{Found, Reading, fixed, stands_alone, words::fold};

/// So many characters before the digits belong to their address.
const BEFORE: usize = 90;
/// And so many after them.
const AFTER: usize = 50;

static DIGITS: LazyLock<Regex> = LazyLock::new(|| fixed(r"(?-u:\b)[0-9]{5,6}(?-u:\b)"));

/// Ends with what calls a number an order's, whatever stands around it.
static CALLED_AN_ORDER: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:#|nº|n°|№|(?:order|pedido|compra|encomenda|commande|bestell|auftrag|ordine|заказ|number|nummer|n[úu]mero|num[ée]ro|номер)\p{L}*)(?:[\s:.#]+(?:number|no|nr|n|n[úu]m|is|was|es|el|la|é|o|a|est|le|ist|war|lautet|die|der|è|il)\.?)*[\s:.#]*$",
    )
});

/// Ends with a word that leads to a place, with the number of a house, or with what calls it an address.
static LEADS_THERE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:^|[^\p{L}\p{N}])(?:to|at|in|near|a|al|en|para|em|à|au|vers|nach|ad|per|в|на|по)\s+$|(?:^|[^\p{N}])[0-9]{1,4}\s?\p{L}?\s*[,;\n]\s*$|(?:address|direcci[óo]n|endere[çc]o|morada|adresse|anschrift|indirizzo|адрес)\p{L}*(?:\s*[:,]?\s*(?:is|now|es|ahora|é|agora|est|maintenant|ist|jetzt|lautet|è|ora|теперь))*\s*[:,]?\s*$",
    )
});

/// Begins with a name, as places have one.
static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(r"^(?:\s*,\s*|\s+)(?:\p{Lu}\p{Ll}{0,3}[.'’]?\s?)??(?P<name>\p{Lu}\p{Ll}{2,}|\p{Lu}{3,})")
});

/// Capitalised words that follow an order's number as well, folded.
const NO_PLACES: [&str; 42] = [
    "please",
    "thanks",
    "thank",
    "where",
    "when",
    "what",
    "why",
    "how",
    "size",
    "hello",
    "bitte",
    "danke",
    "wann",
    "was",
    "warum",
    "hallo",
    "bestellung",
    "grosse",
    "artikel",
    "paket",
    "lieferung",
    "sendung",
    "jacke",
    "donde",
    "cuando",
    "gracias",
    "hola",
    "onde",
    "quando",
    "obrigado",
    "quand",
    "merci",
    "bonjour",
    "dove",
    "grazie",
    "где",
    "когда",
    "спасибо",
    "euro",
    "euros",
    "eur",
    "usd",
];

/// Ends with a street and the number of a house, and nothing but an address after them.
static STREET: LazyLock<Regex> = LazyLock::new(|| {
    // Any word; what it is not costs the pattern less than what letters are.
    const WORD: &str = r"[^\s0-9,;:?!]+";
    const NAME: &str = r"(?-i:\p{Lu})[^\s0-9,;:?!]*";
    const HOUSE: &str = r"[0-9]{1,4}(?:\s?\p{L})?";
    const BEFORE_ITS_NAME: &str = r"(?:c/\s?|(?:calle|avenida|avda\.?|av\.|plaza|pza\.?|paseo|camino|carrer|ronda|rua|travessa|praça|estrada|via|viale|piazza|corso|vicolo|улиц[аеуы]|ул\.?|проспект[аеу]?|пр-т|переулок|пер\.|бульвар[аеу]?|шоссе|набережн[а-я]+|площад[а-я]+)\s+)";
    const AFTER_ITS_NAME: &str = r"(?:[a-zäöüß-]*(?:stra(?:ß|ss)e|str\.?)|[a-zäöüß-]{3,}(?:weg|allee|platz|gasse|ufer|damm))";
    const ENGLISH: &str =
        r"(?:street|st\.?|road|rd\.?|avenue|ave\.?|lane|drive|boulevard|blvd\.?|square)";
    const FRENCH: &str = r"[0-9]{1,4}(?:\s?(?:bis|ter))?,?\s+(?:rue|avenue|av\.|boulevard|bd\.?|chemin|impasse|all[ée]e|(?:place|quai|cours|route)\s+d[eu]s?)";
    const FLAT: &str = r"[0-9]{1,3}\s?[a-zº°ª]?|(?:piso|planta|puerta|apto?|bloco|andar|apt|appt|wohnung|interno|кв|корп|стр|г|квартира)\.?\s?[0-9]{0,4}";
    fixed(&format!(
        r"(?i)(?:^|[^\p{{L}}\p{{N}}])(?:{BEFORE_ITS_NAME}(?:{WORD},?\s+){{1,6}}(?:(?:nº|n°|№|n\.|д\.|дом)\s?)?{HOUSE}|{AFTER_ITS_NAME}\s+{HOUSE}|[0-9]{{1,4}}[a-z]?\s+(?:{WORD}\s+){{1,2}}{ENGLISH}|{FRENCH}(?:\s+{WORD}){{1,4}})(?:\s*[,;\n]\s*|\s+)(?:(?:{NAME}|{FLAT})[\s,;.]+){{0,6}}$",
    ))
});

/// Begins with a town and its street, as Russian addresses go on.
static STREET_BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"^\s*,?\s*(?:(?:г\.|город)\s?\p{Lu}|\p{Lu}[\p{L}-]+(?:\s[\p{L}-]+)?[\s,]+(?:ул|улица|пр-т|проспект|пер|переулок|бульвар|б-р|шоссе|наб|набережная|пл|площадь)[.\s])",
    )
});

/// Ends with a town and its state, as addresses of the United States do.
static STATE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?:^|\s)(?:[Tt]o|[Aa]t|[Ii]n|[Nn]ear)\s+(?:\p{Lu}[\p{L}.'’-]+,?\s+){1,3}(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])\s+$",
    )
});

/// Ends with where something is sent to: no order is a place to send to.
static SENT_THERE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?:^|[^\p{L}])(?:send|ship|deliver|env[ií]\p{L}*|envo[iy]\p{L}*|mand\p{L}+|entreg\p{L}*|livr\p{L}*|exp[ée]di\p{L}*|schick\p{L}*|liefer\p{L}*|versend\p{L}*|sped\p{L}*|consegn\p{L}*|отправ\p{L}*|достав\p{L}*|пришл\p{L}*)(?:[^\p{L}.?!\n][^.?!\n]{0,30})?\s(?:to|a|à|nach|ad|в)\s+$",
    )
});

/// Postcodes of addresses.
pub(super) fn find(reading: &Reading<'_>) -> Vec<Found> {
    let text = reading.text;
    DIGITS
        .find_iter(text)
        .filter(|digits| stands_alone(text, digits.start(), digits.end()))
        .filter(|digits| {
            is_of_an_address(
                last(&text[..digits.start()], BEFORE),
                first(&text[digits.end()..], AFTER),
            )
        })
        .map(|digits| {
            let value = digits.as_str().to_owned();
            Found::new(EntityKind::Postcode, value, digits.range())
        })
        .collect()
}

fn is_of_an_address(before: &str, after: &str) -> bool {
    !CALLED_AN_ORDER.is_match(before)
        && (is_before_a_place(after) && LEADS_THERE.is_match(before)
            || STREET.is_match(before)
            || STREET_BEHIND.is_match(after)
            || STATE.is_match(before)
            || SENT_THERE.is_match(before))
}

fn is_before_a_place(after: &str) -> bool {
    let name = PLACE
        .captures(after)
        .and_then(|captures| captures.name("name"));
    name.is_some_and(|name| !NO_PLACES.contains(&fold(name.as_str()).as_str()))
}

/// The last `count` characters.
fn last(text: &str, count: usize) -> &str {
    let from = text.char_indices().rev().nth(count.saturating_sub(1));
    from.map_or(text, |(at, _)| &text[at..])
}

/// The first `count` characters.
fn first(text: &str, count: usize) -> &str {
    let until = text.char_indices().nth(count);
    until.map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    fn read(language: &str, text: &str) -> (Vec<String>, Vec<String>) {
        (
            values(EntityKind::Postcode, language, text),
            values(EntityKind::OrderNumber, language, text),
        )
    }

    #[test]
    fn a_postcode_of_an_address_is_no_order_number_in_seven_languages() {
        for (language, text, postcode) in [
            (
                "en",
                "I moved, send it to Calle Mayor 5, 28013 Madrid",
                "28013",
            ),
            (
                "en",
                "my new address is 12 Main Street, Springfield, IL 62704",
                "62704",
            ),
            ("en", "can it go to Austin, TX 78701 instead?", "78701"),
            ("en", "do you deliver to 28013?", "28013"),
            ("en", "my address is now 28013 Madrid", "28013"),
            (
                "es",
                "me he mudado, mandadlo a la calle mayor 5, 28013 madrid",
                "28013",
            ),
            (
                "es",
                "mi dirección es Avda. de América 12, 3º B, Madrid 28028",
                "28028",
            ),
            (
                "pt",
                "mudei-me, enviem para a Calle Mayor 5, 28013 Madrid",
                "28013",
            ),
            (
                "fr",
                "j'habite maintenant 5 rue de la Paix, 75002 Paris",
                "75002",
            ),
            ("fr", "vous livrez à 75002 Paris ?", "75002"),
            ("de", "bin umgezogen: Hauptstr. 5, 10115 Berlin", "10115"),
            ("de", "bitte an Berliner Straße 12a 20095 Hamburg", "20095"),
            ("de", "Am Markt 3, 10115 Berlin", "10115"),
            ("de", "liefert ihr nach 10115?", "10115"),
            (
                "it",
                "mi sono trasferito in via Roma 5, 20121 Milano",
                "20121",
            ),
            ("it", "spedite a 20121 Milano?", "20121"),
            (
                "ru",
                "мой новый адрес: 101000, Москва, ул. Тверская, д. 5",
                "101000",
            ),
            ("ru", "доставьте в 101000 Москва", "101000"),
            ("ru", "ул. Тверская, д. 5, кв. 7, Москва, 101000", "101000"),
        ] {
            let (postcodes, orders) = read(language, text);
            assert_eq!(postcodes, [postcode], "{text}");
            assert!(orders.is_empty(), "{text}: {orders:?}");
        }
    }

    #[test]
    fn an_order_beside_an_address_stays_an_order_in_seven_languages() {
        for (language, text) in [
            ("en", "send order 10234 to 28013 Madrid"),
            ("es", "enviad el pedido 10234 a 28013 Madrid"),
            ("pt", "enviem a encomenda 10234 para 28013 Madrid"),
            ("fr", "envoyez la commande 10234 à 28013 Madrid"),
            ("de", "schickt die Bestellung 10234 nach 28013 Madrid"),
            ("it", "spedite l'ordine 10234 a 28013 Madrid"),
            ("ru", "отправьте заказ 10234 в 28013 Мадрид"),
        ] {
            let (postcodes, orders) = read(language, text);
            assert_eq!(
                (postcodes, orders),
                (vec!["28013".into()], vec!["10234".into()]),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_called_an_orders_number_or_stands_in_no_address_is_no_postcode() {
        for (language, text) in [
            ("en", "where is 10234?"),
            ("en", "send order 10234 Please"),
            ("en", "Hauptstr. 5 is my street, and my order is 10234"),
            ("en", "add socks to 10234 please"),
            ("en", "add socks to 10234 Please"),
            ("en", "what happened to 10234"),
            ("en", "2 place mats and 10234"),
            ("en", "I sent it to order number 10234 Madrid"),
            ("es", "el pedido 10234 Madrid"),
            ("es", "mandadme la factura del pedido 10234"),
            ("pt", "enviem a fatura para a encomenda 10234"),
            ("fr", "la commande 10234, merci"),
            ("de", "Bestellung 10234 Jacke zu klein"),
            ("de", "Hauptstr. 5, meine Bestellnummer ist 10234"),
            ("de", "10234 Jacke in Größe M"),
            ("it", "il mio ordine è il 10234"),
            ("ru", "где заказ № 10234"),
        ] {
            let (postcodes, orders) = read(language, text);
            assert!(postcodes.is_empty(), "{text}: {postcodes:?}");
            assert_eq!(orders, ["10234"], "{text}");
        }
    }
}
