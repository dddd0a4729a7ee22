//! Files that customers send: kept once, with the message that brought them.

use std::path::Path;

use crate::support::{
    server::{Kind, Launch, Place},
    wait::eventually,
};

const MAIL: &str = concat!(
    "From: Ana <ana@customers.example>\r\n",
    "To: hello@fernweh.example\r\n",
    "Subject: My tent\r\n",
    "Message-ID: <broken-tent@customers.example>\r\n",
    "MIME-Version: 1.0\r\n",
    "Content-Type: multipart/mixed; boundary=part\r\n",
    "\r\n",
    "--part\r\n",
    "Content-Type: text/plain; charset=utf-8\r\n",
    "\r\n",
    "A pole of my tent is broken, see the picture.\r\n",
    "--part\r\n",
    "Content-Type: image/png; name=pole.png\r\n",
    "Content-Disposition: attachment; filename=pole.png\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "\r\n",
    "iVBORw0KGgpub3QgbXVjaCBvZiBhIHBpY3R1cmU=\r\n",
    "--part--\r\n",
);

/// Puts a mail into the mailbox and waits until it was read.
async fn deliver(mailbox: &Path, name: &str, mail: &str) {
    std::fs::create_dir_all(mailbox.join("new")).unwrap();
    std::fs::write(mailbox.join(name), mail).unwrap();
    std::fs::rename(mailbox.join(name), mailbox.join("new").join(name)).unwrap();
    let read = mailbox.join("cur").join(format!("{name}:2,S"));
    eventually("the mail to be read", async || read.exists().then_some(())).await;
}

/// As when the mail server numbers its mails anew, or the program ended before it could note how far it had read.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_read_twice_leaves_its_file_once() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let mailbox = place.data_dir().join("mail");
    std::fs::create_dir_all(&mailbox).unwrap();
    let _server = Launch::serve(&place)
        .set("channels.email.maildir.path", "mail")
        .set("channels.email.maildir.poll_milliseconds", "10")
        .start()
        .await;
    deliver(&mailbox, "1", MAIL).await;
    deliver(&mailbox, "2", MAIL).await;
    let files = std::fs::read_dir(place.data_dir().join("attachments")).unwrap();
    let kept: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let sql = "SELECT a.object FROM attachments a JOIN inbound_messages m ON m.id = a.inbound_id
        WHERE m.external_id = 'broken-tent@customers.example'";
    assert_eq!(kept, place.database().await.texts(sql).await);
    assert_eq!(kept.len(), 1);
}

/// Some write everything into the subject line, and call the picture of a card after it (G9).
#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_in_a_subject_line_or_a_files_name_is_kept_nowhere() {
    let place = Place::new(Kind::Sqlite).await.unwrap();
    let mailbox = place.data_dir().join("mail");
    std::fs::create_dir_all(&mailbox).unwrap();
    let _server = Launch::serve(&place)
        .set("channels.email.maildir.path", "mail")
        .set("channels.email.maildir.poll_milliseconds", "10")
        .start()
        .await;
    let mail = MAIL
        .replace("My tent", "Refund to 4111 1111 1111 1111")
        .replace("pole.png", "4111111111111111.png");
    deliver(&mailbox, "1", &mail).await;
    let database = place.database().await;
    let subjects = database.texts("SELECT subject FROM inbound_messages").await;
    assert_eq!(subjects, ["Refund to •••• 1111"]);
    let files = database.texts("SELECT told FROM attachments").await;
    assert_eq!(files.len(), 1);
    assert!(files[0].contains("•••• 1111.png"), "{}", files[0]);
    // The answer goes out under the same subject.
    let answer = eventually("the answer", async || {
        let mails = doorstep_channels::email::outbox::list(&place.outbox(), 10).await;
        let mut mails = mails.unwrap().into_iter();
        mails.find(|mail| mail.to.contains("ana@customers.example"))
    })
    .await;
    assert!(
        answer.subject.ends_with("Refund to •••• 1111"),
        "{}",
        answer.subject
    );
}
