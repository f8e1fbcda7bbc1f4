//! Directories made byte by byte: what the reader puts up with, what it refuses, and that it never does worse.

mod util;

use std::sync::Arc;

use outcrop_core::{BlockLayout, Channels, DataType, Error, Rect, Source, Value};
use outcrop_reader::tiff::{self, BadBlocks, TiffOptions};
use outcrop_reader::{IoMode, Store};
use proptest::prelude::*;
use util::tiff::*;

#[test]
fn every_container_reads_alike() {
    for (little, big) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut b = Builder::new(little, big);
        let tags = gray(&mut b, 7, 5, 3, &[]);
        b.page(&tags);
        assert_eq!(all(&b.bytes, &TiffOptions::default()).unwrap(), ramp(35));
        let source = open_with(&b.bytes, IoMode::Read, &TiffOptions::default()).unwrap();
        assert_eq!(source.image().format, if big { "BigTIFF" } else { "TIFF" });
        assert_eq!(source.image().layout, BlockLayout::Strips { rows: 3, planar: false, whole: false });
    }
}

#[test]
fn what_libtiff_puts_up_with_is_read() {
    let ramp = ramp(20);
    let cases: &[(&str, &[Tag])] = &[
        ("no StripByteCounts", &[(279, LONG, vec![])]),
        (
            "no RowsPerStrip and one strip",
            &[(278, SHORT, vec![]), (273, LONG, vec![8]), (279, LONG, vec![20])],
        ),
        (
            "RowsPerStrip without bound",
            &[(278, LONG, vec![0xffff_ffff]), (273, LONG, vec![8]), (279, LONG, vec![20])],
        ),
        ("no RowsPerStrip and strips that follow each other", &[(278, SHORT, vec![])]),
        ("one strip of 0 bytes", &[(278, LONG, vec![9]), (273, LONG, vec![8]), (279, LONG, vec![0])]),
        ("counts too large", &[(279, LONG, vec![1000, 1000, 1000])]),
        ("a table of counts too short", &[(279, LONG, vec![8])]),
        ("a table of offsets too long", &[(273, SHORT, vec![8, 16, 24, 0, 99])]),
        ("sizes as LONG8", &[(256, LONG8, vec![4]), (257, LONG8, vec![5])]),
        ("sizes as BYTE", &[(256, BYTE, vec![4]), (257, BYTE, vec![5])]),
        ("an unknown field type", &[(60000, 99, vec![1, 2, 3, 4, 5])]),
        ("SampleFormat void", &[(339, SHORT, vec![4])]),
    ];
    for (what, changes) in cases {
        assert_eq!(changed(changes).unwrap_or_else(|e| panic!("{what}: {e}")), ramp, "{what}");
    }
    // A gap between strips: which rows are missing is not known.
    let gap = refusal(changed(&[(278, SHORT, vec![]), (273, LONG, vec![8, 17, 25])]));
    assert!(gap.contains("has 8 bytes at byte 8, expected 20"), "{gap}");
}

#[test]
fn tags_out_of_order_and_twice_are_read() {
    let mut b = Builder::new(true, false);
    let mut tags = gray(&mut b, 5, 4, 2, &[]);
    tags.reverse();
    tags.push((256, SHORT, vec![400]));
    b.page(&tags);
    assert_eq!(all(&b.bytes, &TiffOptions::default()).unwrap(), ramp(20));
}

#[test]
fn one_bits_per_sample_serves_all_samples() {
    let changes: [Tag; 3] = [(277, SHORT, vec![2]), (256, SHORT, vec![2]), (262, SHORT, vec![1])];
    assert_eq!(changed(&changes).unwrap(), ramp(20));
}

#[test]
fn metadata_past_the_end_is_named_and_left_out() {
    let mut b = Builder::new(true, false);
    let mut tags = gray(&mut b, 5, 4, 2, &[]);
    tags.push((34675, LONG8, vec![1, 2, 3]));
    b.page(&tags);
    let at = b.bytes.windows(2).rposition(|w| w == 34675u16.to_le_bytes()).unwrap();
    b.bytes[at + 8..at + 12].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let source = open_with(&b.bytes, IoMode::Map, &TiffOptions::default()).unwrap();
    let unread = &source.image().metadata.other.iter().find(|o| o.0 == "unread tags").unwrap().1;
    assert!(unread.contains("34675") && unread.contains("2147483647"), "{unread}");
}

