//! Under construction.
pub mod tiff_matrix;
