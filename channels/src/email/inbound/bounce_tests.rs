//! Reports as servers write them. All of it was written for these tests.

use mail_parser::MessageParser;

use super::*;

const OURS: &str = "01936c00-0000-7000-8000-000000000001.0000abcd@shop.example";

fn report(raw: &str) -> Option<Report> {
    let raw = raw.replace("OURS", OURS).replace('\n', "\r\n");
    let mail = MessageParser::default().parse(raw.as_bytes()).unwrap();
    let fields: Vec<(&str, String)> = mail
        .headers_raw()
        .map(|(name, value)| (name, value.trim().to_owned()))
        .collect();
    let sender = mail
        .from()
        .and_then(|from| from.first()?.address())
        .unwrap_or_default();
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    super::read(&mail, &fields, sender, "shop.example", now)
}

fn failed(raw: &str) -> (bool, String) {
    let Some(Report::Settles(updates)) = report(raw) else {
        panic!("no failure in {raw}: {:?}", report(raw));
    };
    assert_eq!(updates[0].provider_id.as_deref(), Some(OURS));
    assert_eq!(
        updates[0].message.unwrap().to_string(),
        "01936c00-0000-7000-8000-000000000001"
    );
    match &updates[0].status {
        ReceiptStatus::Failed { gone, reason } => (*gone, reason.clone()),
        other => panic!("{other:?}"),
    }
}

fn notification(action: &str, status: &str, diagnostic: &str, returned: &str) -> String {
    format!(
        "Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example.com>
To: hello@shop.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"

--b
Content-Type: text/plain

I am sorry.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
Arrival-Date: Sat, 21 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; ana@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--b
{returned}

--b--
"
    )
}

const RETURNED: &str = "Content-Type: message/rfc822

From: hello@shop.example
Message-ID: <OURS>
Subject: Your order

Hello";

#[test]
fn a_notification_says_whether_the_address_is_gone() {
    for (status, diagnostic, gone) in [
        ("5.1.1", "550 5.1.1 <ana@example.com>: user unknown", true),
        ("5.1.10", "550 null MX", true),
        ("5.2.1", "550 mailbox disabled", true),
        ("5.0.0", "550 No such user here", true),
        ("5.2.2", "552 mailbox full", false),
        ("5.7.1", "550 5.7.1 message refused as spam", false),
        ("4.4.7", "delivery time expired", false),
    ] {
        let (found, reason) = failed(&notification("failed", status, diagnostic, RETURNED));
        assert_eq!(found, gone, "{status} {diagnostic}");
        assert!(!reason.contains("ana@"), "{reason}");
    }
    let headers = "Content-Type: text/rfc822-headers\n\nMessage-ID: <OURS>";
    assert!(failed(&notification("failed", "5.1.1", "x", headers)).0);
}

#[test]
fn what_is_not_final_changes_nothing_and_a_strange_report_names_nothing_of_ours() {
    let delayed = notification("delayed", "4.4.1", "no answer", RETURNED);
    assert_eq!(report(&delayed), Some(Report::Delayed));
    let strange = notification("failed", "5.1.1", "x", "Content-Type: text/plain\n\nno");
    assert_eq!(report(&strange), Some(Report::Strange));
    let delivered = notification("delivered", "2.0.0", "250 ok", RETURNED);
    let Some(Report::Settles(updates)) = report(&delivered) else {
        panic!()
    };
    assert_eq!(updates[0].status, ReceiptStatus::Delivered);
}

#[test]
fn reports_in_prose_are_read() {
    let qmail = "Return-Path: <>
From: MAILER-DAEMON@mx.example.com
Subject: failure notice

Hi. This is the qmail-send program at mx.example.com.
I'm afraid I wasn't able to deliver your message to the following addresses.

<ana@example.com>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Message-ID: <OURS>
Subject: Your order
";
    assert!(failed(qmail).0);
    let exim = "From: Mail Delivery System <Mailer-Daemon@mx.example.com>
X-Failed-Recipients: ana@example.com
Auto-Submitted: auto-replied
Subject: Mail delivery failed: returning message to sender

A message that you sent could not be delivered to one or more of its recipients.

  ana@example.com
    SMTP error from remote mail server after RCPT TO: 552 quota exceeded

Message-Id: <OURS>
";
    assert!(!failed(exim).0);
    let delayed = exim.replace("could not be delivered", "has not yet been delivered");
    assert_eq!(report(&delayed), Some(Report::Delayed));
    let person = "From: ana@example.com\nSubject: Undelivered parcel\n\nWhere is it? <OURS>\n";
    assert_eq!(report(person), None);
}

#[test]
fn answers_of_servers_tell_whether_anybody_is_there() {
    for gone in [
        "permanent error (550): 5.1.1 no such user",
        "550 No such user here",
        "550 5.1.10 null MX",
        "550-5.1.1 The email account does not exist",
    ] {
        assert!(is_gone(gone), "{gone}");
    }
    for there in [
        "552 5.2.2 mailbox full",
        "550 not you",
        "554 5.7.1 spam",
        "450 4.2.1 mailbox unavailable",
    ] {
        assert!(!is_gone(there), "{there}");
    }
}
