//! `outcrop pyramid` to DeepZoom: names, sizes and pixels of the tiles; never half.

use std::collections::BTreeMap;
use std::path::Path;

use crate::util::{Folder, noise, npy};

fn example(folder: &Folder, height: u64, width: u64) -> Vec<u8> {
    let samples = noise((height * width * 3) as usize);
    folder.write("a.npy", &npy("|u1", &[height, width, 3], &samples));
    samples
}

/// Every file below a folder, by path.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for level in std::fs::read_dir(root).unwrap().map(Result::unwrap) {
        for tile in std::fs::read_dir(level.path()).unwrap().map(Result::unwrap) {
            let name = [level.file_name(), tile.file_name()].map(|n| n.into_string().unwrap()).join("/");
            found.insert(name, std::fs::read(tile.path()).unwrap());
        }
    }
    found
}

/// Width, height and samples of a PNG of three channels.
fn picture(file: &[u8]) -> (usize, usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut out = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut out).unwrap();
    (frame.width as usize, frame.height as usize, out)
}

/// Half the rows and columns: the mean of the two by two pixels that exist, half to even.
fn halved(width: usize, height: usize, samples: &[u8]) -> (usize, usize, Vec<u8>) {
    let (w, h) = (width.div_ceil(2), height.div_ceil(2));
    let mut out = Vec::new();
    for (y, x, c) in (0..h).flat_map(|y| (0..w).flat_map(move |x| (0..3).map(move |c| (y, x, c)))) {
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dy, dx)| (2 * y + dy, 2 * x + dx));
        let four: Vec<f64> = places
            .iter()
            .filter(|(y, x)| *y < height && *x < width)
            .map(|(y, x)| f64::from(samples[(y * width + x) * 3 + c]))
            .collect();
        out.push((four.iter().sum::<f64>() / four.len() as f64).round_ties_even() as u8);
    }
    (w, h, out)
}

#[test]
fn tiles_show_every_level_with_their_overlaps() {
    for (height, width, tile, overlap) in [
        (300u64, 521u64, 254usize, 1usize),
        (256, 254, 254, 1),
        (100, 90, 32, 0),
        (70, 133, 16, 8),
        (1, 1, 254, 1),
        (1, 700, 100, 3),
    ] {
        let folder = Folder::new();
        let samples = example(&folder, height, width);
        let (t, o) = (tile.to_string(), overlap.to_string());
        folder.ok(&["pyramid", "a.npy", "a.dzi", "--tile-format", "png", "--tile", &t, "--overlap", &o]);
        assert_eq!(folder.names(), ["a.dzi", "a.npy", "a_files"]);
        let text = String::from_utf8(folder.read("a.dzi")).unwrap();
        let size = format!("<Size Height=\"{height}\" Width=\"{width}\"/>");
        assert!(
            text.contains(&size)
                && text.contains(&format!("Format=\"png\" Overlap=\"{o}\" TileSize=\"{t}\"")),
            "{text}"
        );

        let mut found = files(&folder.path("a_files"));
        let mut level = (width as usize, height as usize, samples);
        let top = height.max(width).next_power_of_two().ilog2();
        for number in (0..=top).rev() {
            let (w, h, samples) = &level;
            for (row, column) in
                (0..h.div_ceil(tile)).flat_map(|r| (0..w.div_ceil(tile)).map(move |c| (r, c)))
            {
                let (y0, x0) =
                    ((row * tile).saturating_sub(overlap), (column * tile).saturating_sub(overlap));
                let (y1, x1) =
                    (((row + 1) * tile + overlap).min(*h), ((column + 1) * tile + overlap).min(*w));
                let want: Vec<u8> =
                    (y0..y1).flat_map(|y| samples[(y * w + x0) * 3..(y * w + x1) * 3].to_vec()).collect();
                let name = format!("{number}/{column}_{row}.png");
                let file = found.remove(&name).unwrap_or_else(|| panic!("{name} is missing"));
                assert!(picture(&file) == (x1 - x0, y1 - y0, want), "{name}");
            }
            level = halved(*w, *h, samples);
        }
        assert!(found.is_empty(), "{:?}", found.keys());
    }
}

#[test]
fn threads_and_budget_change_nothing() {
    let folder = Folder::new();
    example(&folder, 700, 900);
    folder.ok(&["pyramid", "a.npy", "a.dzi"]);
    let first = files(&folder.path("a_files"));
    assert!(first.contains_key("10/3_2.jpg") && first.contains_key("0/0_0.jpg"), "{:?}", first.keys());
    for flags in [&["-j", "1"][..], &["-j", "3", "--memory", "24MiB"], &["--chunk", "1,1"]] {
        folder.ok(&[&["pyramid", "a.npy", "b.dzi", "--overwrite"], flags].concat());
        assert!(files(&folder.path("b_files")) == first, "{flags:?}");
    }
    folder.ok(&["convert", "a.npy", "c.dzi", "--co", "QUALITY=30", "--window", "0,0,300,200"]);
    assert!(files(&folder.path("c_files")).contains_key("9/1_0.jpg"));
    assert_eq!(folder.names(), ["a.dzi", "a.npy", "a_files", "b.dzi", "b_files", "c.dzi", "c_files"]);
}

#[test]
fn what_is_there_is_replaced_only_when_asked_and_only_tiles() {
    let folder = Folder::new();
    example(&folder, 30, 40);
    folder.ok(&["pyramid", "a.npy", "a.dzi"]);
    let said = folder.refused(2, &["pyramid", "a.npy", "a.dzi"]);
    assert!(said.contains("--overwrite"), "{said}");
    std::fs::remove_file(folder.path("a.dzi")).unwrap();
    let said = folder.refused(2, &["pyramid", "a.npy", "a.dzi"]);
    assert!(said.contains("a_files exists"), "{said}");
    folder.ok(&["pyramid", "a.npy", "a.dzi", "--overwrite", "--tile", "16", "--overlap", "0"]);
    assert!(files(&folder.path("a_files")).contains_key("6/2_1.jpg"));
    std::fs::create_dir(folder.path("b_files")).unwrap();
    folder.write("b_files/letter.txt", b"dear");
    let said = folder.refused(2, &["pyramid", "a.npy", "b.dzi", "--overwrite"]);
    assert!(said.contains("letter.txt"), "{said}");
    assert_eq!(folder.read("b_files/letter.txt"), b"dear");
    for flags in [
        &["pyramid", "a.npy", "c.dzi", "--tile", "0"][..],
        &["pyramid", "a.npy", "c.dzi", "--tile", "8", "--overlap", "5"],
        &["pyramid", "a.npy", "c.dzi", "--cog"],
        &["pyramid", "a.npy", "c.dzi", "--bigtiff", "yes"],
        &["pyramid", "a.npy", "c.dzi", "--co", "COMPRESS=LZW"],
        &["pyramid", "a.npy", "c.tif", "--tile", "8"],
        &["convert", "a.npy", "-", "--to", "dzi"],
    ] {
        folder.refused(2, flags);
    }
    folder.write("f.npy", &npy("<f4", &[3, 4], &[0; 48]));
    let said = folder.refused(2, &["pyramid", "f.npy", "c.dzi"]);
    assert!(said.contains("--dtype u8"), "{said}");
}
