//! Words at which a person should see a message, for when no model tells.
//!
//! Language by language in the order of [`LANGUAGES`], in folded text (no accents, `й` as `и`). They are the plain ones alone:
//! of the training messages that are urgent they raise three in five, of those that need nobody four in a thousand.

use std::sync::LazyLock;

use doorstep_core::understanding::Escalation;
use regex::Regex;

use crate::entities::{Folded, fixed};

/// English, Spanish, Portuguese, French, German, Italian, Russian.
const LANGUAGES: usize = 7;

/// Injury, fire, poisoning.
const INJURIES: [&str; LANGUAGES] = [
    r"injur[a-z]*|hospital|hospitalised|ambulance|bleeding|bled|burn(?:s|t|ed) (?:my|me|his|her|our)|second degree|electric shock|electrocuted|shocked me|chok(?:ed|ing)|(?:has|just|have) swallowed|swallowed (?:a|the|one|it)|poison(?:ed|ing|ous)|allergic (?:shock|reaction)|anaphyla[a-z]*|can t breathe|caught fire|on fire|exploded|blew up|emergency room|stitches|unconscious|(?:broke|broken|fractured) (?:my|his|her|arm|wrist|leg|toe|finger|nose)|cut (?:my|his|her) [a-z]+",
    r"herid[oa]s?|quemaduras?|me queme|se quemo la|incendi[a-z]*|explot[oa]|exploto|ambulancia|urgencias|intoxic[a-z]*|choque alergico|reaccion alergica|atragant[a-z]*|trago un|se trago|descarga electrica|calambrazo|sangra|sangrando|fractur[a-z]*|me corte|se corto",
    r"ferid[oa]s?|ferimentos?|machuc(?:ou|ei|ado|ada)|queimaduras?|queimou (?:a|o|minha|meu)|pegou fogo|incendio|explodiu|pronto socorro|engasg[a-z]*|engoliu|levou um choque|deu choque|choque eletrico|intoxica[a-z]*|reacao alergica|choque alergico|sangrando|sangra|se cortou|fraturou|hospitalizad[a-z]*",
    r"blesse|blessee|blesses|blessure|blessures|brulure|brulures|brule (?:la|le|au|les)|pris feu|a explose|samu|aux urgences|pompiers|etouffe|etouffer|vient d avaler|a avale|intoxique[a-z]*|intoxication|empoisonn[a-z]*|electrocute[a-z]*|reaction allergique|choc allergique|saigne|hopital|hospitalise[a-z]*|casse (?:le|la) (?:bras|poignet|jambe|pied)",
    r"verletz(?:t|ung|ungen)|verbrannt|verbrennung[a-z]*|gebrannt|brandblasen|feuer gefangen|in brand|brannte|explodiert|krankenhaus|krankenwagen|rettungswagen|notarzt|notaufnahme|vergift[a-z]*|verschluckt|erstick[a-z]*|stromschlag|allergisch(?:er|en|e) (?:schock|reaktion|ausschlag)|blutet|keine luft|durchgeschmort|schmoren|gebrochen(?:er|en)? (?:arm|hand|bein)",
    r"ferit[oaie]|ustion[a-z]*|bruciat[oa] (?:la|il|una|le|i) [a-z]+|preso fuoco|andat[oa] a fuoco|esplos[oaie]|scoppiat[oa]|ambulanza|pronto soccorso|ospedale|intossic[a-z]*|avvelen[a-z]*|ingoiat[a-z]*|soffoc[a-z]*|scossa elettrica|preso la scossa|shock anafilattico|reazione allergica|sanguina[a-z]*|mi sono tagliat[oa]|rotto (?:il|un) (?:braccio|polso)|fratturat[a-z]*",
    r"травм[а-я]*|ожог[а-я]*|обжег[а-я]*|обожгл[а-я]* (?:руку|лицо)|загорел[а-я]*|пожар[а-я]*|взорвал[а-я]*|скор(?:ая|ую|ои) помощ[а-я]*|скорую|больниц[а-я]*|отрав[а-я]*|проглотил[а-я]*|задыха[а-я]*|подавил(?:ся|ась)|удар[а-я]* током|током|аллергическ[а-я]*|отек квинке|кровь|крови|кровотеч[а-я]*|перелом[а-я]*|сломал[а-я]* (?:руку|ногу)|порезал[а-я]*",
];

