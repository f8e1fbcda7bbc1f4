//! `outcrop convert`: options of the output, scales, and what goes along with the pixels.

use crate::util::{Folder, le_bytes, npy};

fn u16s(folder: &Folder, name: &str, shape: &[u64], samples: &[u16]) {
    folder.write(name, &npy("<u2", shape, &le_bytes(samples, u16::to_le_bytes)));
}

/// The samples of a `.npy` file that this program wrote.
fn data(folder: &Folder, name: &str) -> Vec<u8> {
    let file = folder.read(name);
    let header = usize::from(u16::from_le_bytes([file[8], file[9]]));
    file[10 + header..].to_vec()
}

#[test]
fn every_compression_and_layout_comes_back_the_same() {
    let folder = Folder::new();
    let samples: Vec<u16> = (0..70 * 50 * 3).map(|n: u32| (n * n / 7 % 4099) as u16).collect();
    u16s(&folder, "a.npy", &[70, 50, 3], &samples);
    let before = data(&folder, "a.npy");
    for (i, options) in [
        "COMPRESS=NONE TILED=NO",
        "COMPRESS=LZW BLOCKXSIZE=16 BLOCKYSIZE=32",
        "COMPRESS=DEFLATE ZLEVEL=12 INTERLEAVE=BAND",
        "COMPRESS=ZSTD TILED=NO BLOCKYSIZE=7 PREDICTOR=NO",
        "compress=lzma blockxsize=64 bigtiff=yes",
        "COMPRESS=PACKBITS BLOCKXSIZE=512",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("{i}.tif");
        let mut args = vec!["convert", "a.npy", &name];
        options.split(' ').for_each(|o| args.extend(["--co", o]));
        folder.ok(&args);
        folder.ok(&["convert", &name, "back.npy", "--overwrite"]);
        assert_eq!(data(&folder, "back.npy"), before, "{options}");
    }
}

#[test]
fn options_that_do_not_exist_or_do_not_fit_are_refused() {
    let folder = Folder::new();
    u16s(&folder, "a.npy", &[2, 3], &[0; 6]);
    let said = folder.refused(2, &["convert", "a.npy", "b.tif", "--co", "COMPRES=LZW"]);
    assert!(said.contains("nearest is COMPRESS"), "{said}");
    let said = folder.refused(2, &["convert", "a.npy", "b.npy", "--co", "COMPRESS=LZW"]);
    assert!(said.contains("--co is for TIFF outputs"), "{said}");
    folder.refused(2, &["convert", "a.npy", "b.raw", "--bigtiff", "yes"]);
    folder.refused(2, &["convert", "a.npy", "b.tif", "--nan", "nothing"]);
    folder.refused(2, &["convert", "a.npy", "b.tif", "--scale", "7:7"]);
    folder.refused(2, &["convert", "a.npy", "b.tif", "--dtype", "uint8", "--nan", "256"]);
    folder.refused(2, &["convert", "a.npy", "b.tif", "--co", "COMPRESS=JPEG"]);
}

#[test]
fn offsets_have_the_width_asked_for() {
    let folder = Folder::new();
    u16s(&folder, "a.npy", &[2, 3], &[1, 2, 3, 4, 5, 6]);
    folder.ok(&["convert", "a.npy", "auto.tif"]);
    folder.ok(&["convert", "a.npy", "yes.tif", "--bigtiff", "yes"]);
    assert_eq!((folder.read("auto.tif")[2], folder.read("yes.tif")[2]), (42, 43));
}

#[test]
fn sparse_leaves_out_blocks_of_zeros() {
    let folder = Folder::new();
    let mut samples = vec![0u16; 64 * 64];
    samples[0] = 1;
    u16s(&folder, "a.npy", &[64, 64], &samples);
    folder.ok(&["convert", "a.npy", "a.tif", "--sparse", "--co", "BLOCKXSIZE=16"]);
    assert!(folder.read("a.tif").len() < 1200);
    folder.ok(&["convert", "a.tif", "b.npy"]);
    assert_eq!(data(&folder, "b.npy"), data(&folder, "a.npy"));
}

