//! Runs a command and says what it took.
//!
//! ```text
//! measured FILE COMMAND [ARGUMENT...]
//! ```
//!
//! Writes one JSON object to FILE: seconds, processor seconds, the peak of resident memory, the exit code, and what the
//! process has read and written, as the system counts it. Ends with the command's exit code, or 128 and its signal.
//!
//! It is a program of its own because it is small: the system counts as a child's peak also what its parent held when it was
//! started, and an interpreter that ran the benchmarks would add its own.

use std::fs;
use std::process::{Command, ExitCode};
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failure> {
    let mut args = std::env::args_os().skip(1);
    let (Some(file), Some(program)) = (args.next(), args.next()) else {
        return Err("usage: measured FILE COMMAND [ARGUMENT...]".into());
    };
    let start = Instant::now();
    let mut child = Command::new(&program).args(args).spawn()?;
    let pid = child.id();
    // SAFETY: an all-zero siginfo is a valid one, which waitid overwrites; the child is ours and stays to be waited for.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        while libc::waitid(libc::P_PID, pid, &mut info, libc::WEXITED | libc::WNOWAIT) != 0 {}
    }
    let seconds = start.elapsed().as_secs_f64();
    // Empty where the system does not say.
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let io: Vec<String> = io
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(key, n)| format!("\"{key}\": {n}"))
        .collect();
    let status = child.wait()?;
    // SAFETY: an all-zero rusage is a valid one, which getrusage overwrites; one child has been waited for.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let processor: f64 =
        [usage.ru_utime, usage.ru_stime].iter().map(|t| t.tv_sec as f64 + t.tv_usec as f64 / 1e6).sum();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    let code = status.code().unwrap_or(128 + signal.unwrap_or(0));
    fs::write(
        file,
        format!(
            "{{\"seconds\": {seconds}, \"processor_seconds\": {processor}, \"peak_kib\": {}, \"code\": {code}, \
             \"io\": {{{}}}}}\n",
            usage.ru_maxrss,
            io.join(", ")
        ),
    )?;
    Ok(ExitCode::from(code.clamp(0, 255) as u8))
}
