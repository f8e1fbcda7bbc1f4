//! A fresh folder, the binary in it, and the files that tests make for it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// A run of a test that takes longer hangs: it is killed and fails. Far longer than any takes on a slow and busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// What a run may hold beside its budget: the program, stacks, small tables, what malloc keeps.
const BESIDE: u64 = 32 << 20;

/// A folder that is removed with everything in it.
pub(crate) struct Folder(tempfile::TempDir);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Names of all files and folders, hidden ones too, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The binary, to be run here, with nothing in its surroundings that changes what it does.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outcrop"));
        command.current_dir(self.0.path()).args(args);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["OUTCROP_", "SLURM_", "RAYON_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&*name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The same with `shim.c`, which says what a mode is, between the binary and the system. `None`, with a word, where
    /// there is no glibc or no C compiler.
    pub(crate) fn shimmed(&self, mode: &str, args: &[&str]) -> Option<Command> {
        let shim = self.path("shim.so");
        if !shim.exists() {
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shim.c");
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).args([source, "-ldl"]);
            let made = cc.output().is_ok_and(|made| made.status.success());
            if !cfg!(all(target_os = "linux", target_env = "gnu")) || !made {
                println!("no C compiler for the shim: skipped");
                return None;
            }
        }
        let mut command = self.command(args);
        command.env("LD_PRELOAD", &shim).env("OUTCROP_SHIM", mode).env("SHIM_FIRED", self.path("fired"));
        Some(command)
    }

    /// Kills a run when its checkpoint has been saved that many times. Whether it got as far; a shorter run must end
    /// with one of `codes`. `None` as for [`shimmed`](Folder::shimmed).
    pub(crate) fn killed_at_save(&self, saves: usize, args: &[&str], codes: &[i32]) -> Option<bool> {
        let outcome = finish(self.shimmed(&format!("save:{saves}:{}", libc::SIGKILL), args)?);
        match outcome.code {
            None => Some(true),
            Some(code) if codes.contains(&code) => Some(false),
            Some(_) => panic!("outcrop {args:?}: {outcome:?}"),
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        finish(self.command(args))
    }

    /// Runs it and demands success with a quiet standard error.
    pub(crate) fn ok(&self, args: &[&str]) -> Vec<u8> {
        let outcome = self.run(args);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "outcrop {args:?}");
        outcome.stdout
    }

    /// Runs it and reads the one JSON object that it prints.
    pub(crate) fn json(&self, args: &[&str]) -> Json {
        serde_json::from_slice(&self.ok(args)).unwrap()
    }

    /// What `--plan` says of a run: a plan for each job that is known before.
    pub(crate) fn plans(&self, args: &[&str]) -> Vec<Json> {
        let lines = self.ok(&[args, &["--plan=json"]].concat());
        let plans = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        plans.map(|line| serde_json::from_slice::<Json>(line).unwrap()["plan"].clone()).collect()
    }

    /// Runs it as [`ok`](Folder::ok) does and holds what was measured against what `--plan` has said before: memory, bytes
    /// read, blocks decoded, passes, and bytes written to `output`. Returns the answer and the report.
    pub(crate) fn as_planned(&self, args: &[&str], output: Option<&str>) -> (Vec<u8>, Json) {
        let plans = self.plans(args);
        let answer = self.ok(&[args, &["--report", "planned.json"]].concat());
        let report: Json = serde_json::from_slice(&self.read("planned.json")).unwrap();
        std::fs::remove_file(self.path("planned.json")).unwrap();
        let number = |of: &Json, name: &str| of[name].as_f64().unwrap_or_else(|| panic!("{name}: {of}"));
        let sum = |name: &str| plans.iter().map(|plan| number(plan, name)).sum::<f64>();
        let most = |name: &str| plans.iter().map(|plan| number(plan, name)).fold(0., f64::max);
        let keeps = |what: &str, found: f64, bound: f64| {
            assert!(found <= bound, "outcrop {args:?}: {what}: {found}, {bound} were planned\n{report}");
        };
        assert_eq!(report["plans"][0], plans[0], "outcrop {args:?}: it is another plan that ran");
        let peak = most("peak_bytes");
        keeps("budget", peak, number(&report, "budget_bytes"));
        keeps("bytes of the budget", number(&report, "most_budget_bytes"), peak);
        keeps("bytes resident", number(&report, "peak_resident_bytes"), peak + BESIDE as f64);
        // Jobs that write what was reduced have other windows.
        for window in plans.iter().map(|plan| &plan["window"]) {
            let of =
                |plans: &[Json]| plans.iter().filter(|p| p["window"] == *window).cloned().collect::<Vec<_>>();
            let most = of(&plans).iter().map(|plan| number(plan, "passes_at_most")).sum();
            keeps("passes", of(report["plans"].as_array().unwrap()).len() as f64, most);
        }
        let again = most("decode_amplification") * (1. + 1e-9);
        keeps("blocks decoded", number(&report, "blocks_decoded"), number(&report, "blocks") * again);
        let read = plans.iter().map(|plan| number(plan, "passes_at_most") * number(plan, "bytes_to_read"));
        // Headers, tables and what the system says of the machine.
        keeps("bytes read", number(&report, "read_bytes"), read.sum::<f64>() + f64::from(1 << 20));
        if let Some(output) = output {
            keeps("bytes written", self.path(output).metadata().unwrap().len() as f64, sum("bytes_to_write"));
        }
        (answer, report)
    }

    /// Runs it and demands one line of complaint, that exit code, nothing on standard output and no new file.
    /// Returns the line.
    pub(crate) fn refused(&self, code: i32, args: &[&str]) -> String {
        let before = self.names();
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(code), "outcrop {args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, b"", "outcrop {args:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "outcrop {args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.starts_with("outcrop: "), "{}", outcome.stderr);
        assert_eq!(self.names(), before, "outcrop {args:?} left something behind");
        outcome.stderr
    }
}

