//! `outcrop histogram` and `stats --plot`.

use crate::util::{Folder, noise, npy};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[20, 30, 3], &noise(1800)));
    folder.write("b.npy", &npy("<u2", &[9, 7], &noise(126)));
    folder
}

#[test]
fn the_numbers_are_those_of_stats() {
    let folder = folder();
    let asked = ["--bins", "7:10:200"];
    let found = folder.json(&[&["histogram", "a.npy", "--json"], &asked[..]].concat());
    let stats = folder.json(&["stats", "a.npy", "--json", "--histogram", "7:10:200"]);
    assert_eq!(found, stats);
    let csv = String::from_utf8(folder.ok(&[&["histogram", "a.npy", "--csv"], &asked[..]].concat())).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("file,channel,from,to,count"));
    let counts = |c: usize| stats["channels"][c]["histogram"]["counts"].as_array().unwrap().clone();
    for c in 0..3 {
        for count in counts(c) {
            let fields: Vec<&str> = lines.next().unwrap().split(',').collect();
            assert_eq!((fields[0], fields[1]), ("a.npy", ["1", "2", "3"][c]));
            assert_eq!(fields[4], count.to_string());
            let (from, to): (f64, f64) = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
            assert!((to - from - 190. / 7.).abs() < 1e-9);
        }
    }
    assert_eq!(lines.next(), None);
    // By default one bin for each value of 8 bits, and 256 over the samples of wider types.
    let found = folder.json(&["histogram", "a.npy", "--json", "--all-channels"]);
    assert_eq!(found["all_channels"]["histogram"]["counts"].as_array().unwrap().len(), 256);
    assert_eq!(found["all_channels"]["histogram"]["max"], 256.0);
    // Of integers each holds equally many values.
    let wide = folder.json(&["histogram", "b.npy", "--json"]);
    let (channel, bins) = (&wide["channels"][0], &wide["channels"][0]["histogram"]);
    let number = |json: &serde_json::Value| json.as_f64().unwrap();
    let counts = bins["counts"].as_array().unwrap();
    let width = (number(&bins["max"]) - number(&bins["min"])) / counts.len() as f64;
    assert_eq!((number(&bins["min"]), width.fract()), (number(&channel["min"]), 0.0));
    assert!(counts.len() <= 256 && number(&bins["max"]) > number(&channel["max"]), "{bins}");
    assert_eq!(counts.iter().map(number).sum::<f64>(), 63.0);
    let few = npy("<i4", &[1, 3], &[-5i32, 2, 4].map(i32::to_le_bytes).concat());
    folder.write("few.npy", &few);
    let text = String::from_utf8(folder.ok(&["histogram", "few.npy", "--csv"])).unwrap();
    assert_eq!(text.lines().count(), 1 + 10);
    assert!(text.contains("few.npy,1,-5.0,-4.0,1\n") && text.ends_with("few.npy,1,4.0,5.0,1\n"), "{text}");
}

#[test]
fn bars_are_as_high_as_bins_are_full() {
    let folder = Folder::new();
    // Of 8 bins the first is full, the third half, the last has one sample of 16.
    let samples = [vec![0u8; 16], vec![2; 8], vec![7]].concat();
    folder.write("a.npy", &npy("|u1", &[5, 5], &samples));
    let text = String::from_utf8(folder.ok(&["histogram", "a.npy", "--bins", "8:0:8"])).unwrap();
    let half = "█\n".repeat(4) + &"█ █\n".repeat(3);
    assert_eq!(text, format!("channel 1: 25 samples, at most 16 in a column\n{half}█ █    ▄\n0      8\n"));
    let text = String::from_utf8(folder.ok(&["histogram", "a.npy", "--bins", "2:1:5"])).unwrap();
    assert!(text.ends_with("16 samples are below\n1 samples are above\n"), "{text}");
    // Bins that do not fit are shown together; all lines fit the terminal.
    let mut command = folder.command(&["histogram", "a.npy"]);
    command.env("COLUMNS", "40");
    let wide = String::from_utf8(crate::util::finish(command).stdout).unwrap();
    assert!(wide.lines().skip(1).all(|line| line.chars().count() <= 40), "{wide}");
}

#[test]
fn plots_are_pictures_of_every_format() {
    let folder = folder();
    for name in ["p.png", "p.jpg", "p.webp", "p.svg"] {
        assert_eq!(folder.ok(&["histogram", "a.npy", "--plot", name]), b"");
        let file = folder.read(name);
        let starts: &[u8] = match name {
            "p.png" => b"\x89PNG",
            "p.jpg" => b"\xff\xd8",
            "p.webp" => b"RIFF",
            _ => b"<svg ",
        };
        assert!(file.starts_with(starts), "{name}");
    }
    let svg = String::from_utf8(folder.read("p.svg")).unwrap();
    assert!(
        svg.contains("channel 3") && svg.contains("sample value (uint8)") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    // The same beside figures, and the figures without it.
    let plain = folder.ok(&["stats", "a.npy"]);
    assert_eq!(folder.ok(&["stats", "a.npy", "--plot", "s.png"]), plain);
    assert!(folder.read("s.png") == folder.read("p.png"));
    let counted = folder.ok(&["stats", "a.npy", "--histogram", "5"]);
    assert_eq!(folder.ok(&["stats", "a.npy", "--histogram", "5", "--plot", "s.svg"]), counted);
    folder.ok(&["stats", "a.npy", "--plot", "s.png", "--overwrite", "--all-channels"]);
    assert!(folder.read("s.png") != folder.read("p.png"));
}

#[test]
fn plots_of_nothing_are_drawn() {
    let folder = Folder::new();
    let nan = [f32::NAN; 6].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    folder.write("nan.npy", &npy("<f4", &[2, 3], &nan));
    folder.ok(&["histogram", "nan.npy", "--plot", "p.png"]);
    let text = String::from_utf8(folder.ok(&["histogram", "nan.npy"])).unwrap();
    assert!(text.starts_with("channel 1: 0 samples"), "{text}");
}

#[test]
fn mistakes_are_refused() {
    let folder = folder();
    folder.write("old.png", b"old");
    for (args, parts) in [
        (&["histogram", "a.npy", "--plot", "p.pdf"][..], &["p.pdf", ".svg", "--plot"][..]),
        (&["histogram", "a.npy", "b.npy", "--plot", "p.png"], &["one input", "--plot"]),
        (&["histogram", "a.npy", "--plot", "old.png"], &["old.png exists", "--overwrite"]),
        (&["histogram", "a.npy", "--plot", "a.npy"], &["a.npy"]),
        (&["histogram", "a.npy", "--plot", "p.png", "--json"], &["--plot", "--json"]),
        (&["histogram", "a.npy", "--overwrite"], &["--plot"]),
        (&["histogram", "a.npy", "--bins", "0"], &["--bins"]),
        (&["histogram", "a.npy", "--bins", "5:2:1"], &["--bins"]),
        (&["histogram"], &["INPUT"]),
        (&["stats", "a.npy", "b.npy", "--plot", "p.png"], &["one input"]),
        (&["stats", "a.npy", "--plot", "p"], &["--plot"]),
        (&["stats", "a.npy", "--overwrite"], &["--plot"]),
    ] {
        let line = folder.refused(2, args);
        for part in parts {
            assert!(line.contains(part), "{args:?}: expected {part} in {line}");
        }
    }
    assert_eq!(folder.read("old.png"), b"old");
}
