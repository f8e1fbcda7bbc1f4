//! Pictures, DeepZoom images and texts that are killed and begun again.

use std::collections::BTreeMap;
use std::path::Path;

use crate::run_control::{SAVED, killed, noise};
use crate::util::Folder;

/// All files of an output, by name.
fn files(folder: &Folder, output: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::from([(String::new(), folder.read(output))]);
    let levels = folder.path(&output.replace(".dzi", "_files"));
    let list = |path: &Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    for level in levels.is_dir().then(|| list(&levels)).into_iter().flatten() {
        for tile in list(&level) {
            let name = tile.strip_prefix(&levels).unwrap().display().to_string();
            found.insert(name, std::fs::read(tile).unwrap());
        }
    }
    found
}

fn survive(outputs: &[(&[&str], &str)], kills: usize) {
    let folder = noise();
    for (number, (args, extension)) in outputs.iter().enumerate() {
        let command = |name: &str| [&args[..1], &["in.tif", name], &args[1..]].concat().join(" ");
        let (wanted, found) = (format!("wanted{number}{extension}"), format!("found{number}{extension}"));
        let undisturbed = command(&wanted);
        folder.ok(&[&undisturbed.split(' ').collect::<Vec<_>>()[..], &["-q", "--chunk", "64,64"]].concat());
        let disturbed = command(&found);
        let disturbed = [&disturbed.split(' ').collect::<Vec<_>>()[..], &SAVED].concat();
        if killed(&folder, &disturbed, Some(&found), kills).is_some() {
            assert!(files(&folder, &found) == files(&folder, &wanted), "{disturbed:?} is other bytes");
        }
    }
}

const PICTURES: [(&[&str], &str); 6] = [
    (&["preview"], ".png"),
    (&["convert"], ".png"),
    (&["convert"], ".jpg"),
    (&["convert"], ".webp"),
    (&["pyramid"], ".dzi"),
    (&["pyramid", "--tile-format", "png", "--tile", "100", "--overlap", "3"], ".dzi"),
];

const TEXTS: [(&[&str], &str); 4] = [
    (&["encode"], ".txt"),
    (&["encode", "--to", "jpeg", "--data-uri"], ".txt"),
    (&["encode", "--to", "npy"], ".txt"),
    (&["encode", "--to", "tiff"], ".txt"),
];

#[test]
fn a_picture_that_is_killed_at_any_moment_goes_on_to_the_same_bytes() {
    survive(&PICTURES, 3);
}

#[test]
fn a_generated_image_that_is_killed_at_any_moment_goes_on_to_the_same_bytes() {
    let folder = Folder::new();
    let size = ["--width", "1400", "--height", "1200", "-q"];
    folder.ok(&[&["generate", "tissue", "wanted.png"], &size[..]].concat());
    let args = [&["generate", "tissue", "found.png"], &size[..4], &SAVED].concat();
    if killed(&folder, &args, Some("found.png"), 3).is_some() {
        assert!(folder.read("found.png") == folder.read("wanted.png"));
    }
}

#[test]
fn a_text_that_is_killed_at_any_moment_goes_on_to_the_same_characters() {
    survive(&TEXTS, 3);
}

#[test]
#[ignore = "long tier"]
fn pictures_and_texts_that_are_killed_fifty_times_stay_the_same() {
    for _ in 0..10 {
        survive(&PICTURES, 5);
        survive(&TEXTS, 5);
    }
}

#[test]
fn an_unfinished_picture_that_was_changed_is_not_gone_on_with() {
    let folder = noise();
    for (output, part) in [
        ("out.png", ".out.png.outcrop-part"),
        ("out.jpg", ".out.jpg.outcrop-part"),
        ("out.txt", ".out.txt.outcrop-part"),
    ] {
        let command = if output == "out.txt" { "encode" } else { "convert" };
        let args = [&[command, "in.tif", output], &SAVED[..]].concat();
        // Killed ever later, until a few bands are there.
        for saves in 3.. {
            let Some(killed) = folder.killed_at_save(saves, &args, &[]) else { return };
            assert!(killed);
            if folder.path(part).metadata().is_ok_and(|file| file.len() >= 3000) {
                break;
            }
        }
        let whole = folder.read(part);
        let mut bytes = whole.clone();
        bytes[100] ^= 1;
        folder.write(part, &bytes);
        let refused = folder.refused(2, &args);
        assert!(refused.contains("the start of the unfinished output"), "{refused}");
        folder.write(part, &whole[..50]);
        let refused = folder.refused(2, &args);
        assert!(refused.contains("the length of the unfinished output"), "{refused}");
        std::fs::remove_file(folder.path(part)).unwrap();
        assert!(folder.refused(2, &args).contains("is gone"));
        std::fs::remove_file(folder.path("run.ckpt")).unwrap();
    }
}

#[test]
fn an_unfinished_deepzoom_image_that_lacks_a_tile_is_not_gone_on_with() {
    let folder = noise();
    let args = [&["pyramid", "in.tif", "out.dzi"], &SAVED[..]].concat();
    // The largest level is cut first.
    let (tiles, tile) = (folder.path(".out_files.outcrop-part/11"), "0_0.jpg");
    let is_begun = |level| {
        let level = folder.path(&format!(".out_files.outcrop-part/{level}"));
        std::fs::read_dir(level).is_ok_and(|tiles| tiles.count() > 0)
    };
    // Begun anew and killed ever later, until that is in the next level: then the tiles of the largest are saved.
    for saves in 1.. {
        let Some(killed) = folder.killed_at_save(saves, &args, &[]) else { return };
        assert!(killed);
        if is_begun(10) {
            break;
        }
        for left in folder.names().iter().filter(|name| name.contains("part") || name.contains("ckpt")) {
            let path = folder.path(left);
            let removed =
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            removed.unwrap();
        }
    }
    let whole = std::fs::read(tiles.join(tile)).unwrap();
    std::fs::write(tiles.join(tile), &whole[..whole.len() - 1]).unwrap();
    let refused = folder.refused(2, &args);
    assert!(refused.contains("the tiles of level 11 of the unfinished output"), "{refused}");
    std::fs::remove_file(tiles.join(tile)).unwrap();
    let refused = folder.refused(2, &args);
    assert!(refused.contains("tile 0_0 of level 11 of the unfinished output"), "{refused}");
    std::fs::write(tiles.join(tile), whole).unwrap();
    folder.ok(&args);
    folder.ok(&["pyramid", "in.tif", "wanted.dzi", "-q"]);
    assert!(files(&folder, "out.dzi") == files(&folder, "wanted.dzi"));
}
