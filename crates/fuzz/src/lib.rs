//! What is fuzzed: any bytes as a TIFF file, as a picture or an array's header, and as a block of any description. The targets in `fuzz_targets`
//! hand libFuzzer's bytes to these functions; `crates/reader/tests/fuzz.rs` does the same, seeded, on every test run.
//!
//! Nothing is returned: a case fails by a panic, by taking too long or by taking too much memory.

use std::path::Path;
use std::sync::Arc;

use outcrop_core::{
    ByteOrder, Channels, ChunkGrid, DataType, Error, Order, Request, Result, Scratch, Source,
};
use outcrop_reader::tiff::block::{BlockSpec, CodecState};
use outcrop_reader::tiff::stream::StreamDecoder;
use outcrop_reader::tiff::{self, BadBlocks, TiffOptions};
use outcrop_reader::{Format, IoMode, OpenOptions, Store};

/// Codes of TIFF Compression whose blocks are bytes.
pub const BYTE_CODECS: &[u16] = &[1, 5, 8, 32773, 34925, 50000];
/// Codes of TIFF Compression of black and white and few bits.
pub const FAX_CODECS: &[u16] = &[2, 3, 4, 32771, 32766, 32809];
/// Codes of TIFF Compression whose blocks are images in themselves.
pub const IMAGE_CODECS: &[u16] = &[6, 7, 33003, 34676, 34677, 34887, 34933, 50001, 50002];

/// Formats whose files are one picture.
pub const PICTURES: &[Format] = &[Format::Png, Format::Jpeg, Format::WebP, Format::Bmp];
/// Formats that are a header and samples.
pub const HEADERS: &[Format] = &[Format::Npy, Format::Envi];

/// No request of a case may cost more.
const MOST_BYTES: u64 = 64 << 20;

/// Opens `data` as a TIFF and reads some of its pages and levels. `path` is a file to be written over.
pub fn tiff(data: &[u8], path: &Path) {
    std::fs::write(path, data).expect("a folder that can be written to");
    for (io, bad_blocks) in [(IoMode::Map, BadBlocks::Fail), (IoMode::Read, BadBlocks::Nodata)] {
        for (page, level, expand_palette, mask) in [
            (0, 0, false, false),
            (0, 1, false, false),
            (1, 0, false, false),
            (0, 0, true, false),
            (0, 0, false, true),
        ] {
            let options = TiffOptions { page, level, mask, bad_blocks, expand_palette };
            let store = Arc::new(Store::open(path, io).expect("the file was just written"));
            // Any other error is an answer.
            if let Err(Error::Panic(why)) = tiff::open(store, &options).and_then(|source| read_some(&source))
            {
                panic!("{why}");
            }
        }
    }
}

/// Opens `data` as a file that shows itself to be of one of `formats`, and reads some of it. `path` is a file to be
/// written over, in a folder where an ENVI header finds its data.
pub fn file(formats: &[Format], data: &[u8], path: &Path) {
    if !Format::from_content(&data[..data.len().min(16)]).is_some_and(|format| formats.contains(&format)) {
        return;
    }
    std::fs::write(path, data).expect("a folder that can be written to");
    for (io, bad_blocks) in [(IoMode::Map, BadBlocks::Fail), (IoMode::Read, BadBlocks::Nodata)] {
        let options = OpenOptions { io, bad_blocks, ..OpenOptions::default() };
        if let Err(Error::Panic(why)) =
            outcrop_reader::open(path, &options).and_then(|source| read_some(&*source))
        {
            panic!("{why}");
        }
    }
}

/// The first chunks and the last one, of the first channel and of all.
fn read_some(source: &dyn Source) -> Result<()> {
    let image = source.image();
    let extent = image.extent;
    let align = match source.order() {
        Order::Sequential => (1, extent.width),
        Order::Any => image.layout.align(extent.width),
    };
    let grid = ChunkGrid::new(extent.rect(), (64, extent.width.min(1024)), align);
    let mut scratch = Scratch::new();
    for channels in [Channels::select(vec![0], extent.channels)?, Channels::all(extent.channels.min(64))] {
        let cost = source.cost(grid.shape(), &channels)?;
        if cost.total() > MOST_BYTES {
            continue;
        }
        for chunk in [0, 1, grid.len().saturating_sub(1)].into_iter().filter(|&c| c < grid.len()) {
            let request = Request { rect: grid.rect(chunk), channels: &channels };
            source.fetch(&request, &mut scratch)?;
            let read = source.read(&request, &mut scratch)?;
            assert_eq!(read.pixels.shape()[2], channels.len());
            source.release(&request);
        }
    }
    Ok(())
}

