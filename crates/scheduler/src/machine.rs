//! [`Limits`]: how many threads and how much memory this process may use, and who said so.
//!
//! A flag, then `OUTCROP_THREADS` and `OUTCROP_MEMORY`, is an order. Otherwise the least of what Slurm, the control
//! groups, the affinity mask, `ulimit` and the free memory allow wins. Control groups are read from the process's own up to
//! the root, because Slurm and systemd set the limit on a parent.

use std::path::{Path, PathBuf};

use outcrop_core::{Error, Result};

/// Memory used at most unless ordered otherwise: more does not make it faster.
const DEFAULT_MOST: u64 = 1 << 30;

/// Looks up an environment variable.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What this process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Who limits the threads (`-j`, `affinity`, `SLURM_CPUS_PER_TASK`, ...).
    pub threads_from: String,
    /// Memory budget in bytes.
    pub memory: u64,
    /// Who limits the memory (`--memory`, `80 % of the available memory`, ...).
    pub memory_from: String,
    /// What the user should hear: an order above what the control group allows.
    pub warnings: Vec<String>,
}

impl Limits {
    /// Resolves flags, environment and machine. `root` is `/`, or a tree with `proc` and `sys` in tests.
    ///
    /// # Errors
    /// [`Error::Usage`] for a flag or an `OUTCROP_` variable that cannot be read. What others set and cannot be
    /// read is passed over.
    pub fn resolve(
        threads_flag: Option<usize>,
        memory_flag: Option<&str>,
        env: &dyn Fn(&str) -> Option<String>,
        root: &Path,
    ) -> Result<Limits> {
        let groups = Groups::of_process(root);
        let mut warnings = Vec::new();
        let (threads, threads_from) = threads(threads_flag, env, &groups, root, &mut warnings)?;
        let (memory, memory_from) = memory(memory_flag, env, &groups, root, &mut warnings)?;
        Ok(Limits { threads, threads_from, memory, memory_from, warnings })
    }
}

/// Candidates for a limit; the least wins, the first of equals.
struct Least(Option<(u64, String)>);

impl Least {
    fn offer(&mut self, value: Option<u64>, from: impl Into<String>) {
        if let Some(value) = value
            && self.0.as_ref().is_none_or(|(least, _)| value < *least)
        {
            self.0 = Some((value, from.into()));
        }
    }
}

/// The most threads that can be asked for.
pub const MOST_THREADS: usize = 4096;
const THREADS: &str = "a number from 1 to 4096";

fn threads(
    flag: Option<usize>,
    env: Env<'_>,
    groups: &Groups,
    root: &Path,
    warnings: &mut Vec<String>,
) -> Result<(usize, String)> {
    let ordered = match (flag, env("OUTCROP_THREADS").filter(|v| !v.trim().is_empty())) {
        (Some(threads), _) => Some((threads as u64, "-j")),
        (None, Some(text)) => {
            let threads = text.trim().parse();
            Some((threads.map_err(|_| bad("OUTCROP_THREADS", &text, THREADS))?, "OUTCROP_THREADS"))
        }
        (None, None) => None,
    };
    if let Some((threads, from)) = ordered {
        if !(1..=MOST_THREADS as u64).contains(&threads) {
            return Err(bad(from, &threads.to_string(), THREADS));
        }
        if let Some((quota, group)) = groups.cpus()
            && threads > quota
        {
            warnings.push(format!("{threads} threads ({from}), but {group} allows {quota} processors"));
        }
        return Ok((threads as usize, from.into()));
    }
    let number = |name: &str| env(name).and_then(|v| v.trim().parse::<u64>().ok()).filter(|&n| n > 0);
    let mut least = Least(None);
    least.offer(affinity(root), "affinity");
    if let Some((quota, group)) = groups.cpus() {
        least.offer(Some(quota), group);
    }
    match number("SLURM_CPUS_PER_TASK") {
        Some(cpus) => least.offer(Some(cpus), "SLURM_CPUS_PER_TASK"),
        None => least.offer(number("SLURM_CPUS_ON_NODE"), "SLURM_CPUS_ON_NODE"),
    }
    least.offer(number("RAYON_NUM_THREADS"), "RAYON_NUM_THREADS");
    let (threads, from) = least.0.unwrap_or((1, "nobody says".into()));
    Ok((threads as usize, from))
}

