//! LERC (34887): Esri's limited error raster compression, second version, blobs 1 to 6.
//!
//! After the published description ("Lerc2" of esri/lerc, Apache 2.0) and libtiff's use of it: several samples are one
//! blob of that depth, or a blob each; the blob may be inside Deflate or ZSTD; what the mask leaves out is NaN in
//! floats, 0 in integers; a mask in the place of a last 8-bit sample is an alpha of 0 and 255.
//! Lossless floats by Huffman codes of version 6 are refused.

use std::io::Read;

use bytemuck::Pod;
use outcrop_core::{DataType, Error, Result, Sample};

use super::super::block::BlockSpec;
use super::super::unpack;
use super::image::Shape;
use super::lerc_bits::{Huffman, Input, WordBits, broken};
use super::lerc_tiles::{Steps, Tile};

/// LERC's numbers for the types that it has.
const TYPES: [DataType; 8] = [
    DataType::I8,
    DataType::U8,
    DataType::I16,
    DataType::U16,
    DataType::I32,
    DataType::U32,
    DataType::F32,
    DataType::F64,
];

/// What the codec demands of the page.
pub(super) fn check(spec: &BlockSpec) -> Result<()> {
    if !TYPES.contains(&spec.dtype) || spec.bits.iter().any(|&b| usize::from(b) != 8 * spec.dtype.bytes()) {
        return Err(Error::Unsupported(format!("LERC of {} bits as {}", spec.depths(), spec.dtype)));
    }
    match spec.lerc_parameters.get(1) {
        None | Some(0..=2) => Ok(()),
        Some(n) => Err(Error::Unsupported(format!("LERC inside compression {n} (LercParameters)"))),
    }
}

/// Buffers kept from block to block.
#[derive(Default)]
pub(super) struct Buffers {
    mask: Vec<u8>,
    /// Samples of a blob that is not the whole block.
    pixels: Vec<u64>,
    tables: Tables,
}

/// What is decoded on the way to samples.
#[derive(Default)]
struct Tables {
    quanta: Vec<u32>,
    /// Samples of a tile.
    samples: Vec<u64>,
    code: Huffman,
}

/// So many samples in a buffer, as they were.
fn samples_in<T: Sample>(buffer: &mut Vec<u64>, n: usize) -> &mut [T] {
    let needed = n.div_ceil(size_of::<u64>() / size_of::<T>());
    if buffer.len() < needed {
        buffer.resize(needed, 0);
    }
    &mut bytemuck::cast_slice_mut(buffer)[..n]
}

/// Decodes the blobs of a block.
pub(super) fn decode(
    spec: &BlockSpec,
    stored: &[u8],
    shape: Shape,
    contexts: &mut super::Contexts,
    out: &mut [u8],
) -> Result<()> {
    // No blob is longer than its pixels as they are, a mask and some headers.
    let most = out.len() as u64 * 2 + (1 << 20);
    let unpacked = &mut contexts.image.stored;
    unpacked.clear();
    let read = match spec.lerc_parameters.get(1) {
        Some(1) => flate2::bufread::ZlibDecoder::new(stored).take(most).read_to_end(unpacked),
        Some(2) => super::zstandard::open(stored)?.take(most).read_to_end(unpacked),
        _ => Ok(0),
    };
    read.map_err(|e| broken(&e.to_string()))?;
    let input =
        Input { rest: if spec.lerc_parameters.get(1).is_none_or(|&n| n == 0) { stored } else { unpacked } };
    match spec.dtype {
        DataType::I8 => bands::<i8>(spec, input, shape, &mut contexts.lerc, out),
        DataType::U8 => bands::<u8>(spec, input, shape, &mut contexts.lerc, out),
        DataType::I16 => bands::<i16>(spec, input, shape, &mut contexts.lerc, out),
        DataType::U16 => bands::<u16>(spec, input, shape, &mut contexts.lerc, out),
        DataType::I32 => bands::<i32>(spec, input, shape, &mut contexts.lerc, out),
        DataType::U32 => bands::<u32>(spec, input, shape, &mut contexts.lerc, out),
        DataType::F32 => bands::<f32>(spec, input, shape, &mut contexts.lerc, out),
        DataType::F64 => bands::<f64>(spec, input, shape, &mut contexts.lerc, out),
        _ => return check(spec),
    }?;
    // libtiff turns the bytes of a big-endian file's samples before the encoder sees them, and after the decoder.
    unpack::to_native(out, shape.bytes, spec.byte_order);
    Ok(())
}

