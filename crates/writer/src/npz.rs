//! [`ArrayFile`]: arrays of many equal rows in a `.npy` file or in a `.npz` archive, larger than memory.
//!
//! Stored arrays have a known place for every row: workers write there, in any order, and the archive's headers, which
//! hold checksums, are written at the end from those of the rows. Rows that were left out are closed up then, by moving
//! what follows. Deflated arrays are appended to: each row is a run of whole blocks that a worker has made, and the
//! array's header is a stored block, so that it can be written when the number of rows is known.

use std::sync::Arc;

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};
use outcrop_core::{DataType, Error, Result};

use crate::npy;
use crate::resume::{changed, pack, unpack};
use crate::zip::{Member, directory};
use crate::{PartialFile, Positioned};

/// What arrays are put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// One array in a file of its own.
    Npy,
    /// An archive as `numpy.savez` makes it.
    Npz,
    /// An archive as `numpy.savez_compressed` makes it.
    Deflated,
}

/// An array of equal rows.
#[derive(Clone, Debug)]
pub struct ArraySpec {
    /// Its name in an archive, without `.npy`.
    pub name: String,
    /// Rows at most.
    pub rows: u64,
    /// The axes of a row.
    pub shape: Vec<u64>,
    /// The type of every sample.
    pub dtype: DataType,
}

impl ArraySpec {
    fn header(&self, rows: u64) -> Vec<u8> {
        let shape: Vec<u64> = std::iter::once(rows).chain(self.shape.iter().copied()).collect();
        npy::header_of(&shape, &npy::descr(self.dtype))
    }

    fn row_bytes(&self) -> Option<u64> {
        self.shape.iter().try_fold(self.dtype.bytes() as u64, |n, &side| n.checked_mul(side))
    }
}

/// An array in its file.
#[derive(Debug)]
struct Part {
    spec: ArraySpec,
    member: Member,
    /// Where the rows begin.
    rows_at: u64,
    row_bytes: u64,
}

/// The output; see the module.
#[derive(Debug)]
pub struct ArrayFile {
    file: PartialFile,
    container: Container,
    rows: Arc<RowFile>,
    /// Members that are complete.
    members: Vec<Member>,
    /// Where the next byte goes.
    end: u64,
    /// The deflated array that is being written, and what is known of its rows.
    open: Option<(usize, Hasher, u64)>,
    inode: u64,
}

/// The part that workers share.
#[derive(Debug)]
pub struct RowFile {
    file: Arc<Positioned>,
    parts: Vec<Part>,
    total: u64,
}

impl RowFile {
    /// Writes a row of a stored array in its place. Returns its CRC-32.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; [`Error::Usage`] for a row that does not exist or is of another length.
    pub fn write(&self, part: usize, row: u64, bytes: &[u8]) -> Result<u32> {
        let known = self.parts.get(part).filter(|p| row < p.spec.rows && bytes.len() as u64 == p.row_bytes);
        let part = known.ok_or_else(|| Error::Usage(format!("row {row} of array {part} does not exist")))?;
        self.file.write_all_at(bytes, part.rows_at + row * part.row_bytes)?;
        Ok(crc32fast::hash(bytes))
    }
}

impl ArrayFile {
    /// Starts an output in `file`. With `resume` the file is gone on with; [`load`](ArrayFile::load) follows.
    ///
    /// # Errors
    /// [`Error::Usage`] for a size that no file can have, or several arrays in a `.npy` file; [`Error::Io`] where the
    /// system refuses or the disk has too little space.
    pub fn new(
        mut file: PartialFile,
        container: Container,
        specs: Vec<ArraySpec>,
        resume: bool,
    ) -> Result<ArrayFile> {
        if container == Container::Npy && specs.len() != 1 {
            return Err(Error::Usage("a .npy file holds one array (.npz holds several)".into()));
        }
        if resume && file.is_published() {
            return Err(Error::Usage(format!(
                "{} exists: an earlier run has finished it (remove the checkpoint)",
                file.path().display()
            )));
        }
        let (mut parts, mut end) = (Vec::new(), 0u64);
        for spec in specs {
            let too_large = || {
                Error::Usage(format!("{} rows of shape {:?} are larger than any file", spec.rows, spec.shape))
            };
            let deflated = container == Container::Deflated;
            let member =
                Member { name: format!("{}.npy", spec.name), at: end, deflated, ..Member::default() };
            let header_at = if container == Container::Npy { end } else { end + member.header_bytes() };
            let rows_at = header_at + spec.header(spec.rows).len() as u64;
            let row_bytes = spec.row_bytes().ok_or_else(too_large)?;
            let bytes = spec.rows.checked_mul(row_bytes);
            let next = bytes.and_then(|n| n.checked_add(rows_at)).filter(|&n| n < i64::MAX as u64 / 2);
            end = next.ok_or_else(too_large)?;
            parts.push(Part { spec, member, rows_at, row_bytes });
        }
        let placed = container != Container::Deflated;
        let positioned = file.file().clone();
        if !resume {
            file.ensure_space(end, placed)?;
            if placed {
                positioned.set_len(end)?;
            }
        }
        let inode = file.inode();
        Ok(ArrayFile {
            rows: Arc::new(RowFile { file: positioned, parts, total: end }),
            container,
            members: Vec::new(),
            end: if placed { end } else { 0 },
            open: None,
            inode,
            file,
        })
    }

