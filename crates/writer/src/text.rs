//! [`Text`] and [`Decoder`]: bytes as base64 (RFC 4648) or a data URI (RFC 2397), and back, as they stream by.

use std::sync::{Arc, Mutex, PoisonError};

use base64::engine::{Engine, general_purpose::STANDARD};
use base64::{DecodeError, DecodeSliceError};
use outcrop_core::{Error, Result};

use crate::output::{Appender, Output};
use crate::resume::{pack, unpack_front};
use crate::{Overwrite, Target};

/// Characters that are encoded or decoded at once: a multiple of 4.
const PIECE: usize = 64 << 10;

/// How a data URI begins, in any case.
const SCHEME: &[u8] = b"data:";

/// The longest head of a data URI that is looked for its comma.
const LONGEST_HEAD: usize = 1024;

/// Characters of so many bytes as base64, padding included.
pub fn base64_len(bytes: u64) -> u64 {
    bytes.div_ceil(3).saturating_mul(4)
}

/// An output of base64. What is written to it as bytes arrives there as text, in one line without an end.
pub struct Text {
    to: Appender,
    /// What stands before the text; taken once it is written.
    head: Option<String>,
    /// Bytes that wait for the rest of their group of three.
    waiting: Vec<u8>,
    characters: Vec<u8>,
    bytes: u64,
}

impl Text {
    /// Opens an output. A `media_type` makes the text a data URI. Nothing is written yet.
    ///
    /// With `resume` an unfinished text is gone on with, where the sink that writes to it says
    /// ([`Options::resume`](crate::Options::resume)).
    ///
    /// # Errors
    /// As [`PartialFile::create`](crate::PartialFile::create) and [`PartialFile::resume`](crate::PartialFile::resume).
    pub fn create(
        target: Target<'_>,
        overwrite: Overwrite,
        media_type: Option<&str>,
        resume: bool,
    ) -> Result<Text> {
        Ok(Text {
            to: Appender::new(Output::open(target, overwrite, resume)?),
            head: media_type.map(|media_type| format!("data:{media_type};base64,")),
            waiting: Vec::with_capacity(3),
            characters: vec![0; PIECE],
            bytes: 0,
        })
    }

    /// What the user should hear.
    pub fn notices(&mut self) -> Vec<String> {
        self.to.notices()
    }

    /// Looks whether the text of that many bytes fits where the output goes.
    ///
    /// # Errors
    /// [`Error::Io`] that says how much is needed and how much there is.
    pub fn ensure_space(&mut self, bytes: u64) -> Result<()> {
        let head = self.head.as_ref().map_or(0, |head| head.len() as u64);
        self.to.ensure_space(base64_len(bytes).saturating_add(head), true)
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// [`Error::Io`] where the output does not take their text.
    pub fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.put_head()?;
        self.bytes += bytes.len() as u64;
        while !self.waiting.is_empty() && !bytes.is_empty() {
            self.waiting.push(bytes[0]);
            bytes = &bytes[1..];
            if self.waiting.len() == 3 {
                let group = std::mem::take(&mut self.waiting);
                self.encode(&group)?;
            }
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % 3);
        for piece in whole.chunks(PIECE / 4 * 3) {
            self.encode(piece)?;
        }
        self.waiting.extend_from_slice(rest);
        Ok(())
    }

    /// Writes the end and gives the output its name. Returns the bytes that were written and the characters they became.
    ///
    /// # Errors
    /// As [`put`](Text::put) and [`PartialFile::publish`](crate::PartialFile::publish).
    pub fn finish(mut self) -> Result<(u64, u64)> {
        self.put_head()?;
        let rest = std::mem::take(&mut self.waiting);
        self.encode(&rest)?;
        Ok((self.bytes, self.to.finish()?))
    }

    /// What a checkpoint keeps of it; `None` where it cannot be gone on with.
    pub(crate) fn save(&mut self) -> Result<Option<Vec<u8>>> {
        // At most two bytes wait.
        let waiting = self.waiting.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
        let state = pack([self.bytes, self.waiting.len() as u64, waiting]);
        Ok(self.to.save()?.map(|file| [state, file].concat()))
    }

