//! Numbers of TIFF: the tags that the reader looks at, and the names that people know codes by.

/// Tag numbers.
pub(super) mod tag {
    pub(in crate::tiff) const NEW_SUBFILE_TYPE: u16 = 254;
    pub(in crate::tiff) const SUBFILE_TYPE: u16 = 255;
    pub(in crate::tiff) const IMAGE_WIDTH: u16 = 256;
    pub(in crate::tiff) const IMAGE_LENGTH: u16 = 257;
    pub(in crate::tiff) const BITS_PER_SAMPLE: u16 = 258;
    pub(in crate::tiff) const COMPRESSION: u16 = 259;
    pub(in crate::tiff) const PHOTOMETRIC: u16 = 262;
    pub(in crate::tiff) const FILL_ORDER: u16 = 266;
    pub(in crate::tiff) const IMAGE_DESCRIPTION: u16 = 270;
    pub(in crate::tiff) const MAKE: u16 = 271;
    pub(in crate::tiff) const MODEL: u16 = 272;
    pub(in crate::tiff) const STRIP_OFFSETS: u16 = 273;
    pub(in crate::tiff) const ORIENTATION: u16 = 274;
    pub(in crate::tiff) const SAMPLES_PER_PIXEL: u16 = 277;
    pub(in crate::tiff) const ROWS_PER_STRIP: u16 = 278;
    pub(in crate::tiff) const STRIP_BYTE_COUNTS: u16 = 279;
    pub(in crate::tiff) const X_RESOLUTION: u16 = 282;
    pub(in crate::tiff) const Y_RESOLUTION: u16 = 283;
    pub(in crate::tiff) const PLANAR_CONFIG: u16 = 284;
    pub(in crate::tiff) const PAGE_NAME: u16 = 285;
    pub(in crate::tiff) const T4_OPTIONS: u16 = 292;
    pub(in crate::tiff) const T6_OPTIONS: u16 = 293;
    pub(in crate::tiff) const RESOLUTION_UNIT: u16 = 296;
    pub(in crate::tiff) const SOFTWARE: u16 = 305;
    pub(in crate::tiff) const DATE_TIME: u16 = 306;
    pub(in crate::tiff) const ARTIST: u16 = 315;
    pub(in crate::tiff) const PREDICTOR: u16 = 317;
    pub(in crate::tiff) const COLOR_MAP: u16 = 320;
    pub(in crate::tiff) const TILE_WIDTH: u16 = 322;
    pub(in crate::tiff) const TILE_LENGTH: u16 = 323;
    pub(in crate::tiff) const TILE_OFFSETS: u16 = 324;
    pub(in crate::tiff) const TILE_BYTE_COUNTS: u16 = 325;
    pub(in crate::tiff) const SUB_IFDS: u16 = 330;
    pub(in crate::tiff) const EXTRA_SAMPLES: u16 = 338;
    pub(in crate::tiff) const SAMPLE_FORMAT: u16 = 339;
    pub(in crate::tiff) const JPEG_TABLES: u16 = 347;
    pub(in crate::tiff) const JPEG_INTERCHANGE: u16 = 513;
    pub(in crate::tiff) const JPEG_INTERCHANGE_LENGTH: u16 = 514;
    pub(in crate::tiff) const JPEG_RESTART_INTERVAL: u16 = 515;
    pub(in crate::tiff) const JPEG_Q_TABLES: u16 = 519;
    pub(in crate::tiff) const JPEG_DC_TABLES: u16 = 520;
    pub(in crate::tiff) const JPEG_AC_TABLES: u16 = 521;
    pub(in crate::tiff) const YCBCR_SUBSAMPLING: u16 = 530;
    pub(in crate::tiff) const IMAGE_DEPTH: u16 = 32997;
    pub(in crate::tiff) const COPYRIGHT: u16 = 33432;
    pub(in crate::tiff) const UIC2: u16 = 33629;
    pub(in crate::tiff) const MODEL_PIXEL_SCALE: u16 = 33550;
    pub(in crate::tiff) const MODEL_TIEPOINT: u16 = 33922;
    pub(in crate::tiff) const MODEL_TRANSFORMATION: u16 = 34264;
    pub(in crate::tiff) const ICC_PROFILE: u16 = 34675;
    pub(in crate::tiff) const GEO_KEY_DIRECTORY: u16 = 34735;
    pub(in crate::tiff) const GEO_DOUBLE_PARAMS: u16 = 34736;
    pub(in crate::tiff) const GEO_ASCII_PARAMS: u16 = 34737;
    pub(in crate::tiff) const GDAL_METADATA: u16 = 42112;
    pub(in crate::tiff) const GDAL_NODATA: u16 = 42113;
    pub(in crate::tiff) const LERC_PARAMETERS: u16 = 50674;
}

