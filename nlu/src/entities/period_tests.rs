//! Today is Saturday, 21 November 2026.

use doorstep_core::understanding::EntityKind;

use super::super::tests::values;

#[track_caller]
fn assert_periods(table: &[(&str, &str, &str)]) {
    for (language, text, expected) in table {
        assert_eq!(
            values(EntityKind::Period, language, text),
            [*expected],
            "{text}"
        );
    }
}

#[test]
fn weeks_weekends_months_and_years_are_periods_in_seven_languages() {
    assert_periods(&[
        ("en", "will it come this week?", "2026-11-16/2026-11-22"),
        ("en", "next week", "2026-11-23/2026-11-29"),
        ("en", "I ordered it last month", "2026-10-01/2026-10-31"),
        ("en", "over the weekend", "2026-11-21/2026-11-22"),
        ("en", "last year", "2025-01-01/2025-12-31"),
        ("es", "¿llega esta semana?", "2026-11-16/2026-11-22"),
        ("es", "la semana que viene", "2026-11-23/2026-11-29"),
        ("es", "el mes pasado", "2026-10-01/2026-10-31"),
        ("es", "el fin de semana", "2026-11-21/2026-11-22"),
        ("pt", "na próxima semana", "2026-11-23/2026-11-29"),
        ("pt", "o mês passado", "2026-10-01/2026-10-31"),
        ("pt", "no fim de semana", "2026-11-21/2026-11-22"),
        ("fr", "la semaine prochaine", "2026-11-23/2026-11-29"),
        ("fr", "le mois dernier", "2026-10-01/2026-10-31"),
        ("fr", "le week-end prochain", "2026-11-28/2026-11-29"),
        ("de", "diese Woche", "2026-11-16/2026-11-22"),
        ("de", "letzten Monat", "2026-10-01/2026-10-31"),
        ("de", "am Wochenende", "2026-11-21/2026-11-22"),
        ("it", "la settimana prossima", "2026-11-23/2026-11-29"),
        ("it", "il mese scorso", "2026-10-01/2026-10-31"),
        ("it", "nel fine settimana", "2026-11-21/2026-11-22"),
        ("ru", "на следующей неделе", "2026-11-23/2026-11-29"),
        ("ru", "в прошлом месяце", "2026-10-01/2026-10-31"),
        ("ru", "на выходных", "2026-11-21/2026-11-22"),
    ]);
}

#[test]
fn whole_months_are_the_nearest_unless_a_year_follows() {
    assert_periods(&[
        ("en", "in december", "2026-12-01/2026-12-31"),
        ("en", "in February 2028", "2028-02-01/2028-02-29"),
        ("es", "en enero", "2027-01-01/2027-01-31"),
        ("pt", "em outubro", "2026-10-01/2026-10-31"),
        ("fr", "en décembre", "2026-12-01/2026-12-31"),
        ("de", "im März", "2027-03-01/2027-03-31"),
        ("it", "a dicembre", "2026-12-01/2026-12-31"),
        ("ru", "в декабре", "2026-12-01/2026-12-31"),
    ]);
}

#[test]
fn so_many_days_are_counted_from_today_or_up_to_it() {
    assert_periods(&[
        ("en", "in the next 10 days", "2026-11-21/2026-12-01"),
        ("en", "within two weeks", "2026-11-21/2026-12-05"),
        ("en", "in the last 3 days", "2026-11-18/2026-11-21"),
        ("es", "en los próximos 10 días", "2026-11-21/2026-12-01"),
        ("es", "los últimos tres días", "2026-11-18/2026-11-21"),
        ("pt", "nos próximos 10 dias", "2026-11-21/2026-12-01"),
        ("pt", "em até 5 dias", "2026-11-21/2026-11-26"),
        ("fr", "dans les 10 prochains jours", "2026-11-21/2026-12-01"),
        ("fr", "d'ici 3 jours", "2026-11-21/2026-11-24"),
        ("fr", "les 3 derniers jours", "2026-11-18/2026-11-21"),
        ("de", "in den nächsten 10 Tagen", "2026-11-21/2026-12-01"),
        ("de", "innerhalb von 14 Tagen", "2026-11-21/2026-12-05"),
        ("de", "in den letzten drei Tagen", "2026-11-18/2026-11-21"),
        ("it", "nei prossimi 10 giorni", "2026-11-21/2026-12-01"),
        ("it", "entro 3 giorni", "2026-11-21/2026-11-24"),
        ("it", "negli ultimi 3 giorni", "2026-11-18/2026-11-21"),
        ("ru", "в ближайшие 10 дней", "2026-11-21/2026-12-01"),
        ("ru", "в течение 2 недель", "2026-11-21/2026-12-05"),
        ("ru", "за последние 3 дня", "2026-11-18/2026-11-21"),
        ("en", "within thirty days", "2026-11-21/2026-12-21"),
        ("en", "in the last two years", "2024-11-21/2026-11-21"),
        ("es", "en los próximos quince días", "2026-11-21/2026-12-06"),
        ("es", "en los últimos dos años", "2024-11-21/2026-11-21"),
        ("pt", "nos próximos quinze dias", "2026-11-21/2026-12-06"),
        ("fr", "sous quinze jours", "2026-11-21/2026-12-06"),
        ("fr", "ces deux dernières années", "2024-11-21/2026-11-21"),
        (
            "de",
            "innerhalb von vierzehn Tagen",
            "2026-11-21/2026-12-05",
        ),
        ("it", "entro quindici giorni", "2026-11-21/2026-12-06"),
        ("ru", "в течение четырнадцати дней", "2026-11-21/2026-12-05"),
    ]);
}

