//! Raw, `.npy` and ENVI output: the right bytes in every chunk shape, in files and in streams.

mod util;

use std::io::Read;
use std::process::Command;

use ndarray::s;
use outcrop_core::{ByteOrder, DataType, Extent, Metadata, Value, with_dtype};
use outcrop_writer::{Format, Options, OutputImage, Target, create};
use util::{bytes, described, feed, image, names, place, write};

#[test]
fn raw_files_hold_the_samples_in_every_chunk_shape() {
    for dtype in DataType::ALL {
        with_dtype!(dtype, T => {
            let img = image::<T>(13, 17, 3);
            for shape in [(1, 17), (5, 17), (13, 17), (4, 6), (13, 1), (1, 1)] {
                let (_folder, path) = place("a.raw");
                write(&path, &img, shape, &described(&img), &Options::default()).unwrap();
                assert_eq!(std::fs::read(&path).unwrap(), bytes(&img), "{dtype} {shape:?}");
            }
        });
    }
}

#[test]
fn views_that_are_not_contiguous_are_written_alike() {
    let img = image::<u16>(9, 11, 4);
    let some = img.slice(s![.., .., 1..3]).to_owned();
    let planar =
        some.clone().permuted_axes([2, 0, 1]).as_standard_layout().to_owned().permuted_axes([1, 2, 0]);
    let flipped = some.slice(s![.., ..;-1, ..]).to_owned().slice_move(s![.., ..;-1, ..]);
    for (name, view) in [("planar", planar), ("flipped", flipped)] {
        for shape in [(4, 11), (2, 3)] {
            let (_folder, path) = place("a.raw");
            write(&path, &view, shape, &described(&some), &Options::default()).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes(&some), "{name} {shape:?}");
        }
    }
}

#[test]
fn big_endian_raw_has_its_bytes_swapped() {
    let img = image::<f32>(5, 4, 2);
    let options = Options { byte_order: Some(ByteOrder::Big), ..Options::default() };
    for shape in [(5, 4), (2, 3)] {
        let (_folder, path) = place("a.bin");
        write(&path, &img, shape, &described(&img), &options).unwrap();
        let want: Vec<u8> = img.iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(std::fs::read(&path).unwrap(), want);
    }
}

#[test]
fn a_stream_gets_the_bytes_in_order() {
    let img = image::<f64>(50, 31, 3);
    for (format, header) in [(Format::Raw, 0), (Format::Npy, 128)] {
        let (_folder, path) = place("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let reader = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut all = Vec::new();
                std::fs::File::open(path).unwrap().read_to_end(&mut all).unwrap();
                all
            }
        });
        let options = Options { format: Some(format), ..Options::default() };
        // The sink asks for full rows, so that narrow chunks are widened by the grid.
        write(&path, &img, (4, 5), &described(&img), &options).unwrap();
        assert_eq!(reader.join().unwrap()[header..], bytes(&img));
    }
}

#[test]
fn a_broken_pipe_is_an_error_and_not_a_signal() {
    let (_folder, path) = place("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let reader = std::thread::spawn({
        let path = path.clone();
        move || drop(std::fs::File::open(path).unwrap())
    });
    let img = image::<u8>(4000, 500, 1);
    let options = Options { format: Some(Format::Raw), ..Options::default() };
    let answer = write(&path, &img, (10, 500), &described(&img), &options);
    reader.join().unwrap();
    let Err(outcrop_core::Error::Io { source, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::BrokenPipe);
}

/// Made by `numpy.save` (NumPy 2) of `numpy.zeros(shape, dtype)`.
#[test]
fn npy_headers_are_those_of_numpy() {
    for (shape, dtype, text) in NUMPY {
        let (h, w, c) = *shape;
        let (_folder, path) = place("a.npy");
        with_dtype!(*dtype, T => {
            let img = ndarray::Array3::<T>::zeros((h, w, c));
            write(&path, &img, (3, 3), &described(&img), &Options::default()).unwrap();
        });
        let found = std::fs::read(&path).unwrap();
        assert_eq!(found.len(), 128 + h * w * c * dtype.bytes());
        let mut want = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        want.extend(text.as_bytes());
        want.resize(127, b' ');
        want.push(b'\n');
        assert_eq!(found[..128], want, "{shape:?} {dtype}");
    }
}

const NUMPY: &[((usize, usize, usize), DataType, &str)] = &[
    ((2, 3, 1), DataType::F32, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"),
    ((2, 3, 4), DataType::U8, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 4), }"),
    ((1, 1, 2), DataType::I8, "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 1, 2), }"),
    ((7, 1, 3), DataType::F16, "{'descr': '<f2', 'fortran_order': False, 'shape': (7, 1, 3), }"),
    ((0, 5, 3), DataType::U64, "{'descr': '<u8', 'fortran_order': False, 'shape': (0, 5, 3), }"),
];

#[test]
fn an_envi_header_describes_the_data_beside_it() {
    let img = image::<u16>(6, 5, 2);
    let mut metadata = Metadata::default();
    metadata.description = Some("a {curly}\nscene".into());
    metadata.channel_names = vec!["red".into(), "near, infrared".into()];
    let described = OutputImage { metadata: &metadata, nodata: &[Value::Int(65535)], ..described(&img) };
    for named in ["a.raw", "a.hdr"] {
        let (folder, path) = place(named);
        let options = Options { format: Some(Format::Envi), ..Options::default() };
        write(&path, &img, (2, 5), &described, &options).unwrap();
        assert_eq!(names(folder.path()), ["a.hdr", "a.raw"]);
        assert_eq!(std::fs::read(folder.path().join("a.raw")).unwrap(), bytes(&img));
        assert_eq!(
            std::fs::read_to_string(folder.path().join("a.hdr")).unwrap(),
            "ENVI\ndescription = {a (curly) scene}\nsamples = 5\nlines = 6\nbands = 2\nheader offset = 0\n\
             file type = ENVI Standard\ndata type = 12\ninterleave = bip\nbyte order = 0\n\
             data ignore value = 65535\nband names = {red, near; infrared}\n"
        );
    }
}

#[test]
fn what_envi_cannot_hold_is_refused_before_anything_is_there() {
    let (folder, path) = place("a.hdr");
    let image = OutputImage::new(Extent::new(2, 2, 1), DataType::F16);
    let e = create(Target::Path(&path), &image, &Options::default()).err().unwrap();
    assert!(matches!(e, outcrop_core::Error::Unsupported(_)), "{e}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn chunks_that_are_missing_or_out_of_order_are_noticed() {
    let img = image::<u8>(4, 4, 1);
    let (folder, path) = place("a.raw");
    let mut made = create(Target::Path(&path), &described(&img), &Options::default()).unwrap();
    feed(&mut *made.sink, &img.slice(s![..3, .., ..]).to_owned(), (1, 4)).unwrap();
    let e = made.sink.finish().unwrap_err().to_string();
    assert!(e.contains("12 of 16 pixels"), "{e}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn an_extent_that_no_file_can_hold_is_refused() {
    let (folder, path) = place("a.npy");
    for extent in [Extent::new(1 << 40, 1 << 40, 1), Extent::new(u64::MAX, 1, 1)] {
        let image = OutputImage::new(extent, DataType::F64);
        assert!(create(Target::Path(&path), &image, &Options::default()).is_err());
    }
    assert!(names(folder.path()).is_empty());
}
