//! [`Filter`] and the weights that it gives to the samples around each place.

use std::f64::consts::PI;

/// How samples are weighed; the widths grow with the factor where an image is made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// A windowed sinc of three lobes.
    Lanczos,
    /// A cubic over four samples (a = -0.5).
    Bicubic,
    /// A triangle.
    #[default]
    Bilinear,
    /// The mean of what a pixel covers (Pillow's BOX).
    Area,
    /// One sample, the nearest.
    Nearest,
}

impl Filter {
    /// All of them, by name.
    pub const ALL: [(&'static str, Filter); 5] = [
        ("lanczos", Filter::Lanczos),
        ("bicubic", Filter::Bicubic),
        ("bilinear", Filter::Bilinear),
        ("area", Filter::Area),
        ("nearest", Filter::Nearest),
    ];

    /// Half the width, in samples.
    fn support(self) -> f64 {
        match self {
            Filter::Lanczos => 3.0,
            Filter::Bicubic => 2.0,
            Filter::Bilinear => 1.0,
            Filter::Area | Filter::Nearest => 0.5,
        }
    }

    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let d = x.abs();
        match self {
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Bicubic if d < 1.0 => ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0,
            Filter::Bicubic if d < 2.0 => (((d - 5.0) * d + 8.0) * d - 4.0) * A,
            Filter::Bilinear if d < 1.0 => 1.0 - d,
            Filter::Area if x > -0.5 && x <= 0.5 => 1.0,
            _ => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// The weights of the places `first..first + bounds.len()` along one axis.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    /// For each place the first sample that counts and how many do.
    pub(super) bounds: Vec<(usize, usize)>,
    /// `stride` weights for each place, the rest zero.
    pub(super) weights: Vec<f64>,
    pub(super) stride: usize,
}

/// Fractional bits of the weights for samples of 8 bits: 8 for the sample, 2 for what overshoots.
pub(super) const PRECISION: u32 = 32 - 8 - 2;

impl Weights {
    /// Most weights of one place.
    pub(super) fn stride(filter: Filter, from: usize, to: usize) -> usize {
        let scale = (from as f64 / to as f64).max(1.0);
        (filter.support() * scale).ceil() as usize * 2 + 1
    }

    pub(super) fn compute(filter: Filter, from: usize, to: usize, places: std::ops::Range<usize>) -> Weights {
        let scale = from as f64 / to as f64;
        let stretched = scale.max(1.0);
        let support = filter.support() * stretched;
        let stride = Weights::stride(filter, from, to);
        let mut made = Weights { bounds: Vec::new(), weights: vec![0.0; places.len() * stride], stride };
        for (place, weights) in places.zip(made.weights.chunks_exact_mut(stride)) {
            let center = (place as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            let count = end.saturating_sub(first).min(stride);
            let mut sum = 0.0;
            for (i, weight) in weights[..count].iter_mut().enumerate() {
                *weight = filter.at(((i + first) as f64 - center + 0.5) * (1.0 / stretched));
                sum += *weight;
            }
            if sum != 0.0 {
                weights[..count].iter_mut().for_each(|weight| *weight /= sum);
            }
            made.bounds.push((first, count));
        }
        made
    }

    /// The same weights as integers of [`PRECISION`] fractional bits.
    pub(super) fn fixed(&self) -> Vec<i32> {
        let fixed = |&weight: &f64| {
            let half = if weight < 0.0 { -0.5 } else { 0.5 };
            (half + weight * f64::from(1u32 << PRECISION)) as i32
        };
        self.weights.iter().map(fixed).collect()
    }
}

/// The sample that each place shows, by Pillow's rule: the place's centre, reached by adding up.
pub(super) fn nearest(from: usize, to: usize, places: std::ops::Range<usize>) -> Vec<usize> {
    let scale = from as f64 / to as f64;
    let mut at = scale * 0.5;
    let mut all = Vec::with_capacity(places.len());
    for place in 0..places.end {
        if place >= places.start {
            all.push((at as usize).min(from - 1));
        }
        at += scale;
    }
    all
}
