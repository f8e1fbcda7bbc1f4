//! `outcrop convert` to TIFF with the codecs that the writer's own tests cannot read back: by outcrop's reader, and by
//! GDAL's tools where they are installed.

use std::process::Command;

use crate::util::{Folder, noise, npy};

fn data(folder: &Folder, name: &str) -> Vec<u8> {
    let file = folder.read(name);
    let header = usize::from(u16::from_le_bytes([file[8], file[9]]));
    file[10 + header..].to_vec()
}

/// Smooth samples with a little noise.
fn smooth(height: usize, width: usize, channels: usize) -> Vec<u8> {
    let noise = noise(height * width * channels);
    let value = |i: usize| {
        let (y, x, c) = (i / channels / width, i / channels % width, i % channels);
        (100.0 + 60.0 * (y as f64 / 30.0).sin() + 50.0 * (x as f64 / 40.0 + c as f64).cos()) as u8
    };
    noise.iter().enumerate().map(|(i, n)| value(i) + n % 4).collect()
}

fn back(folder: &Folder, input: &str, options: &[&str]) -> Vec<u8> {
    let co: Vec<&str> = options.iter().flat_map(|o| ["--co", o]).collect();
    folder.ok(&[&["convert", input, "a.tif", "--overwrite"], &co[..]].concat());
    folder.ok(&["convert", "a.tif", "back.npy", "--overwrite"]);
    data(folder, "back.npy")
}

#[test]
fn webp_and_lerc_come_back_the_same() {
    let folder = Folder::new();
    for channels in [1, 3, 4] {
        let samples = smooth(100, 130, channels);
        folder.write("a.npy", &npy("|u1", &[100, 130, channels as u64], &samples));
        if channels > 1 {
            assert!(back(&folder, "a.npy", &["COMPRESS=WEBP", "BLOCKSIZE=64"]) == samples, "{channels}");
            assert!(back(&folder, "a.npy", &["COMPRESS=WEBP", "TILED=NO"]) == samples, "{channels}");
        }
        for layout in ["INTERLEAVE=PIXEL", "INTERLEAVE=BAND"] {
            let options = ["COMPRESS=LERC", "BLOCKSIZE=64", layout];
            assert!(back(&folder, "a.npy", &options) == samples, "{channels} {layout}");
        }
    }
    for (descr, bytes) in [("|i1", 1), ("<u2", 2), ("<i2", 2), ("<u4", 4), ("<i4", 4)] {
        let samples = noise(50 * 40 * bytes);
        folder.write("a.npy", &npy(descr, &[50, 40], &samples));
        assert!(back(&folder, "a.npy", &["COMPRESS=LERC", "BLOCKSIZE=32"]) == samples, "{descr}");
    }
    let wide = noise(8 * 20);
    folder.write("a.npy", &npy("<u8", &[4, 5], &wide));
    let said = folder.refused(2, &["convert", "a.npy", "b.tif", "--co", "COMPRESS=LERC"]);
    assert!(said.contains("LERC has no uint64"), "{said}");
}

