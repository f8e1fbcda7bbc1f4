//! Runs that are killed and begun again, planned, reported, and that meet bad blocks.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde_json::Value as Json;

use crate::util::{Folder, Outcome, finish, npy};

const SIZE: [&str; 4] = ["--width", "1400", "--height", "1200"];
const TILED: [&str; 8] =
    ["--co", "TILED=YES", "--co", "BLOCKXSIZE=64", "--co", "BLOCKYSIZE=64", "--co", "COMPRESS=DEFLATE"];
/// Small chunks and a save after each: a run long enough to be killed anywhere.
pub(crate) const SAVED: [&str; 7] =
    ["-q", "--checkpoint", "run.ckpt", "--checkpoint-every", "0ms", "--chunk", "64,64"];

/// A folder with noise in compressed tiles.
pub(crate) fn noise() -> Folder {
    let folder = Folder::new();
    folder.ok(&[&["generate", "noise", "in.npy", "-q"], &SIZE[..]].concat());
    folder.ok(&[&["convert", "in.npy", "in.tif", "-q"], &TILED[..]].concat());
    folder
}

/// A number below `most`, another one each time.
fn random(most: u64) -> u64 {
    RandomState::new().hash_one(0) % most
}

/// Kills a run that many times, first at one of its saves, then at any moment, and lets it end. What it prints; `None`
/// where nothing can be preloaded. `output` is what it makes, if it makes a file.
pub(crate) fn killed(folder: &Folder, args: &[&str], output: Option<&str>, kills: usize) -> Option<Vec<u8>> {
    killed_to((0, ""), folder, args, output, kills)
}

/// The same of a run that ends with that code and those words.
fn killed_to(
    end: (i32, &str),
    folder: &Folder,
    args: &[&str],
    output: Option<&str>,
    kills: usize,
) -> Option<Vec<u8>> {
    let is_made = || output.is_some_and(|output| folder.path(output).exists());
    // A run of fewer saves has one at least, when it begins.
    if !folder.killed_at_save(1 + random(12) as usize, args, &[end.0])? {
        output.inspect(|output| remove(folder, output));
        assert!(folder.killed_at_save(1, args, &[])?);
    }
    let mut left = kills - 1;
    let ended = loop {
        if left == 0 {
            break finish(folder.command(args));
        }
        let mut child = folder.command(args).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random(60)));
        child.kill().unwrap();
        let gone = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(gone.stderr).unwrap();
        if let Some(code) = gone.status.code() {
            // A quick machine: it ended by itself.
            break Outcome { code: Some(code), stdout: gone.stdout, stderr };
        }
        if is_made() && !folder.path("run.ckpt").exists() {
            // Killed when all was done: begun again, it would find its own output in its way.
            break Outcome { code: Some(end.0), stdout: gone.stdout, stderr: end.1.into() };
        }
        left -= 1;
    };
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(end.0), end.1), "{args:?}");
    assert!(!folder.names().iter().any(|name| name.contains("ckpt") || name.contains("part")));
    Some(ended.stdout)
}

/// Removes an output, with its tiles where it has some.
pub(crate) fn remove(folder: &Folder, output: &str) {
    let _ = std::fs::remove_file(folder.path(output));
    let _ = std::fs::remove_dir_all(folder.path(&output.replace(".dzi", "_files")));
}

fn survives(kills: usize) {
    let folder = noise();
    let stats = ["stats", "in.tif", "--json"];
    let wanted = folder.ok(&stats);
    let found = killed(&folder, &[&stats[..], &SAVED].concat(), None, kills);
    assert!(found.is_none_or(|found| found == wanted));

    folder.ok(&["mean", "in.tif", "wanted.npy"]);
    folder.ok(&[&["convert", "in.tif", "wanted.tif"], &TILED[..], &["--chunk", "64,64"]].concat());
    for args in
        [&["mean", "in.tif", "found.npy"][..], &[&["convert", "in.tif", "found.tif"], &TILED[..]].concat()]
    {
        if killed(&folder, &[args, &SAVED[..]].concat(), Some(args[2]), kills).is_some() {
            assert!(folder.read(args[2]) == folder.read(&args[2].replace("found", "wanted")), "{args:?}");
        }
    }
}

