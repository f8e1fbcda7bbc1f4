//! `pack`: folders of pictures as one array.

use std::path::PathBuf;

use clap::Args;
use outcrop::DataType;

use super::running::Running;
use crate::parse;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop pack photos/ x.npy --resize 256 --crop 224 --normalize 0..1
  outcrop pack train/ train.npz --resize 256 --crop 224 --labels folders
  outcrop pack --list val.txt images/ val.npz --resize 224x224 --one-hot=1000
  outcrop pack photos/ all.npz --resize 224 --pad --normalize dataset \\
          --split train=0.8,val=0.1,test=0.1 --seed 7
  outcrop pack '*.tif' x.npy --mode keep --dtype f32 --layout nchw

Steps, in this order: the way up that EXIF says, colours (--mode), --resize,
--crop, --pad, --normalize, --dtype, --layout. Folders are read with all that
is in them (PNG, JPEG, WebP, BMP, TIFF, .npy), sorted by name.

A .npz holds x, and y, classes, mean and std where there are such; with
--split x_train, y_train and so on. A .npy holds one array: labels stand beside
it in NAME-labels.npy, splits are NAME-train.npy and so on. A manifest with a
line for each picture stands beside (NAME.manifest.jsonl). Everything gets its
name when all is whole, the manifest last.")]
pub(crate) struct Pack {
    /// Pictures, folders and 'patterns' to read, then the output (.npy, .npz)
    #[arg(required = true, value_name = "INPUTS... OUTPUT")]
    pub(crate) paths: Vec<PathBuf>,
    /// Read the pictures that this file lists, one path and perhaps a label a
    /// line; paths are within the one INPUT, or the list's own folder
    #[arg(long, value_name = "FILE")]
    pub(crate) list: Option<PathBuf>,
    /// Colours: rgb, bgr, gray, or keep those of the files
    #[arg(long, value_name = "MODE", default_value = "rgb", value_parser = parse::mode)]
    pub(crate) mode: outcrop::Mode,
    /// Make the short side that long, or every picture that large
    #[arg(long, value_name = "N|WxH", value_parser = parse::resize)]
    pub(crate) resize: Option<outcrop::ResizeTo>,
    /// lanczos, bicubic, bilinear, area or nearest, as Pillow has them
    #[arg(long, value_name = "FILTER", default_value = "bilinear", value_parser = parse::filter)]
    pub(crate) filter: outcrop::Filter,
    /// Keep a part of that size
    #[arg(long, value_name = "N|WxH", value_parser = parse::crop)]
    pub(crate) crop: Option<(u64, u64)>,
    /// Where: centre, or random by --seed
    #[arg(long, value_name = "WHERE", default_value = "centre", requires = "crop", value_parser = parse::crop_at)]
    pub(crate) crop_at: outcrop::CropAt,
    /// Keep proportions and fill the rest of --resize, or of --crop, with this
    /// sample (0 by default)
    #[arg(long, value_name = "SAMPLE", num_args = 0..=1, require_equals = true, default_missing_value = "0",
        value_parser = parse::whole::<u8>)]
    pub(crate) pad: Option<u8>,
    /// 0..1, -1..1, imagenet, dataset, or MEAN:STD (each one number, or one
    /// for each channel: 0.5,0.5,0.5:0.2,0.2,0.2)
    ///
    /// (sample / 255 - mean) / std; 65535 for samples of 16 bits, 1 for
    /// floats. `dataset` finds the exact mean and deviation of all samples of
    /// the first split in a pass before.
    #[arg(long, value_name = "HOW", allow_hyphen_values = true, value_parser = parse::normalize)]
    pub(crate) normalize: Option<outcrop::NormalizeBy>,
    /// u8, f16 or f32 (f32 by default where samples are normalised, else u8)
    #[arg(long, value_name = "T", value_parser = parse::output_dtype)]
    pub(crate) dtype: Option<DataType>,
    /// Order of the axes: nhwc or nchw
    #[arg(long, value_name = "ORDER", default_value = "nhwc", value_parser = parse::layout)]
    pub(crate) layout: outcrop::Layout,
    /// A file of lines of a name and a label, or `folders`: the folder that a
    /// picture is in
    #[arg(long, value_name = "FILE|folders", value_parser = parse::labels)]
    pub(crate) labels: Option<outcrop::PackLabels>,
    /// Labels as rows with a 1 at the class
    #[arg(long, value_name = "CLASSES", num_args = 0..=1, require_equals = true, default_missing_value = "0",
        value_parser = parse::whole::<u64>)]
    pub(crate) one_hot: Option<u64>,
    /// Deflate the archive, as numpy.savez_compressed does
    #[arg(long)]
    pub(crate) compress: bool,
    /// Parts by a hash of the seed and the name: train=0.8,val=0.1,test=0.1
    #[arg(long, value_name = "NAME=SHARE,..", value_parser = parse::split)]
    pub(crate) split: Option<parse::Splits>,
    /// Decides on splits and random crops
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse::whole::<u64>)]
    pub(crate) seed: u64,
    /// What happens with a picture that cannot be read: fail or skip
    ///
    /// With skip it gets no row, the manifest says why, and the run ends with
    /// exit code 4.
    #[arg(long, value_name = "HOW", default_value = "fail", value_parser = parse::on_bad_image)]
    pub(crate) on_bad_image: outcrop::OnBadImage,
    /// Where the manifest goes (.jsonl or .csv)
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Replace existing outputs
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Say what was packed as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) running: Running,
}
