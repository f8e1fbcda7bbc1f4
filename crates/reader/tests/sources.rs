//! Every way to reach the same samples gives the same samples: mapped or read, aligned or not, either byte order,
//! any interleave, any rectangle, any channels.

mod util;

use std::fs;
use std::path::{Path, PathBuf};

use outcrop_core::{ByteOrder, Channels, DataType, Error, Extent, Rect, Scratch, Source};
use outcrop_reader::{
    Format, Interleave, IoMode, OpenOptions, Pattern, RawOptions, RawSource, RawSpec, Synthetic, open,
    parse_shape,
};
use proptest::prelude::*;
use util::{bytes_of, cut, whole, wrong_part};

/// A file of `spec` whose samples, in C order, are the bytes returned: numbered, so that no two places are alike.
fn make(dir: &Path, spec: &RawSpec) -> (PathBuf, Vec<u8>) {
    let Extent { height, width, channels } = spec.extent;
    let size = spec.dtype.bytes();
    let sample = |i: u64| -> Vec<u8> { i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..size].to_vec() };
    let number = |y: u64, x: u64, c: u64| (y * width + x) * channels + c;
    let c_order: Vec<u8> = (0..height * width * channels).flat_map(sample).collect();
    let mut stored = vec![0xee; spec.offset as usize];
    let [a, b, c] = match spec.interleave {
        Interleave::Bip => [height, width, channels],
        Interleave::Bil => [height, channels, width],
        Interleave::Bsq => [channels, height, width],
    };
    for i in 0..a {
        for j in 0..b {
            for k in 0..c {
                let mut bytes = sample(match spec.interleave {
                    Interleave::Bip => number(i, j, k),
                    Interleave::Bil => number(i, k, j),
                    Interleave::Bsq => number(j, k, i),
                });
                if spec.byte_order == ByteOrder::Big {
                    bytes.reverse();
                }
                stored.extend(bytes);
            }
        }
    }
    let path = dir.join("image.raw");
    fs::write(&path, stored).unwrap();
    (path, c_order)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn mapped_and_read_pixels_are_those_in_the_file(
        (h, w, c) in (1u64..9, prop::sample::select(vec![1u64, 2, 7, 31, 3000]), 1u64..6),
        dtype in prop::sample::select(vec![DataType::U8, DataType::I16, DataType::F32, DataType::U64]),
        interleave in prop::sample::select(vec![Interleave::Bip, Interleave::Bil, Interleave::Bsq]),
        big: bool, offset in prop::sample::select(vec![0u64, 8, 13]),
        requests in prop::collection::vec((0u64..9, 0u64..3000, 1u64..9, 1u64..3000, prop::collection::vec(0u64..6, 1..5)), 1..6),
    ) {
        let byte_order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let spec = RawSpec { extent: Extent::new(h, w, c), dtype, offset, byte_order, interleave, trailing: false };
        let dir = tempfile::tempdir().unwrap();
        let (path, want) = make(dir.path(), &spec);
        for io in [IoMode::Map, IoMode::Read] {
            let source = RawSource::open(&path, io, &spec).unwrap();
            prop_assert_eq!(&whole(&source).unwrap(), &want);
            let mut scratch = Scratch::new();
            for (y, x, rh, rw, picks) in &requests {
                let (y, x) = (y % h, x % w);
                let rect = Rect { y, x, height: 1 + rh % (h - y), width: 1 + rw % (w - x) };
                let channels = Channels::select(picks.iter().map(|p| p % c).collect(), c).unwrap();
                let got = bytes_of(&source, rect, &channels, &mut scratch).unwrap();
                prop_assert!(got == cut(&want, &source, rect, &channels), "{:?} {} {:?}", io, rect, channels);
                let cost = source.cost((rect.height, rect.width), &channels).unwrap();
                prop_assert_eq!(wrong_part(&want, &source, rect, &channels, &mut Scratch::new()).unwrap(), None);
                let held = (scratch.stored.len() + scratch.decoded.len() + scratch.block.len()) as u64;
                let kept = Scratch::new();
                scratch = kept;
                prop_assert!(held <= cost.total(), "{} bytes held, {} promised", held, cost.total());
            }
        }
    }

    #[test]
    fn computed_pixels_do_not_depend_on_the_request(
        pattern in prop::sample::select(vec![
            Pattern::Squares, Pattern::Gradient, Pattern::Noise, Pattern::Checkerboard, Pattern::Mandelbrot,
            Pattern::Tissue,
        ]),
        dtype in prop::sample::select(DataType::ALL.to_vec()), seed: u64,
        (h, w, c) in (1u64..40, 1u64..40, 1u64..5),
        (y, x, rh, rw) in (0u64..40, 0u64..40, 0u64..40, 0u64..40),
        picks in prop::collection::vec(0u64..5, 1..4),
    ) {
        let source = Synthetic::new(pattern, Extent::new(h, w, c), dtype, seed, 20).unwrap();
        let all = whole(&source).unwrap();
        let (y, x) = (y % h, x % w);
        let rect = Rect { y, x, height: 1 + rh % (h - y), width: 1 + rw % (w - x) };
        let channels = Channels::select(picks.iter().map(|p| p % c).collect(), c).unwrap();
        let got = bytes_of(&source, rect, &channels, &mut Scratch::new()).unwrap();
        prop_assert_eq!(got, cut(&all, &source, rect, &channels));
    }
}