fn pyramids_survive(kills: usize) {
    let folder = noise();
    for (number, more) in [&[][..], &["--cog"]].into_iter().enumerate() {
        let (wanted, found) = (format!("wanted{number}.tif"), format!("found{number}.tif"));
        folder.ok(&[&["pyramid", "in.tif", &wanted], &TILED[..], &["--chunk", "64,64", "-q"], more].concat());
        let pyramid = [&["pyramid", "in.tif", &found], &TILED[..], &SAVED[..], more].concat();
        if killed(&folder, &pyramid, Some(&found), kills).is_some() {
            assert!(folder.read(&found) == folder.read(&wanted), "{more:?}");
        }
    }
}

fn answers_survive(kills: usize) {
    let folder = noise();
    folder.ok(&[
        "generate",
        "noise",
        "other.npy",
        "-q",
        "--seed",
        "1",
        "--width",
        "1400",
        "--height",
        "1200",
    ]);
    let mut bad = folder.read("in.tif");
    for tile in tiles(&bad).into_iter().step_by(29) {
        bad[tile.0..][..tile.1].fill(0xff);
    }
    folder.write("bad.tif", &bad);
    for (code, answer) in [
        (0, &["checksum", "in.tif", "in.npy"][..]),
        (1, &["compare", "in.tif", "other.npy", "--json"]),
        (0, &["verify", "in.tif", "in.npy"]),
        (1, &["verify", "in.tif", "bad.tif", "--json"]),
        (4, &["stats", "bad.tif", "--on-bad-block", "nodata", "--json"]),
        (0, &["stats", "in.tif", "--percentiles", "1,99", "--unique", "--json"]),
        (0, &["reduce", "median", "in.tif", "--over", "yx"]),
        (0, &["histogram", "in.tif", "--json"]),
    ] {
        let wanted = folder.run(answer);
        assert_eq!(wanted.code, Some(code), "{answer:?}: {}", wanted.stderr);
        let end = (code, wanted.stderr.as_str());
        let found = killed_to(end, &folder, &[answer, &SAVED].concat(), None, kills);
        // What was printed before a kill is printed again: answers are lines, each whole.
        assert!(found.is_none_or(|found| found == wanted.stdout), "{answer:?}");
    }
}

#[test]
fn a_pyramid_that_is_killed_at_any_moment_goes_on_to_the_same_bytes() {
    pyramids_survive(5);
}

#[test]
fn an_answer_that_is_killed_at_any_moment_goes_on_to_the_same_lines() {
    answers_survive(3);
}

#[test]
#[ignore = "long tier"]
fn pyramids_and_answers_that_are_killed_fifty_times_stay_the_same() {
    for _ in 0..10 {
        pyramids_survive(5);
        answers_survive(5);
    }
}

