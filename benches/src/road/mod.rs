//! The whole outbound road at scale: `--road 10000,30000,100000`. Signed tracking events go in, mails come out at a mail
//! provider played on loopback, and every customer must have heard each thing once.
//!
//! Two events an order: its parcel is on its way, then out for delivery. First all of the former come, then all of the
//! latter, each half in an order of its own, from 32 connections; the clock runs from the first event to the last mail.
//! On SQLite, and on PostgreSQL when `DOORSTEP_TEST_POSTGRES_URL` names a server; beside the rate at which the same
//! database takes bare rows, one a transaction.

mod database;
mod shop;

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use doorstep::ambient;
use doorstep_channels::simulator::{self, Simulator, Start, Started};

use crate::{Outcome, figures::Spread, machine, options::Options, server, server::Server, texts};
use database::Database;
use shop::Shop;
pub(crate) use shop::signed;

/// Connections that send at once.
const CLIENTS: usize = 32;
/// Events that are sent one after another to see how long one takes.
const SINGLE: usize = 200;
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(250);
/// How long the server may work on the orders before the clock starts.
const ORDERS_LIMIT: Duration = Duration::from_secs(600);
/// No mail for so long means that none comes any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bounds.
const MAX_DEVIATION: f64 = 0.15;
const MAX_GROWTH_MB: f64 = 150.0;
const MAX_DOOR_MS: f64 = 50.0;

/// One size on one database.
struct Drive {
    events: usize,
    took: Duration,
    /// Until the last event was acknowledged.
    admitted: Duration,
    idle_mb: f64,
    peak_mb: f64,
}

impl Drive {
    fn per_s(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

/// Measures, prints, and says by the exit code whether every bound is met.
pub(crate) fn measure(options: &Options, sizes: &[usize]) -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut met = true;
        for database in Database::all() {
            met &= one(options, &database, sizes).await?;
        }
        Ok(if met {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

async fn one(options: &Options, database: &Database, sizes: &[usize]) -> Outcome<bool> {
    let folder = server::folder(options)?;
    let bare = database.bare_inserts_per_s(folder.path()).await?;
    println!("\n{}: {bare:.0} bare inserts/s", database.name());
    println!(
        "| events | until the last mail | events/s | of bare inserts | admitted in | memory over idle |"
    );
    println!(
        "| ------ | ------------------- | -------- | --------------- | ----------- | ---------------- |"
    );
    let mut drives = Vec::new();
    for &events in sizes {
        let drive = drive(options, database, events).await?;
        println!(
            "| {events} | {:.1} s | {:.0} | {:.2}× | {:.1} s | {:+.1} MB on {:.1} MB |",
            drive.took.as_secs_f64(),
            drive.per_s(),
            drive.per_s() / bare,
            drive.admitted.as_secs_f64(),
            drive.peak_mb - drive.idle_mb,
            drive.idle_mb,
        );
        drives.push(drive);
    }
    let deviation = deviation_from_line(&drives);
    let growth = drives
        .iter()
        .map(|drive| drive.peak_mb - drive.idle_mb)
        .fold(0.0, f64::max);
    let door = to_the_door(options, database).await?;
    println!("each customer heard both things once, in all runs");
    let mut met = true;
    if let Some(deviation) = deviation {
        met &= verdict(
            &format!("furthest from a straight line: {:.1} %", deviation * 100.0),
            deviation <= MAX_DEVIATION,
        );
    }
    met &= verdict(
        &format!("most memory over idle: {growth:.1} MB"),
        growth <= MAX_GROWTH_MB,
    );
    met &= verdict(
        &format!(
            "webhook to the provider's door, idle: p50 {:.1} ms, p99 {:.1} ms",
            door.p50, door.p99
        ),
        door.p50 <= MAX_DOOR_MS,
    );
    Ok(met)
}

fn verdict(figure: &str, met: bool) -> bool {
    println!("{figure}: {}", if met { "met" } else { "MISSED" });
    met
}

/// A server with a mail provider beside it.
struct Town {
    server: Server,
    mail: Arc<dyn Simulator>,
    shop: Shop,
    _folder: tempfile::TempDir,
}

impl Town {
    async fn open(options: &Options, database: &Database) -> Outcome<Self> {
        let folder = server::folder(options)?;
        let Started {
            simulator: mail,
            settings,
        } = simulator::start(
            "email",
            Start {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                webhook: String::new(),
                folder: folder.path().join("mail"),
                ambient: ambient::system(),
            },
        )
        .await?;
        let mut settings = settings;
        settings.extend(database.empty().await?);
        let program = server::program(options)?;
        let server = Server::start_with(&program, folder.path(), &settings).await?;
        machine::settle(server.pid()).await?;
        Ok(Self {
            shop: Shop::new(server.address),
            server,
            mail,
            _folder: folder,
        })
    }

    /// Tells the shop's orders, each of a customer with a mailbox, and waits until that is done.
    async fn tell_orders(&self, count: usize) -> Outcome<()> {
        for number in 0..count {
            // The provider opens a mailbox when its address is asked for.
            let _ = self.mail.address_of(&shop::customer(number));
        }
        self.shop.send(self.shop.orders(count)?, CLIENTS).await?;
        machine::settle_within(self.server.pid(), ORDERS_LIMIT).await?;
        Ok(())
    }

    /// Waits until so many mails have come in all; fails when none comes any more.
    async fn mails(&self, wanted: u64) -> Outcome<()> {
        let mut changes = 0;
        while self.mail.counts().shown < wanted {
            let changed = tokio::time::timeout(PATIENCE, self.mail.changed(changes)).await;
            changes = changed.map_err(|_| {
                let came = self.mail.counts().shown;
                format!("{came} of {wanted} mails came, and then none for {PATIENCE:?}")
            })?;
        }
        Ok(())
    }
}

/// One size: orders first, untimed, then the events.
async fn drive(options: &Options, database: &Database, events: usize) -> Outcome<Drive> {
    let town = Town::open(options, database).await?;
    let idle_mb = machine::rss_mb(town.server.pid())?;
    let orders = events / 2;
    town.tell_orders(orders).await?;
    let mut requests = town.shop.news("in_transit", 0..orders)?;
    texts::shuffle(&mut requests);
    let mut later = town.shop.news("out_for_delivery", 0..orders)?;
    texts::shuffle(&mut later);
    requests.append(&mut later);
    let started = Instant::now();
    let work = async {
        town.shop.send(requests, CLIENTS).await?;
        let admitted = started.elapsed();
        town.mails(2 * orders as u64).await?;
        Outcome::Ok((admitted, started.elapsed()))
    };
    let ((admitted, took), peak_mb) = with_peak(town.server.pid(), work).await?;
    for number in 0..orders {
        heard_once(&*town.mail, number)?;
    }
    town.server.stop().await?;
    Ok(Drive {
        events,
        took,
        admitted,
        idle_mb,
        peak_mb,
    })
}

/// Does `work` while the most memory that a process holds is remembered.
async fn with_peak<T>(pid: u32, work: impl Future<Output = Outcome<T>>) -> Outcome<(T, f64)> {
    let mut peak = machine::rss_mb(pid)?;
    let mut ticks = tokio::time::interval(SAMPLE);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done?, peak)),
            _ = ticks.tick() => peak = peak.max(machine::rss_mb(pid)?),
        }
    }
}

