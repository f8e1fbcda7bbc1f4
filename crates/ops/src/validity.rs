//! [`Validity`]: which samples take part in a result, and why the others do not.
//!
//! Nodata, NaN, masked and quarantined samples leave; infinities stay. Where several reasons hold, the first of
//! quarantined, masked, nodata, NaN counts.

use std::ops::Range;

use ndarray::ArrayView1;
use outcrop_core::{
    Chunk, DataType, Error, Hole, HoleKind, Pixels, Rect, Result, Sample, Value, with_pixels,
};

/// What NaN samples do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NanPolicy {
    /// They leave, and are counted.
    #[default]
    Omit,
    /// They stay, and results become what IEEE 754 makes of them.
    Propagate,
}

/// Whether one sample takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It does.
    Valid,
    /// It equals a nodata value, or is not stored and nodata is declared.
    Nodata,
    /// It is NaN, and NaN is omitted.
    Nan,
    /// The mask is zero there.
    Masked,
    /// Its block (or the mask's) could not be read.
    Quarantined,
}

/// How many samples there were of each kind.
///
/// `count` = `valid` + `nodata` + `masked` + `quarantined` + (`nan` where they are omitted). Infinities and, where
/// they propagate, NaN are among the valid ones. `sparse` counts samples that are not stored, whatever else they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counts {
    pub count: u64,
    pub valid: u64,
    pub nodata: u64,
    pub nan: u64,
    pub pos_inf: u64,
    pub neg_inf: u64,
    pub masked: u64,
    pub sparse: u64,
    pub quarantined: u64,
}

impl Counts {
    /// Adds the counts of other samples.
    pub fn merge(&mut self, other: &Counts) {
        for (a, b) in self.fields_mut().into_iter().zip(other.fields()) {
            *a += b;
        }
    }

    /// Counts a sample that does not take part; nothing for one that does.
    pub fn leave(&mut self, class: Class) {
        match class {
            Class::Valid => {}
            Class::Nodata => self.nodata += 1,
            Class::Nan => self.nan += 1,
            Class::Masked => self.masked += 1,
            Class::Quarantined => self.quarantined += 1,
        }
    }

    /// Counts the samples of these classes that do not take part.
    pub(crate) fn leave_all(&mut self, classes: &[Class]) {
        for part in classes.chunks(255) {
            // A count that fits a byte keeps the vectors whole.
            let count = |class| u64::from(part.iter().map(|&c| u8::from(c == class)).sum::<u8>());
            self.nodata += count(Class::Nodata);
            self.nan += count(Class::Nan);
            self.masked += count(Class::Masked);
            self.quarantined += count(Class::Quarantined);
        }
    }

    /// The nine numbers, in the order of the fields.
    pub fn fields(&self) -> [u64; 9] {
        let mut copy = *self;
        copy.fields_mut().map(|v| *v)
    }

    /// The nine numbers, in the order of the fields.
    pub fn fields_mut(&mut self) -> [&mut u64; 9] {
        [
            &mut self.count,
            &mut self.valid,
            &mut self.nodata,
            &mut self.nan,
            &mut self.pos_inf,
            &mut self.neg_inf,
            &mut self.masked,
            &mut self.sparse,
            &mut self.quarantined,
        ]
    }
}

/// Which samples of an image take part.
///
/// ```
/// use outcrop_core::{DataType, Value};
/// use outcrop_ops::Validity;
/// let v = Validity::all(DataType::U8, 3).with_nodata(vec![vec![Value::Int(0)]; 3]);
/// assert_eq!(v.nodata(2), [Value::Int(0)]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Validity {
    dtype: DataType,
    nodata: Vec<Vec<Value>>,
    nan: NanPolicy,
    mask: bool,
}

impl Validity {
    /// All samples of the selected channels take part, except NaN.
    pub fn all(dtype: DataType, channels: usize) -> Validity {
        Validity { dtype, nodata: vec![Vec::new(); channels], nan: NanPolicy::Omit, mask: false }
    }

