//! [`Checkpoint`]: what is done of a run, in a file that another process of the same run goes on from.
//!
//! The file is `OUTCROP-RUN\n`, a version, sections, and the CRC-32 of all before it; numbers are little-endian.
//! A section is its length (8 bytes) and its bytes. First the facts of the run, then for each of its jobs, in the
//! order in which they began: the facts of its plan, its finished chunks, the state of its kernel or output, and the
//! bad blocks met. It is written to a temporary name, made durable, then renamed: it is whole or the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use outcrop_core::{Error, Result};

use crate::plan::Plan;
use crate::runs::Runs;

const MAGIC: &[u8] = b"OUTCROP-RUN\n";
const VERSION: u32 = 1;
/// A file beyond this is not ours: partials are smaller by orders of magnitude.
const MOST_BYTES: u64 = 4 << 30;

/// Things that must be equal for a checkpoint to be of the same run: a name for people, and the value.
pub type Facts = Vec<(String, String)>;

/// The name of the fact whose value is not for people: all options that change the result.
pub const OPTIONS: &str = "the options";
/// The name of the fact that is not compared, but says to people which of the options differ: a line for each that was
/// given, its name, a tab and its value.
pub const GIVEN: &str = "the command line";

/// How a run is checkpointed.
#[derive(Clone, Debug)]
pub struct CheckpointOptions {
    /// The file. It appears when the first job begins, and goes when the run is [completed](Checkpoint::complete).
    pub path: PathBuf,
    /// How often it is written, at least.
    pub every: Duration,
    /// The inputs (size, time, header), the command and the options that change its result. What a job's plan says,
    /// and the version of this crate, are added.
    pub facts: Facts,
}

/// The checkpoint of a run: a sequence of jobs, one after another, in an order that the facts decide.
#[derive(Debug)]
pub struct Checkpoint {
    options: CheckpointOptions,
    jobs: Mutex<Jobs>,
    stopped: AtomicBool,
}

#[derive(Debug)]
struct Jobs {
    records: Vec<Record>,
    /// The job that begins next.
    next: usize,
    saved_at: Instant,
}

/// What is known of one job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    facts: Facts,
    finished: Vec<u8>,
    pub(crate) state: Vec<u8>,
    pub(crate) bad: Vec<u8>,
}

/// A job that may have been begun by an earlier process.
pub(crate) struct Begun {
    pub(crate) number: usize,
    pub(crate) finished: Runs,
    /// `None` for a job that begins now.
    pub(crate) record: Option<Record>,
}

impl Checkpoint {
    /// Reads the checkpoint, if there is one.
    ///
    /// # Errors
    /// [`Error::Usage`] where the file is of another run or version, or damaged, naming what differs;
    /// [`Error::Io`] where it cannot be read.
    pub fn open(mut options: CheckpointOptions) -> Result<Checkpoint> {
        options.facts.insert(0, ("outcrop".into(), env!("CARGO_PKG_VERSION").into()));
        let records = match read(&options.path)? {
            Some(bytes) => {
                let (facts, records) = decode(&bytes).map_err(|why| refuse(&options.path, &why))?;
                compare(&options.path, &facts, &options.facts)?;
                records
            }
            None => Vec::new(),
        };
        let jobs = Jobs { records, next: 0, saved_at: Instant::now() };
        Ok(Checkpoint { options, jobs: Mutex::new(jobs), stopped: AtomicBool::new(false) })
    }

    /// Whether this process goes on where an earlier one stopped.
    pub fn is_resumed(&self) -> bool {
        !self.lock().records.is_empty()
    }

    /// Whether a job was cancelled, and what was done is in the file.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// The state that the output of the next job that writes was saved with.
    pub fn output_state(&self) -> Option<Vec<u8>> {
        self.output_states().into_iter().next()
    }

