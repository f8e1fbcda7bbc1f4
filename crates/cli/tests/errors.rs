//! A mistake in every argument: one line that says what was expected and found, exit 1 or 2, nothing left behind.

use crate::util::{Folder, npy, tiff};

/// A folder with an image of 4 rows, 6 columns and 2 channels as `a.npy` and `a.raw`.
fn folder() -> Folder {
    let folder = Folder::new();
    let samples: Vec<u8> = (0..48).collect();
    folder.write("a.npy", &npy("|u1", &[4, 6, 2], &samples));
    folder.write("a.raw", &samples);
    folder
}

fn says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "expected `{part}` in: {line}");
    }
}

#[test]
fn a_shape_that_does_not_fit_names_both_sizes() {
    let line = folder().refused(2, &["stats", "a.raw", "--shape", "5,6,2", "--dtype", "u8"]);
    says(&line, &["a.raw: ", "60", "48", "--shape"]);
}

#[test]
fn an_unknown_dtype_is_answered_with_the_names() {
    let line = folder().refused(2, &["stats", "a.raw", "--shape", "4,6,2", "--dtype", "unit8"]);
    says(&line, &["unit8", "did you mean uint8?"]);
    let line = folder().refused(2, &["convert", "a.npy", "b.npy", "--dtype", "complex64"]);
    says(&line, &["complex64", "float64"]);
}

#[test]
fn a_missing_file_is_named() {
    let line = folder().refused(1, &["stats", "nowhere.tif"]);
    says(&line, &["nowhere.tif: ", "No such file"]);
}

#[test]
fn a_folder_is_not_an_image() {
    let folder = folder();
    std::fs::create_dir(folder.path("d")).unwrap();
    for command in ["info", "stats", "mean"] {
        says(&folder.refused(1, &[command, "d"]), &["d: ", "directory"]);
    }
}

/// The bytes of a pipe come once and in order; `-` is none of the files that are there.
#[test]
fn a_pipe_is_not_an_image_and_the_line_says_what_to_do() {
    let folder = folder();
    for input in ["-", "/dev/null"] {
        for command in ["info", "stats", "checksum"] {
            says(&folder.refused(1, &[command, input]), &[input, "a pipe or a device", "save", "first"]);
        }
    }
}

#[test]
fn an_empty_file_is_not_an_image() {
    let folder = folder();
    folder.write("empty.tif", b"");
    says(&folder.refused(1, &["stats", "empty.tif"]), &["empty.tif: ", "empty"]);
}

#[test]
fn a_truncated_tiff_is_an_error() {
    let folder = folder();
    let whole = tiff(16, 16, 3, &[7; 768]);
    for cut in [1, 4, 7, 8, 100, 700, whole.len() - 30] {
        folder.write("cut.tif", &whole[..cut]);
        says(&folder.refused(1, &["stats", "cut.tif"]), &["cut.tif: "]);
    }
}

#[test]
fn an_output_in_a_folder_that_is_not_there_is_refused() {
    let folder = folder();
    let outcome = folder.run(&["mean", "a.npy", "missing/b.npy"]);
    assert!(matches!(outcome.code, Some(1 | 2)), "{outcome:?}");
    says(&outcome.stderr, &["missing"]);
    assert_eq!(outcome.stderr.lines().count(), 1);
    assert_eq!(folder.names(), ["a.npy", "a.raw"]);
}

#[test]
fn an_output_that_exists_is_kept() {
    let folder = folder();
    folder.write("b.npy", b"precious");
    for command in ["mean", "convert"] {
        says(&folder.refused(2, &[command, "a.npy", "b.npy"]), &["b.npy", "exists", "--overwrite"]);
        assert_eq!(folder.read("b.npy"), b"precious");
    }
    folder.ok(&["mean", "a.npy", "b.npy", "--overwrite"]);
    assert_ne!(folder.read("b.npy"), b"precious");
}