    /// The values that mean "no data", for each selected channel. One that no sample can have is dropped (300 for
    /// u8); NaN and infinities may be nodata.
    ///
    /// # Panics
    /// If there are not as many lists as channels.
    pub fn with_nodata(mut self, values: Vec<Vec<Value>>) -> Validity {
        assert_eq!(values.len(), self.nodata.len(), "one list of nodata values for each channel");
        self.nodata = values;
        self.nodata.iter_mut().for_each(|list| list.retain(|v| v.fits(self.dtype)));
        self
    }

    /// What NaN samples do.
    pub fn with_nan(mut self, nan: NanPolicy) -> Validity {
        self.nan = nan;
        self
    }

    /// Whether the chunk's second input is a mask: of one channel or as many as are selected, any type, nonzero =
    /// valid.
    pub fn with_mask(mut self, mask: bool) -> Validity {
        self.mask = mask;
        self
    }

    /// The type of the samples.
    pub fn dtype(&self) -> DataType {
        self.dtype
    }

    /// Selected channels.
    pub fn channels(&self) -> usize {
        self.nodata.len()
    }

    /// The nodata values of a channel that its samples can have.
    pub fn nodata(&self, channel: usize) -> &[Value] {
        &self.nodata[channel]
    }

    /// The nodata values of each channel.
    pub(crate) fn lists(&self) -> &[Vec<Value>] {
        &self.nodata
    }

    /// What NaN samples do.
    pub fn nan(&self) -> NanPolicy {
        self.nan
    }

    /// The rules of one channel alone.
    pub(crate) fn of_channel(&self, channel: usize) -> Validity {
        let Validity { dtype, nan, mask, .. } = *self;
        Validity { dtype, nodata: vec![self.nodata[channel].clone()], nan, mask }
    }

    /// The rules applied to a chunk.
    ///
    /// # Errors
    /// [`Error::Usage`] where the chunk has another type, other channels or no fitting mask.
    pub fn bind<'v, 'c>(&'v self, chunk: &Chunk<'c>) -> Result<Bound<'v, 'c>> {
        let Some(image) = chunk.inputs.first() else {
            return Err(Error::Usage("a chunk without an image".into()));
        };
        let [height, width, channels] = image.pixels.shape();
        if (image.pixels.dtype(), channels) != (self.dtype, self.channels()) {
            return Err(Error::Usage(format!(
                "the chunk has {channels} channels of {}, expected {} of {}",
                image.pixels.dtype(),
                self.channels(),
                self.dtype
            )));
        }
        if (height as u64, width as u64) != (chunk.rect.height, chunk.rect.width) {
            return Err(Error::Usage(format!("{height} x {width} pixels for the chunk {}", chunk.rect)));
        }
        let mut bound = Bound { validity: self, rect: chunk.rect, mask: None, holes: Vec::new() };
        bound.add_holes(image.holes, None, |_| true);
        if self.mask {
            let Some(mask) = chunk.inputs.get(1) else {
                return Err(Error::Usage("a mask was announced, the chunk has none (--mask)".into()));
            };
            let [h, w, c] = mask.pixels.shape();
            if (h, w) != (height, width) || c != 1 && c != channels {
                return Err(Error::Usage(format!(
                    "the mask has {h} x {w} pixels of {c} channels, expected {height} x {width} of 1 or {channels} (--mask)"
                )));
            }
            // A sparse mask reads as zeros; one that could not be read says nothing about its pixels.
            bound.add_holes(mask.holes, (c == 1).then_some(0..channels), |kind| {
                matches!(kind, HoleKind::Bad(_))
            });
            bound.mask = Some(mask.pixels);
        }
        Ok(bound)
    }
}

/// Whether a sample is that nodata value: equal as a number, or both NaN.
#[inline(always)]
pub(crate) fn same<T: Sample>(sample: T, nodata: T) -> bool {
    (sample == nodata) | (nodata.is_nan() & sample.is_nan())
}

/// Appends the samples that take part. No branch depends on one sample.
pub(crate) fn keep<T: Sample>(held: &mut Vec<T>, samples: ArrayView1<'_, T>, classes: &[Class]) {
    let mut end = held.len();
    held.resize(end + samples.len(), T::default());
    for (&v, &class) in samples.iter().zip(classes) {
        held[end] = v;
        end += usize::from(class == Class::Valid);
    }
    held.truncate(end);
}

