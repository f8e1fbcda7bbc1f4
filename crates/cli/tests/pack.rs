//! `outcrop pack`: arrays of pictures. `check_pack.py` compares them with Pillow and NumPy.

use std::process::Command;

use crate::util::{Folder, finish, npy};

/// Pictures of 4 x 6 pixels, as arrays; the first sample of each is its number.
fn pictures(folder: &Folder, count: u8) {
    for n in 0..count {
        let samples: Vec<u8> = (0..72).map(|i| n.wrapping_add(i)).collect();
        let class = ["cat", "dog"][usize::from(n % 2)];
        std::fs::create_dir_all(folder.path(&format!("in/{class}"))).unwrap();
        folder.write(&format!("in/{class}/{n:03}.npy"), &npy("|u1", &[4, 6, 3], &samples));
    }
}

/// Runs where `OUTCROP_PYTHON` names a Python that has NumPy and Pillow.
#[test]
fn packed_pictures_are_those_of_pillow_and_numpy() {
    let Ok(python) = std::env::var("OUTCROP_PYTHON") else {
        println!("skipped: OUTCROP_PYTHON names no Python with NumPy and Pillow");
        return;
    };
    let found = Command::new(&python).args(["-c", "import numpy, PIL"]).output().unwrap();
    if !found.status.success() {
        println!("skipped: {python} has no NumPy or no Pillow");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check_pack.py");
    let done = Command::new(python).args([script, env!("CARGO_BIN_EXE_outcrop")]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    print!("{said}");
}

#[test]
fn rows_are_the_same_for_every_number_of_threads_and_budget() {
    let folder = Folder::new();
    pictures(&folder, 60);
    let steps = ["--resize", "5", "--crop", "3", "--crop-at", "random", "--normalize", "dataset"];
    for output in ["a.npy", "a.npz", "b.npz"] {
        let mut first: Option<Vec<Vec<u8>>> = None;
        for (threads, memory) in [("1", "1MiB"), ("2", "700KiB"), ("5", "1GiB")] {
            let mut args = vec!["pack", "in", output, "--labels", "folders", "--overwrite"];
            args.extend(["-j", threads, "--memory", memory, "--split", "train=0.7,val=0.3"]);
            args.extend(steps);
            if output == "b.npz" {
                args.push("--compress");
            }
            let made = folder.json(&[&args[..], &["--json"]].concat());
            let files = made["files"].as_array().unwrap();
            let bytes: Vec<_> = files.iter().map(|name| folder.read(name.as_str().unwrap())).collect();
            assert!(first.get_or_insert_with(|| bytes.clone()) == &bytes, "{output} {threads} {memory}");
        }
    }
}

#[test]
fn a_plan_holds_and_makes_nothing() {
    let folder = Folder::new();
    pictures(&folder, 20);
    let before = folder.names();
    let args = ["pack", "in", "out.npz", "--normalize", "dataset", "--split", "a=0.5,b=0.5", "-j", "2"];
    let plan = &folder.json(&[&args[..], &["--plan=json"]].concat())["plan"];
    assert_eq!(folder.names(), before);
    assert_eq!((&plan["pictures"], &plan["passes_at_most"]), (&20.into(), &2.into()));
    let text = String::from_utf8(folder.ok(&[&args[..], &["--plan"]].concat())).unwrap();
    assert!(text.contains("20 to 4 x 6 x 3 of float32"), "{text}");

    let least = plan["least_bytes"].as_u64().unwrap();
    let below = (least - 1).to_string();
    let refused = folder.run(&[&args[..], &["--plan", "--memory", &below]].concat());
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    let packed = folder.json(&[&args[..], &["--json", "--memory", &least.to_string()]].concat());
    for (planned, made) in plan["splits"].as_array().unwrap().iter().zip(packed["splits"].as_array().unwrap())
    {
        assert_eq!(planned, made);
    }
    assert_eq!(plan["files"], packed["files"]);
    assert!(folder.read("out.npz").len() as u64 <= plan["bytes_to_write"].as_u64().unwrap() + 4096);
}

#[test]
fn what_does_not_go_together_is_refused_and_leaves_nothing() {
    let folder = Folder::new();
    pictures(&folder, 3);
    folder.write("other.npy", &npy("|u1", &[4, 7, 3], &[0; 84]));
    let refused = |code, args: &[&str]| folder.refused(code, &[&["pack", "-q"], args].concat());
    assert!(refused(2, &["in", "out.tif"]).contains(".npz"));
    assert!(refused(2, &["out.npy"]).contains("inputs"));
    assert!(refused(2, &["nowhere", "out.npy"]).contains("nowhere"));
    assert!(refused(2, &["*.png", "out.npy"]).contains("*.png"));
    assert!(refused(2, &["in", "out.npy", "--crop", "9"]).contains("--pad"));
    assert!(refused(2, &["in", "out.npy", "--normalize", "0..1", "--dtype", "u8"]).contains("--dtype"));
    assert!(refused(2, &["in", "out.npy", "--normalize", "1:0"]).contains("--normalize"));
    assert!(refused(2, &["in", "out.npy", "--compress"]).contains("--compress"));
    assert!(refused(2, &["in", "out.npy", "--one-hot"]).contains("--labels"));
    assert!(refused(2, &["in", "out.npz", "--labels", "folders", "--one-hot=1"]).contains("--one-hot"));
    assert!(refused(2, &["in", "out.npy", "--split", "a=0.5,b=0.4"]).contains("--split"));
    assert!(refused(2, &["in", "out.npy", "--chunk", "2,2"]).contains("--chunk"));
    let line = refused(2, &["in", "other.npy", "out.npy"]);
    assert!(line.contains("other.npy: it gives 7 x 4") && line.contains("--resize"), "{line}");
    assert!(refused(5, &["in", "out.npy", "--memory", "60KiB"]).contains("--memory"));
    folder.ok(&["pack", "in", "out.npy", "-q"]);
    assert!(refused(2, &["in", "out.npy"]).contains("--overwrite"));
    assert!(refused(2, &["out.npy", "out.npy", "--overwrite"]).contains("the output is an input"));
}

#[test]
fn a_header_that_claims_too_much_is_refused_by_the_budget() {
    let folder = Folder::new();
    pictures(&folder, 3);
    // A bitmap of 40,000 x 30,000 pixels in a file of some hundred bytes.
    let mut bomb = b"BM".to_vec();
    bomb.extend([54, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]);
    bomb.extend(40_000u32.to_le_bytes());
    bomb.extend(30_000u32.to_le_bytes());
    bomb.extend([1, 0, 24, 0]);
    bomb.extend([0; 224]);
    folder.write("in/cat/999.bmp", &bomb);
    let args = ["pack", "in", "out.npy", "--resize", "4x4", "--memory", "64MiB"];
    let line = folder.refused(5, &args);
    assert!(line.contains("999.bmp: the job needs at least") && line.contains("--memory"), "{line}");
    let outcome = folder.run(&[&args[..], &["--on-bad-image", "skip"]].concat());
    assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
    assert!(String::from_utf8(outcome.stdout).unwrap().contains("(3, 4, 4, 3) uint8"));
    assert!(String::from_utf8(folder.read("out.manifest.jsonl")).unwrap().contains("--memory"));
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bytes() {
    let folder = Folder::new();
    pictures(&folder, 200);
    let steps = ["--resize", "160x120", "--normalize", "dataset", "--labels", "folders"];
    for (output, more) in [("a.npy", &[][..]), ("a.npz", &[]), ("b.npz", &["--compress"])] {
        let whole = [&["pack", "in", output, "-q"], &steps[..], more].concat();
        folder.ok(&whole);
        let wanted = folder.read(output);
        std::fs::remove_file(folder.path(output)).unwrap();
        let manifest = format!("{}.manifest.jsonl", output.split('.').next().unwrap());
        std::fs::remove_file(folder.path(&manifest)).unwrap();
        let _ = std::fs::remove_file(folder.path("a-labels.npy"));
        let resumable = [&whole[..], &["--checkpoint", "run.ckpt", "--checkpoint-every", "0ms"]].concat();
        let mut stops = 0;
        // Stopped ever later: at the first save, the second, the fourth ...
        loop {
            let mode = format!("save:{}:{}", 1 << stops, libc::SIGTERM);
            let Some(command) = folder.shimmed(&mode, &resumable) else { return };
            let outcome = finish(command);
            if outcome.code == Some(0) {
                break;
            }
            assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
            assert!(!folder.path(output).exists());
            stops += 1;
        }
        assert!(stops >= 2, "{output}: {stops} stops");
        assert!(folder.read(output) == wanted, "{output} after {stops} stops");
        assert!(!folder.path("run.ckpt").exists());
        let _ = std::fs::remove_file(folder.path("a-labels.npy"));
        std::fs::remove_file(folder.path(output)).unwrap();
        std::fs::remove_file(folder.path(&manifest)).unwrap();
    }
}
