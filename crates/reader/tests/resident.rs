//! Pages of a mapped file do not pile up behind the workers. A process of its own: it looks at its own memory.
#![cfg(target_os = "linux")]

use outcrop_core::{ByteOrder, Channels, DataType, Extent, Rect, Request, Scratch, Source};
use outcrop_reader::{Interleave, IoMode, RawSource, RawSpec};

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn released_bands_leave_nothing_resident() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let extent = Extent::new(12_000, 7001, 3);
    file.as_file().set_len(12_000 * 7001 * 3).unwrap();
    let spec = RawSpec {
        extent,
        dtype: DataType::U8,
        offset: 0,
        byte_order: ByteOrder::Little,
        interleave: Interleave::Bip,
        trailing: false,
    };
    let source = RawSource::open(file.path(), IoMode::Map, &spec).unwrap();
    let (all, mut scratch) = (Channels::all(3), Scratch::new());
    let mut walk = |release: bool| {
        for y in (0..extent.height).step_by(200) {
            let rect = Rect { y, x: 0, height: 200, width: extent.width };
            let request = Request { rect, channels: &all };
            source.fetch(&request, &mut scratch).unwrap();
            let pixels = source.read(&request, &mut scratch).unwrap().pixels;
            assert!(pixels.typed::<u8>().unwrap().iter().all(|&s| s == 0));
            if release {
                source.release(&request);
            }
        }
        resident_mib()
    };
    let before = resident_mib();
    let bounded = walk(true).saturating_sub(before);
    assert!(bounded < 24, "{bounded} MiB resident after every band was released");
    // The control: without release, the whole file stays (240 MiB).
    let unbounded = walk(false).saturating_sub(before);
    assert!(unbounded > 150, "{unbounded} MiB");
}