/// Whether a sample of a mask says that the pixel is masked.
#[inline(always)]
pub(crate) fn is_zero<T: Sample>(v: T) -> bool {
    v == T::default()
}

/// [`Validity`] applied to one chunk.
#[derive(Clone, Debug)]
pub struct Bound<'v, 'c> {
    validity: &'v Validity,
    rect: Rect,
    mask: Option<Pixels<'c>>,
    holes: Vec<Gap>,
}

/// A hole, in pixels of the chunk.
#[derive(Clone, Debug)]
struct Gap {
    rect: Rect,
    channels: Range<usize>,
    bad: bool,
}

impl Bound<'_, '_> {
    fn add_holes(
        &mut self,
        holes: &[Hole],
        channels: Option<Range<usize>>,
        wanted: impl Fn(&HoleKind) -> bool,
    ) {
        for hole in holes.iter().filter(|h| wanted(&h.kind)) {
            let Some(r) = hole.rect.intersect(&self.rect) else { continue };
            self.holes.push(Gap {
                rect: Rect { y: r.y - self.rect.y, x: r.x - self.rect.x, ..r },
                channels: channels.clone().unwrap_or(hole.channels.clone()),
                bad: matches!(hole.kind, HoleKind::Bad(_)),
            });
        }
    }

    /// Whether nothing but NaN can leave the channel here: the fast path.
    pub fn keeps_all(&self, channel: usize) -> bool {
        self.mask.is_none()
            && self.validity.nodata[channel].is_empty()
            && !self.holes.iter().any(|h| h.bad && h.channels.contains(&channel))
    }

    /// The nodata values of the channel, where nothing but those and NaN can leave it here.
    pub fn nodata_alone<T: Sample>(&self, channel: usize) -> Option<Vec<T>> {
        let alone = self.mask.is_none() && !self.holes.iter().any(|h| h.channels.contains(&channel));
        alone.then(|| self.validity.nodata[channel].iter().filter_map(|v| v.to_sample()).collect())
    }

    /// What NaN samples do.
    pub fn nan(&self) -> NanPolicy {
        self.validity.nan
    }

    /// Samples of the channel that are not stored.
    pub fn sparse(&self, channel: usize) -> u64 {
        let sparse = self.holes.iter().filter(|h| !h.bad && h.channels.contains(&channel));
        sparse.map(|h| h.rect.area()).sum()
    }

    /// The class of each sample of one channel in a run of a row of the chunk, from the pixel `[row, column]` of the chunk;
    /// `out` is cleared first. NaN is not told from valid samples where it propagates.
    pub fn classify<T: Sample>(
        &self,
        channel: usize,
        [row, column]: [usize; 2],
        samples: ArrayView1<'_, T>,
        out: &mut Vec<Class>,
    ) {
        out.clear();
        let omit_nan = T::DTYPE.is_float() && self.validity.nan == NanPolicy::Omit;
        out.extend(samples.iter().map(|s| if omit_nan && s.is_nan() { Class::Nan } else { Class::Valid }));
        let nodata = &self.validity.nodata[channel];
        for value in nodata {
            let Some(value) = value.to_sample::<T>() else { continue };
            for (class, &s) in out.iter_mut().zip(&samples) {
                if same(s, value) {
                    *class = Class::Nodata;
                }
            }
        }
        if !nodata.is_empty() {
            self.paint(channel, [row, column], false, Class::Nodata, out);
        }
        if let Some(mask) = self.mask {
            with_pixels!(mask, m => {
                let c = if m.dim().2 == 1 { 0 } else { channel };
                let line = m.slice(ndarray::s![row, column..column + samples.len(), c]);
                for (class, &v) in out.iter_mut().zip(&line) {
                    if is_zero(v) {
                        *class = Class::Masked;
                    }
                }
            });
        }
        self.paint(channel, [row, column], true, Class::Quarantined, out);
    }

