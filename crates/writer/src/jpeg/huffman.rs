//! Huffman tables of JPEG: reading codes, and the best codes for what was counted.

use super::failed;
use outcrop_core::Result;

/// The longest code.
const LONGEST: usize = 16;
/// Codes of up to this length are looked up at once.
const QUICK: u32 = 9;

/// What a table says: how many codes there are of each length, and their symbols, the shortest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spec {
    counts: [u8; LONGEST],
    symbols: Vec<u8>,
}

impl Spec {
    /// As it stands in a segment, after the table's class and number. Says what is left of the segment.
    pub(super) fn read(segment: &[u8]) -> Result<(Spec, &[u8])> {
        let (counts, rest) = segment.split_first_chunk::<LONGEST>().ok_or_else(|| failed("a short table"))?;
        let symbols = counts.iter().map(|&n| usize::from(n)).sum();
        let (symbols, rest) = rest.split_at_checked(symbols).ok_or_else(|| failed("a short table"))?;
        Ok((Spec { counts: *counts, symbols: symbols.to_vec() }, rest))
    }

    /// The bytes of a segment of one table.
    pub(super) fn write(&self, class: u8, number: u8, to: &mut Vec<u8>) {
        to.extend([0xff, super::TABLES_H]);
        to.extend((2 + 1 + LONGEST as u16 + self.symbols.len() as u16).to_be_bytes());
        to.push(class << 4 | number);
        to.extend(self.counts);
        to.extend(&self.symbols);
    }

    /// The best codes of at most 16 bits for symbols that occur so often (T.81, K.2): none is all ones.
    pub(super) fn best(counts: &[u32; 256]) -> Spec {
        // One more symbol, the rarest, takes the code of all ones.
        let mut weights = [0u64; 257];
        weights.iter_mut().zip(counts).for_each(|(w, &n)| *w = n.into());
        weights[256] = 1;
        let mut lengths = [0usize; 257];
        let mut next: [Option<usize>; 257] = [None; 257];
        // Joins the two rarest trees; of equally rare ones the last, so that the extra symbol's code is the longest.
        let mut trees: Vec<usize> = (0..257).filter(|&i| weights[i] > 0).collect();
        let rarest = |trees: &mut Vec<usize>, weights: &[u64; 257]| {
            let key = |&(_, &i): &(usize, &usize)| (weights[i], std::cmp::Reverse(i));
            let (place, _) = trees.iter().enumerate().min_by_key(key)?;
            Some(trees.swap_remove(place))
        };
        while trees.len() > 1 {
            let (Some(a), Some(b)) = (rarest(&mut trees, &weights), rarest(&mut trees, &weights)) else {
                break;
            };
            trees.push(a);
            weights[a] += weights[b];
            let mut last = a;
            loop {
                lengths[last] += 1;
                match next[last] {
                    Some(following) => last = following,
                    None => break,
                }
            }
            next[last] = Some(b);
            let mut of_b = Some(b);
            while let Some(i) = of_b {
                lengths[i] += 1;
                of_b = next[i];
            }
        }
        // Codes by length; those that are too long are moved up by pairs.
        let mut of_length = vec![0usize; lengths.iter().max().map_or(0, |&l| l.max(LONGEST)) + 1];
        lengths.iter().filter(|&&l| l > 0).for_each(|&l| of_length[l] += 1);
        for long in (LONGEST + 1..of_length.len()).rev() {
            while of_length[long] > 0 {
                let mut short = long - 2;
                while of_length[short] == 0 {
                    short -= 1;
                }
                of_length[long] -= 2;
                of_length[long - 1] += 1;
                of_length[short + 1] += 2;
                of_length[short] -= 1;
            }
        }
        // The extra symbol goes.
        if let Some(longest) = (1..=LONGEST).rev().find(|&l| of_length[l] > 0) {
            of_length[longest] -= 1;
        }
        let mut symbols: Vec<usize> = (0..256).filter(|&i| lengths[i] > 0).collect();
        symbols.sort_by_key(|&i| lengths[i]);
        let mut counts = [0; LONGEST];
        counts.iter_mut().zip(&of_length[1..]).for_each(|(to, &n)| *to = n as u8);
        Spec { counts, symbols: symbols.into_iter().map(|i| i as u8).collect() }
    }

