//! The SMTP side: takes the shop's mail and shows it to its recipient.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::State;

/// Longer lines are no SMTP (RFC 5321, section 4.5.3.1, with room for lines of mail).
const MAX_LINE: u64 = 1 << 20;
const MAX_MAIL: usize = 64 << 20;

pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(Dialogue::new(stream, state.clone()).run());
    }
}

/// One connection.
struct Dialogue {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    state: Arc<State>,
    logged_in: bool,
    recipient: Option<String>,
}

/// What the server says next.
enum Answer {
    Line(String),
    /// Hangs up without a word.
    Gone,
    /// Says this and hangs up.
    Bye(&'static str),
}

impl Answer {
    fn line(text: &str) -> Self {
        Self::Line(text.to_owned())
    }
}

/// What chance has in store for a mail.
enum Fate {
    Shown,
    Refused,
    AnswerLost,
}

impl Dialogue {
    fn new(stream: TcpStream, state: Arc<State>) -> Self {
        let (read, write) = stream.into_split();
        Self {
            read: BufReader::new(read),
            write,
            logged_in: state.options.login.is_none(),
            state,
            recipient: None,
        }
    }

    /// Talks until either side hangs up.
    async fn run(mut self) -> Option<()> {
        self.say("220 mx.simulator.example ESMTP").await?;
        loop {
            let line = self.line().await?;
            let line = String::from_utf8_lossy(&line).into_owned();
            match self.answer(&line).await? {
                Answer::Line(text) => self.say(&text).await?,
                Answer::Gone => return None,
                Answer::Bye(text) => {
                    self.say(text).await?;
                    return None;
                }
            }
        }
    }

    async fn answer(&mut self, line: &str) -> Option<Answer> {
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        if self.revoked() && !matches!(verb.as_str(), "EHLO" | "HELO" | "AUTH" | "QUIT") {
            return Some(Answer::Bye("421 4.7.0 your login is no longer valid"));
        }
        Some(match verb.as_str() {
            "EHLO" => Answer::line(
                "250-mx.simulator.example\r\n250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
            ),
            "HELO" => Answer::line("250 mx.simulator.example"),
            "AUTH" => self.login(line).await?,
            "NOOP" => Answer::line("250 2.0.0 ok"),
            "RSET" => {
                self.recipient = None;
                Answer::line("250 2.0.0 ok")
            }
            "QUIT" => Answer::Bye("221 2.0.0 bye"),
            "MAIL" if !self.logged_in => Answer::line("530 5.7.0 log in first"),
            "MAIL" => self.sender(),
            "RCPT" => self.rcpt(line),
            "DATA" if self.recipient.is_none() => Answer::line("503 5.5.1 whom to?"),
            "DATA" => self.data().await?,
            _ => Answer::line("502 5.5.1 not known here"),
        })
    }

    fn revoked(&self) -> bool {
        self.state.world().faults.revoked
    }

    async fn login(&mut self, line: &str) -> Option<Answer> {
        let mut words = line.split_whitespace().skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let first = words.next().map(str::to_owned);
        let given = match mechanism.as_str() {
            "PLAIN" => {
                let text = match first {
                    Some(text) => text,
                    None => self.ask("").await?,
                };
                let text = decoded(&text);
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                (
                    parts.next().unwrap_or_default(),
                    parts.next().unwrap_or_default(),
                )
            }
            "LOGIN" => {
                let user = self.ask("VXNlcm5hbWU6").await?;
                let password = self.ask("UGFzc3dvcmQ6").await?;
                (decoded(&user), decoded(&password))
            }
            _ => return Some(Answer::line("504 5.5.4 no such mechanism")),
        };
        let known = self.state.options.login.as_ref();
        let right = known.is_none_or(|known| *known == given);
        self.logged_in = right && !self.revoked();
        Some(match self.logged_in {
            true => Answer::line("235 2.7.0 welcome"),
            false => Answer::line("535 5.7.8 login refused"),
        })
    }

    async fn ask(&mut self, what: &str) -> Option<String> {
        self.say(&format!("334 {what}")).await?;
        let line = self.line().await?;
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }

    fn sender(&mut self) -> Answer {
        let mut guard = self.state.world();
        let world = &mut *guard;
        if world.chance.happens(world.faults.rate_limited) {
            world.counts.rate_limited += 1;
            let wait: Duration = world.faults.retry_after;
            let seconds = wait.as_secs().max(1);
            drop(guard);
            self.state.changed();
            return Answer::Line(format!(
                "451 4.7.1 too many mails, try again in {seconds} seconds"
            ));
        }
        drop(guard);
        self.recipient = None;
        Answer::line("250 2.1.0 ok")
    }

    fn rcpt(&mut self, line: &str) -> Answer {
        let address = line
            .split(['<', '>'])
            .nth(1)
            .unwrap_or_default()
            .to_lowercase();
        if !self.state.world().customers.contains_key(&address) {
            return Answer::line("550 5.1.1 no such user here");
        }
        self.recipient = Some(address);
        Answer::line("250 2.1.5 ok")
    }

    async fn data(&mut self) -> Option<Answer> {
        self.say("354 go on").await?;
        let mut mail = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b"." {
                break;
            }
            // RFC 5321, section 4.5.2: a dot was put before lines that begin with one.
            mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            mail.extend_from_slice(b"\r\n");
            if mail.len() > MAX_MAIL {
                return Some(Answer::Bye("552 5.3.4 too large"));
            }
        }
        let recipient = self.recipient.take()?;
        Some(match self.fate() {
            Fate::Refused => {
                self.state.changed();
                Answer::line("451 4.3.0 something broke here")
            }
            fate => {
                self.state.show(&recipient, &mail);
                match fate {
                    Fate::AnswerLost => Answer::Gone,
                    _ => Answer::line("250 2.0.0 taken"),
                }
            }
        })
    }

    fn fate(&self) -> Fate {
        let mut guard = self.state.world();
        let world = &mut *guard;
        if world.chance.happens(world.faults.server_error) {
            world.counts.server_errors += 1;
            return Fate::Refused;
        }
        if world.chance.happens(world.faults.lost_answer) {
            world.counts.lost_answers += 1;
            return Fate::AnswerLost;
        }
        Fate::Shown
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        self.write
            .write_all(format!("{text}\r\n").as_bytes())
            .await
            .ok()
    }

    /// The next line without its end; `None` when the other side hung up.
    async fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.read).take(MAX_LINE);
        let count = limited.read_until(b'\n', &mut line).await.ok()?;
        if count == 0 || !line.ends_with(b"\n") {
            return None;
        }
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
        Some(line)
    }
}

fn decoded(text: &str) -> String {
    let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
