//! TIFF output, read back by the `tiff` crate.

mod util;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::{Array3, s};
use outcrop_core::{
    Buffer, ChunkGrid, DataType, Error, Extent, GeoValue, Metadata, Pixels, Resolution, Sample, Value, f16,
    with_dtype,
};
use outcrop_writer::tiff::{BigTiff, Blocks, Compression, Predictor, TiffOptions};
use outcrop_writer::{Options, OutputImage, Target, create};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use util::{bytes, described, feed, image, names, place, write};

fn open(path: &Path) -> Decoder<BufReader<File>> {
    Decoder::new(BufReader::new(File::open(path).unwrap())).unwrap().with_limits(Limits::unlimited())
}

fn read(path: &Path) -> Vec<u8> {
    match open(path).read_image().unwrap() {
        DecodingResult::U8(v) => v,
        DecodingResult::U16(v) => bytemuck::cast_slice(&v).to_vec(),
        DecodingResult::U32(v) => bytemuck::cast_slice(&v).to_vec(),
        DecodingResult::U64(v) => bytemuck::cast_slice(&v).to_vec(),
        DecodingResult::I8(v) => bytemuck::cast_slice(&v).to_vec(),
        DecodingResult::I16(v) => bytemuck::cast_slice(&v).to_vec(),
        DecodingResult::I32(v) => bytemuck::cast_slice(&v).to_vec(),
        DecodingResult::I64(v) => bytemuck::cast_slice(&v).to_vec(),
        DecodingResult::F16(v) => v.iter().flat_map(|v| v.to_bits().to_le_bytes()).collect(),
        DecodingResult::F32(v) => bytemuck::cast_slice(&v).to_vec(),
        DecodingResult::F64(v) => bytemuck::cast_slice(&v).to_vec(),
    }
}

fn tiff(options: TiffOptions) -> Options {
    Options { tiff: options, ..Options::default() }
}

const TILES: Blocks = Blocks::Tiles { height: 16, width: 32 };
const STRIPS: Blocks = Blocks::Strips { rows: Some(5) };

/// What the `tiff` crate reads (PackBits, LZW, Deflate, ZSTD; LZMA it does not).
const READABLE: [Compression; 5] = [
    Compression::None,
    Compression::PackBits,
    Compression::Lzw,
    Compression::Deflate(6),
    Compression::Zstd(3),
];

fn round_trip<T: Sample>(img: &Array3<T>, shape: (u64, u64), options: TiffOptions) {
    let (_folder, path) = place("a.tif");
    write(&path, img, shape, &described(img), &tiff(options)).unwrap();
    // The crate (0.11.3) ends with "no lzw end code found" on LZW tiles that reach past the right edge, also on
    // those whose bytes are libtiff's own; tests/peers.py reads these with tifffile.
    if let (Compression::Lzw, Blocks::Tiles { width, .. }) = (options.compression, options.blocks)
        && !img.dim().1.is_multiple_of(width as usize)
    {
        return;
    }
    let found = read(&path);
    assert!(found == bytes(img), "{:?} {} {options:?}", img.dim(), T::DTYPE);
}

#[test]
fn every_type_and_compression_reads_back() {
    for dtype in DataType::ALL {
        with_dtype!(dtype, T => {
            for compression in READABLE {
                for blocks in [TILES, STRIPS] {
                    for predictor in [Predictor::Auto, Predictor::None] {
                        let options = TiffOptions { compression, blocks, predictor, ..Default::default() };
                        round_trip(&image::<T>(37, 70, 1), (16, 64), options);
                    }
                }
            }
        });
    }
}

#[test]
fn several_channels_read_back() {
    for compression in READABLE {
        for blocks in [TILES, STRIPS] {
            for bigtiff in [BigTiff::Auto, BigTiff::Yes, BigTiff::No] {
                let options = TiffOptions { compression, blocks, bigtiff, ..Default::default() };
                round_trip(&image::<u8>(40, 50, 3), (32, 32), options);
                round_trip(&image::<u16>(33, 31, 3), (1, 1), options);
                round_trip(&image::<f32>(33, 31, 3), (99, 99), options);
            }
        }
    }
}

