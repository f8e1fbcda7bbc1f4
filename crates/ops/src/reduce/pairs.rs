//! [`Pairs`]: counts of 8-bit samples two at a time.
//!
//! One counter is incremented for two neighbouring samples; the counts of single ones are sums over rows and columns of
//! the table. With 65,536 counters of 32 bits a table stays in the second-level cache: 8 GB/s against 4.

/// Entries of a table.
const ENTRIES: usize = 1 << 16;
/// Most tables: more would not stay in the cache.
const MOST: usize = 4;

/// How often each pair of samples came, for each place of a pair among the channels.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    channels: usize,
    /// What turns the bits of a sample into its key.
    flip: u8,
    /// One table after the other: none before the first sample.
    tables: Vec<u32>,
    /// Increments that a counter may have seen.
    held: u64,
}

/// Tables that interleaved samples of so many channels need; `None` where that is too many.
pub(super) fn tables(channels: usize) -> Option<usize> {
    let tables = if channels.is_multiple_of(2) { channels / 2 } else { channels };
    (1..=MOST).contains(&tables).then_some(tables)
}

/// Bytes of the tables for so many channels.
pub(super) fn bytes(channels: usize) -> u64 {
    (tables(channels).unwrap_or(0) * ENTRIES * size_of::<u32>()) as u64
}

impl Pairs {
    /// No samples, of interleaved channels; their keys are their bits XOR `flip`.
    pub(super) fn new(channels: usize, flip: u8) -> Pairs {
        Pairs { channels, flip, tables: Vec::new(), held: 0 }
    }

    /// Counts whole groups of pairs, beginning with the first channel, and returns the samples left over, which begin
    /// with the first channel as well. `counts` receives what is held when the counters are full.
    pub(super) fn count<'a>(&mut self, samples: &'a [u8], counts: &mut [u64]) -> &'a [u8] {
        match tables(self.channels) {
            Some(1) => self.count_in::<1>(samples, counts),
            Some(2) => self.count_in::<2>(samples, counts),
            Some(3) => self.count_in::<3>(samples, counts),
            Some(4) => self.count_in::<4>(samples, counts),
            _ => samples,
        }
    }

    fn count_in<'a, const TABLES: usize>(&mut self, samples: &'a [u8], counts: &mut [u64]) -> &'a [u8] {
        self.tables.resize(TABLES * ENTRIES, 0);
        let whole = samples.len() / (2 * TABLES) * (2 * TABLES);
        for run in samples[..whole].chunks((2 * TABLES) << 24) {
            let groups = (run.len() / (2 * TABLES)) as u64;
            if self.held + groups > u64::from(u32::MAX) {
                self.drain(counts);
            }
            self.held += groups;
            let (tables, _) = self.tables.as_chunks_mut::<ENTRIES>();
            let Ok(tables): Result<&mut [[u32; ENTRIES]; TABLES], _> = tables.try_into() else { break };
            // Several groups at a time, so that the compiler unrolls.
            let mut wide = run.chunks_exact(8 * TABLES);
            for part in &mut wide {
                count_groups(tables, part);
            }
            count_groups(tables, wide.remainder());
        }
        &samples[whole..]
    }

    /// Moves what is held into `counts`.
    fn drain(&mut self, counts: &mut [u64]) {
        self.add_to(counts);
        self.tables.fill(0);
        self.held = 0;
    }

    /// Adds what is held to `counts`: for each channel 256 counters by key.
    pub(super) fn add_to(&self, counts: &mut [u64]) {
        if self.held == 0 {
            return;
        }
        for (t, table) in self.tables.chunks_exact(ENTRIES).enumerate() {
            let [low, high] = [2 * t, 2 * t + 1].map(|place| place % self.channels * 256);
            for (second, row) in table.chunks_exact(256).enumerate() {
                for (first, &n) in row.iter().enumerate() {
                    counts[low + (first ^ usize::from(self.flip))] += u64::from(n);
                    counts[high + (second ^ usize::from(self.flip))] += u64::from(n);
                }
            }
        }
    }
}

#[inline(always)]
fn count_groups<const TABLES: usize>(tables: &mut [[u32; ENTRIES]; TABLES], samples: &[u8]) {
    for group in samples.chunks_exact(2 * TABLES) {
        for (table, pair) in tables.iter_mut().zip(group.as_chunks::<2>().0) {
            table[usize::from(u16::from_le_bytes(*pair))] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_count_as_single_samples_do() {
        let samples: Vec<u8> = (0..4801u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 21) as u8).collect();
        for (channels, flip) in (1..=8).flat_map(|channels| [(channels, 0), (channels, 0x80)]) {
            let samples = &samples[..4801 / channels * channels];
            let (mut pairs, mut counts) = (Pairs::new(channels, flip), vec![0; channels * 256]);
            pairs.count(samples, &mut counts);
            pairs.drain(&mut counts);
            let rest = pairs.count(samples, &mut counts);
            pairs.add_to(&mut counts);
            let mut wanted = vec![0; channels * 256];
            let counted = &samples[..samples.len() - rest.len()];
            let places = counted.iter().enumerate().map(|(i, v)| i % channels * 256 + usize::from(v ^ flip));
            places.for_each(|place| wanted[place] += 2);
            assert_eq!(counts, wanted, "{channels} channels");
            assert_eq!(tables(channels).is_some(), !counted.is_empty());
        }
    }
}
