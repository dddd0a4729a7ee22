//! How long a thread may run before another that waits gets the processor.
//!
//! Linux lets a thread that was woken wait while another one computes, for milliseconds, even beside an idle processor that
//! does not share a cache: so the writer of the store waited behind the model, and a receipt behind the answer. A thread that
//! asks for short turns may interrupt one that has long ones (EEVDF's slices, `sched_setattr(2)`; Linux 6.12). It gets no more
//! of the processor for it. Measured on two cores in turns with and without: 3.15 against 3.56 ms for an answer.

use std::time::Duration;

/// What threads that answer somebody run at once; they rarely need as much.
const SHORT: Duration = Duration::from_micros(100);

/// Asks for short turns for this thread and those that it starts. Where the system knows no such wish, it does nothing.
pub fn be_short() {
    ask_for(SHORT);
}

/// Does something that starts threads that compute; they have turns as long as the system likes.
pub(crate) fn with_long<T>(start: impl FnOnce() -> T) -> T {
    ask_for(Duration::ZERO);
    let started = start();
    be_short();
    started
}

/// Zero is the system's own length.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn ask_for(turn: Duration) {
    let mut wish = libc::sched_attr {
        size: 0,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: own_nice(),
        sched_priority: 0,
        sched_runtime: turn.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    wish.size = size_of_val(&wish) as u32;
    // SAFETY: it reads the structure that `wish` is, of the size that it says, and changes this thread's scheduling alone.
    #[allow(unsafe_code)]
    let refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wish, 0) } != 0;
    if refused {
        tracing::debug!(
            "the system grants no turns of another length; answers may wait longer for the processor"
        );
    }
}

/// Whoever started the program less urgently means it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn own_nice() -> i32 {
    // SAFETY: it takes numbers and gives one.
    #[allow(unsafe_code)]
    unsafe {
        libc::getpriority(libc::PRIO_PROCESS, 0)
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn ask_for(_turn: Duration) {}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// The length asked for, as the kernel has it; kernels before 6.12 have none.
    fn asked_for() -> u64 {
        // SAFETY: all zeros is one of its values.
        #[allow(unsafe_code)]
        let mut found: libc::sched_attr = unsafe { std::mem::zeroed() };
        let size = size_of_val(&found) as u32;
        // SAFETY: it writes the structure, of the size that it is told.
        #[allow(unsafe_code)]
        let failed = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut found, size, 0) };
        assert_eq!(failed, 0);
        found.sched_runtime
    }

    #[test]
    fn threads_inherit_short_turns_and_those_that_compute_do_not() {
        std::thread::spawn(|| {
            let usual = asked_for();
            be_short();
            let short = asked_for();
            assert!(short == 100_000 || short == usual, "{short} after {usual}");
            let inherited = std::thread::spawn(asked_for).join().unwrap();
            assert_eq!(inherited, short);
            let long = with_long(|| std::thread::spawn(asked_for)).join().unwrap();
            assert_eq!(long, usual);
            assert_eq!(asked_for(), short);
        })
        .join()
        .unwrap();
    }
}