#[test]
fn images_of_one_pixel_and_of_one_row_or_column_read_back() {
    for (h, w) in [(1, 1), (1, 3000), (3000, 1), (16, 32), (17, 33)] {
        for blocks in [TILES, STRIPS, Blocks::default(), Blocks::Strips { rows: None }] {
            let options = TiffOptions { compression: Compression::Lzw, blocks, ..Default::default() };
            round_trip(&image::<u16>(h, w, 1), (16, 64), options);
        }
    }
}

/// Planes one after the other, each read as an image of its own.
#[test]
fn planes_hold_one_channel_each() {
    let img = image::<u16>(20, 40, 3);
    let options = TiffOptions {
        blocks: TILES,
        planar: true,
        compression: Compression::Deflate(1),
        ..Default::default()
    };
    let (_folder, path) = place("a.tif");
    write(&path, &img, (16, 64), &described(&img), &tiff(options)).unwrap();
    let mut file = open(&path);
    assert_eq!(file.get_tag_u32(Tag::PlanarConfiguration).unwrap(), 2);
    for plane in 0..3 {
        for (i, (y, x)) in [(0, 0), (0, 32), (16, 0), (16, 32)].into_iter().enumerate() {
            let DecodingResult::U16(found) = file.read_chunk(plane * 4 + i as u32).unwrap() else { panic!() };
            let part = img.slice(s![y..20.min(y + 16), x..40.min(x + 32), plane as usize]);
            // Past the first plane the crate does not cut the last row of tiles: zeros follow.
            let (shown, padding) = found.split_at(part.len());
            assert_eq!(shown, part.iter().copied().collect::<Vec<_>>(), "plane {plane}, tile {i}");
            assert!(padding.iter().all(|&s| s == 0));
        }
    }
}

/// Noise makes every codec grow and LZW clear its table; runs and ramps make it walk all code widths.
#[test]
fn contents_that_codecs_find_hard_read_back() {
    let mut state = 1u64;
    let noise = Array3::from_shape_fn((64, 512, 1), |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    });
    let runs = Array3::from_shape_fn((64, 512, 1), |(y, x, _)| (x / (1 + y * 3)) as u8);
    let flat = Array3::from_elem((64, 512, 1), 7u8);
    for img in [noise, runs, flat] {
        for compression in READABLE.into_iter().chain([Compression::Deflate(12), Compression::Zstd(19)]) {
            for blocks in [Blocks::Tiles { height: 64, width: 512 }, Blocks::Strips { rows: Some(1) }] {
                let options =
                    TiffOptions { compression, blocks, predictor: Predictor::None, ..Default::default() };
                round_trip(&img, (64, 512), options);
            }
        }
    }
}

proptest::proptest! {
    /// Lengths around every change of LZW's code width, where encoders and decoders disagree by one.
    #[test]
    fn lzw_of_any_length_reads_back(len in 1usize..6000, levels in 1u32..256, seed: u64) {
        let mut state = seed | 1;
        let img = Array3::from_shape_fn((1, len, 1), |_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as u32 % levels) as u8
        });
        let options = TiffOptions {
            compression: Compression::Lzw,
            predictor: Predictor::None,
            blocks: Blocks::Strips { rows: None },
            ..Default::default()
        };
        round_trip(&img, (1, 1), options);
    }
}