fn raw(shape: &str, dtype: &str) -> OpenOptions {
    let raw = RawOptions {
        shape: Some(parse_shape(shape).unwrap()),
        dtype: Some(dtype.into()),
        ..RawOptions::default()
    };
    OpenOptions { raw, ..OpenOptions::default() }
}

fn refusal(path: &Path, options: &OpenOptions) -> String {
    open(path, options).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_shape_that_does_not_fit_names_both_sizes_and_the_other_reading() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.raw");
    fs::write(&path, vec![0; 960]).unwrap();
    assert!(open(&path, &raw("10,12", "<u8")).is_ok());
    let e = refusal(&path, &raw("10,12", "u8"));
    assert!(e.contains("120 bytes") && e.contains("960") && e.contains("eight bytes in NumPy"), "{e}");
    let e = refusal(&path, &raw("10,12,7", "uint8"));
    assert!(e.contains("840 bytes") && e.contains("960") && e.contains("--shape"), "{e}");
    let e = refusal(&path, &raw("4294967296,4294967296", "uint8"));
    assert!(e.contains("larger than any file"), "{e}");
    let mut part = raw("10,12", "u8");
    part.raw.offset = Some(100);
    assert!(open(&path, &part).is_ok(), "an offset reads a part");
    part.raw.offset = Some(900);
    assert!(refusal(&path, &part).contains("60 from byte 900"));
    part.raw.offset = Some(u64::MAX);
    assert!(refusal(&path, &part).contains("the file has 0"));
}

#[test]
fn mistakes_are_answered_with_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let default = OpenOptions::default();
    let asks = |path: &Path, options: &OpenOptions, words: &[&str]| {
        let e = refusal(path, options);
        assert!(words.iter().all(|w| e.contains(w)) && !e.contains('\n'), "{e}");
    };
    asks(&file("empty.tif", b""), &default, &["empty"]);
    asks(dir.path(), &default, &["directory"]);
    asks(&dir.path().join("none.tif"), &default, &["cannot open"]);
    asks(&file("a.raw", &[7; 100]), &default, &["--shape", "--dtype"]);
    asks(&file("a.xyz", b"hello world"), &default, &["`hello wo`", "--shape"]);
    asks(&file("bad.tif", b"hello world"), &default, &["TIFF header", "`hello wo`"]);
    asks(&file("a.npz", b"PK\x03\x04"), &default, &["not supported", "np.save"]);
    asks(&file("a.png", b"\x89PNG\r\n\x1a\n"), &default, &["png"]);
    asks(&file("a.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF"), &default, &["jpeg"]);
    let npy = file("ok.npy", NPY_V1);
    asks(&npy, &OpenOptions { page: 1, ..default.clone() }, &["page 1", "--page"]);
    asks(&npy, &OpenOptions { level: 2, ..default.clone() }, &["level 2", "--level"]);
    let from = OpenOptions { from: Some(Format::Npy), ..raw("1,6", "u8") };
    asks(&npy, &from, &["describe raw files", "npy"]);
    let mut options = raw("1,6", "<u2");
    options.raw.big_endian = true;
    asks(&npy, &options, &["--big-endian"]);
    options.raw.dtype = None;
    asks(&npy, &options, &["--dtype"]);
    assert!(parse_shape("4,0").is_err() && parse_shape("4").is_err() && parse_shape("1,2,3,4").is_err());
    assert_eq!(parse_shape("4x5x6").unwrap(), Extent::new(4, 5, 6));
}