#[test]
fn broken_directories_are_refused_with_tag_and_offset() {
    let cases: &[(&[Tag], &str)] = &[
        (&[(256, SHORT, vec![])], "lacks ImageWidth (tag 256)"),
        (&[(257, SHORT, vec![0])], "ImageLength (tag 257) is 0"),
        (&[(256, LONG8, vec![1 << 33])], "ImageWidth (tag 256) of 8589934592"),
        (&[(256, DOUBLE, vec![4])], "ImageWidth (tag 256) has field type 12, expected an integer"),
        (&[(273, LONG, vec![])], "lacks StripOffsets (tag 273)"),
        (&[(258, SHORT, vec![0])], "BitsPerSample (tag 258) is 0"),
        (&[(258, SHORT, vec![65])], "samples of 65 bits"),
        (&[(258, SHORT, vec![64]), (339, SHORT, vec![6])], "complex samples (SampleFormat 6, 64 bits)"),
        (&[(258, SHORT, vec![128]), (339, SHORT, vec![6])], "complex samples (SampleFormat 6, 128 bits)"),
        (&[(277, SHORT, vec![2]), (339, SHORT, vec![1, 2])], "samples of different formats"),
        (&[(259, SHORT, vec![4711])], "4711"),
    ];
    for (changes, expected) in cases {
        let why = refusal(changed(changes));
        assert!(why.contains(expected), "{why}, expected {expected}");
    }
}

#[test]
fn what_is_no_tiff_is_refused() {
    let refused = |bytes: &[u8]| refusal(open_with(bytes, IoMode::Map, &TiffOptions::default()).map(|_| ()));
    assert!(refused(b"GIF89a..").contains("not a TIFF"));
    assert!(refused(b"II*\0\x08").contains("cut short (5 bytes)"));
    assert!(refused(b"II*\0\0\0\0\0").contains("no directory"));
    assert!(refused(b"II*\0\xff\0\0\0").contains("byte 255 lies beyond the end of the file (8 bytes)"));
    assert!(refused(b"II*\0\x08\0\0\0\xff\xff....").contains("claims 65535 entries"));
    assert!(refused(b"II+\0\x04\0\0\0\x10\0\0\0\0\0\0\0").contains("offsets of 4 bytes"));
}

#[test]
fn a_chain_that_returns_is_refused() {
    for (to_itself, sub) in [(true, false), (false, false), (true, true)] {
        let mut b = Builder::new(true, false);
        let mut tags = gray(&mut b, 5, 4, 2, &[]);
        if sub {
            tags.push((330, LONG, vec![0]));
        }
        let first = b.page(&tags);
        if sub {
            let at = b.bytes.windows(2).rposition(|w| w == 330u16.to_le_bytes()).unwrap();
            b.bytes[at + 8..at + 12].copy_from_slice(&(first as u32).to_le_bytes());
        } else {
            if !to_itself {
                let tags = gray(&mut b, 5, 4, 2, &[]);
                b.page(&tags);
            }
            b.chain(first);
        }
        let why = refusal(all(&b.bytes, &TiffOptions::default()));
        let expected = if sub { "SubIFDs (tag 330)" } else { "returns to byte" };
        assert!(why.contains(expected) && why.contains(&first.to_string()), "{why}");
    }
}

