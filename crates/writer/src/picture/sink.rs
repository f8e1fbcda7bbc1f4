//! [`PictureSink`]: joins encoded bands in their order.
//!
//! As bands do not depend on each other, an unfinished picture is gone on with after the last one that was committed: a
//! checkpoint keeps how many rows and bytes there are, and the sum that the trailer of a PNG needs.

use std::sync::{Arc, Mutex, PoisonError};

use outcrop_core::{Buffer, Encoder, Error, Pixels, Rect, Result, Sink};

use super::bands::{Bands, NO_BYTES, Sum, Worker};
use super::{PictureFormat, PictureOptions};
use crate::output::{Appender, Output};
use crate::resume::{pack, unpack_front};
use crate::rows::check_chunk;
use crate::{Created, OutputImage};

/// Bytes at the end of an encoded chunk: checksum and length of what it was made of.
const SUM_BYTES: usize = 12;

struct PictureSink {
    output: Appender,
    encoder: Arc<BandEncoder>,
    sum: Sum,
    rows_done: u64,
}

struct BandEncoder {
    bands: Bands,
    /// Workers that are not at it.
    idle: Mutex<Vec<Worker>>,
}

/// Decides all that is known before the first pixel and gives the sink.
pub(crate) fn create(
    output: Output,
    format: PictureFormat,
    image: &OutputImage<'_>,
    options: &PictureOptions,
    resume: Option<&[u8]>,
) -> Result<Created> {
    let metadata = image.metadata;
    let mut options = options.clone();
    options.icc = options.icc.or_else(|| metadata.icc.clone());
    options.resolution = options.resolution.or(metadata.resolution);
    let bands = Bands::new(format, image.extent, image.dtype, &options)?;
    let mut notices = left_out(format, image)?;
    let output = Appender::new(output);
    let encoder = Arc::new(BandEncoder { bands, idle: Mutex::new(Vec::new()) });
    let mut sink = PictureSink { output, encoder, sum: NO_BYTES, rows_done: 0 };
    match (resume, sink.encoder.file_bound()) {
        (Some(state), _) => {
            // Said when it began.
            notices.clear();
            sink.restore(state)?;
        }
        (None, Some(bound)) => sink.output.ensure_space(bound, false)?,
        (None, None) => {}
    }
    notices.splice(0..0, sink.output.notices());
    Ok(Created { sink: Box::new(sink), notices })
}

/// What the picture will not say about the image; an error where it would say something untrue.
pub(crate) fn left_out(format: PictureFormat, image: &OutputImage<'_>) -> Result<Vec<String>> {
    let (name, metadata) = (format.name(), image.metadata);
    let mut notices = Vec::new();
    match metadata.photometric_code {
        Some(5) if image.extent.channels == 4 => {
            return Err(Error::Usage(format!(
                "{name} has no CMYK: its fourth channel is opacity (--channels 1-3, or a .tif)"
            )));
        }
        Some(0) if image.extent.channels < 3 => {
            notices.push(format!("white is zero in the samples, which a {name} cannot say"));
        }
        _ => {}
    }
    if metadata.palette.is_some() {
        notices.push("the palette was left out (--expand-palette writes its colours)".into());
    }
    if metadata.orientation.is_some_and(|o| o > 1) {
        notices.push("the orientation was left out (--rotate or --flip turns the pixels)".into());
    }
    Ok(notices)
}

impl PictureSink {
    /// Goes on where a checkpoint says.
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let ([rows_done, adler, len], output) = unpack_front(state)?;
        self.rows_done = rows_done;
        self.sum = Sum { adler: adler as u32, len };
        self.output.restore(output, rows_done == self.encoder.bands.extent.height)
    }
}

impl Sink for PictureSink {
    fn align(&self) -> (u64, u64) {
        (self.encoder.bands.rows(), self.encoder.bands.extent.width)
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.encoder.clone()
    }

    fn commit(&mut self, index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()> {
        let wrong = || Error::Panic(format!("chunk {index} ({rect}) came out of order to a picture"));
        if rect.y != self.rows_done {
            return Err(wrong());
        }
        let (bytes, sum) = encoded.bytes().split_last_chunk::<SUM_BYTES>().ok_or_else(wrong)?;
        let (adler, len) = sum.split_first_chunk::<4>().ok_or_else(wrong)?;
        let len = len.try_into().map(u64::from_ne_bytes).map_err(|_| wrong())?;
        if self.rows_done == 0 {
            self.output.write_all(self.encoder.bands.header())?;
        }
        self.output.write_all(bytes)?;
        self.sum = self.sum.then(Sum { adler: u32::from_ne_bytes(*adler), len });
        self.rows_done += rect.height;
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        let own = pack([self.rows_done, self.sum.adler.into(), self.sum.len]);
        Ok(self.output.save()?.map(|output| [own, output].concat()))
    }

    fn bytes_bound(&self) -> Option<u64> {
        self.encoder.file_bound()
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let height = self.encoder.bands.extent.height;
        if self.rows_done != height {
            return Err(Error::Panic(format!("{} of {height} rows were written", self.rows_done)));
        }
        let trailer = self.encoder.bands.trailer(self.sum);
        self.output.write_all(&trailer)?;
        self.output.finish().map(drop)
    }
}

impl BandEncoder {
    /// The most bytes of the file.
    fn file_bound(&self) -> Option<u64> {
        let bands = &self.bands;
        let whole = (bands.extent.height / bands.rows()).checked_mul(bands.bound(bands.rows()) as u64)?;
        let last = bands.bound(bands.extent.height % bands.rows()) as u64;
        whole.checked_add(last)?.checked_add(bands.header().len() as u64 + 64)
    }

    fn encode_chunk(
        &self,
        rect: Rect,
        pixels: Pixels<'_>,
        worker: &mut Worker,
        encoded: &mut Buffer,
    ) -> Result<()> {
        let bands = &self.bands;
        let (mut at, mut sum) = (0, NO_BYTES);
        for y in (0..rect.height).step_by(bands.rows() as usize) {
            let rows = bands.rows().min(rect.height - y);
            let band = pixels.slice(0, y as usize..(y + rows) as usize);
            encoded.resize(at + bands.bound(rows))?;
            let made = bands.encode(rect.y + y, band, worker, &mut encoded.bytes_mut()[at..])?;
            at += made.bytes;
            sum = sum.then(made.sum);
        }
        encoded.resize(at + SUM_BYTES)?;
        let end = &mut encoded.bytes_mut()[at..];
        end[..4].copy_from_slice(&sum.adler.to_ne_bytes());
        end[4..].copy_from_slice(&sum.len.to_ne_bytes());
        Ok(())
    }
}

impl Encoder for BandEncoder {
    fn cost(&self, shape: (u64, u64)) -> u64 {
        let bands = shape.0.div_ceil(self.bands.rows());
        let each = self.bands.bound(self.bands.rows().min(shape.0)) as u64;
        bands.saturating_mul(each).saturating_add(SUM_BYTES as u64).saturating_add(self.bands.worker_bytes())
    }

    fn encode(&self, index: u64, rect: Rect, pixels: Pixels<'_>, encoded: &mut Buffer) -> Result<()> {
        let bands = &self.bands;
        check_chunk(index, rect, &pixels, bands.extent, bands.dtype)?;
        if rect.width != bands.extent.width || !rect.y.is_multiple_of(bands.rows()) {
            return Err(Error::Panic(format!("chunk {index} ({rect}) is no band of a picture")));
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = idle.unwrap_or_else(|| Worker::new(bands));
        self.encode_chunk(rect, pixels, &mut worker, encoded)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        Ok(())
    }
}