#[test]
fn an_output_that_is_the_input_is_refused_under_any_name() {
    let folder = folder();
    std::os::unix::fs::symlink("a.npy", folder.path("link.npy")).unwrap();
    std::fs::hard_link(folder.path("a.npy"), folder.path("hard.npy")).unwrap();
    let before = folder.read("a.npy");
    for output in ["a.npy", "./a.npy", "link.npy", "hard.npy"] {
        let line = folder.refused(2, &["convert", "a.npy", output, "--overwrite"]);
        says(&line, &["the output is the input"]);
        assert_eq!(folder.read("a.npy"), before);
    }
}

#[test]
fn an_output_that_is_refused_is_named_once() {
    let folder = folder();
    for command in [&["reduce", "max", "--over", "c"][..], &["mean"], &["convert"], &["pyramid"]] {
        let line = folder.refused(2, &[command, &["a.npy", "a.npy"]].concat());
        assert_eq!(line.matches("a.npy").count(), 1, "{line}");
    }
}

#[test]
fn a_type_for_a_mean_that_is_printed_is_refused() {
    let folder = folder();
    says(&folder.refused(2, &["mean", "a.npy", "--dtype", "f64"]), &["a.npy", "OUTPUT", "--dtype"]);
}

#[test]
fn a_report_over_the_data_beside_a_header_is_refused() {
    let folder = folder();
    folder.ok(&["convert", "a.npy", "e.hdr", "-q"]);
    let before = folder.read("e.raw");
    says(&folder.refused(2, &["stats", "e.hdr", "--report", "e.raw"]), &["an input", "--report"]);
    assert!(folder.read("e.raw") == before);
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_is_done() {
    let folder = folder();
    for report in ["nowhere/r.json", "."] {
        let line = folder.refused(1, &["mean", "a.npy", "m.npy", "--report", report]);
        says(&line, &["write the report", report, "--report"]);
    }
}

/// Such a run failed after its work and left an unfinished output to be gone on with by nobody.
#[test]
fn a_checkpoint_that_cannot_be_saved_is_refused_before_anything_is_done() {
    let folder = folder();
    for command in [
        &["convert", "a.npy", "b.npy"][..],
        &["stats", "a.npy"],
        &["pack", "a.npy", "b.npy", "--mode", "keep"],
    ] {
        let line = folder.refused(1, &[command, &["--checkpoint", "nowhere/c"]].concat());
        says(&line, &["save the checkpoint nowhere/c", "--checkpoint"]);
    }
}

#[test]
fn a_report_or_checkpoint_over_another_file_of_the_run_is_refused() {
    let folder = folder();
    std::os::unix::fs::symlink("a.npy", folder.path("link.npy")).unwrap();
    let (before, names) = (folder.read("a.npy"), folder.names());
    for flag in ["--report", "--checkpoint"] {
        for name in ["a.npy", "./a.npy", "link.npy"] {
            says(&folder.refused(2, &["stats", "a.npy", flag, name]), &["an input", flag]);
        }
        says(&folder.refused(2, &["mean", "a.npy", "m.npy", flag, "./m.npy"]), &["the output", flag]);
        says(&folder.refused(2, &["convert", "a.npy", "e.hdr", flag, "e.raw"]), &["the output", flag]);
        says(&folder.refused(2, &["pyramid", "a.npy", "e.dzi", flag, "e_files"]), &["the output", flag]);
        // It would have been renamed to the output.
        for name in [".m.tif.outcrop-part", "./.m.tif.outcrop-part", ".m.tif.spill.outcrop-part"] {
            let line = folder.refused(2, &["convert", "a.npy", "m.tif", flag, name]);
            says(&line, &["unfinished outputs", flag]);
        }
    }
    let line = folder.refused(2, &["stats", "a.npy", "--report", "r", "--checkpoint", "r"]);
    says(&line, &["the report and the checkpoint"]);
    assert_eq!((folder.read("a.npy"), folder.names()), (before, names));
}

#[test]
fn verify_looks_at_the_part_that_was_named() {
    let folder = folder();
    for part in [["--window", "0,0,1000,1"], ["--channels", "9"]] {
        says(&folder.refused(2, &[&["verify", "a.npy"], &part[..]].concat()), &["a.npy", part[0]]);
    }
    assert_eq!(folder.ok(&["verify", "a.npy", "--window", "1,1,2,2"]), b"a.npy: sound\n");
}

#[test]
fn an_output_that_is_the_data_file_of_the_input_is_refused() {
    let folder = folder();
    let header = "ENVI\nsamples = 6\nlines = 4\nbands = 2\ndata type = 1\ninterleave = bip\nbyte order = 0\n";
    folder.write("a.hdr", header.as_bytes());
    let line = folder.refused(2, &["convert", "a.hdr", "a.raw", "--overwrite"]);
    says(&line, &["a.raw", "the output is the input"]);
    // The header, which is not open any more, and an ENVI output whose data file is the input's.
    for output in ["a.hdr", "./a.hdr"] {
        says(&folder.refused(2, &["convert", "a.hdr", output, "--overwrite"]), &["the output is the input"]);
    }
    let raw = ["--shape", "4,6,2", "--dtype", "u8", "--overwrite"];
    let line = folder.refused(2, &[&["convert", "a.raw", "a.hdr"], &raw[..]].concat());
    says(&line, &["the output is the input"]);
    assert_eq!(folder.read("a.raw").len(), 48);
    assert_eq!(folder.read("a.hdr"), header.as_bytes());
}

#[test]
fn an_output_without_a_known_extension_is_refused() {
    says(&folder().refused(2, &["convert", "a.npy", "b.jpeg2000"]), &["--to"]);
    says(&folder().refused(2, &["convert", "a.npy", "-"]), &["--to"]);
}

#[test]
fn a_window_outside_names_both_sizes() {
    let folder = folder();
    for window in ["0,0,7,4", "6,0,1,1", "0,3,1,2", "18446744073709551614,0,1,1"] {
        let line = folder.refused(2, &["stats", "a.npy", "--window", window]);
        says(&line, &[window, "6 x 4", "--window"]);
    }
    for wrong in ["0,0,0,4", "1,2,3", "-1,0,2,2", "all", "18446744073709551615,0,9,9"] {
        says(&folder.refused(2, &["stats", "a.npy", "--window", wrong]), &["--window"]);
    }
}

#[test]
fn channels_that_do_not_exist_are_named_from_one() {
    let folder = folder();
    says(&folder.refused(2, &["stats", "a.npy", "--channels", "0"]), &["channel 0", "from 1"]);
    says(&folder.refused(2, &["stats", "a.npy", "--channels", "1,3"]), &["channel 3", "1 to 2"]);
    let line = folder.refused(2, &["stats", "a.npy", "--channels", "1-18446744073709551615"]);
    says(&line, &["1 to 2"]);
    says(&folder.refused(2, &["stats", "a.npy", "--channels", "red"]), &["red"]);
}

#[test]
fn pages_and_levels_that_do_not_exist_are_refused() {
    let folder = folder();
    folder.write("a.tif", &tiff(2, 2, 1, &[1, 2, 3, 4]));
    for file in ["a.npy", "a.tif"] {
        says(&folder.refused(2, &["stats", file, "--page", "1"]), &["page 1"]);
        says(&folder.refused(2, &["stats", file, "--level", "9"]), &["level 9"]);
    }
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let folder = folder();
    for memory in ["lots", "-1", "0", "1e400", "101%", ""] {
        let line = folder.refused(2, &["stats", "a.npy", &format!("--memory={memory}")]);
        says(&line, &["--memory"]);
    }
    for threads in ["0", "-2", "many", "99999999999999999999"] {
        let line = folder.refused(2, &["stats", "a.npy", &format!("--threads={threads}")]);
        says(&line, &["--threads"]);
    }
    for chunk in ["0,5", "5", "5,5,5", "x,y"] {
        says(&folder.refused(2, &["stats", "a.npy", "--chunk", chunk]), &["--chunk"]);
    }
}

#[test]
fn raw_input_without_all_it_needs_says_what() {
    let folder = folder();
    says(&folder.refused(2, &["stats", "a.raw"]), &["--shape", "--dtype"]);
    says(&folder.refused(2, &["stats", "a.raw", "--shape", "4,6,2"]), &["--dtype"]);
    says(&folder.refused(2, &["stats", "a.raw", "--dtype", "u8"]), &["--shape"]);
    says(&folder.refused(2, &["stats", "a.raw", "--offset", "8"]), &["--shape"]);
}

#[test]
fn a_mistyped_flag_is_answered_with_the_right_one() {
    let line = folder().refused(2, &["stats", "a.npy", "--windw", "0,0,1,1"]);
    says(&line, &["--windw", "--window"]);
    says(&folder().refused(2, &["stat", "a.npy"]), &["stats"]);
}

#[test]
fn nodata_that_fits_no_channel_is_refused() {
    let folder = folder();
    says(&folder.refused(2, &["stats", "a.npy", "--nodata", "1,2,3"]), &["3 nodata values", "2 channels"]);
    says(&folder.refused(2, &["stats", "a.npy", "--nodata", "nothing"]), &["nothing"]);
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let folder = folder();
    let outcome = folder.run(&["stats", "--json", "nowhere.tif", "a.npy"]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert_eq!(outcome.stdout.iter().filter(|&&b| b == b'\n').count(), 1);
}

#[test]
fn a_creation_option_that_makes_no_sense_names_its_flag() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[4, 5, 3], &[9; 60]));
    for option in ["FOO=1", "COMPRESS", "COMPRESS=FOO", "ZLEVEL=99", "BLOCKXSIZE=many", "TILED=perhaps"] {
        let line = folder.refused(2, &["convert", "a.npy", "out.tif", "--co", option]);
        assert!(
            line.contains("--co") && line.contains(option.split('=').next().unwrap()),
            "{option}: {line}"
        );
    }
}

