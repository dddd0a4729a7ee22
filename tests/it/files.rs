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
async fn deliver(mailbox: &Path, name: &str) {
    std::fs::create_dir_all(mailbox.join("new")).unwrap();
    std::fs::write(mailbox.join(name), MAIL).unwrap();
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
    deliver(&mailbox, "1").await;
    deliver(&mailbox, "2").await;
    let files = std::fs::read_dir(place.data_dir().join("attachments")).unwrap();
    let kept: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let sql = "SELECT a.object FROM attachments a JOIN inbound_messages m ON m.id = a.inbound_id
        WHERE m.external_id = 'broken-tent@customers.example'";
    assert_eq!(kept, place.database().await.texts(sql).await);
    assert_eq!(kept.len(), 1);
}
