//! Going on with an output that an earlier process has left: its state as bytes, and what is checked before its
//! partial file is trusted.

use outcrop_core::{Error, Result};

use crate::PartialFile;

/// Bytes at the end of what was committed that are checked.
pub(crate) const TAIL_BYTES: u64 = 1 << 20;

/// Refuses an output that already has its name, unless it is the file that the checkpoint is of and is whole.
pub(crate) fn check_published(file: &PartialFile, inode: u64, whole: bool) -> Result<()> {
    if file.is_published() && !(whole && inode == file.inode()) {
        return Err(Error::Usage(format!(
            "{} exists and is not the unfinished output of the checkpoint, which is gone (remove the checkpoint to \
             start again)",
            file.path().display()
        )));
    }
    Ok(())
}

/// Cuts off what was written after `end`.
pub(crate) fn cut(file: &PartialFile, end: u64) -> Result<()> {
    if file.is_published() { Ok(()) } else { file.file().set_len(end) }
}

/// The checksum of the last bytes of what was committed, which lies from `start` to `end`.
pub(crate) fn tail(file: &PartialFile, start: u64, end: u64) -> Result<u64> {
    let start = end.saturating_sub(TAIL_BYTES).max(start);
    let mut bytes = vec![0; (end - start) as usize];
    if !file.file().read_all_at(&mut bytes, start)? {
        return Err(changed(file, "the length"));
    }
    Ok(crc32fast::hash(&bytes).into())
}

/// Numbers as bytes, little-endian.
pub(crate) fn pack<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// The numbers at the front of bytes, and what stands after them.
///
/// # Errors
/// [`Error::Format`] for fewer bytes.
pub(crate) fn unpack_front<const N: usize>(bytes: &[u8]) -> Result<([u64; N], &[u8])> {
    let (front, rest) = bytes.split_at_checked(8 * N).unwrap_or_default();
    Ok((unpack(front)?, rest))
}

/// The numbers that [`pack`] made bytes of.
///
/// # Errors
/// [`Error::Format`] for another number of bytes.
pub(crate) fn unpack<const N: usize>(bytes: &[u8]) -> Result<[u64; N]> {
    let (words, rest) = bytes.as_chunks::<8>();
    let numbers: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let numbers = numbers.try_into().ok().filter(|_| rest.is_empty());
    numbers.ok_or_else(|| Error::Format("the checkpoint is of another kind of output".into()))
}

/// The error for a partial file that is not as it was left.
pub(crate) fn changed(file: &PartialFile, what: &str) -> Error {
    Error::Usage(format!(
        "{}: {what} of the unfinished output is not as the checkpoint left it (remove the checkpoint to start again)",
        file.path().display()
    ))
}
