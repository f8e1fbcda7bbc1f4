//! NumPy's `.npy`: a small header in Python's notation, then the array as it lay in memory.
//!
//! Versions 1 to 3, C and Fortran order, either byte order. The header is parsed, never evaluated. An array of shape
//! (N,) is one row, (H, W) has one channel, (H, W, C) has the last axis as channels; a scalar is one pixel.
//! Booleans read as uint8: 0, or 1 for any other byte.
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::sync::Arc;

use outcrop_core::{BlockLayout, ByteOrder, DataType, Error, Extent, Image, Result};

use crate::dtype_name::byte_code;
use crate::raw::RawSource;
use crate::runs::AxisOrder;
use crate::store::Store;

/// The longest header that is read. NumPy itself stops at 10,000 bytes unless told to trust the file.
const MAX_HEADER: u64 = 1 << 20;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// NumPy's code of the sample type (`<f8`).
    pub descr: String,
    /// Whether the first axis varies fastest.
    pub fortran_order: bool,
    /// Lengths of the axes, the outermost of C order first.
    pub shape: Vec<u64>,
    /// The byte at which the array begins.
    pub data_offset: u64,
}

/// Opens an array as an image.
///
/// # Errors
/// [`Error::Format`] for a broken header or an array longer than the file, [`Error::Unsupported`] for sample types that
/// are not numbers (objects, records, text) or are complex, and for arrays of more than three axes.
pub fn open(store: Arc<Store>) -> Result<RawSource> {
    let header = read_header(&store)?;
    let (dtype, byte_order) = sample_type(&header.descr)?;
    let extent = match header.shape[..] {
        [] => Extent::new(1, 1, 1),
        [n] => Extent::new(1, n, 1),
        [h, w] => Extent::new(h, w, 1),
        [h, w, c] => Extent::new(h, w, c),
        ref more => {
            return Err(Error::Unsupported(format!(
                "an array of {} axes, shape {}: expected (rows, columns) or (rows, columns, channels)",
                more.len(),
                tuple(more)
            )));
        }
    };
    // Where at most one axis is longer than 1, both orders are the same.
    let long_axes = header.shape.iter().filter(|&&n| n != 1).count();
    let (order, layout) = if header.fortran_order && long_axes > 1 {
        (AxisOrder::FORTRAN, BlockLayout::Columns)
    } else {
        (AxisOrder::BIP, BlockLayout::Rows { planar: false })
    };
    let mut image = Image::plain("NumPy", extent, dtype, layout);
    image.byte_order = byte_order;
    image.metadata.other.push(("array".into(), format!("{} {}", tuple(&header.shape), header.descr)));
    let array = RawSource::with_image(store, image, order, header.data_offset)?;
    Ok(if header.descr.ends_with("b1") { array.into_booleans() } else { array })
}

/// A shape as Python prints it.
fn tuple(shape: &[u64]) -> String {
    let axes: Vec<String> = shape.iter().take(32).map(u64::to_string).collect();
    format!("({}{})", axes.join(", "), if shape.len() == 1 { "," } else { "" })
}

/// Reads and parses the header of a file.
///
/// # Errors
/// [`Error::Format`] where it is broken, [`Error::Unsupported`] for versions past 3 and for records.
pub fn read_header(store: &Store) -> Result<Header> {
    let mut fixed = [0; 12];
    let there = store.len().min(12) as usize;
    store.read_at(0, &mut fixed[..there])?;
    if there < 10 || &fixed[..6] != b"\x93NUMPY" {
        return Err(Error::Format("expected \\x93NUMPY and a version at the start of an .npy file".into()));
    }
    let (start, len) = match fixed[6] {
        1 => (10, u16::from_le_bytes([fixed[8], fixed[9]]) as u64),
        2 | 3 if there == 12 => (12, u32::from_le_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]) as u64),
        2 | 3 => return Err(Error::Format("the .npy header is cut short".into())),
        other => {
            return Err(Error::Unsupported(format!(".npy version {other}.{} (1 to 3 are read)", fixed[7])));
        }
    };
    if len > MAX_HEADER {
        return Err(Error::Limits { what: "the .npy header".into(), needed: len, limit: MAX_HEADER });
    }
    if start + len > store.len() {
        return Err(Error::Format(format!(
            "the .npy header is cut short: expected {len} bytes at byte {start}, the file has {}",
            store.len()
        )));
    }
    let mut text = vec![0; len as usize];
    store.read_at(start, &mut text)?;
    parse_dict(&text, start + len)
}

fn sample_type(descr: &str) -> Result<(DataType, ByteOrder)> {
    // A code without an order is native, as NumPy reads it.
    if let Some((dtype, order)) = byte_code(descr).or_else(|| byte_code(&format!("={descr}"))) {
        return Ok((dtype, order.unwrap_or(ByteOrder::NATIVE)));
    }
    let kind = match descr.trim_start_matches(['<', '>', '=', '|']).chars().next() {
        Some('O') => "Python objects, which only pickle reads",
        Some('V') => "records",
        Some('c') => "complex numbers",
        Some('S' | 'U' | 'a') => "text",
        Some('M' | 'm') => "dates or times",
        Some('f' | 'g') => "floats of this width",
        _ => "not a type of samples",
    };
    let shown: String = descr.chars().take(40).collect();
    Err(Error::Unsupported(format!("an array of `{shown}`: {kind}")))
}

