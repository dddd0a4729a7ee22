//! The words for how stock and orders stand, by language. In lower case, with `е` for `ё`.

use super::states::State::{self, *};

/// What the states are called in a language, and what makes a statement of them another.
pub(super) struct Lexicon {
    /// What begins a statement of its own within a clause.
    pub(super) but: &'static [&'static str],
    /// What denies what follows.
    pub(super) negations: &'static [&'static str],
    /// What makes a condition of what follows.
    pub(super) conditions: &'static [&'static str],
    /// What makes a possibility or a rule of what follows about orders.
    pub(super) general: &'static [&'static str],
    /// Phrases: `*` stands for any ending, `#` for a number; one that begins with `=` cannot be denied.
    pub(super) states: &'static [(State, &'static [&'static str])],
}

/// That of a language; English where we do not speak it.
pub(super) fn lexicon(language: &str) -> &'static Lexicon {
    match language {
        "de" => &GERMAN,
        "es" => &SPANISH,
        "pt" => &PORTUGUESE,
        "fr" => &FRENCH,
        "it" => &ITALIAN,
        "ru" => &RUSSIAN,
        _ => &ENGLISH,
    }
}

#[rustfmt::skip]
static ENGLISH: Lexicon = Lexicon {
    but: &["but", "however"],
    negations: &[
        "not", "no", "never", "nor", "neither", "none", "isn", "wasn", "hasn", "haven", "aren", "weren", "cannot",
    ],
    conditions: &[
        "if", "whether", "when", "once", "until", "till", "unless", "after", "before", "since", "case", "soon", "day",
    ],
    general: &["can", "could", "may", "might", "will", "would", "should", "must", "are", "be", "usually", "normally"],
    states: &[
        (InStock, &["in stock", "available", "=only # left", "=# left"]),
        (SoldOut, &["sold out", "out of stock", "unavailable"]),
        (Unpaid, &["waiting for your payment", "awaiting payment", "awaiting your payment"]),
        (Packing, &["packed", "being prepared", "being processed", "in preparation"]),
        (Shipped, &[
            "shipped", "dispatched", "on its way", "on the way", "on their way", "in transit", "underway", "was sent",
            "been sent", "left our warehouse", "left the warehouse",
        ]),
        (OutForDelivery, &["out for delivery", "on the delivery van", "being delivered"]),
        (Ready, &["ready for pick*", "ready for collection", "ready to be collected", "ready to be picked", "waiting for you at"]),
        (Delivered, &["delivered", "arrived"]),
        (Late, &["delayed", "is late", "running late"]),
        (Cancelled, &["cancelled", "canceled"]),
        (Returned, &["was returned", "been returned", "has reached us", "return has arrived", "coming back to us"]),
        (Refunded, &["refunded", "refund has been", "refund was", "refund is on its way"]),
        (Lost, &["was lost", "is lost", "been lost", "got lost", "cannot find the parcel"]),
    ],
};

#[rustfmt::skip]
static GERMAN: Lexicon = Lexicon {
    but: &["aber", "sondern", "jedoch"],
    negations: &["nicht", "kein", "keine", "keinen", "keiner", "keines", "keinem", "nie", "niemals", "weder"],
    conditions: &[
        "wenn", "falls", "ob", "sobald", "bis", "nachdem", "bevor", "sofern", "seit", "nach", "tag", "fall",
    ],
    general: &[
        "wird", "werden", "würde", "würden", "kann", "können", "könnte", "soll", "sollte", "sollen", "muss", "müssen",
        "darf", "dürfen",
    ],
    states: &[
        (InStock, &["vorrätig*", "auf lager", "lagernd", "lieferbar", "verfügbar*", "=nur noch #", "=noch # da"]),
        (SoldOut, &["ausverkauft*", "vergriffen"]),
        (Unpaid, &["wartet auf ihre zahlung", "wartet auf zahlung"]),
        (Packing, &["gepackt", "in bearbeitung", "in vorbereitung"]),
        (Shipped, &[
            "unterwegs", "versandt", "versendet", "verschickt", "abgeschickt", "lager verlassen", "auf dem weg",
        ]),
        (OutForDelivery, &["in zustellung", "in der zustellung", "im zustellfahrzeug"]),
        (Ready, &["abholbereit", "zur abholung bereit", "bereit zur abholung", "in der abholstelle"]),
        (Delivered, &["zugestellt", "geliefert", "ausgeliefert", "angekommen", "eingetroffen"]),
        (Late, &["verspätet", "verzögert"]),
        (Cancelled, &["storniert"]),
        (Returned, &[
            "rücksendung ist angekommen", "rücksendung ist eingegangen", "retoure ist angekommen",
            "retoure ist eingegangen", "kommt zu uns zurück", "ist bei uns", "unterwegs zu uns",
        ]),
        (Refunded, &["erstattet", "rückerstattet", "zurückerstattet", "zurückgezahlt"]),
        (Lost, &["verloren gegangen", "verlorengegangen", "findet das paket"]),
    ],
};