#[test]
fn a_bad_block_is_an_error_of_its_own_or_a_hole() {
    for (changes, why) in [
        (vec![(273, LONG, vec![8, 1 << 30, 24])], "beyond the end of the file"),
        (vec![(279, LONG, vec![8, 7, 4])], "has 7 bytes at byte 16, expected 8"),
        (
            vec![(273, LONG, vec![8]), (279, LONG, vec![8])],
            "StripOffsets (tag 273) has 1 values for 3 blocks",
        ),
    ] {
        let mut b = Builder::new(true, false);
        let changes: Vec<Tag> = changes;
        let tags = gray(&mut b, 5, 4, 2, &changes);
        b.page(&tags);
        let rows = |y, height| Rect { y, x: 0, height, width: 4 };
        for io in [IoMode::Map, IoMode::Read] {
            let source = open_with(&b.bytes, io, &TiffOptions::default()).unwrap();
            assert_eq!(read(&source, rows(0, 2), &[0]).unwrap().0, ramp(8));
            let error = read(&source, rows(1, 2), &[0]).unwrap_err();
            assert!(matches!(error, Error::Block { page: 0, block: 1, .. }), "{error}");
            assert!(error.to_string().contains(why), "{error}");

            let options = TiffOptions { bad_blocks: BadBlocks::Fill(Value::Int(77)), ..Default::default() };
            let source = open_with(&b.bytes, io, &options).unwrap();
            let (samples, holes) = read(&source, rows(1, 2), &[0]).unwrap();
            assert_eq!(samples, [4., 5., 6., 7., 77., 77., 77., 77.]);
            assert!(holes.len() == 1 && holes[0].starts_with("bad 0,2,4,1: page 0, block 1"), "{holes:?}");
        }
    }
    let options = TiffOptions { bad_blocks: BadBlocks::Fill(Value::Int(300)), ..Default::default() };
    let mut b = Builder::new(true, false);
    let tags = gray(&mut b, 5, 4, 2, &[]);
    b.page(&tags);
    assert!(refusal(all(&b.bytes, &options)).contains("no sample of uint8 is 300"));
}

#[test]
fn absent_blocks_read_as_nodata_or_zero() {
    for (nodata, value) in
        [(vec![], 0.), (b"42\0".map(u64::from).to_vec(), 42.), (b"-9999\0".map(u64::from).to_vec(), 0.)]
    {
        let mut b = Builder::new(true, false);
        let changes = [(273, LONG, vec![8, 0, 24]), (279, LONG, vec![8, 0, 4]), (42113, ASCII, nodata)];
        let tags = gray(&mut b, 5, 4, 2, &changes);
        b.page(&tags);
        let source = open_with(&b.bytes, IoMode::Map, &TiffOptions::default()).unwrap();
        let (samples, holes) = read(&source, Rect { y: 1, x: 1, height: 3, width: 2 }, &[0]).unwrap();
        assert_eq!(samples, [5., 6., value, value, value, value]);
        assert_eq!(holes, ["sparse 1,2,2,2"]);
        assert_eq!(source.image().nodata.len(), usize::from(value != 0.));
    }
}

/// Planes of 2 x 3 pixels: 0 to 5, 6 to 11, 12 to 17.
fn planar(b: &mut Builder) {
    let start = b.data(&(0..18).collect::<Vec<u8>>());
    let changes = [
        (277, SHORT, vec![3]),
        (284, SHORT, vec![2]),
        (273, LONG, vec![start, start + 6, start + 12]),
        (279, LONG, vec![6; 3]),
    ];
    let tags = gray(b, 2, 3, 2, &changes);
    b.page(&tags);
}

#[test]
fn planes_are_lent_and_picked() {
    let mut b = Builder::new(true, false);
    planar(&mut b);
    for io in [IoMode::Map, IoMode::Read] {
        let source = open_with(&b.bytes, io, &TiffOptions::default()).unwrap();
        let row = Rect { y: 1, x: 1, height: 1, width: 2 };
        for (channels, expected) in [
            (vec![0, 1, 2], vec![4., 10., 16., 5., 11., 17.]),
            (vec![0, 2], vec![4., 16., 5., 17.]),
            (vec![2, 0, 0], vec![16., 4., 4., 17., 5., 5.]),
            (vec![1], vec![10., 11.]),
        ] {
            assert_eq!(read(&source, row, &channels).unwrap().0, expected, "{channels:?} {io:?}");
        }
    }
    let source = open_with(&b.bytes, IoMode::Map, &TiffOptions::default()).unwrap();
    assert_eq!(
        source.cost((2, 3), &Channels::all(3)).unwrap().scratch_bytes,
        0,
        "mapped planes in one run are lent"
    );
}

