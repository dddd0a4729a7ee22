//! "Something like it", "what goes with it?": whether a message asks for others by a product.

use super::shown::{Cue, words};

/// What a message asks for by a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Others like it.
    Like,
    /// Things of other kinds that go with it.
    With,
}

/// That a message asks so, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) relation: Relation,
    /// Whether it is said in so many words: "something like", and not only "similar".
    pub(super) is_plain: bool,
}

/// Words in en, es, pt, fr, de, it and ru.
const ALIKE: Cue = Cue {
    words: &["simile", "simili"],
    beginnings: &[
        "similar",
        "parecid",
        "ähnlich",
        "semelhant",
        "semblabl",
        "ressembl",
        "похож",
    ],
};
/// "Like" alone also says what somebody likes.
const LIKE: [&str; 17] = [
    "something like",
    "anything like",
    "any like",
    "more like",
    "one like",
    "ones like",
    "others like",
    "else like",
    "algo como",
    "algo así como",
    "etwas wie",
    "so etwas wie",
    "sowas wie",
    "quelque chose comme",
    "qualcosa come",
    "что то вроде",
    "что нибудь вроде",
];
/// "I'll go with the second one" chooses.
const WITH: [&str; 45] = [
    "goes with",
    "goes well with",
    "go well with",
    "pairs with",
    "pairs well with",
    "what would go with",
    "what could go with",
    "something to go with",
    "anything to go with",
    "combina con",
    "combinan con",
    "combinar con",
    "qué va con",
    "que va con",
    "va bien con",
    "queda bien con",
    "passt dazu",
    "dazu passt",
    "passt gut dazu",
    "passen dazu",
    "passt zu",
    "passt gut zu",
    "passen zu",
    "passt zum",
    "passt gut zum",
    "passt zur",
    "passt gut zur",
    "passend zum",
    "va avec",
    "vont avec",
    "va bien avec",
    "si abbina",
    "si abbinano",
    "abbinare",
    "che va con",
    "cosa va con",
    "sta bene con",
    "combina com",
    "combinam com",
    "combinar com",
    "que vai com",
    "fica bem com",
    "подходит к",
    "подойдет к",
    "подойдёт к",
];
/// What fits a person is a question of size.
const WITH_SOMEBODY: [&str; 2] = ["zu mir", "zu uns"];

/// What `text` asks for by a product, if it does.
pub(super) fn asked(text: &str) -> Option<Asked> {
    let text = text.to_lowercase();
    let said: Vec<&str> = words(&text).collect();
    let said = format!(" {} ", said.join(" "));
    let says = |phrases: &[&str]| {
        let mut phrases = phrases.iter();
        phrases.any(|phrase| said.contains(&format!(" {phrase} ")))
    };
    let plain = |relation| {
        Some(Asked {
            relation,
            is_plain: true,
        })
    };
    if says(&WITH) && !says(&WITH_SOMEBODY) {
        return plain(Relation::With);
    }
    if says(&LIKE) {
        return plain(Relation::Like);
    }
    ALIKE.is_in(&text).then_some(Asked {
        relation: Relation::Like,
        is_plain: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_like_a_product_are_asked_for_in_every_language() {
        for text in [
            "Do you have something like the Lumen Tent?",
            "more like this one",
            "¿Tienen algo como la segunda?",
            "¿Hay algo parecido?",
            "Tem algo como a primeira?",
            "Algo semelhante, por favor",
            "Vous avez quelque chose comme la tente Lumen ?",
            "qui ressemble à la première",
            "Habt ihr so etwas wie das Zelt?",
            "etwas Ähnliches",
            "Avete qualcosa come la tenda?",
            "una simile",
            "Есть что-нибудь вроде этой палатки?",
            "похожую куртку",
        ] {
            let relation = asked(text).map(|asked| asked.relation);
            assert_eq!(relation, Some(Relation::Like), "{text}");
        }
    }

    #[test]
    fn what_goes_with_a_product_is_asked_for_in_every_language() {
        for text in [
            "What goes with the Kolmar Rain Jacket?",
            "¿Qué combina con la chaqueta?",
            "O que combina com a jaqueta?",
            "Qu'est-ce qui va avec la veste ?",
            "Was passt dazu?",
            "Was passt zur Jacke?",
            "Cosa si abbina alla giacca?",
            "Что подходит к этой куртке?",
        ] {
            let relation = asked(text).map(|asked| asked.relation);
            assert_eq!(relation, Some(Relation::With), "{text}");
        }
    }

    #[test]
    fn who_likes_or_chooses_something_asks_for_no_other() {
        for text in [
            "I like the second one",
            "I would like that",
            "I'll go with the second one",
            "Una nueva con capucha",
            "Welche Größe passt zu mir?",
            "me gusta la segunda",
        ] {
            assert_eq!(asked(text), None, "{text}");
        }
    }
}
