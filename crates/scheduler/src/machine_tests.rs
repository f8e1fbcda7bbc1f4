//! Limits resolved in made-up machines.

use super::*;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A tree with `proc` and `sys`.
struct Machine(tempfile::TempDir);

impl Machine {
    /// 64 GiB, of which 48 are available, and 16 processors.
    fn new() -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        machine
            .file("proc/meminfo", "MemTotal:  67108864 kB\nMemAvailable: 50331648 kB\n")
            .file("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-7,16-23\n")
    }

    fn file(self, path: &str, text: &str) -> Machine {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn resolve(&self, env: &[(&str, &str)]) -> Limits {
        self.ordered(None, None, env).unwrap()
    }

    fn ordered(&self, threads: Option<usize>, memory: Option<&str>, env: &[(&str, &str)]) -> Result<Limits> {
        let env = |name: &str| env.iter().find(|e| e.0 == name).map(|e| e.1.to_string());
        Limits::resolve(threads, memory, &env, self.0.path())
    }
}

/// As seen under Slurm 22.05 with `--mem=300M`: the process's own group is unlimited, its grandparent is not.
fn slurm_v1(m: Machine) -> Machine {
    m.file("proc/self/cgroup", "4:memory:/slurm/uid_0/job_7/step_batch/task_0\n1:cpu,cpuacct:/\n0::/\n")
        .file(
            "proc/self/mountinfo",
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
        )
        .file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
        .file("sys/fs/cgroup/memory/slurm/uid_0/job_7/memory.limit_in_bytes", "314572800\n")
        .file(
            "sys/fs/cgroup/memory/slurm/uid_0/job_7/step_batch/memory.limit_in_bytes",
            "9223372036854771712\n",
        )
        .file(
            "sys/fs/cgroup/memory/slurm/uid_0/job_7/step_batch/task_0/memory.limit_in_bytes",
            "9223372036854771712\n",
        )
        .file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n")
        .file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
}

#[test]
fn a_plain_workstation_uses_its_processors_and_one_gibibyte() {
    let limits = Machine::new().resolve(&[]);
    assert_eq!((limits.threads, limits.threads_from.as_str()), (16, "affinity"));
    assert_eq!((limits.memory, limits.memory_from.as_str()), (GIB, "the default"));
    assert!(limits.warnings.is_empty());
}

#[test]
fn little_free_memory_is_shared_with_the_system() {
    let limits = Machine::new().file("proc/meminfo", "MemAvailable: 1000 kB\n").resolve(&[]);
    assert_eq!((limits.memory, limits.memory_from.as_str()), (819_200, "80 % of the available memory"));
}

#[test]
fn a_limit_on_a_parent_group_of_version_1_is_found() {
    let limits = slurm_v1(Machine::new()).resolve(&[]);
    assert_eq!(limits.memory, 300 * MIB / 5 * 4);
    assert_eq!(limits.memory_from, "80 % of the cgroup's memory.limit_in_bytes");
    assert_eq!((limits.threads, limits.threads_from.as_str()), (3, "the cgroup's cpu.cfs_quota_us"));
}

