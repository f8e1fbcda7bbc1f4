//! What the user sees while a job runs, on standard error. The only file that knows indicatif.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use outcrop::{Event, Observer};

use crate::args;

/// A job shorter than this shows no line.
const QUIET_START: Duration = Duration::from_secs(2);
/// A job shorter than this shows no bar.
const BAR_START: Duration = Duration::from_millis(300);
/// A plain line comes at least this often...
const LINE_EVERY: Duration = Duration::from_secs(30);
/// ... and whenever this part of the job was done since the last, but no more often than [`LINES_APART`].
const LINE_PART: f64 = 0.05;
const LINES_APART: Duration = Duration::from_secs(1);
/// JSON lines come no more often than this.
const JSON_APART: Duration = Duration::from_millis(500);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Bar,
    Plain,
    Json,
    None,
}

/// An [`Observer`] that shows what it hears.
pub(crate) struct Progress {
    style: Style,
    quiet: bool,
    job: Mutex<Option<Job>>,
}

/// The pass that is running.
struct Job {
    stage: String,
    chunks: u64,
    bytes: u64,
    chunks_done: u64,
    bytes_done: u64,
    started: Instant,
    shown: Option<(Instant, f64)>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// As asked for; a bar by default where standard error is a terminal, else plain lines.
    pub(crate) fn new(style: args::Progress, quiet: bool) -> Progress {
        let style = match style {
            _ if quiet => Style::None,
            args::Progress::Bar => Style::Bar,
            args::Progress::Plain => Style::Plain,
            args::Progress::Json => Style::Json,
            args::Progress::None => Style::None,
            args::Progress::Auto if std::io::stderr().is_terminal() => Style::Bar,
            args::Progress::Auto => Style::Plain,
        };
        Progress { style, quiet, job: Mutex::new(None) }
    }

    /// Prints a line on standard error without breaking the bar. Nobody reading it is no reason to fail.
    fn line(job: Option<&Job>, text: &str) {
        let print = || {
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        match job.and_then(|job| job.bar.as_ref()) {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: Event) {
        let mut held = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { stage, chunks, bytes } => {
                let job = Job::new(stage, chunks, bytes);
                if self.style == Style::Json {
                    Progress::line(None, &job.json("started"));
                }
                *held = Some(job);
            }
            Event::Advanced { chunks, bytes } => {
                let Some(job) = held.as_mut() else { return };
                job.chunks_done += chunks;
                job.bytes_done += bytes;
                job.show(self.style);
            }
            Event::Finished => {
                let Some(job) = held.take() else { return };
                if let Some(bar) = &job.bar {
                    bar.finish_and_clear();
                }
                if self.style == Style::Json {
                    Progress::line(None, &job.json("finished"));
                }
            }
            Event::Warning(text) if !self.quiet => {
                Progress::line(held.as_ref(), &format!("outcrop: warning: {text}"));
            }
            _ => {}
        }
    }
}

impl Job {
    fn new(stage: String, chunks: u64, bytes: u64) -> Job {
        let started = Instant::now();
        Job { stage, chunks, bytes, chunks_done: 0, bytes_done: 0, started, shown: None, bar: None }
    }

    fn show(&mut self, style: Style) {
        let now = Instant::now();
        let elapsed = now - self.started;
        match style {
            Style::Bar if elapsed >= BAR_START => {
                let bar = self.bar.get_or_insert_with(|| draw(&self.stage, self.bytes, elapsed));
                bar.set_position(self.bytes_done);
            }
            Style::Plain if elapsed >= QUIET_START => {
                let (last, part) = self.shown.unwrap_or((self.started, 0.0));
                let step = self.part() - part >= LINE_PART && now - last >= LINES_APART;
                if step || now - last >= LINE_EVERY {
                    self.shown = Some((now, self.part()));
                    Progress::line(None, &self.plain(elapsed));
                }
            }
            Style::Json if self.shown.is_none_or(|(last, _)| now - last >= JSON_APART) => {
                self.shown = Some((now, self.part()));
                Progress::line(None, &self.json("progress"));
            }
            _ => {}
        }
    }

    /// The part that is done, from 0 to 1.
    fn part(&self) -> f64 {
        if self.bytes == 0 { 1.0 } else { self.bytes_done as f64 / self.bytes as f64 }
    }

    fn plain(&self, elapsed: Duration) -> String {
        let rate = self.bytes_done as f64 / elapsed.as_secs_f64().max(1e-9);
        let left = self.bytes.saturating_sub(self.bytes_done) as f64 / rate.max(1.0);
        // A rate of almost nothing would make a number of seconds that Duration cannot hold.
        let left = HumanDuration(Duration::from_secs_f64(left.min(1e9)));
        format!(
            "outcrop: {}: {:.0} %, {} of {}, {}/s, {left:#} left",
            self.stage,
            (self.part() * 100.0).floor(),
            HumanBytes(self.bytes_done),
            HumanBytes(self.bytes),
            HumanBytes(rate as u64),
        )
    }

    fn json(&self, event: &str) -> String {
        serde_json::json!({
            "event": event,
            "stage": self.stage,
            "chunks": self.chunks,
            "chunks_done": self.chunks_done,
            "bytes": self.bytes,
            "bytes_done": self.bytes_done,
            "seconds": self.started.elapsed().as_secs_f64(),
        })
        .to_string()
    }
}

/// A bar on standard error that has been running for a while.
fn draw(stage: &str, bytes: u64, elapsed: Duration) -> ProgressBar {
    const TEMPLATE: &str = "{msg} [{bar:24}] {bytes}/{total_bytes} {binary_bytes_per_sec} eta {eta}";
    let style = ProgressStyle::with_template(TEMPLATE)
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> "));
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr())
        .with_style(style)
        .with_message(stage.to_owned())
        .with_elapsed(elapsed);
    // Chunks of compressed files may take long; the clock moves on meanwhile.
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_tells_what_is_done_and_what_is_left() {
        let mut job = Job::new("statistics".into(), 10, 10 << 30);
        job.bytes_done = 5 << 30;
        let line = job.plain(Duration::from_secs(5));
        assert_eq!(line, "outcrop: statistics: 50 %, 5.00 GiB of 10.00 GiB, 1.00 GiB/s, 5s left");
    }

    #[test]
    fn a_stalled_job_has_a_line() {
        let job = Job::new("mean".into(), 1, u64::MAX);
        assert!(job.plain(Duration::from_secs(3)).contains(" 0 %"));
    }
}
