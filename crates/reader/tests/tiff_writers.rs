//! What other programs write beside the letter of the format: stacks behind one directory, JPEG tiles cut at the edge,
//! codes of Deflate.

mod util;

use outcrop_core::{Error, Source};
use outcrop_reader::IoMode;
use outcrop_reader::tiff::TiffOptions;
use util::tiff::*;

#[test]
fn planes_behind_one_directory_are_pages() {
    // Six planes of 5 x 4 behind a directory of the first, whose strips have 2 rows.
    let stack = |tag: Tag, planes: u64, changes: &[Tag]| {
        let mut b = Builder::new(true, false);
        let tags = gray(&mut b, 5, 4, 2, &[&[tag], changes].concat());
        (20..planes * 20).for_each(|i| b.bytes.push(i as u8));
        b.page(&tags);
        b.bytes
    };
    let imagej = (270, ASCII, text("ImageJ=1.54f\nimages=6\nchannels=2\nslices=3\nhyperstack=true\n"));
    let shaped = (270, ASCII, text("{\"shape\": [2, 3, 5, 4], \"truncated\": true}"));
    let uic2 = (33629, RATIONAL, vec![1; 6]);
    let depth = (32997, SHORT, vec![6]);
    for (tag, label) in
        [(imagej.clone(), "Z=1 C=1 T=0"), (shaped, "plane 3"), (uic2, "plane 3"), (depth, "plane 3")]
    {
        let bytes = stack(tag, 6, &[]);
        for page in 0..6 {
            let expected: Vec<f64> = (page * 20..page * 20 + 20).map(|i| f64::from(i as u8)).collect();
            let options = TiffOptions { page, ..TiffOptions::default() };
            assert_eq!(all(&bytes, &options).unwrap(), expected, "{label} {page}");
        }
        let source = open_with(&bytes, IoMode::Map, &TiffOptions::default()).unwrap();
        assert_eq!(source.image().pages.len(), 6);
        assert_eq!(source.image().pages[3].label.as_deref(), Some(label));
        assert!(source.image().metadata.notices.is_empty());
        let beyond = TiffOptions { page: 6, ..TiffOptions::default() };
        assert!(refusal(open_with(&bytes, IoMode::Map, &beyond).map(|_| ())).contains("there are 6"));
    }
    // What is not certain is said: planes missing, a gap between strips, a codec, more than memory should hold.
    let long = (270, ASCII, text("ImageJ=1.54f\nimages=100\n"));
    let many = (270, ASCII, text("ImageJ=1.54f\nimages=18446744073709551615\n"));
    for (bytes, unread) in [
        (stack(long, 6, &[]), "99"),
        (stack(imagej.clone(), 6, &[(273, LONG, vec![8, 16, 25])]), "5"),
        (stack(imagej, 6, &[(259, SHORT, vec![32773])]), "5"),
        (stack(many, 6, &[]), "18446744073709551614"),
    ] {
        let source = open_with(&bytes, IoMode::Map, &TiffOptions::default()).unwrap();
        assert_eq!(source.image().pages.len(), 1);
        let notices = &source.image().metadata.notices;
        let expected = format!("{unread} planes behind the first are not read (");
        assert!(notices.len() == 1 && notices[0].starts_with(&expected), "{notices:?}");
    }
}

