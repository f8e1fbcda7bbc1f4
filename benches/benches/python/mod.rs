//! A Python with imagecodecs and Pillow, named by `OUTCROP_PYTHON`: it encodes blocks, and times other libraries' decoders.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::blocks::{Kind, SIDE};

/// `fax` is a TIFF of strips of `side` rows that libtiff wrote, `strip` the bytes of its first.
const TOOLS: &str = "
import io, sys, time, numpy as n, imagecodecs as c
i = sys.stdin.buffer
def fax(a, compression, tags={}):
    import PIL.Image
    f = io.BytesIO()
    PIL.Image.fromarray(a > 0).save(f, 'TIFF', compression=compression, tiffinfo={278: side, **tags})
    return f.getvalue()
def strip(file):
    import PIL.Image
    tags = PIL.Image.open(io.BytesIO(file)).tag_v2
    return file[tags[273][0]:][:tags[279][0]]
";

fn command(code: &str) -> Option<Child> {
    let python = std::env::var_os("OUTCROP_PYTHON")?;
    let code = format!("{TOOLS}\nside = {SIDE}\n{code}");
    let child = Command::new(python).args(["-c", &code]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    Some(child.unwrap())
}

/// A block that Python encodes: `encode` is an expression in the pixels `a`. `None` where there is no such Python.
pub(crate) fn by_python(encode: &str, plain: &[u8], (_, samples, dtype): Kind) -> Option<Vec<u8>> {
    let mut child = command(&format!(
        "a = n.frombuffer(i.read(), '{}').reshape(side, side, {samples}).squeeze()\n\
         sys.stdout.buffer.write({encode})",
        dtype.name()
    ))?;
    child.stdin.take().expect("it is piped").write_all(plain).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "python: {encode}");
    Some(done.stdout)
}

/// A Python that decodes the same bytes again and again, and says how long that took.
pub(crate) struct Python {
    /// Ends, with its loop, when this is closed.
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    /// `decode` is an expression in the stored bytes `b` and in `o`, what it gave before. With it comes what it gives, so many
    /// bytes.
    pub(crate) fn start(decode: &str, stored: &[u8], decoded_bytes: usize) -> Option<(Python, Vec<u8>)> {
        let mut child = command(&format!(
            "b, o = i.read({}), None\n\
             o = {decode}\n\
             sys.stdout.buffer.write(n.ascontiguousarray(o).tobytes() if isinstance(o, n.ndarray) else o)\n\
             sys.stdout.buffer.flush()\n\
             if isinstance(o, bytes): o = bytearray(o)\n\
             for line in i:\n\
             \x20   t = time.thread_time_ns()\n\
             \x20   for _ in range(int(line)): {decode}\n\
             \x20   print(time.thread_time_ns() - t, flush=True)",
            stored.len()
        ))?;
        let mut requests = child.stdin.take().expect("it is piped");
        requests.write_all(stored).unwrap();
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut decoded = vec![0; decoded_bytes];
        answers.read_exact(&mut decoded).unwrap_or_else(|e| panic!("python: {decode}: {e}"));
        Some((Python { requests, answers }, decoded))
    }

    /// The processor time of so many calls.
    pub(crate) fn time(&mut self, calls: u64) -> Duration {
        writeln!(self.requests, "{calls}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        Duration::from_nanos(line.trim().parse().unwrap())
    }
}
