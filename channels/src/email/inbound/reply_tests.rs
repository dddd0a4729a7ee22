//! Answers as the common mail programs of the seven languages write them. All of it was written for these tests.

use super::own_words;

/// (what the program puts below the answer, in one language)
const QUOTES: &[(&str, &str)] = &[
    (
        "Gmail en",
        "On Sat, 21 Nov 2026 at 10:00, Fernweh <hello@shop.example> wrote:\n> Hi Ana,\n> it is on its way.\n",
    ),
    (
        "Gmail en, wrapped",
        "On Sat, Nov 21, 2026 at 10:00 AM Fernweh Supply\n<hello@shop.example> wrote:\n\n> Hi Ana,\n>\n> it is on its way.\n",
    ),
    (
        "Apple en, no marks",
        "On 21 Nov 2026, at 10:00, Fernweh <hello@shop.example> wrote:\n\nHi Ana,\nit is on its way.\n",
    ),
    (
        "Outlook en",
        "From: Fernweh <hello@shop.example>\nSent: Saturday, November 21, 2026 10:00 AM\nTo: Ana <ana@example.com>\nSubject: Your order\n\nHi Ana,\n",
    ),
    (
        "Outlook en, bold",
        "________________________________\n*From:* Fernweh <hello@shop.example>\n*Sent:* Saturday\n*To:* Ana\n*Subject:* Your order\n\nHi\n",
    ),
    (
        "Outlook en, old",
        "-----Original Message-----\nFrom: Fernweh\nHi Ana\n",
    ),
    (
        "Gmail es",
        "El sáb, 21 nov 2026 a las 10:00, Fernweh (<hello@shop.example>) escribió:\n\n> Hola Ana:\n> va de camino.\n",
    ),
    (
        "Outlook es",
        "De: Fernweh <hello@shop.example>\nEnviado el: sábado, 21 de noviembre de 2026 10:00\nPara: Ana\nAsunto: Tu pedido\n\nHola\n",
    ),
    (
        "Outlook es, old",
        "-----Mensaje original-----\nDe: Fernweh\nHola\n",
    ),
    (
        "Gmail de",
        "Am Sa., 21. Nov. 2026 um 10:00 Uhr schrieb Fernweh <\nhello@shop.example>:\n\n> Hallo Ana,\n> es ist unterwegs.\n",
    ),
    (
        "Thunderbird de",
        "Am 21.11.26 um 10:00 schrieb Fernweh:\n> Hallo Ana,\n",
    ),
    (
        "Outlook de",
        "Von: Fernweh <hello@shop.example>\nGesendet: Samstag, 21. November 2026 10:00\nAn: Ana\nBetreff: Ihre Bestellung\n\nHallo\n",
    ),
    (
        "GMX de",
        "Gesendet: Samstag, 21. November 2026 um 10:00 Uhr\nVon: Fernweh <hello@shop.example>\nAn: ana@example.com\nBetreff: Ihre Bestellung\nHallo\n",
    ),
    (
        "Outlook de, old",
        "-----Ursprüngliche Nachricht-----\nVon: Fernweh\nHallo\n",
    ),
    (
        "Gmail fr",
        "Le sam. 21 nov. 2026 à 10:00, Fernweh <hello@shop.example> a écrit :\n\n> Bonjour Ana,\n",
    ),
    (
        "Outlook fr",
        "De : Fernweh <hello@shop.example>\nEnvoyé : samedi 21 novembre 2026 10:00\nÀ : Ana\nObjet : Votre commande\n\nBonjour\n",
    ),
    (
        "Outlook fr, old",
        "-----Message d'origine-----\nDe : Fernweh\nBonjour\n",
    ),
    (
        "Gmail it",
        "Il giorno sab 21 nov 2026 alle ore 10:00 Fernweh <hello@shop.example>\nha scritto:\n\n> Ciao Ana,\n",
    ),
    (
        "Outlook it",
        "Da: Fernweh <hello@shop.example>\nInviato: sabato 21 novembre 2026 10:00\nA: Ana\nOggetto: Il tuo ordine\n\nCiao\n",
    ),
    (
        "Outlook it, old",
        "-----Messaggio originale-----\nDa: Fernweh\nCiao\n",
    ),
    (
        "Gmail pt",
        "Em sáb., 21 de nov. de 2026 às 10:00, Fernweh <hello@shop.example> escreveu:\n\n> Olá Ana,\n",
    ),
    (
        "Gmail pt-PT",
        "Fernweh <hello@shop.example> escreveu (sábado, 21/11/2026 à(s) 10:00):\n\n> Olá Ana,\n",
    ),
    (
        "Outlook pt",
        "De: Fernweh <hello@shop.example>\nEnviado: sábado, 21 de novembro de 2026 10:00\nPara: Ana\nAssunto: O seu pedido\n\nOlá\n",
    ),
    (
        "Outlook pt, old",
        "-----Mensagem original-----\nDe: Fernweh\nOlá\n",
    ),
    (
        "Gmail ru",
        "сб, 21 нояб. 2026 г. в 10:00, Fernweh <hello@shop.example>:\n\n> Здравствуйте!\n",
    ),
    (
        "Yandex ru",
        "21.11.2026, 10:00, \"Fernweh\" <hello@shop.example>:\nЗдравствуйте!\n",
    ),
    (
        "Mail.ru",
        "Суббота, 21 ноября 2026, 10:00 +03:00 от Fernweh <hello@shop.example>:\nЗдравствуйте!\n",
    ),
    (
        "Thunderbird ru",
        "21.11.2026 10:00, Fernweh пишет:\n> Здравствуйте!\n",
    ),
    (
        "Outlook ru",
        "От: Fernweh <hello@shop.example>\nОтправлено: 21 ноября 2026 г. 10:00\nКому: Ana\nТема: Ваш заказ\n\nЗдравствуйте!\n",
    ),
    (
        "Outlook ru, old",
        "-----Исходное сообщение-----\nОт: Fernweh\nЗдравствуйте!\n",
    ),
];

