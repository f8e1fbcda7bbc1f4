//! PNG, JPEG and WebP, opened by other crates and, where `OUTCROP_PYTHON` names a Python that has it, by Pillow.

mod util;

use std::io::Cursor;
use std::path::Path;

use ndarray::Array3;
use outcrop_core::{DataType, Extent, Metadata, Resolution, Sample};
use outcrop_writer::{
    Format, Options, OutputImage, PictureFormat, PictureOptions, encode_picture, to_stream,
};
use util::{bytes, described, feed, image, names, place, write};

/// Rows enough for several bands of any of the formats.
const TALL: (usize, usize) = (1500, 700);
const SIZES: [(usize, usize); 6] = [(1, 1), (1, 700), (700, 1), (17, 33), (64, 64), TALL];

fn encoded<T: Sample>(format: PictureFormat, img: &Array3<T>, options: &PictureOptions) -> Vec<u8> {
    let mut out = Vec::new();
    encode_picture(format, T::wrap(img.view()), options, &mut out).unwrap();
    out
}

/// The samples of a PNG, little-endian.
fn png_samples(file: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let mut out = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut out).unwrap();
    out.truncate(frame.buffer_size());
    if frame.bit_depth == png::BitDepth::Sixteen {
        out.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.swap(0, 1));
    }
    out
}

#[test]
fn png_keeps_every_sample() {
    fn check<T: Sample>() {
        for channels in 1..=4 {
            for (height, width) in SIZES {
                let img = image::<T>(height, width, channels);
                let levels = if (height, width) == TALL { &[6][..] } else { &[1, 6, 9] };
                for &level in levels {
                    let options = PictureOptions { level, ..Default::default() };
                    let file = encoded(PictureFormat::Png, &img, &options);
                    assert!(png_samples(&file) == bytes(&img), "{:?} {} {level}", img.dim(), T::DTYPE);
                    if (height, width) == TALL {
                        let idats = file.windows(4).filter(|w| w == b"IDAT").count();
                        assert!(idats > 3 || channels * size_of::<T>() < 3, "{idats} chunks are no bands");
                    }
                }
            }
        }
    }
    check::<u8>();
    check::<u16>();
}

#[test]
fn webp_keeps_every_sample() {
    for channels in [3, 4] {
        for (height, width) in [(1, 1), (1, 700), (700, 1), (17, 33), (300, 200)] {
            let img = image::<u8>(height, width, channels);
            let file = encoded(PictureFormat::WebP, &img, &PictureOptions::default());
            let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).unwrap();
            let mut out = vec![0; decoder.output_buffer_size().unwrap()];
            decoder.read_image(&mut out).unwrap();
            assert!(out == bytes(&img), "{:?}", img.dim());
        }
    }
}

#[test]
fn a_file_has_the_bytes_of_the_picture_in_memory_whatever_the_chunks() {
    let img = image::<u8>(900, 500, 3);
    for (name, format) in
        [("a.png", PictureFormat::Png), ("a.jpg", PictureFormat::Jpeg), ("a.webp", PictureFormat::WebP)]
    {
        let whole = encoded(format, &img, &PictureOptions::default());
        for shape in [(1, 500), (600, 500), (900, 500)] {
            let (folder, path) = place(name);
            write(&path, &img, shape, &described(&img), &Options::default()).unwrap();
            assert_eq!(names(folder.path()), [name]);
            assert!(std::fs::read(&path).unwrap() == whole, "{name} by {shape:?}");
        }
        struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl std::io::Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let to = Shared(Default::default());
        let got = to.0.clone();
        let mut sink = to_stream(to, "memory", Format::Picture(format), &described(&img)).unwrap();
        feed(&mut *sink, &img, (100, 500)).unwrap();
        sink.finish().unwrap();
        assert!(*got.lock().unwrap() == whole, "{name} as a stream");
    }
}

#[test]
fn strided_pixels_are_taken_as_they_lie() {
    let img = image::<u16>(90, 40, 4);
    let turned = img.view().permuted_axes([1, 0, 2]);
    let mut out = Vec::new();
    encode_picture(
        PictureFormat::Png,
        outcrop_core::Pixels::U16(turned),
        &PictureOptions::default(),
        &mut out,
    )
    .unwrap();
    assert!(png_samples(&out) == bytes(&turned.to_owned().as_standard_layout().to_owned()));
}