#[test]
fn a_whole_number_that_is_none_is_answered_with_its_range() {
    let folder = folder();
    let stats = &["stats", "a.npy"][..];
    let generate = &["generate", "noise", "b.npy", "--width", "5", "--height", "4"];
    let u64s = "from 0 to 18446744073709551615";
    for (command, flag, range) in [
        (stats, "--page", u64s),
        (stats, "--level", u64s),
        (stats, "--ddof", u64s),
        (&["stats", "a.raw", "--shape", "4,6,2"], "--offset", u64s),
        (&["reduce", "var", "a.npy", "--over", "yx"], "--ddof", u64s),
        (generate, "--seed", u64s),
        (generate, "--count", u64s),
        (&["pyramid", "a.npy", "b.dzi"], "--tile", "from 0 to 4294967295"),
        (&["pyramid", "a.npy", "b.dzi"], "--overlap", "from 0 to 4294967295"),
        (&["pack", "d", "b.npy"], "--one-hot", u64s),
        (&["pack", "d", "b.npy"], "--pad", "from 0 to 255"),
    ] {
        for wrong in ["", "-1", "1.5", "12kB", "18446744073709551616"] {
            let line = folder.refused(2, &[command, &[&format!("{flag}={wrong}")]].concat());
            says(&line, &["outcrop: ", flag]);
            if !wrong.is_empty() {
                says(&line, &["expected a whole number", range, &format!("found `{wrong}`")]);
            }
        }
    }
}