    fn paint(&self, channel: usize, [row, column]: [usize; 2], bad: bool, class: Class, out: &mut [Class]) {
        for hole in self.holes.iter().filter(|h| h.bad == bad && h.channels.contains(&channel)) {
            if (hole.rect.y..hole.rect.bottom()).contains(&(row as u64)) {
                // Inside the chunk, whose width indexes memory.
                let place = |x: u64| (x as usize).saturating_sub(column).min(out.len());
                let holed = place(hole.rect.x)..place(hole.rect.right());
                out[holed].fill(class);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::Read;
    use std::sync::Arc;

    fn classes(v: &Validity, image: &[f32], mask: Option<&[u8]>, holes: &[Hole]) -> Vec<Class> {
        let shape = [1, image.len(), 1];
        let rect = Rect { y: 5, x: 10, height: 1, width: image.len() as u64 };
        let mut inputs = vec![Read { pixels: Pixels::contiguous(image, shape).unwrap(), holes }];
        if let Some(mask) = mask {
            inputs.push(Read { pixels: Pixels::contiguous(mask, shape).unwrap(), holes: &[] });
        }
        let chunk = Chunk { index: 0, rect, inputs: &inputs };
        let bound = v.bind(&chunk).unwrap();
        let mut out = Vec::new();
        bound.classify(0, [0, 0], ArrayView1::from(image), &mut out);
        // A run within the row has the same classes.
        let mut run = Vec::new();
        bound.classify(0, [0, 1], ArrayView1::from(&image[1..]), &mut run);
        assert_eq!(run, out[1..]);
        out
    }

    fn hole(x: u64, width: u64, bad: bool) -> Hole {
        let kind = match bad {
            true => HoleKind::Bad(Arc::new(Error::Format("broken".into()))),
            false => HoleKind::Sparse,
        };
        Hole { rect: Rect { y: 0, x, height: 9, width }, channels: 0..1, kind }
    }

    #[test]
    fn the_first_reason_in_order_counts() {
        use Class::*;
        let v = Validity::all(DataType::F32, 1)
            .with_nodata(vec![vec![Value::Int(-9999), Value::Float(f64::INFINITY)]])
            .with_mask(true);
        let image = [-9999.0, f32::NAN, f32::INFINITY, -9999.0, f32::NAN, 1.0, f32::NEG_INFINITY];
        let mask = [1, 2, 255, 0, 1, 1, 1];
        let holes = [hole(13, 2, true)];
        let got = classes(&v, &image, Some(&mask), &holes);
        assert_eq!(got, [Nodata, Nan, Nodata, Quarantined, Quarantined, Valid, Valid]);
        let got = classes(&v, &image, Some(&mask), &[]);
        assert_eq!(got, [Nodata, Nan, Nodata, Masked, Nan, Valid, Valid]);
    }

    #[test]
    fn nan_may_be_nodata_or_propagate() {
        use Class::*;
        let v = Validity::all(DataType::F32, 1).with_nodata(vec![vec![Value::Float(f64::NAN)]]);
        assert_eq!(classes(&v, &[f32::NAN, 1.0], None, &[]), [Nodata, Valid]);
        let v = Validity::all(DataType::F32, 1).with_nan(NanPolicy::Propagate);
        assert_eq!(classes(&v, &[f32::NAN, 1.0], None, &[]), [Valid, Valid]);
    }

    #[test]
    fn sparse_samples_are_nodata_only_where_it_is_declared() {
        use Class::*;
        let holes = [hole(11, 1, false)];
        let v = Validity::all(DataType::F32, 1);
        assert_eq!(classes(&v, &[0.0, 0.0], None, &holes), [Valid, Valid]);
        let v = v.with_nodata(vec![vec![Value::Int(7)]]);
        assert_eq!(classes(&v, &[0.0, 0.0], None, &holes), [Valid, Nodata]);
    }

    #[test]
    fn a_mask_of_another_size_is_refused() {
        let v = Validity::all(DataType::U8, 3).with_mask(true);
        let rect = Rect::of_size(1, 2);
        let image = Read { pixels: Pixels::contiguous(&[0u8; 6], [1, 2, 3]).unwrap(), holes: &[] };
        let mask = Read { pixels: Pixels::contiguous(&[0u8; 4], [1, 2, 2]).unwrap(), holes: &[] };
        let (two_channels, none, three_channels) = ([image, mask], [image], [image, image]);
        let bind = |inputs| v.bind(&Chunk { index: 0, rect, inputs }).is_ok();
        assert!(!bind(&two_channels[..]) && !bind(&none[..]) && bind(&three_channels[..]));
    }
}
