//! The words that the check of a phrased answer knows, by language.

/// Days, months and near days. A `*` stands for any ending. What is a common word too (`may`, `march`) is left to the check
/// of names.
pub(super) fn dates(language: &str) -> &'static [&'static str] {
    match language {
        "de" => &[
            "montag*", "dienstag*", "mittwoch*", "donnerstag*", "freitag*", "samstag*", "sonnabend*", "sonntag*",
            "januar", "februar", "märz", "april", "juni", "juli", "august", "september", "oktober", "november",
            "dezember", "heute", "morgen", "übermorgen", "gestern", "wochenende",
        ],
        "es" => &[
            "lunes", "martes", "miércoles", "jueves", "viernes", "sábado*", "domingo*", "enero", "febrero", "marzo",
            "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre", "hoy",
            "mañana", "ayer",
        ],
        "pt" => &[
            "segunda", "terça*", "quarta", "quinta", "sexta", "sábado*", "domingo*", "janeiro",
            "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro",
            "dezembro", "hoje", "amanhã", "ontem",
        ],
        "fr" => &[
            "lundi*", "mardi*", "mercredi*", "jeudi*", "vendredi*", "samedi*", "dimanche*", "janvier", "février", "mars",
            "avril", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre", "aujourd", "demain",
            "hier",
        ],
        "it" => &[
            "lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica", "gennaio", "febbraio", "marzo",
            "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre", "oggi",
            "domani", "ieri",
        ],
        "ru" => &[
            "понедельник*", "вторник*", "сред*", "четверг*", "пятниц*", "суббот*", "воскресень*", "январ*", "феврал*",
            "март*", "апрел*", "июн*", "июл*", "август*", "сентябр*", "октябр*", "ноябр*", "декабр*", "сегодня", "завтра",
            "послезавтра", "вчера",
        ],
        _ => &[
            "monday*", "tuesday*", "wednesday*", "thursday*", "friday*", "saturday*", "sunday*", "january", "february",
            "april", "june", "july", "august", "september", "october", "november", "december", "today", "tomorrow",
            "tonight", "yesterday", "weekend*",
        ],
    }
}

/// Numbers as words, without those that are articles or other words too.
pub(super) fn numbers(language: &str) -> &'static [(&'static str, u32)] {
    match language {
        "de" => &[
            ("zwei", 2), ("drei", 3), ("vier", 4), ("fünf", 5), ("sechs", 6), ("sieben", 7), ("acht", 8), ("neun", 9),
            ("zehn", 10), ("elf", 11), ("zwölf", 12), ("vierzehn", 14), ("fünfzehn", 15), ("zwanzig", 20),
            ("dreißig", 30), ("vierzig", 40), ("fünfzig", 50), ("sechzig", 60), ("neunzig", 90), ("hundert", 100),
        ],
        "es" => &[
            ("dos", 2), ("tres", 3), ("cuatro", 4), ("cinco", 5), ("seis", 6), ("siete", 7), ("ocho", 8), ("nueve", 9),
            ("diez", 10), ("once", 11), ("doce", 12), ("catorce", 14), ("quince", 15), ("veinte", 20), ("treinta", 30),
            ("cuarenta", 40), ("cincuenta", 50), ("sesenta", 60), ("noventa", 90), ("cien", 100),
        ],
        "pt" => &[
            ("dois", 2), ("duas", 2), ("três", 3), ("quatro", 4), ("cinco", 5), ("seis", 6), ("sete", 7), ("oito", 8),
            ("nove", 9), ("dez", 10), ("onze", 11), ("doze", 12), ("catorze", 14), ("quinze", 15), ("vinte", 20),
            ("trinta", 30), ("quarenta", 40), ("cinquenta", 50), ("sessenta", 60), ("noventa", 90), ("cem", 100),
        ],
        "fr" => &[
            ("deux", 2), ("trois", 3), ("quatre", 4), ("cinq", 5), ("six", 6), ("sept", 7), ("huit", 8), ("dix", 10),
            ("onze", 11), ("douze", 12), ("quatorze", 14), ("quinze", 15), ("vingt", 20), ("trente", 30),
            ("quarante", 40), ("cinquante", 50), ("soixante", 60), ("cent", 100),
        ],
        "it" => &[
            ("due", 2), ("tre", 3), ("quattro", 4), ("cinque", 5), ("sette", 7), ("otto", 8), ("nove", 9), ("dieci", 10),
            ("undici", 11), ("dodici", 12), ("quattordici", 14), ("quindici", 15), ("venti", 20), ("trenta", 30),
            ("quaranta", 40), ("cinquanta", 50), ("sessanta", 60), ("novanta", 90), ("cento", 100),
        ],
        "ru" => &[
            ("два", 2), ("две", 2), ("двух", 2), ("три", 3), ("трёх", 3), ("трех", 3), ("четыре", 4), ("пять", 5),
            ("пяти", 5), ("шесть", 6), ("семь", 7), ("семи", 7), ("восемь", 8), ("девять", 9), ("десять", 10),
            ("десяти", 10), ("двенадцать", 12), ("четырнадцать", 14), ("пятнадцать", 15), ("двадцать", 20),
            ("тридцать", 30), ("тридцати", 30), ("сорок", 40), ("пятьдесят", 50), ("шестьдесят", 60), ("сто", 100),
        ],
        _ => &[
            ("two", 2), ("three", 3), ("four", 4), ("five", 5), ("six", 6), ("seven", 7), ("eight", 8), ("nine", 9),
            ("ten", 10), ("eleven", 11), ("twelve", 12), ("fourteen", 14), ("fifteen", 15), ("twenty", 20),
            ("thirty", 30), ("forty", 40), ("fifty", 50), ("sixty", 60), ("ninety", 90), ("hundred", 100),
        ],
    }
}

/// Words beside a number that make it a price.
pub(super) const CURRENCIES: [&str; 24] = [
    "eur", "euro", "euros", "usd", "dollar", "dollars", "dólares", "gbp", "pound", "pounds", "chf", "franken", "jpy", "yen",
    "pln", "sek", "nok", "dkk", "brl", "reais", "rub", "евро", "рублей", "рубля",
];

/// Words beside a number that make it a share.
pub(super) const PERCENT: [&str; 8] = [
    "percent", "percentage", "prozent", "ciento", "cento", "pourcent", "процент", "процентов",
];

/// What a model says of itself, of its instructions or of how it was asked. In lower case.
pub(super) const SLIPS: [&str; 44] = [
    "as an ai", "language model", "i am an ai", "i'm an ai", "system prompt", "my instructions", "instructions i was",
    "i was instructed", "i was told", "ignore previous", "ignore all", "previous instructions", "openai", "chatgpt", "gpt-",
    "get_stock", "find_order", "search_products", "get_policy", "tool call", "tool result", "the passage", "the facts say",
    "provided context", "the context provided", "information provided", "knowledge base", "training data", "as of my",
    "als ki", "sprachmodell", "meine anweisungen", "como ia,", "como una ia", "modelo de lenguaje", "mis instrucciones",
    "como uma ia", "modelo de linguagem", "en tant qu'ia", "modèle de langage", "modello linguistico", "come ia",
    "языковая модель", "мои инструкции",
];

/// Words that German writes in capitals to be polite.
pub(super) const POLITE: [&str; 8] = ["sie", "ihr", "ihre", "ihren", "ihrem", "ihrer", "ihres", "ihnen"];
