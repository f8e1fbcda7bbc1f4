//! What makes a row of a training array of a picture: colours, the way up, size and place, numbers.
//!
//! [`upright`] turns a picture and gives it the colours that are wanted, [`Fit`] says how large it is made and which
//! part goes where on the canvas, [`resample`](crate::resample) makes that part, [`RowWriter`] the numbers.

mod fit;
mod row;
mod upright;

pub use fit::{Fit, Placed, ResizeTo};
pub use row::{Layout, Normalize, RowWriter};
pub use upright::{Inks, Mode, Upright, upright, upright_bytes, upright_channels, working_type};