    /// The states that the outputs of the jobs to come were saved with, in the order of those jobs; of jobs that write
    /// and that had begun.
    pub fn output_states(&self) -> Vec<Vec<u8>> {
        let jobs = self.lock();
        let writes = |record: &&Record| {
            record.facts.iter().any(|(what, value)| what == Plan::OUTPUT && value != Plan::NO_OUTPUT)
        };
        let begun = jobs.records.iter().skip(jobs.next).filter(writes).map(|record| record.state.clone());
        begun.take_while(|state| !state.is_empty()).collect()
    }

    /// Removes the file: the run's results are where they belong.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn complete(&self) -> Result<()> {
        // What a process left that was killed while it saved; there is nothing to save any more.
        if let Some(temporary) = temporary(&self.options.path) {
            let _ = fs::remove_file(temporary);
        }
        match fs::remove_file(&self.options.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(Error::io(format!("remove {}", self.options.path.display()), e))
            }
            _ => Ok(()),
        }
    }

    /// Begins the next job, of so many chunks.
    pub(crate) fn begin(&self, facts: &Facts, chunks: u64) -> Result<Begun> {
        let path = &self.options.path;
        let mut jobs = self.lock();
        let number = jobs.next;
        let Some(record) = jobs.records.get(number).cloned() else {
            jobs.next += 1;
            jobs.records.push(Record { facts: facts.clone(), ..Record::default() });
            return Ok(Begun { number, finished: Runs::default(), record: None });
        };
        compare(path, &record.facts, facts)?;
        let finished = Runs::load(&record.finished, chunks).map_err(|e| refuse(path, &e.to_string()))?;
        jobs.next += 1;
        Ok(Begun { number, finished, record: Some(record) })
    }

    /// Whether it is time to save.
    pub(crate) fn is_due(&self) -> bool {
        self.lock().saved_at.elapsed() >= self.options.every
    }

    /// Notes what is done of a job, and writes the file if asked to.
    pub(crate) fn save(
        &self,
        number: usize,
        finished: &Runs,
        state: Vec<u8>,
        bad: Vec<u8>,
        write: bool,
    ) -> Result<()> {
        let mut jobs = self.lock();
        let record = &mut jobs.records[number];
        (record.finished, record.state, record.bad) = (finished.save(), state, bad);
        if write { self.write(&mut jobs) } else { Ok(()) }
    }

    /// Writes the file because the run was cancelled. Jobs do that themselves; for what lies between them.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn stop(&self) -> Result<()> {
        self.write(&mut self.lock())?;
        self.stopped.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Why a job's saved state cannot be used.
    pub(crate) fn refuse(&self, why: &Error) -> Error {
        refuse(&self.options.path, &why.to_string())
    }

    fn write(&self, jobs: &mut Jobs) -> Result<()> {
        let bytes = encode(&self.options.facts, &jobs.records);
        replace(&self.options.path, &bytes).map_err(|e| {
            Error::io(format!("save the checkpoint {} (--checkpoint)", self.options.path.display()), e)
        })?;
        jobs.saved_at = Instant::now();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(path: &Path, why: &str) -> Error {
    Error::Usage(format!(
        "{}: {why} (remove it to start again, or name another with --checkpoint)",
        path.display()
    ))
}

/// Names the first fact that differs.
fn compare(path: &Path, saved: &Facts, ours: &Facts) -> Result<()> {
    let differs = saved.iter().zip(ours).find(|(a, b)| a != b && (a.0 != GIVEN || b.0 != GIVEN));
    let why = match differs {
        Some(((what, _), (other, _))) if what == other && what == OPTIONS => given_otherwise(saved, ours),
        Some(((what, was), (other, is))) if what == other => format!("{what} was {was} and is {is}"),
        Some(((what, _), (other, _))) => format!("it is about {what}, not {other}"),
        None if saved.len() != ours.len() => "it has other inputs".into(),
        None => return Ok(()),
    };
    Err(refuse(path, &format!("the checkpoint is of another run: {why}")))
}

/// Which options were given otherwise, with both values.
fn given_otherwise(saved: &Facts, ours: &Facts) -> String {
    let given = |facts: &Facts| -> BTreeMap<String, String> {
        let lines = facts.iter().filter(|fact| fact.0 == GIVEN).flat_map(|fact| fact.1.lines());
        lines
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    };
    let (was, is) = (given(saved), given(ours));
    let names: BTreeSet<_> =
        was.keys().chain(is.keys()).filter(|&name| was.get(name) != is.get(name)).collect();
    let value = |of: &BTreeMap<String, String>, name| match of.get(name).map(String::as_str) {
        None => "not given".to_string(),
        Some("") => "given".to_string(),
        Some(value) => value.to_string(),
    };
    let differ =
        names.iter().map(|&name| format!("{name} was {} and is {}", value(&was, name), value(&is, name)));
    match differ.collect::<Vec<_>>() {
        none if none.is_empty() => {
            "its output or its options differ from those that it was begun with".into()
        }
        some => some.join("; "),
    }
}

/// The file's bytes; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let io = |e| Error::io(format!("read the checkpoint {}", path.display()), e);
    match fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
        Ok(found) if !found.is_file() || found.len() > MOST_BYTES => {
            return Err(refuse(path, "this is not a checkpoint"));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|f| f.take(MOST_BYTES).read_to_end(&mut bytes)).map_err(io)?;
    Ok(Some(bytes))
}