/// A customer must have got two different mails, no more and no less.
fn heard_once(mail: &dyn Simulator, number: usize) -> Outcome<()> {
    let shown = mail.shown(&shop::customer(number));
    match shown.as_slice() {
        [first, second] if first.text != second.text => Ok(()),
        other => {
            let texts: Vec<&str> = other.iter().map(|mail| mail.text.as_str()).collect();
            Err(format!(
                "customer {number} should have heard two things once each, and got {} mails: {texts:#?}",
                other.len()
            )
            .into())
        }
    }
}

/// How long one event takes to the provider when nothing else happens.
async fn to_the_door(options: &Options, database: &Database) -> Outcome<Spread> {
    let town = Town::open(options, database).await?;
    town.tell_orders(SINGLE).await?;
    let mut took = Vec::with_capacity(SINGLE);
    for number in 0..SINGLE {
        let request = town.shop.news("out_for_delivery", number..number + 1)?;
        let started = Instant::now();
        town.shop.send(request, 1).await?;
        town.mails(number as u64 + 1).await?;
        took.push(started.elapsed());
    }
    town.server.stop().await?;
    Spread::of(&took).ok_or_else(|| "there were no events".into())
}

/// How far the drive that is furthest away is from the line of least squares through all, as a share of what the line
/// says there; `None` with fewer than three.
fn deviation_from_line(drives: &[Drive]) -> Option<f64> {
    if drives.len() < 3 {
        return None;
    }
    let points: Vec<(f64, f64)> = drives
        .iter()
        .map(|drive| (drive.events as f64, drive.took.as_secs_f64()))
        .collect();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let along: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let squares: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let slope = along / squares;
    let line = |x: f64| mean_y + slope * (x - mean_x);
    points
        .iter()
        .map(|(x, y)| (y - line(*x)).abs() / line(*x).abs())
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(events: usize, seconds: f64) -> Drive {
        Drive {
            events,
            took: Duration::from_secs_f64(seconds),
            admitted: Duration::ZERO,
            idle_mb: 0.0,
            peak_mb: 0.0,
        }
    }

    #[test]
    fn the_deviation_is_the_furthest_drives_from_the_line_through_all() {
        let straight = [drive(10, 2.0), drive(30, 4.0), drive(100, 11.0)];
        assert!(deviation_from_line(&straight).unwrap() < 1e-9);
        let bent = [drive(10, 2.0), drive(30, 8.0), drive(100, 11.0)];
        assert!(deviation_from_line(&bent).unwrap() > 0.3);
        assert_eq!(deviation_from_line(&straight[..2]), None);
    }
}
