//! Memory that was needed once.

/// Has threads share two heaps. glibc gives each of the first sixteen its own, and each keeps what it needed most at any time:
/// 6 of 168 MB of an idle server.
pub fn share_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt(3) takes two numbers; no other thread runs yet that could allocate.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Gives it back to the system. glibc keeps the pages that a start needs only for a moment (graphs before they are
/// optimised, texts that are indexed, flows that are checked) for the next time, which for them never comes: 20 of 166 MB
/// of an idle server. Elsewhere, or where nothing is kept, it does nothing.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim(3) takes no pointer, is thread-safe, and leaves every allocation where it is.
    #[allow(unsafe_code)]
    unsafe {
        libc::malloc_trim(0);
    }
}