fn memory(
    flag: Option<&str>,
    env: Env<'_>,
    groups: &Groups,
    root: &Path,
    warnings: &mut Vec<String>,
) -> Result<(u64, String)> {
    let (available, total) = (meminfo(root, "MemAvailable:"), meminfo(root, "MemTotal:"));
    let mut ulimit = Least(None);
    ulimit.offer(rlimit(root, "Max address space"), "the address space (ulimit -v)");
    ulimit.offer(rlimit(root, "Max data size"), "the data segment (ulimit -d)");
    let (group, ulimit) = (groups.memory(), ulimit.0);
    let variable = env("OUTCROP_MEMORY").filter(|v| !v.trim().is_empty());
    let ordered = match (flag, &variable) {
        (Some(text), _) => Some((text, "--memory")),
        (None, Some(text)) => Some((text.as_str(), "OUTCROP_MEMORY")),
        (None, None) => None,
    };
    if let Some((text, from)) = ordered {
        // A share is of what the process could have: the machine's memory, or its group's.
        let whole = group.iter().chain(&ulimit).map(|g| g.0).chain(total).min();
        let memory = parse_memory(text, whole).map_err(|e| bad(from, text, &e))?;
        for (limit, whose) in [&group, &ulimit].into_iter().flatten() {
            if memory > *limit {
                warnings.push(format!("{memory} bytes of memory ({from}), but {whose} allows {limit} bytes"));
            }
        }
        return Ok((memory, from.into()));
    }
    let mut least = Least(None);
    least.offer(Some(DEFAULT_MOST), "the default");
    // Four fifths of each: the program itself, stacks and the page cache want some, and a group that is full kills.
    least.offer(slurm_memory(env).map(|b| b / 5 * 4), "80 % of Slurm's memory per task");
    if let Some((limit, group)) = group {
        least.offer(Some(limit / 5 * 4), format!("80 % of {group}"));
    }
    least.offer(available.map(|b| b / 5 * 4), "80 % of the available memory");
    if let Some((limit, whose)) = ulimit {
        // Stacks, malloc's reserves, maps of files and the program lie there as well.
        least.offer(Some(limit / 2), format!("half of {whose}"));
    }
    Ok(least.0.unwrap_or((DEFAULT_MOST, "the default".into())))
}

fn bad(from: &str, text: &str, expected: &str) -> Error {
    Error::Usage(format!("{from}: cannot use {text:?}, expected {expected}"))
}

/// Bytes of a size such as `2GiB`, `64MiB`, `512M`, `1.5g`, `1e9`, `4096` or `50%` (of `whole`). Units are binary
/// (`M` = `MiB`) except `kB`, `MB`, `GB` and `TB`, which are decimal; any case but for that.
///
/// # Errors
/// What was expected, for a message.
pub fn parse_memory(text: &str, whole: Option<u64>) -> Result<u64, String> {
    const FORMS: &str = "a size such as 2GiB, 64MiB, 512M, 500MB, 1e9 or 50%";
    let text = text.trim();
    if let Some(share) = text.strip_suffix('%') {
        let share: f64 = share.trim().parse().map_err(|_| FORMS.to_string())?;
        let whole = whole.ok_or("a size in bytes: the memory of this machine is not known")?;
        if !(share > 0.0 && share <= 100.0) {
            return Err("a share above 0 and up to 100 %".into());
        }
        return Ok((whole as f64 * (share / 100.0)) as u64);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = (digits.trim_end(), &text[digits.len()..]);
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(FORMS.into()),
    };
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(scale).ok_or("a size below 16 EiB")?,
        Err(_) => {
            let bytes = number.parse::<f64>().map_err(|_| FORMS.to_string())? * scale as f64;
            if bytes.is_nan() || bytes < 0.0 {
                return Err(FORMS.into());
            }
            if bytes >= u64::MAX as f64 {
                return Err("a size below 16 EiB".into());
            }
            bytes as u64
        }
    };
    if bytes == 0 { Err(format!("{FORMS}, above 0")) } else { Ok(bytes) }
}

/// Slurm's memory for this task, in bytes: per node divided by the tasks on it, or per processor times those.
fn slurm_memory(env: Env<'_>) -> Option<u64> {
    let number = |name: &str| env(name).and_then(|v| v.trim().parse::<u64>().ok()).filter(|&n| n > 0);
    let (mib, node) = (1u64 << 20, number("SLURM_NODEID").unwrap_or(0));
    if let Some(per_node) = number("SLURM_MEM_PER_NODE") {
        let tasks = ["SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE"];
        let tasks = tasks.into_iter().find_map(|name| list(env, name, node)).unwrap_or(1);
        return Some(per_node.saturating_mul(mib) / tasks.max(1));
    }
    let per_cpu = number("SLURM_MEM_PER_CPU")?;
    let cpus = number("SLURM_CPUS_PER_TASK")
        .or_else(|| number("SLURM_CPUS_ON_NODE"))
        .or_else(|| list(env, "SLURM_JOB_CPUS_PER_NODE", node));
    Some(per_cpu.saturating_mul(mib).saturating_mul(cpus.unwrap_or(1)))
}

