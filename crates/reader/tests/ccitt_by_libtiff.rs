//! CCITT strips of libtiff (Pillow in the Python that `OUTCROP_PYTHON` names) against the pixels that they were made of. Passes
//! without one.

use std::process::Command;

use outcrop_core::DataType;
use outcrop_reader::tiff::block::{BlockSpec, CodecState};

/// For each image a line (compression, T4Options, rows, columns, bytes stored), the strip, and the pixels, a byte each.
const PYTHON: &str = r#"
import sys
try:
    import io, numpy as n, PIL.Image, PIL.features
    assert PIL.features.check('libtiff')
except Exception:
    sys.exit(77)
r, out = n.random.default_rng(int(sys.argv[1])), sys.stdout.buffer
for _ in range(int(sys.argv[2])):
    w, h = (int(r.choice([1, 2, 7, 8, 9, 63, 64, 65, 130, 500, 2700])) for _ in 'wh')
    h = min(h, 130)
    y, x = n.mgrid[:h, :w]
    a = [lambda: r.random((h, w)) < r.choice([0.01, 0.1, 0.5, 0.99]),
         lambda: (x // int(r.integers(1, 90)) + y // 5) % 3 == 0,
         lambda: n.full((h, w), r.random() < 0.5),
         lambda: ((x + y * int(r.integers(4))) % int(r.integers(2, 1500)) < 9) ^ (r.random((h, w)) < 0.002)][int(r.integers(4))]()
    name, code, options = [('tiff_ccitt', 2, 0), ('group3', 3, 0), ('group3', 3, 1), ('group3', 3, 4), ('group3', 3, 5), ('group4', 4, 0)][int(r.integers(6))]
    f = io.BytesIO()
    PIL.Image.fromarray(a).save(f, 'TIFF', compression=name, tiffinfo={278: h, **({292: options} if options else {})})
    tags = PIL.Image.open(f).tag_v2
    assert len(tags[273]) == 1 and tags.get(292, 0) == options and tags.get(266, 1) == 1
    b = f.getvalue()[tags[273][0]:][:tags[279][0]]
    out.write(b'%d %d %d %d %d\n' % (code, options, h, w, len(b)) + b + a.astype('u1').tobytes())
"#;

fn check(seed: u32, count: u32) {
    let Some(python) = std::env::var_os("OUTCROP_PYTHON") else { return };
    let mut python = Command::new(python);
    let done = python.args(["-c", PYTHON, &seed.to_string(), &count.to_string()]).output().unwrap();
    if done.status.code() == Some(77) {
        eprintln!("no Pillow with libtiff: skipped");
        return;
    }
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut rest = &done.stdout[..];
    let mut state = CodecState::default();
    for k in 0..count {
        let end = rest.iter().position(|&b| b == b'\n').unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let numbers: Vec<u32> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        let [compression, options, rows, columns, bytes] = numbers[..] else { panic!("{line}") };
        let (stored, after) = rest[end + 1..].split_at(bytes as usize);
        let (want, after) = after.split_at((rows * columns) as usize);
        rest = after;
        let mut spec = BlockSpec::new(compression as u16, (columns, rows), DataType::U8, 1);
        (spec.bits, spec.t4_options) = (vec![1], options);
        let mut out = vec![0x55; want.len()];
        let found = spec.decode(stored, rows, &mut state, &mut out);
        found.unwrap_or_else(|e| panic!("strip {k} of seed {seed}: {line}: {e}"));
        assert!(out == want, "strip {k} of seed {seed}: {line}");
    }
    assert!(rest.is_empty());
}

#[test]
fn strips_of_libtiff_are_its_pixels() {
    check(1, 150);
}

#[test]
#[ignore = "takes some seconds"]
fn many_strips_of_libtiff_are_its_pixels() {
    (2..8).for_each(|seed| check(seed, 1000));
}
