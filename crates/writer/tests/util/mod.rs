//! What the tests of sinks share: an image to write, and a serial run of a sink over a chunk grid.
#![allow(dead_code)] // each test binary uses its part

use std::path::{Path, PathBuf};

use ndarray::{Array3, s};
use outcrop_core::{Buffer, ChunkGrid, Result, Sample, Sink};
use outcrop_writer::{Options, OutputImage, Target, create};

/// An image with a different value nearly everywhere: smooth with some noise in the low bits.
pub(crate) fn image<T: Sample>(height: usize, width: usize, channels: usize) -> Array3<T> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    Array3::from_shape_fn((height, width, channels), |(y, x, c)| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let v = (y * 3 + x * 5 + c * 17) as f64 % 199.0 - if T::DTYPE.is_float() { 60.0 } else { 0.0 };
        T::from_f64(v % 100.0 + (state >> 61) as f64 * if T::DTYPE.is_float() { 0.37 } else { 1.0 })
    })
}

/// The samples as little-endian bytes in C order.
pub(crate) fn bytes<T: Sample>(image: &Array3<T>) -> Vec<u8> {
    const { assert!(cfg!(target_endian = "little")) };
    bytemuck::cast_slice(image.as_standard_layout().as_slice().unwrap()).to_vec()
}

/// Writes every chunk of the grid and does not finish.
pub(crate) fn feed<T: Sample>(sink: &mut dyn Sink, image: &Array3<T>, shape: (u64, u64)) -> Result<()> {
    let (h, w, _) = image.dim();
    let whole = outcrop_core::Rect::of_size(h as u64, w as u64);
    let grid = ChunkGrid::new(whole, shape, sink.align());
    let encoder = sink.encoder();
    let mut encoded = Buffer::new();
    for i in 0..grid.len() {
        let r = grid.rect(i);
        let (y, x) = (r.y as usize, r.x as usize);
        let part = image.slice(s![y..y + r.height as usize, x..x + r.width as usize, ..]);
        let cost = encoder.cost((r.height, r.width));
        let pixels = T::wrap(part);
        encoder.encode(i, r, pixels, &mut encoded)?;
        assert!(encoded.len() as u64 <= cost, "{} bytes encoded, {cost} announced", encoded.len());
        sink.commit(i, r, &mut encoded)?;
    }
    Ok(())
}

/// Writes the whole image to a file.
pub(crate) fn write<T: Sample>(
    path: &Path,
    image: &Array3<T>,
    shape: (u64, u64),
    described: &OutputImage<'_>,
    options: &Options,
) -> Result<Vec<String>> {
    let made = create(Target::Path(path), described, options)?;
    let mut sink = made.sink;
    feed(&mut *sink, image, shape)?;
    sink.finish()?;
    Ok(made.notices)
}

/// The description of an image without metadata.
pub(crate) fn described<T: Sample>(image: &Array3<T>) -> OutputImage<'static> {
    let (h, w, c) = image.dim();
    OutputImage::new(outcrop_core::Extent::new(h as u64, w as u64, c as u64), T::DTYPE)
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A folder that is removed at the end, and a path in it.
pub(crate) fn place(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}
