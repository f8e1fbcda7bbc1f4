//! What happens when a mapped file is cut short: the kernel raises SIGBUS where a page is gone.
//!
//! Every map of a [`Store`](crate::Store) is entered in a fixed table of atomics, so that a signal handler can tell our
//! maps from other people's without a lock or an allocation. The handler is installed only where a program asks for
//! it (the command line does); a library must not take a process's signals.

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Maps that can be open at once; past that files are read.
const SLOTS: usize = 256;

static TABLE: [Slot; SLOTS] = [const { Slot::free() }; SLOTS];
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// Who handled SIGBUS before us (Rust's own handler names stack overflows). Leaked: it is looked at once, at the end.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());
/// What is done before the process ends; a function pointer, or null.
static BEFORE_EXIT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

struct Slot {
    /// 0 free, 1 being filled, else the address of the first byte.
    start: AtomicUsize,
    bytes: AtomicUsize,
    name: AtomicPtr<c_char>,
}

impl Slot {
    const fn free() -> Slot {
        Slot { start: AtomicUsize::new(0), bytes: AtomicUsize::new(0), name: AtomicPtr::new(ptr::null_mut()) }
    }
}

/// An entry of the table; taken out when dropped, which must come before the map is unmapped.
#[derive(Debug)]
pub(crate) struct Registered {
    slot: usize,
    /// What the slot's pointer leads to. Whoever faults in the map borrows it, so the name is alive then.
    _name: CString,
}

/// Enters a map in the table; `None` where the table is full.
pub(crate) fn register(start: usize, bytes: usize, path: &Path) -> Option<Registered> {
    let name = CString::new(path.as_os_str().as_encoded_bytes()).ok()?;
    let slot = TABLE
        .iter()
        .position(|s| s.start.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok())?;
    TABLE[slot].bytes.store(bytes, Ordering::Relaxed);
    TABLE[slot].name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
    TABLE[slot].start.store(start, Ordering::Release);
    Some(Registered { slot, _name: name })
}

impl Drop for Registered {
    fn drop(&mut self) {
        TABLE[self.slot].start.store(0, Ordering::Release);
    }
}

/// Whether [`install_sigbus_handler`] was called.
pub(crate) fn is_installed() -> bool {
    INSTALLED.load(Ordering::Acquire)
}

/// Makes SIGBUS inside our maps end the process with one line on stderr and exit code 1, and lets
/// [`IoMode::Auto`](crate::IoMode::Auto) map files. SIGBUS anywhere else goes where it went before.
///
/// # Errors
/// The system's, where the handler cannot be installed.
pub fn install_sigbus_handler() -> io::Result<()> {
    // Two at once would each take the other's handler for the one before.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if is_installed() {
        return Ok(());
    }
    // SAFETY: all-zero bytes are a valid sigaction: default action, empty mask, no flags.
    let (mut ours, mut before): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_sigbus;
    ours.sa_sigaction = handler as libc::sighandler_t;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both pointers are to live sigactions. Without a new action the call only asks for the present one.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &mut before) } != 0 {
        return Err(io::Error::last_os_error());
    }
    PREVIOUS.store(Box::into_raw(Box::new(before)), Ordering::Release);
    // SAFETY: the handler has the signature that SA_SIGINFO demands and does only what is safe in a handler.
    if unsafe { libc::sigaction(libc::SIGBUS, &ours, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    INSTALLED.store(true, Ordering::Release);
    Ok(())
}

/// Has the handler call `clean_up` (which removes unfinished outputs, say) before it ends the process. Only what is
/// async-signal-safe may be done there.
pub fn before_sigbus_exit(clean_up: fn()) {
    BEFORE_EXIT.store(clean_up as *mut (), Ordering::Release);
}

/// The name of the map that holds an address.
fn owner(address: usize) -> Option<*const c_char> {
    TABLE.iter().find_map(|slot| {
        let start = slot.start.load(Ordering::Acquire);
        let inside = start > 1 && address.wrapping_sub(start) < slot.bytes.load(Ordering::Relaxed);
        inside.then(|| slot.name.load(Ordering::Relaxed).cast_const())
    })
}

/// Async-signal-safe: atomics, write, _exit and sigaction only, and what [`before_sigbus_exit`] was given.
extern "C" fn on_sigbus(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands a valid siginfo to a handler installed with SA_SIGINFO.
    let (address, code) = unsafe { ((*info).si_addr() as usize, (*info).si_code) };
    // A positive code is a fault of the processor's; a signal sent by a process has no address.
    let name = if code > 0 { owner(address) } else { None };
    let Some(name) = name else {
        let before = PREVIOUS.load(Ordering::Acquire);
        // SAFETY: the pointer was leaked by install_sigbus_handler before this handler could run. On return the access
        // is tried again and faults under the action of before; a signal that was sent is sent again.
        unsafe {
            libc::sigaction(libc::SIGBUS, before, ptr::null_mut());
            if code <= 0 {
                libc::raise(libc::SIGBUS);
            }
        }
        return;
    };
    let tail =
        c": the file was cut short or could not be read while it was mapped (--io read reads it instead)\n";
    for part in [c"outcrop: ".as_ptr(), name, tail.as_ptr()] {
        // SAFETY: the parts are NUL-terminated; the name lives as long as the map in which we fault (`Registered`).
        unsafe { libc::write(2, part.cast(), libc::strlen(part)) };
    }
    let clean_up = BEFORE_EXIT.load(Ordering::Acquire);
    if !clean_up.is_null() {
        // SAFETY: only before_sigbus_exit stores here, and it stores a `fn()`.
        let clean_up: fn() = unsafe { std::mem::transmute(clean_up) };
        clean_up();
    }
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(1) }
}