/// Police, lawyers and courts.
const LAW: [&str; LANGUAGES] = [
    r"police|lawyers?|solicitors?|attorneys?|legal action|lawsuit|sue you|suing|small claims|trading standards|see you in court|take you to court|to court|court order|restraining order|ombudsman",
    r"policia|abogad[oa]s?|demandar[a-z]*|demanda judicial|les meto una demanda|denuncia(?:r|re|do|rlos|ros)?|juzgado|juez|facua|profeco|consumo y",
    r"advogad[oa]s?|processar voces|processo judicial|procon|deco|delegacia|queixa crime|na justica|tribunal|boletim de ocorrencia|juizado",
    r"gendarmerie|commissariat|avocat|avocate|porter plainte|porte plainte|depose plainte|depot de plainte|tribunal|huissier|mise en demeure|dgccrf|en justice",
    r"polizei|anwalt[a-z]*|rechtsanwalt[a-z]*|strafanzeige|anzeige (?:ist|erstatt[a-z]*|bei|wegen)|klage|verklage[a-z]*|vor gericht|verbraucherzentrale|mahnbescheid|rechtsschutz[a-z]*|datenschutzbehorde",
    r"polizia|carabinieri|avvocat[oi]|denunci(?:a|o|ero|are)|querela[a-z]*|vie legali|giudice di pace|tribunale|diffida",
    r"полици(?:я|и|ю|еи)|адвокат[а-я]*|юрист[а-я]*|в суд|через суд|судом|роспотребнадзор[а-я]*|роскомнадзор[а-я]*|прокурат[а-я]*|заявление в",
];

/// Fraud, a stolen card, somebody else in an account.
const FRAUD: [&str; LANGUAGES] = [
    r"fraud|fraudulent|fraudsters?|hack(?:ed|er|ers)|stolen card|identity theft|unauthori[sz]ed|(?:didn t|not|never) authori[sz]e[a-z]*|(?:someone|somebody)(?: else)?(?: has|s)? (?:used|using|is using|got into|in my account|is in my account|changed my)|data (?:leak|breach)|(?:wasn t|was not|it s not|that s not) me|i (?:never|didn t) (?:made|make|placed|place|bought)",
    r"fraude|fraudulent[a-z]*|hackead[oa]|hackearon|tarjeta robada|robaron la tarjeta|no (?:he )?autori[zc][a-z]*|nunca autorice|alguien (?:entro|ha entrado|uso|ha usado|compro|esta usando)|suplant[a-z]*|que (?:yo )?no hice|no fui yo|no reconozco",
    r"hackeada|hackeado|hackearam|invadi(?:ram|u)|clonaram|clonad[oa]|cartao roubado|nao autori[zs][a-z]*|alguem (?:entrou|usou|comprou|fez)|que (?:eu )?nao fiz|nao fui eu|nao reconheco|entraram na minha conta|usaram meu cartao",
    r"pirate (?:mon|mes|ma)|compte pirate|carte volee|(?:pas|jamais) autorise[a-z]*|quelqu un (?:a utilise|a paye|a commande|est entre|s est connecte)|usurp[a-z]*|(?:ne )?reconnais pas|(?:c est|etait) pas moi|que je n ai (?:pas|jamais) (?:fait|passe)[a-z]*",
    r"betrugsfall|kreditkartenbetrug|gehackt|karte gestohlen|gestohlene karte|nicht autorisiert[a-z]*|jemand (?:ist in|kauft mit|hat (?:meine|auf meinem|mit meiner|sich in))|identitatsdiebstahl|datenleck|ich war das nicht|nie (?:etwas |was )?bei (?:ihnen|euch) (?:gekauft|bestellt)|nicht von mir",
    r"frode|frodi|hackerat[oa]|carta (?:rubata|clonata)|clonat[oa]|(?:non|mai) (?:ho )?autorizzat[a-z]*|qualcuno (?:ha usato|ha speso|e entrato|sta usando)|non sono (?:stato |stata )?io|non riconosco|mai comprato da voi",
    r"мошенничеств[а-я]*|взлом[а-я]*|украл[а-я]* карт[а-я]*|карту украл[а-я]*|(?:это )?не я (?:плат|дел|покуп|заказ|оформ)[а-я]*|не моя операция|не совершал[а-я]*|которого я не делал|без моего ведома",
];

/// Threats, and who may harm themselves.
const THREATS: [&str; LANGUAGES] = [
    r"suicid[a-z]*|kill(?:ing)? (?:myself|you)|end my life|want to die|hurt myself|self harm|don t want to (?:live|be here any ?more|wake up)|lot of pills",
    r"matarme|quitarme la vida|no quiero (?:seguir viviendo|vivir)|hacerme dano|os voy a matar|los voy a matar|quiero morir(?:me)?",
    r"me matar|tirar minha vida|nao quero (?:mais )?viver|quero morrer|vou matar voces",
    r"me tuer|me suicider|suicide|plus envie de vivre|envie de mourir|vais vous tuer",
    r"mich umbringen|bringe? (?:mich|euch) um|selbstmord|suizid[a-z]*|nicht mehr leben|will sterben|mir etwas antun",
    r"ucciderm[a-z]*|uccido|mi ammazzo|vi ammazzo|farla finita|non (?:voglio|ce la faccio) piu (?:a )?vivere|voglio morire|togliermi la vita",
    r"самоуби[а-я]*|покончить с собои|не хочу (?:больше )?жить|жить не хо[а-я]*|убью (?:себя|вас)|хочу умереть",
];