#[test]
fn scales_are_given_or_found() {
    let folder = Folder::new();
    let samples: Vec<u16> = (0..101).map(|n| n * 10).collect();
    u16s(&folder, "a.npy", &[101, 1], &samples);
    let scaled = |scale: &str| {
        folder.ok(&["convert", "a.npy", "b.npy", "--overwrite", "--dtype", "uint8", "--scale", scale]);
        data(&folder, "b.npy")
    };
    let auto = scaled("auto");
    assert_eq!((auto[0], auto[50], auto[100]), (0, 128, 255));
    assert_eq!(scaled("0:1000"), auto);
    let percentile = scaled("percentile:10:90");
    // Ranks 10 and 90 of 101 samples.
    assert_eq!(percentile, scaled("100:900"));
    assert_eq!((percentile[10], percentile[11], percentile[90], percentile[100]), (0, 3, 255, 255));
    assert_eq!(scaled("0:1000:10:20")[100], 20);
}

#[test]
fn a_scale_is_found_among_finite_samples_of_the_region_only() {
    let folder = Folder::new();
    let samples = [f32::NAN, 1.0, 2.0, 3.0, 99.0, 99.0];
    folder.write("a.npy", &npy("<f4", &[2, 3], &le_bytes(&samples, f32::to_le_bytes)));
    let to_u8 = ["--dtype", "uint8", "--scale", "auto", "--nan", "7"];
    let convert = |window: &str, out: &str| {
        folder.ok(&[&["convert", "a.npy", out, "--window", window][..], &to_u8].concat());
        data(&folder, out)
    };
    assert_eq!(convert("0,0,3,1", "b.npy"), [7, 0, 255]);
    assert_eq!(convert("1,1,2,1", "c.npy"), [0, 0]);
    let said =
        folder.refused(2, &[&["convert", "a.npy", "d.npy", "--window", "0,0,1,1"][..], &to_u8].concat());
    assert!(said.contains("no finite samples"), "{said}");
    folder.ok(&["convert", "a.npy", "e.npy", "--nan", "-1"]);
    assert_eq!(data(&folder, "e.npy")[..4], (-1f32).to_le_bytes());
}

#[test]
fn channels_come_in_the_order_asked_for() {
    let folder = Folder::new();
    u16s(&folder, "a.npy", &[1, 2, 3], &[1, 2, 3, 4, 5, 6]);
    folder.ok(&["convert", "a.npy", "b.tif", "--channels", "3,1,1"]);
    folder.ok(&["convert", "b.tif", "b.npy"]);
    assert_eq!(data(&folder, "b.npy"), le_bytes(&[3u16, 1, 1, 6, 4, 4], u16::to_le_bytes));
}

#[test]
fn a_palette_is_indices_or_the_colours_that_they_stand_for() {
    let folder = Folder::new();
    // Two pixels of index 1 and 2; the colour map (SHORTs, of 16 bits each) stands before them.
    let colours = [[0u16, 10, 200], [0, 20, 150], [0, 30, 100]];
    let map = colours.iter().flat_map(|c| (0..256).map(|i| c.get(i).copied().unwrap_or(0) * 257));
    let mut file = b"II*\0\x0a\x06\0\0".to_vec();
    file.extend(map.flat_map(u16::to_le_bytes));
    file.extend([1, 2]);
    let entries =
        [(256, 3, 1, 2), (257, 3, 1, 1), (258, 3, 1, 8), (262, 3, 1, 3), (273, 4, 1, 1544), (279, 4, 1, 2)];
    let entries = entries.into_iter().chain([(320, 3, 768, 8u32)]);
    file.extend(7u16.to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend([tag, kind].map(u16::to_le_bytes).concat());
        file.extend([count, value].map(u32::to_le_bytes).concat());
    }
    file.extend([0; 4]);
    folder.write("a.tif", &file);
    folder.ok(&["convert", "a.tif", "indices.raw"]);
    folder.ok(&["convert", "a.tif", "colours.raw", "--expand-palette"]);
    assert_eq!(folder.read("indices.raw"), [1, 2]);
    assert_eq!(folder.read("colours.raw"), [10, 20, 30, 200, 150, 100]);
}