/// Decodes blobs until all samples are there.
fn bands<T: Sample>(
    spec: &BlockSpec,
    mut input: Input<'_>,
    shape: Shape,
    buffers: &mut Buffers,
    out: &mut [u8],
) -> Result<()> {
    let samples = shape.samples;
    let Buffers { mask, pixels, tables } = buffers;
    mask.clear();
    let mut done = 0;
    while done < samples {
        let blob = Blob::read(&mut input, shape, mask)?;
        if TYPES.get(blob.kind) != Some(&spec.dtype) {
            return Err(Error::Format(format!(
                "lerc: samples of type {}, expected {}",
                blob.kind, spec.dtype
            )));
        }
        let (width, rows, depth) = (blob.width, blob.rows, blob.depth);
        if depth > samples - done {
            return Err(Error::Format(format!(
                "lerc: {} samples per pixel, expected {samples}",
                done + depth
            )));
        }
        let invalid = if spec.dtype.is_float() { T::from_f64(f64::NAN) } else { T::default() };
        if (depth, width, rows) == (samples, shape.width as usize, shape.rows as usize)
            && let Ok(all) = bytemuck::try_cast_slice_mut::<u8, T>(out)
            && all.len() == width * rows * depth
        {
            // The blob is the block: its pixels go where they belong.
            if !mask.is_empty() {
                all.fill(invalid);
            }
            return blob.decode(mask, tables, all);
        }
        let pixels = samples_in::<T>(pixels, width * rows * depth);
        pixels.fill(invalid);
        blob.decode(mask, tables, pixels)?;
        let last = !input.rest.starts_with(b"Lerc2 ");
        let alpha = spec.dtype == DataType::U8 && samples > 1 && done == 0 && depth == samples - 1 && last;
        for (y, row) in out.chunks_exact_mut(shape.row_bytes()).enumerate() {
            for (x, pixel) in row.chunks_exact_mut(samples * shape.bytes).enumerate() {
                let from = &pixels[(y * width + x) * depth..][..depth];
                pixel[done * shape.bytes..][..depth * shape.bytes]
                    .copy_from_slice(bytemuck::cast_slice(from));
                if alpha {
                    pixel[depth] = if is_valid(mask, y * width + x) { 255 } else { 0 };
                }
            }
        }
        done += depth + usize::from(alpha);
    }
    Ok(())
}

/// Whether the mask has the pixel; an empty mask has all.
#[inline]
pub(super) fn is_valid(mask: &[u8], k: usize) -> bool {
    mask.is_empty() || mask[k / 8] & (0x80 >> (k % 8)) != 0
}

/// A blob: its header and the bytes after its mask.
struct Blob<'a> {
    version: i32,
    rows: usize,
    width: usize,
    depth: usize,
    valid: usize,
    block: usize,
    kind: usize,
    max_error: f64,
    min: f64,
    max: f64,
    data: Input<'a>,
    /// Begins with the largest sample of each channel, from version 4 on.
    largest: Input<'a>,
}

