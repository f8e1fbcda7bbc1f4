//! The process's memory as the system sees it.

/// Keeps malloc from opening an arena per thread: what they hold on to is outside any budget.
pub(crate) fn limit_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two plain numbers and may be called at any time; no thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// The most memory that was ever resident, in bytes, mapped pages included; `None` where the system does not say.
///
/// Linux's VmHWM, not `ru_maxrss`: a child inherits the latter from the process that started it.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Bytes that this process has had fetched from storage, mapped pages included; `None` where the system does not say.
pub(crate) fn storage_read_bytes() -> Option<u64> {
    counter("read_bytes: ")
}

/// Bytes that read calls have given this process, from storage or from memory; mapped pages are not among them.
pub(crate) fn called_read_bytes() -> Option<u64> {
    counter("rchar: ")
}

fn counter(name: &str) -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/self/io").ok()?;
    counters.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}
