//! `outcrop preview`.

use std::process::Command;

use crate::util::{Folder, Outcome, finish, le_bytes, noise, npy, sparse, tiff};

/// Rows, columns, channels and 8-bit samples of a PNG.
fn png_samples(file: &[u8]) -> (u32, u32, usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut out = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut out).unwrap();
    let info = reader.info();
    (info.height, info.width, info.color_type.samples(), out)
}

/// A command in a terminal's surroundings that say nothing but this.
fn command(folder: &Folder, args: &[&str], says: &[(&str, &str)]) -> Command {
    let mut command = folder.command(args);
    for name in ["TERM", "TERM_PROGRAM", "COLORTERM", "NO_COLOR", "KITTY_WINDOW_ID", "TMUX", "COLUMNS"] {
        command.env_remove(name);
    }
    command.envs(says.iter().copied());
    command
}

fn drawn(folder: &Folder, args: &[&str], says: &[(&str, &str)]) -> String {
    let Outcome { code, stdout, stderr } = finish(command(folder, args, says));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args:?}");
    String::from_utf8(stdout).unwrap()
}

#[test]
fn a_pixel_is_the_mean_of_its_area() {
    let folder = Folder::new();
    // Two rows of five columns in one of two: weights 1, 1, 1/2 and 1/2, 1, 1.
    folder.write("a.npy", &npy("|u1", &[2, 5], &[10, 20, 30, 40, 50, 60, 70, 80, 90, 100]));
    folder.ok(&["preview", "a.npy", "a.png", "--size", "2"]);
    let left = (10. + 20. + 60. + 70. + (30. + 80.) / 2.) / 5.0f64;
    let right = (40. + 50. + 90. + 100. + (30. + 80.) / 2.) / 5.0f64;
    let levels = [left, right].map(|v| v.round_ties_even() as u8).to_vec();
    assert_eq!(png_samples(&folder.read("a.png")), (1, 2, 1, levels));
    // Never larger than the image.
    folder.ok(&["preview", "a.npy", "b.png"]);
    assert_eq!(png_samples(&folder.read("b.png")).3, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
}

#[test]
fn previews_are_those_of_numpy_and_pillow_opens_them() {
    let Ok(python) = std::env::var("OUTCROP_PYTHON") else {
        println!("skipped: OUTCROP_PYTHON names no Python with NumPy and Pillow");
        return;
    };
    let has = Command::new(&python).args(["-c", "import numpy, PIL"]).output();
    if !has.is_ok_and(|found| found.status.success()) {
        println!("skipped: OUTCROP_PYTHON has no NumPy or no Pillow");
        return;
    }
    let folder = Folder::new();
    let floats = |(i, raw): (usize, u8)| match raw % 7 == 0 || (20..33).contains(&(i % 50)) {
        true => f32::NAN,
        false => (f32::from(raw) - 100.0) * 1.7e-3,
    };
    let floats: Vec<f32> = noise(40 * 50).into_iter().enumerate().map(floats).collect();
    folder.write("u8.npy", &npy("|u1", &[37, 53, 3], &noise(37 * 53 * 3)));
    folder.write("u16.npy", &npy("<u2", &[48, 32, 3], &noise(48 * 32 * 6)));
    folder.write("f32.npy", &npy("<f4", &[40, 50], &le_bytes(&floats, f32::to_le_bytes)));
    let small: Vec<u8> = noise(31 * 29).into_iter().map(|v| v % 3).collect();
    folder.write("n.npy", &npy("|u1", &[31, 29], &small));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/preview_check.py");
    for (image, size, flags, wanted) in [
        ("u8.npy", "10", &[][..], &["7", "10"][..]),
        ("u8.npy", "53", &[], &["37", "53"]),
        ("u16.npy", "16", &[], &["16", "11", "2", "98"]),
        ("u16.npy", "12", &["--stretch", "0.5:90"], &["12", "8", "0.5", "90"]),
        ("f32.npy", "13", &["--stretch", "minmax"], &["10", "13", "0", "100"]),
        ("f32.npy", "50", &[], &["40", "50", "2", "98"]),
        ("n.npy", "17", &["--nodata", "2", "--stretch", "5:95"], &["17", "16", "5", "95", "2"]),
    ] {
        folder.ok(&[&["preview", image, "p.png", "--size", size, "--overwrite"], flags].concat());
        let paths = [folder.path(image), folder.path("p.png")];
        let found = Command::new(&python).arg(script).args(paths).args(wanted).output().unwrap();
        assert!(found.status.success(), "{image} {size}: {}", String::from_utf8_lossy(&found.stderr));
    }
}

#[test]
fn the_same_bytes_for_every_thread_count_chunk_and_budget() {
    let folder = Folder::new();
    let floats: Vec<f32> = noise(300 * 401).into_iter().map(|v| (f32::from(v) - 90.0).exp2()).collect();
    folder.write("f.npy", &npy("<f4", &[300, 401], &le_bytes(&floats, f32::to_le_bytes)));
    folder.write("u.npy", &npy("<u2", &[300, 401, 3], &noise(300 * 401 * 6)));
    folder.ok(&["convert", "u.npy", "u.tif", "--co", "BLOCKSIZE=48", "--co", "COMPRESS=DEFLATE"]);
    for image in ["f.npy", "u.npy", "u.tif"] {
        let draw = |flags: &[&str]| {
            folder.ok(&[&["preview", image, "p.png", "--size", "77", "--overwrite"], flags].concat());
            folder.read("p.png")
        };
        let first = draw(&["-j", "1"]);
        for flags in [
            &["-j", "4", "--chunk", "16,16"][..],
            &["-j", "3", "--chunk", "1,401"],
            &["-j", "2", "--chunk", "300,7"],
            &["--memory", "8MiB"],
            &["--io", "read", "-j", "5", "--chunk", "33,100"],
        ] {
            assert!(draw(flags) == first, "{image} {flags:?}");
        }
    }
    folder.ok(&["preview", "u.npy", "a.png", "--size", "77"]);
    folder.ok(&["preview", "u.tif", "b.png", "--size", "77"]);
    assert!(folder.read("a.png") == folder.read("b.png"));
}

#[test]
fn a_gigabyte_is_previewed_in_little_memory() {
    let folder = Folder::new();
    sparse(&folder.path("big.raw"), 20_000 * 20_000 * 3);
    let outcome = folder.run(&[
        "preview",
        "big.raw",
        "big.png",
        "--shape",
        "20000,20000,3",
        "--dtype",
        "u8",
        "--memory",
        "64MiB",
        "-v",
    ]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let (height, width, channels, samples) = png_samples(&folder.read("big.png"));
    assert_eq!((height, width, channels), (1024, 1024, 1));
    assert!(samples.iter().all(|&s| s == 0));
    let most = outcome.stderr.rsplit_once("outcrop: at most ").unwrap().1;
    let (number, unit) = most.split_once(" of the budget").unwrap().0.split_once(' ').unwrap();
    assert!(unit == "MiB" && number.parse::<f64>().unwrap() <= 64.0, "{most}");
    let peak = outcome.stderr.rsplit_once("peak resident memory ").unwrap().1.trim();
    let (number, unit) = peak.split_once(' ').unwrap();
    assert!(unit == "MiB" && number.parse::<f64>().unwrap() < 110.0, "{peak}");
}

#[test]
fn the_smallest_level_that_is_large_enough_is_read() {
    let folder = Folder::new();
    folder.ok(&["generate", "squares", "a.npy", "--width", "1000", "--height", "600", "-q"]);
    folder.ok(&["pyramid", "a.npy", "p.tif", "--co", "BLOCKSIZE=64", "-q"]);
    let says = |flags: &[&str]| {
        let args = [&["preview", "p.tif", "--terminal", "none"], flags].concat();
        String::from_utf8(folder.ok(&args)).unwrap()
    };
    assert!(says(&["--size", "251"]).starts_with("251 x 151 pixels of 500 x 300 at level 1 of 5,"));
    assert!(says(&["--size", "250"]).starts_with("250 x 150 pixels of 250 x 150 at level 2 of 5,"));
    assert!(says(&["--size", "20"]).contains(" at level 4 of 5"));
    assert!(says(&["--size", "20", "--level", "0"]).contains("of 1000 x 600 at level 0 of 5"));
    assert!(says(&["--size", "20", "--level", "3"]).contains("at level 3 of 5"));
    // A window is in pixels of the full resolution where no level is named.
    let part = says(&["--size", "100", "--window", "400,200,400,400"]);
    assert!(part.starts_with("100 x 100 pixels of 100 x 100 at level 2 of 5"), "{part}");
    assert!(says(&["--window", "400,200,400,400"]).starts_with("400 x 400 pixels of 400 x 400 at level 0"));
}

#[test]
fn where_there_is_no_data_there_is_no_colour() {
    let folder = Folder::new();
    // The image's own alpha; then a mask.
    let rgba = [[9, 8, 7, 0], [1, 2, 3, 255], [5, 6, 7, 0], [3, 4, 5, 9]].concat();
    folder.write("a.tif", &tiff(2, 2, 4, &rgba));
    folder.ok(&["preview", "a.tif", "a.png"]);
    let found = png_samples(&folder.read("a.png"));
    assert_eq!(found, (2, 2, 4, vec![0, 0, 0, 0, 1, 2, 3, 255, 0, 0, 0, 0, 3, 4, 5, 255]));
    folder.ok(&["preview", "a.tif", "b.png", "--size", "1"]);
    assert_eq!(png_samples(&folder.read("b.png")), (1, 1, 3, vec![2, 3, 4]));
    folder.write("g.npy", &npy("|u1", &[1, 4], &[10, 20, 30, 50]));
    folder.write("m.npy", &npy("|u1", &[1, 4], &[0, 0, 0, 1]));
    folder.ok(&["preview", "g.npy", "g.png", "--size", "2", "--mask", "m.npy"]);
    assert_eq!(png_samples(&folder.read("g.png")), (1, 2, 2, vec![0, 0, 50, 255]));
    // JPEG has no alpha: white.
    folder.ok(&["preview", "g.npy", "g.jpg", "--mask", "m.npy"]);
    assert!(folder.read("g.jpg").starts_with(&[0xff, 0xd8]));
}

#[test]
fn contrast_colours_and_channels_are_as_asked() {
    let folder = Folder::new();
    let samples: Vec<u8> = (0..3).flat_map(|n| [n * 10, 100 + n, 200 + n, 7]).collect();
    folder.write("a.npy", &npy("|u1", &[1, 3, 4], &samples));
    let draw = |flags: &[&str]| {
        folder.ok(&[&["preview", "a.npy", "p.png", "--overwrite"], flags].concat());
        let found = png_samples(&folder.read("p.png"));
        (found.2, found.3)
    };
    assert_eq!(draw(&[]), (3, vec![0, 100, 200, 10, 101, 201, 20, 102, 202]));
    assert_eq!(draw(&["--channels", "3,1,2"]).1, [200, 0, 100, 201, 10, 101, 202, 20, 102]);
    assert_eq!(draw(&["--channels", "1"]), (1, vec![0, 10, 20]));
    assert_eq!(draw(&["--channels", "1", "--stretch", "minmax"]).1, [0, 128, 255]);
    assert_eq!(draw(&["--channels", "1", "--stretch", "minmax", "--gamma", "2"]).1, [0, 180, 255]);
    assert_eq!(draw(&["--stretch", "0:100"]), (1, vec![0, 128, 255]));
    let joint = draw(&["--stretch", "minmax", "--joint"]).1;
    assert_eq!(joint[..3], [0, 126, 252]);
    let magma = draw(&["--channels", "1", "--stretch", "minmax", "--colormap", "magma"]).1;
    assert_eq!((&magma[..3], &magma[6..]), (&[0, 0, 4][..], &[252, 253, 191][..]));
    // A constant is black.
    assert_eq!(draw(&["--channels", "4", "--stretch", "minmax"]).1, [0, 0, 0]);
}

#[test]
fn a_scale_bar_and_axes_are_drawn_where_asked() {
    let folder = Folder::new();
    folder.ok(&["generate", "gradient", "a.npy", "--width", "2000", "--height", "1000", "-q"]);
    folder.ok(&["preview", "a.npy", "plain.png", "--size", "400"]);
    folder.ok(&["preview", "a.npy", "bar.png", "--size", "400", "--scale-bar", "--pixel-size", "0.5:um"]);
    folder.ok(&["preview", "a.npy", "axes.png", "--size", "400", "--axes"]);
    let (plain, bar) = (png_samples(&folder.read("plain.png")), png_samples(&folder.read("bar.png")));
    assert_eq!((plain.0, plain.1), (200, 400));
    assert_eq!((bar.0, bar.1), (200, 400));
    // 200 micrometres are 400 pixels of 2000, so 80 of 400.
    let row = bar.3.chunks_exact(400 * bar.2);
    let white = |row: &[u8]| row.split(|v| *v != 255).map(<[u8]>::len).max().unwrap();
    assert_eq!(row.map(white).max().unwrap() / bar.2, 80);
    let axes = png_samples(&folder.read("axes.png"));
    assert!(axes.0 > 200 && axes.1 > 400);
    let line = folder.refused(2, &["preview", "a.npy", "no.png", "--scale-bar"]);
    assert!(line.contains("how long a pixel is") && line.contains("--pixel-size"), "{line}");
}

#[test]
fn a_terminal_is_drawn_in_as_it_can_be() {
    let folder = Folder::new();
    let rgb = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]].concat();
    folder.write("a.npy", &npy("|u1", &[2, 2, 3], &rgb));
    let truecolor = [("COLORTERM", "truecolor")];
    assert_eq!(
        drawn(&folder, &["preview", "a.npy", "--terminal", "blocks"], &truecolor),
        "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[38;2;0;255;0;48;2;255;255;255m▀\x1b[0m\n"
    );
    assert_eq!(
        drawn(&folder, &["preview", "a.npy", "--terminal", "blocks"], &[]),
        "\x1b[38;5;196;48;5;21m▀\x1b[38;5;46;48;5;231m▀\x1b[0m\n"
    );
    assert_eq!(drawn(&folder, &["preview", "a.npy", "--terminal", "blocks"], &[("NO_COLOR", "1")]), ":#\n");
    assert_eq!(drawn(&folder, &["preview", "a.npy", "--terminal", "ascii"], &[]), ":#\n");
    let kitty = drawn(&folder, &["preview", "a.npy", "--terminal", "kitty"], &[]);
    assert!(kitty.starts_with("\x1b_Gf=100,a=T,c=1,m=0;iVBORw0KGgo"), "{kitty}");
    let sixel = drawn(&folder, &["preview", "a.npy", "--terminal", "sixel"], &[]);
    assert!(sixel.starts_with("\x1bP0;1q\"1;1;2;2#") && sixel.ends_with("-\x1b\\\n"), "{sixel}");
    // No wider than the terminal, in a pipe than COLUMNS says.
    folder.write("wide.npy", &npy("|u1", &[20, 400], &[200; 8000]));
    let wide = drawn(&folder, &["preview", "wide.npy", "--terminal", "ascii"], &[("COLUMNS", "33")]);
    assert_eq!(wide, format!("{}\n", "*".repeat(33)).replace('*', "#"));
    let line = folder.refused(2, &["preview", "a.npy"]);
    assert!(line.contains("no terminal") && line.contains("--terminal blocks"), "{line}");
}

