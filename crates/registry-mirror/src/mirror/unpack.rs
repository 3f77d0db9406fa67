//! What is compressed, as a stream of what it was: gzip and zstd, told apart by their first bytes.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Frames that hold no content begin with 0x50 to 0x5f and this (RFC 8878, 3.1.2).
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
/// What `zstd --long=25` needs, which k3s packs with, and the most memory that a frame is given.
const LARGEST_WINDOW: u64 = 1 << 25;
const BUFFER: usize = 1 << 18;

/// How something is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// By the first bytes of a file; `None` where they belong to neither.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == SKIPPABLE;
        match head {
            head if head.starts_with(&GZIP) => Some(Self::Gzip),
            head if head.starts_with(&ZSTD) || skippable => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What was compressed into `packed`.
    pub(super) fn unpack(self, packed: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        let packed = BufReader::with_capacity(BUFFER, packed);
        match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(Frames::new(packed)),
        }
    }
}

/// Zstd frames one behind the other, as `zstd -T0` and `pzstd` write them. Their checksums are not looked at: every
/// blob that is taken from an archive has a digest.
struct Frames<R: BufRead> {
    packed: R,
    decoder: FrameDecoder,
    /// Whether the decoder is in a frame.
    begun: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(packed: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        Self { packed, decoder, begun: false }
    }

    /// Begins the next frame that holds content; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        while !self.packed.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.packed) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut self.packed.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.begun && self.decoder.can_collect() > 0 {
                return self.decoder.read(out);
            }
            if self.begun && !self.decoder.is_finished() {
                let block = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.packed, block);
                decoded.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            } else {
                self.begun = self.next()?;
                if !self.begun {
                    return Ok(0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let packed = Cursor::new(packed.to_vec());
        Compression::Zstd.unpack(packed).take(1 << 28).read_to_end(&mut out).map(|_| out)
    }

    /// A frame's head with a window of `1 << log` bytes (RFC 8878, 3.1.1.1.2), and one block: one byte, `size` times.
    fn frame(log: u8, size: u32) -> Vec<u8> {
        let block = (size << 3) | 0b011;
        [&ZSTD[..], &[0, (log - 10) << 3], &block.to_le_bytes()[..3], b"x"].concat()
    }

    #[test]
    fn frames_follow_each_other_with_others_between() {
        let one = compress_to_vec(&b"one, "[..], CompressionLevel::Fastest);
        let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let all = [&skipped[..], &one, &skipped, &frame(17, 7), &one].concat();
        assert_eq!(Compression::of(&all), Some(Compression::Zstd));
        assert_eq!(Compression::of(&one), Some(Compression::Zstd));
        assert_eq!(unpacked(&all).unwrap(), b"one, xxxxxxxone, ");
        assert!(unpacked(&all[..all.len() - 1]).is_err(), "cut off");
        assert!(unpacked(&skipped[..skipped.len() - 1]).is_err(), "cut off");
        assert!(unpacked(&[&one[..], b"no frame"].concat()).is_err());
    }

    /// k3s packs with 25 bits; 26 would take 64 MiB of a reader that nobody asked.
    #[test]
    fn windows_have_25_bits_at_most() {
        assert_eq!(unpacked(&frame(25, 3)).unwrap(), b"xxx");
        let error = unpacked(&frame(26, 3)).unwrap_err().to_string();
        assert!(error.to_lowercase().contains("window"), "{error}");
    }

    #[test]
    fn heads_are_told_apart() {
        assert_eq!(Compression::of(&[0x1f, 0x8b, 8, 0]), Some(Compression::Gzip));
        for head in [&b""[..], b"PK\x03\x04", b"a", &[0x50, 0, 0, 0], &ZSTD[..3]] {
            assert_eq!(Compression::of(head), None, "{head:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = unpacked(&[&ZSTD[..], &bytes].concat());
            let good = compress_to_vec(&bytes[..], CompressionLevel::Fastest);
            prop_assert_eq!(unpacked(&good).unwrap(), bytes);
        }
    }
}