#[test]
fn an_unfinished_pyramid_that_was_changed_is_not_gone_on_with() {
    let folder = noise();
    for cog in [&[][..], &["--cog"]] {
        let args = [&["pyramid", "in.tif", "out.tif"], &TILED[..], &SAVED[..], cog].concat();
        let part = if cog.is_empty() { ".out.tif.outcrop-part" } else { ".out.tif.spill.outcrop-part" };
        let Some(killed) = folder.killed_at_save(10, &args, &[]) else { return };
        assert!(killed);
        let whole = folder.read(part);
        let spoilt = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            folder.write(part, &bytes);
            folder.refused(2, &args)
        };
        assert!(spoilt(5).contains("the directory of the unfinished output"));
        folder.write(part, &whole[..whole.len() / 2]);
        let short = folder.refused(2, &args);
        assert!(short.contains("of the unfinished output"), "{short}");
        std::fs::remove_file(folder.path(part)).unwrap();
        assert!(folder.refused(2, &args).contains("is gone"));
        for left in folder.names().iter().filter(|name| name.contains("out.tif") || name.contains("ckpt")) {
            std::fs::remove_file(folder.path(left)).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_gone_on_with_is_refused_by_name() {
    let folder = noise();
    folder.ok(&["convert", "in.npy", "strips.tif", "-q", "--co", "TILED=NO", "--co", "COMPRESS=ZSTD"]);
    let refused = |args: &[&str], word: &str| {
        let line = folder.refused(2, &[args, &["--checkpoint", "run.ckpt"]].concat());
        assert!(line.contains(word) && line.contains("--checkpoint"), "{args:?}: {line}");
    };
    refused(&["convert", "in.npy", "-", "--to", "raw"], "a pipe");
    refused(&["convert", "strips.tif", "out.tif", "--rotate", "90"], "a spill file");
}

#[test]
fn a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bytes() {
    survives(5);
}

#[test]
#[ignore = "long tier"]
fn a_run_that_is_killed_fifty_times_goes_on_to_the_same_bytes() {
    for _ in 0..10 {
        survives(5);
    }
}

#[test]
fn a_signal_with_a_checkpoint_exits_with_75_and_the_rest_is_done_later() {
    let folder = noise();
    folder.ok(&["mean", "in.tif", "wanted.npy"]);
    let args = [&["mean", "in.tif", "found.npy"], &SAVED[..]].concat();
    let Some(signalled) = folder.shimmed(&format!("save:3:{}", libc::SIGTERM), &args) else { return };
    assert_eq!(finish(signalled).code, Some(75));
    // Another file than the one that the checkpoint is of.
    let refused = folder.refused(2, &[&args[..], &["--out-dtype", "f64"]].concat());
    let differs = "the checkpoint is of another run: --out-dtype was not given and is f64 (";
    assert!(refused.contains(differs), "{refused}");
    folder.ok(&args);
    assert!(folder.read("found.npy") == folder.read("wanted.npy"));
}

#[test]
fn an_unfinished_output_that_was_changed_is_not_gone_on_with() {
    let folder = noise();
    let args = [&["convert", "in.tif", "out.tif"], &TILED[..], &SAVED[..]].concat();
    let Some(_) = folder.killed_at_save(2, &args, &[]) else { return };
    let mut bytes = folder.read(".out.tif.outcrop-part");
    bytes[5] ^= 1;
    folder.write(".out.tif.outcrop-part", &bytes);
    let refused = folder.refused(2, &args);
    assert!(refused.contains("the directory of the unfinished output"), "{refused}");
    std::fs::remove_file(folder.path(".out.tif.outcrop-part")).unwrap();
    assert!(folder.refused(2, &args).contains("is gone"));
}

#[test]
fn a_run_that_was_killed_after_its_output_was_published_ends_well_when_begun_again() {
    use outcrop::{Checkpoint, CheckpointOptions, Output, Overwrite, Region, Runtime};
    let folder = noise();
    let (input, checkpoint) = (folder.path("in.tif"), folder.path("run.ckpt"));
    // All that the command does but for its last step: the checkpoint stays.
    let run = |output: &str, overwrite| {
        let options = CheckpointOptions {
            path: checkpoint.clone(),
            every: Duration::from_secs(60),
            facts: vec![("the output".into(), output.into())],
        };
        let runtime = Runtime::new(Default::default())?.with_checkpoint(Checkpoint::open(options)?);
        let source = outcrop::open(&input, &Default::default())?;
        let mut output = Output::new(folder.path(output));
        output.options.overwrite = overwrite;
        outcrop::convert(&runtime, &*source, &Region::all(), &Default::default(), &output)?;
        Ok::<_, outcrop::Error>(runtime)
    };
    for (output, data) in [
        ("out.npy", "out.npy"),
        ("out.tif", "out.tif"),
        ("out.hdr", "out.raw"),
        ("out.png", "out.png"),
        ("out.jpg", "out.jpg"),
    ] {
        for overwrite in [Overwrite::Refuse, Overwrite::Replace] {
            run(output, overwrite).unwrap();
            let (wanted, header) = (folder.read(data), folder.read(output));
            assert!(checkpoint.exists());
            let again = run(output, overwrite).unwrap();
            assert_eq!(again.report().chunks, 0, "{output} was made again");
            // Published by a link, as on NFS, and killed before the other name was removed.
            let partial = folder.path(&format!(".{data}.outcrop-part"));
            std::fs::hard_link(folder.path(data), partial).unwrap();
            run(output, overwrite).unwrap();
            if data != output {
                // Killed between the two files.
                std::fs::remove_file(folder.path(output)).unwrap();
                run(output, overwrite).unwrap();
            }
            assert!(folder.read(data) == wanted && folder.read(output) == header);
            assert!(!folder.names().iter().any(|name| name.contains("part")));

            // A copy in its place is another file, whatever it holds.
            folder.write("copy", &wanted);
            std::fs::rename(folder.path("copy"), folder.path(data)).unwrap();
            let refused = run(output, overwrite).err().unwrap().to_string();
            assert!(refused.contains("exists") && refused.contains("checkpoint"), "{refused}");
            assert!(folder.read(data) == wanted);
            again.checkpoint().unwrap().complete().unwrap();
            std::fs::remove_file(folder.path(data)).unwrap();
            let _ = std::fs::remove_file(folder.path(output));
        }
    }
}

#[test]
fn a_checkpoint_knows_the_data_file_of_an_envi_input() {
    let folder = noise();
    folder.ok(&["convert", "in.npy", "cube.hdr"]);
    let args = [&["mean", "cube.hdr", "out.npy"], &SAVED[..]].concat();
    let Some(_) = folder.killed_at_save(2, &args, &[]) else { return };
    let mut samples = folder.read("cube.raw");
    samples[0] ^= 1;
    folder.write("cube.raw", &samples);
    let refused = folder.refused(2, &args);
    assert!(refused.contains("input 2") && refused.contains("cube.raw"), "{refused}");
}

#[test]
fn a_plan_reads_nothing_and_writes_nothing() {
    let folder = noise();
    let before = folder.names();
    let plan = folder.json(&["mean", "in.tif", "out.npy", "--plan=json", "-j", "2"]);
    assert_eq!(folder.names(), before);
    for (bigtiff, variant) in [("yes", "BigTIFF"), ("no", "TIFF"), ("auto", "TIFF")] {
        let args = ["convert", "in.tif", "out.tif", "--bigtiff", bigtiff];
        let planned = folder.json(&[&args[..], &["--plan=json"]].concat());
        assert_eq!(planned["plan"]["output_variant"], variant);
        let text = String::from_utf8(folder.ok(&[&args[..], &["--plan"]].concat())).unwrap();
        assert!(text.contains(&format!(", {variant}\n")), "{text}");
    }
    let plan = &plan["plan"];
    assert_eq!(plan["bytes_to_write"], 128 + 1400 * 1200 * 4);
    assert_eq!((&plan["decode_amplification"], &plan["limited_by"]), (&1.0.into(), &"chunks".into()));
    for command in ["stats", "checksum", "verify"] {
        let text = String::from_utf8(folder.ok(&[command, "in.tif", "in.tif", "--dry-run"])).unwrap();
        assert_eq!(text.matches("memory at most").count(), 2, "{text}");
    }
    for (args, written) in [
        (&["compare", "in.tif", "in.npy"][..], true),
        (&["checksum", "in.tif"], true),
        (&["verify", "in.tif"], true),
        (&["pyramid", "in.tif", "p.tif"], false),
        (&["pyramid", "in.tif", "p.tif", "--cog"], false),
        (&["convert", "in.tif", "c.tif"], false),
    ] {
        // A pyramid has a plan for each pair of levels; the first answers for the whole output.
        let plans = folder.ok(&[args, &["--plan=json"]].concat());
        let first = plans.split(|&b| b == b'\n').next().unwrap();
        let plan = serde_json::from_slice::<Json>(first).unwrap()["plan"].clone();
        assert_eq!(plan["passes_at_most"], 1, "{args:?}");
        assert_eq!(plan["bytes_to_write"] == 0, written, "{args:?}: {plan}");
        assert!(plan["bytes_to_write"].is_u64(), "{args:?}: {plan}");
        assert_eq!(plan["output_variant"] == "TIFF", !written, "{args:?}: {plan}");
    }
    assert_eq!(folder.names(), before);
    let outcome = folder.run(&["stats", "in.tif", "--plan", "--memory", "20KiB"]);
    assert_eq!(outcome.code, Some(5));
    assert!(String::from_utf8(outcome.stdout).unwrap().contains("does not fit"));
}

#[test]
fn a_plan_of_several_passes_says_how_many_there_are_at_most() {
    let folder = noise();
    folder.ok(&["convert", "in.npy", "wide.npy", "--dtype", "f64", "--window", "0,0,200,100"]);
    let most = |file: &str, args: &[&str]| {
        let args = [&["stats", file, "--json"], args].concat();
        let plan = folder.json(&[&args[..], &["--plan=json"]].concat());
        let most = plan["plan"]["passes_at_most"].as_u64().unwrap();
        let needed = folder.json(&args)["passes"].as_u64().unwrap();
        assert!(needed <= most, "{args:?}: {needed} passes, at most {most} were planned");
        most
    };
    assert_eq!(most("in.npy", &["--percentiles", "1,50", "--moments", "--histogram", "9"]), 1);
    assert_eq!(most("wide.npy", &["--histogram", "9:0:1"]), 1);
    assert_eq!(most("wide.npy", &["--histogram", "9"]), 2);
    assert_eq!(most("wide.npy", &["--moments"]), 2);
    assert!(most("wide.npy", &["--percentiles", "1,50,99"]) > 2);
    let text = String::from_utf8(folder.ok(&["stats", "wide.npy", "--moments", "--plan"])).unwrap();
    assert!(text.contains("passes            at most 2"), "{text}");
}

#[test]
fn a_report_keeps_within_its_plan_and_its_times_add_up() {
    let folder = noise();
    folder.ok(&["mean", "in.tif", "out.npy", "--report", "r.json", "--memory", "64MiB", "-j", "2"]);
    let report: Json = serde_json::from_slice(&folder.read("r.json")).unwrap();
    let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name}: {report}"));
    assert!(number("most_budget_bytes") <= number("planned_peak_bytes"));
    assert!(number("planned_peak_bytes") <= number("budget_bytes"));
    assert!(number("peak_resident_bytes") <= number("budget_bytes") + f64::from(64 << 20));
    assert_eq!((number("blocks"), number("blocks_decoded")), (418.0, 418.0));
    assert_eq!(number("decode_amplification"), 1.0);
    for lane in report["lanes"].as_array().unwrap() {
        let parts: f64 = lane["seconds"].as_object().unwrap().values().map(|s| s.as_f64().unwrap()).sum();
        let whole = number("wall_seconds") * lane["threads"].as_f64().unwrap();
        assert!((parts - whole).abs() < 1e-6, "{lane} of {whole}");
    }
    assert!(report["sentence"].as_str().unwrap().contains("most of the time"), "{report}");
}

#[test]
fn blocks_are_counted_where_they_are_decoded() {
    let folder = noise();
    // Chunks of tiles of 48 pixels cut tiles of 64.
    let tiles = ["--co", "TILED=YES", "--co", "BLOCKXSIZE=48", "--co", "BLOCKYSIZE=48"];
    let args = [&["convert", "in.tif", "out.tif"], &tiles[..]].concat();
    for args in [&args[..], &[&args[..], &["--chunk", "48,48", "--overwrite"]].concat()] {
        let plan = folder.json(&[args, &["--plan=json"]].concat())["plan"].clone();
        folder.ok(&[args, &["--report", "r.json", "-q"]].concat());
        let report: Json = serde_json::from_slice(&folder.read("r.json")).unwrap();
        let (planned, found) = (&plan["decode_amplification"], &report["decode_amplification"]);
        assert!((planned.as_f64().unwrap() - found.as_f64().unwrap()).abs() < 1e-9, "{planned} {found}");
    }
    // Absent blocks are not decoded, nor those that are lent from the file as they lie.
    folder.write("zeros.npy", &npy("|u1", &[128, 128], &[0; 128 * 128]));
    folder.ok(&[
        "convert",
        "zeros.npy",
        "absent.tif",
        "--sparse",
        "--co",
        "TILED=YES",
        "--co",
        "COMPRESS=ZSTD",
    ]);
    folder.ok(&["convert", "zeros.npy", "plain.tif"]);
    for file in ["absent.tif", "plain.tif"] {
        folder.ok(&["stats", file, "--report", "r.json"]);
        let report: Json = serde_json::from_slice(&folder.read("r.json")).unwrap();
        assert_eq!(report["blocks_decoded"], 0, "{file}: {report}");
    }
}

/// Offset and length of every tile of a classic little-endian TIFF.
fn tiles(file: &[u8]) -> Vec<(usize, usize)> {
    let long = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let short = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap()) as usize;
    let directory = long(4);
    let array = |tag: usize| {
        let entries = (0..short(directory)).map(|i| directory + 2 + 12 * i);
        let entry = entries.into_iter().find(|&at| short(at) == tag).unwrap();
        let start = long(entry + 8);
        (0..long(entry + 4)).map(move |i| long(start + 4 * i))
    };
    array(324).zip(array(325)).collect()
}

