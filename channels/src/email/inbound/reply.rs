//! What a customer wrote, without what they answer and without their signature.
//!
//! Mail programs put the answered mail below the answer, each in its own way and language: an attribution line ("On …
//! wrote:") and lines that begin with `>`; a separator ("-----Original Message-----"); or a block of header lines
//! ("From: … Sent: … Subject: …"). Some people write between the quoted lines: those stay. No kept crate knows the seven
//! languages, so the patterns are here; what they must and must not catch is in the tests.

use std::sync::LazyLock;

use regex::Regex;

/// An attribution is wrapped over so many lines at most.
const ATTRIBUTION_LINES: usize = 4;
/// Attributions are shorter than this, in bytes.
const ATTRIBUTION_BYTES: usize = 400;
/// A closing ("Best regards") is a signature's beginning only so near to the end.
const SIGNATURE_LINES: usize = 10;

macro_rules! pattern {
    ($name:ident, $pattern:expr) => {
        #[allow(clippy::expect_used)] // constant, and read by a test
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($pattern).expect("a constant pattern"));
    };
}

// "On Sat, 21 Nov 2026 at 10:00, Shop <hello@shop.example> wrote:" in the seven languages.
pattern!(
    ATTRIBUTION,
    r"(?ix)^(?:
        on\b.*\bwrote\s*:
        | .{0,200}\bwrote\s*:
        | el\b.*\bescribi[oó]\s*:
        | .{0,200}\bescribi[oó]\s*:
        | am\b.*\bschrieb\b.*:
        | .{0,200}\bschrieb\s*:
        | le\b.*\ba\s+[eé]crit\s*:
        | .{0,200}\ba\s+[eé]crit\s*:
        | (?:il|in\s+data|in\s+dat|dal)\b.*\bha\s+scritto\s*:
        | .{0,200}\bha\s+scritto\s*:
        | (?:em|no\s+dia|a|à|na)\b.*\bescreveu\b.*:
        | .{0,200}\bescreveu\s*(?:\(.{0,80}\)\s*)?:
        | .{0,300}\b(?:написал|написала|написал\(а\)|пишет|писал|писала|писал\(а\))\s*:
    )\s*$"
);
// Russian programs and some others name no verb: "сб, 21 нояб. 2026 г. в 10:00, Shop <hello@shop.example>:".
pattern!(
    BARE_ATTRIBUTION,
    r"(?x)^.{0,200}\d{4}.{0,80}\d{1,2}[:.]\d{2}.{0,200}<[^<>\s]+@[^<>\s]+>\s*:\s*$"
);
// What an attribution begins with where it is wrapped over lines.
pattern!(
    ATTRIBUTION_START,
    r"(?ix)^(?:on|el|am|le|il|in\s+data|em|no\s+dia|
        (?:пн|вт|ср|чт|пт|сб|вс|понедельник|вторник|среда|четверг|пятница|суббота|воскресенье)\b|\d{1,2}[.\s/])"
);
pattern!(
    SEPARATOR,
    r"(?ix)^[\s*]*(?:
        -{2,}\s*(?: original\s+message | originalnachricht | urspr(?:ü|ue)ngliche\s+nachricht | mensaje\s+original
            | message\s+d['’]origine | message\s+original | messaggio\s+originale | mensagem\s+original
            | исходное\s+сообщение | оригинальное\s+сообщение | пересылаемое\s+сообщение )\s*-{2,}
        | -{5,}\s*reply\s+above\s+this\s+line\s*-{5,}
        | _{20,} )[\s*]*$"
);
pattern!(
    FORWARD,
    r"(?ix)^[\s*]*(?:
        -{2,}\s*(?: forwarded\s+message | weitergeleitete\s+nachricht | mensaje\s+reenviado | message\s+transf[eé]r[eé]
            | messaggio\s+inoltrato | mensagem\s+encaminhada | mensagem\s+reencaminhada | пересылаемое\s+сообщение
            | пересланное\s+сообщение )\s*-{2,}
        | begin\s+forwarded\s+message: | anfang\s+der\s+weitergeleiteten\s+nachricht:
        | inicio\s+del\s+mensaje\s+reenviado: | début\s+du\s+message\s+réexpédié\s*:
        | inizio\s+messaggio\s+inoltrato: | início\s+da\s+mensagem\s+encaminhada:
        | начало\s+переадресованного\s+сообщения: )"
);
pattern!(
    HEADER_FROM,
    r"(?i)^[\s*]*(?:from|de|von|da|от|от кого|expéditeur)\s*:[\s*]*\S"
);
pattern!(
    HEADER_OTHER,
    r"(?ix)^[\s*]*(?: sent|date|to|cc|subject | enviado(?:\s+el|\s+em)?|fecha|para|asunto | gesendet|datum|an|betreff
        | envoy[ée](?:\s+le)?|à|objet | inviato|data|a|oggetto | assunto | отправлено|дата|кому|тема|копия )\s*:[\s*]*\S"
);
pattern!(
    MOBILE,
    r"(?ix)^(?:
        sent\s+(?:from|via|with)\s+(?:my\s+|the\s+)?\S+(?:\s\S+){0,5} | sent\s+from\s+\S+(?:\s\S+){0,3}
        | get\s+outlook\s+for\s+.{2,40}
        | (?:enviado\s+(?:desde|con|do|de|a\s+partir\s+d[eo])|obtener\s+outlook|obtenha?\s+o?\s*outlook)\s.{2,50}
        | (?:von\s+mein(?:em|er)\s.{2,40}\s?gesendet|gesendet\s+(?:von|mit|aus)\s.{2,50}|outlook\s+für\s.{2,30}|holen\s+sie\s+sich\s+outlook.{0,40})
        | (?:envoyé\s+(?:de|depuis|à\s+partir\s+d|avec)\S*\s.{2,50}|t[ée]l[ée]charg(?:er|ez)\s+outlook.{0,40}|obtenir\s+outlook.{0,40})
        | (?:inviato\s+(?:da|dal|con)\S*\s.{2,50}|scarica\s+outlook.{0,40}|ottieni\s+outlook.{0,40})
        | (?:отправлено\s+(?:с|из|со)\s.{2,50}|скачать\s+outlook.{0,40})
    )[.!]?$"
);
pattern!(
    CLOSING,
    r"(?ix)^(?:
        (?:(?:with\s+)?(?:best|kind|warm|many)(?:est)?\s+(?:regards|wishes)|regards|sincerely|yours(?:\s+(?:sincerely|faithfully|truly))?|cheers|best)
        | (?:un\s+(?:cordial\s+)?saludo|(?:cordiales\s+|muchos\s+)?saludos(?:\s+cordiales)?|atentamente|un\s+abrazo|reciba[n]?\s+un\s+(?:cordial\s+)?saludo)
        | (?:(?:mit\s+)?(?:freundlichen?|besten?|herzlichen?|lieben?|vielen?|schönen?)\s+gr(?:ü|ue)(?:ß|ss)(?:e|en)?|mfg|lg|vg|hochachtungsvoll|gru(?:ß|ss))
        | (?:(?:bien\s+)?cordialement|bien\s+à\s+vous|(?:sincères\s+|meilleures\s+)?salutations(?:\s+distinguées)?|amicalement)
        | (?:(?:cordiali|distinti|tanti|un\s+cordiale)?\s*salut[io]|cordialmente)
        | (?:atenciosamente|(?:com\s+os\s+melhores\s+|melhores\s+)?cumprimentos|(?:um\s+)?abra[çc]os?|abs|att)
        | (?:с\s+уважением|всего\s+(?:доброго|хорошего|наилучшего)|с\s+наилучшими\s+пожеланиями)
    )\s*[,.!]*$"
);
// The same with a name behind it on the line: only where a comma parts them ("Saludos, Ana").
pattern!(
    CLOSING_WITH_NAME,
    r"(?ix)^(?: (?:best|kind)\s+regards | regards | saludos | atentamente | mit\s+freundlichen\s+gr(?:ü|ue)(?:ß|ss)en
        | viele\s+gr(?:ü|ue)(?:ß|ss)e | cordialement | cordiali\s+saluti | atenciosamente | с\s+уважением )\s*,\s*\p{Lu}[\p{L}'’.-]*(?:\s\p{Lu}[\p{L}'’.-]*){0,3}$"
);