/// Who accuses the shop, or asks for whom to complain to.
const ANGER: [&str; LANGUAGES] = [
    r"scam|scammers?|scammed|thieves|crooks|con artists|rip off|ripped off|liars|disgrace|disgraceful|manager|supervisor|charge ?back|formal complaint|disgusting|worst (?:shop|service|company)|unacceptable|ridiculous|fed up",
    r"estafa|estafas|estafador[a-z]*|ladrones|rateros|timo|mentirosos|verguenza|vergonzoso|encargad[oa]|retrocesion|reclamacion(?:es)?|inaceptable|hart[oa]",
    r"golpe|golpistas?|ladroes|mentirosos|vergonha|gerente|reclame aqui|livro de reclamacoes|reclamacao|inaceitavel|far[tc][oa]|palhacada",
    r"arnaque[a-z]*|escroc[a-z]*|escroquerie|voleurs?|menteurs?|honte|honteux|responsable|reclamation|inacceptable|inadmissible|marre|degoute[a-z]*",
    r"betrug|betruger|betrogen|abzocke|gauner|lugner|unverschamt[a-z]*|frechheit|vorgesetzt[a-z]*|filialleiter|beschwerde[a-z]*|unmoglich|saftladen|verarscht|schweinerei",
    r"truff[ae]|truffator[a-z]*|ladri|imbroglion[a-z]*|bugiard[a-z]*|vergogna|vergognoso|responsabile|reclamo|inaccettabile|stufo|stufa di",
    r"обман|обманщик[а-я]*|обманул[а-я]*|мошенник[а-я]*|жулик[а-я]*|воры|вранье|врете|позор|хамств[а-я]*|начальник[а-я]*|руководств[а-я]*|жалоб[а-я]*|чарджбэк|безобразие|издева[а-я]*|сколько можно",
];

static URGENT: LazyLock<Regex> = LazyLock::new(|| words(&[INJURIES, LAW, FRAUD, THREATS]));
static ESCALATE: LazyLock<Regex> = LazyLock::new(|| words(&[ANGER]));

/// Any of these as whole words; folded text ends with a space.
fn words(lists: &[[&str; LANGUAGES]]) -> Regex {
    let words: Vec<&str> = lists.iter().flatten().copied().collect();
    fixed(&format!("(?:^| )(?:{}) ", words.join("|")))
}

/// Whether a person should see a message, by its words alone.
pub(super) fn escalation(text: &str) -> Escalation {
    let folded = Folded::new(text);
    let text = folded.as_str();
    if URGENT.is_match(text) {
        Escalation::Urgent
    } else if ESCALATE.is_match(text) {
        Escalation::Escalate
    } else {
        Escalation::Normal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn danger_law_fraud_and_despair_are_urgent_in_seven_languages() {
        for text in [
            "the charger caught fire!",
            "I'll call the police",
            "My lawyer will write to you.",
            "someone used my card",
            "I want to die",
            "mi hijo está en urgencias",
            "hablaré con mi abogado",
            "no reconozco este cargo",
            "no quiero vivir",
            "a bateria pegou fogo",
            "vou ao Procon",
            "meu cartão foi usado, não autorizei",
            "não quero mais viver",
            "le chargeur a explosé",
            "je vais porter plainte",
            "mon compte piraté, ce n'est pas moi",
            "j'ai envie de mourir",
            "das Kind ist verletzt",
            "ich gehe zum Anwalt",
            "mein Konto wurde gehackt",
            "ich will nicht mehr leben",
            "sono al pronto soccorso",
            "chiamo i carabinieri",
            "carta clonata",
            "voglio farla finita",
            "ребёнок в больнице",
            "иду в полицию",
            "мой аккаунт взломали",
            "не хочу жить",
        ] {
            assert_eq!(escalation(text), Escalation::Urgent, "{text}");
        }
    }

    #[test]
    fn accusations_are_for_a_person_in_seven_languages() {
        for text in [
            "you are thieves",
            "sois unos ladrones",
            "isso é um golpe",
            "bande d'escrocs",
            "das ist Betrug",
            "è una truffa",
            "верните деньги, это обман",
        ] {
            assert_eq!(escalation(text), Escalation::Escalate, "{text}");
        }
    }

    #[test]
    fn everyday_messages_need_nobody() {
        for text in [
            "what is your return policy",
            "fire red jacket",
            "¿hacéis envíos urgentes?",
            "policial romance",
            "o estafeta não apareceu",
            "un roman policier",
            "die Kochplatte ist gebraucht",
            "volevo due camicie",
            "детская кровать",
            "",
            "🙂",
        ] {
            assert_eq!(escalation(text), Escalation::Normal, "{text}");
        }
    }
}
