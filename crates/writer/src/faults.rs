//! Outputs that fail after N bytes, for many N: an error each time, never a file under the name.

use std::io::{self, Write};

use outcrop_core::{Buffer, ByteOrder, ChunkGrid, DataType, Error, Extent, Pixels, Rect, Result, Sink};

use crate::output::{Output, Stream};
use crate::rows::RowsSink;
use crate::tiff::{self, Blocks, Compression, TiffOptions};
use crate::{OutputImage, Overwrite, PartialFile, PictureFormat, PictureOptions, npy, picture};

const EXTENT: Extent = Extent { height: 40, width: 48, channels: 1 };

/// Feeds every chunk of a picture and finishes.
fn run(mut sink: Box<dyn Sink>) -> Result<()> {
    let encoder = sink.encoder();
    let grid = ChunkGrid::new(EXTENT.rect(), (16, 16), sink.align());
    let mut encoded = Buffer::new();
    for i in 0..grid.len() {
        let rect: Rect = grid.rect(i);
        let samples: Vec<u16> = (0..rect.area()).map(|n| (n * n % 1009) as u16).collect();
        let pixels = Pixels::contiguous(&samples, [rect.height as usize, rect.width as usize, 1])?;
        encoder.encode(i, rect, pixels, &mut encoded)?;
        sink.commit(i, rect, &mut encoded)?;
    }
    sink.finish()
}

struct Failing(usize);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Short writes first, as pipes give them.
        let taken = bytes.len().min(self.0).min(100);
        self.0 -= taken;
        if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_that_fails_after_any_byte_is_an_error() {
    let header = npy::header(EXTENT, DataType::U16);
    let total = header.len() + 40 * 48 * 2;
    for n in (0..total).step_by(37).chain([total - 1, total]) {
        let stream = Output::Stream(Stream::new(Failing(n), "pipe".into()));
        let sink =
            RowsSink::new(stream, None, header.clone(), (EXTENT, DataType::U16), ByteOrder::Little, None)
                .unwrap();
        let answer = run(Box::new(sink));
        if n == total {
            answer.unwrap();
        } else {
            assert!(
                matches!(&answer, Err(Error::Io { what, .. }) if what.contains("of pipe")),
                "{n}: {answer:?}"
            );
        }
    }
}

#[test]
fn a_disk_that_is_full_after_any_byte_leaves_no_file() {
    let image = OutputImage::new(EXTENT, DataType::U16);
    let options = TiffOptions {
        blocks: Blocks::Tiles { height: 16, width: 16 },
        compression: Compression::Lzw,
        ..Default::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let attempt = |limit| {
        let file = PartialFile::create(&path, Overwrite::Refuse)?.limited(limit);
        run(tiff::create(file, &image, &options, None)?.sink)
    };
    attempt(u64::MAX).unwrap();
    let whole = std::fs::metadata(&path).unwrap().len();
    std::fs::remove_file(&path).unwrap();
    for limit in (0..whole).step_by(61).chain([whole - 1]) {
        let answer = attempt(limit);
        assert!(matches!(answer, Err(Error::Io { .. })), "{limit} of {whole}: {answer:?}");
        let said = answer.unwrap_err().to_string();
        assert!(said.contains("bytes in all") || said.contains("bytes long"), "{said}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{limit}");
    }
    attempt(whole).unwrap();
}

#[test]
fn a_picture_on_a_disk_that_is_full_after_any_byte_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for format in [PictureFormat::Png, PictureFormat::Jpeg] {
        let path = folder.path().join("a");
        let dtype = if format == PictureFormat::Png { DataType::U16 } else { DataType::U8 };
        let samples: Vec<u16> = (0..EXTENT.rect().area()).map(|n| (n * n % 251) as u16).collect();
        let narrow: Vec<u8> = samples.iter().map(|&n| n as u8).collect();
        let attempt = |limit| -> Result<()> {
            let file = PartialFile::create(&path, Overwrite::Refuse)?.limited(limit);
            let image = OutputImage::new(EXTENT, dtype);
            let mut sink =
                picture::create(Output::File(file), format, &image, &PictureOptions::default(), None)?.sink;
            let (rect, shape) = (EXTENT.rect(), [40, 48, 1]);
            let pixels = match dtype {
                DataType::U16 => Pixels::contiguous(&samples, shape)?,
                _ => Pixels::contiguous(&narrow, shape)?,
            };
            let mut encoded = Buffer::new();
            sink.encoder().encode(0, rect, pixels, &mut encoded)?;
            sink.commit(0, rect, &mut encoded)?;
            sink.finish()
        };
        attempt(u64::MAX).unwrap();
        let whole = std::fs::metadata(&path).unwrap().len();
        std::fs::remove_file(&path).unwrap();
        for limit in (0..whole).step_by(23).chain([whole - 1]) {
            let answer = attempt(limit);
            assert!(matches!(answer, Err(Error::Io { .. })), "{limit} of {whole}: {answer:?}");
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{limit}");
        }
        attempt(whole).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn an_uncompressed_output_that_cannot_fit_fails_before_the_first_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.raw");
    let file = PartialFile::create(&path, Overwrite::Refuse).unwrap().limited(40 * 48 * 2 - 1);
    let made =
        RowsSink::new(Output::File(file), None, Vec::new(), (EXTENT, DataType::U16), ByteOrder::Little, None);
    assert!(matches!(made, Err(Error::Io { .. })));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}
