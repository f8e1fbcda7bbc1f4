//! Sources of outcrop: TIFF, raw files, `.npy`, ENVI, pictures (PNG, JPEG, WebP, BMP), and computed images.
//!
//! [`open`] looks at a file's first bytes and returns a boxed [`Source`](outcrop_core::Source). A [`Store`] holds the
//! file's bytes, mapped or read; [`RawSource`] lends pixels of every uncompressed format straight from it, and
//! [`npy`] and [`envi`] are headers that lead there. [`Synthetic`] computes its pixels and needs no file.
//!
//! ```
//! use outcrop_core::{Channels, DataType, Extent, Rect, Request, Scratch, Source};
//! use outcrop_reader::{Pattern, Synthetic};
//! let image = Synthetic::new(Pattern::Gradient, Extent::new(2, 3, 1), DataType::U8, 0, 0).unwrap();
//! let (all, mut scratch) = (Channels::all(1), Scratch::new());
//! let request = Request { rect: Rect::of_size(2, 3), channels: &all };
//! image.fetch(&request, &mut scratch).unwrap();
//! let pixels = image.read(&request, &mut scratch).unwrap().pixels.typed::<u8>().unwrap();
//! assert_eq!(pixels.as_slice().unwrap(), [0, 127, 255, 0, 127, 255]);
//! ```

pub mod envi;
pub mod npy;
pub mod tiff;

mod dtype_name;
mod open;
mod picture;
mod raw;
mod runs;
mod sigbus;
mod store;
mod synthetic;

pub use dtype_name::parse_dtype;
pub use open::{Format, ImageFile, OpenOptions, RawOptions, open, other_file};
pub use raw::{Interleave, RawSource, RawSpec, parse_shape};
pub use sigbus::{before_sigbus_exit, install_sigbus_handler};
pub use store::{IoMode, Store};
pub use synthetic::{Pattern, Synthetic};
pub use tiff::{BadBlocks, CodecSupport};
