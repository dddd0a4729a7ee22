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
    {
        // SAFETY: malloc_trim(3) takes no pointer, is thread-safe, and leaves every allocation where it is.
        #[allow(unsafe_code)]
        unsafe {
            libc::malloc_trim(0);
        }
        program::unmap();
    }
}

/// The program's own code and constants, which a start reads nearly all of and an idle server next to nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod program {
    use std::{
        ffi::{c_int, c_void},
        slice,
    };

    /// Takes them out of this process's memory; they stay in the system's cache of files, from which what is needed again
    /// comes back by itself, without the disk.
    pub(super) fn unmap() {
        // SAFETY: dl_iterate_phdr(3) calls `unmap_first` with what it promises, and nothing is passed on.
        #[allow(unsafe_code)]
        unsafe {
            libc::dl_iterate_phdr(Some(unmap_first), std::ptr::null_mut());
        }
    }

    /// The first object is the program itself; libraries are left alone, for they may have been changed while they were
    /// loaded.
    #[allow(unsafe_code)]
    unsafe extern "C" fn unmap_first(
        object: *mut libc::dl_phdr_info,
        _: usize,
        _: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader passes a valid object, whose headers live as long as it is loaded.
        let (base, segments) = unsafe {
            let object = &*object;
            let count = usize::from(object.dlpi_phnum);
            (
                object.dlpi_addr,
                slice::from_raw_parts(object.dlpi_phdr, count),
            )
        };
        for segment in segments {
            // What may be written to holds what the loader or the program wrote.
            if segment.p_type != libc::PT_LOAD || segment.p_flags & libc::PF_W != 0 {
                continue;
            }
            if let Some((start, length)) = whole_pages(base + segment.p_vaddr, segment.p_memsz) {
                // SAFETY: these pages are mapped from the program's file and never written to, so that they read the same
                // afterwards (madvise(2), MADV_DONTNEED).
                unsafe {
                    libc::madvise(start as *mut c_void, length, libc::MADV_DONTNEED);
                }
            }
        }
        1
    }

    /// The pages that lie wholly in a range.
    fn whole_pages(start: u64, length: u64) -> Option<(usize, usize)> {
        // SAFETY: it takes a number and gives one.
        #[allow(unsafe_code)]
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        let first = start.checked_next_multiple_of(page)?;
        let end = (start + length) / page * page;
        let length = usize::try_from(end.checked_sub(first)?).ok()?;
        Some((usize::try_from(first).ok()?, length))
    }
}