#[test]
fn what_a_picture_cannot_hold_is_refused_by_name_and_flag() {
    let refused = |format: PictureFormat, dtype, (h, w, c)| {
        format.check(Extent::new(h, w, c), dtype).unwrap_err().to_string()
    };
    let float = refused(PictureFormat::Png, DataType::F32, (1, 1, 1));
    assert_eq!(float, "PNG holds uint8 and uint16, not float32 (--scale auto --dtype u8)");
    let deep = refused(PictureFormat::Jpeg, DataType::U16, (1, 1, 1));
    assert_eq!(deep, "JPEG holds uint8, not uint16 (--scale auto --dtype u8)");
    let many = refused(PictureFormat::Png, DataType::U8, (1, 1, 5));
    assert_eq!(many, "PNG holds 1 to 4 channels, not 5 (--channels 1-3)");
    assert!(refused(PictureFormat::Jpeg, DataType::U8, (1, 1, 4)).ends_with("(--channels 1-3)"));
    assert!(refused(PictureFormat::WebP, DataType::U8, (1, 1, 1)).ends_with("(--channels 1,1,1)"));
    let wide = refused(PictureFormat::Jpeg, DataType::U8, (1, 65_536, 3));
    assert_eq!(wide, "JPEG has at most 65535 pixels a side, not 65536 x 1 (--window or --level)");
    assert!(refused(PictureFormat::WebP, DataType::U8, (16_384, 1, 3)).contains("16383 pixels"));
    assert!(refused(PictureFormat::Png, DataType::U8, (0, 1, 3)).contains("empty"));
    for options in [
        PictureOptions { level: 0, ..Default::default() },
        PictureOptions { quality: 0, ..Default::default() },
    ] {
        assert!(options.check().is_err());
    }
}

#[test]
fn rows_that_no_chunk_of_a_png_holds_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let image = OutputImage::new(Extent::new(2, 1 << 30, 4), DataType::U8);
    let path = folder.path().join("a.png");
    let made = outcrop_writer::create(outcrop_writer::Target::Path(&path), &image, &Options::default());
    assert!(made.err().unwrap().to_string().contains("1073741824 pixels"));
    assert_eq!(names(folder.path()).len(), 0);
}

/// A profile that says of itself that it is of those colours, and is of no use otherwise.
fn profile(colours: &[u8; 4], bytes: usize) -> Vec<u8> {
    let mut icc: Vec<u8> = (0..bytes).map(|n| ((n * n) >> 4) as u8).collect();
    icc[16..20].copy_from_slice(colours);
    icc
}

fn with_metadata(colours: &[u8; 4]) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.icc = Some(profile(colours, 100_000));
    metadata.resolution = Some(Resolution { x: 300.0, y: 150.0, unit: 2 });
    metadata
}

#[test]
fn profile_and_resolution_go_along() {
    let img = image::<u8>(40, 50, 3);
    let metadata = with_metadata(b"RGB ");
    let described = OutputImage { metadata: &metadata, ..described(&img) };
    let (_folder, path) = place("a.png");
    write(&path, &img, (40, 50), &described, &Options::default()).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    let info = reader.info();
    assert_eq!(info.icc_profile.as_deref(), metadata.icc.as_deref());
    let density = info.pixel_dims.unwrap();
    assert_eq!((density.xppu, density.yppu, density.unit), (11811, 5906, png::Unit::Meter));

    let path = path.with_extension("jpg");
    write(&path, &img, (40, 50), &described, &Options::default()).unwrap();
    let file = std::fs::read(&path).unwrap();
    // JFIF 1.x, inches.
    assert_eq!(&file[6..11], b"JFIF\0");
    assert_eq!(&file[13..18], [1, 300u16.to_be_bytes()[0], 300u16.to_be_bytes()[1], 0, 150]);
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(&file));
    decoder.decode_headers().unwrap();
    assert_eq!(decoder.icc_profile(), metadata.icc);
    assert!(decoder.decode().is_ok());

    let path = path.with_extension("webp");
    write(&path, &img, (40, 50), &described, &Options::default()).unwrap();
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(std::fs::read(&path).unwrap())).unwrap();
    assert_eq!(decoder.icc_profile().unwrap(), metadata.icc);
}

#[test]
fn a_profile_of_other_colours_stays_behind() {
    let img = image::<u8>(4, 5, 1);
    let metadata = with_metadata(b"RGB ");
    let (_folder, path) = place("a.png");
    let described = OutputImage { metadata: &metadata, ..described(&img) };
    write(&path, &img, (4, 5), &described, &Options::default()).unwrap();
    assert!(!std::fs::read(&path).unwrap().windows(4).any(|w| w == b"iCCP"));
}

#[test]
fn what_a_picture_cannot_say_is_said_in_the_log() {
    let img = image::<u8>(4, 5, 4);
    let mut metadata = Metadata::default();
    metadata.photometric_code = Some(5);
    let (_folder, path) = place("a.png");
    let cmyk = write(
        &path,
        &img,
        (4, 5),
        &OutputImage { metadata: &metadata, ..described(&img) },
        &Options::default(),
    );
    assert!(cmyk.unwrap_err().to_string().contains("CMYK"));
    let img = image::<u8>(4, 5, 1);
    metadata.photometric_code = Some(0);
    metadata.orientation = Some(6);
    let notices = write(
        &path,
        &img,
        (4, 5),
        &OutputImage { metadata: &metadata, ..described(&img) },
        &Options::default(),
    );
    let notices = notices.unwrap().join("\n");
    assert!(notices.contains("white is zero") && notices.contains("orientation"), "{notices}");
}