#[test]
fn a_limit_on_a_parent_group_of_version_2_is_found() {
    let machine = Machine::new()
        .file("proc/self/cgroup", "0::/user.slice/job.scope/inner\n")
        .file(
            "proc/self/mountinfo",
            "31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        )
        .file("sys/fs/cgroup/user.slice/memory.max", "536870912\n")
        .file("sys/fs/cgroup/user.slice/job.scope/cpu.max", "150000 100000\n")
        .file("sys/fs/cgroup/user.slice/job.scope/inner/memory.max", "max\n")
        .file("sys/fs/cgroup/user.slice/job.scope/inner/cpu.max", "max 100000\n");
    let limits = machine.resolve(&[]);
    assert_eq!((limits.memory, limits.threads), (512 * MIB / 5 * 4, 2));
}

#[test]
fn a_container_that_sees_only_its_own_group_still_hears_it() {
    let machine = Machine::new()
        .file("proc/self/cgroup", "0::/../../other\n")
        .file("proc/self/mountinfo", "31 23 0:28 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n")
        .file("sys/fs/cgroup/memory.max", "104857600\n");
    assert_eq!(machine.resolve(&[]).memory, 100 * MIB / 5 * 4);
}

#[test]
fn slurm_memory_is_divided_by_the_tasks_of_the_node() {
    let node = [("SLURM_MEM_PER_NODE", "1024"), ("SLURM_TASKS_PER_NODE", "1,4(x2)")];
    let memory = |more: &[(&str, &str)]| Machine::new().resolve(&[&node[..], more].concat()).memory;
    assert_eq!(memory(&[]), 1024 * MIB / 5 * 4);
    assert_eq!(memory(&[("SLURM_NODEID", "2")]), 256 * MIB / 5 * 4);
    assert_eq!(memory(&[("SLURM_STEP_TASKS_PER_NODE", "2")]), 512 * MIB / 5 * 4);
    let cpus = [("SLURM_MEM_PER_CPU", "100"), ("SLURM_JOB_CPUS_PER_NODE", "2(x2)")];
    assert_eq!(Machine::new().resolve(&cpus).memory, 200 * MIB / 5 * 4);
}

#[test]
fn the_least_count_of_threads_wins() {
    let limits = Machine::new().resolve(&[("SLURM_CPUS_PER_TASK", "4"), ("RAYON_NUM_THREADS", "8")]);
    assert_eq!((limits.threads, limits.threads_from.as_str()), (4, "SLURM_CPUS_PER_TASK"));
    assert_eq!(Machine::new().resolve(&[("RAYON_NUM_THREADS", "2")]).threads, 2);
    assert_eq!(Machine::new().resolve(&[("RAYON_NUM_THREADS", "0")]).threads, 16);
}

#[test]
fn half_of_what_ulimit_allows_is_used() {
    let limits = |space: &str, data: &str| {
        let text = format!(
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max data size             {data:<20} unlimited            bytes     \n\
             Max address space         {space:<20} unlimited            bytes     \n"
        );
        Machine::new().file("proc/self/limits", &text)
    };
    let found = limits("1073741824", "unlimited").resolve(&[]);
    assert_eq!(
        (found.memory, found.memory_from.as_str()),
        (512 * MIB, "half of the address space (ulimit -v)")
    );
    let found = limits("1073741824", "104857600").resolve(&[]);
    assert_eq!(
        (found.memory, found.memory_from.as_str()),
        (50 * MIB, "half of the data segment (ulimit -d)")
    );
    assert_eq!(limits("unlimited", "unlimited").resolve(&[]).memory, GIB);
    let found = limits("1073741824", "unlimited").ordered(None, Some("2GiB"), &[]).unwrap();
    assert!(found.memory == 2 * GIB && found.warnings[0].contains("ulimit -v"), "{:?}", found.warnings);
    assert_eq!(limits("1073741824", "unlimited").ordered(None, Some("50%"), &[]).unwrap().memory, 512 * MIB);
}

#[test]
fn an_order_is_obeyed_and_warned_about_above_the_group() {
    let machine = slurm_v1(Machine::new());
    let env = [("OUTCROP_THREADS", "5"), ("OUTCROP_MEMORY", "2GiB")];
    let limits = machine.ordered(None, None, &env).unwrap();
    assert_eq!((limits.threads, limits.memory), (5, 2 * GIB));
    assert_eq!(
        (limits.threads_from.as_str(), limits.memory_from.as_str()),
        ("OUTCROP_THREADS", "OUTCROP_MEMORY")
    );
    assert_eq!(limits.warnings.len(), 2, "{:?}", limits.warnings);
    let limits = machine.ordered(Some(2), Some("50%"), &env).unwrap();
    assert_eq!((limits.threads, limits.memory), (2, 150 * MIB));
    assert!(limits.warnings.is_empty());
}

#[test]
fn orders_that_make_no_sense_are_refused_by_name() {
    let refused = |threads, memory: Option<&str>, env: &[(&str, &str)], word: &str| {
        let error = Machine::new().ordered(threads, memory, env).unwrap_err();
        assert!(matches!(error, Error::Usage(_)) && error.to_string().contains(word), "{error}");
    };
    refused(Some(0), None, &[], "-j");
    refused(None, Some("lots"), &[], "--memory");
    refused(None, None, &[("OUTCROP_THREADS", "two")], "OUTCROP_THREADS");
    for threads in ["0", "4097", "65535", "18446744073709551616"] {
        refused(None, None, &[("OUTCROP_THREADS", threads)], "OUTCROP_THREADS");
    }
    refused(None, None, &[("OUTCROP_MEMORY", "0")], "OUTCROP_MEMORY");
}

#[test]
fn sizes_are_read_as_people_write_them() {
    let whole = Some(8 * GIB);
    for (text, bytes) in [
        ("2GiB", 2 * GIB),
        ("64MiB", 64 * MIB),
        ("512M", 512 * MIB),
        ("1.5g", 3 * GIB / 2),
        ("500MB", 500_000_000),
        (" 4 KiB ", 4096),
        ("1e9", 1_000_000_000),
        ("4096", 4096),
        ("50%", 4 * GIB),
        ("12.5 %", GIB),
    ] {
        assert_eq!(parse_memory(text, whole), Ok(bytes), "{text}");
    }
    for text in
        ["", "GiB", "-1", "0", "0.0001", "1XB", "101%", "0%", "nan", "inf", "1e30", "99999999999T", "1 2"]
    {
        assert!(parse_memory(text, whole).is_err(), "{text}");
    }
    assert!(parse_memory("50%", None).is_err());
}

#[test]
fn an_empty_machine_gives_defaults() {
    let empty = tempfile::tempdir().unwrap();
    let limits = Limits::resolve(None, None, &|_| None, empty.path()).unwrap();
    assert!(limits.threads >= 1);
    assert_eq!(limits.memory, GIB);
}
