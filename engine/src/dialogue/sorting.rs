//! In which order a customer wants to see products: "the cheapest boots", "ordénalos por precio", "самые дорогие".
//!
//! Only the superlative is an order. "Cheaper" asks for less than was shown (see [`super::shown`]), and "cheap" says no more
//! than a word of the search. In Spanish, Portuguese, French and Italian the article alone tells them apart: `la más barata`,
//! `una más barata`.

use std::{ops::Range, sync::LazyLock};

use doorstep_core::search::SearchSort::{self, PriceAscending, PriceDescending};
use regex::Regex;

/// Orders in en, es, pt, fr, de, it and ru. Of several that a text holds the first of this list counts: it says the most. Where
/// a pattern has a part `cue`, that alone says the order; `what` is wished in it, unless it is anything at all.
const ORDERS: [(SearchSort, &str); 21] = [
    // From one end to the other.
    (
        PriceAscending,
        r"(?:from )?(?:the )?(?:low(?:est)?|cheap(?:est)?) to (?:the )?(?:high(?:est)?|expensive|most expensive|dearest)|de(?:l)? (?:menor a mayor|m[áa]s barat\w+ al? m[áa]s car\w+)(?: precio)?|d[eo] (?:menor (?:para|ao|a) o? ?maior|mais barat\w+ (?:para|ao|a) o? ?mais car\w+)(?: preço)?|du moins cher au plus cher|vo[mn] (?:billigsten|günstigsten|niedrigsten)(?: preis)? (?:zum|bis zum) (?:teuersten|höchsten)|dal (?:pi[ùu] economic\w+|meno car\w+) al pi[ùu] car\w+|от (?:самых )?деш[её]в\w+ (?:к|до) (?:самых |самым )?дорог\w+",
    ),
    (
        PriceDescending,
        r"(?:from )?(?:the )?(?:high(?:est)?|expensive|most expensive|dearest) to (?:the )?(?:low(?:est)?|cheap(?:est)?)|de(?:l)? (?:mayor a menor|m[áa]s car\w+ al? m[áa]s barat\w+)(?: precio)?|d[eo] (?:maior (?:para|ao|a) o? ?menor|mais car\w+ (?:para|ao|a) o? ?mais barat\w+)(?: preço)?|du plus cher au moins cher|vo[mn] (?:teuersten|höchsten)(?: preis)? (?:zum|bis zum) (?:billigsten|günstigsten|niedrigsten)|dal pi[ùu] car\w+ al (?:pi[ùu] economic\w+|meno car\w+)|от (?:самых )?дорог\w+ (?:к|до) (?:самых |самым )?деш[её]в\w+",
    ),
    // A direction.
    (
        PriceDescending,
        r"(?:by )?price,? desc(?:ending)?|(?:por )?(?:precio|preço),? des?(?:creciente|crescente|cendente)|(?:par )?prix,? décroissants?|(?:nach )?preis(?:en)?,? absteigend|(?:per )?prezzo,? decrescente|(?:по цене,? )?по убыванию(?: цены)?|сначала (?:самые )?(?:подороже|дорог\w+)",
    ),
    (
        PriceAscending,
        r"(?:by )?price,? asc(?:ending)?|(?:por )?(?:precio|preço),? (?:ascendente|creciente|crescente)|(?:par )?prix,? croissants?|(?:nach )?preis(?:en)?,? aufsteigend|(?:per )?prezzo,? crescente|(?:по цене,? )?по возрастанию(?: цены)?|сначала (?:самые )?(?:подешевле|деш[её]в\w+)",
    ),
    // English.
    (
        PriceAscending,
        r"(?:cheapest|least expensive|most affordable|lowest[ -]pric(?:es?|ed))(?: first)?",
    ),
    (
        PriceDescending,
        r"(?:most expensive|priciest|dearest|highest[ -]pric(?:es?|ed))(?: first)?",
    ),
    // Spanish: "la chaqueta más barata", "el de menor precio".
    (
        PriceAscending,
        r"(?:el|la|los|las|lo)(?P<what>(?: [\w-]+){0,3}?) (?P<cue>m[áa]s (?:barat|econ[óo]mic)\w+|menos car\w+|de menor precio)|(?:primero )?(?:el|al) (?:menor precio|precio m[áa]s bajo)",
    ),
    (
        PriceDescending,
        r"(?:el|la|los|las|lo)(?P<what>(?: [\w-]+){0,3}?) (?P<cue>m[áa]s car[oa]s?|de mayor precio)",
    ),
    // Portuguese.
    (
        PriceAscending,
        r"(?:o|a|os|as)(?P<what>(?: [\w-]+){0,3}?) (?P<cue>mais (?:barat\w+|econ[ôo]mic\w+|em conta)|menos car\w+|de menor preço)|(?:o|ao) (?:menor preço|preço mais baixo)",
    ),
    (
        PriceDescending,
        r"(?:o|a|os|as)(?P<what>(?: [\w-]+){0,3}?) (?P<cue>mais car[oa]s?|de maior preço)",
    ),
    // French: "la veste la moins chère".
    (
        PriceAscending,
        r"(?:le|la|les)(?P<what>(?: [\w-]+){0,3}?) (?P<cue>(?:le |la |les )?(?:moins ch[eè]re?s?|plus (?:[ée]conomiques?|abordables?)))|(?:le|au) prix le plus bas",
    ),
    (
        PriceDescending,
        r"(?:le|la|les)(?P<what>(?: [\w-]+){0,3}?) (?P<cue>(?:le |la |les )?plus ch[eè]re?s?)",
    ),
    // German.
    (
        PriceAscending,
        r"(?:am )?(?:aller)?(?:billigst|g[üu]nstigst|guenstigst|preiswertest|preisg[üu]nstigst)\w*(?: zuerst)?|(?:zum |der )?niedrigste[nr]? preis",
    ),
    (PriceDescending, r"(?:am )?(?:aller)?teuerst\w*(?: zuerst)?"),
    // Italian.
    (
        PriceAscending,
        r"(?:il|lo|la|i|gli|le)(?P<what>(?: [\w-]+){0,3}?) (?P<cue>meno car[oaei]|pi[ùu] (?:economic\w+|convenient\w))|(?:il|al) prezzo pi[ùu] basso",
    ),
    (
        PriceDescending,
        r"(?:il|lo|la|i|gli|le)(?P<what>(?: [\w-]+){0,3}?) (?P<cue>pi[ùu] car[oaei])",
    ),
    // Russian.
    (
        PriceAscending,
        r"сам\w{2,3} (?:деш[её]в\w+|недорог\w+|бюджетн\w+|низк\w+ цен\w+)|(?:по)?деш[её]вле (?:всех|всего)|по сам\w{2,3} низк\w+ цен\w+",
    ),
    (
        PriceDescending,
        r"сам\w{2,3} дорог\w+|дороже (?:всех|всего)",
    ),
    // By price and nothing else: the cheapest first.
    (
        PriceAscending,
        r"(?:sort(?:ed)?|order(?:ed)?|rank(?:ed)?|list(?:ed)?|arrange[d]?)?(?: (?:them|these|those|it|this|the list|the results))? ?(?:by (?:the )?price|in order of price)|(?:ord[eé]na\w*|ordenad\w+|clasif\w+)?(?: (?:los|las|por favor))? ?por (?:el )?(?:precio|preço)",
    ),
    (
        PriceAscending,
        r"(?:tri\w+|class\w+|ordonn\w+)?(?: (?:les|moi|ça))? ?(?:par|selon le) prix|(?:sortier\w*|ordne\w*)?(?: (?:sie|die|das|es|alles|bitte))? ?nach (?:dem )?preis(?:en)?(?: (?:sortier\w*|geordnet|ordnen))?",
    ),
    (
        PriceAscending,
        r"(?:ordin\w+)?(?: (?:i|le|per favore))? ?(?:per|in base al) prezzo|(?:отсортир\w+|сортир\w+|упоряд\w+|расстав\w+)?(?: (?:их|пожалуйста))? ?по цен(?:е|ам)",
    ),
];

