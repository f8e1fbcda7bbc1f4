//! [`Image`]: the description of one image: size, type, how it is stored and what is known about it.

use std::sync::Arc;

use crate::{DataType, Extent, Value};

/// What a source says of the page and level that it was opened at, and of the file around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The format's name: `TIFF`, `BigTIFF`, `raw`, `NumPy`, `ENVI`.
    pub format: &'static str,
    /// Rows, columns and channels of this page and level.
    pub extent: Extent,
    /// The type of every sample, as it is handed out (narrow depths widened).
    pub dtype: DataType,
    /// Bits per sample in the file, where that differs from the type's own.
    pub stored_bits: Option<u16>,
    /// How blocks lie in the file.
    pub layout: BlockLayout,
    /// Compression, `none` or the codec's common name.
    pub codec: String,
    /// TIFF predictor: 1 none, 2 horizontal differences, 3 floating point.
    pub predictor: u16,
    /// Byte order of the samples in the file.
    pub byte_order: ByteOrder,
    /// Values that mean "no data": none, one for all channels, or one per channel.
    pub nodata: Vec<Value>,
    /// The page that was opened, from 0.
    pub page: u64,
    /// The level of the page that was opened, 0 = full resolution.
    pub level: u64,
    /// All pages; of a file that was opened once, the same for all of them.
    pub pages: Arc<Vec<PageInfo>>,
    /// All levels of this page, the full resolution first.
    pub levels: Vec<LevelInfo>,
    /// Bytes of the file (of the data file, where a header stands beside it).
    pub stored_bytes: u64,
    /// What else is known.
    pub metadata: Metadata,
}

impl Image {
    /// An uncompressed one-page image: what raw formats start from.
    pub fn plain(format: &'static str, extent: Extent, dtype: DataType, layout: BlockLayout) -> Image {
        let level = LevelInfo { height: extent.height, width: extent.width, layout };
        Image {
            format,
            extent,
            dtype,
            stored_bits: None,
            layout,
            codec: "none".into(),
            predictor: 1,
            byte_order: ByteOrder::NATIVE,
            nodata: Vec::new(),
            page: 0,
            level: 0,
            pages: Arc::new(vec![PageInfo { extent, dtype, levels: 1, label: None }]),
            levels: vec![level],
            stored_bytes: 0,
            metadata: Metadata::default(),
        }
    }

    /// Bytes of the decoded image, saturating.
    pub fn decoded_bytes(&self) -> u64 {
        self.extent.samples().unwrap_or(u64::MAX).saturating_mul(self.dtype.bytes() as u64)
    }

    /// The nodata value of a channel (from 0), if one is declared.
    pub fn nodata_of(&self, channel: u64) -> Option<Value> {
        if self.nodata.len() == 1 { self.nodata.first() } else { self.nodata.get(channel as usize) }.copied()
    }
}

/// How an image is cut up in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockLayout {
    /// Rows one after the other, each whole row contiguous (per plane where `planar`): raw, `.npy`, ENVI.
    /// Work goes in full-width bands.
    Rows {
        /// Whether each channel is stored apart.
        planar: bool,
    },
    /// Columns one after the other (Fortran order). Work goes in full-height stripes.
    Columns,
    /// Blocks of full rows, `rows` each, the last one shorter (TIFF strips).
    Strips {
        /// Rows of a block.
        rows: u64,
        /// Whether each channel is stored apart.
        planar: bool,
        /// Whether a block must be decoded whole (compressed); otherwise it may be cut at any row.
        whole: bool,
    },
    /// Rectangular blocks, padded at the right and bottom edge (TIFF tiles).
    Tiles {
        /// Rows of a block.
        height: u64,
        /// Columns of a block.
        width: u64,
        /// Whether each channel is stored apart.
        planar: bool,
    },
}

impl BlockLayout {
    /// Rows and columns of which a chunk's borders should be whole multiples, for an image `width` columns wide.
    pub fn align(&self, width: u64) -> (u64, u64) {
        match *self {
            BlockLayout::Rows { .. } | BlockLayout::Columns | BlockLayout::Strips { whole: false, .. } => {
                (1, 1)
            }
            BlockLayout::Strips { rows, whole: true, .. } => (rows, width),
            BlockLayout::Tiles { height, width, .. } => (height, width),
        }
    }
}

/// Byte order of samples in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// This machine's.
    pub const NATIVE: ByteOrder =
        if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };

    /// `little` or `big`.
    pub fn name(self) -> &'static str {
        match self {
            ByteOrder::Little => "little",
            ByteOrder::Big => "big",
        }
    }
}

/// One page of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct PageInfo {
    /// Its size at full resolution.
    pub extent: Extent,
    /// Its sample type.
    pub dtype: DataType,
    /// How many levels it has, the full resolution included.
    pub levels: u64,
    /// What it shows, where the file says so (`Z=0 C=1 T=0`).
    pub label: Option<String>,
}

/// One level of a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelInfo {
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
    /// How its blocks lie.
    pub layout: BlockLayout,
}

/// What a file says about its image beyond the pixels. Fields are empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Metadata {
    /// Free text (TIFF ImageDescription, ENVI description); OME-XML is kept apart.
    pub description: Option<String>,
    /// OME-XML.
    pub ome_xml: Option<Arc<String>>,
    /// The software that wrote the file.
    pub software: Option<String>,
    /// Date and time as the file spells it.
    pub date_time: Option<String>,
    /// Pixels per unit of length, of the full resolution also where a level was opened.
    pub resolution: Option<Resolution>,
    /// ICC colour profile, as stored.
    pub icc: Option<Vec<u8>>,
    /// What the samples mean (`gray`, `white is zero`, `RGB`, `palette`, `CMYK`, `YCbCr`, ...), as stored.
    pub photometric: Option<String>,
    /// TIFF photometric interpretation, for writers.
    pub photometric_code: Option<u16>,
    /// TIFF ExtraSamples codes of the last channels: 0 unspecified, 1 associated alpha, 2 unassociated alpha.
    pub extra_samples: Vec<u16>,
    /// TIFF Orientation, 1 to 8; never applied.
    pub orientation: Option<u16>,
    /// Colour map of a palette image: red, green and blue runs of 16-bit values, one after the other.
    pub palette: Option<Vec<u16>>,
    /// GeoTIFF tags by number, as decoded numbers or text; of the full resolution also where a level was opened.
    pub geo: Vec<(u16, GeoValue)>,
    /// Names of channels, where the file has them.
    pub channel_names: Vec<String>,
    /// Anything else worth showing, by name.
    pub other: Vec<(String, String)>,
    /// What the file says that it has and that cannot be reached through this image, a phrase each: to be told to whoever
    /// works on the image.
    pub notices: Vec<String>,
}

/// The value of a GeoTIFF tag.
#[derive(Clone, Debug, PartialEq)]
pub enum GeoValue {
    /// Keys (GeoKeyDirectory).
    Shorts(Vec<u16>),
    /// Scales, tie points, transformations, parameters.
    Doubles(Vec<f64>),
    /// Text parameters.
    Text(String),
}

/// Pixels per unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolution {
    /// Along a row.
    pub x: f64,
    /// Down a column.
    pub y: f64,
    /// TIFF ResolutionUnit: 1 none, 2 inch, 3 centimetre.
    pub unit: u16,
}
