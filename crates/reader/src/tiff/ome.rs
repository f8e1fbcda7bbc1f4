//! Which page of an OME-TIFF shows which Z, C and T.

use super::xml::elements;

/// Labels (`Z=0 C=1 T=0`) by the number of the main-chain directory, for at most `directories` of them.
///
/// Follows `Pixels` and `TiffData` as the OME model defines them; what is missing takes its default. With
/// several images in the file, each label begins with the image's number.
pub(super) fn labels(xml: &str, directories: usize) -> Vec<Option<String>> {
    let mut labels = vec![None; directories];
    let mut all: Vec<Pixels> = Vec::new();
    for element in elements(xml) {
        match (element.name, all.last_mut()) {
            ("Pixels", _) => all.push(Pixels {
                order: element.attribute("DimensionOrder").unwrap_or_else(|| "XYZCT".into()),
                z: element.number("SizeZ").unwrap_or(1).max(1),
                c: element.number("SizeC").unwrap_or(1).max(1),
                t: element.number("SizeT").unwrap_or(1).max(1),
                samples: 1,
                data: Vec::new(),
            }),
            ("Channel", Some(pixels)) => {
                pixels.samples = element.number("SamplesPerPixel").unwrap_or(1).max(1);
            }
            ("TiffData", Some(pixels)) => {
                let first = ["FirstZ", "FirstC", "FirstT"].map(|n| element.number(n).unwrap_or(0));
                pixels.data.push((element.number("IFD"), element.number("PlaneCount"), first));
            }
            _ => {}
        }
    }
    let several = all.len() > 1;
    let mut next = 0;
    // What places more planes than this several times over is no sound description.
    let mut work = directories as u64 * 4;
    for (number, mut pixels) in all.into_iter().enumerate() {
        if pixels.data.is_empty() {
            pixels.data.push((None, None, [0; 3]));
        }
        let planes = pixels.planes();
        let lone = pixels.data.len() == 1;
        for (ifd, count, first) in std::mem::take(&mut pixels.data) {
            // As the OME model says: without IFD and PlaneCount, a TiffData stands for all planes.
            let count = count.unwrap_or(if ifd.is_none() && lone { planes } else { 1 });
            let start = ifd.unwrap_or(next);
            let from = pixels.position(first);
            let here = count.min((directories as u64).saturating_sub(start)).min(work);
            work -= here;
            for i in 0..here {
                let Some([z, c, t]) = from.checked_add(i).and_then(|p| pixels.plane(p)) else { break };
                let prefix = if several { format!("image {number} ") } else { String::new() };
                labels[(start + i) as usize].get_or_insert(format!("{prefix}Z={z} C={c} T={t}"));
            }
            next = start.saturating_add(count);
        }
    }
    labels
}

/// Names of the channels of the first image.
pub(super) fn channel_names(xml: &str) -> Vec<String> {
    let mut images = 0;
    elements(xml)
        .take_while(|e| {
            images += u64::from(e.name == "Pixels");
            images < 2
        })
        .filter(|e| e.name == "Channel")
        .filter_map(|e| e.attribute("Name"))
        .collect()
}

struct Pixels {
    order: String,
    z: u64,
    c: u64,
    t: u64,
    samples: u64,
    /// IFD, PlaneCount, and the first plane's (z, c, t).
    data: Vec<(Option<u64>, Option<u64>, [u64; 3])>,
}

impl Pixels {
    /// Dimensions in the order in which planes follow, with their sizes; `which` indexes (z, c, t).
    fn dimensions(&self) -> [(usize, u64); 3] {
        let c = self.c.div_ceil(self.samples);
        let of = |d: char| match d {
            'Z' => (0, self.z),
            'C' => (1, c),
            _ => (2, self.t),
        };
        let mut order = self.order.chars().filter(|d| "ZCT".contains(*d));
        let dims = [order.next(), order.next(), order.next()];
        match dims {
            [Some(a), Some(b), Some(c)] if a != b && b != c && a != c => [of(a), of(b), of(c)],
            _ => [of('Z'), of('C'), of('T')],
        }
    }

    fn planes(&self) -> u64 {
        self.dimensions().iter().fold(1, |n, d| n.saturating_mul(d.1))
    }

    fn position(&self, first: [u64; 3]) -> u64 {
        let [a, b, c] = self.dimensions();
        let slow = first[c.0].saturating_mul(b.1).saturating_add(first[b.0]);
        slow.saturating_mul(a.1).saturating_add(first[a.0])
    }

    fn plane(&self, position: u64) -> Option<[u64; 3]> {
        let mut zct = [0; 3];
        let mut rest = position;
        for (which, size) in self.dimensions() {
            zct[which] = rest % size;
            rest /= size;
        }
        (rest == 0).then_some(zct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ome(order: &str, inside: &str) -> String {
        format!(
            "<OME><Image><Pixels DimensionOrder='{order}' SizeZ='2' SizeC='3' SizeT='1'>{inside}</Pixels></Image></OME>"
        )
    }

    fn joined(labels: &[Option<String>]) -> String {
        labels.iter().map(|l| l.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn planes_follow_the_dimension_order() {
        assert_eq!(
            joined(&labels(&ome("XYCZT", "<TiffData/>"), 4)),
            "Z=0 C=0 T=0, Z=0 C=1 T=0, Z=0 C=2 T=0, Z=1 C=0 T=0"
        );
        assert_eq!(joined(&labels(&ome("XYZCT", ""), 3)), "Z=0 C=0 T=0, Z=1 C=0 T=0, Z=0 C=1 T=0");
    }

    #[test]
    fn tiff_data_places_planes() {
        let data = "<TiffData IFD='2' FirstZ='1' FirstC='2' PlaneCount='1'/><TiffData IFD='0' FirstC='1'/>";
        assert_eq!(joined(&labels(&ome("XYZCT", data), 3)), "Z=0 C=1 T=0, -, Z=1 C=2 T=0");
    }

    #[test]
    fn channels_of_several_samples_are_one_plane() {
        let data = "<Channel SamplesPerPixel='3' Name='rgb'/><TiffData/>";
        assert_eq!(joined(&labels(&ome("XYCZT", data), 3)), "Z=0 C=0 T=0, Z=1 C=0 T=0, -");
        assert_eq!(channel_names(&ome("XYCZT", data)), ["rgb"]);
    }

    #[test]
    fn absurd_sizes_cost_nothing() {
        let xml = "<Pixels SizeZ='18446744073709551615' SizeC='18446744073709551615'><TiffData IFD='18446744073709551615' FirstT='18446744073709551615' PlaneCount='18446744073709551615'/></Pixels>";
        assert_eq!(labels(xml, 2), [None, None]);
    }
}