#[test]
fn filled_blocks_are_counted_and_the_others_are_right() {
    // All that have a structure in which damage shows.
    let codecs = ["DEFLATE", "LZW", "ZSTD", "LZMA", "PACKBITS", "JPEG", "WEBP", "LERC"];
    for codec in codecs.map(|name| format!("COMPRESS={name}")) {
        let codec = codec.as_str();
        let folder = Folder::new();
        folder.ok(&["generate", "squares", "good.npy", "-q", "--width", "320", "--height", "192"]);
        let tiled = ["--co", "TILED=YES", "--co", "BLOCKXSIZE=64", "--co", "BLOCKYSIZE=64", "--co", codec];
        folder.ok(&[&["convert", "good.npy", "good.tif"], &tiled[..]].concat());
        folder.ok(&["convert", "good.tif", "decoded.npy"]);
        let (good, pixels) = (folder.read("good.tif"), folder.read("decoded.npy"));
        let places = tiles(&good);
        assert_eq!(places.len(), 15);
        for many in [1, 10, 15] {
            let mut bad = good.clone();
            let damaged: Vec<_> = (0..many).map(|i| (i * 7 + 3) % 15).collect();
            for &tile in &damaged {
                bad[places[tile].0..][..places[tile].1].fill(0xff);
            }
            folder.write("bad.tif", &bad);

            assert_eq!(folder.run(&["stats", "bad.tif"]).code, Some(1), "{codec}");
            let lenient = ["--on-bad-block", "nodata", "--json", "--report", "r.json"];
            let outcome = folder.run(&[&["stats", "bad.tif"], &lenient[..]].concat());
            assert_eq!(outcome.code, Some(4), "{codec}: {}", outcome.stderr);
            assert!(outcome.stderr.contains(&format!("{many} bad block")), "{}", outcome.stderr);
            let figures: Json = serde_json::from_slice(&outcome.stdout).unwrap();
            for channel in figures["channels"].as_array().unwrap() {
                assert_eq!(channel["quarantined"], many * 64 * 64, "{codec}");
                assert_eq!(channel["valid"], (15 - many) * 64 * 64, "{codec}");
                assert_eq!(channel["count"], 320 * 192);
            }
            let report: Json = serde_json::from_slice(&folder.read("r.json")).unwrap();
            let listed = report["bad_blocks"].as_array().unwrap();
            let mut blocks: Vec<_> = listed.iter().map(|b| b["block"].as_u64().unwrap() as usize).collect();
            let mut wanted = damaged.clone();
            blocks.sort();
            wanted.sort();
            assert_eq!(blocks, wanted);
            for bad in listed {
                let tile = bad["block"].as_u64().unwrap();
                assert_eq!(bad["offset"], places[tile as usize].0);
                assert_eq!(bad["rect"], serde_json::json!([tile % 5 * 64, tile / 5 * 64, 64, 64]));
            }

            let fill = ["--on-bad-block", "fill=7", "--overwrite"];
            let outcome = folder.run(&[&["convert", "bad.tif", "out.npy"], &fill[..]].concat());
            assert_eq!(outcome.code, Some(4), "{codec}: {}", outcome.stderr);
            let header = pixels.len() - 320 * 192 * 3;
            for (i, (found, wanted)) in folder.read("out.npy").iter().zip(&pixels).enumerate().skip(header) {
                let (y, x) = ((i - header) / 960, (i - header) % 960 / 3);
                let is_bad = damaged.contains(&(y / 64 * 5 + x / 64));
                assert_eq!(*found, if is_bad { 7 } else { *wanted }, "{codec}, pixel {x}, {y}");
            }

            // Turned, they are listed where they are in the file.
            let upright = folder.read("out.npy");
            for rotate in ["90", "270"] {
                let input = if rotate == "90" { "bad.tif" } else { "turned.npy" };
                let args = ["convert", input, "turned.npy", "--rotate", rotate, "--report", "r.json"];
                let outcome = match rotate {
                    "90" => folder.run(&[&args[..], &fill].concat()),
                    _ => folder.run(&["convert", input, "out.npy", "--rotate", rotate, "--overwrite"]),
                };
                let code = if rotate == "90" { 4 } else { 0 };
                assert_eq!(outcome.code, Some(code), "{codec}: {}", outcome.stderr);
            }
            assert!(folder.read("out.npy") == upright, "{codec}");
            let report: Json = serde_json::from_slice(&folder.read("r.json")).unwrap();
            for bad in report["bad_blocks"].as_array().unwrap() {
                let tile = bad["block"].as_u64().unwrap();
                assert_eq!(bad["rect"], serde_json::json!([tile % 5 * 64, tile / 5 * 64, 64, 64]));
            }

            let outcome = folder.run(&["verify", "good.tif", "bad.tif"]);
            let text = String::from_utf8(outcome.stdout).unwrap();
            assert_eq!(outcome.code, Some(1));
            let counted = if many == 1 { "1 bad block\n".into() } else { format!("{many} bad blocks\n") };
            assert!(
                text.contains("good.tif: sound\n") && text.contains(&format!("bad.tif: {counted}")),
                "{text}"
            );
            assert!(text.ends_with("2 files: 1 sound, 1 with bad blocks\n"), "{text}");
            assert!(outcome.stderr.contains("1 of 2 files have bad blocks"), "{}", outcome.stderr);
        }
    }
}

#[test]
fn progress_has_the_name_of_the_command_that_was_typed() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[4, 6, 2], &[7; 48]));
    for (command, args) in [
        ("generate", &["noise", "g.npy", "--width", "5", "--height", "4"][..]),
        ("convert", &["a.npy", "c.npy"]),
        ("pyramid", &["a.npy", "p.tif"]),
        ("mean", &["a.npy", "m.npy"]),
        ("mean", &["a.npy"]),
        ("reduce", &["max", "a.npy", "r.npy", "--over", "c"]),
        ("stats", &["a.npy"]),
        ("histogram", &["a.npy"]),
        ("checksum", &["a.npy"]),
        ("verify", &["a.npy"]),
        ("compare", &["a.npy", "a.npy"]),
        ("preview", &["a.npy", "a.png"]),
        ("encode", &["a.npy", "a.txt", "--to", "png"]),
    ] {
        let outcome = folder.run(&[&[command], args, &["--progress", "json"]].concat());
        let first = outcome.stderr.lines().next().unwrap_or_default();
        assert!(first.contains(&format!("\"stage\":\"{command}\"")), "{command}: {outcome:?}");
    }
}
