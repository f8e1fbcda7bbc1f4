//! [`Record`]: what is noted of each item, and [`Measure`]: the statistics of the first split.

use outcrop_core::{DataType, Error, Reduce, Result};
use outcrop_ops::Validity;
use outcrop_ops::picture::Normalize;
use outcrop_ops::reduce::{Stats, StatsPartial};
use outcrop_scheduler::ItemSink;

use super::maker::Work;

/// What is known of an item that was worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// SHA-256 of the file; zeros where it could not be read.
    pub(super) hash: [u8; 32],
    /// Rows, columns and channels of the picture in its file; zeros where that is not known.
    pub(super) shape: [u32; 3],
    /// CRC-32 of its row.
    pub(super) crc: u32,
    /// Why it has no row.
    pub(super) bad: Option<Box<str>>,
}

/// Bytes of memory that the record of an item and what goes with it take, about.
pub(super) const BYTES: u64 = (size_of::<Record>() + 32) as u64;

impl Record {
    /// The record as bytes.
    pub(super) fn save(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.hash);
        bytes.extend(self.shape.iter().flat_map(|n| n.to_le_bytes()));
        bytes.extend(self.crc.to_le_bytes());
        let text = self.bad.as_deref();
        // A reason is never empty.
        bytes.extend((text.map_or(0, str::len) as u32).to_le_bytes());
        bytes.extend(text.unwrap_or("").as_bytes());
    }

    /// Takes a record off the front.
    pub(super) fn load(bytes: &mut &[u8]) -> Option<Record> {
        let hash = *bytes.split_off(..32)?.first_chunk()?;
        let mut number = || Some(u32::from_le_bytes(*bytes.split_off(..4)?.first_chunk()?));
        let shape = [number()?, number()?, number()?];
        let (crc, length) = (number()?, number()? as usize);
        let text = std::str::from_utf8(bytes.split_off(..length)?).ok()?;
        Some(Record { hash, shape, crc, bad: (length > 0).then(|| text.into()) })
    }
}

/// Statistics of the rows, pooled.
pub(super) struct Measure {
    kernel: Stats,
    total: StatsPartial,
    /// The greatest sample of the pictures' type.
    most: f64,
}

impl Measure {
    /// Of rows of `dtype` and that shape, made of pictures of the type `kind`.
    pub(super) fn new(dtype: DataType, shape: [usize; 3], kind: DataType) -> Measure {
        let kernel = Stats::new(Validity::all(dtype, shape[2]));
        let most = match kind {
            DataType::U8 => 255.0,
            DataType::U16 => 65535.0,
            _ => 1.0,
        };
        Measure { total: kernel.start(), kernel, most }
    }

    pub(super) fn kernel(&self) -> &Stats {
        &self.kernel
    }

    /// Mean and deviation of each channel, of samples from 0 to 1.
    pub(super) fn finish(self) -> Result<Normalize> {
        let channels = self.kernel.finish(&self.total);
        let figures = |of: &dyn Fn(&outcrop_ops::reduce::ChannelStats) -> Option<f64>| -> Option<Vec<f64>> {
            channels.iter().map(|channel| Some(of(channel)? / self.most).filter(|v| v.is_finite())).collect()
        };
        let found = figures(&|c| c.mean).zip(figures(&|c| c.std(0).filter(|&d| d > 0.0)));
        let none = || {
            Error::Usage(
                "the pictures of the first split have no mean and deviation above 0 (--normalize)".into(),
            )
        };
        let (mean, deviation) = found.ok_or_else(none)?;
        Ok(Normalize { mean, deviation })
    }
}

impl ItemSink<Work> for Measure {
    fn commit(&mut self, _: u64, slot: &mut Work) -> Result<()> {
        if let Some(partial) = slot.partial.take() {
            self.kernel.merge(&mut self.total, partial);
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(self.kernel.save(&self.total))
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.total = self.kernel.load(state)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let sound = Record { hash: [7; 32], shape: [1, 2, 3], crc: 9, bad: None };
        let bad = Record { bad: Some("broken".into()), ..sound.clone() };
        let mut bytes = Vec::new();
        sound.save(&mut bytes);
        bad.save(&mut bytes);
        let mut rest = &bytes[..];
        assert_eq!((Record::load(&mut rest), Record::load(&mut rest)), (Some(sound), Some(bad)));
        for cut in 0..bytes.len() {
            let mut rest = &bytes[..cut];
            assert!(Record::load(&mut rest).is_none() || Record::load(&mut rest).is_none());
        }
    }
}