static PATTERNS: LazyLock<Vec<(SearchSort, Regex)>> = LazyLock::new(|| {
    let pattern = |(sort, words): &(SearchSort, &str)| {
        #[allow(clippy::expect_used)] // Constants; the tests run all of them.
        let pattern = Regex::new(&format!(r"(?i)\b(?:{words})\b")).expect("a pattern of this file");
        (*sort, pattern)
    };
    ORDERS.iter().map(pattern).collect()
});

/// What is no certain thing: "la tienda tiene algo más barato?" asks for less, and for no order.
const INDEFINITE: [&str; 16] = [
    "algo", "algum", "alguma", "algún", "alguna", "chose", "qualche", "qualcosa", "quelque", "um",
    "uma", "un", "una", "une", "uno", "otra",
];

/// Words around an order that wish for nothing more, of all seven languages.
const FILLERS: &str = "\
a about ahora al all alles am an and any are article articles articoli articolo artigo artigos artikel artículo \
artículos as avete avez bitte by c can ce celle celles celui ceux che ci con could cual cuales cuál cuáles d da dame \
dammi dans das davon de degli dei del della delle dem den der des di die dime dimmi do donne dos du e ein eine einen \
el en ensename enseñame enséñame er es esas ese esos est estos et euch favor favore first for fra from gern gerne get \
gibt give gli got habe haben habt hai has hast have hay how há hätte i ich ihr ihre il im in is ist it item items \
itens j je just kann kannst können l la laquelle las le lequel les lesquelles lesquels let like list ll lo los m mal \
me mi mir model modell modelle modelli modello modelo modelos models modèle modèles moi montre montrez mostra mostrami \
mostrar mostre muestra muestrame muéstrame my möchte na no now nur o of ok on one ones only opciones opción option \
options opção opções ordena ordenar order ordina os peux plait plaît please pode por posso pouvez precio preis prezzo \
preço price prices primero prix prodotti prodotto product producto productos products produit produits produkt \
produkte produto produtos puedes puoi quais qual quale quali que quel quella quelle quelles quelli quello quels quer \
queria quero qui quiero quisiera qué re s see sell shop show sie sind so solo son sono sont sort stp su svp são te \
tell tem teneis tenéis that the them then there these thing things this those ti tiene tienen tienes to tra trie trier \
tu têm u uma un una und une uno unos uns unter us vedere venden vendes vendete vendez ver veux você vocês voglio voir \
von vorrei votre voudrais vous want war was welche welchen welcher welches what whats which will with would y you your \
zeig zeige zeigen zu zuerst zum à è é а бы в вам вариант варианты вас все всё вы дай дайте есть и из их какая какие \
какое какой кто ли меня мне модели модель можете можно мой на нас нем них ну один пожалуйста покажи покажите показать \
продаёте скажи сначала стоит та тебя то товар товары тот ты у хотел хотела хотелось хочу цена цене цены что эти этих \
это этот";

