//! [`Bins`]: exact sums of floats of any spread of exponents, one bin for each exponent.
//!
//! The large superaccumulator of Neal ("Fast exact summation using small and large superaccumulators", 2015), for
//! squares as well: a sample costs two additions, the carries wait until the bins are drained.

use super::fixed::{Fixed, decompose};

/// Samples that fit before a bin of squares (2^106 each) could wrap.
const FULL: usize = 1 << 20;
/// One bin for each biased exponent, of which the subnormals share the first with the smallest normals.
const BINS: usize = 2048;

/// Sums of significands and of their squares by exponent.
#[derive(Default)]
pub(crate) struct Bins {
    sums: Vec<i128>,
    squares: Vec<u128>,
    held: usize,
}

impl Bins {
    /// The most bytes on the heap.
    pub(crate) const BYTES: usize = BINS * (size_of::<i128>() + size_of::<u128>());

    /// Takes a block of finite samples in, of at most [`FULL`]. `sum` and `squares` receive what is held whenever the bins fill up.
    pub(crate) fn add(
        &mut self,
        samples: impl ExactSizeIterator<Item = f64>,
        sum: &mut Fixed,
        squares: &mut Fixed,
    ) {
        debug_assert!(samples.len() <= FULL);
        if self.held + samples.len() > FULL {
            self.drain(sum, squares);
        }
        self.held += samples.len();
        self.sums.resize(BINS, 0);
        self.squares.resize(BINS, 0);
        let sums: &mut [i128; BINS] = self.sums.as_mut_slice().try_into().expect("as many as bins");
        let squares: &mut [u128; BINS] = self.squares.as_mut_slice().try_into().expect("as many as bins");
        for v in samples {
            let (significand, exponent) = decompose(v);
            let bin = (exponent + 1075) as usize & (BINS - 1);
            sums[bin] += i128::from(significand);
            let magnitude = u128::from(significand.unsigned_abs());
            squares[bin] += magnitude * magnitude;
        }
    }

    /// Moves what is held into `sum` and `squares`.
    pub(crate) fn drain(&mut self, sum: &mut Fixed, squares: &mut Fixed) {
        if self.held == 0 {
            return;
        }
        self.held = 0;
        for (bin, (s, q)) in self.sums.iter_mut().zip(&mut self.squares).enumerate() {
            let exponent = bin as i32 - 1075;
            if *s != 0 {
                sum.add_at(std::mem::take(s), exponent);
            }
            if *q != 0 {
                // At most 2^126: FULL squares of 53 bits.
                squares.add_at(std::mem::take(q) as i128, 2 * exponent);
            }
        }
    }
}
