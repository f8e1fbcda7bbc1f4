//! The records of a ZIP archive, each with 64-bit sizes, as `numpy.savez` asks for them.

/// One member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// Its name, `x.npy`.
    pub(crate) name: String,
    /// Where its local header begins.
    pub(crate) at: u64,
    /// Bytes in the archive.
    pub(crate) stored: u64,
    /// Bytes of the array file.
    pub(crate) size: u64,
    pub(crate) crc: u32,
    pub(crate) deflated: bool,
}

/// Version 4.5 of the format: 64-bit sizes.
const VERSION: u16 = 45;
/// 1 January 1980: the same bytes whenever they are written.
const DATE: u16 = 0x21;
/// Readable and writable by the owner, readable by others, in Unix's upper half.
const MODE: u32 = 0o100_644 << 16;
const ABSENT: u32 = u32::MAX;

impl Member {
    /// Bytes of the local header.
    pub(crate) fn header_bytes(&self) -> u64 {
        30 + self.name.len() as u64 + 20
    }

    fn common(&self, record: &mut Vec<u8>) {
        let method: u16 = if self.deflated { 8 } else { 0 };
        for word in [VERSION, 0, method, 0, DATE] {
            record.extend(word.to_le_bytes());
        }
        for word in [self.crc, ABSENT, ABSENT] {
            record.extend(word.to_le_bytes());
        }
        record.extend((self.name.len() as u16).to_le_bytes());
    }

    /// The local header.
    pub(crate) fn local(&self) -> Vec<u8> {
        let mut record = b"PK\x03\x04".to_vec();
        self.common(&mut record);
        record.extend(20u16.to_le_bytes());
        record.extend(self.name.as_bytes());
        extra(&mut record, &[self.size, self.stored]);
        record
    }

    fn central(&self, record: &mut Vec<u8>) {
        record.extend(b"PK\x01\x02");
        // Made on Unix.
        record.extend((VERSION | 3 << 8).to_le_bytes());
        self.common(record);
        record.extend(28u16.to_le_bytes());
        // No comment, disk 0, no attributes of its own.
        record.extend([0; 6]);
        record.extend(MODE.to_le_bytes());
        record.extend(ABSENT.to_le_bytes());
        record.extend(self.name.as_bytes());
        extra(record, &[self.size, self.stored, self.at]);
    }
}

/// The extra field of 64-bit sizes.
fn extra(record: &mut Vec<u8>, numbers: &[u64]) {
    record.extend(1u16.to_le_bytes());
    record.extend((8 * numbers.len() as u16).to_le_bytes());
    record.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
}

/// What stands at the end of an archive, where that is at byte `at`.
pub(crate) fn directory(members: &[Member], at: u64) -> Vec<u8> {
    let mut record = Vec::new();
    members.iter().for_each(|member| member.central(&mut record));
    let (bytes, count) = (record.len() as u64, members.len() as u64);
    record.extend(b"PK\x06\x06");
    record.extend(44u64.to_le_bytes());
    record.extend([VERSION | 3 << 8, VERSION].iter().flat_map(|n| n.to_le_bytes()));
    record.extend([0; 8]);
    record.extend([count, count, bytes, at].iter().flat_map(|n| n.to_le_bytes()));
    record.extend(b"PK\x06\x07");
    record.extend([0; 4]);
    record.extend((at + bytes).to_le_bytes());
    record.extend(1u32.to_le_bytes());
    record.extend(b"PK\x05\x06");
    record.extend([0; 4]);
    // All of it is told by the record above.
    record.extend([0xff; 12]);
    record.extend([0; 2]);
    record
}
