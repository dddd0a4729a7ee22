//! How far a long run is: one line of stderr that is written over, and only where a person looks at it.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

/// The line is written so often at most.
const EVERY: Duration = Duration::from_millis(100);
/// Goes back to the beginning of the line and empties it.
const ANEW: &str = "\r\u{1b}[K";

/// Tells on stderr how far something is, if that is a terminal. The line is gone when this is dropped.
pub(super) struct Progress {
    /// What is counted: `rows read`.
    what: &'static str,
    total: Option<usize>,
    done: usize,
    begun: Instant,
    /// When the line was written last, since the beginning.
    told: Option<Duration>,
    is_shown: bool,
}

impl Progress {
    /// `total` is how many there will be, where that is known.
    pub(super) fn new(what: &'static str, total: Option<usize>) -> Self {
        Self {
            what,
            total,
            done: 0,
            begun: Instant::now(),
            told: None,
            is_shown: is_shown(),
        }
    }

    /// So many more are done.
    pub(super) fn add(&mut self, more: usize) {
        self.set(self.done + more);
    }

    /// So many are done.
    pub(super) fn set(&mut self, done: usize) {
        self.done = done;
        if !self.is_shown {
            return;
        }
        if let Some(line) = self.line_at(self.begun.elapsed()) {
            write(&format!("{ANEW}{line}"));
        }
    }

    /// The line of this moment, unless one was just told.
    fn line_at(&mut self, elapsed: Duration) -> Option<String> {
        if self.told.is_some_and(|told| elapsed - told < EVERY) {
            return None;
        }
        self.told = Some(elapsed);
        let per_second = self.done as f64 / elapsed.as_secs_f64().max(0.001);
        let mut line = format!("{} {}", self.done, self.what);
        if let Some(total) = self.total {
            line = format!("{} of {total} {}", self.done, self.what);
        }
        line.push_str(&format!(", {per_second:.0} a second"));
        let left = self.total.and_then(|total| total.checked_sub(self.done));
        if let Some(left) = left.filter(|left| *left > 0 && per_second > 0.0) {
            let seconds = left as f64 / per_second;
            line.push_str(&format!(", {seconds:.0} s left"));
        }
        Some(line)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown && self.told.is_some() {
            write(ANEW);
        }
    }
}

/// Whether anybody sees it.
pub(super) fn is_shown() -> bool {
    stderr().is_terminal()
}

fn write(text: &str) {
    let mut stderr = stderr().lock();
    // Nothing can be done when even stderr is gone.
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(total: Option<usize>) -> Progress {
        Progress {
            is_shown: false,
            ..Progress::new("products stored", total)
        }
    }

    #[test]
    fn a_line_tells_how_many_how_fast_and_how_long_at_most_ten_times_a_second() {
        let mut known = progress(Some(1000));
        known.add(150);
        known.add(50);
        let told: Vec<Option<String>> = [2000, 2099, 2100]
            .map(|ms| known.line_at(Duration::from_millis(ms)))
            .into();
        let line = "200 of 1000 products stored, 100 a second, 8 s left";
        assert_eq!(told[0].as_deref(), Some(line));
        assert_eq!(told[1], None);
        assert!(told[2].is_some());
        known.set(1000);
        let line = known.line_at(Duration::from_secs(5)).unwrap();
        assert_eq!(line, "1000 of 1000 products stored, 200 a second");

        let mut unknown = progress(None);
        unknown.set(300);
        let line = unknown.line_at(Duration::from_secs(3)).unwrap();
        assert_eq!(line, "300 products stored, 100 a second");
    }
}