/// An order, and the text without the words that say it.
#[derive(Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) sort: SearchSort,
    pub(crate) rest: String,
}

impl Order {
    /// The order that a text asks for, if it asks for one.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut sort = None;
        let mut rest = text.to_owned();
        for (own, pattern) in PATTERNS.iter() {
            while let Some(range) = said(pattern, &rest) {
                sort.get_or_insert(*own);
                rest.replace_range(range, " ");
            }
        }
        sort.map(|sort| Self { sort, rest })
    }

    /// Whether the text says more than the order: what it is that shall be cheap.
    pub(crate) fn says_more(&self) -> bool {
        wishes_for_something(&self.rest)
    }

    /// What shall be cheap or dear: the text without the order, and without the words before and after that wish for
    /// nothing ("I want to see …"). Those in between stay: they may be a part of a name.
    pub(crate) fn what(&self) -> &str {
        let is_filler = |word: &str| !wishes_for_something(word);
        let mut what = self.rest.trim();
        while let Some((first, rest)) = what.split_once(char::is_whitespace)
            && is_filler(first)
        {
            what = rest.trim_start();
        }
        while let Some((rest, last)) = what.rsplit_once(char::is_whitespace)
            && is_filler(last)
        {
            what = rest.trim_end();
        }
        what
    }
}

/// Whether a text has words that say what is wished for.
pub(crate) fn wishes_for_something(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.any(|word| !FILLERS.split(' ').any(|filler| filler == word))
}