    /// The part that workers share.
    pub fn rows(&self) -> Arc<RowFile> {
        self.rows.clone()
    }

    /// What the user should hear.
    pub fn notices(&mut self) -> &mut Vec<String> {
        self.file.notices()
    }

    /// Appends a row that [`deflate_row`] made to a deflated array. Arrays come one after another.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn append(&mut self, part: usize, deflated: &[u8], crc: u32) -> Result<()> {
        self.open_part(part)?;
        self.rows.file.write_all_at(deflated, self.end)?;
        self.end += deflated.len() as u64;
        if let Some((_, sum, rows)) = &mut self.open {
            sum.combine(&Hasher::new_with_initial_len(crc, self.rows.parts[part].row_bytes));
            *rows += 1;
        }
        Ok(())
    }

    /// Makes all that was written durable and says how to go on from here.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn save(&mut self) -> Result<Vec<u8>> {
        self.file.keep()?;
        // A deflated array is known by its number of rows and the sum of them; all before it are complete.
        let (part, sum, rows) = match &self.open {
            Some((part, sum, rows)) => (*part as u64, u64::from(sum.clone().finalize()), *rows),
            None => (u64::MAX, 0, 0),
        };
        let mut state =
            pack([self.inode, self.rows.total, self.end, part, sum, rows, self.members.len() as u64]);
        for member in &self.members {
            state.extend(pack([member.at, member.stored, member.size, member.crc.into()]));
        }
        Ok(state)
    }

    /// Goes on where [`save`](ArrayFile::save) said, once the file is what it was then.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is not, [`Error::Format`] for a state of another output.
    pub fn load(&mut self, state: &[u8]) -> Result<()> {
        let (head, rest) = state.split_at_checked(56).unwrap_or((state, &[]));
        let [inode, total, end, part, sum, rows, members] = unpack(head)?;
        if inode != self.inode || total != self.rows.total {
            return Err(changed(&self.file, "the file"));
        }
        let length = self.rows.file.file().metadata().map_or(0, |found| found.len());
        if self.container == Container::Deflated && length >= end {
            self.rows.file.set_len(end)?;
        } else if length != end {
            return Err(changed(&self.file, "the length"));
        }
        for (n, numbers) in rest.chunks_exact(32).enumerate().take(members as usize) {
            let [at, stored, size, crc] = unpack(numbers)?;
            let part = self.rows.parts.get(n).ok_or_else(|| changed(&self.file, "the number of arrays"))?;
            self.members.push(Member { at, stored, size, crc: crc as u32, ..part.member.clone() });
        }
        self.end = end;
        if let Some(known) = self.rows.parts.get(part as usize) {
            let bytes = rows.saturating_mul(known.row_bytes);
            self.open = Some((part as usize, Hasher::new_with_initial_len(sum as u32, bytes), rows));
        }
        Ok(())
    }

    /// Begins a deflated array, once those before it are complete.
    fn open_part(&mut self, part: usize) -> Result<()> {
        if self.open.as_ref().is_some_and(|(open, ..)| *open == part) {
            return Ok(());
        }
        self.close_part()?;
        while self.members.len() < part {
            // One that got no row.
            self.open = Some((self.members.len(), Hasher::new(), 0));
            self.start_part()?;
            self.close_part()?;
        }
        self.open = Some((part, Hasher::new(), 0));
        self.start_part()
    }

    /// Leaves room for the headers.
    fn start_part(&mut self) -> Result<()> {
        let Some((part, ..)) = &self.open else { return Ok(()) };
        let known = &self.rows.parts[*part];
        let room = known.member.header_bytes() + 5 + known.spec.header(0).len() as u64;
        self.rows.file.set_len(self.end + room)?;
        self.end += room;
        Ok(())
    }

    /// Completes the deflated array that is open: its end, then its headers.
    fn close_part(&mut self) -> Result<()> {
        let Some((part, sum, rows)) = self.open.take() else { return Ok(()) };
        let known = &self.rows.parts[part];
        let at = self.members.last().map_or(0, |last| last.at + last.header_bytes() + last.stored);
        // An empty last block.
        self.rows.file.write_all_at(&[3, 0], self.end)?;
        self.end += 2;
        let header = known.spec.header(rows);
        let mut all = Hasher::new();
        all.update(&header);
        all.combine(&sum);
        let mut member = Member { at, crc: all.finalize(), ..known.member.clone() };
        member.stored = self.end - at - member.header_bytes();
        member.size = header.len() as u64 + rows * known.row_bytes;
        let mut start = member.local();
        let length = header.len() as u16;
        start.push(0);
        start.extend(length.to_le_bytes());
        start.extend((!length).to_le_bytes());
        start.extend(header);
        self.rows.file.write_all_at(&start, at)?;
        self.members.push(member);
        Ok(())
    }

    /// Completes stored arrays: closes up the rows that were left out and writes the headers. `kept` has for each array
    /// its rows that stay, in ascending order, with their CRC-32.
    fn close_stored(&mut self, kept: &[Vec<(u64, u32)>]) -> Result<()> {
        let (file, parts) = (&self.rows.file, &self.rows.parts);
        let complete = parts.iter().zip(kept).all(|(part, kept)| part.spec.rows == kept.len() as u64);
        if !complete {
            // Whoever finds this file half moved must not go on with it.
            file.set_len(self.rows.total + 1)?;
        }
        let mut end = 0;
        for (part, kept) in parts.iter().zip(kept) {
            let header = part.spec.header(kept.len() as u64);
            let at = end;
            let member = Member { at, ..part.member.clone() };
            let header_at = if self.container == Container::Npy { at } else { at + member.header_bytes() };
            let rows_at = header_at + header.len() as u64;
            // A run of rows that stay together moves in pieces; ascending, as nothing moves up.
            let mut to = 0u64;
            for run in kept.chunk_by(|a, b| a.0 + 1 == b.0) {
                let bytes = run.len() as u64 * part.row_bytes;
                let from = part.rows_at + run[0].0 * part.row_bytes;
                move_down(file, from, rows_at + to, bytes)?;
                to += bytes;
            }
            end = rows_at + to;
            if self.container == Container::Npy {
                file.write_all_at(&header, header_at)?;
                continue;
            }
            let mut sum = Hasher::new();
            sum.update(&header);
            for (_, crc) in kept {
                sum.combine(&Hasher::new_with_initial_len(*crc, part.row_bytes));
            }
            let size = header.len() as u64 + to;
            let member = Member { size, stored: size, crc: sum.finalize(), ..member };
            let start = [member.local(), header].concat();
            file.write_all_at(&start, at)?;
            self.members.push(member);
        }
        file.set_len(end)?;
        self.end = end;
        Ok(())
    }

    /// Completes the arrays of rows; `kept` as the rows stay, of stored arrays.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn close_rows(&mut self, kept: &[Vec<(u64, u32)>]) -> Result<()> {
        if self.container != Container::Deflated {
            return self.close_stored(kept);
        }
        self.close_part()?;
        let all = self.rows.parts.len();
        if self.members.len() < all {
            self.open_part(all - 1)?;
            self.close_part()?;
        }
        Ok(())
    }

    /// Adds a small array, of a NumPy type code and that shape, to an archive. Its samples come in pieces.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; [`Error::Usage`] for a `.npy` file.
    pub fn add(
        &mut self,
        name: &str,
        descr: &str,
        shape: &[u64],
        pieces: impl Iterator<Item = Vec<u8>>,
    ) -> Result<()> {
        if self.container == Container::Npy {
            return Err(Error::Usage("a .npy file holds one array (.npz holds several)".into()));
        }
        let deflated = self.container == Container::Deflated;
        let mut member = Member { name: format!("{name}.npy"), at: self.end, deflated, ..Member::default() };
        self.end += member.header_bytes();
        let mut sum = Hasher::new();
        let mut compressed = Vec::new();
        let pieces = std::iter::once(npy::header_of(shape, descr)).chain(pieces);
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            sum.update(&piece);
            member.size += piece.len() as u64;
            let bytes = if deflated {
                deflate_row(&piece, &mut compressed)?;
                &compressed
            } else {
                &piece
            };
            self.rows.file.write_all_at(bytes, self.end)?;
            self.end += bytes.len() as u64;
        }
        if deflated {
            self.rows.file.write_all_at(&[3, 0], self.end)?;
            self.end += 2;
        }
        member.crc = sum.finalize();
        member.stored = self.end - member.at - member.header_bytes();
        self.rows.file.write_all_at(&member.local(), member.at)?;
        self.members.push(member);
        Ok(())
    }

    /// Completes the file, which is then ready to be published.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn finish(self) -> Result<PartialFile> {
        if self.container != Container::Npy {
            let directory = directory(&self.members, self.end);
            self.rows.file.write_all_at(&directory, self.end)?;
            self.rows.file.set_len(self.end + directory.len() as u64)?;
        }
        Ok(self.file)
    }
}