    /// Each symbol's code and its length.
    fn codes(&self) -> impl Iterator<Item = (u8, u32, u32)> + '_ {
        let lengths = (1u32..).zip(self.counts).flat_map(|(l, n)| std::iter::repeat_n(l, n.into()));
        let (mut code, mut before) = (0u32, 0);
        self.symbols.iter().zip(lengths).map(move |(&symbol, length)| {
            if before > 0 {
                code = (code + 1) << (length - before);
            }
            before = length;
            (symbol, code, length)
        })
    }

    /// Code and length by symbol; length 0 where it has none.
    pub(super) fn encoder(&self) -> [(u32, u32); 256] {
        let mut table = [(0, 0); 256];
        self.codes().for_each(|(symbol, code, length)| table[usize::from(symbol)] = (code, length));
        table
    }

    pub(super) fn decoder(&self) -> Decoder {
        let mut quick = vec![(0, 0); 1 << QUICK];
        let mut long = Vec::new();
        for (symbol, code, length) in self.codes() {
            if length <= QUICK {
                let first = (code << (QUICK - length)) as usize;
                quick[first..first + (1 << (QUICK - length))].fill((symbol, length as u8));
            } else {
                long.push((code << (LONGEST as u32 - length), length as u8, symbol));
            }
        }
        Decoder { quick, long }
    }
}

/// Finds symbols by their codes.
pub(super) struct Decoder {
    quick: Vec<(u8, u8)>,
    /// The first 16 bits of longer codes, in their order, length and symbol.
    long: Vec<(u32, u8, u8)>,
}

impl Decoder {
    /// The symbol at the head of 16 bits, and the length of its code; `None` where there is none.
    #[inline]
    pub(super) fn find(&self, bits: u32) -> Option<(u8, u32)> {
        let (symbol, length) = self.quick[(bits >> (LONGEST as u32 - QUICK)) as usize];
        if length > 0 {
            return Some((symbol, length.into()));
        }
        let after = self.long.partition_point(|&(first, ..)| first <= bits);
        let (_, length, symbol) = *self.long.get(after.checked_sub(1)?)?;
        Some((symbol, length.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits that all symbols take, and the length of the longest code.
    fn cost(spec: &Spec, counts: &[u32; 256]) -> (u64, u32) {
        let codes = spec.encoder();
        let bits = counts.iter().zip(codes).map(|(&n, (_, l))| u64::from(n) * u64::from(l)).sum();
        (bits, codes.iter().map(|c| c.1).max().unwrap())
    }

    #[test]
    fn codes_are_prefix_free_complete_but_one_and_near_the_entropy() {
        let mut geometric = [0u32; 256];
        geometric.iter_mut().enumerate().for_each(|(i, n)| *n = (1u64 << 31 >> (i / 3).min(31)) as u32);
        let mut flat = [0; 256];
        flat[..162].fill(7);
        let mut one = [0; 256];
        one[5] = 1_000_000;
        for counts in [geometric, flat, one] {
            let spec = Spec::best(&counts);
            let codes: Vec<_> = spec.codes().collect();
            assert_eq!(codes.len(), counts.iter().filter(|&&n| n > 0).count());
            for (i, &(_, a, la)) in codes.iter().enumerate() {
                assert!(a != (1 << la) - 1, "all ones");
                for &(_, b, lb) in &codes[i + 1..] {
                    assert!(lb >= la && b >> (lb - la) != a, "{a:b} begins {b:b}");
                }
            }
            let all: f64 = counts.iter().map(|&n| f64::from(n)).sum();
            let used = counts.iter().filter(|&&n| n > 0).map(|&n| f64::from(n));
            let entropy: f64 = used.map(|n| n * (all / n).log2()).sum();
            let (bits, longest) = cost(&spec, &counts);
            assert!(longest <= 16 && bits as f64 <= entropy * 1.05 + all, "{bits} {entropy}");
        }
    }

    #[test]
    fn every_code_is_found_again() {
        let mut counts = [0u32; 256];
        counts.iter_mut().enumerate().for_each(|(i, n)| *n = (1u64 << 31 >> (i / 2).min(31)) as u32);
        let spec = Spec::best(&counts);
        let decoder = spec.decoder();
        for (symbol, code, length) in spec.codes() {
            for tail in [0, 1, (1 << (16 - length)) - 1] {
                let bits = code << (16 - length) | tail & ((1 << (16 - length)) - 1);
                assert_eq!(decoder.find(bits), Some((symbol, length)));
            }
        }
        let (back, rest) = {
            let mut segment = Vec::new();
            spec.write(1, 0, &mut segment);
            let (back, rest) = Spec::read(&segment[5..]).unwrap();
            (back, rest.len())
        };
        assert_eq!((back, rest), (spec, 0));
    }
}