#[rustfmt::skip]
static SPANISH: Lexicon = Lexicon {
    but: &["pero", "sino"],
    negations: &["no", "nunca", "ni", "tampoco", "ningún", "ninguna"],
    conditions: &[
        "si", "cuando", "hasta", "después", "antes", "desde", "tras", "vez", "caso", "cuanto", "salvo",
    ],
    general: &[
        "será", "serán", "puede", "pueden", "podría", "podrá", "podrán", "debe", "deben", "debería", "suele", "suelen",
        "son", "ser",
    ],
    states: &[
        (InStock, &["en stock", "disponible*", "en existencias", "hay existencias", "=solo queda*", "=queda* #"]),
        (SoldOut, &["agotad*", "sin stock", "sin existencias", "fuera de stock"]),
        (Unpaid, &["pendiente de pago"]),
        (Packing, &["en preparación", "estamos preparando", "está preparad*"]),
        (Shipped, &[
            "en camino", "de camino", "en tránsito", "sido enviad*", "fue enviad*", "está enviad*", "hemos enviado", "se envió",
            "ha salido", "salió de",
        ]),
        (OutForDelivery, &["en reparto"]),
        (Ready, &["list* para recoger*", "list* para la recogida", "te espera en el punto"]),
        (Delivered, &["entregad*", "entregó", "entregaron", "ha llegado", "han llegado", "llegó", "llegaron"]),
        (Late, &["retrasad*", "con retraso", "lleva retraso"]),
        (Cancelled, &["cancelad*", "canceló", "anulad*", "anuló"]),
        (Returned, &["sido devuelt*", "fue devuelt*", "devolución ha llegado", "nos ha llegado", "vuelve a nosotros"]),
        (Refunded, &["reembolsad*", "reembolsó"]),
        (Lost, &["perdid*", "extraviad*", "no encuentra el paquete"]),
    ],
};

#[rustfmt::skip]
static PORTUGUESE: Lexicon = Lexicon {
    but: &["mas", "porém"],
    negations: &["não", "nunca", "nem", "nenhum", "nenhuma"],
    conditions: &[
        "se", "quando", "até", "após", "depois", "antes", "desde", "assim", "caso", "vez", "logo",
    ],
    general: &[
        "será", "serão", "pode", "podem", "poderá", "deve", "devem", "deveria", "costuma", "costumam", "são", "ser",
    ],
    states: &[
        (InStock, &["em stock", "em estoque", "disponíve*", "=só resta*", "=resta* #"]),
        (SoldOut, &["esgotad*", "indisponíve*", "sem stock", "sem estoque", "fora de estoque"]),
        (Unpaid, &["aguarda o pagamento", "aguarda pagamento"]),
        (Packing, &["em preparação", "a ser preparad*", "estamos a preparar", "está pronta e", "está pronto e"]),
        (Shipped, &[
            "a caminho", "em trânsito", "foi enviad*", "foram enviad*", "sido enviad*", "está enviad*", "despachad*",
            "expedid*", "saiu do", "já saiu",
        ]),
        (OutForDelivery, &["em distribuição", "saiu para entrega", "em rota de entrega"]),
        (Ready, &["pront* para recolha", "pront* para levanta*", "pront* para retirada", "no ponto de recolha"]),
        (Delivered, &["entregue", "entregues", "chegou", "chegaram"]),
        (Late, &["atrasad*", "com atraso"]),
        (Cancelled, &["cancelad*", "anulad*"]),
        (Returned, &["foi devolvid*", "sido devolvid*", "devolução chegou", "já nos chegou", "a voltar para nós"]),
        (Refunded, &["reembolsad*", "estornad*"]),
        (Lost, &["perdid*", "extraviad*", "não encontra o pacote"]),
    ],
};

