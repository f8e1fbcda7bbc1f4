//! A mapped file that is cut short under a reader ends the process with a line on stderr, not with a signal.
//!
//! The tests run themselves again as a child, which must not share its signals with other tests.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use outcrop_reader::{IoMode, Store, before_sigbus_exit, install_sigbus_handler};

const CHILD: &str = "OUTCROP_TEST_SIGBUS_CHILD";

fn run(test: &str, file: &Path) -> Output {
    let exe = std::env::current_exe().unwrap();
    let mut child = Command::new(exe);
    child.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, file);
    child.output().unwrap()
}

#[test]
fn a_fault_in_a_map_of_ours_is_reported_after_cleaning_up() {
    if let Some(path) = std::env::var_os(CHILD) {
        let path = Path::new(&path);
        install_sigbus_handler().unwrap();
        let store = Store::open(path, IoMode::Auto).unwrap();
        // A temporary folder may be on a shared file system, where Auto reads.
        let store = if store.is_mapped() { store } else { Store::open(path, IoMode::Map).unwrap() };
        before_sigbus_exit(|| {
            // SAFETY: the bytes are there, and a write to standard output is safe in a handler.
            unsafe { libc::write(1, c"cleaned up".as_ptr().cast(), 10) };
        });
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
        let sum: u64 = store.mapped(0, store.len()).unwrap().iter().map(|&b| b as u64).sum();
        println!("not reached: {sum}");
        std::process::exit(7);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.raw");
    std::fs::write(&path, vec![1; 100_000]).unwrap();
    let out = run("a_fault_in_a_map_of_ours_is_reported_after_cleaning_up", &path);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("image.raw: the file was cut short") && stderr.ends_with("\n"), "{stderr}");
    assert!(out.stdout.ends_with(b"cleaned up"), "{out:?}");
}

#[test]
fn other_faults_go_where_they_went_before() {
    if let Some(path) = std::env::var_os(CHILD) {
        install_sigbus_handler().unwrap();
        let ours = Store::open(Path::new(&path), IoMode::Map).unwrap();
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        // SAFETY: the map is private to this test, which touches it to fault on purpose.
        let other = unsafe { memmap2::Mmap::map(&file) }.unwrap();
        file.set_len(0).unwrap();
        println!("not reached: {} {}", other[50_000], ours.len());
        std::process::exit(7);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.raw");
    std::fs::write(&path, vec![1; 100_000]).unwrap();
    let out = run("other_faults_go_where_they_went_before", &path);
    assert_eq!(out.status.signal(), Some(libc::SIGBUS), "{out:?}");
}

#[test]
fn a_map_is_forgotten_when_its_store_is_dropped() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(10).unwrap();
    for _ in 0..1000 {
        assert!(Store::open(file.path(), IoMode::Map).unwrap().is_mapped());
    }
}

#[test]
fn auto_maps_with_the_handler_and_reads_where_the_address_space_is_small() {
    if let Some(path) = std::env::var_os(CHILD) {
        let path = Path::new(&path);
        let mapped = || Store::open(path, IoMode::Auto).unwrap().is_mapped();
        let without_handler = mapped();
        install_sigbus_handler().unwrap();
        let with_handler = mapped();
        let limit = libc::rlimit { rlim_cur: 1 << 30, rlim_max: 1 << 30 };
        // SAFETY: the pointer is to a live rlimit; the limit is this child's alone.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        let short_of_space = mapped();
        println!("{without_handler} {with_handler} {short_of_space}");
        std::process::exit(0);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.raw");
    std::fs::File::create(&path).unwrap().set_len(600 << 20).unwrap();
    let out = run("auto_maps_with_the_handler_and_reads_where_the_address_space_is_small", &path);
    let stdout = String::from_utf8_lossy(&out.stdout).into_owned();
    // The temporary folder may lie on a shared file system, where Auto always reads.
    assert!(stdout.contains("false true false") || stdout.contains("false false false"), "{stdout}");
}
