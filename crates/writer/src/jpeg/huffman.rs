//! Huffman tables of JPEG: the best codes for what was counted.

/// The longest code.
const LONGEST: usize = 16;

/// What a table says: how many codes there are of each length, and their symbols, the shortest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) counts: [u8; LONGEST],
    pub(super) symbols: Vec<u8>,
}

impl Spec {
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
    pub(super) fn codes(&self) -> impl Iterator<Item = (u8, u32, u32)> + '_ {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits that all symbols take, and the length of the longest code.
    fn cost(spec: &Spec, counts: &[u32; 256]) -> (u64, u32) {
        let bits =
            spec.codes().map(|(symbol, _, l)| u64::from(counts[usize::from(symbol)]) * u64::from(l)).sum();
        (bits, spec.codes().map(|c| c.2).max().unwrap())
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
}