const SIGNATURES: &[&str] = &[
    "-- \nAna Ruiz\n+34 600 000 000",
    "--\nAna",
    "Sent from my iPhone",
    "Sent from Outlook for Android",
    "Get Outlook for iOS",
    "Best regards,\nAna Ruiz",
    "Kind regards\n\nAna Ruiz\nRuiz & Co\nCalle Mayor 1\n28012 Madrid",
    "Regards, Ana Ruiz",
    "Enviado desde mi iPhone",
    "Saludos cordiales,\nAna",
    "Un saludo\nAna",
    "Von meinem iPhone gesendet",
    "Gesendet mit der GMX Mail App",
    "Mit freundlichen Grüßen\nAna Ruiz",
    "Viele Grüße, Ana",
    "Envoyé de mon iPhone",
    "Cordialement,\nAna",
    "Inviato da iPhone",
    "Cordiali saluti\nAna",
    "Enviado do meu iPhone",
    "Atenciosamente,\nAna",
    "Отправлено с iPhone",
    "С уважением,\nАна",
    "Best regards,\nAna\n\nSent from my iPhone",
];

const WORDS: &str = "Where is it?\n\nI wait since Monday: it was promised.";

#[test]
fn quotes_of_all_programs_are_cut_off() {
    for (program, quote) in QUOTES {
        for gap in ["\n", "\n\n"] {
            let mail = format!("{WORDS}{gap}{quote}");
            assert_eq!(own_words(&mail), WORDS, "{program}");
            let mail = mail.replace('\n', "\r\n");
            assert_eq!(own_words(&mail), WORDS, "{program}, CRLF");
        }
    }
}

#[test]
fn signatures_are_cut_off_with_and_without_a_quote_below() {
    for signature in SIGNATURES {
        assert_eq!(
            own_words(&format!("{WORDS}\n\n{signature}\n")),
            WORDS,
            "{signature}"
        );
        for (program, quote) in QUOTES {
            let mail = format!("{WORDS}\n\n{signature}\n\n{quote}");
            assert_eq!(own_words(&mail), WORDS, "{signature}, {program}");
        }
    }
}

#[test]
fn an_answer_below_or_between_quoted_lines_stays() {
    let mail = "On Sat, 21 Nov 2026 at 10:00, Shop <a@shop.example> wrote:\n> Which size?\n\nM, please.\n\n> Which colour?\n\nBlue.\n";
    assert_eq!(own_words(mail), "M, please.\n\nBlue.");
}

#[test]
fn a_mail_without_own_words_is_empty_and_a_forwarded_one_is_what_was_forwarded() {
    for (program, quote) in QUOTES {
        assert_eq!(own_words(quote), "", "{program}");
    }
    let mail = "---------- Forwarded message ---------\nFrom: Carrier <a@carrier.example>\nDate: Sat, 21 Nov 2026\nSubject: Parcel\nTo: <ana@example.com>\n\nYour parcel is lost.\n";
    assert_eq!(own_words(mail), "Your parcel is lost.");
    assert_eq!(
        own_words(&format!("See:\n\n{mail}")),
        "See:\n\nYour parcel is lost."
    );
}

#[test]
fn what_only_looks_like_a_quote_or_a_signature_stays() {
    for words in [
        "On Monday I wrote to you, and nothing happened.",
        "On your site I found this:\na jacket for 89 €",
        "One question:\n\nwhen I order today, does it come on 24 Nov?",
        "From: Madrid\nI would like to order.",
        "Sent from my desk, is much easier than my phone.",
        "And here is a fix -- this is no signature.\n\nBye",
        "Best wishes are nice but I want my parcel",
        "Am 21.11. kam nichts an:\nder Karton war leer",
        "El pedido 10234 no llegó:\nfalta la chaqueta",
        "- a jacket\n- a bag",
        "Regards",
        "Sent from my iPhone",
        "Из дома: не работает",
    ] {
        assert_eq!(own_words(words), words);
    }
}

#[test]
fn long_and_strange_texts_are_read_in_time() {
    let long = "On ".repeat(200_000);
    assert!(!own_words(&long).is_empty());
    let lines = "On 1 wrote\n".repeat(50_000);
    assert!(!own_words(&lines).is_empty());
    assert_eq!(own_words(&"> x\n".repeat(100_000)), "");
    assert_eq!(own_words(""), "");
}
