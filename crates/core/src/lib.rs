//! The words and traits that every part of outcrop shares.
//!
//! An [`Image`] describes height x width x channels of one [`DataType`]. A [`Source`] lends its pixels a
//! rectangle at a time, a kernel ([`Reduce`] or [`Map`]) computes on them, a [`Sink`] takes what a map made.
//! A [`ChunkGrid`] cuts the image into the units of work. The scheduler (another crate) drives all of them:
//!
//! ```text
//!            Source::fetch          Source::read           Sink::encoder        Sink::commit
//!   grid ──► bytes in Scratch  ──►  Pixels in Scratch ──►  Reduce::fold
//!                                                     └──► Map::apply ──► encoded bytes ──► output
//! ```
//!
//! There are no threads and no files here, so that readers, kernels and writers can be written and tested
//! without one another.
//!
//! ```
//! use outcrop_core::{ChunkGrid, Pixels, Rect};
//! let samples: Vec<u8> = (0..24).collect();
//! let image = Pixels::contiguous(&samples[..], [2, 4, 3]).unwrap();
//! assert_eq!(image.dtype().name(), "uint8");
//! let grid = ChunkGrid::new(Rect::of_size(2, 4), (1, 3), (1, 1));
//! assert_eq!(grid.len(), 4);
//! assert_eq!(grid.rect(1), Rect { y: 0, x: 3, height: 1, width: 1 });
//! ```

mod budget;
mod buffer;
mod channels;
mod control;
mod dtype;
mod error;
mod geometry;
mod grid;
mod halve;
mod image;
mod kernel;
mod pixels;
mod sink;
mod source;
mod value;

#[doc(no_inline)]
pub use half::f16;

pub use budget::{Budget, Permit};
pub use buffer::{Buffer, LINE};
pub use channels::Channels;
pub use control::{CancelToken, Event, Observer, Silent};
pub use dtype::{DataType, Sample};
pub use error::{Error, Result};
pub use geometry::{Extent, Rect};
pub use grid::ChunkGrid;
pub use halve::Halve;
pub use image::{BlockLayout, ByteOrder, GeoValue, Image, LevelInfo, Metadata, PageInfo, Resolution};
pub use kernel::{Chunk, Map, Reduce};
pub use pixels::{Pixels, PixelsMut};
pub use sink::{Encoder, Sink};
pub use source::{Cost, Hole, HoleKind, Order, Read, Request, Scratch, Source};
pub use value::Value;