/// `np.arange(6, dtype='u1').reshape(2, 3)` as NumPy saves it, header shortened to 54 bytes of padding.
const NPY_V1: &[u8] = b"\x93NUMPY\x01\x00\x3a\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)}\n\x00\x01\x02\x03\x04\x05";

#[test]
fn npy_headers_cut_at_any_byte_are_refused_and_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    fs::write(&path, NPY_V1).unwrap();
    let options = OpenOptions { from: Some(Format::Npy), ..OpenOptions::default() };
    assert_eq!(whole(&*open(&path, &options).unwrap()).unwrap(), [0, 1, 2, 3, 4, 5]);
    for len in 0..NPY_V1.len() {
        fs::write(&path, &NPY_V1[..len]).unwrap();
        assert!(open(&path, &options).is_err(), "cut at {len}");
    }
    for at in 0..NPY_V1.len() - 6 {
        for byte in [0, b'\'', b'(', b'9', 0xff] {
            let mut bytes = NPY_V1.to_vec();
            bytes[at] = byte;
            fs::write(&path, bytes).unwrap();
            if let Ok(source) = open(&path, &options) {
                whole(&*source).unwrap();
            }
        }
    }
    let huge = b"\x93NUMPY\x03\x00\xff\xff\xff\xff{}";
    fs::write(&path, huge).unwrap();
    assert!(matches!(open(&path, &options).map(|_| ()), Err(Error::Limits { .. })));
}

#[test]
fn an_empty_array_is_an_image_without_pixels() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    for shape in ["(0, 5)     ", "(3, 0, 2)  ", "(0, 9223372036854775807)"] {
        let dict = format!("{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}}}");
        let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
        bytes.extend((dict.len() as u32).to_le_bytes());
        bytes.extend(dict.as_bytes());
        fs::write(&path, bytes).unwrap();
        match open(&path, &OpenOptions::default()) {
            Ok(source) => assert!(whole(&*source).unwrap().is_empty()),
            Err(e) => {
                assert!(shape.contains("9223") && e.to_string().contains("larger than any file"), "{e}")
            }
        }
    }
}

#[test]
fn an_envi_image_opens_by_header_and_by_data_file() {
    let dir = tempfile::tempdir().unwrap();
    let header =
        "ENVI\nsamples = 3\nlines = 2\nbands = 1\ndata type = 2\nbyte order = 1\ndata ignore value = -1\n";
    let data = [0, 1, 0xff, 0xff, 0, 3, 0, 4, 0, 5, 0, 6];
    let want = [1, 0, 0xff, 0xff, 3, 0, 4, 0, 5, 0, 6, 0];
    for (hdr, dat) in [("a.hdr", "a.IMG"), ("b.dat.hdr", "b.dat"), ("c.HDR", "c"), ("d.hdr", "d.bsq")] {
        fs::write(dir.path().join(hdr), header).unwrap();
        fs::write(dir.path().join(dat), data).unwrap();
        for name in [hdr, dat] {
            let source = open(&dir.path().join(name), &OpenOptions::default()).unwrap();
            assert_eq!(whole(&*source).unwrap(), want, "{name}");
            assert_eq!(source.image().format, "ENVI");
            assert_eq!(source.image().nodata.len(), 1);
        }
    }
    fs::write(dir.path().join("e.hdr"), header).unwrap();
    let e = refusal(&dir.path().join("e.hdr"), &OpenOptions::default());
    assert!(e.contains("no data file") && e.contains(".img"), "{e}");
    fs::write(dir.path().join("e.raw"), [0; 11]).unwrap();
    let e = refusal(&dir.path().join("e.hdr"), &OpenOptions::default());
    assert!(e.contains("12 bytes") && e.contains("11 bytes"), "{e}");
    assert!(open(&dir.path().join("a.IMG"), &raw("2,3", "i16")).is_ok(), "a shape makes any file a raw one");
}