/// Where a checkpoint is written before it has its name.
fn temporary(path: &Path) -> Option<PathBuf> {
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(path.file_name()?);
    hidden.push(".outcrop-save");
    Some(path.with_file_name(hidden))
}

/// Writes a file so that at any moment the path holds the old bytes or the new ones, whole.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = temporary(path).ok_or(ErrorKind::InvalidFilename)?;
    let mut file = File::create(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Some file systems cannot sync a folder; the file itself is whole.
    let _ = File::open(folder).and_then(|f| f.sync_all());
    Ok(())
}

fn encode(facts: &Facts, records: &[Record]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    section(&mut file, &encode_facts(facts));
    for record in records {
        let facts = encode_facts(&record.facts);
        for part in [&facts, &record.finished, &record.state, &record.bad] {
            section(&mut file, part);
        }
    }
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file
}

fn encode_facts(facts: &Facts) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in facts.iter().flat_map(|(what, value)| [what, value]) {
        section(&mut bytes, text.as_bytes());
    }
    bytes
}

pub(crate) fn section(file: &mut Vec<u8>, bytes: &[u8]) {
    file.extend((bytes.len() as u64).to_le_bytes());
    file.extend(bytes);
}

fn decode(file: &[u8]) -> Result<(Facts, Vec<Record>), String> {
    let body = file.strip_prefix(MAGIC).ok_or("this is not a checkpoint")?;
    let (version, body) = body.split_first_chunk().ok_or("the checkpoint is cut short")?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(format!("the checkpoint is of version {version}, this build reads {VERSION}"));
    }
    let (mut body, crc) = body.split_last_chunk().ok_or("the checkpoint is cut short")?;
    if crc32fast::hash(&file[..file.len() - 4]) != u32::from_le_bytes(*crc) {
        return Err("the checkpoint is damaged: its checksum is wrong".into());
    }
    let facts = decode_facts(take_section(&mut body)?)?;
    let mut records = Vec::new();
    while !body.is_empty() {
        records.push(Record {
            facts: decode_facts(take_section(&mut body)?)?,
            finished: take_section(&mut body)?.to_vec(),
            state: take_section(&mut body)?.to_vec(),
            bad: take_section(&mut body)?.to_vec(),
        });
    }
    Ok((facts, records))
}

