//! Names of sample types as people type them: NumPy's, Rust's, and NumPy's byte codes with a byte order.

use outcrop_core::{ByteOrder, DataType, Error, Result};

/// The sample type of a name and, where the name has one, its byte order.
///
/// `uint16` and `u16` are 16 bits, as in Rust. With a byte order the digit counts bytes, as in NumPy: `<u2` little,
/// `>f4` big, `=f8` native, `|u1` neither. `bool` and `|b1` are read as uint8. Case does not matter.
///
/// # Errors
/// [`Error::Usage`] listing the names, with the nearest one first.
pub fn parse_dtype(name: &str) -> Result<(DataType, Option<ByteOrder>)> {
    let lower = name.trim().to_ascii_lowercase();
    if lower == "bool" {
        return Ok((DataType::U8, None));
    }
    if let Some(dtype) = DataType::from_name(&lower) {
        return Ok((dtype, None));
    }
    byte_code(&lower).ok_or_else(|| unknown(name, &lower))
}

/// Reads `<u2` and the like; `None` for what is not a code of a type that we have.
pub(crate) fn byte_code(code: &str) -> Option<(DataType, Option<ByteOrder>)> {
    let (order, kind) = match code.chars().next()? {
        '<' => (Some(ByteOrder::Little), &code[1..]),
        '>' => (Some(ByteOrder::Big), &code[1..]),
        '=' => (Some(ByteOrder::NATIVE), &code[1..]),
        '|' => (None, &code[1..]),
        _ => return None,
    };
    let dtype = kind_and_bytes(kind)?;
    match (order, dtype.bytes()) {
        (_, 1) => Some((dtype, None)),
        (None, _) => None,
        (order, _) => Some((dtype, order)),
    }
}

/// Reads a kind and its bytes without a byte order: `u2`, `f8`, `b1`.
fn kind_and_bytes(kind: &str) -> Option<DataType> {
    Some(match kind {
        "u1" | "b1" => DataType::U8,
        "u2" => DataType::U16,
        "u4" => DataType::U32,
        "u8" => DataType::U64,
        "i1" => DataType::I8,
        "i2" => DataType::I16,
        "i4" => DataType::I32,
        "i8" => DataType::I64,
        "f2" => DataType::F16,
        "f4" => DataType::F32,
        "f8" => DataType::F64,
        _ => return None,
    })
}

fn unknown(name: &str, lower: &str) -> Error {
    let near = kind_and_bytes(lower).or_else(|| alias(lower)).or_else(|| {
        let names = DataType::ALL.into_iter().flat_map(|t| [(t.name(), t), (t.short_name(), t)]);
        let near = names.map(|(n, t)| (distance(lower, n), t)).min_by_key(|(d, _)| *d)?;
        (near.0 <= 2 && 2 * near.0 <= lower.len()).then_some(near.1)
    });
    let hint = near.map_or(String::new(), |t| format!(" (did you mean {t}?)"));
    let names: Vec<&str> = DataType::ALL.iter().map(|t| t.name()).collect();
    let shown: String = name.chars().take(40).collect();
    Error::Usage(format!(
        "unknown sample type `{shown}`{hint}: expected {}, the same by bits (u8 ... f64), or NumPy's byte codes with \
         a byte order (<u2, >f4) (--dtype)",
        names.join(", ")
    ))
}

/// What other tools call our types, for the hint alone: `byte` and `long` differ too much to be taken silently.
fn alias(lower: &str) -> Option<DataType> {
    Some(match lower {
        "byte" | "uchar" | "unsigned char" | "ubyte" => DataType::U8,
        "ushort" | "unsigned short" => DataType::U16,
        "short" => DataType::I16,
        "int" | "integer" => DataType::I32,
        "uint" => DataType::U32,
        "half" => DataType::F16,
        "float" | "single" => DataType::F32,
        "double" => DataType::F64,
        _ => return None,
    })
}

/// Edits (insert, delete, replace a character) that lead from one short text to the other; long texts are far.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(16).collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_bits_and_codes_count_bytes() {
        let parse = |n| parse_dtype(n).unwrap();
        assert_eq!(parse("u16"), (DataType::U16, None));
        assert_eq!(parse("Float32"), (DataType::F32, None));
        assert_eq!(parse("u8"), (DataType::U8, None));
        assert_eq!(parse("f16"), (DataType::F16, None));
        assert_eq!(parse("<u8"), (DataType::U64, Some(ByteOrder::Little)));
        assert_eq!(parse(">f4"), (DataType::F32, Some(ByteOrder::Big)));
        assert_eq!(parse("=f8"), (DataType::F64, Some(ByteOrder::NATIVE)));
        assert_eq!(parse("|u1"), (DataType::U8, None));
        assert_eq!(parse("|b1"), (DataType::U8, None));
        assert_eq!(parse("bool"), (DataType::U8, None));
        assert_eq!(parse(">i1"), (DataType::I8, None));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let hint = |n: &str| parse_dtype(n).unwrap_err().to_string();
        assert!(hint("unit16").contains("did you mean uint16?"), "{}", hint("unit16"));
        assert!(hint("f4").contains("did you mean float32?"));
        assert!(hint("double").contains("did you mean float64?"));
        assert!(hint("zebra").contains("expected uint8, uint16"));
        assert!(!hint("zebra").contains("did you mean"));
        for bad in ["", "|u2", "<u3", "<", "é", "<é", "complex64", &"x".repeat(100_000)] {
            assert!(parse_dtype(bad).is_err(), "{bad:.20}");
        }
    }
}