/// What the customer wrote themselves. Empty when they wrote nothing but quoted.
pub(super) fn own_words(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end()).collect();
    let mut own = without_quotes(&lines);
    cut_signature(&mut own);
    // Blank lines, and the rule that parted the quote from the answer.
    let rule = |line: &str| line.len() >= 5 && line.chars().all(|c| matches!(c, '-' | '_' | '*'));
    while own
        .last()
        .is_some_and(|line| line.trim().is_empty() || rule(line.trim()))
    {
        own.pop();
    }
    joined(&own)
}

/// Lines without what is quoted.
fn without_quotes<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut own: Vec<&'a str> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        if is_quoted(line) {
            at += 1;
            continue;
        }
        if let Some(after) = attribution(lines, at) {
            // A quote is marked by `>`: what is not marked below is an answer to it. Unmarked, all the rest is quoted.
            if !next_is_quoted(lines, after) {
                break;
            }
            at = after;
            continue;
        }
        if FORWARD.is_match(line) {
            // What is forwarded is what the customer wants read, save for its header lines.
            at = after_header_block(lines, at + 1);
            continue;
        }
        if (SEPARATOR.is_match(line) && has_words_after(lines, at)) || is_header_block(lines, at) {
            break;
        }
        own.push(lines[at]);
        at += 1;
    }
    own
}