/// Decodes `data` as a block: its first bytes describe the block, the rest are its stored bytes. Where the codec can also
/// be read as a stream, both must agree on what they read.
pub fn block(codecs: &[u16], data: &[u8]) {
    let Some((head, stored)) = data.split_first_chunk::<12>() else { return };
    let spec = Arc::new(describe(codecs, head));
    if spec.check().is_err() {
        return;
    }
    let rows = spec.height.min(u32::from(head[11]) + 1);
    let bytes = rows as usize * spec.width as usize * spec.samples() * spec.dtype.bytes();
    let mut whole = vec![0; bytes];
    let decoded = spec.decode(stored, rows, &mut CodecState::default(), &mut whole);
    if matches!(decoded, Err(Error::Usage(_))) {
        panic!("the length of the output is right: {decoded:?}");
    }
    if !spec.can_stream() {
        return;
    }
    let mut streamed = vec![0; bytes];
    let step = usize::from(head[10] % 7) + 1;
    let mut stream = || {
        let mut decoder = StreamDecoder::new(spec.clone(), rows, stored)?;
        let row = bytes / rows as usize;
        streamed
            .chunks_mut(row * step)
            .try_for_each(|part| decoder.read_rows((part.len() / row) as u32, part))
    };
    // One may refuse what the other does not come to see.
    if let (Ok(()), Ok(())) = (decoded, stream()) {
        assert!(whole == streamed, "the stream gives other pixels: {spec:?}");
    }
}

/// A block's description from any bytes: small, and often sensible.
fn describe(codecs: &[u16], head: &[u8; 12]) -> BlockSpec {
    const KINDS: [(u16, u16, DataType); 16] = [
        (8, 1, DataType::U8),
        (16, 1, DataType::U16),
        (1, 1, DataType::U8),
        (2, 1, DataType::U8),
        (4, 1, DataType::U8),
        (12, 1, DataType::U16),
        (24, 1, DataType::U32),
        (32, 1, DataType::U32),
        (64, 1, DataType::U64),
        (16, 2, DataType::I16),
        (7, 2, DataType::I8),
        (16, 3, DataType::F16),
        (24, 3, DataType::F32),
        (32, 3, DataType::F32),
        (64, 3, DataType::F64),
        (33, 2, DataType::I64),
    ];
    let pick = |i: usize, n: usize| usize::from(head[i]) % n;
    let compression = codecs[pick(0, codecs.len())];
    let (mut bits, sample_format, dtype) = KINDS[pick(1, KINDS.len())];
    let (mut sample_format, mut dtype) = (sample_format, dtype);
    // What these codecs hold; one case in four keeps the other depth, to be refused.
    if !head[2].is_multiple_of(4) {
        let fixed = match compression {
            2 | 3 | 4 | 32771 => Some((1, 1, DataType::U8)),
            32766 => Some((2, 1, DataType::U8)),
            32809 => Some((4, 1, DataType::U8)),
            34676 | 34677 => Some((16, 2, DataType::I16)),
            _ => None,
        };
        (bits, sample_format, dtype) = fixed.unwrap_or((bits, sample_format, dtype));
    }
    let samples = [1, 3, 1, 4, 2, 3][pick(3, 6)];
    let subsampled = head[4] % 8 == 7;
    BlockSpec {
        compression,
        predictor: [1, 2, 3, 1][pick(4, 4)],
        photometric: if subsampled { 6 } else { [1, 2, 0, 6, 3, 32844, 32845][pick(5, 7)] },
        bits: vec![bits; samples],
        sample_format,
        dtype,
        byte_order: if head[6] & 1 == 0 { ByteOrder::Little } else { ByteOrder::Big },
        reversed_bits: head[6] & 2 != 0,
        width: u32::from(head[7]) + 1,
        height: u32::from(head[8] % 64) + 1,
        subsampling: if subsampled { [(2, 2), (2, 1), (4, 1), (1, 2)][pick(9, 4)] } else { (1, 1) },
        jpeg_tables: None,
        t4_options: u32::from(head[9] & 7),
        t6_options: u32::from(head[9] & 2),
        lerc_parameters: vec![4, u32::from(head[9] % 4)],
        old_jpeg: None,
    }
}