#[test]
fn lerc_keeps_its_error_and_nan() {
    let folder = Folder::new();
    let mut samples: Vec<f32> = smooth(90, 70, 2)
        .iter()
        .zip(noise(90 * 70 * 2))
        .map(|(&a, b)| f32::from(a) + f32::from(b) / 256.0)
        .collect();
    let bytes = |samples: &[f32]| samples.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>();
    folder.write("a.npy", &npy("<f4", &[90, 70, 2], &bytes(&samples)));
    assert!(back(&folder, "a.npy", &["COMPRESS=LERC", "BLOCKSIZE=32"]) == bytes(&samples));
    let lossless = folder.read("a.tif").len();
    let lossy = back(&folder, "a.npy", &["COMPRESS=LERC", "BLOCKSIZE=32", "MAX_Z_ERROR=0.1"]);
    assert!(folder.read("a.tif").len() * 2 < lossless);
    for (found, wanted) in lossy.chunks(4).zip(&samples) {
        let found = f32::from_le_bytes(found.try_into().unwrap());
        assert!((found - wanted).abs() <= 0.1 + 1e-5, "{found} {wanted}");
    }
    // A pixel that is NaN goes into the mask; one that is so in one channel only does not fit.
    (samples[2 * 777], samples[2 * 777 + 1]) = (f32::NAN, f32::NAN);
    folder.write("a.npy", &npy("<f4", &[90, 70, 2], &bytes(&samples)));
    let found = back(&folder, "a.npy", &["COMPRESS=LERC", "BLOCKSIZE=32"]);
    let found: Vec<f32> = found.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert!(found.iter().zip(&samples).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
    samples[100] = f32::NAN;
    folder.write("a.npy", &npy("<f4", &[90, 70, 2], &bytes(&samples)));
    let said = folder.refused(2, &["convert", "a.npy", "c.tif", "--co", "COMPRESS=LERC"]);
    assert!(said.contains("INTERLEAVE=BAND"), "{said}");
    let found = back(&folder, "a.npy", &["COMPRESS=LERC", "BLOCKSIZE=32", "INTERLEAVE=BAND"]);
    let found: Vec<f32> = found.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert!(found.iter().zip(&samples).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
}

#[test]
fn jpeg_blocks_share_their_tables_and_stay_near() {
    let folder = Folder::new();
    for (channels, options) in [
        (1, &["BLOCKSIZE=64"][..]),
        (3, &["BLOCKSIZE=64"]),
        (3, &["BLOCKSIZE=64", "JPEG_SUBSAMPLING=4:4:4"]),
        (4, &["BLOCKSIZE=64", "INTERLEAVE=BAND"]),
        (3, &["TILED=NO", "BLOCKYSIZE=48"]),
        (3, &["BLOCKSIZE=64", "QUALITY=100"]),
        (3, &["BLOCKSIZE=64", "QUALITY=1"]),
    ] {
        let samples = smooth(100, 130, channels);
        folder.write("a.npy", &npy("|u1", &[100, 130, channels as u64], &samples));
        let found = back(&folder, "a.npy", &[&["COMPRESS=JPEG"], options].concat());
        let error: u64 = found.iter().zip(&samples).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = error as f64 / samples.len() as f64;
        let most = if options.contains(&"QUALITY=1") { 40.0 } else { 3.0 };
        assert!(mean < most, "{channels} {options:?}: {mean}");
        let file = folder.read("a.tif");
        let quantisation = file.windows(4).filter(|w| w == &[0xff, 0xdb, 0, 0x43]).count();
        assert_eq!(quantisation, if options.contains(&"INTERLEAVE=BAND") || channels == 1 { 1 } else { 2 });
    }
}

/// What a tool of GDAL or libtiff says; `None` where it is not installed.
fn tool(folder: &Folder, name: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(name).current_dir(folder.path(".")).args(args).output().ok()?;
    let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(out.status.success(), "{name} {args:?}: {said}");
    Some(said)
}

#[test]
fn gdal_knows_the_structure_of_cloud_optimised_files() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[700, 900, 3], &smooth(700, 900, 3)));
    let mut checksums = Vec::new();
    for (bigtiff, at, interleave, header, bytes) in [
        ("no", 8, "PIXEL", "000140", 139),
        ("yes", 16, "PIXEL", "000140", 139),
        ("no", 8, "BAND", "000156", 155),
        ("yes", 16, "BAND", "000156", 155),
    ] {
        let interleave = format!("INTERLEAVE={interleave}");
        let co = ["--co", "COMPRESS=DEFLATE", "--co", "BLOCKSIZE=256", "--co", &interleave];
        folder
            .ok(&[&["pyramid", "a.npy", "a.tif", "--cog", "--overwrite", "--bigtiff", bigtiff], &co[..]]
                .concat());
        let file = folder.read("a.tif");
        let start = format!("GDAL_STRUCTURAL_METADATA_SIZE={header} bytes\nLAYOUT=IFDS_BEFORE_DATA\n");
        assert!(file[at..].starts_with(start.as_bytes()));
        assert!(file[at + 43..at + 43 + bytes].ends_with(b"KNOWN_INCOMPATIBLE_EDITION=NO\n"));
        assert!(file[at + 43 + bytes] == b' ');
        folder.ok(&["convert", "a.tif", "back.npy", "--overwrite"]);
        assert!(data(&folder, "back.npy") == data(&folder, "a.npy"));
        if let Some(said) = tool(&folder, "gdalinfo", &["-checksum", "a.tif"]) {
            assert!(said.contains("LAYOUT=COG"), "{said}");
            assert!(!said.contains("ERROR") && !said.contains("Warning"), "{said}");
            let sums = said.lines().filter(|line| line.contains("Checksum"));
            checksums.push(sums.map(str::to_string).collect::<Vec<_>>());
        }
        if let Some(said) = tool(&folder, "tiffinfo", &["-D", "a.tif"]) {
            assert!(!said.contains("Warning") && !said.contains("rror"), "{said}");
        }
    }
    assert!(checksums.iter().all(|found| *found == checksums[0]), "{checksums:?}");
    // One channel has no planes.
    folder.ok(&["convert", "a.npy", "one.tif", "--channels", "1", "--cog", "--co", "INTERLEAVE=BAND"]);
    assert!(folder.read("one.tif")[8..].starts_with(b"GDAL_STRUCTURAL_METADATA_SIZE=000140"));
}