/// Bytes that are free where a folder lies.
pub(crate) fn free_space(folder: &Path) -> u64 {
    let path = std::ffi::CString::new(folder.to_str().unwrap()).unwrap();
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: a path that ends in 0, and room for what is filled in.
    assert_eq!(unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) }, 0);
    // SAFETY: the call has filled it in.
    let stat = unsafe { stat.assume_init() };
    stat.f_bavail * stat.f_frsize
}

/// Runs a command to its end, but not for ever.
pub(crate) fn finish(mut command: Command) -> Outcome {
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).map(|_| bytes)
    });
    let err = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} did not end: {}", err.join().unwrap().unwrap());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let stderr = err.join().unwrap().unwrap();
    let is_asked_for = command.get_args().any(|arg| arg == "--progress");
    Outcome {
        code: status.code(),
        stdout: out.join().unwrap().unwrap(),
        stderr: if is_asked_for { stderr } else { but_progress(&stderr) },
    }
}

/// What was said on standard error but for the lines of progress, which a run of two seconds has: any, on a slow machine.
pub(crate) fn but_progress(stderr: &str) -> String {
    let is_progress = |line: &&str| line.contains(" %, ") && line.trim_end().ends_with("left");
    stderr.split_inclusive('\n').filter(|line| !is_progress(line)).collect()
}

/// A `.npy` file, version 1, C order.
pub(crate) fn npy(descr: &str, shape: &[u64], data: &[u8]) -> Vec<u8> {
    let comma = if shape.len() == 1 { "," } else { "" };
    let shape = shape.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}{comma}), }}");
    let padded = (10 + dict.len() + 1).next_multiple_of(64) - 10;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((padded as u16).to_le_bytes());
    file.extend(format!("{dict:<width$}\n", width = padded - 1).bytes());
    file.extend(data);
    file
}

/// The numbers as little-endian bytes.
pub(crate) fn le_bytes<const N: usize, T: Copy>(samples: &[T], to: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    samples.iter().flat_map(|&s| to(s)).collect()
}

/// An uncompressed little-endian TIFF of 8-bit samples in one strip; a fourth channel is alpha.
pub(crate) fn tiff(width: u32, height: u32, channels: u32, samples: &[u8]) -> Vec<u8> {
    assert_eq!(samples.len() as u32, width * height * channels);
    let mut file = b"II*\0".to_vec();
    file.extend((8 + samples.len() as u32).next_multiple_of(2).to_le_bytes());
    file.extend(samples);
    file.resize(file.len().next_multiple_of(2), 0);
    let photometric = if channels >= 3 { 2 } else { 1 };
    // Tag, value; every one a LONG of one value. BitsPerSample counts for all samples.
    let mut entries = vec![
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, photometric),
        (273, 8),
        (277, channels),
        (278, height),
        (279, samples.len() as u32),
    ];
    if channels == 4 {
        entries.push((338, 2));
    }
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        file.extend((tag as u16).to_le_bytes());
        file.extend(4u16.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    file
}

/// A file of that many zeros that takes no room.
pub(crate) fn sparse(path: &Path, bytes: u64) {
    std::fs::File::create(path).unwrap().set_len(bytes).unwrap();
}

/// Bytes that look random and are the same on every machine (xorshift64).
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..count.div_ceil(8)).flat_map(|_| next()).take(count).collect()
}