#[test]
fn tiles_are_cropped_at_the_edges() {
    // 5 x 7 pixels of two u16 samples in tiles of 4 x 4, padded with 9999; a sample is 100 y + 10 x + channel.
    for little in [true, false] {
        let mut b = Builder::new(little, false);
        let mut offsets = Vec::new();
        for (ty, tx) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
            let mut tile = Vec::new();
            for (y, x, c) in (0..32).map(|i| (ty + i / 8, tx + i / 2 % 4, i % 2)) {
                let value = if y < 5 && x < 7 { 100 * y + 10 * x + c } else { 9999 };
                tile.extend(b.number(value, 2));
            }
            offsets.push(b.data(&tile));
        }
        b.page(&[
            (256, SHORT, vec![7]),
            (257, SHORT, vec![5]),
            (258, SHORT, vec![16, 16]),
            (262, SHORT, vec![1]),
            (277, SHORT, vec![2]),
            (322, SHORT, vec![4]),
            (323, SHORT, vec![4]),
            (324, LONG, offsets),
            (325, LONG, vec![64; 4]),
        ]);
        let expected = |rect: Rect, channels: &[u64]| -> Vec<f64> {
            (rect.y..rect.bottom())
                .flat_map(|y| (rect.x..rect.right()).map(move |x| (y, x)))
                .flat_map(|(y, x)| channels.iter().map(move |c| (100 * y + 10 * x + c) as f64))
                .collect()
        };
        for io in [IoMode::Map, IoMode::Read] {
            let source = open_with(&b.bytes, io, &TiffOptions::default()).unwrap();
            assert_eq!(source.image().dtype, DataType::U16);
            for (y, x, height, width) in
                [(0, 0, 5, 7), (1, 1, 2, 2), (3, 3, 2, 3), (4, 4, 1, 3), (0, 4, 4, 3), (2, 0, 3, 4)]
            {
                let rect = Rect { y, x, height, width };
                for channels in [&[0, 1][..], &[1], &[1, 0], &[0, 0, 1]] {
                    let found = read(&source, rect, channels).unwrap().0;
                    assert_eq!(found, expected(rect, channels), "{rect} {channels:?} {io:?} little {little}");
                }
            }
        }
    }
}

#[test]
fn levels_masks_and_sub_ifds_belong_to_their_page() {
    let mut b = Builder::new(true, true);
    let small = gray(&mut b, 10, 8, 10, &[(254, LONG, vec![1])]);
    let sub = b.directory(&small);
    let other = gray(&mut b, 33, 9, 33, &[]);
    let odd = b.directory(&other);
    for (height, width, changes) in [
        (40, 30, vec![(330, LONG8, vec![sub, odd])]),
        (20, 15, vec![(254, LONG, vec![1])]),
        (40, 30, vec![(254, LONG, vec![4])]),
        (20, 15, vec![(254, LONG, vec![5])]),
        (16, 12, vec![]),
        (9, 9, vec![(254, LONG, vec![1])]),
    ] {
        let changes: Vec<Tag> = changes;
        let tags = gray(&mut b, height, width, height, &changes);
        b.page(&tags);
    }
    let source = open_with(&b.bytes, IoMode::Read, &TiffOptions::default()).unwrap();
    let image = source.image();
    let sizes: Vec<_> = image.levels.iter().map(|l| (l.height, l.width)).collect();
    assert_eq!(sizes, [(40, 30), (20, 15), (10, 8)]);
    assert!(image.metadata.other.contains(&("mask".into(), "yes".into())));
    let pages: Vec<_> = image.pages.iter().map(|p| (p.extent.height, p.levels, p.label.as_deref())).collect();
    let expected = [(40, 3, None), (16, 1, None), (9, 1, Some("reduced")), (33, 1, Some("SubIFD of page 0"))];
    assert_eq!(pages, expected);
    let level = open_with(&b.bytes, IoMode::Map, &TiffOptions { level: 2, ..Default::default() }).unwrap();
    assert_eq!(level.image().extent.rect(), Rect::of_size(10, 8));
    for (level, size) in [(0, Some((40, 30))), (1, Some((20, 15))), (2, None)] {
        let options = TiffOptions { level, mask: true, ..Default::default() };
        match (open_with(&b.bytes, IoMode::Map, &options), size) {
            (Ok(mask), Some((height, width))) => {
                assert_eq!(mask.image().extent.rect(), Rect::of_size(height, width));
                assert!(mask.image().nodata.is_empty());
                assert_eq!(all(&b.bytes, &options).unwrap().len() as u64, height * width);
            }
            (Err(Error::Usage(why)), None) => assert!(why.contains("no mask at level 2"), "{why}"),
            (found, _) => panic!("level {level}: {:?}", found.map(|_| ())),
        }
    }
    for options in
        [TiffOptions { level: 3, ..Default::default() }, TiffOptions { page: 4, ..Default::default() }]
    {
        assert!(matches!(open_with(&b.bytes, IoMode::Map, &options), Err(Error::Usage(_))));
    }
}

