//! Compressed layers: told by their first bytes, because media types in the wild are not always
//! true and every runtime does so.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// No zstd frame may need more memory than this to be decoded (`zstd --ultra -22` needs as much).
const MAX_WINDOW: u64 = 128 << 20;

const BUFFER: usize = 256 * 1024;

/// The plain bytes of something that may be compressed, and whether it was.
pub(crate) fn decompressed<'a>(
    mut reader: impl Read + 'a,
) -> io::Result<(Box<dyn Read + 'a>, bool)> {
    let mut head = Vec::with_capacity(4);
    reader.by_ref().take(4).read_to_end(&mut head)?;
    let is_zstd = matches!(head[..], [0x28, 0xb5, 0x2f, 0xfd]) || is_skippable(&head);
    let is_gzip = head.starts_with(&[0x1f, 0x8b]);
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(head).chain(reader));
    Ok(match (is_zstd, is_gzip) {
        (true, _) => (Box::new(Zstd::new(whole)), true),
        (_, true) => (Box::new(MultiGzDecoder::new(whole)), true),
        _ => (Box::new(whole), false),
    })
}

/// A frame that decoders pass over; some writers begin with one.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// All frames of a zstd stream, one after another.
struct Zstd<R> {
    input: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(input: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self { input, decoder, in_frame: false }
    }

    /// Begins the next frame; false at the end of the stream.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = io::copy(&mut self.input.by_ref().take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(invalid(error)),
            }
        }
    }
}

fn invalid(error: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.in_frame = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(invalid)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.in_frame = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    fn plain(bytes: &[u8]) -> io::Result<(Vec<u8>, bool)> {
        let (mut reader, compressed) = decompressed(bytes)?;
        let mut out = Vec::new();
        reader.read_to_end(&mut out)?;
        Ok((out, compressed))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("compressed");
        encoder.finish().expect("compressed")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let text = b"some text, some text, some text".repeat(1000);
        assert_eq!(plain(&text).expect("plain"), (text.clone(), false));
        assert_eq!(plain(&gzip(&text)).expect("gzip"), (text.clone(), true));
        assert_eq!(plain(&zstd(&text)).expect("zstd"), (text.clone(), true));
        assert_eq!(plain(b"").expect("empty"), (Vec::new(), false));
        assert_eq!(plain(b"ab").expect("short"), (b"ab".to_vec(), false));
    }

    #[test]
    fn streams_of_several_parts_are_read_to_the_end() {
        assert_eq!(plain(&[gzip(b"one"), gzip(b"two")].concat()).expect("gzip").0, b"onetwo");
        let skipped = [&[0x52, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let parts = [skipped.clone(), zstd(b"one"), skipped, zstd(b"two")].concat();
        assert_eq!(plain(&parts).expect("zstd").0, b"onetwo");
    }

    #[test]
    fn damaged_streams_are_errors() {
        let text = b"some text".repeat(1000);
        for whole in [gzip(&text), zstd(&text)] {
            assert!(plain(&whole[..whole.len() - 5]).is_err(), "cut short");
        }
        assert!(plain(&[0x52, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1]).is_err(), "cut in a skipped frame");
    }
}