/// Moves bytes to a lower place, or leaves them where they are.
fn move_down(file: &Positioned, from: u64, to: u64, bytes: u64) -> Result<()> {
    const PIECE: u64 = 1 << 20;
    if from == to {
        return Ok(());
    }
    let mut piece = vec![0; bytes.min(PIECE) as usize];
    let mut done = 0;
    while done < bytes {
        let piece = &mut piece[..(bytes - done).min(PIECE) as usize];
        file.read_exact_at(piece, from + done)?;
        file.write_all_at(piece, to + done)?;
        done += piece.len() as u64;
    }
    Ok(())
}

/// Deflates a row into whole blocks that end at a byte and look at no other row. Returns its CRC-32.
///
/// # Errors
/// [`Error::Limits`] where memory cannot be had.
pub fn deflate_row(row: &[u8], out: &mut Vec<u8>) -> Result<u32> {
    let bound = deflate_bound(row.len() as u64) as usize;
    out.clear();
    out.try_reserve(bound).map_err(|_| Error::Limits {
        what: "a compressed row".into(),
        needed: bound as u64,
        limit: isize::MAX as u64,
    })?;
    let mut state = Compress::new(Compression::default(), false);
    let done = state.compress_vec(row, out, FlushCompress::Full);
    if done.is_err() || state.total_in() != row.len() as u64 || out.len() == out.capacity() {
        return Err(Error::Panic("a row was not compressed whole".into()));
    }
    Ok(crc32fast::hash(row))
}