/// Parses `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`: these three keys, each once, in any order.
fn parse_dict(text: &[u8], data_offset: u64) -> Result<Header> {
    let mut p = Parser { text, at: 0 };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    p.expect(b'{')?;
    while !p.take(b'}') {
        let key = p.string()?;
        p.expect(b':')?;
        let twice = match key.as_str() {
            "descr" => descr.replace(p.descr()?).is_some(),
            "fortran_order" => fortran_order.replace(p.boolean()?).is_some(),
            "shape" => shape.replace(p.tuple()?).is_some(),
            _ => return Err(p.error("one of the keys descr, fortran_order, shape")),
        };
        if twice {
            return Err(p.error("each key once"));
        }
        if !p.take(b',') {
            p.expect(b'}')?;
            break;
        }
    }
    if p.peek().is_some() {
        return Err(p.error("the end of the header"));
    }
    match (descr, fortran_order, shape) {
        (Some(descr), Some(fortran_order), Some(shape)) => {
            Ok(Header { descr, fortran_order, shape, data_offset })
        }
        _ => Err(p.error("the keys descr, fortran_order and shape")),
    }
}

/// Reads the few words of Python that a header is made of. Never recurses.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn error(&self, expected: &str) -> Error {
        let at = self.at.min(self.text.len());
        let end = self.text.len().min(at + 16);
        let found = self.text[at..end].escape_ascii();
        Error::Format(format!("the .npy header: expected {expected} at byte {at}, found `{found}`"))
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(|b| b.is_ascii_whitespace() || *b == 0) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(self.error(&format!("`{}`", byte as char))) }
    }

    fn string(&mut self) -> Result<String> {
        let quote = match self.peek() {
            Some(q @ (b'\'' | b'"')) => q,
            _ => return Err(self.error("text in quotes")),
        };
        let rest = &self.text[self.at + 1..];
        let len = rest.iter().position(|&b| b == quote || b == b'\\');
        match len {
            Some(len) if rest[len] == quote => {
                self.at += len + 2;
                Ok(String::from_utf8_lossy(&rest[..len]).into_owned())
            }
            _ => Err(self.error("plain text in quotes")),
        }
    }

    /// A type's code; a list of fields is a record.
    fn descr(&mut self) -> Result<String> {
        match self.peek() {
            Some(b'[' | b'(' | b'{') => Err(Error::Unsupported("an array of records (named fields)".into())),
            _ => self.string(),
        }
    }

    fn boolean(&mut self) -> Result<bool> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<u64>> {
        let mut axes = Vec::new();
        self.expect(b'(')?;
        while !self.take(b')') {
            axes.push(self.integer()?);
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(axes)
    }

    fn integer(&mut self) -> Result<u64> {
        self.peek();
        let digits = self.text[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.text[self.at..self.at + digits]).unwrap_or("");
        let value = text.parse().map_err(|_| self.error("a length that fits 64 bits"))?;
        self.at += digits;
        // Python 2 wrote long integers as 3L.
        self.at += usize::from(self.text.get(self.at) == Some(&b'L'));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dict(text: &str) -> Result<Header> {
        parse_dict(text.as_bytes(), 128)
    }

    #[test]
    fn headers_as_numpy_and_others_write_them() {
        let h = dict("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }          \n").unwrap();
        assert_eq!((h.descr.as_str(), h.fortran_order, &h.shape[..]), ("<f8", false, &[3, 4][..]));
        let h = dict("{\"shape\":(3L,),\"fortran_order\":True,\"descr\":\"|u1\"}").unwrap();
        assert_eq!((h.descr.as_str(), h.fortran_order, &h.shape[..]), ("|u1", true, &[3][..]));
        assert!(dict("{'descr': '>i2', 'fortran_order': False, 'shape': ()}").unwrap().shape.is_empty());
    }

    #[test]
    fn what_is_not_a_header_is_refused() {
        for bad in [
            "",
            "{",
            "{}",
            "{'descr': '<f8'}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3, -4)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 99999999999999999999)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4)} 1",
            "{'descr': '<f8', 'fortran_order': 0, 'shape': (3, 4)}",
            "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f\\x38', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'more': 1}",
        ] {
            assert!(matches!(dict(bad), Err(Error::Format(_))), "{bad}");
        }
        let record = "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}";
        assert!(matches!(dict(record), Err(Error::Unsupported(_))));
    }

    #[test]
    fn types_that_are_not_samples_are_refused_by_name() {
        for (descr, name) in [("|O", "objects"), (">c16", "complex"), ("<U5", "text"), ("<f16", "floats")] {
            let e = sample_type(descr).unwrap_err();
            assert!(matches!(e, Error::Unsupported(_)) && e.to_string().contains(name), "{e}");
        }
        assert_eq!(sample_type("f8").unwrap(), (DataType::F64, ByteOrder::NATIVE));
        assert_eq!(sample_type("|b1").unwrap().0, DataType::U8);
    }

    proptest! {
        #[test]
        fn no_header_panics(text in "[{}()',:a-z0-9<> TFL\\\\\n]{0,80}") {
            let _ = dict(&text);
            let _ = dict(&format!("{{'descr': '<f8', 'shape': ({text}"));
        }
    }
}
