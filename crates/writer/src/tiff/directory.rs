//! [`Directory`]: the header and tags of a TIFF as bytes, with room for the places of its blocks.
//!
//! The directory stands before the data, so that a reader gets it in one piece. The arrays of offsets and counts
//! come last in it: they are a hole until commits fill them, and never in memory as a whole.

use std::collections::BTreeMap;

use outcrop_core::{Error, Result};

/// The tag of the places of reduced images.
const SUB_IFDS: u16 = 330;

/// TIFF field types, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ascii = 2,
    Short = 3,
    Long = 4,
    Rational = 5,
    Undefined = 7,
    Double = 12,
    Long8 = 16,
}

/// The tags of one image.
#[derive(Debug, Default)]
pub(super) struct Directory {
    entries: BTreeMap<u16, Entry>,
    /// What stands between the file's header and its first directory.
    pub(super) preface: &'static [u8],
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    count: u64,
    bytes: Vec<u8>,
}

/// An entry and where its value stands; `outside` is `None` where it fits the entry.
struct Item<'a> {
    tag: u16,
    kind: Kind,
    count: u64,
    value: &'a [u8],
    outside: Option<u64>,
}

/// The bytes of a directory (the file's first one with the header), and what is filled in later.
#[derive(Debug)]
pub(super) struct Laid {
    /// Where `bytes` stand in the file.
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
    /// Where the directory itself stands.
    pub(super) place: u64,
    /// Where the place of the next directory stands; zeros in `bytes`.
    pub(super) next: u64,
    /// Where the places of the reduced images stand, if it has any.
    pub(super) reduced: Option<u64>,
    /// Where the array of block offsets stands.
    pub(super) offsets: u64,
    /// Where the array of block lengths stands; these have 32 bits.
    pub(super) counts: u64,
    /// Where block data or another directory may start.
    pub(super) end: u64,
    /// Whether offsets have 64 bits.
    pub(super) big: bool,
}