#[test]
fn tiled_pages_of_an_aperio_slide_are_its_levels() {
    for description in ["Aperio Image Library v11.2.1\r\n", "Another Image Library"] {
        let mut b = Builder::new(true, false);
        let text = text(description);
        // A slide, a thumbnail in strips, two levels, and a label that says that it is reduced.
        for (height, width, tile) in
            [(64u64, 48u64, 16u64), (32, 24, 0), (32, 24, 16), (16, 12, 16), (20, 20, 0)]
        {
            let tags = if tile > 0 {
                let at = b.data(&[7; 64 * 48]);
                let tiles = height.div_ceil(tile) * width.div_ceil(tile);
                vec![
                    (256, LONG, vec![width]),
                    (257, LONG, vec![height]),
                    (258, SHORT, vec![8]),
                    (259, SHORT, vec![1]),
                    (262, SHORT, vec![1]),
                    (270, ASCII, text.clone()),
                    (322, LONG, vec![tile]),
                    (323, LONG, vec![tile]),
                    (324, LONG, (0..tiles).map(|i| at + i * tile * tile).collect()),
                    (325, LONG, vec![tile * tile; tiles as usize]),
                ]
            } else {
                gray(&mut b, height, width, height, &[(254, LONG, vec![u64::from(height == 20)])])
            };
            b.page(&tags);
        }
        let source = open_with(&b.bytes, IoMode::Read, &TiffOptions::default()).unwrap();
        let sizes: Vec<_> = source.image().levels.iter().map(|l| (l.height, l.width)).collect();
        let pages: Vec<_> = source.image().pages.iter().map(|p| p.extent.height).collect();
        if description.starts_with("Aperio") {
            assert_eq!((sizes, pages), (vec![(64, 48), (32, 24), (16, 12)], vec![64, 32, 20]));
        } else {
            assert_eq!((sizes, pages), (vec![(64, 48)], vec![64, 32, 32, 16, 20]));
        }
    }
}

#[test]
fn palettes_are_indices_or_colours() {
    let mut b = Builder::new(true, false);
    let map: Vec<u64> = (0..768).map(|i| (i % 256) * 257 * u64::from(i < 512)).collect();
    let tags = gray(&mut b, 5, 4, 2, &[(262, SHORT, vec![3]), (320, SHORT, map)]);
    b.page(&tags);
    assert_eq!(all(&b.bytes, &TiffOptions::default()).unwrap(), ramp(20));
    let options = TiffOptions { expand_palette: true, ..Default::default() };
    let colours: Vec<f64> = ramp(20).into_iter().flat_map(|v| [v, v, 0.]).collect();
    assert_eq!(all(&b.bytes, &options).unwrap(), colours);
    let source = open_with(&b.bytes, IoMode::Map, &options).unwrap();
    assert_eq!((source.image().dtype, source.image().extent.channels), (DataType::U8, 3));
    assert_eq!(read(&source, Rect { y: 1, x: 0, height: 1, width: 2 }, &[2, 0]).unwrap().0, [0., 4., 0., 5.]);
}

#[test]
fn what_the_file_says_of_itself_is_handed_on() {
    let mut b = Builder::new(false, false);
    let changes = [
        (270, ASCII, text("a scan")),
        (274, SHORT, vec![6]),
        (282, RATIONAL, vec![300 << 32 | 1]),
        (283, RATIONAL, vec![600 << 32 | 4]),
        (296, SHORT, vec![3]),
        (305, ASCII, text("m\u{e9}ter")),
        (33550, DOUBLE, [0.5f64, 0.25, 0.].map(f64::to_bits).to_vec()),
        (34735, SHORT, vec![1, 1, 0, 0]),
        (42113, ASCII, text("255")),
    ];
    let tags = gray(&mut b, 5, 4, 2, &changes);
    b.page(&tags);
    let source = open_with(&b.bytes, IoMode::Map, &TiffOptions::default()).unwrap();
    let m = &source.image().metadata;
    assert_eq!((m.description.as_deref(), m.orientation), (Some("a scan"), Some(6)));
    assert_eq!(m.software.as_deref(), Some("m\u{e9}ter"));
    let r = m.resolution.unwrap();
    assert_eq!((r.x, r.y, r.unit), (300., 150., 3));
    assert_eq!(format!("{:?}", m.geo), "[(33550, Doubles([0.5, 0.25, 0.0])), (34735, Shorts([1, 1, 0, 0]))]");
    assert_eq!(source.image().nodata, [Value::Int(255)]);
}

