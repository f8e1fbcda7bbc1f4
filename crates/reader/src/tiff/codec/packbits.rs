//! PackBits (32773): runs of literal and of repeated bytes (TIFF 6.0, section 9).

/// Fills `out`. Returns the bytes written, fewer where the stream is cut short.
pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> usize {
    let (mut at, mut done) = (0, 0);
    while done < out.len() && at < stored.len() {
        let head = stored[at];
        at += 1;
        match head {
            0..128 => {
                let n = (usize::from(head) + 1).min(out.len() - done).min(stored.len() - at);
                out[done..done + n].copy_from_slice(&stored[at..at + n]);
                at += n;
                done += n;
            }
            128 => {}
            _ => {
                let Some(&value) = stored.get(at) else { break };
                at += 1;
                let n = (257 - usize::from(head)).min(out.len() - done);
                out[done..done + n].fill(value);
                done += n;
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Apple's technical note TN1023.
    #[test]
    fn the_published_example_unpacks() {
        let stored =
            [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7, 0xaa];
        let want = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22, 0xaa, 0xaa,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        let mut out = [0; 24];
        assert_eq!(decode(&stored, &mut out), 24);
        assert_eq!(out, want);
        for cut in 0..stored.len() {
            assert!(decode(&stored[..cut], &mut out) < 24);
        }
        assert_eq!(decode(&stored, &mut out[..20]), 20);
    }
}