#[test]
fn what_an_option_names_is_said_with_the_option() {
    let folder = folder();
    std::fs::create_dir(folder.path("d")).unwrap();
    folder.write("d/a.png", &[]);
    says(
        &folder.refused(1, &["pack", "d", "p.npz", "--labels", "nowhere.csv"]),
        &["nowhere.csv", "--labels"],
    );
    says(&folder.refused(1, &["pack", "p.npz", "--list", "nowhere.csv"]), &["nowhere.csv", "--list"]);
    says(&folder.refused(2, &["convert", "a.npy", "b.npy", "--nan=-1"]), &["a.npy", "-1", "uint8", "--nan"]);
}

#[test]
fn pack_says_which_input_holds_no_pictures() {
    let folder = folder();
    std::fs::create_dir(folder.path("d")).unwrap();
    folder.write("d/notes.txt", b"none here");
    folder.write("list.txt", b"# nothing\n");
    says(&folder.refused(2, &["pack", "d", "p.npz"]), &["outcrop: d: ", ".png", "--list"]);
    says(&folder.refused(2, &["pack", "--list", "list.txt", "p.npz"]), &["outcrop: list.txt: ", "--list"]);
    // The output is looked at first: here it became an input.
    says(&folder.refused(2, &["pack", "d", "p.npz", "--pad", "0"]), &["outcrop: 0: ", ".npz", "last"]);
    let line = folder.refused(1, &["pack", "--list", "nowhere.txt", "p.npz"]);
    says(&line, &["nowhere.txt (--list)"]);
}