#[test]
fn ome_pages_are_labelled() {
    let xml = "<?xml version='1.0'?><OME><Image><Pixels DimensionOrder='XYCZT' SizeC='2' SizeZ='1' SizeT='1'>\
               <TiffData/></Pixels></Image></OME>";
    let mut b = Builder::new(true, false);
    for first in [true, false] {
        let text = if first { xml.bytes().map(u64::from).collect() } else { Vec::new() };
        let tags = gray(&mut b, 5, 4, 2, &[(270, ASCII, text)]);
        b.page(&tags);
    }
    let source = open_with(&b.bytes, IoMode::Map, &TiffOptions { page: 1, ..Default::default() }).unwrap();
    let labels: Vec<_> = source.image().pages.iter().map(|p| p.label.clone().unwrap()).collect();
    assert_eq!(labels, ["Z=0 C=0 T=0", "Z=0 C=1 T=0"]);
    assert_eq!(source.image().metadata.ome_xml.as_deref().map(String::as_str), Some(xml));
    assert_eq!(source.image().metadata.description, None);
}

/// Files that are cut short while they are written, and SubIFDs of cameras that were not copied along.
#[test]
fn a_later_directory_that_is_broken_is_told_and_does_not_stop_the_pages() {
    let file = |sub_ifds: Vec<u64>, next: Option<u64>| {
        let mut b = Builder::new(true, false);
        for page in 0..2 {
            let subs = if page == 0 { sub_ifds.clone() } else { Vec::new() };
            let tags = gray(&mut b, 5, 4, 2, &[(330, LONG, subs)]);
            b.page(&tags);
        }
        if let Some(next) = next {
            b.chain(next);
        }
        b.bytes
    };
    for (bytes, why) in [
        (file(vec![], Some(99_999)), "the directory at byte 99999 lies beyond the end of the file"),
        (file(vec![], Some(4)), "the directory at byte 4 "),
        (file(vec![77_777], None), "the directory at byte 77777 lies beyond the end of the file"),
        (file(vec![77_777, 88_888, 99_999], None), "it and what it leads to are not read, nor are 2 others"),
    ] {
        let second = TiffOptions { page: 1, ..Default::default() };
        assert_eq!(all(&bytes, &second).unwrap(), ramp(20));
        let source = open_with(&bytes, IoMode::Map, &second).unwrap();
        assert_eq!(source.image().pages.len(), 2);
        let notices = &source.image().metadata.notices;
        assert!(notices.len() == 1 && notices[0].contains(why), "{notices:?}, expected {why}");
    }
}

#[test]
fn a_page_that_cannot_be_read_does_not_stop_the_others() {
    let mut b = Builder::new(true, false);
    let tags = gray(&mut b, 5, 4, 2, &[]);
    b.page(&tags);
    let tags = gray(&mut b, 5, 4, 2, &[(258, SHORT, vec![64]), (339, SHORT, vec![6])]);
    b.page(&tags);
    let source = open_with(&b.bytes, IoMode::Map, &TiffOptions::default()).unwrap();
    let label = source.image().pages[1].label.clone().unwrap();
    assert!(label.contains("complex samples"), "{label}");
    let second = open_with(&b.bytes, IoMode::Map, &TiffOptions { page: 1, ..Default::default() });
    assert!(matches!(second, Err(Error::Unsupported(_))));
}

