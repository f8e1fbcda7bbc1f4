//! Headers that claim absurd things: an error or the right figures, and little memory whatever they say. The whole program
//! is measured, from its start to its end.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use serde_json::Value as Json;

use crate::util::{Folder, finish, npy, sparse};

/// What a run may hold at its peak, in KiB: a budget of 64 MiB, and the program.
const PEAK: u64 = 96 << 10;

const BYTE: u64 = 1;
const ASCII: u64 = 2;
const SHORT: u64 = 3;
const DOUBLE: u64 = 12;
const LONG8: u64 = 16;

/// A tag: number, field type, count, and the value or where the values lie.
type Tag = (u64, u64, u64, u64);

/// A page of 8-bit samples whose one block is what follows the header, with tags replaced or added.
fn page(height: u64, width: u64, stored: usize, changes: &[Tag]) -> Vec<Tag> {
    let mut tags: Vec<Tag> = vec![
        (256, LONG8, 1, width),
        (257, LONG8, 1, height),
        (258, SHORT, 1, 8),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, 1),
        (273, LONG8, 1, 16),
        (277, SHORT, 1, 1),
        (278, LONG8, 1, height),
        (279, LONG8, 1, stored as u64),
    ];
    tags.retain(|tag| changes.iter().all(|change| change.0 != tag.0));
    tags.extend(changes);
    tags
}