#[test]
fn a_stack_may_have_levels_and_pages_in_sub_directories() {
    let mut b = Builder::new(true, false);
    // A level of the first plane, and an image that is none.
    let subs = [(3, 2), (7, 4)].map(|(width, height)| {
        let tags = gray(&mut b, width, height, height, &[]);
        b.directory(&tags)
    });
    let imagej = (270, ASCII, text("ImageJ=1.54f\nimages=3\n"));
    let tags = gray(&mut b, 5, 4, 2, &[imagej, (330, LONG, subs.to_vec())]);
    (20..60).for_each(|i| b.bytes.push(i));
    b.page(&tags);
    let read = |page, level| all(&b.bytes, &TiffOptions { page, level, ..TiffOptions::default() });
    let samples = |from: u8, to: u8| (from..to).map(f64::from).collect::<Vec<_>>();
    for (page, level, expected) in [
        (0, 0, samples(0, 20)),
        (0, 1, samples(0, 6)),
        (1, 0, samples(20, 40)),
        (2, 0, samples(40, 60)),
        (3, 0, samples(0, 28)),
    ] {
        assert_eq!(read(page, level).unwrap(), expected, "page {page}, level {level}");
    }
    assert!(read(1, 1).is_err(), "a plane has no level of its own");
}

/// A page of one JPEG tile of 16 x 16, 13 x 9 of them in the image.
fn jpeg_page(photometric: u64, samples: u64, stream: &[u8]) -> Result<Vec<f64>, Error> {
    let mut b = Builder::new(true, false);
    let at = b.data(stream);
    b.page(&[
        (256, SHORT, vec![13]),
        (257, SHORT, vec![9]),
        (258, SHORT, vec![8; samples as usize]),
        (259, SHORT, vec![7]),
        (262, SHORT, vec![photometric]),
        (277, SHORT, vec![samples]),
        (322, SHORT, vec![16]),
        (323, SHORT, vec![16]),
        (324, LONG, vec![at]),
        (325, LONG, vec![stream.len() as u64]),
    ]);
    all(&b.bytes, &TiffOptions::default())
}

#[test]
fn jpegs_of_edge_tiles_may_end_where_the_image_does() {
    // Images of 13 x 9 pixels, as strips and as tiles of 16 x 16.
    let gray_jpeg = include_bytes!("../src/tiff/codec/testdata/gray.jpg");
    let as_tile = jpeg_page(1, 1, gray_jpeg).unwrap();
    let mut b = Builder::new(true, false);
    let at = b.data(gray_jpeg);
    let bytes = gray_jpeg.len() as u64;
    let tags =
        gray(&mut b, 9, 13, 9, &[(259, SHORT, vec![7]), (273, LONG, vec![at]), (279, LONG, vec![bytes])]);
    b.page(&tags);
    assert_eq!(as_tile, all(&b.bytes, &TiffOptions::default()).unwrap());
    // One that ends before the image does is an error.
    let mut narrow = gray_jpeg.to_vec();
    let frame = narrow.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    narrow[frame + 8] = 12;
    let error = refusal(jpeg_page(1, 1, &narrow));
    assert!(error.contains("an image of 12 x 9 pixels in a block of 13 x 9"), "{error}");
}

#[test]
fn adobes_transform_0_of_three_components_is_no_cmyk() {
    let named_rgb = include_bytes!("../src/tiff/codec/testdata/rgb_as_is.jpg").to_vec();
    assert_eq!(&named_rgb[6..11], b"Adobe");
    let mut numbered = named_rgb.clone();
    let frame = numbered.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let scan = numbered.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    for k in 0..3 {
        assert_eq!(numbered[frame + 10 + 3 * k], b"RGB"[k]);
        numbered[frame + 10 + 3 * k] = k as u8 + 1;
        numbered[scan + 5 + 2 * k] = k as u8 + 1;
    }
    let expected = jpeg_page(2, 3, &named_rgb).unwrap();
    for photometric in [2, 6] {
        assert_eq!(jpeg_page(photometric, 3, &numbered).unwrap(), expected, "photometric {photometric}");
    }
}