/// Tables of two million blocks are looked up where they lie: no block's place is read before it is asked for, except
/// by one pass for the cost.
#[test]
fn a_file_of_two_million_blocks_opens_without_a_copy() {
    let (across, down) = (2000u64, 1000u64);
    let mut b = Builder::new(true, true);
    let tile = b.data(&[7; 256]);
    b.page(&[
        (256, LONG, vec![across * 16]),
        (257, LONG, vec![down * 16]),
        (258, SHORT, vec![8]),
        (259, SHORT, vec![32773]),
        (262, SHORT, vec![1]),
        (322, SHORT, vec![16]),
        (323, SHORT, vec![16]),
        (324, LONG8, vec![tile; (across * down) as usize]),
        (325, LONG, vec![6; (across * down) as usize]),
    ]);
    let run = [129u8, 7, 129, 7, 0, 7];
    b.bytes[tile as usize..tile as usize + 6].copy_from_slice(&run);
    let file = file_of(&b.bytes);
    for io in [IoMode::Map, IoMode::Read] {
        let source =
            tiff::open(Arc::new(Store::open(file.path(), io).unwrap()), &TiffOptions::default()).unwrap();
        let cost = source.cost((16, 16), &Channels::all(1)).unwrap();
        // Four blocks of 6 bytes, and what their place in a line of the cache may take.
        assert!(cost.stored_bytes == 24 + 64 && cost.total() < 4096, "{cost:?}");
        let last = Rect { y: down * 16 - 2, x: across * 16 - 1, height: 2, width: 1 };
        assert_eq!(read(&source, last, &[0]).unwrap().0, [7., 7.]);
    }
}

#[test]
fn twenty_thousand_directories_open() {
    let mut b = Builder::new(true, false);
    let tags = gray(&mut b, 5, 4, 2, &[]);
    for _ in 0..20_000 {
        b.page(&tags);
    }
    for io in [IoMode::Map, IoMode::Read] {
        let source = open_with(&b.bytes, io, &TiffOptions { page: 19_999, ..Default::default() }).unwrap();
        assert_eq!(source.image().pages.len(), 20_000);
    }
}

/// Directories that overlap byte by byte would cost the square of the file's length.
#[test]
fn overlapping_directories_are_refused() {
    let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
    // Read at byte 8 + 2 i, each directory has 0x0101 entries and a link two bytes on.
    bytes.resize(200_000, 1);
    let entries = 0x0101 * 12;
    for at in (8..190_000usize).step_by(4000) {
        let link = at + 2 + entries;
        bytes[link..link + 4].copy_from_slice(&((at + 4000) as u32).to_be_bytes());
    }
    let result = open_with(&bytes, IoMode::Map, &TiffOptions::default());
    assert!(matches!(result, Err(Error::Format(_))));
}

fn sound(which: u8) -> Vec<u8> {
    let mut b = Builder::new(which & 1 == 0, which & 2 == 0);
    if which & 4 == 0 {
        planar(&mut b);
    }
    let small = gray(&mut b, 3, 2, 3, &[(254, LONG, vec![1])]);
    let sub = b.directory(&small);
    let tags = gray(&mut b, 5, 4, 2, &[(330, LONG, vec![sub]), (42113, ASCII, vec![52, 50, 0])]);
    b.page(&tags);
    b.bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever bytes change and wherever the file ends: a typed error or pixels, mapped and read alike.
    #[test]
    fn mutated_files_end_in_an_error_or_in_pixels(
        which in 0u8..8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(0u8), Just(255), Just(1), any::<u8>()]), 1..8),
        cut in prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
    ) {
        let mut bytes = sound(which);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let file = file_of(&bytes);
        let mut results = Vec::new();
        for io in [IoMode::Map, IoMode::Read] {
            let store = Arc::new(Store::open(file.path(), io).unwrap());
            let result = tiff::open(store, &TiffOptions::default()).and_then(|source| {
                let extent = source.image().extent;
                let rect = Rect::of_size(extent.height.min(7), extent.width.min(7));
                let cost = source.cost((7, 7), &Channels::all(extent.channels.min(4)))?;
                if cost.total() > 1 << 24 {
                    return Ok(None);
                }
                read(&source, rect, &(0..extent.channels.min(4)).collect::<Vec<_>>()).map(Some)
            });
            results.push(result.map_err(|e| e.to_string()).map(|r| r.map(|r| r.0.len())));
        }
        prop_assert_eq!(&results[0], &results[1]);
    }
}
