//! [`ValidityOptions`]: which samples of an image count, as the caller says it.

use outcrop_core::{Channels, Error, Image, Result, Value};
use outcrop_ops::NanPolicy;

/// Which samples take part in a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValidityOptions {
    /// Values that mean "no data".
    pub nodata: Nodata,
    /// What NaN samples do.
    pub nan: NanPolicy,
}

/// Where the values that mean "no data" come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Nodata {
    /// What the file declares.
    #[default]
    FromFile,
    /// Nothing, whatever the file declares.
    None,
    /// These, whatever the file declares: one for all channels, or one for each channel of the image (or of the
    /// selection).
    Values(Vec<Value>),
}

impl Nodata {
    /// For each selected channel the values that mean "no data".
    ///
    /// # Errors
    /// [`Error::Usage`] where the number of values fits neither the image nor the selection.
    pub fn of(&self, image: &Image, channels: &Channels) -> Result<Vec<Vec<Value>>> {
        let indices = channels.indices();
        match self {
            Nodata::None => Ok(vec![Vec::new(); indices.len()]),
            Nodata::FromFile => {
                Ok(indices.iter().map(|&c| image.nodata_of(c).into_iter().collect()).collect())
            }
            Nodata::Values(values) => {
                let of = |position: usize, channel: u64| match values.len() {
                    1 => Some(values[0]),
                    n if n as u64 == image.extent.channels => Some(values[channel as usize]),
                    n if n == indices.len() => Some(values[position]),
                    _ => None,
                };
                let lists = indices.iter().enumerate().map(|(k, &c)| of(k, c).map(|v| vec![v]));
                lists.collect::<Option<_>>().ok_or_else(|| {
                    Error::Usage(format!(
                        "{} nodata values for {} channels: expected one, or one per channel (--nodata)",
                        values.len(),
                        image.extent.channels
                    ))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{BlockLayout, DataType, Extent};

    #[test]
    fn values_go_to_the_channels_they_were_named_for() {
        let mut image =
            Image::plain("raw", Extent::new(1, 1, 3), DataType::U8, BlockLayout::Rows { planar: false });
        image.nodata = vec![Value::Int(7)];
        let picked = Channels::select(vec![2, 0], 3).unwrap();
        let values = |n: Vec<i128>| Nodata::Values(n.into_iter().map(Value::Int).collect());
        let of = |nodata: &Nodata| nodata.of(&image, &picked).map(|v| v.concat());
        assert_eq!(of(&Nodata::FromFile).unwrap(), [Value::Int(7), Value::Int(7)]);
        assert_eq!(of(&Nodata::None).unwrap(), []);
        assert_eq!(of(&values(vec![1, 2, 3])).unwrap(), [Value::Int(3), Value::Int(1)]);
        assert_eq!(of(&values(vec![4, 5])).unwrap(), [Value::Int(4), Value::Int(5)]);
        assert!(of(&values(vec![1, 2, 3, 4])).is_err());
    }
}