#[test]
fn jpegs_that_are_not_read_are_refused_by_name() {
    let mut lossless = include_bytes!("../src/tiff/codec/testdata/gray.jpg").to_vec();
    let frame = lossless.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    lossless[frame + 1] = 0xc3;
    let error = refusal(jpeg_page(1, 1, &lossless));
    assert!(error.contains("lossless jpeg (coding process SOF3)"), "{error}");
    let mut b = Builder::new(true, false);
    let tags = gray(&mut b, 5, 4, 5, &[(258, SHORT, vec![16]), (259, SHORT, vec![7])]);
    b.page(&tags);
    let error = refusal(all(&b.bytes, &TiffOptions::default()));
    assert!(error.contains("JPEG of 16 bits") && error.contains("lossless"), "{error}");
}

#[test]
fn every_code_of_deflate_is_read() {
    // A zlib stream of one stored block: header, length and its complement, 0 to 19, Adler-32.
    let mut stream = vec![0x78, 1, 1, 20, 0, 0xeb, 0xff];
    stream.extend(0..20);
    let (a, b) = (0..20u32).fold((1, 0), |(a, b), v| (a + v, b + a + v));
    stream.extend((b << 16 | a).to_be_bytes());
    for code in [8, 32946, 50013] {
        let mut b = Builder::new(true, false);
        let at = b.data(&stream);
        let bytes = stream.len() as u64;
        let changes = [
            (259, SHORT, vec![code]),
            (273, LONG, vec![at]),
            (279, LONG, vec![bytes]),
            (278, SHORT, vec![5]),
        ];
        let tags = gray(&mut b, 5, 4, 5, &changes);
        b.page(&tags);
        assert_eq!(all(&b.bytes, &TiffOptions::default()).unwrap(), ramp(20), "{code}");
    }
    // Those of cameras are refused by name.
    let nef = refusal(changed(&[(259, SHORT, vec![34713])]));
    assert!(nef.contains("34713 (a camera's raw data)"), "{nef}");
}

#[test]
fn tiles_below_the_image_may_be_cut_short_in_their_padding() {
    // Tiles of 16 x 16 under each other, the last one with that many rows in the image.
    let noise: Vec<u8> = (0..512u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut deflate = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let mut zlib = |tile: &[u8]| {
        let mut out = vec![0; deflate.zlib_compress_bound(tile.len())];
        let n = deflate.zlib_compress(tile, &mut out).unwrap();
        out.truncate(n);
        out
    };
    let mut zstd = |tile: &[u8]| zstd::bulk::compress(tile, 3).unwrap();
    for (code, encode) in [(8, &mut zlib as &mut dyn FnMut(&[u8]) -> Vec<u8>), (50000, &mut zstd)] {
        let [first, whole] = [&noise[..256], &noise[256..]].map(&mut *encode);
        let read = |stored: &[u8], rows: usize| {
            let mut b = Builder::new(true, false);
            let offsets = [&first[..], stored].map(|tile| b.data(tile));
            b.page(&[
                (256, SHORT, vec![16]),
                (257, SHORT, vec![16 + rows as u64]),
                (258, SHORT, vec![8]),
                (259, SHORT, vec![code]),
                (262, SHORT, vec![1]),
                (322, SHORT, vec![16]),
                (323, SHORT, vec![16]),
                (324, LONG, offsets.to_vec()),
                (325, LONG, vec![first.len() as u64, stored.len() as u64]),
            ]);
            all(&b.bytes, &TiffOptions::default())
        };
        let mut wrong_sum = whole.clone();
        *wrong_sum.last_mut().unwrap() ^= 1;
        // A frame of ZSTD this small is one block, all of which it needs.
        let faults = [&whole[..], &wrong_sum[..], &whole[..whole.len() - 16]];
        for rows in [1, 5, 6, 11, 15] {
            let expected: Vec<f64> = noise[..256 + 16 * rows].iter().map(|&v| v.into()).collect();
            for stored in &faults[..if code == 8 { 3 } else { 1 }] {
                assert_eq!(read(stored, rows).unwrap(), expected, "code {code}, {rows} rows");
            }
        }
        let error = refusal(read(&whole[..whole.len() / 2], 15));
        assert!(error.contains("block 1"), "{error}");
    }
}