    /// Goes on where a checkpoint says.
    pub(crate) fn restore(&mut self, state: &[u8], is_whole: bool) -> Result<()> {
        let ([bytes, many, waiting], file) = unpack_front(state)?;
        self.to.restore(file, is_whole)?;
        self.bytes = bytes;
        self.waiting = waiting.to_le_bytes()[..many.min(2) as usize].to_vec();
        if self.to.written() > 0 {
            self.head = None;
        }
        Ok(())
    }

    fn put_head(&mut self) -> Result<()> {
        self.head.take().map_or(Ok(()), |head| self.to.write_all(head.as_bytes()))
    }

    fn encode(&mut self, bytes: &[u8]) -> Result<()> {
        let made = STANDARD
            .encode_slice(bytes, &mut self.characters)
            .map_err(|e| Error::Panic(format!("{} bytes as base64: {e}", bytes.len())))?;
        self.to.write_all(&self.characters[..made])
    }
}

/// A [`Text`] that a sink writes to and that is ended after it.
#[derive(Clone)]
pub struct SharedText(Arc<Mutex<Option<Text>>>);

impl SharedText {
    /// Shares a text.
    pub fn new(text: Text) -> SharedText {
        SharedText(Arc::new(Mutex::new(Some(text))))
    }

    /// The text, once nothing is written to it any more.
    ///
    /// # Errors
    /// [`Error::Panic`] where it was taken before.
    pub fn take(&self) -> Result<Text> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(SharedText::ended)
    }

    pub(crate) fn with<R>(&self, run: impl FnOnce(&mut Text) -> Result<R>) -> Result<R> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.as_mut().ok_or_else(SharedText::ended).and_then(run)
    }

    fn ended() -> Error {
        Error::Panic("the text ended twice".into())
    }
}

/// What comes out of base64: the bytes, at an output.
///
/// Spaces, tabs and line breaks may stand anywhere in the text, the head of a data URI before it. Everything else that is
/// not of the alphabet is refused with its place, as are padding that lacks and bits that mean nothing: a text that was cut
/// short does not become a file.
pub struct Decoder {
    to: Appender,
    /// What came first, until it is known whether it is the head of a data URI.
    start: Option<Vec<u8>>,
    /// Characters of the text that wait to be decoded.
    waiting: Vec<u8>,
    /// Where runs of them begin, in `waiting` and in the input.
    runs: Vec<(usize, u64)>,
    decoded: Vec<u8>,
    /// Characters of the input that were looked at.
    seen: u64,
    /// Whether padding has ended the text.
    ended: bool,
}

impl Decoder {
    /// Opens an output.
    ///
    /// # Errors
    /// As [`PartialFile::create`](crate::PartialFile::create).
    pub fn create(target: Target<'_>, overwrite: Overwrite) -> Result<Decoder> {
        Ok(Decoder {
            to: Appender::new(Output::open(target, overwrite, false)?),
            start: Some(Vec::new()),
            waiting: Vec::with_capacity(PIECE),
            runs: Vec::new(),
            decoded: vec![0; PIECE / 4 * 3],
            seen: 0,
            ended: false,
        })
    }

    /// What the user should hear.
    pub fn notices(&mut self) -> Vec<String> {
        self.to.notices()
    }

    /// Takes characters.
    ///
    /// # Errors
    /// [`Error::Format`] with the place of what is no base64; [`Error::Io`] where the output does not take the bytes.
    pub fn put(&mut self, text: &[u8]) -> Result<()> {
        let Some(mut start) = self.start.take() else { return self.put_text(text) };
        start.extend_from_slice(text);
        let blank = start.len() - start.trim_ascii_start().len();
        start.drain(..blank);
        self.seen += blank as u64;
        let head = &start[..];
        let known = head.len().min(SCHEME.len());
        if !head[..known].eq_ignore_ascii_case(&SCHEME[..known]) {
            return self.put_text(&start);
        }
        let Some(comma) = head.iter().take(LONGEST_HEAD).position(|&c| c == b',') else {
            if head.len() > LONGEST_HEAD {
                return Err(Error::Format(format!("a data URI without a comma in {LONGEST_HEAD} bytes")));
            }
            self.start = Some(start);
            return Ok(());
        };
        self.seen += comma as u64 + 1;
        if !head[..comma].to_ascii_lowercase().ends_with(b";base64") {
            return Err(Error::Format(format!(
                "the head of the data URI, up to byte {}, does not say base64",
                self.seen
            )));
        }
        self.put_text(&start[comma + 1..])
    }