fn is_quoted(line: &str) -> bool {
    line.starts_with('>') || line.starts_with("|>")
}

fn next_is_quoted(lines: &[&str], from: usize) -> bool {
    let next = lines[from..].iter().find(|line| !line.trim().is_empty());
    next.is_some_and(|line| is_quoted(line.trim()))
}

fn has_words_after(lines: &[&str], at: usize) -> bool {
    lines[at + 1..].iter().any(|line| !line.trim().is_empty())
}

/// If an attribution begins here: the line after it.
fn attribution(lines: &[&str], at: usize) -> Option<usize> {
    let is_whole = |text: &str| {
        text.chars().any(|c| c.is_ascii_digit() || c == '@')
            && (ATTRIBUTION.is_match(text) || BARE_ATTRIBUTION.is_match(text))
    };
    let first = lines[at].trim().trim_matches('*');
    if first.is_empty() || first.len() > ATTRIBUTION_BYTES {
        return None;
    }
    if first.ends_with(':') && is_whole(first) {
        return Some(at + 1);
    }
    if !ATTRIBUTION_START.is_match(first) {
        return None;
    }
    let mut text = first.to_owned();
    for (more, line) in lines[at + 1..]
        .iter()
        .take(ATTRIBUTION_LINES - 1)
        .enumerate()
    {
        let line = line.trim();
        if line.is_empty() || is_quoted(line) || text.len() + line.len() > ATTRIBUTION_BYTES {
            return None;
        }
        text.push(' ');
        text.push_str(line);
        if line.ends_with(':') {
            return is_whole(&text).then_some(at + more + 2);
        }
    }
    None
}

/// "From: …" and at least two more header lines close together.
fn is_header_block(lines: &[&str], at: usize) -> bool {
    let (from, other) = (&*HEADER_FROM, &*HEADER_OTHER);
    if !from.is_match(lines[at]) && !other.is_match(lines[at]) {
        return false;
    }
    let near = || lines[at..].iter().take(7);
    let senders = near().filter(|line| from.is_match(line)).count();
    let others = near().filter(|line| other.is_match(line)).count();
    senders >= 1 && others >= 2
}

/// The first line after the header lines (and blank ones) that stand here.
fn after_header_block(lines: &[&str], mut at: usize) -> usize {
    let is_header = |line: &str| {
        line.trim().is_empty() || HEADER_FROM.is_match(line) || HEADER_OTHER.is_match(line)
    };
    while lines.get(at).is_some_and(|line| is_header(line)) {
        at += 1;
    }
    at
}

/// Takes the signature off, unless nothing else is there.
fn cut_signature(own: &mut Vec<&str>) {
    let wordy = |lines: &[&str]| lines.iter().any(|line| !line.trim().is_empty());
    let delimiter = own
        .iter()
        .position(|line| matches!(*line, "--" | "-- " | "—" | "---"));
    if let Some(at) = delimiter.filter(|at| wordy(&own[..*at])) {
        own.truncate(at);
    }
    // Footers of lists and gateways stand below a line of underscores.
    let rule = own
        .iter()
        .position(|line| line.len() >= 5 && line.bytes().all(|byte| byte == b'_'));
    if let Some(at) = rule.filter(|at| wordy(&own[..*at])) {
        own.truncate(at);
    }
    let filled: Vec<usize> = (0..own.len())
        .filter(|at| !own[*at].trim().is_empty())
        .collect();
    let last = filled.iter().rev().take(SIGNATURE_LINES);
    let closing = last.rev().find(|at| {
        let line = own[**at].trim();
        let closes = CLOSING.is_match(line) || CLOSING_WITH_NAME.is_match(line);
        closes
            && own[**at + 1..]
                .iter()
                .all(|line| line.chars().count() <= 80)
    });
    if let Some(at) = closing.copied().filter(|at| wordy(&own[..*at])) {
        own.truncate(at);
    }
    while let Some(last) = own.iter().rposition(|line| !line.trim().is_empty()) {
        let line = own[last].trim();
        if !MOBILE.is_match(line) || line.contains(", ") || line.chars().count() > 70 || last == 0 {
            break;
        }
        own.truncate(last);
    }
}

/// Lines as a text, without more than one blank line in a row.
fn joined(lines: &[&str]) -> String {
    let mut text = String::new();
    let mut blank = 0;
    for line in lines {
        if line.trim().is_empty() {
            blank += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        text.push_str(line);
    }
    text
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