/// The name of a tag, for messages: `StripOffsets (tag 273)`.
pub(super) fn tag_name(number: u16) -> String {
    use tag::*;
    let name = match number {
        NEW_SUBFILE_TYPE => "NewSubfileType",
        IMAGE_WIDTH => "ImageWidth",
        IMAGE_LENGTH => "ImageLength",
        BITS_PER_SAMPLE => "BitsPerSample",
        COMPRESSION => "Compression",
        PHOTOMETRIC => "PhotometricInterpretation",
        STRIP_OFFSETS => "StripOffsets",
        SAMPLES_PER_PIXEL => "SamplesPerPixel",
        ROWS_PER_STRIP => "RowsPerStrip",
        STRIP_BYTE_COUNTS => "StripByteCounts",
        PLANAR_CONFIG => "PlanarConfiguration",
        PREDICTOR => "Predictor",
        COLOR_MAP => "ColorMap",
        TILE_WIDTH => "TileWidth",
        TILE_LENGTH => "TileLength",
        TILE_OFFSETS => "TileOffsets",
        TILE_BYTE_COUNTS => "TileByteCounts",
        SUB_IFDS => "SubIFDs",
        SAMPLE_FORMAT => "SampleFormat",
        JPEG_TABLES => "JPEGTables",
        ICC_PROFILE => "ICCProfile",
        _ => return format!("tag {number}"),
    };
    format!("{name} (tag {number})")
}

/// The common name of a TIFF Compression code.
pub(super) fn codec_name(compression: u16) -> String {
    match compression {
        0 | 1 => "none",
        2 => "CCITT RLE",
        3 => "CCITT G3",
        4 => "CCITT G4",
        5 => "LZW",
        6 => "old JPEG",
        7 | 33007 => "JPEG",
        8 | 32946 | 50013 => "Deflate",
        32766 => "NeXT",
        32771 => "CCITT RLE/W",
        32773 => "PackBits",
        32809 => "ThunderScan",
        33003 | 33004 | 33005 | 34712 => "JPEG 2000",
        34676 => "SGILog",
        34677 => "SGILog24",
        34887 => "LERC",
        34892 => "lossy JPEG (DNG)",
        34925 => "LZMA",
        34933 => "PNG",
        34934 | 22610 => "JPEG XR",
        50000 | 34926 => "ZSTD",
        50001 | 34927 => "WebP",
        50002 | 52546 => "JPEG XL",
        other => return format!("compression {other}"),
    }
    .into()
}

/// What a TIFF PhotometricInterpretation code means.
pub(super) fn photometric_name(code: u16) -> String {
    match code {
        0 => "white is zero",
        1 => "gray",
        2 => "RGB",
        3 => "palette",
        4 => "mask",
        5 => "CMYK",
        6 => "YCbCr",
        8 => "CIELab",
        9 => "ICCLab",
        10 => "ITULab",
        32803 => "colour filter array",
        32844 => "LogL",
        32845 => "LogLuv",
        34892 => "linear raw",
        other => return format!("photometric {other}"),
    }
    .into()
}