    fn put_text(&mut self, text: &[u8]) -> Result<()> {
        let is_blank = |c: &u8| matches!(c, b' ' | b'\t' | b'\r' | b'\n');
        for line in text.split(is_blank) {
            let mut run = line;
            while !run.is_empty() {
                if self.ended {
                    let (first, at) = (shown(run[0]), self.seen);
                    return Err(Error::Format(format!(
                        "{first} at byte {at} stands after the end of the text"
                    )));
                }
                let (now, later) = run.split_at(run.len().min(PIECE - self.waiting.len()));
                self.runs.push((self.waiting.len(), self.seen));
                self.waiting.extend_from_slice(now);
                self.seen += now.len() as u64;
                if self.waiting.len() == PIECE {
                    self.decode(PIECE)?;
                }
                run = later;
            }
            self.seen += 1;
        }
        // There is one blank less than lines.
        self.seen -= 1;
        Ok(())
    }

    /// Writes the end and gives the output its name. Returns the characters that were read and the bytes they became.
    ///
    /// # Errors
    /// [`Error::Format`] for a text that is cut short; as [`put`](Decoder::put) and
    /// [`PartialFile::publish`](crate::PartialFile::publish).
    pub fn finish(mut self) -> Result<(u64, u64)> {
        if let Some(start) = self.start.take() {
            if start.len() >= SCHEME.len() {
                return Err(Error::Format("a data URI without a comma".into()));
            }
            self.put_text(&start)?;
        }
        let whole = self.waiting.len() - self.waiting.len() % 4;
        let is_cut = whole < self.waiting.len();
        self.decode(whole)?;
        if is_cut {
            return Err(Error::Format(format!(
                "the text ends inside a group of four characters, at byte {}: it was cut short",
                self.seen
            )));
        }
        Ok((self.seen, self.to.finish()?))
    }

    /// Writes what the first `count` waiting characters stand for, and forgets all of them.
    fn decode(&mut self, count: usize) -> Result<()> {
        let text = &self.waiting[..count];
        let made = STANDARD.decode_slice(text, &mut self.decoded).map_err(|e| self.refusal(e))?;
        self.ended = text.last() == Some(&b'=');
        self.to.write_all(&self.decoded[..made])?;
        self.waiting.clear();
        self.runs.clear();
        Ok(())
    }

    fn refusal(&self, error: DecodeSliceError) -> Error {
        let place = |i: usize| {
            let run = self.runs.partition_point(|&(start, _)| start <= i).saturating_sub(1);
            self.runs.get(run).map_or(self.seen, |&(start, place)| place + (i - start) as u64)
        };
        Error::Format(match error {
            DecodeSliceError::DecodeError(DecodeError::InvalidByte(i, character)) => {
                format!("{} at byte {} is not base64", shown(character), place(i))
            }
            DecodeSliceError::DecodeError(DecodeError::InvalidLastSymbol { offset, symbol, .. }) => {
                let at = place(offset);
                format!(
                    "{} at byte {at} has bits that mean nothing: the text was cut or changed",
                    shown(symbol)
                )
            }
            other => format!("{other} before byte {}", self.seen),
        })
    }
}