/// The mask is another file than the input: both are named, and the flag.
#[test]
fn a_mask_that_cannot_be_used_is_named_with_its_input_and_flag() {
    let folder = folder();
    std::fs::create_dir(folder.path("d")).unwrap();
    for command in
        [&["stats", "a.npy"][..], &["mean", "a.npy"], &["histogram", "a.npy"], &["preview", "a.npy", "p.png"]]
    {
        for mask in ["nowhere.npy", "d"] {
            let line = folder.refused(1, &[command, &["--mask", mask]].concat());
            says(&line, &["outcrop: a.npy: ", mask, "(--mask)"]);
        }
        let line = folder.refused(2, &[command, &["--mask", "self"]].concat());
        says(&line, &["outcrop: a.npy: --mask self: "]);
        assert_eq!(line.matches("a.npy").count(), 1, "{line}");
    }
}

#[test]
fn a_report_or_checkpoint_that_is_no_file_is_refused() {
    let folder = folder();
    std::fs::create_dir(folder.path("d")).unwrap();
    for flag in ["--report", "--checkpoint"] {
        says(&folder.refused(2, &["stats", "a.npy", flag, "-"]), &["- is no file", flag]);
    }
    let line = folder.refused(2, &["stats", "a.npy", "--checkpoint", "d"]);
    says(&line, &["d is a folder", "--checkpoint"]);
    assert!(!line.contains("remove"), "{line}");
}

#[test]
fn a_negative_number_is_answered_with_its_flag() {
    let folder = folder();
    for (command, flag, expected) in [
        (&["stats", "a.npy"][..], "--percentiles", "from 0 to 100"),
        (&["stats", "a.npy"], "--channels", "from 1"),
        (&["stats", "a.npy"], "--page", "whole number"),
        (&["stats", "a.npy"], "--memory", "a size"),
        (&["stats", "a.npy"], "-j", "from 1 to"),
        (&["preview", "a.npy", "p.png"], "--size", "pixels"),
        (&["pack", "d", "b.npy"], "--resize", "a length"),
        (&["generate", "noise", "b.npy", "--height", "4"], "--width", "at least 1"),
    ] {
        let line = folder.refused(2, &[command, &[flag, "-1"]].concat());
        says(&line, &["-1", if flag == "-j" { "--threads" } else { flag }, expected]);
    }
}

#[test]
fn a_flag_of_another_command_is_not_taken_for_a_file() {
    let line = folder().refused(2, &["convert", "a.npy", "b.npy", "--mask", "m.npy"]);
    says(&line, &["'--mask'", "--help"]);
    assert!(!line.contains("-- --mask"), "{line}");
}

#[test]
fn a_type_that_is_like_none_is_not_guessed() {
    let line = folder().refused(2, &["convert", "a.npy", "b.npy", "--dtype", "foo"]);
    says(&line, &["foo", "--dtype", "uint8"]);
    assert!(!line.contains("did you mean"), "{line}");
}

#[test]
fn a_full_disk_behind_standard_output_is_said() {
    let folder = folder();
    for args in [&["stats", "a.npy"][..], &["stats", "a.npy", "--json"], &["info", "a.npy"], &["formats"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = folder.command(args).stdout(full).output().unwrap();
        let line = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{line}");
        says(&line, &["outcrop: standard output: ", "No space left"]);
    }
}

/// Root may write anywhere; so the test takes a folder that nobody may: one of the system's own.
#[test]
fn an_output_that_may_not_be_made_is_named_as_it_was_typed() {
    let folder = folder();
    for output in ["/proc/b.npy", "/proc/b.png", "/proc/b.dzi"] {
        let line = folder.refused(1, &["convert", "a.npy", output, "--channels", "1"]);
        says(&line, &[output]);
        assert!(!line.contains("outcrop-part"), "{line}");
    }
}