impl Directory {
    pub(super) fn shorts(&mut self, tag: u16, values: &[u16]) {
        self.put(tag, Kind::Short, values.len(), values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub(super) fn long(&mut self, tag: u16, value: u32) {
        self.put(tag, Kind::Long, 1, value.to_le_bytes());
    }

    pub(super) fn longs(&mut self, tag: u16, values: &[u32]) {
        self.put(tag, Kind::Long, values.len(), values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub(super) fn doubles(&mut self, tag: u16, values: &[f64]) {
        self.put(tag, Kind::Double, values.len(), values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub(super) fn rational(&mut self, tag: u16, (numerator, denominator): (u32, u32)) {
        let bytes = numerator.to_le_bytes().into_iter().chain(denominator.to_le_bytes());
        self.put(tag, Kind::Rational, 1, bytes);
    }

    /// Text, up to its first NUL. TIFF says ASCII; UTF-8 is what everybody writes.
    pub(super) fn text(&mut self, tag: u16, text: &str) {
        let text = text.split('\0').next().unwrap_or_default();
        self.put(tag, Kind::Ascii, text.len() + 1, text.bytes().chain([0]));
    }

    pub(super) fn undefined(&mut self, tag: u16, bytes: &[u8]) {
        self.put(tag, Kind::Undefined, bytes.len(), bytes.iter().copied());
    }

    /// Makes room for the places of `count` reduced images (SubIFDs).
    pub(super) fn reduced_images(&mut self, count: usize, big: bool) {
        let (kind, word) = if big { (Kind::Long8, 8) } else { (Kind::Long, 4) };
        self.entries.remove(&SUB_IFDS);
        self.put(SUB_IFDS, kind, count, std::iter::repeat_n(0, count * word));
    }

    fn put(&mut self, tag: u16, kind: Kind, count: usize, bytes: impl IntoIterator<Item = u8>) {
        if count > 0 {
            self.entries.insert(tag, Entry { kind, count: count as u64, bytes: bytes.into_iter().collect() });
        }
    }

    /// Lays out tags, values, and arrays for `blocks` blocks under the two tags that name their offsets and lengths,
    /// from byte `start` of the file; from byte 0 with the header before them.
    ///
    /// # Errors
    /// [`Error::Usage`] where the tags alone pass 4 GiB in a classic TIFF.
    pub(super) fn lay_out(&self, start: u64, big: bool, blocks: u64, tags: (u16, u16)) -> Result<Laid> {
        let word: u64 = if big { 8 } else { 4 };
        let (header, count_bytes, entry_bytes) = if big { (16, 8, 20) } else { (8, 2, 12) };
        let entries = self.entries.len() as u64 + 2;
        let place = if start == 0 { (header + self.preface.len() as u64).next_multiple_of(8) } else { start };
        let next = place + count_bytes + entries * entry_bytes;
        let mut end = next + word;

        // First the values that do not fit their entry, then the two arrays.
        let mut items = Vec::new();
        for (&tag, Entry { kind, count, bytes }) in &self.entries {
            let outside = place_outside(&mut end, bytes.len() as u64, word);
            items.push(Item { tag, kind: *kind, count: *count, value: bytes, outside });
        }
        let mut bytes = vec![0; (end - start) as usize];
        let offset_kind = if big { Kind::Long8 } else { Kind::Long };
        for (tag, kind, size) in [(tags.0, offset_kind, word), (tags.1, Kind::Long, 4)] {
            let outside = place_outside(&mut end, blocks * size, word);
            items.push(Item { tag, kind, count: blocks, value: &[], outside });
        }
        items.sort_by_key(|item| item.tag);

        let mut put =
            |at: u64, value: &[u8]| bytes[(at - start) as usize..][..value.len()].copy_from_slice(value);
        if start == 0 {
            put(0, if big { &[b'I', b'I', 43, 0, 8, 0, 0, 0] } else { &[b'I', b'I', 42, 0] });
            put(if big { 8 } else { 4 }, &place.to_le_bytes()[..word as usize]);
            put(header, self.preface);
        }
        put(place, &entries.to_le_bytes()[..count_bytes as usize]);
        let (mut offsets, mut counts, mut reduced) = (0, 0, None);
        for (i, item) in items.iter().enumerate() {
            let at = place + count_bytes + i as u64 * entry_bytes;
            put(at, &item.tag.to_le_bytes());
            put(at + 2, &(item.kind as u16).to_le_bytes());
            put(at + 4, &item.count.to_le_bytes()[..word as usize]);
            let slot = at + 4 + word;
            if let Some(outside) = item.outside {
                put(slot, &outside.to_le_bytes()[..word as usize]);
            }
            let stands = item.outside.unwrap_or(slot);
            if item.tag == tags.0 {
                offsets = stands;
            } else if item.tag == tags.1 {
                counts = stands;
            } else {
                put(stands, item.value);
            }
            if item.tag == SUB_IFDS {
                reduced = Some(stands);
            }
        }
        let end = end.next_multiple_of(16);
        if !big && end > u32::MAX.into() {
            return Err(Error::Usage("the tags alone pass 4 GiB (--bigtiff yes)".into()));
        }
        Ok(Laid { start, bytes, place, next, reduced, offsets, counts, end, big })
    }
}

/// Room for a value that does not fit its entry, or `None` for one that does.
fn place_outside(end: &mut u64, bytes: u64, word: u64) -> Option<u64> {
    (bytes > word).then(|| {
        let at = end.next_multiple_of(8);
        *end = at + bytes;
        at
    })
}

/// The nearest fraction of 32-bit numbers, by continued fractions; `None` for what is not positive and finite.
pub(super) fn rational(value: f64) -> Option<(u32, u32)> {
    if !(value.is_finite() && value > 0.0 && value < 4294967295.0) {
        return None;
    }
    let (mut before, mut best) = ((0u64, 1u64), (1u64, 0u64));
    let mut rest = value;
    for _ in 0..40 {
        let whole = rest.floor();
        if whole > u32::MAX.into() {
            break;
        }
        let step =
            |a: u64, b: u64| (whole as u64).checked_mul(a)?.checked_add(b).filter(|&n| n <= u32::MAX.into());
        let Some(next) = step(best.0, before.0).zip(step(best.1, before.1)) else { break };
        (before, best) = (best, next);
        if best.0 as f64 / best.1 as f64 == value || rest == whole {
            break;
        }
        rest = 1.0 / (rest - whole);
    }
    (best.0 > 0 && best.1 > 0).then_some((best.0 as u32, best.1 as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact_where_they_can_be() {
        assert_eq!(rational(300.0), Some((300, 1)));
        assert_eq!(rational(0.25), Some((1, 4)));
        assert_eq!(rational(39999.9), Some((399999, 10)));
        let (n, d) = rational(std::f64::consts::PI).unwrap();
        assert!((n as f64 / d as f64 - std::f64::consts::PI).abs() < 1e-15);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            assert_eq!(rational(bad), None, "{bad}");
        }
    }

    #[test]
    fn arrays_of_one_block_stand_in_their_entries() {
        let mut d = Directory::default();
        d.long(256, 7);
        let laid = d.lay_out(0, false, 1, (273, 279)).unwrap();
        assert_eq!((laid.offsets, laid.counts), (8 + 2 + 12 + 8, 8 + 2 + 24 + 8));
        assert_eq!(laid.bytes.len(), 8 + 2 + 36 + 4);
        let laid = d.lay_out(0, true, 1000, (273, 279)).unwrap();
        assert_eq!(laid.offsets % 8, 0);
        assert_eq!(laid.counts, laid.offsets + 8000);
        assert!(laid.end >= laid.counts + 4000 && laid.bytes.len() as u64 <= laid.offsets);
    }
}