/// A character as messages show it.
fn shown(character: u8) -> String {
    match character {
        b'!'..=b'~' => format!("`{}`", character as char),
        other => format!("byte {other:#04x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a text that comes in pieces of that length.
    fn decoded(text: &[u8], piece: usize) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut decoder = Decoder::create(Target::Path(&path), Overwrite::Refuse)?;
        let done = text.chunks(piece).try_for_each(|piece| decoder.put(piece));
        let done = done.and_then(|()| decoder.finish());
        assert_eq!(path.exists(), done.is_ok(), "a file only of a whole text");
        done.map(|(_, bytes)| {
            let found = std::fs::read(&path).unwrap();
            assert_eq!(found.len() as u64, bytes);
            found
        })
    }

    fn encoded(bytes: &[u8], piece: usize, media_type: Option<&str>) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut text = Text::create(Target::Path(&path), Overwrite::Refuse, media_type, false).unwrap();
        bytes.chunks(piece).for_each(|piece| text.put(piece).unwrap());
        let (read, _) = text.finish().unwrap();
        assert_eq!(read, bytes.len() as u64);
        std::fs::read(&path).unwrap()
    }

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn the_vectors_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(bytes.as_bytes(), 2, None), text.as_bytes());
            assert_eq!(base64_len(bytes.len() as u64), text.len() as u64);
            assert_eq!(decoded(text.as_bytes(), 3).unwrap(), bytes.as_bytes());
            let uri = encoded(bytes.as_bytes(), 1, Some("image/png"));
            assert_eq!(uri, format!("data:image/png;base64,{text}").as_bytes());
            for piece in [1, 7, 100] {
                assert_eq!(decoded(&uri, piece).unwrap(), bytes.as_bytes());
            }
        }
    }

    #[test]
    fn long_texts_come_back_however_they_are_cut_and_broken() {
        let bytes: Vec<u8> = (0..300_001u64).map(|n| ((n * n) >> 5) as u8).collect();
        let text = encoded(&bytes, 1000, None);
        assert_eq!(text, encoded(&bytes, usize::MAX, None));
        let broken = text.chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..]);
        for piece in [1, 65_536, 65_537, usize::MAX] {
            assert!(decoded(&text, piece).unwrap() == bytes, "{piece}");
            assert!(decoded(&broken, piece).unwrap() == bytes, "{piece}");
        }
    }

    #[test]
    fn rubbish_is_refused_with_its_place() {
        let mut long = b"QUJD\n".repeat(40_000);
        long[123_456] = b'*';
        for (text, part) in [
            (&b"QUJD QU*D"[..], "`*` at byte 7 is not base64"),
            (&long, "`*` at byte 123456 is not base64"),
            (b"QUJ", "at byte 3: it was cut short"),
            (b"QUJDQ", "at byte 5: it was cut short"),
            (b"QQ==QUJD", "`=` at byte 2"),
            (b"QR==", "`R` at byte 1 has bits that mean nothing"),
            (b"data:image/png,QUJD", "up to byte 15, does not say base64"),
            (b"data:image/png;base64", "without a comma"),
            (b"QUJD\x00", "cut short"),
            (b"\x89PNG", "byte 0x89 at byte 0 is not base64"),
        ] {
            for piece in [1, 5, usize::MAX] {
                let message = decoded(text, piece).unwrap_err().to_string();
                assert!(message.contains(part), "{part:?} in {message:?}");
            }
        }
        // Padding that ends a piece, and more in the next one.
        let padded = [&b"QUJD".repeat(PIECE / 4 - 1)[..], b"QQ==", b" Q"].concat();
        let message = decoded(&padded, usize::MAX).unwrap_err().to_string();
        assert!(message.contains("`Q` at byte 65537 stands after the end"), "{message}");
    }

    #[test]
    fn what_only_begins_like_a_data_uri_is_text() {
        assert_eq!(decoded(b"data", 1).unwrap(), [0x75, 0xab, 0x5a]);
        assert_eq!(decoded(b" dat\na", 2).unwrap(), [0x75, 0xab, 0x5a]);
        assert_eq!(decoded(b"  DATA:;base64,QUJD", 3).unwrap(), b"ABC");
        assert_eq!(decoded(b" \n ", 1).unwrap(), b"");
    }
}