/// Pillow's answer to a script about the files in a folder.
fn pillow(folder: &Path, script: &str) -> Option<String> {
    let Ok(python) = std::env::var("OUTCROP_PYTHON") else {
        println!("skipped: OUTCROP_PYTHON names no Python with Pillow");
        return None;
    };
    let ask = |code: &str| {
        std::process::Command::new(&python).current_dir(folder).args(["-c", code]).output().unwrap()
    };
    if !ask("import PIL, numpy").status.success() {
        println!("skipped: OUTCROP_PYTHON has no Pillow");
        return None;
    }
    let out = ask(script);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

#[test]
fn pillow_opens_every_picture() {
    let (folder, path) = place("x");
    let mut files = 0;
    let mut save = |name: &str, format, img: &Array3<u8>| {
        let metadata = with_metadata(if img.dim().2 < 3 { b"GRAY" } else { b"RGB " });
        let described = OutputImage { metadata: &metadata, ..described(img) };
        let options = Options { format: Some(Format::Picture(format)), ..Options::default() };
        write(&path.with_file_name(name), img, (300, 700), &described, &options).unwrap();
        let npy = Options { format: Some(Format::Npy), ..Options::default() };
        write(&path.with_file_name(format!("{name}.npy")), img, (300, 700), &described, &npy).unwrap();
        files += 1;
    };
    for channels in 1..=4 {
        for (height, width) in [(1, 1), (33, 17), (700, 90)] {
            let img = image::<u8>(height, width, channels);
            save(&format!("{height}.{channels}.png"), PictureFormat::Png, &img);
            if channels == 1 || channels == 3 {
                save(&format!("{height}.{channels}.jpg"), PictureFormat::Jpeg, &img);
            }
            if channels >= 3 {
                save(&format!("{height}.{channels}.webp"), PictureFormat::WebP, &img);
            }
        }
    }
    let deep = image::<u16>(300, 200, 1);
    write(&path.with_file_name("deep.png"), &deep, (300, 200), &described(&deep), &Options::default())
        .unwrap();
    write(&path.with_file_name("deep.png.npy"), &deep, (300, 200), &described(&deep), &Options::default())
        .unwrap();
    files += 1;
    let script = "
import glob, numpy as np
from PIL import Image
good = 0
for name in glob.glob('*.*'):
    if name.endswith('.npy'): continue
    want = np.load(name + '.npy')
    with Image.open(name) as im:
        im.load()
        got = np.asarray(im)
        if not name.startswith('deep'):
            assert len(im.info['icc_profile']) == 100000, name
            if not name.endswith('.webp'):
                dpi = [round(float(d)) for d in im.info['dpi']]
                assert dpi == [300, 150], (name, dpi)
    assert got.shape == want.shape, (name, got.shape, want.shape)
    if name.endswith('.jpg'):
        # The noise of three bits, as quality 90 keeps it; colour is halved.
        assert np.abs(got.astype(int) - want).mean() < (4 if want.ndim == 2 else 24), name
    else:
        assert got.dtype == want.dtype and (got == want).all(), name
    good += 1
print(good)
";
    if let Some(good) = pillow(folder.path(), script) {
        assert_eq!(good.trim(), files.to_string());
    }
}

#[test]
fn a_jpeg_is_as_good_and_as_small_as_that_of_libjpeg() {
    let img = Array3::from_shape_fn((480, 640, 3), |(y, x, c)| {
        let noise = (((y * 640 + x) * 3 + c) as u32).wrapping_mul(2_654_435_761) >> 29;
        let edge = if (x / 29 + y / 37 + c).is_multiple_of(7) { 60 } else { 0 };
        (x / 4 + y / 20 + edge + noise as usize).min(255) as u8
    });
    let (folder, path) = place("a.npy");
    write(&path, &img, (480, 640), &described(&img), &Options::default()).unwrap();
    for (quality, subsampled) in [(50, true), (75, false), (90, true), (95, false)] {
        let options = PictureOptions { quality, subsampled, ..Default::default() };
        let name = path.with_file_name(format!("{quality}.jpg"));
        std::fs::write(name, encoded(PictureFormat::Jpeg, &img, &options)).unwrap();
    }
    let script = "
import io, os, numpy as np
from PIL import Image
a = np.load('a.npy')
noise = lambda f: ((np.asarray(Image.open(f)).astype(float) - a) ** 2).mean()
for quality, halved in [(50, 1), (75, 0), (90, 1), (95, 0)]:
    name, theirs = f'{quality}.jpg', io.BytesIO()
    Image.fromarray(a).save(theirs, 'jpeg', quality=quality, subsampling=2 if halved else 0)
    ours = noise(name), os.path.getsize(name)
    other = noise(theirs), len(theirs.getvalue())
    assert ours[0] <= other[0] * 1.01 + 0.05 and ours[1] <= other[1] * 1.01, (quality, ours, other)
print('ok')
";
    if let Some(said) = pillow(folder.path(), script) {
        assert_eq!(said.trim(), "ok");
    }
}