/// The most bytes that [`deflate_row`] takes for a row of so many, its state included.
pub fn deflate_bound(row_bytes: u64) -> u64 {
    row_bytes.saturating_add(row_bytes / 1000 * 8).saturating_add(1 << 10)
}

/// Writes a whole small array, of a NumPy type code and that shape, into a `.npy` file. Its samples come in pieces.
///
/// # Errors
/// [`Error::Io`] where it cannot be written.
pub fn write_array(
    file: &PartialFile,
    descr: &str,
    shape: &[u64],
    pieces: impl Iterator<Item = Vec<u8>>,
) -> Result<()> {
    let mut at = 0;
    for piece in std::iter::once(npy::header_of(shape, descr)).chain(pieces) {
        file.file().write_all_at(&piece, at)?;
        at += piece.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Overwrite;

    fn spec(name: &str, rows: u64) -> ArraySpec {
        ArraySpec { name: name.into(), rows, shape: vec![3, 2], dtype: DataType::U8 }
    }

    fn row(n: u64) -> Vec<u8> {
        (0..6).map(|i| (10 * n + i) as u8).collect()
    }

    #[test]
    fn rows_that_are_left_out_are_closed_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let file = PartialFile::create(&path, Overwrite::Refuse).unwrap();
        let mut made = ArrayFile::new(file, Container::Npy, vec![spec("x", 5)], false).unwrap();
        for n in [4, 1, 0, 3] {
            made.rows().write(0, n, &row(n)).unwrap();
        }
        assert!(made.rows().write(0, 5, &row(5)).is_err() && made.rows().write(1, 0, &row(5)).is_err());
        made.close_rows(&[vec![(0, 0), (1, 0), (3, 0), (4, 0)]]).unwrap();
        made.finish().unwrap().publish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(String::from_utf8_lossy(&bytes[..128]).contains("'shape': (4, 3, 2)"));
        assert_eq!(bytes[128..], [row(0), row(1), row(3), row(4)].concat());
    }

    #[test]
    fn a_deflated_archive_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let make = |stop: bool| {
            let path = folder.path().join(if stop { "b.npz" } else { "a.npz" });
            let specs = || vec![spec("x", 3), spec("empty", 2), spec("z", 2)];
            let open = |resume| {
                let open = if resume { PartialFile::resume } else { PartialFile::create };
                let file = open(&path, Overwrite::Refuse).unwrap();
                ArrayFile::new(file, Container::Deflated, specs(), resume).unwrap()
            };
            let mut made = open(false);
            for (n, part) in [(0, 0), (1, 0), (2, 2), (3, 2)] {
                let mut out = Vec::new();
                deflate_row(&row(n), &mut out).unwrap();
                made.append(part, &out, crc32fast::hash(&row(n))).unwrap();
                if stop {
                    let state = made.save().unwrap();
                    made.append(part, b"lost", 0).unwrap();
                    drop(made);
                    made = open(true);
                    made.load(&state).unwrap();
                }
            }
            made.close_rows(&[]).unwrap();
            made.add("y", "<i8", &[1], std::iter::once(7u64.to_le_bytes().to_vec())).unwrap();
            made.finish().unwrap().publish().unwrap();
            std::fs::read(path).unwrap()
        };
        assert_eq!(make(false), make(true));
    }
}
