//! Stacks of planes behind one directory: ImageJ, MetaMorph (STK), tifffile and volumes (ImageDepth) have the pixels of
//! all planes one after the other and a directory for the first alone. How many there are is said beside the layout.

use super::ifd::{Directory, TiffFile};
use super::layout::Layout;
use super::samples::Samples;
use super::tags::tag;

/// Planes that become pages, at most: each takes memory before a budget is known.
const MOST_PLANES: u64 = 65_536;
/// Bytes of a description that is looked at.
const MOST_TEXT: u64 = 1 << 20;

/// The planes that one directory stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stack {
    /// Planes that the file says it has, at least 2.
    pub(super) claimed: u64,
    /// Planes that can be read: those claimed where they surely lie behind the first, else 1.
    pub(super) planes: u64,
    /// Bytes from one plane to the next.
    pub(super) step: u64,
    /// Channels and slices, where ImageJ gives them: they vary in this order, then time.
    axes: Option<(u64, u64)>,
}

impl Stack {
    /// Reads what the only directory of a chain says; `None` where it stands for one image.
    ///
    /// The planes are read where nothing can be mistaken: strips without compression in one run, and all planes inside
    /// the file and apart from the directory.
    pub(super) fn read(file: &TiffFile, dir: &Directory) -> Option<Stack> {
        let text = dir.get(tag::IMAGE_DESCRIPTION).and_then(|entry| file.text(entry, MOST_TEXT).ok());
        let text = text.unwrap_or_default();
        let samples = Samples::read(file, dir).ok()?;
        let layout = Layout::read(file, dir, &samples).ok()?;
        let mut axes = None;
        let claimed = if text.starts_with("ImageJ=") {
            let number = |name: &str| {
                let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
                value.and_then(|value| value.trim().parse::<u64>().ok())
            };
            let images = number("images")?;
            let [c, z, t] = ["channels", "slices", "frames"].map(|name| number(name).unwrap_or(1));
            let all = c.checked_mul(z).and_then(|planes| planes.checked_mul(t));
            axes = (all == Some(images)).then_some((c, z));
            images
        } else if let Some(shape) = tifffile_shape(&text) {
            let of_all = shape.iter().try_fold(1u64, |all, &side| all.checked_mul(side))?;
            let of_one = layout.extent.samples()?;
            of_all.is_multiple_of(of_one).then_some(of_all / of_one)?
        } else if let Ok(Some(depth)) = dir.uint(file, tag::IMAGE_DEPTH) {
            depth
        } else {
            // UIC2Tag has one value for each plane.
            dir.get(tag::UIC2).map(|entry| entry.count)?
        };
        if claimed < 2 {
            return None;
        }
        let plane = layout.run_bytes(file);
        let planes = plane.filter(|&(start, step)| {
            let is_apart =
                |all| file.store.check(start, all).is_ok() && !(start..start + all).contains(&dir.offset);
            claimed <= MOST_PLANES && step.checked_mul(claimed).is_some_and(is_apart)
        });
        let (planes, step) = planes.map_or((1, 0), |(_, step)| (claimed, step));
        Some(Stack { claimed, planes, step, axes })
    }

    /// What `info` calls a plane, from 0.
    pub(super) fn label(&self, plane: u64) -> String {
        match self.axes {
            Some((c, z)) => format!("Z={} C={} T={}", plane / c % z, plane % c, plane / c / z),
            None => format!("plane {plane}"),
        }
    }
}

/// The shape in a description of tifffile's: `{"shape": [5, 64, 64]}`.
fn tifffile_shape(text: &str) -> Option<Vec<u64>> {
    let list = text.strip_prefix("{\"shape\": [")?.split(']').next()?;
    list.split(',').map(|side| side.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_order_of_imagej() {
        let stack = Stack { claimed: 12, planes: 12, step: 1, axes: Some((2, 3)) };
        assert_eq!(stack.label(0), "Z=0 C=0 T=0");
        assert_eq!(stack.label(5), "Z=2 C=1 T=0");
        assert_eq!(stack.label(6), "Z=0 C=0 T=1");
        assert_eq!(Stack { axes: None, ..stack }.label(7), "plane 7");
    }

    #[test]
    fn shapes_are_lists_of_numbers() {
        assert_eq!(tifffile_shape("{\"shape\": [5, 64, 64], \"x\": [1]}"), Some(vec![5, 64, 64]));
        assert_eq!(tifffile_shape("{\"shape\": [5, a]}"), None);
        assert_eq!(tifffile_shape("shape"), None);
    }
}