#[test]
fn mistakes_are_answered_before_anything_is_read() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[2, 3, 3], &[1; 18]));
    folder.write("two.npy", &npy("|u1", &[2, 3, 2], &[1; 12]));
    folder.write("old.png", b"old");
    for (args, parts) in [
        (&["a.npy", "b.png", "--size", "0"][..], &["--size", "1 to 65535"][..]),
        (&["a.npy", "b.png", "--size", "70000"], &["--size"]),
        (&["a.npy", "b.png", "--stretch", "98:2"], &["--stretch", "98:2", "minmax"]),
        (&["a.npy", "b.png", "--stretch", "-1:2"], &["--stretch"]),
        (&["a.npy", "b.png", "--gamma", "0"], &["--gamma", "above 0"]),
        (&["a.npy", "b.png", "--gamma", "-1"], &["--gamma"]),
        (&["a.npy", "b.png", "--colormap", "jet"], &["--colormap", "viridis", "jet"]),
        (&["a.npy", "b.png", "--colormap", "magma"], &["a.npy", "one channel", "--channels"]),
        (&["a.npy", "b.png", "--pixel-size", "1:um"], &["--scale-bar"]),
        (&["a.npy", "b.png", "--scale-bar", "--pixel-size", "1"], &["--pixel-size", "0.25:um"]),
        (&["a.npy", "b.png", "--scale-bar", "--pixel-size", "0:um"], &["--pixel-size"]),
        (&["a.npy", "b.png", "--scale-bar", "--pixel-size", "1:parsec"], &["parsec"]),
        (&["a.npy", "b.png", "--terminal", "blocks"], &["--terminal"]),
        (&["a.npy", "--terminal", "paper"], &["paper"]),
        (&["a.npy", "--terminal", "none", "--to", "png", "--window", "0,0,9,9"], &["--window"]),
        (&["a.npy", "--terminal", "ascii", "--overwrite"], &["--overwrite", "OUTPUT"]),
        (&["a.npy", "b.tif"], &["b.tif", ".png"]),
        (&["a.npy", "b"], &["b", ".png"]),
        (&["a.npy", "-"], &["--to"]),
        (&["a.npy", "b.png", "--to", "npy"], &["b.png"]),
        (&["a.npy", "old.png"], &["old.png exists", "--overwrite"]),
        (&["a.npy", "a.npy", "--to", "png", "--overwrite"], &["the output is the input"]),
        (&["a.npy", "nowhere/b.png"], &["nowhere"]),
        (&["a.npy", "b.png", "--channels", "1,2"], &["one channel or three", "--channels"]),
        (&["a.npy", "b.png", "--channels", "4"], &["channel 4"]),
        (&["a.npy", "b.png", "--window", "0,0,9,9"], &["--window", "3 x 2"]),
        (&["a.npy", "b.png", "--mask", "two.npy"], &["--mask", "2 channels"]),
    ] {
        let line = folder.refused(2, &[&["preview"], args].concat());
        for part in parts {
            assert!(line.contains(part), "{args:?}: expected {part} in {line}");
        }
    }
    let line = folder.refused(1, &["preview", "none.tif", "b.png"]);
    assert!(line.contains("none.tif"), "{line}");
    folder.write("large.npy", &npy("|u1", &[100, 100, 3], &[1; 30_000]));
    assert!(folder.refused(5, &["preview", "large.npy", "b.png", "--memory", "1KiB"]).contains("--memory"));
    // Two channels, neither alpha: the first.
    folder.ok(&["preview", "two.npy", "two.png"]);
    assert_eq!(png_samples(&folder.read("two.png")).2, 1);
    assert_eq!(folder.ok(&["preview", "a.npy", "-", "--to", "png"]), {
        folder.ok(&["preview", "a.npy", "c.png"]);
        folder.read("c.png")
    });
    assert_eq!(folder.read("old.png"), b"old");
}

#[test]
fn a_plan_is_printed_and_nothing_written() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[20, 30, 3], &[1; 1800]));
    let plan = String::from_utf8(folder.ok(&["preview", "a.npy", "b.png", "--plan"])).unwrap();
    assert!(plan.contains("preview over 0,0,30,20"), "{plan}");
    assert_eq!(folder.names(), ["a.npy"]);
}