/// A BigTIFF: `data` from byte 16, then one directory, whose successor lies at `next`.
fn bigtiff(data: &[u8], tags: &[Tag], next: Option<u64>) -> Vec<u8> {
    let at = (16 + data.len() as u64).next_multiple_of(8);
    let mut file = b"II+\0\x08\0\0\0".to_vec();
    file.extend(at.to_le_bytes());
    file.extend(data);
    file.resize(at as usize, 0);
    file.extend((tags.len() as u64).to_le_bytes());
    for &(tag, kind, count, value) in tags {
        file.extend((tag as u16).to_le_bytes());
        file.extend((kind as u16).to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(next.unwrap_or(0).to_le_bytes());
    file
}

/// The same of a page, its block apart from nothing else.
fn tiff(height: u64, width: u64, stored: &[u8], changes: &[Tag]) -> Vec<u8> {
    bigtiff(stored, &page(height, width, stored.len(), changes), None)
}

/// Runs a command and holds its peak against what it may be. The exit code, and what was said.
fn run(folder: &Folder, args: &[&str]) -> Option<(i32, Vec<u8>, String)> {
    let outcome = finish(folder.shimmed("peak", args)?);
    let code = outcome.code.unwrap_or_else(|| panic!("{args:?} was killed: {}", outcome.stderr));
    let peak: u64 = String::from_utf8(folder.read("fired")).unwrap().parse().unwrap();
    std::fs::remove_file(folder.path("fired")).unwrap();
    println!("{args:?}: exit code {code}, {peak} KiB {}", outcome.stderr.trim());
    assert!(peak <= PEAK, "{args:?}: {peak} KiB");
    assert!(!outcome.stderr.contains("panic"), "{args:?}: {}", outcome.stderr);
    Some((code, outcome.stdout, outcome.stderr))
}

/// `info` shows it or refuses it; `stats` refuses it with one of these words, whether it is mapped or read. `None` without
/// the shim.
fn refused(folder: &Folder, name: &str, words: &str) -> Option<()> {
    let (code, _, said) = run(folder, &["info", name])?;
    assert!(matches!(code, 0 | 1), "{name}: {said}");
    for io in ["map", "read"] {
        let (code, out, said) = run(folder, &["stats", name, "--memory", "64M", "-j", "8", "--io", io])?;
        assert!(matches!(code, 1 | 5) && out.is_empty(), "{name}: {code}: {said}");
        assert!(said.lines().count() == 1 && said.len() < 400, "{name}: {said}");
        assert!(words.split('|').any(|word| said.contains(word)), "{name}: {said}, expected {words}");
    }
    Some(())
}

/// Both commands succeed, and the mean of all samples is this one.
fn measured(folder: &Folder, name: &str, mean: f64) -> Option<()> {
    let (code, _, said) = run(folder, &["info", name])?;
    assert_eq!((code, said.as_str()), (0, ""), "{name}");
    for io in ["map", "read"] {
        let (code, out, said) =
            run(folder, &["stats", name, "--memory", "64M", "-j", "8", "--json", "--io", io])?;
        assert_eq!((code, said.as_str()), (0, ""), "{name}");
        let report: Json = serde_json::from_slice(&out).unwrap();
        assert_eq!(report["channels"][0]["mean"], mean, "{name}: {report}");
    }
    Some(())
}

const NEEDS: &str = "the job needs at least|the limit is";

#[test]
fn absurd_sizes_of_a_tiff_take_no_memory() {
    let folder = Folder::new();
    let sides = (1 << 32) - 1;
    let tiles = |side, count| [(322, LONG8, 1, side), (323, LONG8, 1, side), (324, LONG8, count, 16)];
    let mut cases = vec![
        ("sides of 2^40", tiff(1 << 40, 1 << 40, &[7; 1000], &[]), "more than 32 bits"),
        (
            "a table of 2^32",
            tiff(sides, sides, &[7; 1000], &[&tiles(1 << 16, 1 << 32)[..], &[(259, SHORT, 1, 8)]].concat()),
            "TileOffsets (tag 324) claims 4294967296 values",
        ),
        (
            "a count of 2^61",
            tiff(100, 100, &[7; 10_000], &[(273, LONG8, 1 << 61, 16)]),
            "StripOffsets (tag 273) claims 2305843009213693952 values",
        ),
        (
            "depths of 2^61",
            tiff(100, 100, &[7; 10_000], &[(258, SHORT, 1 << 61, 16)]),
            "BitsPerSample (tag 258) claims",
        ),
    ];
    for compression in [1, 4, 5, 7, 8, 32773, 34887, 34925, 50000, 50001, 50002, 34712] {
        let bits = if compression == 4 { 1 } else { 8 };
        let codec = [(258, SHORT, 1, bits), (259, SHORT, 1, compression)];
        let of_tiles = [&tiles(1 << 31, 1)[..], &codec].concat();
        cases.push(("tiles of 2^31", tiff(1 << 31, 1 << 31, &[7; 1000], &of_tiles), NEEDS));
        cases.push(("a small image in a tile of 2^31", tiff(99, 99, &[7; 1000], &of_tiles), NEEDS));
        cases.push(("sides of 2^32", tiff(sides, sides, &[7; 1000], &codec), NEEDS));
    }
    for planar in [1, 2] {
        let deep = [(258, SHORT, 1, 64), (277, SHORT, 1, 65_535), (284, SHORT, 1, planar)];
        let lzw = [&deep[..], &[(259, SHORT, 1, 5)]].concat();
        cases.push(("65,535 samples", tiff(100, 100, &[7; 1000], &deep), NEEDS));
        cases.push(("65,535 samples with LZW", tiff(100, 100, &[7; 1000], &lzw), NEEDS));
        let odd = [&deep[..], &[(259, SHORT, 1, 34933)]].concat();
        cases.push(("65,535 samples of PNG", tiff(100, 100, &[7; 1000], &odd), "Png of 64 bits"));
    }
    for (what, file, words) in cases {
        folder.write("a.tif", &file);
        println!("{what}");
        if refused(&folder, "a.tif", words).is_none() {
            return;
        }
    }
}

#[test]
fn blocks_that_claim_more_than_they_are_take_no_memory() {
    let folder = Folder::new();
    // An image of 13 x 9 pixels, and one that says that it has 65,500 x 65,500.
    let mut jpeg = include_bytes!("../../reader/src/tiff/codec/testdata/gray.jpg").to_vec();
    let frame = jpeg.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    folder.write("sof.tif", &tiff(9, 13, &jpeg, &[(259, SHORT, 1, 7)]));
    let words = "an image of 65500 x 65500 pixels in a block of 13 x 9";
    if refused(&folder, "sof.tif", words).is_none() {
        return;
    }
    folder.write("both.tif", &tiff(65_500, 65_500, &jpeg, &[(259, SHORT, 1, 7)]));
    refused(&folder, "both.tif", NEEDS);
    folder.write("sof.jpg", &jpeg);
    refused(&folder, "sof.jpg", "needs");
    // ZSTD: a frame whose window is 2 GiB, of one raw block. A small image is decoded without a window, a large one needs it.
    let frame = |window: u8| {
        let head = [0x28, 0xb5, 0x2f, 0xfd, 0, window, 0x81, 0x38, 1];
        [&head[..], &[7; 10_000]].concat()
    };
    let zstd = [(259, SHORT, 1, 50000)];
    folder.write("window.tif", &tiff(100, 100, &frame(21 << 3), &zstd));
    measured(&folder, "window.tif", 7.0);
    folder.write("window.tif", &tiff(20_000, 20_000, &frame(21 << 3), &zstd));
    refused(&folder, "window.tif", NEEDS);
    folder.write("window.tif", &tiff(20_000, 20_000, &frame(10 << 3), &zstd));
    refused(&folder, "window.tif", "the block ends early");
    // A frame whose content is 2^60 bytes.
    let size = (1u64 << 60).to_le_bytes();
    let content = [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &size, &[0x81, 0x38, 1], &[7; 10_000]].concat();
    folder.write("content.tif", &tiff(100, 100, &content, &zstd));
    refused(&folder, "content.tif", "page 0, block 0");
}

#[test]
fn absurd_metadata_of_a_tiff_takes_no_memory() {
    let folder = Folder::new();
    let pixels = [7; 10_000];
    let with = |changes: &[Tag]| tiff(100, 100, &pixels, changes);
    // A chain of directories that returns to its first.
    let at = (16 + pixels.len() as u64).next_multiple_of(8);
    folder.write("cycle.tif", &bigtiff(&pixels, &page(100, 100, pixels.len(), &[]), Some(at)));
    if refused(&folder, "cycle.tif", "the chain of directories returns to byte").is_none() {
        return;
    }
    folder.write("text.tif", &with(&[(270, ASCII, 1 << 61, 16)]));
    measured(&folder, "text.tif", 7.0);
    folder.write("subs.tif", &with(&[(330, LONG8, 1 << 61, 16)]));
    refused(&folder, "subs.tif", "SubIFDs (tag 330) claims");
    // A palette of two colours: indices are read, colours cannot be.
    folder.write("palette.tif", &with(&[(262, SHORT, 1, 3), (320, SHORT, 6, 16)]));
    measured(&folder, "palette.tif", 7.0);
    let (code, _, said) = run(&folder, &["stats", "palette.tif", "--expand-palette"]).unwrap();
    assert!(code == 1 && said.contains("ColorMap (tag 320) has 6 values, expected 768"), "{said}");
    // A stack of one directory and more planes than there can be.
    let text = b"ImageJ=1.54f\nimages=18446744073709551615\n";
    let stack = [&pixels[..], text].concat();
    let tags = page(100, 100, pixels.len(), &[(270, ASCII, text.len() as u64, 16 + 10_000)]);
    folder.write("stack.tif", &bigtiff(&stack, &tags, None));
    let (code, _, said) = run(&folder, &["stats", "stack.tif", "--memory", "64M"]).unwrap();
    assert!(code == 0 && said.contains("18446744073709551614 planes behind the first"), "{said}");

    // OME-XML of 6 MB with 100,000 channels and places of planes.
    let mut xml = String::from("<OME><Image><Pixels SizeC='4000000000' SizeZ='4000000000' SizeT='9'>");
    (0..100_000).for_each(|i| xml += &format!("<Channel Name='c{i}'/><TiffData IFD='{i}' FirstC='{i}'/>"));
    let ome = [&pixels[..], xml.as_bytes()].concat();
    let tags = page(100, 100, pixels.len(), &[(270, ASCII, xml.len() as u64, 16 + 10_000)]);
    folder.write("ome.tif", &bigtiff(&ome, &tags, None));
    measured(&folder, "ome.tif", 7.0);
}

/// Values of tags that lie in the file, which is as long as it must be for them and has little in it.
#[test]
fn long_tags_of_sparse_files_take_no_memory() {
    let folder = Folder::new();
    let long = 16 << 20;
    // Each begins at its own place, with that text again and again.
    let write = |name: &str, tags: &[(u64, u64, u64)], text: &[u8]| {
        let start = 1 << 20;
        let places = (0..).map(|i| start + i * 8 * long);
        let tags: Vec<Tag> = tags.iter().zip(places).map(|(&(a, b, c), at)| (a, b, c, at)).collect();
        let file = tiff(100, 100, &[7; 10_000], &tags);
        sparse(&folder.path(name), start + 8 * long * tags.len() as u64);
        let out = OpenOptions::new().write(true).open(folder.path(name)).unwrap();
        out.write_all_at(&file, 0).unwrap();
        let text = text.repeat((2 * long as usize).checked_div(text.len()).unwrap_or(0));
        tags.iter().for_each(|tag| out.write_all_at(&text, tag.3).unwrap());
    };
    write("icc.tif", &[(34675, BYTE, long)], b"");
    if measured(&folder, "icc.tif", 7.0).is_none() {
        return;
    }
    let numbers = [33550, 33922, 34264, 34736].map(|tag| (tag, DOUBLE, long));
    write("geo.tif", &numbers, b"");
    measured(&folder, "geo.tif", 7.0);
    write("texts.tif", &[270, 305].map(|tag| (tag, ASCII, long)), b"\xe9");
    measured(&folder, "texts.tif", 7.0);
    write("items.tif", &[(42112, ASCII, 2 << 20)], b"<Item>");
    measured(&folder, "items.tif", 7.0);
    write("ome.tif", &[(270, ASCII, 2 * long)], b"<OME><a>");
    measured(&folder, "ome.tif", 7.0);
    write("ome.tif", &[(270, ASCII, 4 * long)], b"<OME><a>");
    measured(&folder, "ome.tif", 7.0);
    let (_, text, _) = run(&folder, &["info", "ome.tif"]).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("tag 270"));
}

#[test]
fn absurd_headers_of_other_formats_take_no_memory() {
    let folder = Folder::new();
    // A `.npy` header of 4 GiB, in a file that has them and in one that has not.
    let head = [b"\x93NUMPY\x02\0", &0xffff_fff0u32.to_le_bytes()[..], b"{'descr': '<f8'"].concat();
    folder.write("short.npy", &head);
    if refused(&folder, "short.npy", "the .npy header needs 4 GiB").is_none() {
        return;
    }
    sparse(&folder.path("long.npy"), 5 << 30);
    let file = OpenOptions::new().write(true).open(folder.path("long.npy")).unwrap();
    file.write_all_at(&head, 0).unwrap();
    refused(&folder, "long.npy", "the .npy header needs 4 GiB");
    let side = (1 << 32) - 1;
    folder.write("shape.npy", &npy("<f8", &[side, side, side], &[0; 100]));
    refused(&folder, "shape.npy", "is larger than any file|the header promises");

    folder.write("a.dat", &[7; 1000]);
    for (fields, words) in [
        (format!("samples = 10\nlines = {}", 1u64 << 62), "is larger than any file"),
        (format!("samples = {}\nlines = {}", u64::MAX, u64::MAX), "is larger than any file"),
        (format!("samples = {side}\nlines = 9"), "bytes"),
        (format!("samples = 10\nlines = 10\nheader offset = {}", u64::MAX), "bytes"),
    ] {
        for interleave in ["bsq", "bil", "bip"] {
            let header = format!("ENVI\nbands = 3\ndata type = 1\ninterleave = {interleave}\n{fields}\n");
            folder.write("a.hdr", header.as_bytes());
            refused(&folder, "a.hdr", words);
        }
    }
    sparse(&folder.path("a.hdr"), 4 << 30);
    let file = OpenOptions::new().write(true).open(folder.path("a.hdr")).unwrap();
    file.write_all_at(b"ENVI\nsamples = 10\nlines = 10\ndescription = {", 0).unwrap();
    refused(&folder, "a.hdr", "the ENVI header needs 4 GiB");
}

/// Each page is a directory of its own, 60,000 of them with one block between them: what is said of a page is written when it is
/// its turn.
#[test]
fn the_facts_of_many_pages_are_written_one_after_the_other() {
    const PAGES: u64 = 60_000;
    let folder = Folder::new();
    let tags = page(1, 16, 16, &[]);
    let bytes = 8 + 20 * tags.len() as u64 + 8;
    let mut file = bigtiff(&[7; 16], &tags, Some(32 + bytes));
    let directory = file.split_off(32);
    for number in 1..=PAGES {
        let next = if number < PAGES { 32 + number * bytes } else { 0 };
        file.extend(&directory[..directory.len() - 8]);
        file.extend(next.to_le_bytes());
    }
    folder.write("many.tif", &file);
    for args in [&["info", "many.tif", "--json"][..], &["info", "many.tif", "--json", "--sizes"]] {
        let Some((code, out, said)) = run(&folder, args) else { return };
        assert_eq!((code, said.as_str()), (0, ""));
        let image = &serde_json::from_slice::<Json>(&out).unwrap()["image"];
        assert_eq!(image["pages"].as_array().unwrap().len() as u64, PAGES);
        assert_eq!(image["pages"][59_999]["width"], 16);
        if args.len() > 3 {
            assert_eq!(image["sizes"]["images"][59_999]["stored_bytes"], 16);
            assert_eq!(image["sizes"]["memory_bytes"], 16 * PAGES);
        }
    }
}