#[test]
fn metadata_goes_along() {
    let mut m = Metadata::default();
    m.description = Some("a scene, 5 µm".into());
    m.software = Some("test".into());
    m.resolution = Some(Resolution { x: 300.0, y: 39999.9, unit: 3 });
    m.icc = Some(vec![1, 2, 3, 4, 5, 6, 7]);
    m.orientation = Some(6);
    m.extra_samples = vec![2];
    m.geo = vec![
        (33550, GeoValue::Doubles(vec![0.5, 0.25, 0.0])),
        (34735, GeoValue::Shorts(vec![1, 1, 0, 0])),
        (34737, GeoValue::Text("WGS 84|".into())),
        (256, GeoValue::Shorts(vec![9])),
    ];
    let img = image::<u8>(8, 8, 4);
    let described = OutputImage { metadata: &m, nodata: &[Value::Int(255)], ..described(&img) };
    for bigtiff in [BigTiff::Yes, BigTiff::No] {
        let (_folder, path) = place("a.tif");
        write(&path, &img, (8, 8), &described, &tiff(TiffOptions { bigtiff, ..Default::default() })).unwrap();
        let mut file = open(&path);
        assert_eq!(file.dimensions().unwrap(), (8, 8));
        let text = |file: &mut Decoder<_>, tag| file.get_tag_ascii_string(tag).unwrap();
        assert_eq!(text(&mut file, Tag::Software), "test");
        assert_eq!(text(&mut file, Tag::Unknown(42113)), "255");
        assert_eq!(text(&mut file, Tag::Unknown(34737)), "WGS 84|");
        assert_eq!(file.get_tag_u32(Tag::PhotometricInterpretation).unwrap(), 2);
        assert_eq!(file.get_tag_u16_vec(Tag::ExtraSamples).unwrap(), [2]);
        assert_eq!(file.get_tag_u32(Tag::Orientation).unwrap(), 6);
        assert_eq!(file.get_tag_u32_vec(Tag::YResolution).unwrap_or_default().len() % 2, 0);
        assert_eq!(file.get_tag_u8_vec(Tag::IccProfile).unwrap(), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(file.get_tag_f64_vec(Tag::Unknown(33550)).unwrap(), [0.5, 0.25, 0.0]);
        assert_eq!(file.get_tag_u16_vec(Tag::Unknown(34735)).unwrap(), [1, 1, 0, 0]);
    }
}

#[test]
fn blocks_of_nodata_alone_are_left_out_when_asked() {
    let mut img = Array3::<f16>::from_elem((32, 96, 1), f16::from_f32(-9999.0));
    img[[17, 40, 0]] = f16::ONE;
    let described = OutputImage { nodata: &[Value::Int(-9999)], ..described(&img) };
    let (_folder, path) = place("a.tif");
    let options = TiffOptions { blocks: TILES, sparse: true, ..Default::default() };
    write(&path, &img, (16, 64), &described, &tiff(options)).unwrap();
    let mut file = open(&path);
    let counts = file.get_tag_u64_vec(Tag::TileByteCounts).unwrap();
    assert_eq!(counts, [0, 0, 0, 0, 1024, 0]);
    let offsets = file.get_tag_u64_vec(Tag::TileOffsets).unwrap();
    assert_eq!(offsets.iter().filter(|&&o| o == 0).count(), 5);
    let DecodingResult::F16(tile) = file.read_chunk(4).unwrap() else { panic!() };
    assert_eq!(tile[32 + 8], f16::ONE);
}

#[test]
fn a_file_that_may_pass_4_gib_is_a_bigtiff_and_a_classic_one_is_refused() {
    let big = OutputImage::new(Extent::new(70_000, 70_000, 1), DataType::U8);
    let (folder, path) = place("a.tif");
    let options = |bigtiff, compression| tiff(TiffOptions { bigtiff, compression, ..Default::default() });
    let made = create(Target::Path(&path), &big, &options(BigTiff::Auto, Compression::Zstd(1))).unwrap();
    assert!(made.notices.iter().any(|n| n.contains("BigTIFF")), "{:?}", made.notices);
    drop(made);
    let e = create(Target::Path(&path), &big, &options(BigTiff::No, Compression::None)).err().unwrap();
    assert!(e.to_string().contains("--bigtiff"), "{e}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let (folder, path) = place("a.tif");
    let refuse = |options: TiffOptions, dtype, says: &str| {
        let image = OutputImage::new(Extent::new(9, 9, 1), dtype);
        let e = create(Target::Path(&path), &image, &tiff(options)).err().unwrap().to_string();
        assert!(e.contains(says), "{e}");
    };
    let with = |compression| TiffOptions { compression, ..Default::default() };
    refuse(with(Compression::Deflate(13)), DataType::U8, "levels 1 to 12");
    refuse(with(Compression::Zstd(0)), DataType::U8, "levels 1 to 22");
    refuse(with(Compression::Lzma(10)), DataType::U8, "levels 0 to 9");
    let tiles = TiffOptions { blocks: Blocks::Tiles { height: 100, width: 64 }, ..Default::default() };
    refuse(tiles, DataType::U8, "multiples of 16");
    let p3 = TiffOptions { predictor: Predictor::FloatingPoint, ..Default::default() };
    refuse(p3, DataType::U16, "PREDICTOR=2");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn threads_that_encode_in_any_order_make_the_same_bytes() {
    let img = image::<u16>(200, 300, 3);
    let options =
        TiffOptions { blocks: TILES, compression: Compression::Zstd(3), planar: true, ..Default::default() };
    let (_folder, serial) = place("serial.tif");
    write(&serial, &img, (32, 96), &described(&img), &tiff(options)).unwrap();

    let (_folder, path) = place("parallel.tif");
    let mut made = create(Target::Path(&path), &described(&img), &tiff(options)).unwrap();
    let grid = ChunkGrid::new(described(&img).extent.rect(), (32, 96), made.sink.align());
    let encoder = made.sink.encoder();
    let encode = |i: u64| {
        let r = grid.rect(i);
        let (y, x) = (r.y as usize, r.x as usize);
        let part = img.slice(s![y..y + r.height as usize, x..x + r.width as usize, ..]);
        let mut encoded = Buffer::new();
        encoder.encode(i, r, Pixels::U16(part), &mut encoded).unwrap();
        encoded
    };
    let mut chunks: Vec<(u64, Buffer)> = std::thread::scope(|scope| {
        let mine = |k: u64| (0..grid.len()).rev().filter(move |i| i % 4 == k);
        let workers: Vec<_> = (0..4)
            .map(|k| {
                scope.spawn({
                    let encode = &encode;
                    move || mine(k).map(|i| (i, encode(i))).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    });
    chunks.sort_by_key(|c| c.0);
    for (i, mut encoded) in chunks {
        made.sink.commit(i, grid.rect(i), &mut encoded).unwrap();
    }
    made.sink.finish().unwrap();
    assert!(std::fs::read(path).unwrap() == std::fs::read(serial).unwrap());
}

#[test]
fn a_tiff_that_lacks_chunks_is_not_published() {
    let img = image::<u8>(40, 40, 1);
    let (folder, path) = place("a.tif");
    let options = tiff(TiffOptions { blocks: TILES, ..Default::default() });
    let mut made = create(Target::Path(&path), &described(&img), &options).unwrap();
    feed(&mut *made.sink, &img.slice(s![..32, ..32, ..]).to_owned(), (16, 32)).unwrap();
    let e = made.sink.finish().unwrap_err().to_string();
    assert!(e.contains("2 of 6 blocks"), "{e}");
    assert!(names(folder.path()).is_empty());
}

/// A smooth picture, whose error at quality 90 is that of quantisation alone: a few units, edges and corners included.
#[test]
fn jpeg_is_within_its_tolerance_up_to_the_edges() {
    for channels in [1, 3] {
        let img = Array3::from_shape_fn((70, 90, channels), |(y, x, c)| (30 + y + x + 20 * c) as u8);
        for blocks in [TILES, Blocks::Strips { rows: None }, Blocks::Strips { rows: Some(16) }] {
            for subsampled in [false, true] {
                let compression = Compression::Jpeg { quality: 90, subsampled };
                let options = TiffOptions { compression, blocks, ..Default::default() };
                let (_folder, path) = place("a.tif");
                write(&path, &img, (32, 64), &described(&img), &tiff(options)).unwrap();
                let mut found = read(&path);
                assert_eq!(found.len(), img.len());
                if let tiff::ColorType::YCbCr(_) = open(&path).colortype().unwrap() {
                    found.chunks_exact_mut(3).for_each(ycbcr_to_rgb);
                }
                let worst = img.iter().zip(&found).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                assert!(worst <= 6, "{channels} channels, {options:?}: {worst}");
            }
        }
    }
}

/// JFIF's conversion, which the crate leaves to its caller.
fn ycbcr_to_rgb(pixel: &mut [u8]) {
    let [y, cb, cr] = [f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0];
    let rgb = [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb];
    pixel.iter_mut().zip(rgb).for_each(|(to, v)| *to = v.round() as u8);
}

#[test]
fn what_jpeg_cannot_hold_is_refused() {
    let (_folder, path) = place("a.tif");
    let compression = Compression::Jpeg { quality: 90, subsampled: true };
    let refuse = |channels, dtype, blocks, says: &str| {
        let image = OutputImage::new(Extent::new(40, 40, channels), dtype);
        let options = TiffOptions { compression, blocks, ..Default::default() };
        let e = create(Target::Path(&path), &image, &tiff(options)).err().unwrap().to_string();
        assert!(e.contains(says), "{e}");
    };
    refuse(1, DataType::U16, TILES, "holds uint8, not uint16");
    refuse(2, DataType::U8, TILES, "1 or 3 channels");
    refuse(1, DataType::U8, Blocks::Strips { rows: Some(10) }, "multiple of 16");
    let large = Blocks::Tiles { height: 16, width: 1 << 17 };
    refuse(1, DataType::U8, large, "65535");
}

#[test]
fn gdals_spellings_are_understood_and_slips_named() {
    let parse = |pairs: &[&str]| TiffOptions::from_creation_options(pairs.iter().copied());
    let all = parse(&[
        "ZLEVEL=9",
        "compress=Deflate",
        "BLOCKXSIZE=256",
        "PREDICTOR=2",
        "BIGTIFF=YES",
        "INTERLEAVE=BAND",
        "SPARSE_OK=TRUE",
    ])
    .unwrap();
    assert_eq!(
        all,
        TiffOptions {
            blocks: Blocks::Tiles { height: 256, width: 256 },
            compression: Compression::Deflate(9),
            predictor: Predictor::Horizontal,
            planar: true,
            bigtiff: BigTiff::Yes,
            sparse: true,
        }
    );
    assert_eq!(parse(&[]).unwrap(), TiffOptions::default());
    assert_eq!(parse(&["TILED=NO", "BLOCKYSIZE=64"]).unwrap().blocks, Blocks::Strips { rows: Some(64) });
    let cog = parse(&["COMPRESS=ZSTD", "LEVEL=5", "BLOCKSIZE=256"]).unwrap();
    assert_eq!(
        (cog.compression, cog.blocks),
        (Compression::Zstd(5), Blocks::Tiles { height: 256, width: 256 })
    );
    let jpeg = Compression::Jpeg { quality: 80, subsampled: true };
    assert_eq!(parse(&["COMPRESS=JPEG", "QUALITY=80"]).unwrap().compression, jpeg);
    assert!(parse(&["COMPRESS=LZW", "LEVEL=5"]).is_err() && parse(&["COMPRESS=ZSTD", "QUALITY=5"]).is_err());
    assert_eq!(parse(&["COMPRESS=JPEG", "JPEG_QUALITY=80"]).unwrap().compression, jpeg);

    let slip = |pairs: &[&str]| parse(pairs).unwrap_err().to_string();
    assert!(slip(&["COMPRES=LZW"]).contains("COMPRESS"), "{}", slip(&["COMPRES=LZW"]));
    assert!(slip(&["COMPRESS=DEFLAT"]).contains("DEFLATE"));
    assert!(slip(&["COMPRESS"]).contains("KEY=VALUE"));
    assert!(slip(&["BLOCKXSIZE=big"]).contains("number"));
    assert!(slip(&["ZLEVEL=3"]).contains("DEFLATE"));
    assert!(slip(&["TILED=NO", "BLOCKXSIZE=256"]).contains("TILED=YES"));
    assert!(slip(&["ZLEVEL=300", "COMPRESS=DEFLATE"]).contains("0 to 255"));
}

#[test]
fn webp_and_lossless_lerc_read_back() {
    // Neither is in the `tiff` crate: blocks are taken from the file and given to other decoders.
    let (_folder, path) = place("a.tif");
    for channels in [3, 4] {
        let img = image::<u8>(32, 32, channels);
        let options = TiffOptions {
            compression: Compression::WebP,
            blocks: Blocks::Tiles { height: 32, width: 32 },
            ..Default::default()
        };
        let options = Options { overwrite: outcrop_writer::Overwrite::Replace, ..tiff(options) };
        write(&path, &img, (32, 32), &described(&img), &options).unwrap();
        let file = std::fs::read(&path).unwrap();
        let start = file.windows(4).position(|w| w == b"RIFF").unwrap();
        let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(&file[start..])).unwrap();
        let mut out = vec![0; decoder.output_buffer_size().unwrap()];
        decoder.read_image(&mut out).unwrap();
        assert!(out == bytes(&img), "{channels}");
    }
}

#[test]
fn what_webp_and_lerc_cannot_hold_is_refused() {
    let refused = |compression, dtype, channels, planar| {
        let options = TiffOptions { compression, planar, ..Default::default() };
        options.check(Extent::new(10, 10, channels), dtype).unwrap_err().to_string()
    };
    assert!(refused(Compression::WebP, DataType::U16, 3, false).contains("--dtype"));
    assert!(refused(Compression::WebP, DataType::U8, 1, false).contains("COMPRESS=DEFLATE"));
    assert!(refused(Compression::WebP, DataType::U8, 3, true).contains("together"));
    let lerc = Compression::Lerc { max_error: 0.0 };
    assert!(refused(lerc, DataType::U64, 1, false).contains("uint64"));
    assert!(
        refused(Compression::Lerc { max_error: f64::NAN }, DataType::F32, 1, false).contains("MAX_Z_ERROR")
    );
    assert!(refused(Compression::Lerc { max_error: -1.0 }, DataType::F32, 1, false).contains("MAX_Z_ERROR"));
}

#[test]
fn infinity_in_lerc_is_refused_with_what_holds_it() {
    let (_folder, path) = place("a.tif");
    let options = TiffOptions { compression: Compression::Lerc { max_error: 0.0 }, ..Default::default() };
    let mut single = image::<f32>(20, 20, 1);
    single[[3, 5, 0]] = f32::NEG_INFINITY;
    let mut double = image::<f64>(20, 20, 1);
    double[[19, 0, 0]] = f64::INFINITY;
    let failed = [
        write(&path, &single, (20, 20), &described(&single), &tiff(options)),
        write(&path, &double, (20, 20), &described(&double), &tiff(options)),
    ];
    for failed in failed {
        let error = failed.unwrap_err();
        assert!(matches!(error.root(), Error::Usage(_)), "{error}");
        assert!(
            error.to_string().contains("infinite") && error.to_string().contains("COMPRESS=ZSTD"),
            "{error}"
        );
    }
    assert!(!path.exists());
}