#[test]
fn two_days_make_a_period_in_seven_languages() {
    assert_periods(&[
        ("en", "between 3 and 5 december", "2026-12-03/2026-12-05"),
        ("en", "from Monday to Friday", "2026-11-23/2026-11-27"),
        ("en", "Dec 3-5", "2026-12-03/2026-12-05"),
        ("en", "3-5 december", "2026-12-03/2026-12-05"),
        (
            "en",
            "between 28 december and 3 january",
            "2026-12-28/2027-01-03",
        ),
        ("en", "2026-12-03 to 2026-12-05", "2026-12-03/2026-12-05"),
        (
            "es",
            "entre el 3 y el 5 de diciembre",
            "2026-12-03/2026-12-05",
        ),
        ("es", "del 3 al 5 de diciembre", "2026-12-03/2026-12-05"),
        ("es", "de lunes a viernes", "2026-11-23/2026-11-27"),
        ("pt", "entre 3 e 5 de dezembro", "2026-12-03/2026-12-05"),
        ("fr", "entre le 3 et le 5 décembre", "2026-12-03/2026-12-05"),
        ("fr", "du 3 au 5 décembre", "2026-12-03/2026-12-05"),
        (
            "de",
            "zwischen dem 3. und 5. Dezember",
            "2026-12-03/2026-12-05",
        ),
        ("de", "vom 3.12. bis 5.12.", "2026-12-03/2026-12-05"),
        ("it", "tra il 3 e il 5 dicembre", "2026-12-03/2026-12-05"),
        ("it", "dal 3 al 5 dicembre", "2026-12-03/2026-12-05"),
        ("ru", "между 3 и 5 декабря", "2026-12-03/2026-12-05"),
        ("ru", "с 3 по 5 декабря", "2026-12-03/2026-12-05"),
    ]);
    // They are days of the period, not beside it.
    assert!(values(EntityKind::Date, "en", "between 3 and 5 december").is_empty());
}

#[test]
fn a_deadline_is_a_period_that_begins_today_beside_its_day() {
    for (language, text) in [
        ("en", "I need it before friday"),
        ("en", "by Friday please"),
        ("en", "by 27 November"),
        ("es", "antes del viernes"),
        ("es", "hasta el viernes"),
        ("pt", "até sexta-feira"),
        ("pt", "até sexta"),
        ("fr", "avant vendredi"),
        ("fr", "d'ici vendredi"),
        ("de", "noch vor freitag"),
        ("de", "bis Freitag"),
        ("it", "entro venerdì"),
        ("it", "prima di venerdì"),
        ("ru", "до пятницы"),
        ("ru", "к пятнице"),
    ] {
        assert_eq!(
            values(EntityKind::Period, language, text),
            ["2026-11-21/2026-11-27"],
            "{text}"
        );
        assert_eq!(
            values(EntityKind::Date, language, text),
            ["2026-11-27"],
            "{text}"
        );
    }
}

#[test]
fn what_only_looks_like_a_period_is_left_alone() {
    for (language, text) in [
        ("en", "I like the weekends"),
        ("en", "on monday and friday"),
        ("en", "it came by post yesterday"),
        ("en", "in november 24"),
        ("en", "before yesterday"),
        ("en", "2 to 5 days"),
        ("es", "esta mañana"),
        ("de", "vor 3 Tagen"),
        ("en", "2 and 5 december"),
    ] {
        let found = values(EntityKind::Period, language, text);
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}