fn decode_facts(mut bytes: &[u8]) -> Result<Facts, String> {
    let mut facts = Vec::new();
    let text = |bytes: &mut &[u8]| -> Result<String, String> {
        Ok(String::from_utf8_lossy(take_section(bytes)?).into_owned())
    };
    while !bytes.is_empty() {
        facts.push((text(&mut bytes)?, text(&mut bytes)?));
    }
    Ok(facts)
}

/// Takes a section off the front.
pub(crate) fn take_section<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let short = || String::from("the checkpoint is damaged: a section is cut short");
    let (length, rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
    let (section, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    *bytes = rest;
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(value: &str) -> Facts {
        vec![("input".into(), value.into()), ("command".into(), "stats".into())]
    }

    fn record() -> Record {
        Record { facts: facts("plan"), finished: vec![1; 16], state: vec![7; 100], bad: Vec::new() }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let records = [record(), Record::default()];
        let bytes = encode(&facts("a"), &records);
        assert_eq!(decode(&bytes).unwrap(), (facts("a"), records.to_vec()));
    }

    #[test]
    fn every_damaged_or_shortened_file_is_refused() {
        let bytes = encode(&facts("a"), &[record()]);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert!(decode(&bad).is_err(), "byte {at}");
            assert!(decode(&bytes[..at]).is_err(), "{at} bytes");
        }
        // Right checksum, wrong lengths: nothing is allocated for what is not there.
        let mut bad = MAGIC.to_vec();
        bad.extend(VERSION.to_le_bytes());
        bad.extend(u64::MAX.to_le_bytes());
        bad.extend(crc32fast::hash(&bad).to_le_bytes());
        assert!(decode(&bad).unwrap_err().contains("cut short"));
    }

    #[test]
    fn what_a_killed_save_left_goes_with_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.ckpt");
        let checkpoint =
            Checkpoint::open(CheckpointOptions { path, every: Duration::ZERO, facts: facts("a") }).unwrap();
        checkpoint.stop().unwrap();
        fs::write(folder.path().join(".run.ckpt.outcrop-save"), "half").unwrap();
        checkpoint.complete().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_checkpoint_of_another_run_says_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.ckpt");
        let options =
            |value| CheckpointOptions { path: path.clone(), every: Duration::ZERO, facts: facts(value) };
        Checkpoint::open(options("a")).unwrap().stop().unwrap();
        assert!(Checkpoint::open(options("a")).is_ok());
        let text = Checkpoint::open(options("b")).unwrap_err().to_string();
        assert!(text.contains("input was a and is b") && text.contains("--checkpoint"), "{text}");
        let begun = |options: &str| {
            let facts = vec![(OPTIONS.to_string(), options.to_string())];
            Checkpoint::open(CheckpointOptions { path: path.clone(), every: Duration::ZERO, facts })
        };
        fs::remove_file(&path).unwrap();
        begun("Reading { level: 1 }").unwrap().stop().unwrap();
        let text = begun("Reading { level: 2 }").unwrap_err().to_string();
        assert!(text.contains("its options differ") && !text.contains('{'), "{text}");
        let begun = |options: &str, given: &str| {
            let facts = [(OPTIONS, options), (GIVEN, given)].map(|(name, value)| (name.into(), value.into()));
            Checkpoint::open(CheckpointOptions {
                path: path.clone(),
                every: Duration::ZERO,
                facts: facts.into(),
            })
        };
        fs::remove_file(&path).unwrap();
        begun("1", "--level\t1\n--unique\t").unwrap().stop().unwrap();
        // Said otherwise, and meant the same.
        assert!(begun("1", "--level\t01\n--unique\t").is_ok());
        let text = begun("2", "--level\t2\n--gamma\t3").unwrap_err().to_string();
        let named =
            "--gamma was not given and is 3; --level was 1 and is 2; --unique was given and is not given";
        assert!(text.contains(named), "{text}");
        fs::write(&path, "hello").unwrap();
        assert!(Checkpoint::open(options("a")).unwrap_err().to_string().contains("not a checkpoint"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
