//! A writer of archives that are the same bytes whoever writes them, wherever and whenever: owner
//! 0, time 0, no names of users.

use std::io::{self, Read, Write};

use super::BLOCK;

/// Writes entries one after another.
pub(crate) struct TarWriter<W> {
    inner: W,
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner }
    }

    /// A directory; its path has no slash at the end.
    pub(crate) fn directory(&mut self, path: &str, mode: u32) -> io::Result<()> {
        self.header(&format!("{path}/"), b'5', mode, 0)
    }

    /// A file of exactly `size` bytes.
    pub(crate) fn file(
        &mut self,
        path: &str,
        mode: u32,
        size: u64,
        data: impl Read,
    ) -> io::Result<()> {
        self.header(path, b'0', mode, size)?;
        let copied = io::copy(&mut data.take(size), &mut self.inner)?;
        if copied < size {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{path} became shorter while it was read"),
            ));
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.inner.write_all(&[0; BLOCK][..padding as usize])
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }

    fn header(&mut self, path: &str, kind: u8, mode: u32, size: u64) -> io::Result<()> {
        let mut block = [0_u8; BLOCK];
        let mut put =
            |from: usize, text: &[u8]| block[from..from + text.len()].copy_from_slice(text);
        let (prefix, name) = split(path).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("the path {path} is too long"))
        })?;
        put(0, name.as_bytes());
        put(345, prefix.as_bytes());
        put(100, format!("{mode:07o}\0").as_bytes());
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        // Eleven octal digits hold 8 GiB, which no file packed here has.
        let size = format!("{size:011o}\0");
        if size.len() != 12 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{path} is too large"),
            ));
        }
        put(124, size.as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[kind]);
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.inner.write_all(&block)
    }
}

/// A path as ustar's prefix (155 bytes) and name (100 bytes).
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(slash, _)| (&path[..slash], &path[slash + 1..]))
        .find(|(prefix, name)| prefix.len() <= 155 && (1..=100).contains(&name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reader_reads_it() {
        let mut writer = TarWriter::new(Vec::new());
        let long = format!("usr/{}/{}", "d".repeat(90), "f".repeat(90));
        writer.directory("usr", 0o755).expect("written");
        writer.file(&long, 0o755, 700, &[7; 700][..]).expect("written");
        writer.file("empty", 0o644, 0, &[][..]).expect("written");
        let archive = writer.finish().expect("finished");
        let mut reader = ::tar::Archive::new(&archive[..]);
        let found: Vec<_> = reader
            .entries()
            .expect("readable")
            .map(|entry| {
                let entry = entry.expect("entry");
                let header = entry.header();
                let numbers = (
                    header.mode().unwrap_or(9),
                    header.uid().unwrap_or(9),
                    header.mtime().unwrap_or(9),
                );
                (entry.path().expect("path").display().to_string(), entry.size(), numbers)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("usr/".to_owned(), 0, (0o755, 0, 0)),
                (long, 700, (0o755, 0, 0)),
                ("empty".to_owned(), 0, (0o644, 0, 0)),
            ]
        );
    }

    #[test]
    fn a_file_that_shrinks_is_noticed() {
        let mut writer = TarWriter::new(Vec::new());
        assert!(writer.file("a", 0o644, 10, &b"short"[..]).is_err());
    }
}
