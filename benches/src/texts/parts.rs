//! The parts that the built-in messages are put together from. Written for this benchmark; products and orders are the
//! demo shop's. Subjects are those a shop answers by itself, because a conversation that was handed to a person gets no
//! more answers to time.

/// How people of one language write.
pub(super) struct Speech {
    pub(super) greetings: &'static [&'static str],
    pub(super) closings: &'static [&'static str],
    /// What stands in braces in a question, and what it is replaced by.
    pub(super) slots: &'static [(&'static str, &'static [&'static str])],
    pub(super) questions: &'static [&'static str],
}

pub(super) const LANGUAGES: &[Speech] = &[ENGLISH, SPANISH, GERMAN];

const PRODUCTS: &[&str] = &[
    "Kolmar Rain Jacket",
    "Drizzle Packable Shell",
    "Harrow Down Jacket",
    "Zephyr Wind Vest",
    "Torrent Rain Trousers",
    "Vika Merino Longsleeve",
    "Sol Sun Hoody",
    "Alva Trekking Boots",
    "Down Hut Socks",
    "Feather 40 Ultralight Pack",
    "Whisper 1 Ultralight",
    "Cloud 5 Sleeping Mat",
    "Glow Camp Lantern",
    "Thermo Bottle 0.5",
    "Trail Pot Set",
    "Sahara Sun Hat",
    "Swift Travel Towel",
];

const ORDERS: &[&str] = &[
    "10206", "10210", "10213", "10216", "10217", "10218", "10219", "10220", "10223", "10224",
    "10225", "10226", "10228", "10229", "10230", "10231", "10234", "10236", "48213", "77120",
    "#10232", "10999",
];

/// Orders with what proves that they are one's own.
const PROOFS: &[&str] = &[
    "10206, 05422-010",
    "10217 and 40124",
    "10224, LS6 3HN",
    "10226, 11215",
    "10229, 10999",
    "10234, 28012",
    "10231, lena.hofer@example.com",
    "10234, marta.ruiz@example.com",
    "10220, diego.fernandez@example.com",
];

const ENGLISH: Speech = Speech {
    greetings: &[
        "",
        "Hi, ",
        "",
        "hello ",
        "",
        "Hey there, ",
        "",
        "Good morning, ",
        "Quick question: ",
        "",
        "hi! ",
    ],
    closings: &[
        "",
        " Thanks!",
        "",
        " thank you",
        "",
        " Thanks in advance.",
        "",
        " please",
        " :)",
    ],
    slots: &[
        ("{product}", PRODUCTS),
        ("{order}", ORDERS),
        ("{proof}", PROOFS),
        (
            "{kind}",
            &[
                "waterproof hiking jackets",
                "warm sleeping bags",
                "light tents for two",
                "trekking boots",
                "merino socks",
                "a backpack for a week",
                "head torches",
                "something for rainy commutes",
                "rain trousers",
                "a gift for a friend who hikes",
                "travel towels",
                "camping stoves",
            ],
        ),
        (
            "{price}",
            &[
                "50",
                "80 €",
                "100 euros",
                "120",
                "150 €",
                "200",
                "30 euros",
                "60",
            ],
        ),
        ("{size}", &["S", "M", "L", "XL", "42", "38", "XXL", "44"]),
        (
            "{colour}",
            &["black", "pine", "slate", "berry", "sand", "blue", "green"],
        ),
        (
            "{country}",
            &[
                "Canada",
                "Switzerland",
                "Norway",
                "the UK",
                "Portugal",
                "Japan",
                "Ireland",
                "Italy",
                "Mexico",
            ],
        ),
        (
            "{method}",
            &[
                "PayPal",
                "Apple Pay",
                "bank transfer",
                "Amex",
                "Klarna",
                "a gift card",
                "an invoice",
            ],
        ),
        (
            "{day}",
            &[
                "Friday",
                "next week",
                "Christmas",
                "tomorrow",
                "the weekend",
                "the 24th",
            ],
        ),
        (
            "{height}",
            &["1.68", "1.72", "1.75 m", "1.80", "1.84", "1.90 m", "1.63"],
        ),
    ],
    questions: &[
        "do you have {kind} under {price}?",
        "I'm looking for {kind}, what do you recommend?",
        "show me {kind} in {colour}",
        "which {kind} are in stock in size {size}?",
        "I need {kind} for a trip to {country}, not more than {price}",
        "is the {product} waterproof?",
        "how much does the {product} weigh?",
        "what is the {product} made of?",
        "how much is the {product}?",
        "can I wash the {product} in the machine at 30 degrees?",
        "does the {product} come in {colour}?",
        "do you still have the {product} in {size}?",
        "when will the {product} be back in {colour}?",
        "is the {product} available right now, and how many are left?",
        "what size should I take in the {product}? I am {height} tall and usually wear {size}",
        "does the {product} run small or is it true to size",
        "where is my order {order}?",
        "wheres my parcel, order number {order}",
        "has order {order} left your warehouse yet?",
        "can you give me the tracking number of {order}",
        "I ordered last week ({order}) and would like to know when it arrives",
        "my order is {proof}",
        "where is my order? it is {proof}",
        "will my order arrive before {day}?",
        "do you ship to {country} and what does it cost?",
        "how long does delivery to {country} take?",
        "if I order today, is it here by {day}?",
        "is there express shipping to {country}?",
        "can I pay with {method}?",
        "do you accept {method} for orders over {price}",
        "what is your return policy? I bought the {product}",
        "how long do I have to send the {product} back?",
        "is a return from {country} free?",
        "how long is the guarantee on the {product}?",
        "when does the refund for {order} reach my account?",
        "do you have a discount code for {kind}",
        "is there a student discount on the {product}?",
        "could I get an invoice for order {order}?",
    ],
};