/// The entry for a node of a list in Slurm's shorthand: `2(x2),1` is 2, 2, 1.
fn list(env: Env<'_>, name: &str, node: u64) -> Option<u64> {
    let mut passed = 0u64;
    for part in env(name)?.trim().split(',') {
        let (count, times) = match part.split_once("(x") {
            Some((count, times)) => (count, times.strip_suffix(')')?.parse::<u64>().ok()?),
            None => (part, 1),
        };
        passed = passed.saturating_add(times);
        if node < passed {
            return count.parse().ok();
        }
    }
    None
}

/// A line of /proc/meminfo, in bytes.
fn meminfo(root: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of that name in /proc/self/limits, in bytes.
fn rlimit(root: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/self/limits")).ok()?;
    text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Processors in the affinity mask, from /proc/self/status; what the system says where there is none.
fn affinity(root: &Path) -> Option<u64> {
    let count = |text: String| {
        let list = text.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:"))?.trim().to_string();
        list.split(',').try_fold(0u64, |sum, range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
            sum.checked_add(to.checked_sub(from)?.checked_add(1)?)
        })
    };
    let listed = std::fs::read_to_string(root.join("proc/self/status")).ok().and_then(count);
    listed.or_else(|| std::thread::available_parallelism().ok().map(|n| n.get() as u64))
}

/// The directories of the control groups that hold this process, each from its own up to the mount.
struct Groups {
    memory: Vec<PathBuf>,
    cpu: Vec<PathBuf>,
}

impl Groups {
    /// From /proc/self/cgroup (`ID:CONTROLLERS:PATH`) and /proc/self/mountinfo (where each hierarchy is mounted).
    fn of_process(root: &Path) -> Groups {
        let read =
            |name: &str| std::fs::read_to_string(root.join("proc/self").join(name)).unwrap_or_default();
        let (cgroup, mounts) = (read("cgroup"), read("mountinfo"));
        let mut groups = Groups { memory: Vec::new(), cpu: Vec::new() };
        for line in cgroup.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let unified = controllers.is_empty();
            let has = |name: &str| unified || controllers.split(',').any(|c| c == name);
            for (name, list) in [("memory", &mut groups.memory), ("cpu", &mut groups.cpu)] {
                if has(name) {
                    list.extend(upwards(root, &mounts, (!unified).then_some(name), path));
                }
            }
        }
        groups
    }

    /// The least memory limit on the way up, in bytes, and which group sets it.
    fn memory(&self) -> Option<(u64, String)> {
        let mut least = Least(None);
        for group in &self.memory {
            for file in ["memory.max", "memory.high", "memory.limit_in_bytes"] {
                let limit =
                    std::fs::read_to_string(group.join(file)).ok().and_then(|t| t.trim().parse().ok());
                // Version 1 says "unlimited" as the largest multiple of a page.
                least.offer(limit.filter(|&b: &u64| b < 1 << 60), format!("the cgroup's {file}"));
            }
        }
        least.0
    }

    /// The least quota of processors on the way up, rounded up, and which group sets it.
    fn cpus(&self) -> Option<(u64, String)> {
        let mut least = Least(None);
        for group in &self.cpu {
            let read = |file: &str| std::fs::read_to_string(group.join(file)).ok();
            let quota = |quota: &str, period: &str| {
                let (quota, period) = (quota.trim().parse::<u64>().ok()?, period.trim().parse::<u64>().ok()?);
                (period > 0).then(|| quota.div_ceil(period).max(1))
            };
            let v2 = read("cpu.max").and_then(|t| t.trim().split_once(' ').and_then(|(q, p)| quota(q, p)));
            let v1 = read("cpu.cfs_quota_us").zip(read("cpu.cfs_period_us")).and_then(|(q, p)| quota(&q, &p));
            least.offer(v2, "the cgroup's cpu.max");
            least.offer(v1, "the cgroup's cpu.cfs_quota_us");
        }
        least.0
    }
}

/// The directories of group `path` of a hierarchy, itself first, up to where it is mounted. `controller` names one
/// of version 1; `None` is version 2.
fn upwards(root: &Path, mounts: &str, controller: Option<&str>, path: &str) -> Vec<PathBuf> {
    let found = mounts.lines().find_map(|line| {
        // ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS [TAGS] - TYPE SOURCE SUPER
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (within, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1).unwrap_or(""));
        let wanted = match controller {
            None => kind == "cgroup2",
            Some(name) => kind == "cgroup" && options.split(',').any(|o| o == name),
        };
        wanted.then(|| (within.to_string(), point.to_string()))
    });
    let Some((within, point)) = found else { return Vec::new() };
    let mount = root.join(point.trim_start_matches('/'));
    // In a container the path may lie outside what is mounted; the mount itself still tells.
    let below = Path::new(path).strip_prefix(&within).unwrap_or(Path::new(""));
    let plain = below.components().all(|c| matches!(c, std::path::Component::Normal(_)));
    let mut groups = Vec::new();
    let mut at = Some(if plain { below } else { Path::new("") });
    while let Some(below) = at {
        groups.push(mount.join(below));
        at = below.parent();
    }
    groups
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
