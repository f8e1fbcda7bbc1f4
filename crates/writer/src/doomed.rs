//! [`remove_unfinished`]: what must not stay behind where a process ends without dropping anything.
//!
//! Every partial file is entered in a fixed table of atomics, so that a signal handler can remove it without a lock or
//! an allocation.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Outputs that are written at once; what is beyond stays behind.
const SLOTS: usize = 64;

static NAMES: [AtomicPtr<c_char>; SLOTS] = [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS];

/// An entry of the table: its slot, and the name that is in it.
#[derive(Debug)]
pub(crate) struct Doomed {
    slot: &'static AtomicPtr<c_char>,
    name: usize,
}

impl Doomed {
    /// Enters a file; `None` where the table is full.
    pub(crate) fn new(path: &Path) -> Option<Doomed> {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).ok()?.into_raw();
        let free = |slot: &&AtomicPtr<c_char>| {
            slot.compare_exchange(ptr::null_mut(), name, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        NAMES.iter().find(free).map(|slot| Doomed { slot, name: name.expose_provenance() })
    }

    /// Takes it out, if it is still in: the file has gone or may stay.
    pub(crate) fn spare(&self) {
        // The name is leaked, not freed: a handler may be reading it. It is some bytes for each output.
        let name = ptr::with_exposed_provenance_mut(self.name);
        let _ = self.slot.compare_exchange(name, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// Removes the partial files of all outputs that are not finished, but for those kept for a checkpoint. To be called
/// right before the process ends: it is async-signal-safe, and the outputs do not know.
pub fn remove_unfinished() {
    for name in &NAMES {
        let name = name.swap(ptr::null_mut(), Ordering::AcqRel);
        if !name.is_null() {
            // SAFETY: the name came from CString::into_raw, ends in NUL and is never freed.
            unsafe { libc::unlink(name) };
        }
    }
}