/// Where a text says an order.
fn said(pattern: &Regex, text: &str) -> Option<Range<usize>> {
    let found = pattern.captures(text)?;
    let what = found.name("what").map_or("", |what| what.as_str());
    let is_certain = !what
        .split(' ')
        .any(|word| INDEFINITE.contains(&word.to_lowercase().as_str()));
    let said = found.name("cue").or(found.get(0)).filter(|_| is_certain);
    said.map(|said| said.range())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Option<SearchSort> {
        Order::of(text).map(|order| order.sort)
    }

    /// The words that are left, in order.
    fn left(text: &str) -> String {
        let order = Order::of(text).unwrap();
        let words = order.rest.split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_cheapest_is_wished_in_every_language() {
        for (text, words) in [
            ("cheapest hiking boots", "hiking boots"),
            ("what is your cheapest tent?", "what is your tent?"),
            ("the least expensive stove", "the stove"),
            ("la chaqueta más barata", "la chaqueta"),
            ("¿Cuál es el más barato?", "¿Cuál es el ?"),
            ("las botas de montaña más baratas", "las botas de montaña"),
            ("a barraca mais barata", "a barraca"),
            ("o mais barato", "o"),
            ("la veste la moins chère", "la veste"),
            ("die billigsten Wanderschuhe", "die Wanderschuhe"),
            ("welches Zelt ist am günstigsten?", "welches Zelt ist ?"),
            ("la tenda più economica", "la tenda"),
            ("gli scarponi meno cari", "gli scarponi"),
            ("самые дешёвые палатки", "палатки"),
            ("самую дешевую куртку", "куртку"),
        ] {
            assert_eq!(order(text), Some(PriceAscending), "{text}");
            assert_eq!(left(text), words, "{text}");
        }
    }

    #[test]
    fn the_dearest_is_wished_in_every_language() {
        for text in [
            "the most expensive one",
            "la más cara",
            "la tienda más cara",
            "a mais cara",
            "le plus cher",
            "la tente la plus chère",
            "das teuerste Zelt",
            "la più cara",
            "самая дорогая палатка",
        ] {
            assert_eq!(order(text), Some(PriceDescending), "{text}");
        }
    }

    #[test]
    fn a_list_is_sorted_in_every_language() {
        for text in [
            "sort by price",
            "please sort them by price",
            "price low to high",
            "cheapest first",
            "ordénalos por precio",
            "ordenar por precio",
            "de menor a mayor precio",
            "ordenar por preço",
            "do mais barato ao mais caro",
            "de mais barato a mais caro",
            "trie par prix",
            "par prix croissant",
            "du moins cher au plus cher",
            "nach Preis sortieren",
            "sortiere sie nach dem Preis",
            "vom günstigsten zum teuersten",
            "ordina per prezzo",
            "dal più economico al più caro",
            "отсортируй по цене",
            "сначала подешевле",
            "по возрастанию цены",
        ] {
            assert_eq!(order(text), Some(PriceAscending), "{text}");
            assert!(!Order::of(text).unwrap().says_more(), "{text}");
        }
        for text in [
            "price high to low",
            "most expensive first",
            "de mayor a menor precio",
            "par prix décroissant",
            "nach Preis absteigend",
            "по убыванию цены",
        ] {
            assert_eq!(order(text), Some(PriceDescending), "{text}");
            assert!(!Order::of(text).unwrap().says_more(), "{text}");
        }
    }

    #[test]
    fn what_shall_be_cheap_is_told_from_words_around_it() {
        for text in [
            "show me the cheapest one please",
            "which is the cheapest?",
            "¿cuál es la más barata?",
            "qual é o mais barato?",
            "c'est lequel le moins cher",
            "und was ist das billigste?",
            "qual è il più economico?",
            "какая самая дешёвая?",
        ] {
            assert!(!Order::of(text).unwrap().says_more(), "{text}");
        }
        for text in [
            "show me the cheapest tent",
            "la mochila más barata",
            "die billigsten Stiefel",
            "самые дешёвые ботинки",
        ] {
            assert!(Order::of(text).unwrap().says_more(), "{text}");
        }
    }

    #[test]
    fn words_around_what_shall_be_cheap_are_left_out() {
        for (text, what) in [
            (
                "Quiero ver las tiendas de campaña más caras",
                "tiendas de campaña",
            ),
            ("Show me the most expensive tents, please", "tents,"),
            ("Zeig mir die billigsten Stiefel", "Stiefel"),
            ("las más baratas", "las"),
        ] {
            assert_eq!(Order::of(text).unwrap().what(), what, "{text}");
        }
    }

    #[test]
    fn cheaper_and_cheap_are_no_order() {
        for text in [
            "something cheaper",
            "cheap boots",
            "una chaqueta más barata",
            "algo más barato",
            "¿la tienda tiene algo más barato?",
            "algo mais barato",
            "quelque chose de moins cher",
            "etwas günstigeres",
            "qualcosa di più economico",
            "а подешевле?",
            "is it too expensive?",
            "does it come by post?",
        ] {
            assert_eq!(order(text), None, "{text}");
        }
    }
}
