//! Sinks: where the pixels that a map made go.
//!
//! [`create`] opens an output by its extension and gives a [`Sink`] that the scheduler drives: workers encode
//! chunks, one thread commits them in order, and [`Sink::finish`] publishes the file under its name. Until then
//! everything goes to a hidden partial file in the same folder ([`PartialFile`]); pipes and devices are written
//! straight.
//!
//! ```
//! use outcrop_core::{Buffer, DataType, Extent, Metadata, Pixels};
//! use outcrop_writer::{Options, OutputImage, Target, create};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("mean.npy");
//! let image = OutputImage::new(Extent::new(2, 3, 1), DataType::F32);
//! let mut sink = create(Target::Path(&path), &image, &Options::default())?.sink;
//!
//! let rect = image.extent.rect();
//! let mut encoded = Buffer::new();
//! let pixels = Pixels::contiguous(&[1f32, 2., 3., 4., 5., 6.], [2, 3, 1])?;
//! sink.encoder().encode(0, rect, pixels, &mut encoded)?;
//! sink.commit(0, rect, &mut encoded)?;
//! assert!(!path.exists());
//! sink.finish()?;
//! assert_eq!(std::fs::read(&path).unwrap().len(), 128 + 24);
//! # Ok::<(), outcrop_core::Error>(())
//! ```

mod create;
mod creation;
pub mod deepzoom;
mod doomed;
mod envi;
#[cfg(test)]
mod faults;
mod folder;
mod gather;
mod jpeg;
mod npy;
mod npz;
mod output;
mod partial;
mod picture;
mod positioned;
mod resume;
mod rows;
mod sys;
mod text;
pub mod tiff;
mod zip;

pub use create::{Created, Format, Options, OutputImage, create, create_text, to_stream};
pub use doomed::remove_unfinished;
pub use npz::{ArrayFile, ArraySpec, Container, RowFile, deflate_bound, deflate_row, write_array};
#[doc(no_inline)]
pub use outcrop_core::{Encoder, Sink};
pub use output::Target;
pub use partial::{Overwrite, PartialFile};
pub use picture::{PictureFormat, PictureOptions, encode_picture};
pub use positioned::Positioned;
pub use text::{Decoder, SharedText, Text, base64_len};
