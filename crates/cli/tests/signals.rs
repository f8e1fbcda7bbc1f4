//! Runs that are stopped, and readers that leave early.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::util::{Folder, PATIENCE, but_progress, npy, sparse};

/// Sends a signal to a child that we started.
fn send(child: &Child, signal: i32) {
    // SAFETY: kill takes two numbers; the child has not been waited for, so its number is still its own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// Waits for the child, but not for ever.
fn code(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the run did not stop");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a job that takes long and stops it once it runs, with as many signals one right after the other.
fn stopped(signal: i32, times: usize) -> (Folder, Option<i32>, String) {
    let folder = Folder::new();
    // 2^40 samples: minutes of work at any speed.
    sparse(&folder.path("big.raw"), 1 << 40);
    let args =
        ["mean", "big.raw", "m.npy", "--shape", "4096,4096,65536", "--dtype", "u8", "--out-dtype", "u8"];
    let mut command = folder.command(&args);
    // SAFETY: signal is async-signal-safe, as what runs between fork and exec must be.
    unsafe {
        command.pre_exec(move || {
            // A suite under nohup ignores SIGHUP, and so would the run.
            libc::signal(signal, libc::SIG_DFL);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    while !folder.names().iter().any(|name| name.contains("outcrop-part")) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        assert!(started.elapsed() < PATIENCE, "no partial file");
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(50));
    for _ in 0..times {
        send(&child, signal);
        std::thread::sleep(Duration::from_millis(1));
    }
    let code = code(&mut child);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (folder, code, stderr)
}

#[test]
fn signals_end_the_run_with_their_code_and_leave_nothing() {
    for (signal, wanted) in
        [(libc::SIGINT, 130), (libc::SIGTERM, 143), (libc::SIGUSR1, 138), (libc::SIGHUP, 129)]
    {
        let (folder, code, stderr) = stopped(signal, 1);
        assert_eq!(code, Some(wanted), "{stderr}");
        assert_eq!(folder.names(), ["big.raw"], "signal {signal}");
    }
}

#[test]
fn a_terminal_that_goes_away_is_nothing_to_nohup() {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "in.npy", "-q", "--width", "1400", "--height", "1200"]);
    let mut command = folder.command(&["convert", "in.npy", "-", "--to", "raw", "-q"]);
    // SAFETY: signal is async-signal-safe, as what runs between fork and exec must be.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    send(&child, libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(50));
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert_eq!((code(&mut child), rest.len()), (Some(0), 1400 * 1200 * 3 - 10));
}

#[test]
fn a_signal_that_is_sent_twice_at_once_is_one() {
    let (folder, code, stderr) = stopped(libc::SIGTERM, 2);
    assert_eq!(code, Some(143), "{stderr}");
    assert_eq!(folder.names(), ["big.raw"]);
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[4, 5, 3], &[9; 60]));
    let names = vec!["a.npy"; 2000];
    let mut child = folder.command(&[&["stats"], &names[..]].concat()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((code(&mut child), but_progress(&stderr).as_str()), (Some(0), ""));
}

#[test]
fn pixels_into_a_pipe_that_closes_are_no_failure() {
    let folder = Folder::new();
    sparse(&folder.path("big.raw"), 1 << 30);
    let args = ["convert", "big.raw", "-", "--to", "raw", "--shape", "32768,32768", "--dtype", "u8"];
    let mut child = folder.command(&args).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 4096]).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((code(&mut child), but_progress(&stderr).as_str()), (Some(0), ""));
}
