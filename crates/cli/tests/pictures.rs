//! `outcrop convert` and others to PNG, JPEG and WebP.

use crate::util::{Folder, noise, npy};

const EXAMPLE: [u64; 3] = [600, 700, 3];

fn example(folder: &Folder) -> Vec<u8> {
    let samples = noise(600 * 700 * 3);
    folder.write("a.npy", &npy("|u1", &EXAMPLE, &samples));
    samples
}

fn png_samples(file: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut out = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut out).unwrap();
    out
}

#[test]
fn a_png_holds_the_samples_and_is_the_same_on_every_way() {
    let folder = Folder::new();
    let samples = example(&folder);
    folder.ok(&["convert", "a.npy", "a.png"]);
    let file = folder.read("a.png");
    assert!(png_samples(&file) == samples);
    for (name, flags) in [
        ("1.png", &["-j", "1"][..]),
        ("2.png", &["-j", "4", "--chunk", "1,1"]),
        ("3.png", &["--memory", "24MiB"]),
    ] {
        folder.ok(&[&["convert", "a.npy", name], flags].concat());
        assert!(folder.read(name) == file, "{flags:?}");
    }
    assert!(folder.ok(&["convert", "a.npy", "-", "--to", "png"]) == file);
    // By way of tiles whose borders are not those of the bands.
    folder.ok(&["convert", "a.npy", "a.tif", "--co", "BLOCKSIZE=48"]);
    folder.ok(&["convert", "a.tif", "tiled.png"]);
    assert!(folder.read("tiled.png") == file);
}

#[test]
fn jpeg_and_webp_are_the_same_on_every_way() {
    let folder = Folder::new();
    example(&folder);
    for to in ["jpeg", "webp"] {
        let (one, other) = (format!("1.{to}"), format!("2.{to}"));
        folder.ok(&["convert", "a.npy", &one]);
        folder.ok(&["convert", "a.npy", &other, "-j", "1", "--chunk", "16,16"]);
        assert!(folder.read(&one) == folder.read(&other), "{to}");
        assert!(folder.ok(&["convert", "a.npy", "-", "--to", to]) == folder.read(&one), "{to}");
    }
    folder.ok(&["convert", "a.npy", "small.jpg", "--co", "QUALITY=20"]);
    assert!(folder.read("small.jpg").len() * 2 < folder.read("1.jpeg").len());
}

#[test]
fn other_commands_write_pictures_too() {
    let folder = Folder::new();
    let samples = example(&folder);
    folder.ok(&["reduce", "max", "a.npy", "max.png", "--over", "c"]);
    let most: Vec<u8> = samples.chunks(3).map(|p| p.iter().copied().max().unwrap()).collect();
    assert!(png_samples(&folder.read("max.png")) == most);
}

#[test]
fn what_a_picture_cannot_hold_ends_with_the_flag_that_helps() {
    let folder = Folder::new();
    folder.write("f.npy", &npy("<f4", &[3, 4], &[0; 48]));
    folder.write("five.npy", &npy("|u1", &[2, 3, 5], &[7; 30]));
    for (input, output, help) in [
        ("f.npy", "a.png", "(--scale auto --dtype u8)"),
        ("f.npy", "a.jpg", "(--scale auto --dtype u8)"),
        ("five.npy", "a.png", "(--channels 1-3)"),
        ("five.npy", "a.webp", "(--channels 1-3)"),
    ] {
        let said = folder.refused(2, &["convert", input, output]);
        assert!(said.trim_end().ends_with(help), "{said}");
    }
    folder.refused(2, &["convert", "five.npy", "a.jpg", "--channels", "1-3", "--co", "QUALITY=101"]);
    folder.refused(2, &["convert", "five.npy", "a.jpg", "--channels", "1-3", "--co", "ZLEVEL=1"]);
    folder.refused(2, &["convert", "five.npy", "a.webp", "--channels", "1-3", "--co", "QUALITY=1"]);
    folder.refused(2, &["convert", "five.npy", "a.png", "--channels", "1-3", "--pyramid"]);
    folder.refused(2, &["convert", "five.npy", "a.png", "--channels", "1-3", "--bigtiff", "yes"]);
    folder.write("wide.npy", &npy("|u1", &[1, 65536], &[7; 65536]));
    let said = folder.refused(2, &["convert", "wide.npy", "a.jpg"]);
    assert!(said.contains("65535"), "{said}");
    folder.ok(&["convert", "wide.npy", "a.png"]);
}