impl<'a> Blob<'a> {
    /// Reads a blob's header and its mask, which stays as it was where the blob has none of its own.
    fn read(input: &mut Input<'a>, shape: Shape, mask: &mut Vec<u8>) -> Result<Blob<'a>> {
        let whole = *input;
        match input.take(6)? {
            b"Lerc2 " => {}
            b"CntZIm" => return Err(Error::Unsupported("LERC blobs of the first version".into())),
            // Damage, which may be filled.
            _ => return Err(broken("no blob starts here")),
        }
        let version = input.i32()?;
        if !(1..=6).contains(&version) {
            return Err(broken(&format!("version {version}, expected 1 to 6")));
        }
        let checksum = if version >= 3 { Some(u32::from_le_bytes(input.array()?)) } else { None };
        let mut count = || {
            usize::try_from(input.i32()?)
                .ok()
                .filter(|&n| n < 1 << 30)
                .ok_or_else(|| broken("a count out of range"))
        };
        let (rows, width) = (count()?, count()?);
        let depth = if version >= 4 { count()? } else { 1 };
        let (valid, block, size, kind) = (count()?, count()?, count()?, count()?);
        if version >= 6 {
            count()?;
            input.take(4)?;
        }
        let [max_error, min, max] = [input.f64()?, input.f64()?, input.f64()?];
        if version >= 6 {
            input.take(16)?;
        }
        let header_bytes = whole.rest.len() - input.rest.len();
        let mut data = whole;
        let bytes = data.take(size.max(header_bytes))?;
        input.rest = data.rest;
        if let Some(checksum) = checksum
            && fletcher32(&bytes[14..]) != checksum
        {
            return Err(broken("the checksum is wrong"));
        }
        shape.admit("lerc", width as u64, rows as u64, shape.samples as u64)?;
        if depth == 0 || block == 0 || valid > rows * width {
            return Err(broken("a count out of range"));
        }
        let mut data = Input { rest: &bytes[header_bytes..] };
        let coded = usize::try_from(data.i32()?).map_err(|_| broken("a mask of negative size"))?;
        let coded = data.take(coded)?;
        let mask_bytes = (rows * width).div_ceil(8);
        if valid == rows * width {
            mask.clear();
        } else if valid == 0 {
            mask.clear();
            mask.resize(mask_bytes, 0);
        } else if !coded.is_empty() {
            mask.clear();
            unpack_mask(coded, mask_bytes, mask)?;
        } else if mask.len() != mask_bytes {
            return Err(broken("no mask"));
        }
        Ok(Blob { version, rows, width, depth, valid, block, kind, max_error, min, max, data, largest: data })
    }

    /// Fills in the valid pixels.
    fn decode<T: Sample>(mut self, mask: &[u8], tables: &mut Tables, out: &mut [T]) -> Result<()> {
        if self.valid == 0 {
            return Ok(());
        }
        if self.min == self.max {
            return self.constant(mask, |_| T::from_f64(self.min), out);
        }
        if self.version >= 4 {
            let (least, depth) = (self.data, self.depth);
            self.data.take(size_of::<T>() * depth)?;
            self.largest = self.data;
            self.data.take(size_of::<T>() * depth)?;
            if (0..depth).all(|c| least.sample::<T>(c) == self.largest.sample::<T>(c)) {
                return self.constant(mask, |c| least.sample(c), out);
            }
        }
        if self.data.u8()? != 0 {
            let bytes = self.data.take(self.valid * self.depth * size_of::<T>())?;
            if mask.is_empty() {
                values(bytes, out);
                return Ok(());
            }
            let mut bytes = bytes.chunks_exact(size_of::<T>());
            return self.each_valid(mask, out, |pixel| {
                pixel.iter_mut().zip(&mut bytes).for_each(|(v, b)| *v = value(b));
                Ok(())
            });
        }
        let (whole_bytes, lossless_float) =
            (self.kind < 2 && self.max_error == 0.5, self.kind >= 6 && self.max_error == 0.0);
        if (self.version >= 2 && whole_bytes) || (self.version >= 6 && lossless_float) {
            return match self.data.u8()? {
                0 => self.tiles(mask, tables, out),
                1 if whole_bytes => self.huffman(mask, tables, true, out),
                2 if whole_bytes && self.version >= 4 => self.huffman(mask, tables, false, out),
                3 if lossless_float => {
                    Err(Error::Unsupported("LERC with lossless floats of version 6".into()))
                }
                mode => Err(broken(&format!("an unknown mode {mode}"))),
            };
        }
        self.tiles(mask, tables, out)
    }

    fn each_valid<T>(
        &self,
        mask: &[u8],
        out: &mut [T],
        mut f: impl FnMut(&mut [T]) -> Result<()>,
    ) -> Result<()> {
        let mut left = self.valid;
        for (k, pixel) in out.chunks_exact_mut(self.depth).enumerate() {
            if is_valid(mask, k) {
                left =
                    left.checked_sub(1).ok_or_else(|| broken("the mask has more pixels than the header"))?;
                f(pixel)?;
            }
        }
        Ok(())
    }

    /// Every pixel the same: `value` of each channel.
    fn constant<T: Sample>(&self, mask: &[u8], value: impl Fn(usize) -> T, out: &mut [T]) -> Result<()> {
        self.each_valid(mask, out, |pixel| {
            pixel.iter_mut().enumerate().for_each(|(c, v)| *v = value(c));
            Ok(())
        })
    }

    /// Bytes by Huffman codes, of differences to the left (else the upper) neighbour or of themselves.
    fn huffman<T: Sample>(
        &mut self,
        mask: &[u8],
        tables: &mut Tables,
        differences: bool,
        out: &mut [T],
    ) -> Result<()> {
        let Tables { quanta, code, .. } = tables;
        code.read(&mut self.data, self.version, quanta)?;
        let mut bits = WordBits::new(self.data.rest);
        let room = 8 * self.data.rest.len() + 32;
        let early = || broken("the block ends early");
        let offset = if self.kind == 0 { 128u8 } else { 0 };
        let (width, depth) = (self.width, self.depth);
        let out: &mut [u8] = bytemuck::cast_slice_mut(out);
        if !differences {
            return self.each_valid(mask, out, |pixel| {
                for v in pixel {
                    *v = code.next(&mut bits)?.wrapping_sub(offset);
                }
                if bits.taken() > room { Err(early()) } else { Ok(()) }
            });
        }
        for c in 0..depth {
            let mut last = 0u8;
            for y in 0..self.rows {
                let (above, row) = out.split_at_mut(y * width * depth);
                let above = &above[y.saturating_sub(1) * width * depth..];
                let row = &mut row[..width * depth];
                if mask.is_empty() {
                    last = above.get(c).copied().unwrap_or(last);
                    for pixel in row.chunks_exact_mut(depth) {
                        last = code.next(&mut bits)?.wrapping_sub(offset).wrapping_add(last);
                        pixel[c] = last;
                    }
                } else {
                    for (x, pixel) in row.chunks_exact_mut(depth).enumerate() {
                        let k = y * width + x;
                        if !is_valid(mask, k) {
                            continue;
                        }
                        let left = x > 0 && is_valid(mask, k - 1);
                        let from = if !left && y > 0 && is_valid(mask, k - width) {
                            above[x * depth + c]
                        } else {
                            last
                        };
                        last = code.next(&mut bits)?.wrapping_sub(offset).wrapping_add(from);
                        pixel[c] = last;
                    }
                }
                if bits.taken() > room {
                    return Err(early());
                }
            }
        }
        Ok(())
    }

    /// Square tiles, each constant, raw, or quantised with an offset.
    fn tiles<T: Sample>(&mut self, mask: &[u8], tables: &mut Tables, out: &mut [T]) -> Result<()> {
        let (width, rows, block) = (self.width, self.rows, self.block);
        let Tables { quanta, samples, .. } = tables;
        for top in (0..rows).step_by(block) {
            for left in (0..width).step_by(block) {
                let (bottom, right) = ((top + block).min(rows), (left + block).min(width));
                let tile = Tile { rows: top..bottom, columns: left..right, width, depth: self.depth, mask };
                let valid = tile.valid();
                for c in 0..self.depth {
                    let head = self.data.u8()?;
                    let relative = self.version >= 5 && head & 4 != 0;
                    let pattern = if self.version >= 5 { 14 } else { 15 };
                    if usize::from(head >> 2) & pattern != left >> 3 & pattern || (relative && c == 0) {
                        return Err(broken("a tile that is out of step"));
                    }
                    match head & 3 {
                        0 if relative => return Err(broken("a raw tile of differences")),
                        0 => {
                            let mut bytes =
                                self.data.take(valid * size_of::<T>())?.chunks_exact(size_of::<T>());
                            tile.each(out, c, |pixel, c| {
                                pixel[c] = bytes.next().map_or(T::default(), value);
                            });
                        }
                        2 if relative => tile.each(out, c, |pixel, c| pixel[c] = pixel[c - 1]),
                        2 => tile.each(out, c, |pixel, c| pixel[c] = T::default()),
                        kind => {
                            let stored_as = if relative && self.kind < 6 { 4 } else { self.kind };
                            let offset = self.offset(stored_as, usize::from(head >> 6))?;
                            let largest = if self.depth > 1 && self.version >= 4 {
                                self.largest.sample::<T>(c).to_f64()
                            } else {
                                self.max
                            };
                            if kind == 3 {
                                let constant = T::from_f64(offset);
                                tile.each(out, c, |pixel, c| {
                                    pixel[c] = if relative {
                                        T::from_f64((offset + pixel[c - 1].to_f64()).min(largest))
                                    } else {
                                        constant
                                    };
                                });
                                continue;
                            }
                            let area = tile.rows.len() * tile.columns.len();
                            self.data.integers(self.version, area, quanta)?;
                            if quanta.len() < valid {
                                return Err(broken("a tile with too few values"));
                            }
                            let steps = Steps { offset, step: 2.0 * self.max_error, largest, relative };
                            steps.undo(&tile, quanta, samples_in(samples, quanta.len()), out, c);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A tile's offset, stored in a narrower type than the samples' where `narrower` says so.
    fn offset(&mut self, kind: usize, narrower: usize) -> Result<f64> {
        let kind = match kind {
            2 | 4 => kind.checked_sub(narrower),
            3 | 5 => kind.checked_sub(2 * narrower),
            6 => Some([6, 2, 1, 1][narrower]),
            7 => Some([7, 6, 4, 2][narrower]),
            other => Some(other),
        };
        Ok(match kind {
            Some(0) => f64::from(self.data.u8()? as i8),
            Some(1) => f64::from(self.data.u8()?),
            Some(2) => f64::from(i16::from_le_bytes(self.data.array()?)),
            Some(3) => f64::from(u16::from_le_bytes(self.data.array()?)),
            Some(4) => f64::from(self.data.i32()?),
            Some(5) => f64::from(u32::from_le_bytes(self.data.array()?)),
            Some(6) => f64::from(f32::from_le_bytes(self.data.array()?)),
            Some(7) => self.data.f64()?,
            _ => return Err(broken("an offset of no type")),
        })
    }
}

impl Input<'_> {
    /// The stored sample with that index, which was found to be there.
    fn sample<T: Sample>(&self, c: usize) -> T {
        self.rest.chunks_exact(size_of::<T>()).nth(c).map_or(T::default(), value)
    }
}

/// Stored samples.
fn values<T: Sample>(bytes: &[u8], out: &mut [T]) {
    out.iter_mut().zip(bytes.chunks_exact(size_of::<T>())).for_each(|(v, b)| *v = value(b));
}

/// A stored sample.
#[inline]
fn value<T: Sample + Pod>(bytes: &[u8]) -> T {
    let v: T = bytemuck::pod_read_unaligned(bytes);
    if cfg!(target_endian = "big") { v.swap_bytes() } else { v }
}

/// Runs of literal (count > 0) and of repeated bytes, ended by -32768.
fn unpack_mask(coded: &[u8], bytes: usize, mask: &mut Vec<u8>) -> Result<()> {
    let mut input = Input { rest: coded };
    loop {
        let count = i16::from_le_bytes(input.array()?);
        match count {
            i16::MIN => break,
            1.. => mask.extend_from_slice(input.take(count as usize)?),
            _ => {
                let byte = input.u8()?;
                mask.resize(mask.len() + usize::from(count.unsigned_abs()), byte);
            }
        }
        if mask.len() > bytes {
            return Err(broken("a mask longer than its pixels"));
        }
    }
    if mask.len() != bytes {
        return Err(broken("a mask shorter than its pixels"));
    }
    Ok(())
}

/// Fletcher's checksum of big-endian 16-bit words, an odd last byte padded.
fn fletcher32(bytes: &[u8]) -> u32 {
    const LANES: usize = 8;
    /// Rounds after which a lane's sums still fit.
    const ROUNDS: usize = 256;
    // The second sum has each word as often as there are words from it on. Lanes count rounds, which are `LANES` words.
    let (mut sum1, mut sum2) = (0u64, 0u64);
    let (rounds, rest) = bytes.as_chunks::<{ 2 * LANES }>();
    for run in rounds.chunks(ROUNDS) {
        let (mut once, mut often) = ([0u32; LANES], [0u32; LANES]);
        for round in run {
            for k in 0..LANES {
                once[k] += u32::from(u16::from_be_bytes([round[2 * k], round[2 * k + 1]]));
                often[k] += once[k];
            }
        }
        sum2 += sum1 * (run.len() * LANES) as u64;
        for (k, (once, often)) in once.into_iter().zip(often).enumerate() {
            sum1 += u64::from(once);
            sum2 += LANES as u64 * u64::from(often) - k as u64 * u64::from(once);
        }
        (sum1, sum2) = (sum1 % 0xffff, sum2 % 0xffff);
    }
    for word in rest.chunks(2) {
        sum1 += u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0));
        sum2 += sum1;
    }
    // Both begin with 65535 and are folded, never divided: 0 is written so.
    let folded = |sum: u64| if sum.is_multiple_of(0xffff) { 0xffff } else { (sum % 0xffff) as u32 };
    folded(sum2) << 16 | folded(sum1)
}

/// Blobs as imagecodecs 2026.3.6 (liblerc 4) wrote them.
#[cfg(test)]
mod tests {
    use super::super::super::block::CodecState;
    use outcrop_core::ByteOrder;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    /// `lerc_encode((arange(12, dtype='f4') / 4).reshape(3, 4), level=0.01, masks=m)`, `m` without (0, 0) and (1, 2).
    const MASKED: &str = "4c657263322004000000b9609af50300000004000000010000000a0000000800000064000000060000009a9999999999\
                          993f000000000000d03f00000000000006400600000002007dff00800000803e0000304000010000803e860a40a13c94\
                          37a2ad0c";

    #[test]
    fn masked_floats_are_nan() {
        let stored = bytes(&MASKED.replace(' ', ""));
        let spec = BlockSpec::new(34887, (4, 3), DataType::F32, 1);
        let mut out = vec![0; 48];
        spec.decode(&stored, 3, &mut CodecState::default(), &mut out).unwrap();
        let found: Vec<f32> = out.chunks(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect();
        for (k, v) in found.iter().enumerate() {
            assert!(if k == 0 || k == 6 { v.is_nan() } else { *v == k as f32 / 4.0 }, "{k}: {v}");
        }
        for cut in 0..stored.len() {
            assert!(spec.decode(&stored[..cut], 3, &mut CodecState::default(), &mut out).is_err());
        }
    }

    /// `a = (arange(40, dtype='u1').reshape(5, 8) * 7) % 23`, `lerc_encode(stack([a, a // 2, a + 1], -1).astype('i2'), level=2)`.
    const DEEP: &str = "4c657263322004000000c65de842050000000800000003000000280000000800000087000000020000000000000000000040\
                        000000000000000000000000000037400000000000000000010016000b0017000081008328109b3523446bcd1a1162b36684\
                        e88c81008228e429499e9724794a929381018328109b3523446bcd1a1162b36684e88c";

    #[test]
    fn several_samples_come_within_the_error_that_was_allowed() {
        let stored = bytes(&DEEP.replace(' ', ""));
        let spec = BlockSpec::new(34887, (8, 5), DataType::I16, 3);
        let mut out = vec![0; 240];
        spec.decode(&stored, 5, &mut CodecState::default(), &mut out).unwrap();
        let found: Vec<i16> = out.chunks(2).map(|b| i16::from_ne_bytes(b.try_into().unwrap())).collect();
        assert_eq!(found[..9], [0, 0, 1, 8, 4, 9, 16, 8, 17]);
        for (pixel, i) in found.chunks(3).zip(0u8..) {
            let a = i16::from(i.wrapping_mul(7) % 23);
            for (v, want) in pixel.iter().zip([a, a / 2, a + 1]) {
                assert!((v - want).abs() <= 2, "pixel {i}: {v}, expected {want}");
            }
        }
    }

    /// `arange(12, dtype='u2').reshape(3, 4) * 300 + 7`, written by GDAL 3.9 with `COMPRESS=LERC, ENDIANNESS=BIG`.
    const BIG: &str = "4c6572633220040000006326c5b70300000004000000010000000c000000080000006300000003000000000000000000e03f\
                       0000000000009c40000000008061ed400000000000070ceb0100070133025f038b04b705e3070f083b09670a930bbf0ceb";

    #[test]
    fn samples_of_big_endian_files_are_turned() {
        let mut spec = BlockSpec::new(34887, (4, 3), DataType::U16, 1);
        spec.byte_order = ByteOrder::Big;
        let mut out = vec![0; 24];
        spec.decode(&bytes(&BIG.replace(' ', "")), 3, &mut CodecState::default(), &mut out).unwrap();
        let found: Vec<u16> = out.chunks(2).map(|b| u16::from_ne_bytes(b.try_into().unwrap())).collect();
        assert_eq!(found, (0..12).map(|i| i * 300 + 7).collect::<Vec<u16>>());
    }

    /// `lerc_encode((arange(18, dtype='u1') * 11).reshape(2, 3, 3), planar=True)`.
    const PLANES: &str = "4c657263322004000000b55354b503000000030000000100000009000000080000005200000001000000000000000000e03f\
                         0000000000000000000000000000564000000000005801000b16212c37424d584c65726332200400000069afff0f03000000\
                         030000000100000009000000080000005200000001000000000000000000e03f0000000000c0584000000000006067400000\
                         000063bb01636e79848f9aa5b0bb";

    #[test]
    fn a_second_blob_is_a_second_sample_and_no_alpha() {
        let mut out = vec![0; 18];
        let spec = BlockSpec::new(34887, (3, 3), DataType::U8, 2);
        spec.decode(&bytes(&PLANES.replace(' ', "")), 3, &mut CodecState::default(), &mut out).unwrap();
        assert_eq!(out, (0..9).flat_map(|k| [k * 11, k * 11 + 99]).collect::<Vec<u8>>());
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let mut stored = bytes(&DEEP.replace(' ', ""));
        *stored.last_mut().unwrap() ^= 1;
        let mut out = vec![0; 240];
        let found = BlockSpec::new(34887, (8, 5), DataType::I16, 3).decode(
            &stored,
            5,
            &mut CodecState::default(),
            &mut out,
        );
        assert!(found.unwrap_err().to_string().contains("checksum"));
    }
}
