//! Partials as bytes: a tag of eight bytes that names kernel and version, then little-endian words.

use outcrop_core::{Error, Result};

/// Starts the bytes of a partial.
pub(crate) fn begin(tag: &[u8; 8]) -> Vec<u8> {
    tag.to_vec()
}

/// Appends words.
pub(crate) fn put(out: &mut Vec<u8>, words: impl IntoIterator<Item = u64>) {
    words.into_iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

/// The words of a partial of `tag`, whose number must be `count` where that is known.
pub(crate) fn words(bytes: &[u8], tag: &[u8; 8], count: Option<usize>) -> Result<Vec<u64>> {
    let body = bytes.strip_prefix(tag).ok_or_else(|| {
        let name = String::from_utf8_lossy(tag).into_owned();
        Error::Format(format!("the saved state is not of this version's {name:?}"))
    })?;
    let (words, rest) = body.as_chunks::<8>();
    if !rest.is_empty() || count.is_some_and(|count| count != words.len()) {
        return Err(Error::Format(format!(
            "the saved state has {} bytes, expected {}",
            body.len(),
            count.map_or("whole words".into(), |count| (count * 8).to_string())
        )));
    }
    Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}
