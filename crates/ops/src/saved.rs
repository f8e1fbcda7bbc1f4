//! Saved partials: a kernel's name, a version and little-endian numbers. The same bytes on every machine.

use outcrop_core::{DataType, Error, Result};

/// Writes a partial.
#[derive(Debug, Default)]
pub struct Saver(Vec<u8>);

impl Saver {
    /// Begins the partial of a kernel, by its name and the version of what follows.
    pub fn new(kernel: &str, version: u32) -> Saver {
        let mut saver = Saver::default();
        saver.bytes(kernel.as_bytes());
        saver.0.extend(version.to_le_bytes());
        saver
    }

    /// Writes a number.
    pub fn u64(&mut self, v: u64) {
        self.0.extend(v.to_le_bytes());
    }

    /// Writes a number.
    pub fn u128(&mut self, v: u128) {
        self.0.extend(v.to_le_bytes());
    }

    /// Writes a float, bit for bit.
    pub fn f64(&mut self, v: f64) {
        self.u64(v.to_bits());
    }

    /// Writes a sample type.
    pub fn dtype(&mut self, dtype: DataType) {
        self.bytes(dtype.short_name().as_bytes());
    }

    /// Writes bytes and how many they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.0.extend(bytes);
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a partial. Refuses whatever is not there; allocates nothing.
#[derive(Debug)]
pub struct Loader<'a>(&'a [u8]);

impl<'a> Loader<'a> {
    /// Begins to read the partial of a kernel.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes belong to another kernel or version.
    pub fn new(bytes: &'a [u8], kernel: &str, version: u32) -> Result<Loader<'a>> {
        let mut loader = Loader(bytes);
        let found = loader.bytes()?;
        if found != kernel.as_bytes() {
            let found = String::from_utf8_lossy(&found[..found.len().min(40)]);
            return Err(Error::Format(format!("a saved state of {kernel:?} was expected, found {found:?}")));
        }
        let found = u32::from_le_bytes(loader.array()?);
        if found != version {
            return Err(Error::Format(format!(
                "the saved state of {kernel:?} has version {found}, this build reads version {version}"
            )));
        }
        Ok(loader)
    }

    /// Reads a number.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes end.
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads a number of samples: at most 2^56, so that counters of many partials add up without overflow.
    ///
    /// # Errors
    /// [`Error::Format`] where it is larger, or the bytes end.
    pub fn count(&mut self) -> Result<u64> {
        match self.u64()? {
            n if n <= 1 << 56 => Ok(n),
            n => Err(Error::Format(format!("the saved state counts {n} samples, at most 2^56 are expected"))),
        }
    }

    /// Reads a number.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes end.
    pub fn u128(&mut self) -> Result<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// Reads a float.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes end.
    pub fn f64(&mut self) -> Result<f64> {
        self.u64().map(f64::from_bits)
    }

    /// Reads a number that must have the value expected.
    ///
    /// # Errors
    /// [`Error::Format`] where it has not; `what` names it.
    pub fn expect_u64(&mut self, expected: u64, what: &str) -> Result<()> {
        let found = self.u64()?;
        if found == expected {
            return Ok(());
        }
        Err(Error::Format(format!("the saved state has {what} {found}, expected {expected}")))
    }

    /// Reads a sample type that must be the one expected.
    ///
    /// # Errors
    /// [`Error::Format`] where it is not.
    pub fn expect_dtype(&mut self, expected: DataType) -> Result<()> {
        if self.bytes()? == expected.short_name().as_bytes() {
            return Ok(());
        }
        Err(Error::Format(format!("the saved state is of samples of another type than {expected}")))
    }

    /// Reads what [`Saver::bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes end.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let n = self.u64()?;
        self.take(usize::try_from(n).unwrap_or(usize::MAX))
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`Error::Format`] where bytes are left.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Error::Format(format!("{} bytes follow the saved state", self.0.len())))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or_else(|| Error::Format(format!("a saved state ends {} bytes early", n - self.0.len())))?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_nothing_else() {
        let mut saver = Saver::new("stats", 3);
        saver.u64(7);
        saver.dtype(DataType::F16);
        let bytes = saver.finish();
        let mut loader = Loader::new(&bytes, "stats", 3).unwrap();
        assert_eq!(loader.u64().unwrap(), 7);
        loader.expect_dtype(DataType::F16).unwrap();
        loader.finish().unwrap();
        let mut many = Saver::default();
        many.u64((1 << 56) + 1);
        assert!(Loader(&many.finish()).count().is_err());
        assert!(Loader::new(&bytes, "stats", 4).is_err());
        assert!(Loader::new(&bytes, "covariance", 3).is_err());
        assert!(Loader::new(&[255; 9], "stats", 3).is_err());
        for end in 0..bytes.len() {
            let read = Loader::new(&bytes[..end], "stats", 3)
                .and_then(|mut l| l.u64().and_then(|_| l.expect_dtype(DataType::F16)));
            assert!(read.is_err());
        }
    }
}