#[rustfmt::skip]
static FRENCH: Lexicon = Lexicon {
    but: &["mais"],
    negations: &["ne", "n", "pas", "jamais", "ni", "aucun", "aucune"],
    conditions: &[
        "si", "s", "quand", "lorsque", "lorsqu", "dès", "après", "avant", "jusqu", "fois", "depuis", "cas",
    ],
    general: &[
        "sera", "seront", "peut", "peuvent", "pourra", "pourront", "doit", "doivent", "devrait", "être", "sont",
    ],
    states: &[
        (InStock, &["en stock", "disponible*", "=plus que #"]),
        (SoldOut, &["épuisé*", "indisponible*", "en rupture", "rupture de stock", "hors stock"]),
        (Unpaid, &["attend votre paiement", "en attente de paiement"]),
        (Packing, &["en préparation", "en cours de préparation", "est prêt* et"]),
        (Shipped, &[
            "expédié*", "en route", "en chemin", "en transit", "été envoyé*", "quitté notre entrepôt",
            "quitté l entrepôt", "est parti*",
        ]),
        (OutForDelivery, &["en cours de livraison"]),
        (Ready, &["prêt* à être retiré*", "prêt* à retirer", "disponible* en point", "vous attend au point"]),
        (Delivered, &["livré*", "est arrivé*", "sont arrivé*", "bien arrivé*", "été remis*"]),
        (Late, &["retardé*", "en retard", "du retard"]),
        (Cancelled, &["annulé*"]),
        (Returned, &["été retourné*", "retour est arrivé", "nous est parvenu*", "revient chez nous"]),
        (Refunded, &["remboursé*"]),
        (Lost, &["perdu*", "égaré*", "ne retrouve pas le colis"]),
    ],
};

#[rustfmt::skip]
static ITALIAN: Lexicon = Lexicon {
    but: &["ma", "però"],
    negations: &["non", "mai", "né", "nessun", "nessuna"],
    conditions: &[
        "se", "quando", "dopo", "prima", "finché", "fino", "appena", "volta", "caso", "qualora",
    ],
    general: &[
        "sarà", "saranno", "può", "possono", "potrà", "deve", "devono", "dovrebbe", "viene", "vengono", "verrà",
        "verranno", "essere",
    ],
    states: &[
        (InStock, &["in stock", "disponibile", "disponibili", "in magazzino", "a magazzino", "=rest* solo", "=restano #"]),
        (SoldOut, &["esaurit*", "indisponibile", "indisponibili"]),
        (Unpaid, &["in attesa del pagamento", "in attesa di pagamento"]),
        (Packing, &["in preparazione", "stiamo preparando", "è pront* e"]),
        (Shipped, &[
            "spedit*", "in viaggio", "in transito", "in arrivo", "lasciato il nostro magazzino", "è partit*",
        ]),
        (OutForDelivery, &["in consegna"]),
        (Ready, &["pront* per il ritiro", "ti aspetta al punto"]),
        (Delivered, &["consegnat*", "è arrivat*", "sono arrivat*"]),
        (Late, &["in ritardo"]),
        (Cancelled, &["annullat*"]),
        (Returned, &["stato restituit*", "stato reso", "reso è arrivato", "ci è arrivat*", "tornando da noi"]),
        (Refunded, &["rimborsat*"]),
        (Lost, &["smarrit*", "andato perso", "non trova il pacco"]),
    ],
};

#[rustfmt::skip]
static RUSSIAN: Lexicon = Lexicon {
    but: &["но", "зато", "однако"],
    negations: &["не", "нет", "ни", "никогда"],
    conditions: &["если", "когда", "после", "до", "пока", "как", "ли", "случае", "чтобы", "момента"],
    general: &[
        "будет", "будут", "может", "могут", "можно", "должен", "должна", "должно", "должны", "обычно",
    ],
    states: &[
        (InStock, &[
            "в наличии", "на складе", "доступен", "доступна", "доступно", "доступны", "=остался", "=осталась",
            "=осталось", "=остались",
        ]),
        (SoldOut, &["нет в наличии", "нет на складе", "распродан*", "раскуплен*", "закончил*"]),
        (Unpaid, &["ожидает оплаты", "ждет оплаты"]),
        (Packing, &["собирается", "собран*"]),
        (Shipped, &["отправлен*", "в пути", "выслан*", "покинул*", "передан* в доставку"]),
        (OutForDelivery, &["у курьера", "передан* курьеру"]),
        (Ready, &["готов* к выдаче", "в пункте выдачи"]),
        (Delivered, &["доставлен*", "вручен*", "прибыл*", "пришел"]),
        (Late, &["задержан*", "задержива*"]),
        (Cancelled, &["отменен*"]),
        (Returned, &["возвращен*", "возвращается к нам", "уже у нас"]),
        (Refunded, &["деньги возвращен*", "деньги за заказ # возвращен*", "возмещен*"]),
        (Lost, &["потерян*", "утерян*", "потерял*", "не может найти посылку"]),
    ],
};
