//! JSON as the design has it: integers exact, floats the shortest that round-trips, "nan", "inf", "-inf" as text.

use std::io::{BufWriter, Write};

use outcrop::Value;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

/// The number of the layout of all objects that commands print.
pub(crate) const SCHEMA: u32 = 1;

/// A float of any kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Float(pub(crate) f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            v if v.is_finite() => to.serialize_f64(v),
            v if v.is_nan() => to.serialize_str("nan"),
            v if v > 0.0 => to.serialize_str("inf"),
            _ => to.serialize_str("-inf"),
        }
    }
}

/// A number of any sample type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) Value);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Int(i) => to.serialize_i128(i),
            Value::Float(f) => Float(f).serialize(to),
        }
    }
}

/// A list that may be long: each item becomes JSON when it is its turn.
pub(crate) struct Listed<'a, T> {
    pub(crate) items: &'a [T],
    pub(crate) json: fn(&T) -> Json,
}

impl<T> Serialize for Listed<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.items.iter().map(self.json))
    }
}

/// Prints one object and a line break on standard output.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn print(object: &impl Serialize) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer(&mut out, object).map_err(std::io::Error::from)?;
    out.write_all(b"\n").and_then(|()| out.flush())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        let text = |v: Value| serde_json::to_string(&Number(v)).unwrap();
        assert_eq!(text(Value::Int(i128::MAX)), "170141183460469231731687303715884105727");
        assert_eq!(text(Value::Float(0.1)), "0.1");
        assert_eq!(text(Value::Float(1e300)), "1e+300");
        assert_eq!(text(Value::Float(5e-324)), "5e-324");
        assert_eq!(text(Value::Float(f64::NAN)), "\"nan\"");
        assert_eq!(text(Value::Float(f64::NEG_INFINITY)), "\"-inf\"");
    }
}
