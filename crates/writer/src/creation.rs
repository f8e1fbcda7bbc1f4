//! Creation options (`KEY=VALUE`), as GDAL spells them: what was given, checked against the keys that a format has.

use outcrop_core::{Error, Result};

/// What was given, by key; the last one of a key counts.
pub(crate) struct Given<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Given<'a> {
    pub(crate) fn read(pairs: impl IntoIterator<Item = &'a str>, keys: &[&'static str]) -> Result<Given<'a>> {
        let mut given = Vec::new();
        for pair in pairs {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(Error::Usage(format!("creation option `{pair}` is not KEY=VALUE (--co)")));
            };
            let key = known("creation option", key, keys)?;
            given.push((key, value.trim()));
        }
        Ok(Given(given))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(k, _)| *k == key).map(|&(_, value)| value)
    }

    pub(crate) fn one_of<T: Copy + Default>(&self, key: &str, values: &[(&'static str, T)]) -> Result<T> {
        let Some(value) = self.get(key) else { return Ok(T::default()) };
        let names: Vec<&'static str> = values.iter().map(|v| v.0).collect();
        let name = known(&format!("{key} value"), value, &names)?;
        Ok(values.iter().find(|v| v.0 == name).map(|v| v.1).unwrap_or_default())
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        if self.get(key).is_none() {
            return Ok(None);
        }
        let values = [("YES", true), ("TRUE", true), ("ON", true), ("1", true)];
        let values = [&values[..], &[("NO", false), ("FALSE", false), ("OFF", false), ("0", false)]].concat();
        self.one_of(key, &values).map(Some)
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str, range: &str) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| {
            Error::Usage(format!("creation option {key}={value}: a number of {range} is wanted (--co)"))
        })
    }
}

/// The name among `names` that `found` is, in any case.
pub(crate) fn known(what: &str, found: &str, names: &[&'static str]) -> Result<&'static str> {
    let upper = found.trim().to_ascii_uppercase();
    if let Some(name) = names.iter().find(|n| **n == upper) {
        return Ok(name);
    }
    if names.is_empty() {
        return Err(Error::Usage(format!("{what} `{found}`: this format has none (--co)")));
    }
    let nearest = names.iter().min_by_key(|n| distance(n.as_bytes(), upper.as_bytes())).unwrap_or(&"");
    Err(Error::Usage(format!(
        "{what} `{found}` is not known, the nearest is {nearest} (known to --co: {})",
        names.join(", ")
    )))
}

/// Levenshtein's distance, one row at a time; of the first 64 bytes, as no key is longer.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let b = &b[..b.len().min(64)];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