const SPANISH: Speech = Speech {
    greetings: &["", "Hola, ", "", "Buenas, ", "hola! ", "", "Buenos días, "],
    closings: &[
        "",
        " Gracias!",
        "",
        " gracias",
        " Muchas gracias de antemano.",
    ],
    slots: &[
        ("{product}", PRODUCTS),
        ("{order}", ORDERS),
        (
            "{kind}",
            &[
                "chaquetas impermeables",
                "botas de montaña",
                "sacos de dormir",
                "mochilas ligeras",
                "calcetines de lana",
            ],
        ),
        ("{price}", &["50 €", "80", "100 euros", "150 €"]),
        ("{size}", &["S", "M", "L", "42", "39"]),
        (
            "{country}",
            &[
                "Portugal", "México", "Canarias", "Chile", "Francia", "Andorra",
            ],
        ),
    ],
    questions: &[
        "¿dónde está mi pedido {order}?",
        "¿tenéis {kind} por menos de {price}?",
        "¿cuánto tarda el envío a {country}?",
        "¿está disponible {product} en la talla {size}?",
        "¿cuánto cuesta {product}?",
        "¿hacéis envíos a {country} y cuánto cuestan?",
        "¿cuánto tiempo tengo para devolver {product}?",
        "¿se puede lavar a máquina {product}?",
        "quiero saber cuándo llega el pedido {order}",
        "¿puedo pagar con PayPal el pedido {order}?",
    ],
};

const GERMAN: Speech = Speech {
    greetings: &["", "Hallo, ", "", "Guten Tag, ", "hi ", "", "Moin, "],
    closings: &["", " Danke!", "", " vielen Dank", " Danke im Voraus."],
    slots: &[
        ("{product}", PRODUCTS),
        ("{order}", ORDERS),
        (
            "{kind}",
            &[
                "wasserdichte Jacken",
                "Wanderschuhe",
                "Schlafsäcke",
                "leichte Rucksäcke",
                "Stirnlampen",
            ],
        ),
        ("{price}", &["50 €", "80 Euro", "100", "150 €"]),
        ("{size}", &["S", "M", "L", "43", "40"]),
        (
            "{country}",
            &[
                "Österreich",
                "die Schweiz",
                "Norwegen",
                "Dänemark",
                "Italien",
                "Polen",
            ],
        ),
    ],
    questions: &[
        "wo ist meine Bestellung {order}?",
        "habt ihr {kind} unter {price}?",
        "wie lange dauert der Versand nach {country}?",
        "gibt es {product} noch in {size}?",
        "was kostet {product}?",
        "liefert ihr auch nach {country}?",
        "wie lange kann ich {product} zurückgeben?",
        "ist {product} wasserdicht?",
        "wann kommt die Bestellung {order} an?",
        "kann ich auf Rechnung zahlen, auch bei {kind}?",
    ],
};
