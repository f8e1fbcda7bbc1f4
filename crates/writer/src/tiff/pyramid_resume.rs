//! Going on with an unfinished pyramid: what a checkpoint keeps of it, pair of levels by pair.
//!
//! Each pair of levels is a job with a state of its own. The last state that was saved says how far the file is: it is
//! held against all directories, the tables of the levels begun and the end of the data. Pairs before it are whole.

use outcrop_core::{Error, Result};

use super::pyramid::{Shared, State, lock};
use super::resume::{Written, check_length};
use crate::PartialFile;
use crate::resume::{changed, check_published, cut, pack, tail, unpack};

impl Shared {
    /// What a checkpoint keeps while the pair that begins with `level` is made.
    pub(super) fn state(&self, level: usize) -> Result<Vec<u8>> {
        let state = lock(&self.state);
        if let Some(saved) = state.saved.get(level / 2) {
            return Ok(saved.clone());
        }
        let file = self.file.as_ref();
        let file = file.ok_or_else(|| Error::Panic("a published pyramid has no state".into()))?;
        file.keep()?;
        if let Some(cloud) = &self.cloud {
            cloud.file.keep()?;
        }
        let notes = self.sweep(file, level, state.end)?;
        let done = [level, level + 1].map(|level| state.blocks_done.get(level).copied().unwrap_or(0));
        let (data, [own, cloud]) = (self.data(), state.inodes);
        let sum = tail(file, data, state.end)?;
        Ok(pack([level as u64, data, state.end, done[0], done[1], notes, sum, own, cloud]))
    }

    /// Goes on where the last of the states says, once the file is what it was then; what was written later is cut off.
    pub(super) fn restore(&self, mut state: State, states: &[Vec<u8>]) -> Result<State> {
        let Some(last) = states.last() else { return Ok(state) };
        let [level, data, end, upper, lower, notes, sum, own, cloud] = unpack(last)?;
        if level / 2 + 1 != states.len() as u64 {
            return Err(Error::Format("the checkpoint is of another kind of output".into()));
        }
        let level = level as usize;
        let blocks = self.levels.iter().map(|level| level.encoder.layout.blocks());
        state.blocks_done = blocks.clone().collect();
        for (done, saved) in
            state.blocks_done.iter_mut().skip(level).zip([upper, lower].into_iter().chain([0; 64]))
        {
            *done = saved;
        }
        let is_whole = blocks.eq(state.blocks_done.iter().copied());
        let output = self.cloud.as_ref().map(|c| (&c.file, cloud)).or(self.file.as_ref().map(|f| (f, own)));
        let is_published = output.is_some_and(|(file, _)| file.is_published());
        output.map_or(Ok(()), |(file, inode)| check_published(file, inode, is_whole))?;
        state.saved = states[..states.len() - usize::from(!is_published)].to_vec();
        (state.end, state.inodes) = (end, [own, cloud]);
        let Some(file) = &self.file else { return Ok(state) };
        if data != self.data() || end < data {
            return Err(changed(file, "the layout"));
        }
        check_length(file, end)?;
        self.images(file).try_for_each(|image| image.check_directory())?;
        if tail(file, data, end)? != sum {
            return Err(changed(file, "the end"));
        }
        if self.sweep(file, level, end)? != notes {
            return Err(changed(file, "the table of blocks"));
        }
        cut(file, end)?;
        Ok(state)
    }

    /// Where block data begins.
    fn data(&self) -> u64 {
        self.levels.last().map_or(0, |last| last.laid.end)
    }

    /// The sum of the tables of the levels up to the pair of `level`, as [`Written::sweep`] makes it.
    fn sweep(&self, file: &PartialFile, level: usize, end: u64) -> Result<u64> {
        let begun = self.images(file).take(level + 2);
        begun.map(|image| image.sweep(end)).try_fold(0u64, |sum, notes| Ok(sum.wrapping_add(notes?)))
    }

    fn images<'a>(&'a self, file: &'a PartialFile) -> impl Iterator<Item = Written<'a>> {
        self.levels.iter().map(move |level| Written {
            file,
            laid: &level.laid,
            blocks: level.encoder.layout.blocks(),
        })
    }
}
